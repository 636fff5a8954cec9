//! Where streams stand: what is remembered of them, and what indexes and runs know of the others.

use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use super::format::StreamKey;
use super::index::{ActiveIndex, Found, IndexFile, StreamHead};
use super::segment::run_name;
use super::shared::{Run, Shared, is_doubt, unavailable};
use crate::chain::ChainHash;
use crate::event::{Sequence, StreamId};
use crate::limits::LOG_HEADS_MAX;
use crate::store::ReadError;

/// Heads that are remembered without letting others look in between.
const HEADS_AT_ONCE: usize = 256;

/// The heads that are remembered.
#[derive(Debug, Default)]
pub(super) struct Heads(Mutex<HeadCache>);

impl Heads {
    fn lock(&self) -> MutexGuard<'_, HeadCache> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Heads of streams that were used not long ago. Two generations: what is not asked for while one fills up is
/// forgotten with the next.
#[derive(Debug, Default)]
struct HeadCache {
    young: HashMap<StreamId, StreamHead>,
    old: HashMap<StreamId, StreamHead>,
    /// How often heads were taken over from an index. What somebody looked up before that may be older.
    taken_over: u64,
}

impl HeadCache {
    fn get(&mut self, stream: &StreamId) -> Option<StreamHead> {
        if let Some(head) = self.young.get(stream) {
            return Some(*head);
        }
        let head = self.old.get(stream).copied()?;
        self.insert(stream.clone(), head);
        Some(head)
    }

    fn insert(&mut self, stream: StreamId, head: StreamHead) {
        if self.young.len() >= LOG_HEADS_MAX / 2 {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(stream, head);
    }
}

impl Shared {
    /// Where a stream stands; `None` if there never was an event of it.
    pub(super) fn head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
        let state = self.state();
        if let Some(listed) = state.active.get(stream.as_str()) {
            return Ok(Some(listed.head));
        }
        if let Some(listed) = state.sealed.iter().rev().find_map(|index| index.get(stream.as_str())) {
            return Ok(Some(listed.head));
        }
        let taken_over = {
            let mut heads = self.heads.lock();
            if let Some(head) = heads.get(stream) {
                return Ok(Some(head));
            }
            heads.taken_over
        };
        let (runs, first, anchors) = (state.runs.clone(), state.first, state.anchors.clone());
        drop(state);
        let head = self.find_head(self.log.key(stream), &runs, (first, u32::MAX), anchors.as_deref())?;
        if let Some(head) = head {
            let mut heads = self.heads.lock();
            // Otherwise a segment may have been filled meanwhile that knows the stream better.
            if heads.taken_over == taken_over {
                heads.insert(stream.clone(), head);
            }
        }
        Ok(head)
    }

    /// Where a stream stood before a segment.
    pub(super) fn head_before(
        &self,
        stream: &StreamId,
        segment: u32,
    ) -> Result<Option<StreamHead>, ReadError> {
        if let Some(head) = self.sealed_before(stream, segment) {
            return Ok(Some(head));
        }
        let (runs, first, anchors) = {
            let state = self.state();
            (state.runs.clone(), state.first, state.anchors.clone())
        };
        self.find_head(self.log.key(stream), &runs, (first, segment), anchors.as_deref())
    }

    /// The same, if a segment tells whose index is in memory.
    pub(super) fn sealed_before(&self, stream: &StreamId, segment: u32) -> Option<StreamHead> {
        let state = self.state();
        let mut sealed = state.sealed.iter().rev().filter(|index| index.segment < segment);
        sealed.find_map(|index| index.get(stream.as_str())).map(|listed| listed.head)
    }

    /// The last segment before one whose index is in a file.
    pub(super) fn indexed_before(&self, segment: u32) -> Option<u32> {
        let state = self.state();
        let run = state.runs.iter().rev().find(|run| run.first < segment)?;
        Some(run.last.min(segment - 1))
    }

    /// Looks for a stream in the files of segments from `first` to before `limit`.
    fn find_head(
        &self,
        key: StreamKey,
        runs: &[Run],
        (first, limit): (u32, u32),
        anchors: Option<&IndexFile>,
    ) -> Result<Option<StreamHead>, ReadError> {
        if let Some(head) = self.find_in_runs(key, runs, (first, limit))? {
            return Ok(Some(head));
        }
        let Some(anchors) = anchors else { return Ok(None) };
        let found = anchors.find(key).map_err(|error| unavailable("the anchors", &error))?;
        // Named is the first segment that was kept, and it does not know the stream.
        Ok(found
            .map(|found| StreamHead { segment: anchors.head.segment.saturating_sub(1), ..found.listed.head }))
    }

    fn find_in_runs(
        &self,
        key: StreamKey,
        runs: &[Run],
        (first, limit): (u32, u32),
    ) -> Result<Option<StreamHead>, ReadError> {
        for run in runs.iter().rev().filter(|run| run.first < limit) {
            let all = run.first..(run.last + 1).min(limit);
            let segments = match run.file.as_ref().filter(|_| run.last < limit).map(|file| file.find(key)) {
                Some(Ok(found)) => found.map_or(0..0, |segment| segment..segment + 1),
                Some(Err(error)) if is_doubt(&error) => {
                    self.take_run_apart(run);
                    all
                }
                Some(Err(error)) => return Err(unavailable("a run of indexes", &error)),
                None => all,
            };
            for segment in segments.rev().filter(|segment| *segment >= first) {
                if let Some(found) = self.find_in_segment(key, segment)? {
                    return Ok(Some(found.listed.head));
                }
            }
        }
        Ok(None)
    }

    fn find_in_segment(&self, key: StreamKey, segment: u32) -> Result<Option<Found>, ReadError> {
        self.in_file(segment, |index| index.find(key))
    }

    /// The first event of a stream that is still there, and the chain before it: it may have been truncated, or
    /// given up together with its segment.
    pub(super) fn kept_from(
        &self,
        stream: &StreamId,
        head: &StreamHead,
    ) -> Result<(Sequence, ChainHash), ReadError> {
        let anchors = self.state().anchors.clone();
        let found = match anchors {
            Some(file) => {
                file.find(self.log.key(stream)).map_err(|error| unavailable("the anchors", &error))?
            }
            None => None,
        };
        Ok(match found {
            Some(found) if found.listed.head.first > head.first => {
                (found.listed.head.first, found.listed.head.anchor)
            }
            _ => (head.first, head.anchor),
        })
    }

    /// Takes a run that was found damaged apart. What it said is in the indexes of its segments, which are merged
    /// again.
    pub(super) fn take_run_apart(&self, run: &Run) {
        let extent = (run.first, run.last);
        let mut state = self.state_mut();
        let at = state.runs.iter().position(|other| other.file.is_some() && other.extent() == extent);
        let Some(at) = at else { return };
        let segments = run.first.max(state.first)..=run.last;
        let singles = segments.map(|segment| Run { first: segment, last: segment, file: None });
        state.runs.splice(at..=at, singles);
        drop(state);
        self.note_rebuilt();
        if self.writable {
            // If it is left, it is replaced by the run that is merged again, or found damaged again.
            let _left = self.disk.remove(&run_name(extent));
        }
    }

    /// Keeps in mind where the streams of a segment stand, before its index leaves the memory; until it has, it goes
    /// before what is remembered.
    pub(super) fn remember(&self, index: &ActiveIndex) {
        self.heads.lock().taken_over += 1;
        let mut rest = index.heads().peekable();
        while rest.peek().is_some() {
            // Who appends looks into them as well, and does not wait for all.
            let mut heads = self.heads.lock();
            // All of them: one that is left out would be found as it was before.
            for (stream, head) in rest.by_ref().take(HEADS_AT_ONCE) {
                heads.insert(stream.clone(), *head);
            }
        }
    }

    /// Forgets where streams stand: segments were given up.
    pub(super) fn forget_heads(&self) {
        let mut heads = self.heads.lock();
        *heads = HeadCache { taken_over: heads.taken_over + 1, ..HeadCache::default() };
    }
}

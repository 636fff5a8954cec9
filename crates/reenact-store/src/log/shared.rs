//! What the log's writer, its readers and its subscriptions share: the durable part of the log.

use std::collections::{HashSet, VecDeque};
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::HashMap;

use super::earlier::Earlier;
use super::fold::{Fold, FoldError};
use super::format::{LogId, Mark, Place, SegmentHead, StreamKey};
use super::index::{ActiveIndex, Found, IndexFile, List, ListPlace, Listed, RunFile, StreamHead, encode};
use super::read::{Route, Stage};
use super::segment::{MARK, Scanner, index_name, run_name, segment_name};
use crate::chain::ChainHash;
use crate::decide::RecentIds;
use crate::disk::{Access, Disk, DiskFile, MemoryFile, PAGE_BYTES, replace};
use crate::event::{PartitionId, Position, Sequence, StreamId, Timestamp};
use crate::limits::{LOG_FILES_MAX, LOG_HEADS_MAX};
use crate::store::{AppendError, ReadError};

/// The one partition that the log has.
pub(super) const PARTITION: PartitionId = PartitionId(0);

/// Heads that are remembered without letting others look in between.
const HEADS_AT_ONCE: usize = 256;

/// Neighbouring segments whose indexes are in files.
#[derive(Clone, Debug)]
pub(super) struct Run {
    pub(super) first: u32,
    pub(super) last: u32,
    /// None for a single segment, whose own index tells.
    pub(super) file: Option<Arc<RunFile>>,
}

impl Run {
    pub(super) fn extent(&self) -> (u32, u32) {
        (self.first, self.last)
    }

    pub(super) fn length(&self) -> u32 {
        self.last - self.first + 1
    }
}

/// Which segments there are, and where what is known of them is.
#[derive(Debug)]
pub(super) struct State {
    /// The first segment that was not given up.
    pub(super) first: u32,
    /// The heads of streams of which segments were given up.
    pub(super) anchors: Option<Arc<IndexFile>>,
    /// Segments whose index is in a file, in their order, without a gap.
    pub(super) runs: Vec<Run>,
    /// Segments that are full, and whose index is not in a file yet.
    pub(super) sealed: VecDeque<Arc<ActiveIndex>>,
    /// The segment that is written.
    pub(super) active: ActiveIndex,
}

impl State {
    /// The index of a segment, if it is in memory.
    pub(super) fn in_memory(&self, segment: u32) -> Option<&ActiveIndex> {
        let sealed = self.sealed.iter().map(|index| &**index);
        sealed.chain([&self.active]).find(|index| index.segment == segment)
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

/// Files that are open.
#[derive(Debug, Default)]
struct Files {
    segments: HashMap<u32, Arc<dyn DiskFile>>,
    indexes: HashMap<u32, Arc<IndexFile>>,
    /// Indexes that could not be put into a file. They are kept, as others may rest on them.
    made: HashMap<u32, Arc<IndexFile>>,
    /// Indexes that were read through because others were made again that may rest on them.
    checked: HashSet<u32>,
}

/// Where an event lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Located {
    pub(super) segment: u32,
    pub(super) position: u64,
    /// Where its record begins, and the byte before which it ends.
    pub(super) offset: u32,
    pub(super) end: u32,
    pub(super) timestamp: Timestamp,
}

/// The durable part of the log.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log: LogId,
    /// Whether indexes that are made again are kept in files.
    pub(super) writable: bool,
    state: RwLock<State>,
    heads: Mutex<HeadCache>,
    files: Mutex<Files>,
    /// Also those of events that wait to become durable.
    recent: Mutex<RecentIds>,
    indexing: Mutex<()>,
    merging: Mutex<()>,
    retaining: Mutex<()>,
    /// The mark as it is on the disk.
    mark: Mutex<Mark>,
    /// How far it says that the log reaches, for who must not wait until one is written.
    marked: AtomicU64,
    /// Held by whoever writes an index that was made again.
    rebuilding: Mutex<()>,
    /// The way of streams that were read through the segments.
    pub(super) routes: Mutex<HashMap<StreamKey, Route>>,
    /// The failure after which nothing is written any more.
    pub(super) poison: OnceLock<String>,
    /// Indexes that had to be made again.
    rebuilt: AtomicU64,
}

impl Shared {
    pub(super) fn new(disk: Arc<dyn Disk>, mark: Mark, writable: bool, state: State) -> Self {
        Self {
            disk,
            log: mark.log,
            marked: AtomicU64::new(pack(mark.end)),
            mark: Mutex::new(mark),
            writable,
            state: RwLock::new(state),
            heads: Mutex::default(),
            files: Mutex::default(),
            recent: Mutex::default(),
            indexing: Mutex::default(),
            merging: Mutex::default(),
            retaining: Mutex::default(),
            rebuilding: Mutex::default(),
            routes: Mutex::default(),
            poison: OnceLock::new(),
            rebuilt: AtomicU64::new(0),
        }
    }

    /// The state is changed in steps that leave it true, so that one whose lock a panic poisoned still is.
    pub(super) fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// How far the mark says that the log reaches.
    pub(super) fn marked(&self) -> Place {
        let packed = self.marked.load(Ordering::Acquire);
        let (segment, pages) = ((packed >> 32) as u32, packed & u64::from(u32::MAX));
        Place { segment, offset: pages * PAGE_BYTES as u64 }
    }

    /// Replaces the mark by one that says something else.
    pub(super) fn change_mark(&self, change: impl FnOnce(Mark) -> Mark) -> io::Result<()> {
        let mut mark = self.mark.lock().unwrap_or_else(PoisonError::into_inner);
        let next = change(*mark);
        if next != *mark {
            replace(&*self.disk, MARK, &next.write())?;
            *mark = next;
            self.marked.store(pack(next.end), Ordering::Release);
        }
        Ok(())
    }

    /// Writes down how far the log reaches that is shown, with the first segment and the anchors that are given, or
    /// those that it has.
    pub(super) fn advance_mark(&self, kept: Option<(u32, u32)>) -> io::Result<()> {
        self.change_mark(|mark| {
            let (first, anchors) = match kept {
                Some((first, anchors)) => (first, Some(anchors)),
                None => (mark.first, mark.anchors),
            };
            let state = self.state();
            let (end, position, crc) =
                (state.active.end_place(), state.active.next_position(), state.active.crc);
            let mark = Mark { first, anchors, ..mark };
            if end.offset > 0 && end > mark.end { Mark { end, position, crc, ..mark } } else { mark }
        })
    }

    /// Takes no more events, as a thread has panicked in what it did for the log. What is told to those who append.
    pub(super) fn give_up(&self) -> AppendError {
        let reason = self.poison.get_or_init(|| "a thread of the log has panicked".into());
        AppendError::Poisoned { reason: reason.clone() }
    }

    /// Held by whoever writes indexes.
    pub(super) fn indexing(&self) -> MutexGuard<'_, ()> {
        self.indexing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by whoever merges runs. It is taken before any other lock.
    pub(super) fn merging(&self) -> MutexGuard<'_, ()> {
        self.merging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held by whoever gives up segments.
    pub(super) fn retaining(&self) -> MutexGuard<'_, ()> {
        self.retaining.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn heads(&self) -> MutexGuard<'_, HeadCache> {
        self.heads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Never held while something is read or written, but by the one that commits.
    pub(super) fn recent(&self) -> MutexGuard<'_, RecentIds> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_rebuilt(&self) {
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn rebuilt(&self) -> u64 {
        self.rebuilt.load(Ordering::Relaxed)
    }

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
            let mut heads = self.heads();
            if let Some(head) = heads.get(stream) {
                return Ok(Some(head));
            }
            heads.taken_over
        };
        let (runs, first, anchors) = (state.runs.clone(), state.first, state.anchors.clone());
        drop(state);
        let head = self.find_head(self.log.key(stream), &runs, (first, u32::MAX), anchors.as_deref())?;
        if let Some(head) = head {
            let mut heads = self.heads();
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
                    self.give_up_run(run);
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

    /// Takes a run that was found damaged apart. What it said is in the indexes of its segments, which are merged
    /// again.
    pub(super) fn give_up_run(&self, run: &Run) {
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

    fn find_in_segment(&self, key: StreamKey, segment: u32) -> Result<Option<Found>, ReadError> {
        self.in_file(segment, |index| index.find(key))
    }

    /// Keeps in mind where the streams of a segment stand, before its index leaves the memory; until it has, it goes
    /// before what is remembered.
    pub(super) fn remember(&self, index: &ActiveIndex) {
        self.heads().taken_over += 1;
        let mut rest = index.heads().peekable();
        while rest.peek().is_some() {
            // Who appends looks into them as well, and does not wait for all.
            let mut heads = self.heads();
            // All of them: one that is left out would be found as it was before.
            for (stream, head) in rest.by_ref().take(HEADS_AT_ONCE) {
                heads.insert(stream.clone(), *head);
            }
        }
    }

    /// Forgets where streams stand: segments were given up.
    pub(super) fn forget_heads(&self) {
        let mut heads = self.heads();
        *heads = HeadCache { taken_over: heads.taken_over + 1, ..HeadCache::default() };
    }

    /// Forgets the files of segments that were given up.
    pub(super) fn forget_files(&self, before: u32) {
        let mut files = self.files();
        files.segments.retain(|segment, _| *segment >= before);
        files.indexes.retain(|segment, _| *segment >= before);
        files.made.retain(|segment, _| *segment >= before);
        files.checked.retain(|segment| *segment >= before);
    }

    /// The file of a segment, for reading.
    pub(super) fn segment(&self, segment: u32) -> Result<Arc<dyn DiskFile>, ReadError> {
        if let Some(file) = self.files().segments.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let name = segment_name(segment);
        let file = self.disk.open(&name, Access::Read).map_err(|error| unavailable(&name, &error))?;
        let mut files = self.files();
        make_room(&mut files.segments);
        files.segments.insert(segment, Arc::clone(&file));
        Ok(file)
    }

    /// The index of a segment that is full. One that is missing or damaged is made again.
    pub(super) fn index(&self, segment: u32) -> Result<Arc<IndexFile>, ReadError> {
        {
            let files = self.files();
            // One that was made again is there because that in the file is not to be trusted.
            if let Some(index) = files.made.get(&segment).or_else(|| files.indexes.get(&segment)) {
                return Ok(Arc::clone(index));
            }
        }
        let name = index_name(segment);
        match IndexFile::open(&*self.disk, &name, self.log, segment) {
            Ok(index) if self.is_index_of(&index, segment)? => Ok(self.keep(segment, index)),
            Err(error) if !is_doubt(&error) => Err(unavailable(&name, &error)),
            _ => self.rebuild(segment),
        }
    }

    fn keep(&self, segment: u32, index: IndexFile) -> Arc<IndexFile> {
        let (index, mut files) = (Arc::new(index), self.files());
        make_room(&mut files.indexes);
        files.indexes.insert(segment, Arc::clone(&index));
        index
    }

    /// Makes the index of a full segment again, and before it those of earlier segments that are missing: it rests
    /// on them.
    fn rebuild(&self, segment: u32) -> Result<Arc<IndexFile>, ReadError> {
        let first = self.state().first;
        for earlier in first..segment {
            if !self.has_index(earlier) {
                self.rebuild_one(earlier)?;
            }
        }
        self.rebuild_one(segment)
    }

    /// Whether there is a whole index of a full segment. Without reading all of it, each might be found damaged only
    /// while the one after it is made, one within the other.
    fn has_index(&self, segment: u32) -> bool {
        let known = {
            let files = self.files();
            files.checked.contains(&segment) || files.made.contains_key(&segment)
        };
        let check = || IndexFile::open(&*self.disk, &index_name(segment), self.log, segment)?.check();
        let whole = known || check().is_ok();
        if whole {
            self.files().checked.insert(segment);
        }
        whole
    }

    fn rebuild_one(&self, segment: u32) -> Result<Arc<IndexFile>, ReadError> {
        self.note_rebuilt();
        let bytes = encode(self.log, &self.fold_segment(segment)?);
        let name = index_name(segment);
        // Only one at a time writes; a disk that is full keeps nobody from reading.
        if let Some(_alone) = self.rebuilding.try_lock().ok().filter(|_| self.writable)
            && replace(&*self.disk, &name, &bytes).is_ok()
            && let Ok(index) = IndexFile::open(&*self.disk, &name, self.log, segment)
        {
            return Ok(self.keep(segment, index));
        }
        let index = IndexFile::read_from(Arc::new(MemoryFile(bytes)), self.log, segment);
        let index = Arc::new(index.map_err(|error| unavailable(&name, &error))?);
        self.files().made.insert(segment, Arc::clone(&index));
        Ok(index)
    }

    /// The index of a full segment, from its blocks.
    pub(super) fn fold_segment(&self, segment: u32) -> Result<ActiveIndex, ReadError> {
        let name = segment_name(segment);
        let (end, _) = self.end_of(segment)?;
        let mut scanner = Scanner::new(self.segment(segment)?, self.log, segment)
            .map_err(|error| unavailable(&name, &error))?;
        let is = (self.log, segment, scanner.bytes());
        let page = scanner.head().map_err(|error| unavailable(&name, &error))?;
        let damaged = |position, reason: &str| damaged(position, &format!("{reason}, in {name}"));
        let head = SegmentHead::read_of(page, is);
        let (head, crc) = head.map_err(|_| damaged(0, "the head of a segment is wrong"))?;
        let truncations = self.truncations_before(segment)?;
        let index = ActiveIndex::new(segment, head.position, truncations);
        let mut fold = Fold::new(self.log, index, crc, head.timestamp);
        let before = Earlier::new(self, segment);
        while fold.offset < end {
            let block = scanner.block(fold.offset).map_err(|error| unavailable(&name, &error))?;
            let position = fold.index.next_position();
            let block = block.map_err(|reason| damaged(position, reason))?;
            fold.block(&block, &before).map_err(|error| match error {
                FoldError::Damaged(reason) => damaged(position, reason),
                FoldError::Read(error) => error,
            })?;
        }
        Ok(fold.index)
    }

    /// Whether an index is that of a segment as it is, and not of one that had its number.
    fn is_index_of(&self, index: &IndexFile, segment: u32) -> Result<bool, ReadError> {
        let head = &index.head;
        Ok(head.segment == segment && (head.end, head.crc) == self.end_of(segment)?)
    }

    /// Where the last block of a full segment ends, and its checksum: the next segment says it.
    pub(super) fn end_of(&self, segment: u32) -> Result<(u64, u32), ReadError> {
        let name = segment_name(segment + 1);
        let page = super::segment::read_segment_head(&*self.segment(segment + 1)?);
        let page = page.map_err(|error| unavailable(&name, &error))?;
        match SegmentHead::read(&page) {
            Ok((head, _)) if head.log == self.log && head.number == segment + 1 => {
                Ok((head.previous_end, head.previous_crc))
            }
            _ => Err(damaged(0, &format!("the head of {name} is wrong"))),
        }
    }

    pub(super) fn truncations_before(&self, segment: u32) -> Result<u64, ReadError> {
        let (first, anchors) = {
            let state = self.state();
            (state.first, state.anchors.clone())
        };
        if segment <= first {
            return Ok(anchors.map_or(0, |anchors| anchors.head.truncations));
        }
        self.with_index(segment - 1, |index| Ok(index.truncations()))
    }

    /// Looks into the index of a segment, wherever it is; twice, if what is read first turns out to be damaged.
    pub(super) fn with_index<T>(
        &self,
        segment: u32,
        mut look: impl FnMut(AnyIndex<'_>) -> io::Result<T>,
    ) -> Result<T, ReadError> {
        let state = self.state();
        if let Some(index) = state.in_memory(segment) {
            return look(AnyIndex::Memory(index)).map_err(|error| unavailable(&index_name(segment), &error));
        }
        drop(state);
        self.in_file(segment, |index| look(AnyIndex::File(index)))
    }

    /// Looks into the index of a segment that is in a file. One that is found damaged is made again, and looked into
    /// once more.
    pub(super) fn in_file<T>(
        &self,
        segment: u32,
        mut look: impl FnMut(&IndexFile) -> io::Result<T>,
    ) -> Result<T, ReadError> {
        let mut looked = look(&*self.index(segment)?);
        if looked.as_ref().is_err_and(is_doubt) {
            looked = look(&*self.rebuild(segment)?);
        }
        looked.map_err(|error| unavailable(&index_name(segment), &error))
    }

    /// The segment in which a position lies, or the first one after it.
    pub(super) fn segment_of(&self, position: u64) -> Result<u32, ReadError> {
        let state = self.state();
        if let Some(index) = state
            .sealed
            .iter()
            .map(|index| &**index)
            .chain([&state.active])
            .rev()
            .find(|index| index.position <= position)
        {
            return Ok(index.segment);
        }
        let (mut low, mut high) =
            (state.first, state.sealed.front().map_or(state.active.segment, |index| index.segment));
        drop(state);
        while low + 1 < high {
            let middle = low.midpoint(high);
            if self.index(middle)?.head.position <= position { low = middle } else { high = middle }
        }
        Ok(low)
    }
}

/// The index of a segment, wherever it is.
#[derive(Debug)]
pub(super) enum AnyIndex<'a> {
    Memory(&'a ActiveIndex),
    File(&'a IndexFile),
}

impl AnyIndex<'_> {
    fn truncations(&self) -> u64 {
        match self {
            Self::Memory(index) => index.truncations,
            Self::File(index) => index.head.truncations,
        }
    }

    /// Where the last block ends.
    pub(super) fn end(&self) -> u64 {
        match self {
            Self::Memory(index) => index.end,
            Self::File(index) => index.head.end,
        }
    }

    /// The position of the first event, and how many there are.
    pub(super) fn extent(&self) -> (u64, u32) {
        match self {
            Self::Memory(index) => (index.position, index.events()),
            Self::File(index) => (index.head.position, index.head.events),
        }
    }

    /// What it says of a stream, and where those of its events lie that have sequences in a range.
    pub(super) fn part(
        &self,
        (stream, key): (&StreamId, StreamKey),
        (first, last): (Sequence, Sequence),
    ) -> io::Result<Option<(Listed, Vec<Located>)>> {
        let Some((listed, list)) = self.listed((stream, key))? else { return Ok(None) };
        let range = span(&listed, first, last);
        let events = match self {
            _ if range.is_empty() => Vec::new(),
            Self::Memory(index) => index.events_of(stream.as_str(), first, range.len()),
            Self::File(index) => match list {
                Some(list) => index.events_of(list, range, &mut None)?,
                None => Vec::new(),
            },
        };
        Ok(Some((listed, self.locate(&events)?)))
    }

    /// What it says of a stream, and where its list is, if that is in a file.
    pub(super) fn listed(
        &self,
        (stream, key): (&StreamId, StreamKey),
    ) -> io::Result<Option<(Listed, Option<List>)>> {
        Ok(match self {
            Self::Memory(index) => index.get(stream.as_str()).map(|listed| (listed, None)),
            Self::File(index) => index.find(key)?.map(|found| (found.listed, Some(found.list()))),
        })
    }

    /// As [`part`](Self::part), of a stream of which it is known where its list begins, if that is in a file.
    pub(super) fn part_of(
        &self,
        (stream, key): (&StreamId, StreamKey),
        stage: &Stage,
        (first, last): (Sequence, Sequence),
        place: &mut Option<ListPlace>,
    ) -> io::Result<Option<Vec<Located>>> {
        let (Self::File(index), Some(list)) = (self, stage.list) else {
            return Ok(self.part((stream, key), (first, last))?.map(|(_, located)| located));
        };
        let after = |sequence: u64| sequence.saturating_sub(stage.first.0).min(u64::from(list.count)) as u32;
        let events = index.events_of(list, after(first.0)..after(last.0.saturating_add(1)), place)?;
        self.locate(&events).map(Some)
    }

    /// Where events lie, which are counted from the segment's first.
    pub(super) fn locate(&self, events: &[u32]) -> io::Result<Vec<Located>> {
        match self {
            Self::Memory(index) => Ok(events
                .iter()
                .map(|event| {
                    let (offset, end) = index.place(*event);
                    let (segment, position) = (index.segment, index.position + u64::from(*event));
                    Located { segment, position, offset, end, timestamp: index.timestamp(*event) }
                })
                .collect()),
            Self::File(index) => {
                let (places, timestamps) = (index.places(events)?, index.timestamps(events)?);
                let (segment, position) = (index.head.segment, index.head.position);
                let located = events.iter().zip(places).zip(timestamps);
                let located = located.map(|((event, (offset, end)), timestamp)| Located {
                    segment,
                    position: position + u64::from(*event),
                    offset,
                    end,
                    timestamp,
                });
                Ok(located.collect())
            }
        }
    }
}

/// Which events of a stream from `first` to `last` are in a segment, counted from the first that is.
fn span(listed: &Listed, first: Sequence, last: Sequence) -> Range<u32> {
    let begin = first.max(listed.first());
    let end = last.min(listed.head.sequence);
    if listed.count == 0 || begin > end {
        return 0..0;
    }
    let after = |sequence: Sequence| (sequence.0 - listed.first().0) as u32;
    after(begin)..after(end) + 1
}

/// A place in 64 bits: blocks begin with a page, and segments have fewer than 2^32 of them.
fn pack(place: Place) -> u64 {
    (u64::from(place.segment) << 32) | (place.offset / PAGE_BYTES as u64)
}

/// Makes room for one more.
fn make_room<T>(files: &mut HashMap<u32, T>) {
    if files.len() >= LOG_FILES_MAX
        && let Some(one) = files.keys().next().copied()
    {
        files.remove(&one);
    }
}

/// Whether a derived file must be made again.
pub(super) fn is_doubt(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidData)
}

pub(super) fn unavailable(what: &str, error: &io::Error) -> ReadError {
    ReadError::Unavailable { reason: format!("failed to read {what}: {error}") }
}

pub(super) fn damaged(position: u64, reason: &str) -> ReadError {
    ReadError::Damaged { partition: PARTITION, position: Position(position), reason: reason.into() }
}

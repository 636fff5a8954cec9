//! What the log's writer, its readers and its subscriptions share: the durable part of the log.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use foldhash::HashMap;

use super::files::Files;
use super::format::{LogId, Mark, Place, StreamKey};
use super::heads::Heads;
use super::index::{ActiveIndex, IndexFile, RunFile};
use super::read::Route;
use super::segment::MARK;
use crate::decide::RecentIds;
use crate::disk::{Disk, PAGE_BYTES, replace};
use crate::event::{PartitionId, Position};
use crate::store::{AppendError, ReadError};

/// The one partition that the log has.
pub(super) const PARTITION: PartitionId = PartitionId(0);

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

/// The durable part of the log.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) log: LogId,
    /// Whether indexes that are made again are kept in files.
    pub(super) writable: bool,
    state: RwLock<State>,
    pub(super) heads: Heads,
    pub(super) files: Files,
    /// Also those of events that wait to become durable.
    recent: Mutex<RecentIds>,
    indexing: Mutex<()>,
    merging: Mutex<()>,
    retaining: Mutex<()>,
    /// The mark as it is on the disk.
    mark: Mutex<Mark>,
    /// How far it says that the log reaches, for who must not wait until one is written.
    marked: AtomicU64,
    /// The way of streams that were read through the segments.
    pub(super) routes: Mutex<HashMap<StreamKey, Route>>,
    /// The failure after which nothing is written any more.
    pub(super) poison: OnceLock<String>,
    /// Indexes and runs that had to be made again.
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
            heads: Heads::default(),
            files: Files::default(),
            recent: Mutex::default(),
            indexing: Mutex::default(),
            merging: Mutex::default(),
            retaining: Mutex::default(),
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
    pub(super) fn poison_by_panic(&self) -> AppendError {
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
}

/// A place in 64 bits: blocks begin with a page, and segments have fewer than 2^32 of them.
fn pack(place: Place) -> u64 {
    (u64::from(place.segment) << 32) | (place.offset / PAGE_BYTES as u64)
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

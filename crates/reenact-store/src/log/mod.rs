//! An event store in one directory, without a server.
//!
//! ```text
//!  append ─> look early, ─> queue ─> commit: decide, one write ─> index ─> answer, wake subscriptions
//!            records                 block of a segment           in memory
//!                                        │ full                      │ full
//!                                        v                           v
//!                                    next segment <─ segments     index file ─> runs
//!                                                    ahead of need
//! ```
//!
//! An append is acknowledged when it is durable. Whatever waits while the disk is busy is written as one block,
//! with one write; no timer holds anybody back, and while few append, one of them commits for all on its own thread. A
//! log that was torn by a crash is mended when it is opened; one that is damaged is refused and left as it is. See
//! `docs/spec/event-log.md`.
//!
//! # Words
//!
//! | word | meaning |
//! |---|---|
//! | segment | a file of the log: it is made whole, and filled with blocks from its begin |
//! | block | what is written at once: the records of appends that waited together |
//! | mark | the file that says how far the log surely reached |
//! | head | of a stream, where it stands: last sequence, chain; of a segment or a block, what comes first in it |
//! | index | which streams are in a segment, and where their events are |
//! | run | neighbouring segments, and a file that says which of them is the last to know a stream |
//! | anchor | a stream's chain before the first event that is kept; the file of those of segments that were given up |
//! | truncate | to take the first events off a stream; they are not shown any more, and stay in their segments |
//! | give up | to remove the oldest segments, whole |

mod append;
mod backup;
mod batch;
mod before;
mod commit;
mod early;
mod files;
mod fold;
mod format;
mod heads;
mod index;
mod merge;
mod read;
mod reader;
mod records;
mod recovery;
mod retain;
mod salvage;
mod scan;
mod segment;
mod segments;
mod shared;
mod stats;
mod survey;
mod threads;
mod verify;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{Semaphore, watch};

use crate::clock::{Clock, SteadyClock, SystemClock};
use crate::disk::{Disk, DiskLock, PAGE_BYTES, RealDisk};
use crate::event::{
    Checkpoint, Event, ExpectedSequence, Head, NewEvent, Position, Receipt, Sequence, StreamId,
};
use crate::limits::{QUEUE_BYTES_MAX, SEGMENT_BYTES, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::store::{AppendError, BoxFuture, Direction, EventStore, ReadError, Scope, TruncateError};
use crate::subscription::Subscription;
pub use backup::{BackupReport, backup};
pub use reader::LogReader;
pub use salvage::{LostPlace, SalvageReport, salvage};
pub use scan::{BlockEvents, EventView, Scan};
pub use stats::{FileBytes, LogStats, StreamStats, stats};
pub use survey::{ToolError, ToolProgress};
pub use verify::{Damage, Nature, VerifyReport, verify, verify_on};

use commit::{Core, Queue};
use merge::{merge_step, write_index};
use read::Source;
use recovery::{Recovery, recover};
use segments::Segments;
use shared::Shared;
use threads::Threads;

/// Why a log was not opened. Nothing that tells of events has changed; remains of interrupted work that nobody needs
/// may be gone.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the directory, or another log in this one.
    #[error("{} is in use", directory.display())]
    Locked {
        /// Which directory.
        directory: PathBuf,
    },
    /// There is no log in the directory, or no directory.
    #[error("there is no log in {}", directory.display())]
    NoLog {
        /// Which directory.
        directory: PathBuf,
    },
    /// What was acknowledged is not what it was.
    #[error("{} is damaged at byte {offset}: {reason}", path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// The first byte of what cannot be read.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A log of another version.
    #[error("{} is of version {actual}, where {known} is known", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// As found.
        actual: u32,
        /// The version that is known.
        known: u32,
    },
    /// An earlier part of the log, on which its end rests, cannot be read.
    #[error("failed to read what the end of the log rests on")]
    Read(#[from] ReadError),
    /// Segments of such a length cannot be made.
    #[error("segments of {actual} bytes, where a multiple of 4096 from {least} to {most} is allowed")]
    SegmentBytes {
        /// As given.
        actual: u64,
        /// [`SEGMENT_BYTES_MIN`].
        least: u64,
        /// [`SEGMENT_BYTES_MAX`].
        most: u64,
    },
    /// The system refuses something.
    #[error("failed to open {}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// Why a log was not closed cleanly. Everything acknowledged is kept all the same.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CloseError {
    /// The mark that says how far the log reaches could not be written.
    #[error("failed to write {}", path.display())]
    Mark {
        /// The mark's file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A thread of the log has panicked, or one that appended while it committed. Since then the log took nothing.
    #[error("a thread of the log has panicked")]
    Panicked,
}

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct LogOptions {
    /// Bytes of the segments that are made from now on: a multiple of 4,096 from [`SEGMENT_BYTES_MIN`] to
    /// [`SEGMENT_BYTES_MAX`]. Those that are there keep theirs.
    pub segment_bytes: u64,
    /// Leaves out something on which the log's promises rest, for a test that shows that it is missed.
    #[doc(hidden)]
    pub weakness: Option<Weakness>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { segment_bytes: SEGMENT_BYTES, weakness: None }
    }
}

/// Something that is left out.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// After a failed write the log goes on.
    NoPoison,
}

/// A place in a log's segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogPlace {
    /// Which segment.
    pub segment: u32,
    /// Which byte of it.
    pub offset: u64,
}

/// What was found when a log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenReport {
    /// Events in the log, truncated ones included; not those of segments that were given up.
    pub events: u64,
    /// Where the remains of a write began that a crash interrupted; they were never acknowledged, and are
    /// overwritten with zeros.
    pub torn_at: Option<LogPlace>,
    /// Bytes of them.
    pub torn_bytes: u64,
    /// Where the log goes on.
    pub end: LogPlace,
    /// Indexes and runs that were missing or damaged and have been made again.
    pub rebuilt_indexes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl OpenReport {
    fn of(recovery: &Recovery, begun: Instant) -> Self {
        let Recovery { shared, tail, torn, first_position, .. } = recovery;
        Self {
            events: tail.position - first_position,
            torn_at: torn.map(|(place, _)| place),
            torn_bytes: torn.map_or(0, |(_, bytes)| bytes),
            end: LogPlace { segment: tail.segment, offset: tail.offset },
            rebuilt_indexes: shared.rebuilt(),
            elapsed: begun.elapsed(),
        }
    }
}

/// What is done beside appending; see [`EventLog::step`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Making durable what waits.
    Commit,
    /// Making a segment ahead of need.
    Prepare,
    /// Writing the index of a segment that is full.
    Index,
    /// Making one run of two.
    Merge,
}

/// The embedded event store: segments of one append-only log in a directory of its own, one partition.
///
/// While few append, one of them writes for all, on the thread that polls it, which is held up for one write, and
/// where a segment is full also for making the next one, its index or the mark if these are not there yet. Where many
/// come at a time they are committed together by the log's own thread. Reading happens on the thread that polls. When
/// the log is dropped, what waits is still committed; that takes as long as the disk does.
#[derive(Debug)]
pub struct EventLog {
    inner: Arc<Inner>,
    report: OpenReport,
    /// None if the log is driven step by step.
    threads: Option<Threads>,
    _lock: LockGuard,
}

/// The directory is ours as long as this lives.
struct LockGuard(#[allow(dead_code, reason = "held for its end")] DiskLock);

impl std::fmt::Debug for LockGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LockGuard")
    }
}

/// What the log and its threads share.
#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    core: Mutex<Core>,
    segments: Arc<Segments>,
    queue: Arc<Queue>,
    /// What may wait, in KiB, and how many.
    room: Arc<Semaphore>,
    commits: watch::Receiver<u64>,
}

impl Inner {
    /// The core is left true by every step, so that one whose lock a panic poisoned still is.
    fn core(&self) -> std::sync::MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn prepare_step(&self) -> io::Result<bool> {
        let active = {
            let state = self.shared.state();
            (state.active.segment, state.active.end)
        };
        self.segments.step(active)
    }
}

impl EventLog {
    /// Opens the log in a directory, or begins one there.
    ///
    /// # Errors
    /// The directory is in use, the log in it is damaged, or the system refuses; see [`OpenError`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(directory, &LogOptions::default())
    }

    /// As [`open`](Self::open), otherwise than by default.
    ///
    /// # Errors
    /// Those of [`open`](Self::open), or the options cannot be met.
    pub fn open_with(directory: impl AsRef<Path>, options: &LogOptions) -> Result<Self, OpenError> {
        let path = directory.as_ref();
        let disk = RealDisk::create(path).map_err(|source| OpenError::Io { path: path.into(), source })?;
        Self::open_on(Arc::new(disk), options)
    }

    /// As [`open_with`](Self::open_with), on any disk.
    ///
    /// # Errors
    /// Those of [`open_with`](Self::open_with).
    pub fn open_on(disk: Arc<dyn Disk>, options: &LogOptions) -> Result<Self, OpenError> {
        let path = disk.path("");
        let mut log = Self::open_stepped(disk, Arc::new(SystemClock), options)?;
        let threads = Threads::start(&log.inner);
        log.threads = Some(threads.map_err(|source| OpenError::Io { path, source })?);
        Ok(log)
    }

    /// Opens the log on a disk, without threads: what they would do is done by [`step`](Self::step). For
    /// simulations, where the order of things is chosen.
    ///
    /// # Errors
    /// Those of [`open_with`](Self::open_with).
    pub fn open_stepped(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        options: &LogOptions,
    ) -> Result<Self, OpenError> {
        let begun = Instant::now();
        check_options(options)?;
        let io = |source| OpenError::Io { path: disk.path("lock"), source };
        let lock = disk.lock().map_err(io)?;
        let lock = lock.ok_or_else(|| OpenError::Locked { directory: disk.path("") })?;
        let mut found = recover(&disk, options, true)?;
        if found.is_none() {
            recovery::begin(&*disk)?;
            found = recover(&disk, options, true)?;
        }
        let gone =
            || OpenError::Io { path: disk.path(segment::MARK), source: io::ErrorKind::NotFound.into() };
        let recovery = found.ok_or_else(gone)?;
        let Recovery { shared, tail, .. } = &recovery;
        let (shared, tail) = (Arc::clone(shared), *tail);
        // One that was not begun is made anew, as those after it are.
        let next = tail.segment + u32::from(tail.offset > 0);
        let segments = Segments::new(disk, options.segment_bytes, next);
        let (segments, queue) = (Arc::new(segments), Arc::new(Queue::default()));
        let (sender, commits) = watch::channel(0);
        let clock = SteadyClock::new(clock, tail.timestamp);
        let parts = (Arc::clone(&shared), Arc::clone(&segments), Arc::clone(&queue));
        let core = Core::new(parts, sender, clock, tail, options.weakness);
        let path = shared.disk.path(segment::MARK);
        core.write_mark(false).map_err(|source| OpenError::Io { path, source })?;
        let report = OpenReport::of(&recovery, begun);
        let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX >> 10));
        let core = Mutex::new(core);
        let inner = Arc::new(Inner { shared, core, segments, queue, room, commits });
        Ok(Self { inner, report, threads: None, _lock: LockGuard(lock) })
    }

    /// Does one step of what the log's threads do, if there is one to do; whether there was. Only for a log that
    /// was opened without threads: others do it themselves.
    pub fn step(&self, step: Step) -> bool {
        match step {
            Step::Commit => self.inner.core().commit() > 0,
            // What fails is tried again when it is needed, and then it is told.
            Step::Prepare => self.inner.prepare_step().unwrap_or(false),
            Step::Index => write_index(&self.inner.shared).unwrap_or(false),
            Step::Merge => merge_step(&self.inner.shared).unwrap_or(false),
        }
    }

    /// What was found when the log was opened.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// The failure, or the panic, after which the log takes no more events, if there was one.
    pub fn poisoned(&self) -> Option<&str> {
        self.inner.shared.poison.get().map(String::as_str)
    }

    /// Indexes and runs that were missing or damaged and have been made again since the log was opened.
    pub fn rebuilt_indexes(&self) -> u64 {
        self.inner.shared.rebuilt()
    }

    /// Reads everything after a checkpoint as it lies, which is the fastest way.
    ///
    /// # Errors
    /// The checkpoint is that of another store, or the log cannot be read.
    pub fn scan(&self, after: &Checkpoint) -> Result<Scan, ReadError> {
        Scan::new(Arc::clone(&self.inner.shared), after)
    }

    /// Gives up the oldest segments: those whose events all come before `from`. Streams go on where they
    /// are, with what is left of them; [`Head::first`] and [`Head::anchor`] say where that begins. How many were
    /// given up. It blocks, but holds up those who append only for a moment.
    ///
    /// # Errors
    /// What is to be kept of them cannot be read or written; then nothing is given up, though it may turn out that
    /// something was when the log is opened again.
    pub fn retain(&self, from: Position) -> Result<u32, ReadError> {
        retain::retain(&self.inner.shared, from, || self.inner.core())
    }

    /// Commits what waits and closes the log, as dropping it does, and says whether that went well. It blocks. After a
    /// failed write it is `Ok` all the same: see [`poisoned`](Self::poisoned).
    ///
    /// # Errors
    /// The log is whole, but without the mark that tells damage at its end from a write that was torn; or a thread of
    /// the log has panicked.
    pub fn close(mut self) -> Result<(), CloseError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), CloseError> {
        let joined = self.threads.take().map_or(Ok(()), Threads::stop);
        let mut core = self.inner.core();
        while core.commit() > 0 {}
        if joined.is_err() || core.panicked {
            return Err(CloseError::Panicked);
        }
        if !core.is_sound() {
            return Ok(());
        }
        let path = self.inner.shared.disk.path(segment::MARK);
        core.write_mark(true).map_err(|source| CloseError::Mark { path, source })
    }
}

fn check_options(options: &LogOptions) -> Result<(), OpenError> {
    let (least, most, actual) = (SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX, options.segment_bytes);
    if (least..=most).contains(&actual) && actual.is_multiple_of(PAGE_BYTES as u64) {
        return Ok(());
    }
    Err(OpenError::SegmentBytes { actual, least, most })
}

impl Drop for EventLog {
    fn drop(&mut self) {
        // Whoever wants to know closes it.
        let _unheard = self.stop();
    }
}

impl EventStore for EventLog {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: ExpectedSequence,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(self.hand_in(stream, expected, events))
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move { self.inner.shared.read(stream, from, direction, limit) })
    }

    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(self.inner.shared.read_all(after, limit))
    }

    fn subscribe(&self, scope: Scope) -> Subscription {
        let source = Box::new(Source(Arc::clone(&self.inner.shared)));
        Subscription::new(source, scope, self.inner.commits.clone())
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move { self.inner.shared.public_head(stream) })
    }

    fn truncate<'a>(
        &'a self,
        stream: &'a StreamId,
        before: Sequence,
    ) -> BoxFuture<'a, Result<Head, TruncateError>> {
        Box::pin(self.hand_in_truncation(stream, before))
    }

    fn partitions(&self) -> u32 {
        1
    }
}

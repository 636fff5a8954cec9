//! An event store in one directory, without a server.
//!
//! An append is acknowledged when it is written and synced. Whatever waits while the disk is busy is written
//! as one block, with one write and one sync. A log that was torn by a crash is mended when it is opened; one
//! that is damaged is refused and left as it is. See `docs/spec/event-log.md`.

mod batch;
mod committer;
mod directory;
mod format;
mod index;
mod recovery;
mod shared;
mod storage;
#[cfg(test)]
mod tests;

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::decide::{RecentIds, check_events};
use crate::event::{Checkpoint, Event, ExpectedSequence, Head, NewEvent, Receipt, Sequence, StreamId};
use crate::limits::{QUEUE_APPENDS_MAX, QUEUE_BYTES_MAX};
use crate::store::{AppendError, BoxFuture, Direction, EventStore, ReadError, Scope};
use crate::subscription::Subscription;
use batch::{Answer, Request};
use committer::Committer;
use directory::Directory;
use format::Mark;
use recovery::{Recovery, Tail};
use shared::{Shared, Source};

/// Why a log was not opened. Nothing has changed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Another process has the directory, or another log in this one.
    #[error("{} is in use", directory.display())]
    Locked {
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
    /// The log's thread has panicked.
    #[error("the log's thread has panicked")]
    Panicked,
}

/// What was found when a log was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// Events in the log.
    pub events: u64,
    /// Streams in the log.
    pub streams: u64,
    /// Where the remains of a write began that a crash interrupted; they were never acknowledged, and are cut
    /// off.
    pub torn_at: Option<u64>,
    /// Bytes of them.
    pub torn_bytes: u64,
    /// Bytes of the log without them.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

/// The embedded event store: one append-only file in a directory of its own, one partition.
///
/// It has a thread of its own, which alone writes. When the log is dropped, what waits is still committed, and
/// then the thread ends; that takes as long as the disk does. Reading happens on the thread that polls.
#[derive(Debug)]
pub struct EventLog {
    shared: Arc<Shared>,
    report: OpenReport,
    /// `None` while it is being closed.
    requests: Option<mpsc::Sender<Request>>,
    /// What may wait, in KiB.
    room: Arc<Semaphore>,
    commits: watch::Receiver<u64>,
    thread: Option<JoinHandle<Result<(), (PathBuf, io::Error)>>>,
}

impl EventLog {
    /// Opens the log in a directory, or begins one there, and reads it through.
    ///
    /// # Errors
    /// The directory is in use, the log in it is damaged, or the system refuses; nothing has changed.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        let begun = Instant::now();
        let directory = Directory::lock(directory.as_ref())?;
        let path = directory.log_path();
        let io = |source| OpenError::Io { path: path.clone(), source };
        let mark = directory.read_mark()?;
        let (file, log, header_crc) = directory.open_log(mark.as_ref())?;
        let length = file.metadata().map_err(io)?.len();
        let mut recovery = Recovery::new(&file, length, (log, header_crc), mark);
        if let Err(damage) = recovery.run() {
            let recovery::Damage { offset, reason } = damage;
            return Err(OpenError::Damaged { path, offset, reason });
        }
        let Recovery { index, tail, .. } = recovery;
        let torn_bytes = length - tail.offset;
        if torn_bytes > 0 {
            file.set_len(tail.offset).map_err(io)?;
        }
        let found = Mark { log, bytes: tail.offset, events: tail.position, crc: tail.crc };
        if mark != Some(found) {
            // A process that was killed may have written without syncing, and nobody may see what is not
            // durable.
            file.sync_all().map_err(io)?;
            directory.write_mark_if_there_is_room(&found)?;
        }
        let report = OpenReport {
            events: index.events(),
            streams: index.streams(),
            torn_at: (torn_bytes > 0).then_some(tail.offset),
            torn_bytes,
            bytes: tail.offset,
            elapsed: begun.elapsed(),
        };
        let shared = Shared::new(Box::new(file), log, index);
        Self::start(shared, tail, report, Some(directory)).map_err(io)
    }

    fn start(
        shared: Shared,
        tail: Tail,
        report: OpenReport,
        directory: Option<Directory>,
    ) -> io::Result<Self> {
        let shared = Arc::new(shared);
        let (sender, requests) = mpsc::channel(QUEUE_APPENDS_MAX);
        let (commits_sender, commits) = watch::channel(0);
        let committer = Committer {
            shared: Arc::clone(&shared),
            requests,
            commits: commits_sender,
            tail,
            clock: Clock::system(tail.timestamp),
            recent: RecentIds::default(),
            held: None,
            directory,
        };
        let thread = thread::Builder::new().name("event-log".into()).spawn(move || committer.run())?;
        let room = Arc::new(Semaphore::new(QUEUE_BYTES_MAX >> 10));
        Ok(Self { shared, report, requests: Some(sender), room, commits, thread: Some(thread) })
    }

    /// What was found when the log was opened.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// The failure after which the log takes no more events, if there was one.
    pub fn poisoned(&self) -> Option<&str> {
        self.shared.poison.get().map(String::as_str)
    }

    /// Commits what waits and closes the log, as dropping it does, and says whether that went well. It blocks.
    ///
    /// # Errors
    /// The log is whole, but without the mark that tells damage at its end from a write that was torn.
    pub fn close(mut self) -> Result<(), CloseError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), CloseError> {
        self.requests = None;
        match self.thread.take().map(JoinHandle::join) {
            None | Some(Ok(Ok(()))) => Ok(()),
            Some(Ok(Err((path, source)))) => Err(CloseError::Mark { path, source }),
            Some(Err(_)) => Err(CloseError::Panicked),
        }
    }

    async fn hand_in(&self, stream: &StreamId, expected: ExpectedSequence, events: Vec<NewEvent>) -> Answer {
        check_events(stream, &events)?;
        if let Some(reason) = self.poisoned() {
            return Err(AppendError::Poisoned { reason: reason.into() });
        }
        let gone = || AppendError::Unavailable { reason: "the log's thread has ended".into() };
        let bytes: usize = events.iter().map(|event| crate::canonical_bytes(stream, event)).sum();
        let room = Arc::clone(&self.room).acquire_many_owned(bytes.div_ceil(1 << 10) as u32);
        let queued = room.await.expect("the semaphore is never closed");
        let (answer, answered) = oneshot::channel();
        let request = Request { stream: stream.clone(), expected, events, answer, queued };
        let requests = self.requests.as_ref().expect("it is there until the log is dropped");
        requests.send(request).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
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
        Box::pin(async move { self.shared.read(stream, from, direction, limit) })
    }

    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move { self.shared.read_all(after, limit) })
    }

    fn subscribe(&self, scope: Scope) -> Subscription {
        Subscription::new(Box::new(Source(Arc::clone(&self.shared))), scope, self.commits.clone())
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move { Ok(self.shared.head(stream)) })
    }

    fn partitions(&self) -> u32 {
        1
    }
}

//! A log that another process writes, read beside it.

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::watch;

use super::commit::Tail;
use super::fold::{Fold, FoldError};
use super::format::{Body, SegmentHead};
use super::index::{ActiveIndex, IndexFile, StreamHead};
use super::read::Source;
use super::recovery::{Recovery, recover};
use super::scan::Scan;
use super::segment::{Scanner, index_name, read_head_page, segment_name};
use super::shared::{PARTITION, Run, Shared, damaged, unavailable};
use super::{LogOptions, OpenError, OpenReport};
use crate::disk::{Access, Disk, RealDisk};
use crate::event::{
    Checkpoint, Event, ExpectedSequence, Head, NewEvent, Position, Receipt, Sequence, StreamId,
};
use crate::limits::{LOG_FOLLOW_MILLIS, LOG_SEALED_MAX, LOG_TRIES_MAX};
use crate::store::{AppendError, BoxFuture, Direction, EventStore, ReadError, Scope, TruncateError};
use crate::subscription::Subscription;

/// Events that are read at once where the last ones are looked for.
const LAST_PAGE_EVENTS: usize = 256;

/// A log opened for reading alone, whether somebody writes it or not. It shows what is durable: blocks that it finds
/// are synced before they are shown. It changes nothing and holds up nobody; where it finds an index missing, it
/// makes one in memory and keeps it.
///
/// One thing is not promised, where a file system takes no writes past the page cache (the writer tries, and most do).
/// If a sync of the writer's fails there, the system may still show what the disk does not have, and tells of the
/// failure only those who had the file open. A reader that opens the segment after that shows a last block that was
/// never acknowledged; its events are lost if the power is cut before somebody opens the log for writing, which writes
/// that block once more. Who had the segment open before is told, and shows nothing.
///
/// Segments that are given up while it is open become unreadable; it must be opened anew then.
#[derive(Debug)]
pub struct LogReader {
    inner: Arc<Follower>,
    report: OpenReport,
    /// None if the system had no room for one.
    thread: OnceLock<Option<JoinHandle<()>>>,
}

/// Follows the end of the log.
#[derive(Debug)]
struct Follower {
    shared: Arc<Shared>,
    tail: Mutex<Tail>,
    commits: watch::Sender<u64>,
    stop: AtomicBool,
}

impl LogReader {
    /// Opens the log in a directory.
    ///
    /// # Errors
    /// There is none, it is damaged, or the system refuses.
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(directory.as_ref()));
        Self::open_on(&disk)
    }

    /// As [`open`](Self::open), on any disk.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: &Arc<dyn Disk>) -> Result<Self, OpenError> {
        let begun = Instant::now();
        let recovery = recover_beside(disk)?;
        let report = OpenReport::of(&recovery, begun);
        let Recovery { shared, tail, .. } = recovery;
        let (commits, stop) = (watch::Sender::new(0), AtomicBool::new(false));
        let inner = Arc::new(Follower { shared, tail: Mutex::new(tail), commits, stop });
        Ok(Self { inner, report, thread: OnceLock::new() })
    }

    /// Reads everything after a checkpoint as it lies, which is the fastest way.
    ///
    /// # Errors
    /// The checkpoint is that of another store, or the log cannot be read.
    pub fn scan(&self, after: &Checkpoint) -> Result<Scan, ReadError> {
        self.inner.refresh()?;
        Scan::new(Arc::clone(&self.inner.shared), after)
    }

    /// What was found when the log was opened. What looks torn may be a write that was under way.
    pub fn report(&self) -> &OpenReport {
        &self.report
    }

    /// The checkpoint before the last events: so many, or all if there are fewer. Truncated ones are there no more,
    /// so that it is looked for further back until there are enough. What is appended meanwhile is not counted.
    ///
    /// # Errors
    /// The log cannot be read.
    pub async fn last(&self, events: usize) -> Result<Checkpoint, ReadError> {
        self.inner.refresh()?;
        let end = self.inner.shared.state().active.next_position();
        let mut window = events as u64;
        loop {
            let begin = end.saturating_sub(window);
            let there = self.positions(begin, end).await?;
            if begin == 0 || there.len() >= events {
                let surplus = there.len().saturating_sub(events);
                return Ok(before(there.get(surplus).copied().unwrap_or(end)));
            }
            window = window.saturating_mul(4);
        }
    }

    /// The positions of events from `begin` to before `end`.
    async fn positions(&self, begin: u64, end: u64) -> Result<Vec<u64>, ReadError> {
        let (mut seen, mut positions) = (before(begin), Vec::new());
        loop {
            let page = self.read_all(&seen, LAST_PAGE_EVENTS).await?;
            let Some(last) = page.last() else { return Ok(positions) };
            seen.advance(last.partition, last.position);
            positions.extend(page.iter().map(|event| event.position.0).filter(|position| *position < end));
            if last.position.0 >= end {
                return Ok(positions);
            }
        }
    }
}

/// The checkpoint of somebody who has seen everything before a position.
fn before(position: u64) -> Checkpoint {
    let mut seen = Checkpoint::START;
    if let Some(last) = position.checked_sub(1) {
        seen.advance(PARTITION, Position(last));
    }
    seen
}

/// What is in a directory, which somebody may be writing. That there is no log is said at once.
pub(super) fn recover_beside(disk: &Arc<dyn Disk>) -> Result<Recovery, OpenError> {
    let mut tries = 0;
    loop {
        tries += 1;
        match recover(disk, &LogOptions::default(), false) {
            Err(OpenError::Damaged { .. } | OpenError::Io { .. } | OpenError::Read(_))
                if tries < LOG_TRIES_MAX =>
            {
                thread::sleep(Duration::from_millis(LOG_FOLLOW_MILLIS));
            }
            found => {
                return found?.ok_or_else(|| OpenError::NoLog { directory: disk.path("") });
            }
        }
    }
}

impl Follower {
    fn tail(&self) -> MutexGuard<'_, Tail> {
        self.tail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what has become durable since the last time.
    fn refresh(&self) -> Result<(), ReadError> {
        let mut tail = self.tail();
        let mut found = false;
        loop {
            let blocks = self.new_blocks(&tail)?;
            if blocks.is_empty() {
                if !self.roll(&mut tail)? {
                    break;
                }
                continue;
            }
            for block in &blocks {
                self.take(&mut tail, block)?;
            }
            found = true;
        }
        if found {
            self.commits.send_modify(|commits| *commits += 1);
        }
        Ok(())
    }

    /// The blocks after the tail in its segment: some of them, durable; none if there are none.
    fn new_blocks(&self, tail: &Tail) -> Result<Vec<Vec<u8>>, ReadError> {
        if tail.offset == 0 || tail.offset >= tail.bytes {
            return Ok(Vec::new());
        }
        let name = segment_name(tail.segment);
        let file = self.shared.segment(tail.segment)?;
        let io = |error| unavailable(&name, &error);
        let mut scanner = Scanner::new(Arc::clone(&file), self.shared.log, tail.segment).map_err(io)?;
        let (mut offset, mut blocks) = (tail.offset, Vec::new());
        while offset < tail.bytes && blocks.len() < 64 {
            let Ok(block) = scanner.block(offset).map_err(io)? else { break };
            let bytes = block.bytes();
            blocks.push(scanner.read(offset, bytes).map_err(io)?.to_vec());
            offset += bytes as u64;
        }
        if !blocks.is_empty() {
            // Whoever wrote the last of them may not know yet that it is durable.
            file.sync().map_err(io)?;
        }
        Ok(blocks)
    }

    fn take(&self, tail: &mut Tail, bytes: &[u8]) -> Result<(), ReadError> {
        let (log, place) =
            (self.shared.log, super::format::Place { segment: tail.segment, offset: tail.offset });
        let block = super::format::Block::read((log, place), bytes)
            .map_err(|reason| damaged(tail.position, reason))?;
        let heads = self.heads_of(&block, tail.segment)?;
        let before = |stream: &StreamId| Ok(heads.get(stream).copied().flatten());
        let mut state = self.shared.state_mut();
        let nothing = ActiveIndex::new(tail.segment, tail.position, 0);
        let index = std::mem::replace(&mut state.active, nothing);
        let mut fold = Fold::new(log, index, tail.crc, tail.timestamp);
        fold.offset = tail.offset;
        let folded = fold.block(&block, &before);
        let Fold { index, offset, crc, timestamp, .. } = fold;
        let position = index.next_position();
        state.active = index;
        folded.map_err(|error| match error {
            FoldError::Damaged(reason) => damaged(tail.position, reason),
            FoldError::Read(error) => error,
        })?;
        *tail = Tail { offset, position, crc, timestamp, ..*tail };
        Ok(())
    }

    /// Where the streams of a block stand, of those that its segment does not know.
    fn heads_of(
        &self,
        block: &super::format::Block<'_>,
        segment: u32,
    ) -> Result<HashMap<StreamId, Option<StreamHead>>, ReadError> {
        let mut heads = HashMap::new();
        for record in block.records() {
            let bad = |reason| damaged(block.head.position, reason);
            let (_, body) = record.map_err(bad)?;
            let stream = match Body::read(&Bytes::copy_from_slice(body)).map_err(bad)? {
                Body::Event(stream, ..) => stream,
                Body::Truncation(truncation) => truncation.stream,
            };
            let known =
                self.shared.state().active.get(stream.as_str()).is_some() || heads.contains_key(&stream);
            if !known {
                let head = self.shared.head_before(&stream, segment)?;
                heads.insert(stream, head);
            }
        }
        Ok(heads)
    }

    /// Goes on to the next segment, if it has been begun.
    fn roll(&self, tail: &mut Tail) -> Result<bool, ReadError> {
        let (number, link) = match tail.offset {
            0 => (tail.segment, (tail.previous_end, tail.crc)),
            end => (tail.segment + 1, (end, tail.crc)),
        };
        let name = segment_name(number);
        let io = |error| unavailable(&name, &error);
        let file = match self.shared.disk.open(&name, Access::Read) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
            file => file.map_err(io)?,
        };
        let Ok((head, crc)) = SegmentHead::read(&read_head_page(&*file).map_err(io)?) else {
            return Ok(false);
        };
        if (head.log, head.number) != (self.shared.log, number)
            || (head.previous_end, head.previous_crc) != link
        {
            return Ok(false);
        }
        let mut state = self.shared.state_mut();
        if number > tail.segment {
            let next = state.active.next(number);
            let full = std::mem::replace(&mut state.active, next);
            state.sealed.push_back(Arc::new(full));
        }
        drop(state);
        let (offset, bytes) = (crate::disk::PAGE_BYTES as u64, head.bytes);
        let previous_end = head.previous_end;
        *tail = Tail { segment: number, offset, bytes, crc, previous_end, ..*tail };
        self.let_go();
        Ok(true)
    }

    /// Lets go of indexes in memory that the writer has put into files by now.
    fn let_go(&self) {
        while self.shared.state().sealed.len() > LOG_SEALED_MAX {
            let Some(index) = self.shared.state().sealed.front().cloned() else { return };
            let segment = index.segment;
            let name = index_name(segment);
            if IndexFile::open(&*self.shared.disk, &name, self.shared.log, segment).is_err() {
                return;
            }
            self.shared.remember(&index);
            let mut state = self.shared.state_mut();
            state.sealed.pop_front();
            state.runs.push(Run { first: segment, last: segment, file: None });
        }
    }

    fn follow(&self) {
        while !self.stop.load(Ordering::Acquire) {
            // What cannot be read now shows when somebody reads.
            let _again = self.refresh();
            thread::park_timeout(Duration::from_millis(LOG_FOLLOW_MILLIS));
        }
    }
}

impl Drop for LogReader {
    fn drop(&mut self) {
        self.inner.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take().flatten() {
            thread.thread().unpark();
            // A panic there has been printed; nothing rests on it.
            let _ended = thread.join();
        }
    }
}

impl EventStore for LogReader {
    fn append<'a>(
        &'a self,
        _: &'a StreamId,
        _: ExpectedSequence,
        _: Vec<NewEvent>,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(std::future::ready(Err(AppendError::ReadOnly)))
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move {
            self.inner.refresh()?;
            self.inner.shared.read(stream, from, direction, limit)
        })
    }

    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move {
            self.inner.refresh()?;
            self.inner.shared.read_all(after, limit).await
        })
    }

    fn subscribe(&self, scope: Scope) -> Subscription {
        let thread = self.thread.get_or_init(|| {
            let inner = Arc::clone(&self.inner);
            thread::Builder::new().name("log-follow".into()).spawn(move || inner.follow()).ok()
        });
        let commits = match thread {
            Some(_) => self.inner.commits.subscribe(),
            // Nobody would wake it: it ends after what is there.
            None => watch::Sender::new(0).subscribe(),
        };
        Subscription::new(Box::new(Source(Arc::clone(&self.inner.shared))), scope, commits)
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move {
            self.inner.refresh()?;
            self.inner.shared.public_head(stream)
        })
    }

    fn truncate<'a>(&'a self, _: &'a StreamId, _: Sequence) -> BoxFuture<'a, Result<Head, TruncateError>> {
        Box::pin(std::future::ready(Err(AppendError::ReadOnly.into())))
    }

    fn partitions(&self) -> u32 {
        1
    }
}

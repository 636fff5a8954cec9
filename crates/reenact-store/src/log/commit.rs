//! The writer: decides about what waits, and makes it durable, a block at a time.
//!
//! It is a state machine over a disk and a clock, without a thread of its own. Whoever holds it commits for all
//! who wait: one of those who append, while they are few, and the log's thread otherwise.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use super::Weakness;
use super::batch::{Batch, Request, Target};
use super::format::{
    BLOCK_HEAD_BYTES, BLOCK_WRITE_MAX, BlockHead, Mark, Place, SegmentHead, block_room, finish_block,
};
use super::merge::write_index;
use super::segment::segment_name;
use super::segments::Segments;
use super::shared::Shared;
use crate::clock::SteadyClock;
use crate::disk::{Access, DiskFile, PAGE_BYTES, PageBuffer, is_full};
use crate::event::Timestamp;
use crate::limits::{LOG_INDEX_BYTES_MAX, LOG_SEALED_MAX, MARK_AHEAD_BYTES};
use crate::store::AppendError;

/// What waits for its turn.
#[derive(Debug, Default)]
pub(super) struct Queue(Mutex<VecDeque<Request>>);

impl Queue {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Request>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a request at the end.
    pub(super) fn push(&self, request: Request) {
        self.lock().push_back(request);
    }

    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    /// Moves what waits to `requests`.
    fn take(&self, requests: &mut VecDeque<Request>) {
        requests.append(&mut self.lock());
    }
}

/// Where the log goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) segment: u32,
    /// Where the next block begins; 0 if the segment has no head yet.
    pub(super) offset: u64,
    /// Bytes of the segment's file.
    pub(super) bytes: u64,
    /// The position of the next event.
    pub(super) position: u64,
    /// The checksum to which the next block, or the segment's head, is chained.
    pub(super) crc: u32,
    /// Where the segment before ends.
    pub(super) previous_end: u64,
    /// The time of the last event.
    pub(super) timestamp: Timestamp,
}

impl Tail {
    /// Where the next block begins.
    fn begin(&self) -> u64 {
        self.offset.max(PAGE_BYTES as u64)
    }

    /// Bytes of records that the segment still takes in one block.
    fn room(&self) -> usize {
        let pages = self.bytes.saturating_sub(self.begin()).min(BLOCK_WRITE_MAX as u64);
        block_room(pages as usize)
    }
}

/// The writer.
#[derive(Debug)]
pub(super) struct Core {
    shared: Arc<Shared>,
    segments: Arc<Segments>,
    queue: Arc<Queue>,
    /// What was taken out of the queue and not decided about yet.
    next: VecDeque<Request>,
    commits: watch::Sender<u64>,
    clock: SteadyClock,
    tail: Tail,
    /// The tail's segment, once something was written to it.
    file: Option<Arc<dyn DiskFile>>,
    batch: Batch,
    /// A page for the head of a segment, and then the block.
    buffer: PageBuffer,
    weakness: Option<Weakness>,
    /// Whether somebody who committed has panicked.
    pub(super) panicked: bool,
}

/// A commit that was begun, on whatever thread. If it panics, those who wait are told.
struct Begun<'a> {
    core: &'a mut Core,
    ended: bool,
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.core.refuse_all();
        }
    }
}

impl Core {
    pub(super) fn new(
        (shared, segments, queue): (Arc<Shared>, Arc<Segments>, Arc<Queue>),
        commits: watch::Sender<u64>,
        clock: SteadyClock,
        tail: Tail,
        weakness: Option<Weakness>,
    ) -> Self {
        let buffer = PageBuffer::new(PAGE_BYTES + BLOCK_WRITE_MAX);
        let (batch, next) = (Batch::default(), VecDeque::new());
        let (file, panicked) = (None, false);
        Self { shared, segments, queue, next, commits, clock, tail, file, batch, buffer, weakness, panicked }
    }

    /// Whether something waits that the last commit had no room for.
    pub(super) fn has_more(&self) -> bool {
        !self.next.is_empty()
    }

    /// Commits what waits, as far as it fits into one block. How many were answered; 0 if nothing waits.
    pub(super) fn commit(&mut self) -> usize {
        let mut begun = Begun { core: self, ended: false };
        let answered = begun.core.commit_block();
        begun.ended = true;
        answered
    }

    fn commit_block(&mut self) -> usize {
        let Some(first) = self.next_if(|_| true) else { return 0 };
        if let Some(reason) = self.shared.poison.get() {
            first.refuse(AppendError::Poisoned { reason: reason.clone() });
            return 1;
        }
        if let Err(error) = self.make_room(first.record_bytes()) {
            first.refuse(error);
            return 1;
        }
        self.gather(first);
        let written = if self.batch.has_records() { self.write() } else { Ok(()) };
        let answers = std::mem::take(&mut self.batch.answers);
        let count = answers.len();
        match written {
            Ok(()) => {
                for answer in answers {
                    answer.tell();
                }
            }
            Err(error) => {
                self.shared.recent().clear();
                for answer in answers {
                    answer.refuse(&error);
                }
            }
        }
        count
    }

    /// What waits for the longest, if it is wanted.
    fn next_if(&mut self, wanted: impl FnOnce(&Request) -> bool) -> Option<Request> {
        if self.next.is_empty() {
            self.queue.take(&mut self.next);
        }
        self.next.pop_front_if(|request| wanted(request))
    }

    /// After a panic: nobody knows what was written, and everybody who waits is told so.
    fn refuse_all(&mut self) {
        self.panicked = true;
        let error = self.shared.poison_by_panic();
        self.shared.recent().clear();
        for answer in std::mem::take(&mut self.batch.answers) {
            answer.refuse(&error);
        }
        while let Some(request) = self.next_if(|_| true) {
            request.refuse(error.clone());
        }
    }

    /// Decides about everything that waits, as far as it fits into one block.
    fn gather(&mut self, first: Request) {
        let Tail { segment, position, .. } = self.tail;
        let target = Target { segment, offset: self.tail.begin(), position };
        let room = self.tail.room();
        self.batch.clear();
        let shared = Arc::clone(&self.shared);
        let mut recent = shared.recent();
        let mut next = Some(first);
        while let Some(request) = next {
            self.batch.push(request, &shared, &mut recent, &target);
            let used = self.batch.records.len();
            next = self.next_if(|request| used + request.record_bytes() <= room);
        }
    }

    /// Sees to it that so many bytes of records fit into the segment, and its index into the memory.
    fn make_room(&mut self, record_bytes: usize) -> Result<(), AppendError> {
        let begun = self.tail.offset > 0;
        let index_is_full = self.shared.state().active.memory() > LOG_INDEX_BYTES_MAX;
        // Nothing is won by going on to a segment that is too small as well.
        let fits_next = record_bytes <= self.segments.room();
        if begun && fits_next && (record_bytes > self.tail.room() || index_is_full) {
            self.roll()?;
        }
        if record_bytes > self.tail.room() {
            let limit = self.segments.room();
            return Err(AppendError::TooLarge { bytes: record_bytes, limit });
        }
        if self.file.is_none() {
            // The first of a log has no file until it is needed.
            let made = self.segments.ensure(self.tail.segment);
            made.map_err(|error| refusal(record_bytes, "prepare a segment", &error))?;
            let name = segment_name(self.tail.segment);
            let file = self.shared.disk.open(&name, Access::Commit);
            self.file = Some(file.map_err(|error| refusal(record_bytes, "open a segment", &error))?);
        }
        Ok(())
    }

    /// Goes on to the next segment.
    fn roll(&mut self) -> Result<(), AppendError> {
        let bytes = self.tail.bytes;
        while self.shared.state().sealed.len() >= LOG_SEALED_MAX {
            let indexed = write_index(&self.shared);
            indexed.map_err(|error| refusal(bytes as usize, "write an index", &error))?;
        }
        let next = self.tail.segment + 1;
        let prepared = self.segments.ensure(next);
        prepared.map_err(|error| refusal(bytes as usize, "prepare a segment", &error))?;
        // One that lies in the segment that is left will do: it was written in the background.
        if self.shared.marked().segment != self.tail.segment {
            self.write_mark(false).map_err(|error| refusal(bytes as usize, "write the mark", &error))?;
        }
        let Tail { offset, crc, position, timestamp, .. } = self.tail;
        let bytes = self.segments.bytes;
        self.tail = Tail { segment: next, offset: 0, bytes, position, crc, previous_end: offset, timestamp };
        self.file = None;
        Ok(())
    }

    /// Makes the batch durable with one write, and shows it.
    fn write(&mut self) -> Result<(), AppendError> {
        let place = Place { segment: self.tail.segment, offset: self.tail.begin() };
        if self.mark_is_far(place.offset) {
            let written = self.write_mark(false);
            written.map_err(|error| refusal(self.batch.records.len(), "write the mark", &error))?;
        }
        let timestamp = self.clock.tick();
        let (start, previous) = self.write_head();
        let records = &self.batch.records;
        let pages = &mut self.buffer.bytes_mut()[PAGE_BYTES..];
        pages[BLOCK_HEAD_BYTES..BLOCK_HEAD_BYTES + records.len()].copy_from_slice(records);
        let position = self.tail.position;
        let head = BlockHead { events: self.batch.events(), position, timestamp, previous };
        let (crc, bytes) = finish_block((self.shared.log, place), &head, records.len(), pages);
        let file = self.file.as_ref().expect("room was made, and with it the file opened");
        let whole = &self.buffer.bytes()[start..PAGE_BYTES + bytes];
        let begin = place.offset - (PAGE_BYTES - start) as u64;
        if let Err(error) = file.commit_at(whole, begin) {
            return Err(self.poison(&error));
        }
        self.tail.offset = place.offset + bytes as u64;
        self.tail.position += u64::from(head.events);
        (self.tail.crc, self.tail.timestamp) = (crc, timestamp);
        self.publish(place, timestamp);
        Ok(())
    }

    /// Writes the head of a segment that has none into the buffer. Where in the buffer the write begins, and the
    /// checksum to which the block is chained.
    fn write_head(&mut self) -> (usize, u32) {
        let Tail { segment, offset, bytes, position, crc, previous_end, timestamp } = self.tail;
        if offset > 0 {
            return (PAGE_BYTES, crc);
        }
        let (log, number) = (self.shared.log, segment);
        let head = SegmentHead { log, number, bytes, position, timestamp, previous_end, previous_crc: crc };
        let page = &mut self.buffer.bytes_mut()[..PAGE_BYTES];
        page.fill(0);
        (0, head.write(page))
    }

    /// Shows what is durable now.
    fn publish(&mut self, place: Place, timestamp: Timestamp) {
        let mut state = self.shared.state_mut();
        if state.active.segment != place.segment {
            let next = state.active.next(place.segment);
            let full = std::mem::replace(&mut state.active, next);
            state.sealed.push_back(Arc::new(full));
        }
        state.active.begin_block(place.offset, timestamp);
        self.batch.publish(&mut state.active);
        state.active.end_block(self.tail.offset, self.tail.crc);
        drop(state);
        self.commits.send_modify(|commits| *commits += 1);
    }

    /// Nothing is written any more. After a failed write nobody knows what is on the disk, and a second one may
    /// succeed without having written it.
    fn poison(&self, error: &io::Error) -> AppendError {
        let reason = format!("failed to write to segment {}: {error}", self.tail.segment);
        if self.weakness == Some(Weakness::NoPoison) {
            return AppendError::Poisoned { reason };
        }
        let reason = self.shared.poison.get_or_init(|| reason).clone();
        AppendError::Poisoned { reason }
    }

    /// Whether the mark is so far behind that a block from `offset` on might not be looked for after a crash.
    fn mark_is_far(&self, offset: u64) -> bool {
        let marked = self.shared.marked();
        let marked = if marked.segment == self.tail.segment { marked.offset } else { 0 };
        offset + BLOCK_WRITE_MAX as u64 > marked + MARK_AHEAD_BYTES
    }

    /// Writes down how far the log reaches, unless that is written already.
    pub(super) fn write_mark(&self, closed: bool) -> io::Result<()> {
        let Tail { segment, offset, position, crc, previous_end, .. } = self.tail;
        // A segment that was not begun says nothing of the one before.
        let end = match (offset, previous_end) {
            (0, 1..) => Place { segment: segment - 1, offset: previous_end },
            _ => Place { segment, offset },
        };
        self.shared.change_mark(|mark| Mark { closed, end, position, crc, ..mark })
    }

    /// Whether nothing failed that forbids to say that the log is whole.
    pub(super) fn is_sound(&self) -> bool {
        self.shared.poison.get().is_none()
    }
}

/// What appends are told if the log cannot go on for now, although nothing of it is damaged.
fn refusal(bytes: usize, what: &str, error: &io::Error) -> AppendError {
    let reason = format!("failed to {what}: {error}");
    if is_full(error) {
        AppendError::Full { bytes: bytes as u64, reason }
    } else {
        AppendError::Unavailable { reason }
    }
}

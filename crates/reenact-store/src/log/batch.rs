//! Deciding about a group of appends and putting the block together that makes them durable.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::format::{BlockWriter, RECORD_BYTES};
use super::index::Place;
use super::recovery::Tail;
use super::shared::{PARTITION, Shared};
use crate::chain::{ChainHash, canonical_bytes};
use crate::decide::{Decision, RecentIds, StreamIds, decide};
use crate::event::{EventId, ExpectedSequence, NewEvent, Position, Receipt, Sequence, StreamId, Timestamp};
use crate::limits::{BLOCK_BYTES_MAX, LOG_BYTES_MAX, LOG_EVENTS_MAX};
use crate::store::{AppendError, Direction, ReadError};

pub(super) type Answer = Result<Receipt, AppendError>;

/// An append that waits for its turn.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) stream: StreamId,
    pub(super) expected: ExpectedSequence,
    pub(super) events: Vec<NewEvent>,
    pub(super) answer: oneshot::Sender<Answer>,
    /// Its part of what may wait; given back with the answer.
    pub(super) queued: OwnedSemaphorePermit,
}

impl Request {
    /// Bytes of the records that it becomes.
    pub(super) fn record_bytes(&self) -> usize {
        self.events.iter().map(|event| RECORD_BYTES + canonical_bytes(&self.stream, event)).sum()
    }
}

/// Events of a stream that are in the batch: the durable ones end before `first`.
#[derive(Debug)]
struct Pending {
    first: Sequence,
    events: Vec<(EventId, Position, ChainHash)>,
}

/// Appends that become durable together, or not.
#[derive(Debug)]
pub(super) struct Batch {
    shared: Arc<Shared>,
    tail: Tail,
    pub(super) timestamp: Timestamp,
    pub(super) block: BlockWriter,
    streams: HashMap<StreamId, Pending>,
    /// What the index learns when the block is durable.
    pub(super) entries: Vec<(StreamId, ChainHash, Place)>,
    /// What those who wait are told then.
    pub(super) answers: Vec<(oneshot::Sender<Answer>, Answer)>,
}

impl Batch {
    pub(super) fn new(shared: Arc<Shared>, tail: Tail, timestamp: Timestamp) -> Self {
        let (block, streams) = (BlockWriter::new(), HashMap::new());
        Self { shared, tail, timestamp, block, streams, entries: Vec::new(), answers: Vec::new() }
    }

    /// Whether the records of another append fit into the block.
    pub(super) fn has_room_for(&self, request: &Request) -> bool {
        self.block.record_bytes() + request.record_bytes() <= BLOCK_BYTES_MAX
    }

    /// Decides about an append. Nobody is told before everything that the decision rests on is durable.
    pub(super) fn push(&mut self, request: Request, recent: &mut RecentIds) {
        let answer = self.decide(&request, recent);
        let Request { answer: waiting, queued, .. } = request;
        self.answers.push((waiting, answer));
        // It waits no longer: others may.
        drop(queued);
    }

    fn decide(&mut self, request: &Request, recent: &mut RecentIds) -> Answer {
        let Request { stream, expected, events, .. } = request;
        let pending = self.streams.get(stream);
        let mut known = Known { shared: &self.shared, pending, recent, stream };
        match decide(&mut known, stream, *expected, events)? {
            Decision::Retry(first) => {
                let last = first.plus(events.len() as u64 - 1);
                let (_, position, chain) = known.entry(last)?;
                Ok(Receipt { first, last, partition: PARTITION, position, chain })
            }
            Decision::Append(first) => {
                self.check_room(request.record_bytes(), events.len())?;
                recent.push(stream, first, events);
                Ok(self.append(stream, first, events))
            }
        }
    }

    fn check_room(&self, record_bytes: usize, events: usize) -> Result<(), AppendError> {
        let bytes = (self.block.record_bytes() + record_bytes) as u64;
        let events = u64::from(self.block.events()) + events as u64;
        let full = |reason| Err(AppendError::Full { bytes: record_bytes as u64, reason });
        // What a block has besides its records is far below a page.
        if self.tail.offset + bytes + 4_096 > LOG_BYTES_MAX {
            return full(format!("the log has {} of {LOG_BYTES_MAX} bytes", self.tail.offset));
        }
        if self.tail.position + events > LOG_EVENTS_MAX {
            return full(format!("the log has {} of {LOG_EVENTS_MAX} events", self.tail.position));
        }
        Ok(())
    }

    fn append(&mut self, stream: &StreamId, first: Sequence, events: &[NewEvent]) -> Receipt {
        let mut chain = match self.streams.get(stream).and_then(|pending| pending.events.last()) {
            Some((_, _, chain)) => *chain,
            None => self.shared.head(stream).map_or(ChainHash::START, |head| head.chain),
        };
        let new = || Pending { first, events: Vec::new() };
        let pending = self.streams.entry(stream.clone()).or_insert_with(new);
        let (mut last, mut position) = (first, Position(0));
        for (sequence, event) in (first.0..).map(Sequence).zip(events) {
            (last, position) = (sequence, Position(self.tail.position + u64::from(self.block.events())));
            let event_there = (stream, sequence, event);
            let place;
            (chain, place) =
                self.block.push((self.shared.log, position.0), self.timestamp, chain, event_there);
            let place = Place::new(self.tail.offset + place.start as u64, place.len());
            self.entries.push((stream.clone(), chain, place));
            pending.events.push((event.id, position, chain));
        }
        Receipt { first, last, partition: PARTITION, position, chain }
    }
}

/// A stream as [`decide`] sees it: the durable events, and then those of the batch.
struct Known<'a> {
    shared: &'a Shared,
    pending: Option<&'a Pending>,
    recent: &'a mut RecentIds,
    stream: &'a StreamId,
}

impl Known<'_> {
    fn entry(&self, sequence: Sequence) -> Result<(EventId, Position, ChainHash), ReadError> {
        let pending = self.pending.filter(|pending| pending.first <= sequence);
        if let Some(entry) = pending.and_then(|p| p.events.get((sequence.0 - p.first.0) as usize)) {
            return Ok(*entry);
        }
        let loaded = self.shared.load_one(self.stream, sequence)?;
        let (event, chain) = loaded.expect("a sequence at or before the head is durable or in the batch");
        Ok((event.id, event.position, chain))
    }
}

impl StreamIds for Known<'_> {
    fn head(&self) -> Option<Sequence> {
        match self.pending {
            Some(pending) => Some(pending.first.plus(pending.events.len() as u64 - 1)),
            None => self.shared.head(self.stream).map(|head| head.sequence),
        }
    }

    fn ids(&mut self, first: Sequence, count: usize) -> Result<Vec<EventId>, ReadError> {
        ids(self.shared, self.pending, self.stream, first, count)
    }

    fn find_recent(&mut self, id: EventId) -> Result<Option<Sequence>, ReadError> {
        let (shared, pending, stream, head) = (self.shared, self.pending, self.stream, self.head());
        self.recent.find(stream, head, id, |first, count| ids(shared, pending, stream, first, count))
    }
}

fn ids(
    shared: &Shared,
    pending: Option<&Pending>,
    stream: &StreamId,
    first: Sequence,
    count: usize,
) -> Result<Vec<EventId>, ReadError> {
    let mut ids = Vec::with_capacity(count);
    loop {
        let next = first.plus(ids.len() as u64);
        let page = shared.read(stream, next, Direction::Forward, count - ids.len())?;
        if page.is_empty() {
            break;
        }
        ids.extend(page.iter().map(|event| event.id));
    }
    if let Some(pending) = pending {
        let next = first.plus(ids.len() as u64);
        let skip = next.0.saturating_sub(pending.first.0) as usize;
        let rest = pending.events.iter().skip(skip).take(count - ids.len());
        ids.extend(rest.map(|(id, ..)| *id));
    }
    Ok(ids)
}

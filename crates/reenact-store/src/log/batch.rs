//! Deciding about a group of appends and putting the block together that makes them durable.

use std::fmt;

use foldhash::HashMap;
use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::format::{BLOCK_HEAD_BYTES, LogId, TRUNCATION_BYTES_MAX, Truncation, write_truncation};
use super::index::{Indexed, StreamHead};
use super::records::Records;
use super::shared::{PARTITION, Shared};
use crate::chain::ChainHash;
use crate::decide::{Decision, Looked, RecentIds, StreamIds, check_truncation, decide};
use crate::event::{EventId, ExpectedSequence, Head, NewEvent, Position, Receipt, Sequence, StreamId};
use crate::store::{AppendError, ReadError, TruncateError};

/// Something that waits to be made durable, and who waits for it.
#[derive(Debug)]
pub(super) enum Request {
    Append(Append),
    Truncate(Truncate),
}

#[derive(Debug)]
pub(super) struct Append {
    /// On the heap, as it is handed on again and again.
    pub(super) content: Box<Content>,
    pub(super) answer: oneshot::Sender<Appended>,
    /// Its part of what may wait; given back with the answer.
    pub(super) queued: OwnedSemaphorePermit,
}

#[derive(Debug)]
pub(super) struct Content {
    pub(super) stream: StreamId,
    pub(super) expected: ExpectedSequence,
    pub(super) events: Vec<NewEvent>,
    pub(super) records: Records,
    /// What is known of its ids, if that could be found out.
    pub(super) looked: Option<Looked>,
}

/// What became of an append. Its content goes back with it: memory is freed fastest by who asked for it, and the one
/// that commits has more to do than anybody.
#[derive(Debug)]
pub(super) struct Appended {
    pub(super) outcome: Result<Outcome, AppendError>,
    content: Box<Content>,
}

#[derive(Debug)]
pub(super) struct Truncate {
    pub(super) stream: StreamId,
    pub(super) before: Sequence,
    /// The chain before that event, if it is known.
    pub(super) anchor: Option<ChainHash>,
    pub(super) answer: oneshot::Sender<Result<Head, TruncateError>>,
    pub(super) queued: OwnedSemaphorePermit,
}

/// What became of an append.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome {
    Appended(Receipt),
    /// The events were there, from this one on. Whoever waits makes the receipt, which takes reading.
    There(Sequence),
}

impl Request {
    /// The most bytes of records that it becomes.
    pub(super) fn record_bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.content.records.bytes.len(),
            Self::Truncate(_) => TRUNCATION_BYTES_MAX,
        }
    }

    /// Tells whoever waits that nothing came of it.
    pub(super) fn refuse(self, error: AppendError) {
        match self {
            Self::Append(Append { answer, content, .. }) => {
                Answer::Append(answer, Appended { outcome: Err(error), content }).tell();
            }
            Self::Truncate(truncate) => Answer::Truncate(truncate.answer, Err(error.into())).tell(),
        }
    }
}

/// What somebody is told once the batch is durable.
#[derive(Debug)]
pub(super) enum Answer {
    Append(oneshot::Sender<Appended>, Appended),
    Truncate(oneshot::Sender<Result<Head, TruncateError>>, Result<Head, TruncateError>),
}

impl Answer {
    /// Whoever does not wait any more is told nothing.
    pub(super) fn tell(self) {
        match self {
            Self::Append(waiting, answer) => drop(waiting.send(answer)),
            Self::Truncate(waiting, answer) => drop(waiting.send(answer)),
        }
    }

    /// The same, but that nothing came of it.
    pub(super) fn refuse(self, error: &AppendError) {
        match self {
            Self::Append(waiting, Appended { content, .. }) => {
                Self::Append(waiting, Appended { outcome: Err(error.clone()), content }).tell();
            }
            Self::Truncate(waiting, _) => Self::Truncate(waiting, Err(error.clone().into())).tell(),
        }
    }
}

/// An event of the batch.
#[derive(Clone, Copy, Debug)]
struct Entry {
    stream: u32,
    indexed: Indexed,
    /// The one before it of its stream, in the batch.
    earlier: Option<u32>,
}

/// A stream to which the batch appends.
#[derive(Debug)]
struct Pending {
    stream: StreamId,
    /// Where it stands without the batch.
    before: Option<StreamHead>,
    /// Where it stands with it.
    head: StreamHead,
    /// Its last event in the batch.
    last: Option<u32>,
    /// Its first event in the batch has this sequence.
    first: Sequence,
}

impl fmt::Debug for Batch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Batch({} events, {} bytes)", self.entries.len(), self.records.len())
    }
}

/// Appends that become durable together, or not. It is emptied and used again.
#[derive(Default)]
pub(super) struct Batch {
    slots: HashMap<StreamId, u32>,
    streams: Vec<Pending>,
    entries: Vec<Entry>,
    truncations: Vec<(u32, Sequence, ChainHash)>,
    /// What those who wait are told then.
    pub(super) answers: Vec<Answer>,
    /// The records of the block.
    pub(super) records: Vec<u8>,
}

/// Where a batch goes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) segment: u32,
    /// Where its block begins.
    pub(super) offset: u64,
    /// The position of its first event.
    pub(super) position: u64,
}

impl Batch {
    pub(super) fn clear(&mut self) {
        self.slots.clear();
        self.streams.clear();
        self.entries.clear();
        self.truncations.clear();
        self.answers.clear();
        self.records.clear();
    }

    pub(super) fn events(&self) -> u32 {
        self.entries.len() as u32
    }

    /// Whether there is something to write.
    pub(super) fn has_records(&self) -> bool {
        !self.records.is_empty()
    }

    /// Decides about a request. Nobody is told before everything that the decision rests on is durable.
    pub(super) fn push(
        &mut self,
        request: Request,
        shared: &Shared,
        recent: &mut RecentIds,
        target: &Target,
    ) {
        match request {
            Request::Append(Append { content, answer, queued }) => {
                let outcome = self.append(&content, shared, recent, target);
                self.answers.push(Answer::Append(answer, Appended { outcome, content }));
                // It waits no longer: others may.
                drop(queued);
            }
            Request::Truncate(Truncate { stream, before, anchor, answer, queued }) => {
                let truncated = self.truncate(&stream, (before, anchor), shared);
                self.answers.push(Answer::Truncate(answer, truncated));
                drop(queued);
            }
        }
    }

    fn append(
        &mut self,
        content: &Content,
        shared: &Shared,
        recent: &mut RecentIds,
        target: &Target,
    ) -> Result<Outcome, AppendError> {
        let Content { stream, expected, events, records, looked } = content;
        let slot = self.slots.get(stream).copied();
        let head = match slot {
            Some(slot) => Some(self.streams[slot as usize].head),
            None => shared.head(stream)?,
        };
        let looked = looked.as_ref();
        let mut known = Known { batch: self, shared, recent, looked, stream, slot, head };
        match decide(&mut known, stream, *expected, events)? {
            Decision::Retry(first) => Ok(Outcome::There(first)),
            Decision::Append(first) => {
                recent.push(stream, first, events);
                let slot = slot.unwrap_or_else(|| self.begin(stream, head, target.segment));
                self.write(slot, (stream, first, events), records, (shared.log, target));
                let chain = self.streams[slot as usize].head.chain;
                let position = Position(target.position + u64::from(self.events()) - 1);
                let last = first.plus(events.len() as u64 - 1);
                Ok(Outcome::Appended(Receipt { first, last, partition: PARTITION, position, chain }))
            }
        }
    }

    /// Begins to take note of what the batch does to a stream.
    fn begin(&mut self, stream: &StreamId, before: Option<StreamHead>, segment: u32) -> u32 {
        let slot = self.streams.len() as u32;
        let head = before.unwrap_or(StreamHead {
            sequence: Sequence::FIRST,
            chain: ChainHash::START,
            highest: EventId::LOWEST,
            first: Sequence::FIRST,
            anchor: ChainHash::START,
            segment,
        });
        let first = before.map_or(Sequence::FIRST, |head| head.sequence.plus(1));
        self.slots.insert(stream.clone(), slot);
        self.streams.push(Pending { stream: stream.clone(), before, head, last: None, first });
        slot
    }

    /// Writes the records of events that are to be appended.
    fn write(
        &mut self,
        slot: u32,
        (stream, first, events): (&StreamId, Sequence, &[NewEvent]),
        records: &Records,
        (log, target): (LogId, &Target),
    ) {
        let chain = self.streams[slot as usize].head.chain;
        let made;
        let records = if records.is_for(first, chain) {
            records
        } else {
            let bytes = records.bytes.len();
            made = Records::after(log, (first, chain), stream, (events, bytes));
            &made
        };
        let begin = target.offset + (BLOCK_HEAD_BYTES + self.records.len()) as u64;
        self.records.extend_from_slice(&records.bytes);
        for ((sequence, event), made) in (first.0..).zip(events).zip(&records.made) {
            let offset = (begin + u64::from(made.begin)) as u32;
            let indexed = Indexed { id: event.id, chain: made.chain, offset };
            self.enter(slot, Sequence(sequence), indexed);
        }
    }

    fn enter(&mut self, slot: u32, sequence: Sequence, indexed: Indexed) {
        let at = self.entries.len() as u32;
        let pending = &mut self.streams[slot as usize];
        self.entries.push(Entry { stream: slot, indexed, earlier: pending.last });
        pending.last = Some(at);
        let head = &mut pending.head;
        (head.sequence, head.chain, head.highest) = (sequence, indexed.chain, head.highest.max(indexed.id));
    }

    fn truncate(
        &mut self,
        stream: &StreamId,
        (before, known): (Sequence, Option<ChainHash>),
        shared: &Shared,
    ) -> Result<Head, TruncateError> {
        let slot = self.slots.get(stream).copied();
        let head = match slot {
            Some(slot) => Some(self.streams[slot as usize].head),
            None => shared.head(stream).map_err(AppendError::from)?,
        };
        check_truncation(stream, before, head.map(|head| head.sequence))?;
        let head = head.expect("a stream without events is not truncated");
        let (first, anchor) = shared.kept_from(stream, &head).map_err(AppendError::from)?;
        let public = |first, anchor| Head { sequence: head.sequence, chain: head.chain, first, anchor };
        if before <= first {
            return Ok(public(first, anchor));
        }
        let last = Sequence(before.0 - 1);
        let anchor = match (slot.and_then(|slot| self.entry(slot, last)), known) {
            (Some(entry), _) => entry.indexed.chain,
            (None, _) if last == head.sequence => head.chain,
            (None, Some(chain)) => chain,
            // The event became durable after somebody looked, or it could not be read then.
            (None, None) => shared.chain_at(stream, &head, last).map_err(AppendError::from)?.0,
        };
        let slot = slot.unwrap_or_else(|| self.begin(stream, Some(head), head.segment));
        let truncation = Truncation { stream: stream.clone(), before, anchor };
        write_truncation(shared.log, &truncation, &mut self.records);
        self.truncations.push((slot, before, anchor));
        let pending = &mut self.streams[slot as usize].head;
        (pending.first, pending.anchor) = (before, anchor);
        Ok(public(before, anchor))
    }

    /// An event of the batch by its stream and sequence.
    fn entry(&self, slot: u32, sequence: Sequence) -> Option<&Entry> {
        let pending = &self.streams[slot as usize];
        if sequence < pending.first || sequence > pending.head.sequence {
            return None;
        }
        let back = pending.head.sequence.0 - sequence.0;
        let mut at = pending.last?;
        for _ in 0..back {
            at = self.entries[at as usize].earlier?;
        }
        Some(&self.entries[at as usize])
    }

    /// Ids of the events that the batch has of a stream, from `first` on.
    fn ids(&self, slot: u32, first: Sequence, count: usize) -> Vec<EventId> {
        let Pending { head, last, .. } = &self.streams[slot as usize];
        let entries = std::iter::successors(*last, |at| self.entries[*at as usize].earlier);
        let backward = (first.0..=head.sequence.0).rev().zip(entries);
        let wanted = backward.skip_while(|(sequence, _)| *sequence >= first.plus(count as u64).0);
        let mut ids: Vec<_> = wanted.map(|(_, at)| self.entries[at as usize].indexed.id).collect();
        ids.reverse();
        ids
    }

    /// What the index learns once the block is durable: its events, and then its truncations.
    pub(super) fn publish(&self, index: &mut super::index::ActiveIndex) {
        for entries in self.entries.chunk_by(|a, b| a.stream == b.stream) {
            let Pending { stream, before, .. } = &self.streams[entries[0].stream as usize];
            let events = entries.iter().map(|entry| entry.indexed);
            index.push(stream.as_str(), || stream.clone(), before.as_ref(), events);
        }
        for (slot, first, anchor) in &self.truncations {
            let pending = &self.streams[*slot as usize];
            index.truncate(&pending.stream, &pending.head, (*first, *anchor));
        }
    }
}

/// A stream as [`decide`] sees it: the durable events, and then those of the batch.
struct Known<'a> {
    batch: &'a Batch,
    shared: &'a Shared,
    recent: &'a mut RecentIds,
    looked: Option<&'a Looked>,
    stream: &'a StreamId,
    slot: Option<u32>,
    head: Option<StreamHead>,
}

impl StreamIds for Known<'_> {
    fn head(&self) -> Option<Sequence> {
        // A stream that the batch begins has a head as soon as it has an event.
        self.head.map(|head| head.sequence)
    }

    fn first(&mut self) -> Result<Sequence, ReadError> {
        match &self.head {
            Some(head) => Ok(self.shared.kept_from(self.stream, head)?.0),
            None => Ok(Sequence::FIRST),
        }
    }

    fn ids(&mut self, first: Sequence, count: usize) -> Result<Vec<EventId>, ReadError> {
        ids((self.shared, self.batch, self.slot), self.stream, first, count)
    }

    fn find_recent(&mut self, id: EventId) -> Result<Option<Sequence>, ReadError> {
        // Ids are made in the order of time: a new one is nearly always the highest, and then surely not there.
        let Some(head) = self.head.filter(|head| id <= head.highest) else { return Ok(None) };
        let (from, stream) = ((self.shared, self.batch, self.slot), self.stream);
        let kept = self.first()?..head.sequence.plus(1);
        let load = |first, count| ids(from, stream, first, count);
        self.recent.find((stream, kept), (id, self.looked), load)
    }
}

fn ids(
    (shared, batch, slot): (&Shared, &Batch, Option<u32>),
    stream: &StreamId,
    first: Sequence,
    count: usize,
) -> Result<Vec<EventId>, ReadError> {
    let mut ids = shared.ids(stream, first, count)?;
    if let Some(slot) = slot {
        let next = first.plus(ids.len() as u64);
        let rest = batch.ids(slot, next, count - ids.len());
        ids.extend(rest);
    }
    Ok(ids)
}

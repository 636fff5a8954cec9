//! What was asked of a store and what it answered, and so what it must hold after whatever happened to it.

use std::collections::{BTreeMap, BTreeSet};

use reenact_store::{
    AppendError, ChainHash, EventStore, ExpectedSequence, Head, NewEvent, PartitionId, Position, Receipt,
    Sequence, StreamId, Timestamp, TruncateError,
};

use super::violation::{Breach, Violation, ensure};

/// Events that were handed to the store in one append, once or more often.
#[derive(Clone, Debug)]
pub struct Batch {
    /// The number of the stream.
    pub stream: usize,
    /// As given.
    pub expected: ExpectedSequence,
    /// As given.
    pub events: Vec<NewEvent>,
    /// What is known of them.
    pub fate: Fate,
    /// The last position of the partition that was known when they were handed over; theirs are greater.
    pub(super) after: Option<Position>,
}

/// What is known of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It may have happened, or may still.
    Open,
    /// It happened: the sequence of the first event, and the receipt if there was one.
    There(Sequence, Option<Receipt>),
    /// It has not happened and will not.
    Not,
}

/// An event that must be there, unless it is truncated.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) event: NewEvent,
    pub(super) chain: ChainHash,
    /// What the store gave, once it was seen.
    pub(super) position: Option<Position>,
    pub(super) timestamp: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct Stream {
    pub(super) id: StreamId,
    pub(super) partition: PartitionId,
    /// By sequence, from the first on, those included that were truncated.
    pub(super) known: Vec<Known>,
    /// Appends that were acknowledged beyond what is known, by their first sequence: between them lie appends
    /// whose fate is open.
    pub(super) acknowledged: BTreeMap<u64, usize>,
    /// The first event that is not truncated.
    pub(super) first: u64,
    /// Where it may be too, by truncations whose fate is open.
    pub(super) perhaps_first: BTreeSet<u64>,
    /// Up to where it may begin, because old events were to be given up.
    pub(super) perhaps_retained: u64,
    /// Before which of its events it was ever to be truncated.
    pub(super) truncations: BTreeSet<u64>,
}

impl Stream {
    pub(super) fn chain_before(&self, sequence: u64) -> ChainHash {
        match sequence.checked_sub(1) {
            None => ChainHash::START,
            Some(last) => self.known[last as usize].chain,
        }
    }

    /// Whether it is known to have those events from `first` on.
    fn has(&self, first: Sequence, events: &[NewEvent]) -> bool {
        let known = self.known.get(first.0 as usize..).unwrap_or_default();
        known.len() >= events.len() && known.iter().zip(events).all(|(known, event)| known.event == *event)
    }

    /// Whether one of those events is there and was not truncated.
    fn has_one(&self, events: &[NewEvent]) -> bool {
        let mut kept = self.known.iter().skip(self.first as usize);
        kept.any(|known| events.iter().any(|event| event.id == known.event.id))
    }

    fn first_max(&self) -> u64 {
        let truncated = self.perhaps_first.last().copied().unwrap_or_default();
        truncated.max(self.first).max(self.perhaps_retained)
    }
}

/// Everything that was asked of a store, and what it answered.
#[derive(Clone, Debug)]
pub struct Model {
    pub(super) streams: Vec<Stream>,
    pub(super) batches: Vec<Batch>,
    /// The last position that is known of each partition.
    last: BTreeMap<PartitionId, Position>,
    acknowledged: u64,
}

impl Model {
    /// Of a store of so many partitions without events, and so many streams in it.
    pub fn new(streams: usize, partitions: u32) -> Self {
        let stream = |n| {
            let id = crate::store::stream(&format!("s{n}"));
            Stream {
                partition: PartitionId::of(&id, partitions),
                id,
                known: Vec::new(),
                acknowledged: BTreeMap::new(),
                first: 0,
                perhaps_first: BTreeSet::new(),
                perhaps_retained: 0,
                truncations: BTreeSet::new(),
            }
        };
        let streams = (0..streams).map(stream).collect();
        Self { streams, batches: Vec::new(), last: BTreeMap::new(), acknowledged: 0 }
    }

    /// How many streams there are.
    pub fn streams(&self) -> usize {
        self.streams.len()
    }

    /// The id of a stream.
    pub fn stream(&self, stream: usize) -> &StreamId {
        &self.streams[stream].id
    }

    /// All appends so far.
    pub fn batches(&self) -> &[Batch] {
        &self.batches
    }

    /// How many appends were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// How many events of a stream are known, those included that were truncated.
    pub fn known(&self, stream: usize) -> u64 {
        self.streams[stream].known.len() as u64
    }

    /// Where a stream ends if every append to it whose fate is open happens, once.
    pub fn perhaps_last(&self, stream: usize) -> Option<Sequence> {
        let acknowledged = self.streams[stream].acknowledged.last_key_value();
        let acknowledged =
            acknowledged.map(|(first, batch)| first + self.batches[*batch].events.len() as u64);
        let open = self.batches.iter().filter(|batch| batch.stream == stream && batch.fate == Fate::Open);
        let open: u64 = open.map(|batch| batch.events.len() as u64).sum();
        let end = acknowledged.unwrap_or_default().max(self.known(stream)) + open;
        end.checked_sub(1).map(Sequence)
    }

    /// Events are about to be handed over for the first time; the number of their append.
    pub fn hand_over(&mut self, stream: usize, expected: ExpectedSequence, events: Vec<NewEvent>) -> usize {
        let after = self.last.get(&self.streams[stream].partition).copied();
        self.batches.push(Batch { stream, expected, events, fate: Fate::Open, after });
        self.batches.len() - 1
    }

    /// Whether it can be said what becomes of events that are handed over once more: not while the same
    /// events may be there by another append.
    pub fn may_hand_over_again(&self, batch: usize) -> bool {
        let id = self.batches[batch].events[0].id;
        let others =
            self.batches.iter().enumerate().filter(|(n, other)| *n != batch && other.events[0].id == id);
        others.into_iter().all(|(_, other)| match other.fate {
            Fate::Open => false,
            Fate::There(first, _) => first.0 < self.known(other.stream),
            Fate::Not => true,
        })
    }

    /// Events are about to be handed over once more; the number of the append that it is. That is another one
    /// if nothing was appended before, or if it may be truncated and nobody can know it any more.
    pub fn hand_over_again(&mut self, batch: usize) -> usize {
        let Batch { stream, expected, events, fate, .. } = self.batches[batch].clone();
        let forgotten = match fate {
            Fate::Open => false,
            Fate::Not => true,
            Fate::There(first, _) => {
                let end = first.0 + events.len() as u64;
                expected == ExpectedSequence::Any && end <= self.streams[stream].first_max()
            }
        };
        if forgotten { self.hand_over(stream, expected, events) } else { batch }
    }

    /// The store acknowledged an append.
    ///
    /// # Errors
    /// It should not have, or not so.
    pub fn acknowledge(&mut self, batch: usize, receipt: Receipt) -> Result<(), Violation> {
        let Batch { stream, expected, ref events, fate, after } = self.batches[batch];
        let of = &mut self.streams[stream];
        let first = receipt.first;
        ensure!(receipt.last.0 + 1 - first.0 == events.len() as u64, Receipt, "{receipt:?} for {events:?}");
        ensure!(receipt.partition == of.partition, Receipt, "{receipt:?} for {}", of.id);
        let fits = match expected {
            ExpectedSequence::Any => true,
            ExpectedSequence::NoStream => first == Sequence::FIRST,
            ExpectedSequence::Exact(last) => first == last.plus(1),
        };
        ensure!(fits, Receipt, "{receipt:?} where {expected} was expected");
        ensure!(
            first.0 >= of.first,
            Receipt,
            "{receipt:?} of events before {}, which were truncated",
            of.first
        );
        match fate {
            Fate::There(at, None) => ensure!(at == first, Receipt, "{receipt:?} of events at {at}"),
            Fate::There(_, Some(before)) => {
                ensure!(before == receipt, Receipt, "{receipt:?}, then {before:?}");
            }
            // These events were handed over before, and are there by that.
            Fate::Open | Fate::Not if of.has(first, events) => {
                let known = &of.known[receipt.last.0 as usize];
                let same =
                    known.chain == receipt.chain && known.position.is_none_or(|at| at == receipt.position);
                ensure!(same, Receipt, "{receipt:?} for {known:?}");
                self.batches[batch].fate = Fate::Not;
                return Ok(());
            }
            Fate::Open | Fate::Not => {
                let free = first.0 >= of.known.len() as u64 && !of.acknowledged.contains_key(&first.0);
                ensure!(free, Receipt, "{receipt:?} where other events of {} are", of.id);
                ensure!(after < Some(receipt.position), Disordered, "{receipt:?} after {after:?}");
                of.acknowledged.insert(first.0, batch);
            }
        }
        self.batches[batch].fate = Fate::There(first, Some(receipt));
        self.acknowledged += 1;
        self.note(receipt.partition, receipt.position);
        self.settle(stream)
    }

    /// The store refused an append; `first_call` if no other call has handed it over.
    ///
    /// # Errors
    /// It had no reason to.
    pub fn refuse(&mut self, batch: usize, error: &AppendError, first_call: bool) -> Result<(), Violation> {
        if error.may_have_happened() {
            return Ok(());
        }
        let Batch { stream, expected, ref events, fate, .. } = self.batches[batch];
        let of = &self.streams[stream];
        if let AppendError::WrongExpectedSequence { actual, .. } = error {
            let known = (of.known.len() as u64).checked_sub(1).map(Sequence);
            let open = |other: &Batch| other.stream == stream && other.fate == Fate::Open;
            let others = self.batches.iter().enumerate().any(|(n, other)| n != batch && open(other));
            let unsettled = !of.acknowledged.is_empty() || of.first_max() > of.first;
            match fate {
                Fate::There(first, _) => {
                    ensure!(first.0 < of.first_max(), Refusal, "{error} for events that are at {first}");
                }
                Fate::Open | Fate::Not if others || unsettled || !first_call => {}
                Fate::Open | Fate::Not => {
                    ensure!(*actual == known, Refusal, "{error}, which ends with {known:?}");
                    let holds = match expected {
                        ExpectedSequence::Any => !of.has_one(events),
                        ExpectedSequence::NoStream => known.is_none(),
                        ExpectedSequence::Exact(last) => known == Some(last),
                    };
                    ensure!(!holds, Refusal, "{error}");
                }
            }
        }
        if first_call && fate == Fate::Open {
            self.batches[batch].fate = Fate::Not;
        }
        Ok(())
    }

    /// A truncation is about to be asked for.
    pub fn ask_to_truncate(&mut self, stream: usize, before: Sequence) {
        let of = &mut self.streams[stream];
        of.truncations.insert(before.0);
        if before.0 > of.first {
            of.perhaps_first.insert(before.0);
        }
    }

    /// The store acknowledged a truncation.
    ///
    /// # Errors
    /// It should not have, or not so.
    pub fn truncated(&mut self, stream: usize, before: Sequence, head: &Head) -> Result<(), Violation> {
        let of = &mut self.streams[stream];
        ensure!(head.first >= before, Truncation, "{head:?} after a truncation before {before}");
        Self::see_first(of, head)?;
        ensure!(head.anchor == of.chain_before(of.first), Chain, "{head:?} of {}", of.id);
        Ok(())
    }

    /// The oldest events of a store that has one partition are about to be given up, after all of them were
    /// seen: none at or after the position that is given, which is chosen by a number.
    pub fn ask_to_retain(&mut self, number: u64) -> Position {
        let end = self.last.get(&PartitionId(0)).map_or(0, |last| last.0 + 1);
        let before = Position(number % (end + 1));
        for of in &mut self.streams {
            let gone = of.known.iter().take_while(|known| known.position.is_none_or(|at| at < before));
            of.perhaps_retained = of.perhaps_retained.max(gone.count() as u64);
        }
        before
    }

    /// The store has given up what it wanted to.
    ///
    /// # Errors
    /// It has given up more, or not all of what it has is as it must be.
    pub fn retained(&mut self, store: &dyn EventStore) -> Result<(), Violation> {
        self.see_all(store)?;
        self.streams.iter_mut().for_each(|of| of.perhaps_retained = 0);
        Ok(())
    }

    /// The store refused a truncation.
    ///
    /// # Errors
    /// It had no reason to.
    pub fn not_truncated(
        &mut self,
        stream: usize,
        before: Sequence,
        error: &TruncateError,
    ) -> Result<(), Violation> {
        let of = &self.streams[stream];
        match error {
            TruncateError::BeyondEnd { .. } => {
                let beyond = of.known.is_empty() || before.0 > of.known.len() as u64;
                ensure!(beyond, Refusal, "{error} where {} events are known", of.known.len());
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// An append is known to have happened at the end of what is known.
    pub(super) fn push(&mut self, stream: usize, batch: usize) -> Result<(), Violation> {
        let of = &mut self.streams[stream];
        let first = of.known.len() as u64;
        of.acknowledged.remove(&first);
        let Batch { events, fate, .. } = &mut self.batches[batch];
        for (sequence, event) in (first..).zip(events.iter()) {
            let chain = of.chain_before(sequence).then(&of.id, Sequence(sequence), event);
            of.known.push(Known { event: event.clone(), chain, position: None, timestamp: None });
        }
        let last = of.known.last_mut().expect("an append has events");
        match fate {
            Fate::There(_, Some(receipt)) => {
                ensure!(receipt.chain == last.chain, Chain, "{receipt:?}, where {} is right", last.chain);
                last.position = Some(receipt.position);
            }
            _ => *fate = Fate::There(Sequence(first), None),
        }
        Ok(())
    }

    /// Takes what was acknowledged next to what is known.
    fn settle(&mut self, stream: usize) -> Result<(), Violation> {
        while let of = &self.streams[stream]
            && let Some(batch) = of.acknowledged.get(&(of.known.len() as u64)).copied()
        {
            self.push(stream, batch)?;
        }
        Ok(())
    }

    pub(super) fn note(&mut self, partition: PartitionId, position: Position) {
        let last = self.last.entry(partition).or_default();
        *last = position.max(*last);
    }
}

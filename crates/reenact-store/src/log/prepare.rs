//! Records that are written before their turn, on the thread of whoever appends.
//!
//! Where a stream stands when an append is handed in is nearly always where it still stands when its turn comes.
//! So the records, and the hashes of the chain, which cost most, are made then, by many threads at once. If it
//! has moved on, they are made again by the one that commits.

use super::format::{LogId, RECORD_HEAD_BYTES, write_event};
use super::index::StreamHead;
use crate::chain::{ChainHash, canonical_bytes};
use crate::event::{NewEvent, Sequence, StreamId};

/// The records of an append as they are if its stream stands where it did.
#[derive(Debug)]
pub(super) struct Prepared {
    first: Sequence,
    chain: ChainHash,
    pub(super) records: Vec<u8>,
    /// Where each record begins.
    pub(super) begins: Vec<u32>,
    /// The chain at each event.
    pub(super) chains: Vec<ChainHash>,
}

impl Prepared {
    /// The records of events after `head`.
    pub(super) fn new(log: LogId, head: Option<&StreamHead>, stream: &StreamId, events: &[NewEvent]) -> Self {
        let first = head.map_or(Sequence::FIRST, |head| head.sequence.plus(1));
        let start = head.map_or(ChainHash::START, |head| head.chain);
        Self::after(log, (first, start), stream, events)
    }

    /// The records of events from `first` on, chained to `start`.
    pub(super) fn after(
        log: LogId,
        (first, start): (Sequence, ChainHash),
        stream: &StreamId,
        events: &[NewEvent],
    ) -> Self {
        let bytes = events.iter().map(|event| RECORD_HEAD_BYTES + canonical_bytes(stream, event)).sum();
        let mut records = Vec::with_capacity(bytes);
        let (mut begins, mut chains) = (Vec::with_capacity(events.len()), Vec::with_capacity(events.len()));
        let mut chain = start;
        for (sequence, event) in (first.0..).map(Sequence).zip(events) {
            begins.push(records.len() as u32);
            chain = write_event(log, chain, (stream, sequence, event), &mut records);
            chains.push(chain);
        }
        Self { first, chain: start, records, begins, chains }
    }

    /// Whether the records are those of events from `first` on, chained to `chain`.
    pub(super) fn is_for(&self, first: Sequence, chain: ChainHash) -> bool {
        (self.first, self.chain) == (first, chain)
    }
}

//! Records that are written before their turn, on the thread of whoever appends.
//!
//! Where a stream stands when an append is handed in is nearly always where it still stands when its turn comes.
//! So the records, and the hashes of the chain, which cost most, are made then, by many threads at once. If it
//! has moved on, they are made again by the one that commits.

use smallvec::SmallVec;

use super::format::{LogId, RECORD_HEAD_BYTES, write_event};
use super::index::StreamHead;
use crate::chain::ChainHash;
use crate::event::{NewEvent, Sequence, StreamId};

/// The records of an append as they are if its stream stands where it did.
#[derive(Debug)]
pub(super) struct Records {
    first: Sequence,
    chain: ChainHash,
    pub(super) bytes: Vec<u8>,
    pub(super) made: SmallVec<[Made; 1]>,
}

/// One of the records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// Where it begins.
    pub(super) begin: u32,
    /// The chain at its event.
    pub(super) chain: ChainHash,
}

impl Records {
    /// The records of events after `head`, which count for so many bytes.
    pub(super) fn new(
        log: LogId,
        head: Option<&StreamHead>,
        stream: &StreamId,
        (events, bytes): (&[NewEvent], usize),
    ) -> Self {
        let first = head.map_or(Sequence::FIRST, |head| head.sequence.plus(1));
        let start = head.map_or(ChainHash::START, |head| head.chain);
        Self::after(log, (first, start), stream, (events, bytes))
    }

    /// The records of events from `first` on, chained to `start`.
    pub(super) fn after(
        log: LogId,
        (first, start): (Sequence, ChainHash),
        stream: &StreamId,
        (events, bytes): (&[NewEvent], usize),
    ) -> Self {
        let mut out = Vec::with_capacity(bytes + events.len() * RECORD_HEAD_BYTES);
        let (mut made, mut chain) = (SmallVec::with_capacity(events.len()), start);
        for (sequence, event) in (first.0..).map(Sequence).zip(events) {
            let begin = out.len() as u32;
            chain = write_event(log, chain, (stream, sequence, event), &mut out);
            made.push(Made { begin, chain });
        }
        Self { first, chain: start, bytes: out, made }
    }

    /// Whether the records are those of events from `first` on, chained to `chain`.
    pub(super) fn is_for(&self, first: Sequence, chain: ChainHash) -> bool {
        (self.first, self.chain) == (first, chain)
    }
}

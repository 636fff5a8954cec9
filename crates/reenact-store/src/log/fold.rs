//! From the blocks of a segment to its index: the one way events are taken in, whether a log is opened, an index
//! is made again, or everything is verified.

use bytes::Bytes;
use foldhash::HashMap;
use thiserror::Error;

use super::before::Before;
use super::format::{BLOCK_HEAD_BYTES, Block, Body, LogId, Truncation, read_record};
use super::index::{ActiveIndex, Indexed, StreamHead};
use crate::chain::{CanonicalView, ChainHash};
use crate::disk::PAGE_BYTES;
use crate::event::{Sequence, StreamId, Timestamp};
use crate::store::ReadError;

/// Why a block is not taken in.
#[derive(Debug, Error)]
pub(super) enum FoldError {
    /// Its checksum is right, so that this is no torn write.
    #[error("{0}")]
    Damaged(&'static str),
    /// What was known of a stream before cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// An index, and where in the segment it goes on.
#[derive(Debug)]
pub(super) struct Fold {
    pub(super) index: ActiveIndex,
    log: LogId,
    /// Where the next block begins.
    pub(super) offset: u64,
    /// The checksum to which it is chained.
    pub(super) crc: u32,
    /// The time of the last event.
    pub(super) timestamp: Timestamp,
}

impl Fold {
    /// The begin of a segment, whose head has the checksum `crc`.
    pub(super) fn new(log: LogId, mut index: ActiveIndex, crc: u32, timestamp: Timestamp) -> Self {
        let offset = PAGE_BYTES as u64;
        if index.end == 0 {
            // A crash may leave a head without a block, after which the log goes on in the next segment.
            index.end_block(offset, crc);
        }
        Self { index, log, offset, crc, timestamp }
    }

    /// Takes in the block at `offset`, or leaves nothing of it behind.
    pub(super) fn block(&mut self, block: &Block<'_>, before: &dyn Before) -> Result<(), FoldError> {
        let head = &block.head;
        if (head.position, head.previous) != (self.index.next_position(), self.crc) {
            return Err(FoldError::Damaged("a block does not follow the one before it"));
        }
        if head.timestamp < self.timestamp {
            return Err(FoldError::Damaged("a block is older than the one before it"));
        }
        let mut steps = Steps { fold: self, before, heads: HashMap::default(), taken: Vec::new(), events: 0 };
        for record in block.records() {
            let (at, body) = record.map_err(FoldError::Damaged)?;
            // The block's checksum is right, and this one says the same of each record.
            read_record(self.log, &block.records[at - BLOCK_HEAD_BYTES..]).map_err(FoldError::Damaged)?;
            steps.record(body, self.offset + at as u64)?;
        }
        if steps.events != head.events {
            return Err(FoldError::Damaged("a block has another number of events than it says"));
        }
        let taken = steps.taken;
        self.index.begin_block(self.offset, head.timestamp);
        for step in taken {
            step.take(&mut self.index);
        }
        self.offset += block.bytes() as u64;
        self.crc = block.crc;
        self.timestamp = head.timestamp;
        self.index.end_block(self.offset, block.crc);
        Ok(())
    }
}

/// What a record does to the index.
enum Step<'a> {
    Event { stream: &'a str, new: Option<(StreamId, Option<StreamHead>)>, indexed: Indexed },
    Truncation { stream: StreamId, head: StreamHead, kept: (Sequence, ChainHash) },
}

impl Step<'_> {
    fn take(self, index: &mut ActiveIndex) {
        match self {
            Self::Event { stream, new, indexed } => {
                let (id, earlier) = new.map_or((None, None), |(id, earlier)| (Some(id), earlier));
                let id_of = || id.expect("a stream that the index does not know has been named");
                index.push(stream, id_of, earlier.as_ref(), [indexed]);
            }
            Self::Truncation { stream, head, kept } => index.truncate(&stream, &head, kept),
        }
    }
}

/// The steps of one block, until all of it has been checked.
struct Steps<'a, 'b> {
    fold: &'a Fold,
    before: &'a dyn Before,
    /// Where the streams of the block stand after the steps.
    heads: HashMap<&'b str, StreamHead>,
    taken: Vec<Step<'b>>,
    events: u32,
}

impl<'b> Steps<'_, 'b> {
    fn record(&mut self, body: &'b [u8], offset: u64) -> Result<(), FoldError> {
        let Some(view) = CanonicalView::read(body) else {
            return match Body::read(&Bytes::copy_from_slice(body)).map_err(FoldError::Damaged)? {
                Body::Truncation(truncation) => self.truncation(truncation, body),
                Body::Event(..) => Err(FoldError::Damaged("an event is not canonical")),
            };
        };
        let known = self.head(view.stream);
        let id = || StreamId::new(view.stream).map_err(|_| FoldError::Damaged("a stream has no name"));
        let (new, head) = if known.is_some() {
            (None, known)
        } else {
            let id = id()?;
            let earlier = self.before.head(&id)?;
            (Some((id, earlier)), earlier)
        };
        if view.sequence != head.map_or(Sequence::FIRST, |head| head.sequence.plus(1)) {
            return Err(FoldError::Damaged("an event is not the next of its stream"));
        }
        let chain = head.map_or(ChainHash::START, |head| head.chain).then_canonical(body);
        let CanonicalView { stream, id, sequence, .. } = view;
        let (first, anchor) =
            head.map_or((Sequence::FIRST, ChainHash::START), |head| (head.first, head.anchor));
        let highest = head.map_or(id, |head| head.highest.max(id));
        let segment = self.fold.index.segment;
        self.heads.insert(stream, StreamHead { sequence, chain, highest, first, anchor, segment });
        let indexed = Indexed { id, chain, offset: offset as u32 };
        self.taken.push(Step::Event { stream, new, indexed });
        self.events += 1;
        Ok(())
    }

    /// Where a stream stands that the segment knows.
    fn head(&self, stream: &str) -> Option<StreamHead> {
        let earlier = || self.fold.index.get(stream).map(|listed| listed.head);
        self.heads.get(stream).copied().or_else(earlier)
    }

    fn truncation(&mut self, truncation: Truncation, body: &'b [u8]) -> Result<(), FoldError> {
        let Truncation { stream, before: first, anchor } = truncation;
        let head = match self.head(stream.as_str()) {
            Some(head) => Some(head),
            None => self.before.head(&stream)?,
        };
        let head = head.filter(|head| first <= head.sequence.plus(1));
        let head = head.ok_or(FoldError::Damaged("a truncation is of events that are not there"))?;
        // Together with their segments more events may have been given up since.
        let kept = if first > head.first { (first, anchor) } else { (head.first, head.anchor) };
        let name = body.get(2..2 + stream.as_str().len()).and_then(|name| std::str::from_utf8(name).ok());
        let name = name.expect("the stream's id was read from there");
        self.heads.insert(name, StreamHead { first: kept.0, anchor: kept.1, ..head });
        self.taken.push(Step::Truncation { stream, head, kept });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{EventKind, NewEvent};
    use crate::log::format::{BlockHead, write_event, write_truncation};

    const LOG: LogId = LogId([7; 16]);

    fn stream(name: &str) -> StreamId {
        StreamId::new(name).unwrap()
    }

    /// Records of events by stream and sequence; a sequence of a stream `-` is a truncation of `a`.
    fn records(of: &[(&str, u64)]) -> Vec<u8> {
        let mut records = Vec::new();
        for (name, sequence) in of {
            if *name == "-" {
                let (stream, before) = (stream("a"), Sequence(*sequence));
                let truncation = Truncation { stream, before, anchor: ChainHash::START };
                write_truncation(LOG, &truncation, &mut records);
                continue;
            }
            let event = NewEvent::new(EventKind::new("k").unwrap(), "payload");
            write_event(LOG, ChainHash::START, (&stream(name), Sequence(*sequence), &event), &mut records);
        }
        records
    }

    /// Takes in a block that says it has so many events more than it has.
    fn take(fold: &mut Fold, of: &[(&str, u64)], more: u32) -> Result<(), FoldError> {
        let records = records(of);
        let events = of.iter().filter(|(name, _)| *name != "-").count() as u32 + more;
        let (position, previous) = (fold.index.next_position(), fold.crc);
        let head = BlockHead { events, position, timestamp: Timestamp(9), previous };
        fold.block(&Block { head, records: &records, crc: 8 }, &|_: &StreamId| Ok(None))
    }

    /// A block is refused, and nothing of it is left.
    #[track_caller]
    fn check_refused(of: &[(&str, u64)], more: u32) {
        let mut fold = Fold::new(LOG, ActiveIndex::new(0, 0, 0), 5, Timestamp(1));
        take(&mut fold, &[("a", 0), ("b", 0)], 0).unwrap();
        let before = format!("{fold:?}");
        assert!(matches!(take(&mut fold, of, more), Err(FoldError::Damaged(_))));
        assert_eq!(format!("{fold:?}"), before);
    }

    #[test]
    fn a_block_that_is_refused_leaves_nothing_behind() {
        check_refused(&[("a", 1), ("c", 0), ("a", 3)], 0);
        check_refused(&[("c", 0), ("a", 1)], 1);
        check_refused(&[("-", 1), ("b", 1), ("-", 2)], 0);
        check_refused(&[("a", 0)], 0);
    }

    #[test]
    fn a_block_is_taken_in_with_streams_that_are_known_and_new() {
        let mut fold = Fold::new(LOG, ActiveIndex::new(0, 0, 0), 5, Timestamp(1));
        take(&mut fold, &[("a", 0), ("b", 0), ("a", 1), ("-", 1), ("a", 2)], 0).unwrap();
        take(&mut fold, &[("-", 3), ("b", 1), ("a", 3)], 0).unwrap();
        let listed =
            |name| fold.index.get(name).map(|listed| (listed.count, listed.head.sequence, listed.head.first));
        assert_eq!(listed("a"), Some((4, Sequence(3), Sequence(3))));
        assert_eq!(listed("b"), Some((2, Sequence(1), Sequence(0))));
        assert_eq!((fold.index.events(), fold.index.truncations, fold.index.blocks()), (6, 2, 2));
        assert_eq!(fold.index.events_of("a", Sequence(0), 9), [0, 2, 3, 5]);
    }
}

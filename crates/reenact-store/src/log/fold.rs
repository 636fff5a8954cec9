//! From the blocks of a segment to its index: the one way events are taken in, whether a log is opened, an index
//! is made again, or everything is verified.

use bytes::Bytes;
use thiserror::Error;

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

/// Where streams stand before the segment.
pub(super) trait Before {
    fn head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError>;
}

impl<F: Fn(&StreamId) -> Result<Option<StreamHead>, ReadError>> Before for F {
    fn head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
        self(stream)
    }
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

    /// Takes in the block at `offset`.
    pub(super) fn block(&mut self, block: &Block<'_>, before: &dyn Before) -> Result<(), FoldError> {
        let head = &block.head;
        if (head.position, head.previous) != (self.index.next_position(), self.crc) {
            return Err(FoldError::Damaged("a block does not follow the one before it"));
        }
        if head.timestamp < self.timestamp {
            return Err(FoldError::Damaged("a block is older than the one before it"));
        }
        self.index.begin_block(self.offset, head.timestamp);
        let events = self.index.events();
        for record in block.records() {
            let (at, body) = record.map_err(FoldError::Damaged)?;
            // The block's checksum is right, and this one says the same of each record.
            read_record(self.log, &block.records[at - BLOCK_HEAD_BYTES..]).map_err(FoldError::Damaged)?;
            self.record(body, self.offset + at as u64, before)?;
        }
        if self.index.events() - events != head.events {
            return Err(FoldError::Damaged("a block has another number of events than it says"));
        }
        self.offset += block.bytes() as u64;
        self.crc = block.crc;
        self.timestamp = head.timestamp;
        self.index.end_block(self.offset, block.crc);
        Ok(())
    }

    fn record(&mut self, body: &[u8], offset: u64, before: &dyn Before) -> Result<(), FoldError> {
        let Some(view) = CanonicalView::read(body) else {
            return match Body::read(&Bytes::copy_from_slice(body)).map_err(FoldError::Damaged)? {
                Body::Truncation(truncation) => self.truncation(&truncation, before),
                Body::Event(..) => Err(FoldError::Damaged("an event is not canonical")),
            };
        };
        let here = self.index.get(view.stream).map(|listed| listed.head);
        let id = || StreamId::new(view.stream).map_err(|_| FoldError::Damaged("a stream has no name"));
        let earlier = if here.is_none() { before.head(&id()?)? } else { None };
        let head = here.or(earlier);
        if view.sequence != head.map_or(Sequence::FIRST, |head| head.sequence.plus(1)) {
            return Err(FoldError::Damaged("an event is not the next of its stream"));
        }
        let chain = head.map_or(ChainHash::START, |head| head.chain).then_canonical(body);
        let indexed = Indexed { id: view.id, chain, offset: offset as u32 };
        let stream = if here.is_none() { Some(id()?) } else { None };
        let id_of = || stream.expect("a stream that the index does not know has been named");
        self.index.push(view.stream, id_of, earlier.as_ref(), [indexed]);
        Ok(())
    }

    fn truncation(&mut self, truncation: &Truncation, before: &dyn Before) -> Result<(), FoldError> {
        let Truncation { stream, before: first, anchor } = truncation;
        let head = match self.index.get(stream.as_str()) {
            Some(listed) => Some(listed.head),
            None => before.head(stream)?,
        };
        match head {
            Some(head) if *first <= head.sequence.plus(1) => {
                // Together with their segments more events may have been given up since.
                let kept = if *first > head.first { (*first, *anchor) } else { (head.first, head.anchor) };
                self.index.truncate(stream, &head, kept);
                Ok(())
            }
            _ => Err(FoldError::Damaged("a truncation is of events that are not there")),
        }
    }
}

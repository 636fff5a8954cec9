//! Where the log's events are: in memory, made from the log when it is opened.

use std::collections::HashMap;

use crate::chain::ChainHash;
use crate::event::{Head, Sequence, StreamId};

/// Where a record lies: 40 bits of offset, 24 bits of length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place(u64);

/// The log ends before offsets need more bits.
const _: () = assert!(crate::limits::LOG_BYTES_MAX <= 1 << 40);
/// A record fits into a block.
const _: () = assert!(crate::limits::BLOCK_BYTES_MAX < 1 << 24);

impl Place {
    pub(super) fn new(offset: u64, bytes: usize) -> Self {
        Self(offset << 24 | bytes as u64)
    }

    pub(super) fn offset(self) -> u64 {
        self.0 >> 24
    }

    pub(super) fn bytes(self) -> usize {
        (self.0 & 0xff_ffff) as usize
    }
}

/// The end of a stream, and where its events are.
#[derive(Debug)]
struct Stream {
    chain: ChainHash,
    /// By sequence. There are at most 2^32 positions.
    positions: Vec<u32>,
}

/// All events that are durable: 12 bytes each.
#[derive(Debug, Default)]
pub(super) struct Index {
    streams: HashMap<StreamId, Stream>,
    /// By position.
    places: Vec<Place>,
}

impl Index {
    pub(super) fn events(&self) -> u64 {
        self.places.len() as u64
    }

    pub(super) fn streams(&self) -> u64 {
        self.streams.len() as u64
    }

    pub(super) fn head(&self, stream: &StreamId) -> Option<Head> {
        let Stream { chain, positions } = self.streams.get(stream)?;
        Some(Head { sequence: Sequence(positions.len() as u64 - 1), chain: *chain })
    }

    /// Positions of a stream's events, by sequence.
    pub(super) fn positions(&self, stream: &StreamId) -> &[u32] {
        self.streams.get(stream).map_or(&[], |stream| &stream.positions)
    }

    pub(super) fn place(&self, position: u64) -> Option<Place> {
        self.places.get(position as usize).copied()
    }

    /// Adds the next event, which is also the next of its stream.
    pub(super) fn push(&mut self, stream: &StreamId, chain: ChainHash, place: Place) {
        let position = self.places.len() as u32;
        self.places.push(place);
        match self.streams.get_mut(stream) {
            Some(stream) => {
                stream.chain = chain;
                stream.positions.push(position);
            }
            None => {
                self.streams.insert(stream.clone(), Stream { chain, positions: vec![position] });
            }
        }
    }
}

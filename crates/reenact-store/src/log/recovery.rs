//! Reading a log when it is opened: what is whole, what is torn, what is damaged.

use bytes::Bytes;

use super::format::{BLOCK_HEAD_BYTES, BLOCK_WRITE_MAX, Block, HEADER_BYTES, LogId, Mark, Record};
use super::index::{Index, Place};
use super::storage::Storage;
use crate::chain::ChainHash;
use crate::event::{Sequence, Timestamp};
use crate::limits::LOG_BYTES_MAX;

/// Bytes that are read at once; a block fits.
const WINDOW_BYTES: usize = 2 * BLOCK_WRITE_MAX;

/// What is wrong with a log, and where.
#[derive(Debug)]
pub(super) struct Damage {
    pub(super) offset: u64,
    pub(super) reason: String,
}

/// Where a log goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tail {
    pub(super) offset: u64,
    /// Of the last block, or of the header.
    pub(super) crc: u32,
    /// The next one.
    pub(super) position: u64,
    /// Of the last event.
    pub(super) timestamp: Timestamp,
}

/// Reads the blocks of a log one after the other.
#[derive(Debug)]
pub(super) struct Recovery<'a> {
    storage: &'a dyn Storage,
    log: LogId,
    /// Bytes of the file.
    length: u64,
    mark: Option<Mark>,
    pub(super) index: Index,
    pub(super) tail: Tail,
    window: Vec<u8>,
    window_offset: u64,
}

impl<'a> Recovery<'a> {
    pub(super) fn new(
        storage: &'a dyn Storage,
        length: u64,
        (log, header_crc): (LogId, u32),
        mark: Option<Mark>,
    ) -> Self {
        let offset = HEADER_BYTES as u64;
        let tail = Tail { offset, crc: header_crc, position: 0, timestamp: Timestamp::default() };
        let (index, window) = (Index::default(), Vec::new());
        Self { storage, log, length, mark, index, tail, window, window_offset: 0 }
    }

    /// Reads to the end: `tail` is then where the log goes on. What the file has after that is torn.
    pub(super) fn run(&mut self) -> Result<(), Damage> {
        self.check_length()?;
        loop {
            self.check_mark_here()?;
            if self.tail.offset >= self.length {
                return Ok(());
            }
            let offset = self.tail.offset;
            self.load(offset)?;
            let window = std::mem::take(&mut self.window);
            let bytes = &window[(offset - self.window_offset) as usize..];
            let done = match Block::read(self.log, offset, bytes) {
                Ok(block) => self.fold(&block).map(|()| false),
                Err(reason) => self.check_torn(reason, bytes).map(|()| true),
            };
            self.window = window;
            if done? {
                return Ok(());
            }
        }
    }

    /// Sees to it that the window holds what lies at `offset`: as much as a block may have, if it is there.
    fn load(&mut self, offset: u64) -> Result<(), Damage> {
        let end = self.window_offset + self.window.len() as u64;
        let wanted = (offset + BLOCK_WRITE_MAX as u64).min(self.length);
        if self.window_offset <= offset && wanted <= end {
            return Ok(());
        }
        let bytes = (self.length - offset).min(WINDOW_BYTES as u64);
        self.window.resize(bytes as usize, 0);
        self.window_offset = offset;
        let read = self.storage.read_exact_at(&mut self.window, offset);
        read.map_err(|error| Damage { offset, reason: format!("it cannot be read: {error}") })
    }

    fn damage(&self, reason: impl Into<String>) -> Damage {
        Damage { offset: self.tail.offset, reason: reason.into() }
    }

    /// The log must be as long as it was when its mark was made, and no longer than one may be.
    fn check_length(&self) -> Result<(), Damage> {
        match self.mark {
            _ if self.length > LOG_BYTES_MAX => Err(self.damage("it is longer than a log may be")),
            Some(mark) if mark.log != self.log => Err(self.damage("its mark is that of another log")),
            Some(mark) if mark.bytes > self.length => {
                let reason = format!("it ends here, and reached byte {} before", mark.bytes);
                Err(Damage { offset: self.length, reason })
            }
            _ => Ok(()),
        }
    }

    /// What the mark says about the place at which it was made must be true.
    fn check_mark_here(&self) -> Result<(), Damage> {
        let Tail { offset, crc, position, .. } = self.tail;
        match self.mark {
            Some(mark) if mark.bytes == offset && (mark.events, mark.crc) != (position, crc) => {
                Err(self.damage("it is not what its mark says"))
            }
            _ => Ok(()),
        }
    }

    /// What lies at the tail is no block: tells the remains of the one write that was under way from damage
    /// to what was acknowledged.
    fn check_torn(&self, reason: &str, bytes: &[u8]) -> Result<(), Damage> {
        let offset = self.tail.offset;
        if self.mark.is_some_and(|mark| offset < mark.bytes) {
            return Err(self.damage(format!("{reason}, before the place up to which the log was whole")));
        }
        if self.length - offset > BLOCK_WRITE_MAX as u64 {
            return Err(self.damage(format!("{reason}, and more follows than one write leaves")));
        }
        match Block::find(self.log, offset + 1, &bytes[1..]) {
            Some(later) => Err(self.damage(format!("{reason}, and a whole block follows at byte {later}"))),
            None => Ok(()),
        }
    }

    /// Takes in a whole block. Its checksum is right, so that whatever else is wrong is no torn write.
    fn fold(&mut self, block: &Block<'_>) -> Result<(), Damage> {
        if (block.position, block.previous) != (self.tail.position, self.tail.crc) {
            return Err(self.damage("a block does not follow the one before it"));
        }
        let end = self.tail.offset + block.bytes() as u64;
        if self.mark.is_some_and(|mark| self.tail.offset < mark.bytes && mark.bytes < end) {
            return Err(self.damage("its mark is within a block"));
        }
        let records = Bytes::copy_from_slice(block.records);
        let mut events = 0;
        for place in block.split() {
            let place = place.map_err(|reason| self.damage(reason))?;
            let record = records.slice(place.start - BLOCK_HEAD_BYTES..place.end - BLOCK_HEAD_BYTES);
            let offset = self.tail.offset + place.start as u64;
            self.fold_record(&record, Place::new(offset, place.len()))
                .map_err(|reason| self.damage(reason))?;
            events += 1;
        }
        if events != block.events {
            return Err(self.damage("a block has another number of events than it says"));
        }
        self.tail.offset = end;
        self.tail.crc = block.crc;
        Ok(())
    }

    fn fold_record(&mut self, bytes: &Bytes, place: Place) -> Result<(), &'static str> {
        let record = Record::read(self.log, self.tail.position, bytes)?;
        let head = self.index.head(&record.stream);
        if record.sequence != head.map_or(Sequence::FIRST, |head| head.sequence.plus(1)) {
            return Err("an event is not the next of its stream");
        }
        let chain = head.map_or(ChainHash::START, |head| head.chain);
        if record.chain != chain.then_canonical(&record.canonical) {
            return Err("an event is not chained to the one before it");
        }
        if record.timestamp < self.tail.timestamp {
            return Err("an event is older than the one before it");
        }
        self.index.push(&record.stream, record.chain, place);
        self.tail.timestamp = record.timestamp;
        self.tail.position += 1;
        Ok(())
    }
}

//! The bytes of the log's files; see `docs/spec/event-log.md`.

use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};
use uuid::Uuid;

use crate::chain::{ChainHash, read_canonical, write_canonical};
use crate::event::{NewEvent, Sequence, StreamId, Timestamp};
use crate::limits::BLOCK_BYTES_MAX;

const LOG_MAGIC: [u8; 8] = *b"\x89REENL\r\n";
const MARK_MAGIC: [u8; 8] = *b"\x89REENM\r\n";
const BLOCK_MAGIC: [u8; 4] = *b"RBLK";
/// The one version of the log that there is.
pub(super) const VERSION: u32 = 0;
pub(super) const HEADER_BYTES: usize = 32;
/// Bytes of a block before its first record.
pub(super) const BLOCK_HEAD_BYTES: usize = 28;
const BLOCK_END_BYTES: usize = 4;
const RECORD_HEAD_BYTES: usize = 8;
const MARK_BYTES: usize = 52;
/// Bytes of the largest block, and so of what one write can leave behind.
pub(super) const BLOCK_WRITE_MAX: usize = BLOCK_HEAD_BYTES + BLOCK_BYTES_MAX + BLOCK_END_BYTES;
/// What a record has besides the canonical form of its event.
pub(super) const RECORD_BYTES: usize = RECORD_HEAD_BYTES + 8 + 32;

/// Tells a log from every other, so that what another one wrote is not taken for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogId([u8; 16]);

impl LogId {
    pub(super) fn random() -> Self {
        Self(Uuid::now_v7().into_bytes())
    }

    /// CRC-32C of bytes at their place in this log: the same bytes elsewhere have another.
    fn crc(self, place: u64, bytes: &[u8]) -> u32 {
        crc32c_append(crc32c_append(crc32c(&self.0), &place.to_le_bytes()), bytes)
    }
}

/// Why the head of a file is not one that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Malformed(&'static str),
    Version(u32),
}

pub(super) fn write_header(log: LogId) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&LOG_MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&log.0);
    end_with_crc(bytes)
}

/// The log's id, and the checksum to which the first block is chained.
pub(super) fn read_header(bytes: &[u8]) -> Result<(LogId, u32), HeaderError> {
    let fields = read_checked(bytes, LOG_MAGIC, HEADER_BYTES)?;
    let (log, _) = fields.split_first_chunk().ok_or(HeaderError::Malformed("it is cut off"))?;
    Ok((LogId(*log), crc32c(&bytes[..HEADER_BYTES - 4])))
}

/// How far the log reached when it was opened or closed: it is never shorter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) log: LogId,
    /// Bytes of the log.
    pub(super) bytes: u64,
    /// Events in it.
    pub(super) events: u64,
    /// The checksum of its last block, or of its header.
    pub(super) crc: u32,
}

impl Mark {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MARK_BYTES);
        bytes.extend_from_slice(&MARK_MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&self.log.0);
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.events.to_le_bytes());
        bytes.extend_from_slice(&self.crc.to_le_bytes());
        end_with_crc(bytes)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, HeaderError> {
        if bytes.len() > MARK_BYTES {
            return Err(HeaderError::Malformed("it is too long"));
        }
        let mut rest = read_checked(bytes, MARK_MAGIC, MARK_BYTES)?;
        let mut read = || {
            let mark = Self {
                log: LogId(take(&mut rest)?),
                bytes: u64::from_le_bytes(take(&mut rest)?),
                events: u64::from_le_bytes(take(&mut rest)?),
                crc: u32::from_le_bytes(take(&mut rest)?),
            };
            Some(mark)
        };
        read().ok_or(HeaderError::Malformed("it is cut off"))
    }
}

fn end_with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// What follows magic and version in the first `length` bytes, which end with their checksum.
fn read_checked(bytes: &[u8], magic: [u8; 8], length: usize) -> Result<&[u8], HeaderError> {
    let cut = || HeaderError::Malformed("it is cut off");
    let (bytes, crc) = bytes.get(..length).ok_or_else(cut)?.split_last_chunk().ok_or_else(cut)?;
    let mut rest = bytes;
    let found: [u8; 8] = take(&mut rest).ok_or_else(cut)?;
    if found != magic {
        return Err(HeaderError::Malformed("it does not begin as it should"));
    }
    if u32::from_le_bytes(*crc) != crc32c(bytes) {
        return Err(HeaderError::Malformed("its checksum is wrong"));
    }
    match u32::from_le_bytes(take(&mut rest).ok_or_else(cut)?) {
        VERSION => Ok(rest),
        version => Err(HeaderError::Version(version)),
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

/// A block that is being put together.
#[derive(Debug)]
pub(super) struct BlockWriter {
    bytes: Vec<u8>,
    events: u32,
}

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self { bytes: vec![0; BLOCK_HEAD_BYTES], events: 0 }
    }

    pub(super) fn events(&self) -> u32 {
        self.events
    }

    /// Bytes of the records so far.
    pub(super) fn record_bytes(&self) -> usize {
        self.bytes.len() - BLOCK_HEAD_BYTES
    }

    /// Adds an event, chained to `chain`; gives its chain, and where its record lies within the block.
    pub(super) fn push(
        &mut self,
        (log, position): (LogId, u64),
        timestamp: Timestamp,
        chain: ChainHash,
        (stream, sequence, event): (&StreamId, Sequence, &NewEvent),
    ) -> (ChainHash, std::ops::Range<usize>) {
        let start = self.bytes.len();
        let (body, canonical) = (start + RECORD_HEAD_BYTES, start + RECORD_BYTES);
        self.bytes.resize(canonical, 0);
        write_canonical(stream, sequence, event, &mut self.bytes);
        let chain = chain.then_canonical(&self.bytes[canonical..]);
        self.bytes[body..body + 8].copy_from_slice(&timestamp.0.to_le_bytes());
        self.bytes[body + 8..canonical].copy_from_slice(&chain.0);
        let length = (self.bytes.len() - body) as u32;
        self.bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
        let crc = record_crc(log, position, length, &self.bytes[body..]);
        self.bytes[start + 4..body].copy_from_slice(&crc.to_le_bytes());
        self.events += 1;
        (chain, start..self.bytes.len())
    }

    /// The whole block as it is written at `offset`, and its checksum.
    pub(super) fn finish(mut self, log: LogId, offset: u64, position: u64, previous: u32) -> (Vec<u8>, u32) {
        let mut head = Vec::with_capacity(BLOCK_HEAD_BYTES);
        head.extend_from_slice(&BLOCK_MAGIC);
        head.extend_from_slice(&(self.record_bytes() as u32).to_le_bytes());
        head.extend_from_slice(&self.events.to_le_bytes());
        head.extend_from_slice(&position.to_le_bytes());
        head.extend_from_slice(&previous.to_le_bytes());
        let crc = log.crc(offset, &head);
        head.extend_from_slice(&crc.to_le_bytes());
        self.bytes[..BLOCK_HEAD_BYTES].copy_from_slice(&head);
        let crc = log.crc(offset, &self.bytes);
        self.bytes.extend_from_slice(&crc.to_le_bytes());
        (self.bytes, crc)
    }
}

/// A block whose checksums are right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Block<'a> {
    pub(super) records: &'a [u8],
    pub(super) events: u32,
    pub(super) position: u64,
    pub(super) previous: u32,
    pub(super) crc: u32,
}

impl<'a> Block<'a> {
    /// Bytes of the whole block.
    pub(super) fn bytes(&self) -> usize {
        BLOCK_HEAD_BYTES + self.records.len() + BLOCK_END_BYTES
    }

    /// The block that begins at `bytes`, which lie at `offset` of the log.
    pub(super) fn read(log: LogId, offset: u64, bytes: &'a [u8]) -> Result<Self, &'static str> {
        let cut = "a block is cut off";
        let (head, _) = bytes.split_first_chunk::<BLOCK_HEAD_BYTES>().ok_or(cut)?;
        let mut rest = &head[..];
        let mut field = || take::<4>(&mut rest).map(u32::from_le_bytes).ok_or(cut);
        if field()?.to_le_bytes() != BLOCK_MAGIC {
            return Err("no block begins here");
        }
        let (length, events) = (field()? as usize, field()?);
        let position = u64::from(field()?) | u64::from(field()?) << 32;
        let (previous, head_crc) = (field()?, field()?);
        if head_crc != log.crc(offset, &head[..BLOCK_HEAD_BYTES - 4]) {
            return Err("the checksum of a block's head is wrong");
        }
        if length > BLOCK_BYTES_MAX {
            return Err("a block is too long");
        }
        let end = BLOCK_HEAD_BYTES + length;
        let (whole, crc) = bytes.get(..end + BLOCK_END_BYTES).ok_or(cut)?.split_last_chunk().ok_or(cut)?;
        let crc = u32::from_le_bytes(*crc);
        if crc != log.crc(offset, whole) {
            return Err("the checksum of a block is wrong");
        }
        Ok(Self { records: &whole[BLOCK_HEAD_BYTES..], events, position, previous, crc })
    }

    /// Whether a block of this log begins anywhere in `bytes`, which lie at `offset`; where, if one does.
    pub(super) fn find(log: LogId, offset: u64, bytes: &'a [u8]) -> Option<u64> {
        let starts = bytes.windows(BLOCK_MAGIC.len()).enumerate().filter(|(_, bytes)| *bytes == BLOCK_MAGIC);
        let mut places = starts.map(|(at, _)| (offset + at as u64, &bytes[at..]));
        places.find(|(offset, bytes)| Self::read(log, *offset, bytes).is_ok()).map(|(offset, _)| offset)
    }

    /// The records and where they begin and end, counted from the begin of the block.
    pub(super) fn split(&self) -> impl Iterator<Item = Result<std::ops::Range<usize>, &'static str>> {
        let (mut at, records) = (0, self.records);
        std::iter::from_fn(move || {
            let rest = records.get(at..).filter(|rest| !rest.is_empty())?;
            let length = rest.first_chunk().map(|length| u32::from_le_bytes(*length) as usize);
            let end =
                length.map(|length| at + RECORD_HEAD_BYTES + length).filter(|end| *end <= records.len());
            let start = std::mem::replace(&mut at, end.unwrap_or(usize::MAX));
            let place = |end| BLOCK_HEAD_BYTES + start..BLOCK_HEAD_BYTES + end;
            Some(end.map(place).ok_or("a record does not fit into its block"))
        })
    }
}

/// What a record holds.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) timestamp: Timestamp,
    pub(super) chain: ChainHash,
    pub(super) stream: StreamId,
    pub(super) sequence: Sequence,
    pub(super) event: NewEvent,
    /// The event's canonical form.
    pub(super) canonical: Bytes,
}

impl Record {
    /// Reads a whole record and checks it.
    pub(super) fn read(log: LogId, position: u64, bytes: &Bytes) -> Result<Self, &'static str> {
        let cut = "a record is cut off";
        let mut rest = &bytes[..];
        let length = u32::from_le_bytes(take(&mut rest).ok_or(cut)?);
        let crc = u32::from_le_bytes(take(&mut rest).ok_or(cut)?);
        if length as usize != rest.len() {
            return Err("a record has another length");
        }
        if crc != record_crc(log, position, length, rest) {
            return Err("the checksum of a record is wrong");
        }
        let timestamp = Timestamp(u64::from_le_bytes(take(&mut rest).ok_or(cut)?));
        let chain = ChainHash(take(&mut rest).ok_or(cut)?);
        let canonical = bytes.slice(RECORD_BYTES..);
        let (stream, sequence, event) = read_canonical(&canonical).ok_or("an event is not canonical")?;
        Ok(Self { timestamp, chain, stream, sequence, event, canonical })
    }
}

fn record_crc(log: LogId, position: u64, length: u32, body: &[u8]) -> u32 {
    crc32c_append(log.crc(position, &length.to_le_bytes()), body)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::event::{EventId, EventKind};

    const LOG: LogId = LogId([7; 16]);

    fn block(payloads: &[&str], offset: u64) -> Vec<u8> {
        let (stream, mut chain, mut block) =
            (StreamId::new("s").unwrap(), ChainHash::START, BlockWriter::new());
        for (at, payload) in payloads.iter().enumerate() {
            let id =
                EventId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001 + at as u128))
                    .unwrap();
            let event = NewEvent::new(EventKind::new("k").unwrap(), payload.as_bytes().to_vec());
            let event = (&stream, Sequence(at as u64), &NewEvent { id, ..event });
            chain = block.push((LOG, 40 + at as u64), Timestamp(9), chain, event).0;
        }
        block.finish(LOG, offset, 40, 5).0
    }

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let page = include_str!("../../../../docs/spec/event-log.md");
        let page: String = page.split_whitespace().collect();
        let check = |bytes: &[u8]| {
            let mut hex = String::new();
            bytes.iter().try_for_each(|byte| write!(hex, "{byte:02x}")).unwrap();
            assert!(page.contains(&hex), "{hex}");
        };
        check(&write_header(LOG));
        check(&block(&["hi"], 32));
        check(&Mark { log: LOG, bytes: 32, events: 0, crc: 0x0403_0201 }.write());
    }

    #[test]
    fn a_block_comes_back_only_at_its_place_in_its_log() {
        let bytes = block(&["a", "bc"], 32);
        let read = Block::read(LOG, 32, &bytes).unwrap();
        assert_eq!((read.events, read.position, read.previous, read.bytes()), (2, 40, 5, bytes.len()));
        let places: Vec<_> = read.split().map(Result::unwrap).collect();
        for (position, place) in (40..).zip(places) {
            let record = Bytes::copy_from_slice(&bytes[place]);
            Record::read(LOG, position, &record).unwrap();
            assert!(Record::read(LOG, position + 1, &record).is_err());
        }
        assert!(Block::read(LOG, 33, &bytes).is_err());
        assert!(Block::read(LogId([8; 16]), 32, &bytes).is_err());
    }

    #[test]
    fn a_block_is_found_wherever_it_begins() {
        let bytes = [b"RBLK and RBLK", &block(&["a"], 1_013)[..]].concat();
        assert_eq!(Block::find(LOG, 1_000, &bytes), Some(1_013));
        assert_eq!(Block::find(LOG, 999, &bytes), None);
        assert_eq!(Block::find(LOG, 1_000, &bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn heads_of_other_versions_are_told_apart_from_damage() {
        let mut bytes = write_header(LOG);
        assert_eq!(read_header(&bytes).unwrap().0, LOG);
        bytes[8] = 1;
        assert!(matches!(read_header(&bytes), Err(HeaderError::Malformed(_))));
        bytes.truncate(HEADER_BYTES - 4);
        assert_eq!(read_header(&end_with_crc(bytes)), Err(HeaderError::Version(1)));
        let mark = Mark { log: LOG, bytes: 1 << 40, events: 3, crc: 4 };
        assert_eq!(Mark::read(&mark.write()), Ok(mark));
    }
}

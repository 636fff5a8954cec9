//! The bytes of heads of segments, of blocks and of the mark; see `docs/spec/event-log.md`. Those of indexes are in
//! [`super::index`].

mod block;
#[cfg(test)]
mod tests;

use crc32c::{crc32c, crc32c_append};
use uuid::Uuid;

use crate::event::{StreamId, Timestamp};
use crate::limits::SEGMENT_BYTES_MAX;
pub(super) use block::{
    BLOCK_HEAD_BYTES, BLOCK_WRITE_MAX, Block, BlockHead, Body, RECORD_HEAD_BYTES, TRUNCATION_BYTES_MAX,
    Truncation, block_pages, block_room, finish_block, is_truncation, read_block_head, read_record,
    write_event, write_truncation,
};

const SEGMENT_MAGIC: [u8; 8] = *b"\x89REENS\r\n";
const MARK_MAGIC: [u8; 8] = *b"\x89REENM\r\n";
/// The one version of the log that there is.
pub(super) const VERSION: u32 = 1;
const SEGMENT_HEAD_BYTES: usize = 72;
const MARK_BYTES: usize = 68;

/// Tells a log from every other, so that what another one wrote is not taken for its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LogId(pub(super) [u8; 16]);

impl LogId {
    pub(super) fn random() -> Self {
        Self(Uuid::now_v7().into_bytes())
    }

    /// What a stream is called in indexes: 16 bytes of BLAKE3, so that no two streams have one key.
    pub(super) fn key(self, stream: &StreamId) -> StreamKey {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(stream.as_str().as_bytes());
        let key = hasher.finalize().as_bytes().first_chunk().copied();
        StreamKey(u128::from_le_bytes(key.expect("a hash has 32 bytes")))
    }
}

/// What a stream is called in indexes; spread evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct StreamKey(pub(super) u128);

/// A place in a log: which segment, and which byte of it. Part of the checksum of what lies there, so that a
/// copy of it elsewhere is not taken for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) segment: u32,
    pub(super) offset: u64,
}

impl Place {
    /// CRC-32C of bytes at this place in `log`.
    fn crc(self, log: LogId, bytes: &[u8]) -> u32 {
        let log = crc32c_append(crc32c(&log.0), &self.segment.to_le_bytes());
        crc32c_append(crc32c_append(log, &self.offset.to_le_bytes()), bytes)
    }
}

/// Why the head of a file is not one that is known.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum HeaderError {
    Malformed(&'static str),
    Version(u32),
}

/// Begins a file with magic and version.
pub(super) fn begin(magic: [u8; 8], bytes: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes);
    out.extend_from_slice(&magic);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out
}

pub(super) fn end_with_crc(mut bytes: Vec<u8>) -> Vec<u8> {
    let crc = crc32c(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// What follows magic and version in `bytes`, which end with their checksum.
pub(super) fn read_checked(bytes: &[u8], magic: [u8; 8]) -> Result<&[u8], HeaderError> {
    let cut = HeaderError::Malformed("it is cut off");
    let Some((bytes, crc)) = bytes.split_last_chunk() else { return Err(cut) };
    let mut rest = bytes;
    match take::<8>(&mut rest) {
        None => return Err(cut),
        Some(found) if found != magic => {
            return Err(HeaderError::Malformed("it does not begin as it should"));
        }
        Some(_) => {}
    }
    if u32::from_le_bytes(*crc) != crc32c(bytes) {
        return Err(HeaderError::Malformed("its checksum is wrong"));
    }
    match take(&mut rest).map(u32::from_le_bytes) {
        Some(VERSION) => Ok(rest),
        Some(version) => Err(HeaderError::Version(version)),
        None => Err(cut),
    }
}

pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

pub(super) fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest).map(u32::from_le_bytes)
}

pub(super) fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest).map(u64::from_le_bytes)
}

/// The first page of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHead {
    pub(super) log: LogId,
    pub(super) number: u32,
    /// Bytes of the segment's file.
    pub(super) bytes: u64,
    /// The position of its first event.
    pub(super) position: u64,
    /// The time of the last event before.
    pub(super) timestamp: Timestamp,
    /// Where the segment before ends; 0 in the first of a log.
    pub(super) previous_end: u64,
    /// The checksum of its last block; 0 in the first.
    pub(super) previous_crc: u32,
}

impl SegmentHead {
    /// Writes the head to the begin of a page of zeros; its checksum is what the first block is chained to.
    pub(super) fn write(&self, page: &mut [u8]) -> u32 {
        let mut bytes = begin(SEGMENT_MAGIC, SEGMENT_HEAD_BYTES);
        bytes.extend_from_slice(&self.log.0);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.bytes.to_le_bytes());
        bytes.extend_from_slice(&self.position.to_le_bytes());
        bytes.extend_from_slice(&self.timestamp.0.to_le_bytes());
        bytes.extend_from_slice(&self.previous_end.to_le_bytes());
        bytes.extend_from_slice(&self.previous_crc.to_le_bytes());
        let bytes = end_with_crc(bytes);
        page[..bytes.len()].copy_from_slice(&bytes);
        head_crc(page)
    }

    /// Reads the head from a page, and its checksum.
    pub(super) fn read(page: &[u8]) -> Result<(Self, u32), HeaderError> {
        let cut = HeaderError::Malformed("it is cut off");
        let Some(bytes) = page.get(..SEGMENT_HEAD_BYTES) else { return Err(cut) };
        let mut rest = read_checked(bytes, SEGMENT_MAGIC)?;
        let rest = &mut rest;
        let mut read = || {
            Some(Self {
                log: LogId(take(rest)?),
                number: take_u32(rest)?,
                bytes: take_u64(rest)?,
                position: take_u64(rest)?,
                timestamp: Timestamp(take_u64(rest)?),
                previous_end: take_u64(rest)?,
                previous_crc: take_u32(rest)?,
            })
        };
        let head = read().ok_or(cut)?;
        Ok((head, head_crc(page)))
    }

    /// Reads the head of a certain segment, whose file has so many bytes, and its checksum.
    pub(super) fn read_of(
        page: &[u8],
        (log, number, bytes): (LogId, u32, u64),
    ) -> Result<(Self, u32), HeaderError> {
        let (head, crc) = Self::read(page)?;
        if Self::padding(page).iter().any(|byte| *byte != 0) {
            return Err(HeaderError::Malformed("the padding of the segment's head is not zero"));
        }
        if (head.log, head.number, head.bytes) != (log, number, bytes) || bytes > SEGMENT_BYTES_MAX {
            return Err(HeaderError::Malformed("the head is that of another segment"));
        }
        Ok((head, crc))
    }

    /// Bytes of the page after the head, which are zero.
    pub(super) fn padding(page: &[u8]) -> &[u8] {
        &page[SEGMENT_HEAD_BYTES..]
    }
}

/// The last 4 bytes of a segment's head.
fn head_crc(page: &[u8]) -> u32 {
    let crc = page[..SEGMENT_HEAD_BYTES].last_chunk().expect("a head is longer than its checksum");
    u32::from_le_bytes(*crc)
}

/// How far the log reached when the mark was written: it is never shorter again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) log: LogId,
    /// Whether the log was closed then, so that nothing follows.
    pub(super) closed: bool,
    /// The first segment that was not given up.
    pub(super) first: u32,
    /// The checksum of the content of the anchors, if there are any.
    pub(super) anchors: Option<u32>,
    /// The end of the last block; 0 in a segment that was not begun.
    pub(super) end: Place,
    /// Events in the log, those that were given up included.
    pub(super) position: u64,
    /// The checksum of the last block; 0 in a log without one.
    pub(super) crc: u32,
}

const CLOSED: u32 = 1;
const HAS_ANCHORS: u32 = 2;

impl Mark {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut bytes = begin(MARK_MAGIC, MARK_BYTES);
        bytes.extend_from_slice(&self.log.0);
        let flag = |there, flag| if there { flag } else { 0 };
        let flags = flag(self.closed, CLOSED) | flag(self.anchors.is_some(), HAS_ANCHORS);
        bytes.extend_from_slice(&flags.to_le_bytes());
        bytes.extend_from_slice(&self.first.to_le_bytes());
        bytes.extend_from_slice(&self.anchors.unwrap_or(0).to_le_bytes());
        bytes.extend_from_slice(&self.end.segment.to_le_bytes());
        bytes.extend_from_slice(&self.end.offset.to_le_bytes());
        bytes.extend_from_slice(&self.position.to_le_bytes());
        bytes.extend_from_slice(&self.crc.to_le_bytes());
        end_with_crc(bytes)
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, HeaderError> {
        let mut rest = read_checked(bytes, MARK_MAGIC)?;
        let rest = &mut rest;
        let mut read = || {
            let log = LogId(take(rest)?);
            let flags = take_u32(rest)?;
            let first = take_u32(rest)?;
            let anchors = take_u32(rest)?;
            let end = Place { segment: take_u32(rest)?, offset: take_u64(rest)? };
            let (position, crc) = (take_u64(rest)?, take_u32(rest)?);
            let anchors = (flags & HAS_ANCHORS != 0).then_some(anchors);
            let closed = flags & CLOSED != 0;
            let known = flags & !(CLOSED | HAS_ANCHORS) == 0 && rest.is_empty();
            known.then_some(Self { log, closed, first, anchors, end, position, crc })
        };
        read().ok_or(HeaderError::Malformed("it has another form"))
    }
}

//! The bytes of blocks, and of the records in them: events and truncations.

use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};

use super::{LogId, Place, take, take_u32, take_u64};
use crate::chain::{ChainHash, read_canonical, write_canonical};
use crate::disk::PAGE_BYTES;
use crate::event::{NewEvent, Sequence, StreamId, Timestamp};
use crate::limits::{BLOCK_BYTES_MAX, STREAM_ID_BYTES_MAX};

const BLOCK_MAGIC: [u8; 4] = *b"RBLK";
/// Bytes of a block before its first record.
pub(in crate::log) const BLOCK_HEAD_BYTES: usize = 36;
const BLOCK_END_BYTES: usize = 4;
pub(in crate::log) const RECORD_HEAD_BYTES: usize = 8;
/// The first byte of a record that is a truncation; that of an event is the form of its canonical bytes.
const TRUNCATION: u8 = 0xc0;
/// Bytes of the longest record of a truncation.
pub(in crate::log) const TRUNCATION_BYTES_MAX: usize = RECORD_HEAD_BYTES + 2 + STREAM_ID_BYTES_MAX + 8 + 32;
/// Bytes of the largest block, and so of what one write can leave behind.
pub(in crate::log) const BLOCK_WRITE_MAX: usize =
    (BLOCK_HEAD_BYTES + BLOCK_BYTES_MAX + BLOCK_END_BYTES).next_multiple_of(PAGE_BYTES);

/// Bytes that a block of so many bytes of records takes up in its segment.
pub(in crate::log) const fn block_pages(record_bytes: usize) -> usize {
    (BLOCK_HEAD_BYTES + record_bytes + BLOCK_END_BYTES).next_multiple_of(PAGE_BYTES)
}

/// Bytes of records that fit into a block of so many bytes.
pub(in crate::log) fn block_room(pages: usize) -> usize {
    pages.saturating_sub(BLOCK_HEAD_BYTES + BLOCK_END_BYTES).min(BLOCK_BYTES_MAX)
}

/// A record as bytes: its length and checksum, and what `body` writes.
fn write_record(log: LogId, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.resize(start + RECORD_HEAD_BYTES, 0);
    body(out);
    let at = start + RECORD_HEAD_BYTES;
    let length = (out.len() - at) as u32;
    let crc = record_crc(log, length, &out[at..]);
    out[start..start + 4].copy_from_slice(&length.to_le_bytes());
    out[start + 4..at].copy_from_slice(&crc.to_le_bytes());
}

/// Writes the record of an event, chained to `chain`; gives its chain.
pub(in crate::log) fn write_event(
    log: LogId,
    chain: ChainHash,
    (stream, sequence, event): (&StreamId, Sequence, &NewEvent),
    out: &mut Vec<u8>,
) -> ChainHash {
    let at = out.len() + RECORD_HEAD_BYTES;
    write_record(log, out, |out| write_canonical(stream, sequence, event, out));
    chain.then_canonical(&out[at..])
}

pub(in crate::log) fn write_truncation(log: LogId, truncation: &Truncation, out: &mut Vec<u8>) {
    let Truncation { stream, before, anchor } = truncation;
    write_record(log, out, |out| {
        out.push(TRUNCATION);
        out.push(stream.as_str().len() as u8);
        out.extend_from_slice(stream.as_str().as_bytes());
        out.extend_from_slice(&before.0.to_le_bytes());
        out.extend_from_slice(&anchor.0);
    });
}

fn record_crc(log: LogId, length: u32, body: &[u8]) -> u32 {
    crc32c_append(crc32c_append(crc32c(&log.0), &length.to_le_bytes()), body)
}

/// What a block has besides its records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct BlockHead {
    pub(in crate::log) events: u32,
    /// Of the first event.
    pub(in crate::log) position: u64,
    /// Of all its events.
    pub(in crate::log) timestamp: Timestamp,
    /// The checksum of the block before, or of the segment's head.
    pub(in crate::log) previous: u32,
}

/// Makes a block of `pages`, whose records are there already: writes its head, its end and its padding. Gives
/// its checksum and the bytes that it takes up.
pub(in crate::log) fn finish_block(
    (log, place): (LogId, Place),
    head: &BlockHead,
    record_bytes: usize,
    pages: &mut [u8],
) -> (u32, usize) {
    let mut bytes = Vec::with_capacity(BLOCK_HEAD_BYTES);
    bytes.extend_from_slice(&BLOCK_MAGIC);
    bytes.extend_from_slice(&(record_bytes as u32).to_le_bytes());
    bytes.extend_from_slice(&head.events.to_le_bytes());
    bytes.extend_from_slice(&head.position.to_le_bytes());
    bytes.extend_from_slice(&head.timestamp.0.to_le_bytes());
    bytes.extend_from_slice(&head.previous.to_le_bytes());
    let crc = place.crc(log, &bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    pages[..BLOCK_HEAD_BYTES].copy_from_slice(&bytes);
    let end = BLOCK_HEAD_BYTES + record_bytes;
    let crc = place.crc(log, &pages[..end]);
    pages[end..end + BLOCK_END_BYTES].copy_from_slice(&crc.to_le_bytes());
    let whole = block_pages(record_bytes);
    pages[end + BLOCK_END_BYTES..whole].fill(0);
    (crc, whole)
}

/// The head of a block, and the bytes of its records, if it is whole: enough to know how much to read.
pub(in crate::log) fn read_block_head(
    (log, place): (LogId, Place),
    bytes: &[u8],
) -> Result<(BlockHead, usize), &'static str> {
    let cut = "a block is cut off";
    let (head, _) = bytes.split_first_chunk::<BLOCK_HEAD_BYTES>().ok_or(cut)?;
    let mut rest = &head[..];
    if take(&mut rest) != Some(BLOCK_MAGIC) {
        return Err("no block begins here");
    }
    let mut field = || take_u32(&mut rest).ok_or(cut);
    let (length, events) = (field()? as usize, field()?);
    let mut field = || take_u64(&mut rest).ok_or(cut);
    let (position, timestamp) = (field()?, Timestamp(field()?));
    let (previous, crc) = (take_u32(&mut rest).ok_or(cut)?, take_u32(&mut rest).ok_or(cut)?);
    if crc != place.crc(log, &head[..BLOCK_HEAD_BYTES - 4]) {
        return Err("the checksum of a block's head is wrong");
    }
    if length > BLOCK_BYTES_MAX {
        return Err("a block is too long");
    }
    Ok((BlockHead { events, position, timestamp, previous }, length))
}

/// A block whose checksums are right and whose padding is zero.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct Block<'a> {
    pub(in crate::log) head: BlockHead,
    pub(in crate::log) records: &'a [u8],
    pub(in crate::log) crc: u32,
}

impl<'a> Block<'a> {
    /// Bytes of the segment that it takes up.
    pub(in crate::log) fn bytes(&self) -> usize {
        block_pages(self.records.len())
    }

    /// The block that begins at `bytes`, which lie at `place`.
    pub(in crate::log) fn read(at: (LogId, Place), bytes: &'a [u8]) -> Result<Self, &'static str> {
        let (head, length) = read_block_head(at, bytes)?;
        let end = BLOCK_HEAD_BYTES + length;
        let pages = bytes.get(..block_pages(length)).ok_or("a block is cut off")?;
        let (crc, padding) = pages[end..].split_first_chunk().ok_or("a block is cut off")?;
        let crc = u32::from_le_bytes(*crc);
        if crc != at.1.crc(at.0, &pages[..end]) {
            return Err("the checksum of a block is wrong");
        }
        if padding.iter().any(|byte| *byte != 0) {
            return Err("the padding of a block is not zero");
        }
        Ok(Self { head, records: &pages[BLOCK_HEAD_BYTES..end], crc })
    }

    /// The bodies of its records, and where each record begins within the block.
    pub(in crate::log) fn records(
        &self,
    ) -> impl Iterator<Item = Result<(usize, &'a [u8]), &'static str>> + use<'a> {
        let (mut at, block) = (0, *self);
        std::iter::from_fn(move || {
            let start = BLOCK_HEAD_BYTES + at;
            block.record_at(&mut at).map(|body| body.map(|body| (start, body)))
        })
    }

    /// The body of the record that begins `at` so many bytes after the first, which is moved on to the next.
    pub(in crate::log) fn record_at(&self, at: &mut usize) -> Option<Result<&'a [u8], &'static str>> {
        let rest = self.records.get(*at..).filter(|rest| !rest.is_empty())?;
        let body = rest.first_chunk().and_then(|length| {
            let end = RECORD_HEAD_BYTES.checked_add(u32::from_le_bytes(*length) as usize)?;
            rest.get(RECORD_HEAD_BYTES..end)
        });
        *at = body.map_or(usize::MAX, |body| *at + RECORD_HEAD_BYTES + body.len());
        Some(body.ok_or("a record does not fit into its block"))
    }
}

/// Says that the events of a stream before one are given up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::log) struct Truncation {
    pub(in crate::log) stream: StreamId,
    pub(in crate::log) before: Sequence,
    /// The stream's chain before that event.
    pub(in crate::log) anchor: ChainHash,
}

/// The body of a record.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::log) enum Body {
    Event(StreamId, Sequence, NewEvent),
    Truncation(Truncation),
}

/// Whether a record's body is a truncation, or of no other form.
pub(in crate::log) fn is_truncation(body: &[u8]) -> bool {
    body.first() == Some(&TRUNCATION)
}

impl Body {
    pub(in crate::log) fn read(body: &Bytes) -> Result<Self, &'static str> {
        if !is_truncation(body) {
            let (stream, sequence, event) = read_canonical(body).ok_or("an event is not canonical")?;
            return Ok(Self::Event(stream, sequence, event));
        }
        let mut rest = &body[1..];
        let mut read = || {
            let [length] = take(&mut rest)?;
            let stream = std::str::from_utf8(rest.split_off(..usize::from(length))?).ok()?;
            let stream = StreamId::new(stream).ok()?;
            let before = Sequence(take_u64(&mut rest)?);
            let anchor = ChainHash(take(&mut rest)?);
            rest.is_empty().then_some(Truncation { stream, before, anchor })
        };
        read().map(Self::Truncation).ok_or("a truncation has another form")
    }
}

/// The body of the record that begins at `bytes` if its checksum is right. More may follow.
pub(in crate::log) fn read_record(log: LogId, bytes: &[u8]) -> Result<&[u8], &'static str> {
    let cut = "a record is cut off";
    let mut rest = bytes;
    let (length, crc) = (take_u32(&mut rest).ok_or(cut)?, take_u32(&mut rest).ok_or(cut)?);
    let body = rest.get(..length as usize).ok_or(cut)?;
    if crc != record_crc(log, length, body) {
        return Err("the checksum of a record is wrong");
    }
    Ok(body)
}

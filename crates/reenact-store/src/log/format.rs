//! The bytes of segments and of the mark; see `docs/spec/event-log.md`. Those of indexes are in [`super::index`].

use bytes::Bytes;
use crc32c::{crc32c, crc32c_append};
use uuid::Uuid;

use crate::chain::{ChainHash, read_canonical, write_canonical};
use crate::disk::PAGE_BYTES;
use crate::event::{NewEvent, Sequence, StreamId, Timestamp};
use crate::limits::{BLOCK_BYTES_MAX, SEGMENT_BYTES_MAX};

const SEGMENT_MAGIC: [u8; 8] = *b"\x89REENS\r\n";
const MARK_MAGIC: [u8; 8] = *b"\x89REENM\r\n";
const BLOCK_MAGIC: [u8; 4] = *b"RBLK";
/// The one version of the log that there is.
pub(super) const VERSION: u32 = 1;
const SEGMENT_HEAD_BYTES: usize = 72;
/// Bytes of a block before its first record.
pub(super) const BLOCK_HEAD_BYTES: usize = 36;
const BLOCK_END_BYTES: usize = 4;
pub(super) const RECORD_HEAD_BYTES: usize = 8;
const MARK_BYTES: usize = 68;
/// The first byte of a record that is a truncation; that of an event is the form of its canonical bytes.
const TRUNCATION: u8 = 0xc0;
/// Bytes of the longest record of a truncation.
pub(super) const TRUNCATION_BYTES_MAX: usize =
    RECORD_HEAD_BYTES + 2 + crate::limits::STREAM_ID_BYTES_MAX + 8 + 32;
/// Bytes of the largest block, and so of what one write can leave behind.
pub(super) const BLOCK_WRITE_MAX: usize =
    (BLOCK_HEAD_BYTES + BLOCK_BYTES_MAX + BLOCK_END_BYTES).next_multiple_of(PAGE_BYTES);

/// Bytes that a block of so many bytes of records takes up in its segment.
pub(super) const fn block_pages(record_bytes: usize) -> usize {
    (BLOCK_HEAD_BYTES + record_bytes + BLOCK_END_BYTES).next_multiple_of(PAGE_BYTES)
}

/// Bytes of records that fit into a block of so many bytes.
pub(super) fn block_room(pages: usize) -> usize {
    pages.saturating_sub(BLOCK_HEAD_BYTES + BLOCK_END_BYTES).min(BLOCK_BYTES_MAX)
}

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
    /// The checksum of the file of anchors, if there is one.
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

/// A record as bytes: its length and checksum, and what `body` writes.
pub(super) fn write_record(log: LogId, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
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
pub(super) fn write_event(
    log: LogId,
    chain: ChainHash,
    (stream, sequence, event): (&StreamId, Sequence, &NewEvent),
    out: &mut Vec<u8>,
) -> ChainHash {
    let at = out.len() + RECORD_HEAD_BYTES;
    write_record(log, out, |out| write_canonical(stream, sequence, event, out));
    chain.then_canonical(&out[at..])
}

pub(super) fn write_truncation(log: LogId, truncation: &Truncation, out: &mut Vec<u8>) {
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
pub(super) struct BlockHead {
    pub(super) events: u32,
    /// Of the first event.
    pub(super) position: u64,
    /// Of all its events.
    pub(super) timestamp: Timestamp,
    /// The checksum of the block before, or of the segment's head.
    pub(super) previous: u32,
}

/// Makes a block of `pages`, whose records are there already: writes its head, its end and its padding. Gives
/// its checksum and the bytes that it takes up.
pub(super) fn finish_block(
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
pub(super) fn read_block_head(
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
pub(super) struct Block<'a> {
    pub(super) head: BlockHead,
    pub(super) records: &'a [u8],
    pub(super) crc: u32,
}

impl<'a> Block<'a> {
    /// Bytes of the segment that it takes up.
    pub(super) fn bytes(&self) -> usize {
        block_pages(self.records.len())
    }

    /// The block that begins at `bytes`, which lie at `place`.
    pub(super) fn read(at: (LogId, Place), bytes: &'a [u8]) -> Result<Self, &'static str> {
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
    pub(super) fn records(&self) -> impl Iterator<Item = Result<(usize, &'a [u8]), &'static str>> + use<'a> {
        let (mut at, block) = (0, *self);
        std::iter::from_fn(move || {
            let start = BLOCK_HEAD_BYTES + at;
            block.record_at(&mut at).map(|body| body.map(|body| (start, body)))
        })
    }

    /// The body of the record that begins `at` so many bytes after the first, which is moved on to the next.
    pub(super) fn record_at(&self, at: &mut usize) -> Option<Result<&'a [u8], &'static str>> {
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
pub(super) struct Truncation {
    pub(super) stream: StreamId,
    pub(super) before: Sequence,
    /// The stream's chain before that event.
    pub(super) anchor: ChainHash,
}

/// The body of a record.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    Event(StreamId, Sequence, NewEvent),
    Truncation(Truncation),
}

/// Whether a record's body is a truncation, or of no other form.
pub(super) fn is_truncation(body: &[u8]) -> bool {
    body.first() == Some(&TRUNCATION)
}

impl Body {
    pub(super) fn read(body: &Bytes) -> Result<Self, &'static str> {
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
pub(super) fn read_record(log: LogId, bytes: &[u8]) -> Result<&[u8], &'static str> {
    let cut = "a record is cut off";
    let mut rest = bytes;
    let (length, crc) = (take_u32(&mut rest).ok_or(cut)?, take_u32(&mut rest).ok_or(cut)?);
    let body = rest.get(..length as usize).ok_or(cut)?;
    if crc != record_crc(log, length, body) {
        return Err("the checksum of a record is wrong");
    }
    Ok(body)
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use super::*;
    use crate::event::{EventId, EventKind};
    use crate::log::index::{ActiveIndex, Indexed, encode, encode_run};

    const LOG: LogId = LogId([7; 16]);
    const PLACE: Place = Place { segment: 3, offset: 4_096 };

    fn event(payload: &str) -> NewEvent {
        let id = EventId::from_uuid(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0001)).unwrap();
        let event = NewEvent::new(EventKind::new("k").unwrap(), payload.as_bytes().to_vec());
        NewEvent { id, ..event }
    }

    fn stream() -> StreamId {
        StreamId::new("s").unwrap()
    }

    /// A block of one event and one truncation at `place`.
    fn block(place: Place) -> (Vec<u8>, ChainHash) {
        let mut records = Vec::new();
        let chain = write_event(LOG, ChainHash::START, (&stream(), Sequence(0), &event("hi")), &mut records);
        let truncation = Truncation { stream: stream(), before: Sequence(1), anchor: chain };
        write_truncation(LOG, &truncation, &mut records);
        let mut pages = vec![0xff; BLOCK_WRITE_MAX];
        pages[BLOCK_HEAD_BYTES..BLOCK_HEAD_BYTES + records.len()].copy_from_slice(&records);
        let head = BlockHead { events: 1, position: 40, timestamp: Timestamp(9), previous: 5 };
        let (_, bytes) = finish_block((LOG, place), &head, records.len(), &mut pages);
        pages.truncate(bytes);
        (pages, chain)
    }

    fn segment_head() -> SegmentHead {
        SegmentHead {
            log: LOG,
            number: 3,
            bytes: 1 << 20,
            position: 40,
            timestamp: Timestamp(8),
            previous_end: 8_192,
            previous_crc: 0x0403_0201,
        }
    }

    const MARK: Mark = Mark {
        log: LOG,
        closed: true,
        first: 2,
        anchors: Some(6),
        end: Place { segment: 3, offset: 8_192 },
        position: 41,
        crc: 0x0403_0201,
    };

    #[test]
    fn the_bytes_are_those_of_the_specification() {
        let page = include_str!("../../../../docs/spec/event-log.md");
        let page: String = page.split_whitespace().collect();
        let check = |what: &str, bytes: &[u8]| {
            let mut hex = String::new();
            bytes.iter().try_for_each(|byte| write!(hex, "{byte:02x}")).unwrap();
            assert!(page.contains(&hex), "{what}: {hex}");
        };
        let mut head = vec![0; PAGE_BYTES];
        segment_head().write(&mut head);
        check("head", &head[..SEGMENT_HEAD_BYTES]);
        let (block, chain) = block(PLACE);
        let end = block.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        check("block", &block[..end]);
        check("mark", &MARK.write());
        let mut index = ActiveIndex::new(3, 40, 0);
        index.begin_block(4_096, Timestamp(9));
        index.push("s", stream, None, [Indexed { id: event("").id, chain, offset: 4_132 }]);
        let listed = index.get("s").unwrap();
        index.truncate(&stream(), &listed.head, (Sequence(1), chain));
        index.end_block(8_192, 0x0403_0201);
        check("index", &encode(LOG, &index));
        check("run", &encode_run(LOG, (2, 3), &[(LOG.key(&stream()), 3)]));
    }

    #[test]
    fn a_block_comes_back_only_at_its_place_in_its_log() {
        let (bytes, chain) = block(PLACE);
        let read = Block::read((LOG, PLACE), &bytes).unwrap();
        assert_eq!((read.head.events, read.head.position, read.head.previous), (1, 40, 5));
        assert_eq!((read.head.timestamp, read.bytes()), (Timestamp(9), bytes.len()));
        let records: Vec<_> = read.records().map(Result::unwrap).collect();
        let body = |n: usize| Body::read(&Bytes::copy_from_slice(records[n].1)).unwrap();
        assert_eq!(body(0), Body::Event(stream(), Sequence(0), event("hi")));
        let truncation = Truncation { stream: stream(), before: Sequence(1), anchor: chain };
        assert_eq!(body(1), Body::Truncation(truncation));
        assert_eq!(read_record(LOG, &bytes[records[0].0..]).unwrap(), records[0].1);
        for place in [Place { segment: 4, ..PLACE }, Place { offset: 8_192, ..PLACE }] {
            assert!(Block::read((LOG, place), &bytes).is_err());
        }
        let other = LogId([8; 16]);
        assert!(Block::read((other, PLACE), &bytes).is_err() && read_record(other, &bytes[36..]).is_err());
    }

    #[test]
    fn every_flip_and_every_cut_of_a_block_is_seen() {
        let (bytes, _) = block(PLACE);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(Block::read((LOG, PLACE), &flipped).is_err(), "bit {bit}");
        }
        for length in 0..bytes.len() {
            assert!(Block::read((LOG, PLACE), &bytes[..length]).is_err(), "{length}");
        }
    }

    #[test]
    fn heads_of_other_versions_are_told_apart_from_damage() {
        let mut page = vec![0; PAGE_BYTES];
        let crc = segment_head().write(&mut page);
        assert_eq!(SegmentHead::read(&page), Ok((segment_head(), crc)));
        assert_eq!(Mark::read(&MARK.write()), Ok(MARK));
        let other = |mut bytes: Vec<u8>| {
            bytes[8] = 2;
            assert!(matches!(
                read_checked(&bytes, bytes[..8].try_into().unwrap()),
                Err(HeaderError::Malformed(_))
            ));
            bytes.truncate(bytes.len() - 4);
            end_with_crc(bytes)
        };
        assert_eq!(Mark::read(&other(MARK.write())), Err(HeaderError::Version(2)));
        let newer = other(page[..SEGMENT_HEAD_BYTES].to_vec());
        page[..SEGMENT_HEAD_BYTES].copy_from_slice(&newer);
        assert_eq!(SegmentHead::read(&page), Err(HeaderError::Version(2)));
    }
}

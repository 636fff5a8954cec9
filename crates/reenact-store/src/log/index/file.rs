//! An index in a file: what a segment's index becomes when nothing is added to it any more, and the heads of
//! streams whose segments were given up. See `docs/spec/event-log.md`.
//!
//! ```text
//! head │ offsets of records │ blocks │ streams, sorted by key │ anchors │ lists
//! ```
//!
//! Nothing of it is held in memory: it is read in places, whose pieces have checksums of their own.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use super::active::{ActiveIndex, BlockPlace, Listed, StreamHead};
use super::pieces::{Pieces, PiecesOf, doubt};
use super::table::{Table, key_of};
use crate::chain::ChainHash;
use crate::disk::{Disk, DiskFile};
use crate::event::{EventId, Sequence};
use crate::log::format::{LogId, StreamKey, VERSION, begin, take, take_u32, take_u64};

const MAGIC: [u8; 8] = *b"\x89REENI\r\n";
const HEAD_BYTES: usize = 80;
pub(super) const BLOCK_BYTES: usize = 16;
const STREAM_BYTES: usize = 96;
const NO_SEGMENT: u32 = u32::MAX;
const KEY_BYTES: usize = 16;
const ANCHOR_BYTES: usize = 32;
/// Bytes of the longest number in a list.
const VARINT_BYTES_MAX: u64 = 5;

/// What stands at the begin of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct IndexHead {
    /// The segment; in a file of anchors the first that was not given up.
    pub(in crate::log) segment: u32,
    /// The position of its first event.
    pub(in crate::log) position: u64,
    pub(in crate::log) events: u32,
    pub(super) blocks: u32,
    streams: u32,
    /// Where the segment's last block ends.
    pub(in crate::log) end: u64,
    /// Its checksum.
    pub(in crate::log) crc: u32,
    /// Truncations in the log up to there.
    pub(in crate::log) truncations: u64,
    anchors: u32,
    lists: u32,
}

impl IndexHead {
    fn write(&self, log: LogId) -> Vec<u8> {
        let mut out = begin(MAGIC, HEAD_BYTES);
        out.extend_from_slice(&log.0);
        out.extend_from_slice(&self.segment.to_le_bytes());
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&self.events.to_le_bytes());
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&self.streams.to_le_bytes());
        out.extend_from_slice(&self.end.to_le_bytes());
        out.extend_from_slice(&self.crc.to_le_bytes());
        out.extend_from_slice(&self.truncations.to_le_bytes());
        out.extend_from_slice(&self.anchors.to_le_bytes());
        out.extend_from_slice(&self.lists.to_le_bytes());
        out
    }

    /// `None` unless it is one of this log and version.
    fn read(log: LogId, bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let rest = &mut rest;
        let known = take(rest)? == MAGIC && take_u32(rest)? == VERSION && take(rest)? == log.0;
        known.then_some(())?;
        Some(Self {
            segment: take_u32(rest)?,
            position: take_u64(rest)?,
            events: take_u32(rest)?,
            blocks: take_u32(rest)?,
            streams: take_u32(rest)?,
            end: take_u64(rest)?,
            crc: take_u32(rest)?,
            truncations: take_u64(rest)?,
            anchors: take_u32(rest)?,
            lists: take_u32(rest)?,
        })
    }

    pub(super) fn blocks_at(&self) -> u64 {
        HEAD_BYTES as u64 + u64::from(self.events) * 4
    }

    fn streams_at(&self) -> u64 {
        self.blocks_at() + u64::from(self.blocks) * BLOCK_BYTES as u64
    }

    fn anchors_at(&self) -> u64 {
        self.streams_at() + u64::from(self.streams) * STREAM_BYTES as u64
    }

    fn lists_at(&self) -> u64 {
        self.anchors_at() + u64::from(self.anchors) * ANCHOR_BYTES as u64
    }

    fn bytes(&self) -> u64 {
        self.lists_at() + u64::from(self.lists)
    }
}

/// Puts the streams of an index file together.
#[derive(Default)]
struct Streams {
    entries: Vec<u8>,
    anchors: Vec<u8>,
    lists: Vec<u8>,
    count: u32,
}

impl Streams {
    /// Adds the next stream in the order of keys.
    fn push(&mut self, key: StreamKey, listed: &Listed, events: &[u32]) {
        let Listed { head, count, before } = listed;
        let out = &mut self.entries;
        out.extend_from_slice(&key.0.to_le_bytes());
        out.extend_from_slice(&((self.anchors.len() / ANCHOR_BYTES) as u32).to_le_bytes());
        out.extend_from_slice(&(self.lists.len() as u32).to_le_bytes());
        out.extend_from_slice(&head.sequence.0.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(&before.unwrap_or(NO_SEGMENT).to_le_bytes());
        out.extend_from_slice(&head.highest.to_bytes());
        out.extend_from_slice(&head.chain.0);
        out.extend_from_slice(&head.first.0.to_le_bytes());
        if head.first > Sequence::FIRST {
            self.anchors.extend_from_slice(&head.anchor.0);
        }
        let mut last = 0;
        for event in events {
            write_varint(event - last, &mut self.lists);
            last = *event;
        }
        self.count += 1;
    }

    fn finish(self, log: LogId, head: IndexHead, offsets: &[u32], blocks: &[BlockPlace]) -> Vec<u8> {
        let (streams, lists) = (self.count, self.lists.len() as u32);
        let anchors = (self.anchors.len() / ANCHOR_BYTES) as u32;
        let mut out = IndexHead { streams, anchors, lists, ..head }.write(log);
        for offset in offsets {
            out.extend_from_slice(&offset.to_le_bytes());
        }
        for BlockPlace { event, offset, timestamp } in blocks {
            out.extend_from_slice(&event.to_le_bytes());
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&timestamp.0.to_le_bytes());
        }
        out.extend_from_slice(&self.entries);
        out.extend_from_slice(&self.anchors);
        out.extend_from_slice(&self.lists);
        out
    }
}

/// The file of a segment's index.
pub(in crate::log) fn encode(log: LogId, index: &ActiveIndex) -> Vec<u8> {
    PiecesOf::segment(log, index.segment).write(0, &content(log, index))
}

fn content(log: LogId, index: &ActiveIndex) -> Vec<u8> {
    let mut sorted: Vec<_> =
        index.streams.iter().map(|(stream, entry)| (log.key(stream), stream, entry)).collect();
    sorted.sort_unstable_by_key(|(key, ..)| *key);
    let mut streams = Streams::default();
    for (key, stream, entry) in sorted {
        let events = index.events_of(stream.as_str(), Sequence::FIRST, usize::MAX);
        streams.push(key, &entry.listed, &events);
    }
    let head = IndexHead {
        segment: index.segment,
        position: index.position,
        events: index.events(),
        blocks: index.blocks.len() as u32,
        streams: 0,
        end: index.end,
        crc: index.crc,
        truncations: index.truncations,
        anchors: 0,
        lists: 0,
    };
    streams.finish(log, head, &index.offsets, &index.blocks)
}

/// The file that keeps the heads of streams of which segments before `segment` were given up.
pub(in crate::log) fn encode_anchors(
    log: LogId,
    segment: u32,
    truncations: u64,
    heads: &BTreeMap<StreamKey, StreamHead>,
) -> Vec<u8> {
    let mut streams = Streams::default();
    for (key, head) in heads {
        streams.push(*key, &Listed { head: *head, count: 0, before: None }, &[]);
    }
    let (position, end) = (0, 0);
    let head = IndexHead {
        segment,
        position,
        events: 0,
        blocks: 0,
        streams: 0,
        end,
        crc: 0,
        truncations,
        anchors: 0,
        lists: 0,
    };
    PiecesOf::segment(log, segment).write(0, &streams.finish(log, head, &[], &[]))
}

fn write_varint(mut value: u32, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Reads a number off the begin of `rest`.
fn read_varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0u32;
    for shift in [0, 7, 14, 21, 28] {
        let [byte] = take(rest)?;
        value |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

/// A stream as it stands in an index file.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct Found {
    pub(in crate::log) listed: Listed,
    list_at: u32,
}

impl Found {
    pub(in crate::log) fn list(&self) -> List {
        List { at: self.list_at, count: self.listed.count }
    }
}

/// The list of a stream's events in an index file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct List {
    /// Where it begins among the lists.
    at: u32,
    pub(in crate::log) count: u32,
}

/// How far a list was read: its numbers are differences, so that one can only be read after those before it.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct ListPlace {
    segment: u32,
    list: List,
    /// How many of its events come before.
    events: u32,
    /// Where the next begins among the lists.
    at: u32,
    /// The event before it.
    last: u32,
}

/// An index in a file, open.
#[derive(Debug)]
pub(in crate::log) struct IndexFile {
    pieces: Pieces,
    pub(in crate::log) head: IndexHead,
}

impl IndexFile {
    /// Opens the index of a segment, or anchors. Whatever is read of it is checked then; `InvalidData` says that it
    /// must not be trusted.
    ///
    /// # Errors
    /// `NotFound`, or `InvalidData` for a file that must not be trusted; or it cannot be read.
    pub(in crate::log) fn open(disk: &dyn Disk, name: &str, log: LogId, segment: u32) -> io::Result<Self> {
        Self::new(Pieces::open(disk, name, PiecesOf::segment(log, segment))?)
    }

    /// As [`open`](Self::open), of a file that is open.
    pub(in crate::log) fn read_from(file: Arc<dyn DiskFile>, log: LogId, segment: u32) -> io::Result<Self> {
        Self::new(Pieces::read_from(file, PiecesOf::segment(log, segment))?)
    }

    fn new(pieces: Pieces) -> io::Result<Self> {
        let head = pieces.read(HEAD_BYTES as u64, 0)?;
        let head = IndexHead::read(pieces.of.log, &head).filter(|head| head.segment == pieces.of.first);
        let head = head.ok_or_else(|| doubt("it is no index of this log"))?;
        if pieces.bytes != head.bytes() {
            return Err(doubt("it has another length"));
        }
        Ok(Self { pieces, head })
    }

    /// Reads all of it; the checksum of its content.
    pub(in crate::log) fn check(&self) -> io::Result<u32> {
        self.pieces.check()
    }

    pub(super) fn read(&self, bytes: u64, offset: u64) -> io::Result<Vec<u8>> {
        self.pieces.read(bytes, offset)
    }

    /// What it says of a stream.
    pub(in crate::log) fn find(&self, key: StreamKey) -> io::Result<Option<Found>> {
        self.table().find(key)?.map(|entry| self.entry(&entry)).transpose()
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.pieces, self.head.streams_at(), u64::from(self.head.streams), STREAM_BYTES)
    }

    fn entry(&self, entry: &[u8]) -> io::Result<Found> {
        let mut rest = &entry[KEY_BYTES..];
        let rest = &mut rest;
        let mut read = || {
            let (anchor_at, list_at, sequence) =
                (take_u32(rest)?, take_u32(rest)?, Sequence(take_u64(rest)?));
            let (count, before) = (take_u32(rest)?, take_u32(rest)?);
            let highest = EventId::from_uuid(Uuid::from_bytes(take(rest)?))?;
            let (chain, first) = (ChainHash(take(rest)?), Sequence(take_u64(rest)?));
            let segment = self.head.segment;
            let head = StreamHead { sequence, chain, highest, first, anchor: ChainHash::START, segment };
            let before = (before != NO_SEGMENT).then_some(before);
            Some((anchor_at, Found { listed: Listed { head, count, before }, list_at }))
        };
        let (anchor_at, mut found) = read().ok_or_else(|| doubt("an entry has another form"))?;
        if found.listed.head.first > Sequence::FIRST {
            let at = self.head.anchors_at() + u64::from(anchor_at) * ANCHOR_BYTES as u64;
            found.listed.head.anchor = ChainHash(field(&self.read(ANCHOR_BYTES as u64, at)?));
        }
        Ok(found)
    }

    /// Those events of a list whose places in it are in a range. `place` is where somebody stopped to read some
    /// list, and becomes the end of the range.
    pub(in crate::log) fn events_of(
        &self,
        list: List,
        wanted: Range<u32>,
        place: &mut Option<ListPlace>,
    ) -> io::Result<Vec<u32>> {
        let (segment, begin) = (self.head.segment, ListPlace::begin_of(self.head.segment, list));
        let is_before =
            |from: &ListPlace| (from.segment, from.list) == (segment, list) && from.events <= wanted.start;
        let mut from = place.filter(is_before).unwrap_or(begin);
        let end = wanted.end.min(list.count);
        let most = u64::from(end.saturating_sub(from.events)) * VARINT_BYTES_MAX;
        let most = most.min(u64::from(self.head.lists.saturating_sub(from.at)));
        let bytes = self.read(most, self.head.lists_at() + u64::from(from.at))?;
        let (mut rest, mut events) = (&bytes[..], Vec::with_capacity(wanted.len()));
        while from.events < end {
            let next = read_varint(&mut rest).and_then(|delta| from.last.checked_add(delta));
            let next = next.filter(|event| *event < self.head.events);
            from.last = next.ok_or_else(|| doubt("a list is cut off"))?;
            if from.events >= wanted.start {
                events.push(from.last);
            }
            from.events += 1;
        }
        from.at += (bytes.len() - rest.len()) as u32;
        *place = Some(from);
        Ok(events)
    }

    /// Where the records of events begin, and the bytes before which they end. They must be in order.
    pub(in crate::log) fn places(&self, events: &[u32]) -> io::Result<Vec<(u32, u32)>> {
        let mut places = Vec::with_capacity(events.len());
        // Neighbours are read together.
        for near in events.chunk_by(|a, b| b - a <= 256) {
            let (first, last) = (near[0], near[near.len() - 1]);
            let count = (u64::from(last - first) + 2).min(u64::from(self.head.events - first));
            let bytes = self.read(count * 4, HEAD_BYTES as u64 + u64::from(first) * 4)?;
            let at = |event: u32| {
                let at = (event - first) as usize * 4;
                let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
                bytes.map_or(self.head.end as u32, |bytes| u32::from_le_bytes(*bytes))
            };
            places.extend(near.iter().map(|event| (at(*event), at(event + 1))));
        }
        Ok(places)
    }

    /// Whether two indexes of one segment say the same, but for where streams stood before segment `first`: what
    /// an index says of that stays as it was when earlier segments are given up.
    pub(in crate::log) fn agrees_with(&self, later: &Self, first: u32) -> io::Result<bool> {
        let bare = |head: IndexHead| IndexHead { anchors: 0, ..head };
        let offsets =
            |index: &Self| index.read(index.head.streams_at() - HEAD_BYTES as u64, HEAD_BYTES as u64);
        let lists = |index: &Self| index.read(u64::from(index.head.lists), index.head.lists_at());
        if bare(self.head) != bare(later.head)
            || offsets(self)? != offsets(later)?
            || lists(self)? != lists(later)?
        {
            return Ok(false);
        }
        for (earlier, later) in self.streams().zip(later.streams()) {
            let ((key, found), (later_key, later)) = (earlier?, later?);
            let (a, b) = (found.listed, later.listed);
            let same = |listed: &Listed, list_at| {
                let StreamHead { sequence, chain, highest, .. } = listed.head;
                (sequence, chain, highest, listed.count, list_at)
            };
            let before = a.before == b.before || a.before.is_some_and(|segment| segment <= first);
            let anchored =
                (a.head.first, a.head.anchor) == (b.head.first, b.head.anchor) || a.head.first < b.head.first;
            if (key, same(&a, found.list_at)) != (later_key, same(&b, later.list_at)) || !before || !anchored
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// All streams, in the order of their keys.
    pub(in crate::log) fn streams(&self) -> impl Iterator<Item = io::Result<(StreamKey, Found)>> + '_ {
        let table = self.table();
        let firsts = (0..u64::from(self.head.streams)).step_by(table.part_entries() as usize);
        firsts.flat_map(move |first| {
            let read = |entry: &[u8]| Ok((key_of(entry), self.entry(entry)?));
            match table.part(first) {
                Ok(entries) => entries.chunks_exact(STREAM_BYTES).map(read).collect(),
                Err(error) => vec![Err(error)],
            }
        })
    }

    /// The keys of some streams, in order, from the one with a number on; none after the last.
    pub(super) fn keys(&self, first: u64) -> io::Result<Vec<StreamKey>> {
        Ok(self.table().part(first)?.chunks_exact(STREAM_BYTES).map(key_of).collect())
    }
}

impl ListPlace {
    fn begin_of(segment: u32, list: List) -> Self {
        Self { segment, list, events: 0, at: list.at, last: 0 }
    }

    /// Whether the list goes on.
    pub(in crate::log) fn is_within(&self) -> bool {
        self.events < self.list.count
    }
}

/// The first bytes of what is longer.
pub(super) fn field<const N: usize>(bytes: &[u8]) -> [u8; N] {
    *bytes.first_chunk().expect("the slice begins with a field")
}

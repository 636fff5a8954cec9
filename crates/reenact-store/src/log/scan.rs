//! Reading everything as it lies: block by block, and without an allocation for an event where nothing was truncated.

use std::ops::Range;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use bytes::Bytes;

use super::format::{BLOCK_HEAD_BYTES, Block, BlockHead, Body, Place, block_pages, read_block_head};
use super::segment::segment_name;
use super::shared::{PARTITION, Shared, damaged, unavailable};
use crate::chain::CanonicalParts;
use crate::disk::PAGE_BYTES;
use crate::event::{Checkpoint, Event, Position, Sequence, StreamId, Timestamp};
use crate::page::check_partitions;
use crate::store::ReadError;

/// Bytes that are read at once, unless one block has more.
const PART_BYTES: usize = 1 << 21;
/// Parts that are read ahead.
const PARTS_AHEAD: usize = 2;
/// With so many segments to read a thread reads ahead.
const SEGMENTS_TO_READ_AHEAD: u32 = 2;

/// Gives the events of all streams in the order of positions, as parts of the blocks in which they lie. What is
/// appended while it goes on is given too, up to the moment when nothing more is there.
///
/// ```
/// # use reenact_store::*;
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let directory = tempfile::tempdir()?;
/// let log = EventLog::open(directory.path())?;
/// let mut scan = log.scan(&Checkpoint::START)?;
/// let mut bytes = 0;
/// while let Some(events) = scan.next_block()? {
///     for event in events {
///         bytes += event?.payload().len();
///     }
/// }
/// # assert_eq!(bytes, 0);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Scan {
    shared: Arc<Shared>,
    reader: Reader,
    part: Part,
    /// Which block of the part is next.
    at: usize,
}

/// Who reads parts.
#[derive(Debug)]
enum Reader {
    /// The one who scans.
    Here(PartReader),
    /// A thread that is ahead, as long as there is much; and where parts go back to that were used.
    Ahead(Receiver<Result<Ahead, ReadError>>, SyncSender<Part>),
    /// Nobody: something could not be read.
    Gone,
}

/// What comes from a thread that reads ahead.
#[derive(Debug)]
enum Ahead {
    Part(Part),
    /// There is nothing more for now; who scans goes on.
    End(PartReader),
}

/// Whole blocks that were read together, and checked.
#[derive(Debug, Default)]
struct Part {
    bytes: Vec<u8>,
    blocks: Vec<PartBlock>,
}

#[derive(Debug)]
struct PartBlock {
    head: BlockHead,
    crc: u32,
    /// Where its records are.
    records: Range<usize>,
    /// The first position that is wanted.
    first: u64,
}

/// Reads the log from a place on, part by part.
#[derive(Debug)]
struct PartReader {
    shared: Arc<Shared>,
    segment: u32,
    offset: u64,
    /// The first position that is wanted.
    next: u64,
}

/// The events of one block.
#[derive(Debug)]
pub struct BlockEvents<'a> {
    shared: &'a Shared,
    /// Whether anything in the log was truncated, so that each event is looked up.
    truncated: bool,
    block: Block<'a>,
    at: usize,
    position: u64,
    first: u64,
}

/// An event as it lies in its block.
#[derive(Clone, Copy, Debug)]
pub struct EventView<'a> {
    position: u64,
    timestamp: Timestamp,
    canonical: &'a [u8],
    parts: CanonicalParts,
}

impl Scan {
    pub(super) fn new(shared: Arc<Shared>, after: &Checkpoint) -> Result<Self, ReadError> {
        check_partitions(after, 1)?;
        let next = after.get(PARTITION).map_or(0, |seen| seen.0.saturating_add(1));
        let segment = shared.segment_of(next)?;
        let active = shared.state().active.segment;
        let reader = PartReader { shared: Arc::clone(&shared), segment, offset: PAGE_BYTES as u64, next };
        let reader =
            if active - segment >= SEGMENTS_TO_READ_AHEAD { reader.ahead() } else { Reader::Here(reader) };
        Ok(Self { shared, reader, part: Part::default(), at: 0 })
    }

    /// The events of the next block that has some; `None` if there is none yet.
    ///
    /// # Errors
    /// The block is damaged, or cannot be read; then it is so each time.
    pub fn next_block(&mut self) -> Result<Option<BlockEvents<'_>>, ReadError> {
        if self.at >= self.part.blocks.len() {
            self.at = 0;
            if !self.fill()? {
                return Ok(None);
            }
        }
        let PartBlock { head, crc, records, first } = &self.part.blocks[self.at];
        self.at += 1;
        let block = Block { head: *head, records: &self.part.bytes[records.clone()], crc: *crc };
        let (truncated, position) = (self.shared.state().active.truncations > 0, head.position);
        Ok(Some(BlockEvents { shared: &self.shared, truncated, block, at: 0, position, first: *first }))
    }

    /// Reads the next part; whether there was one.
    fn fill(&mut self) -> Result<bool, ReadError> {
        self.part.blocks.clear();
        loop {
            let found = match &mut self.reader {
                Reader::Here(reader) => return reader.fill(&mut self.part),
                Reader::Ahead(parts, _) => parts.recv(),
                Reader::Gone => {
                    return Err(ReadError::Unavailable {
                        reason: "a scan that failed does not go on".into(),
                    });
                }
            };
            match found {
                Ok(Ok(Ahead::Part(part))) => {
                    let used = std::mem::replace(&mut self.part, part);
                    if let Reader::Ahead(_, back) = &self.reader {
                        // If nobody wants it, it is dropped.
                        let _unwanted = back.try_send(used);
                    }
                    return Ok(true);
                }
                Ok(Ok(Ahead::End(reader))) => self.reader = Reader::Here(reader),
                Ok(Err(error)) => {
                    self.reader = Reader::Gone;
                    return Err(error);
                }
                Err(_) => self.reader = Reader::Gone,
            }
        }
    }
}

impl PartReader {
    /// Lets a thread read, until there is nothing more or nobody takes what it reads. If the system has no room for
    /// one, who scans reads.
    fn ahead(self) -> Reader {
        let (parts, received) = sync_channel(PARTS_AHEAD);
        let (back, used) = sync_channel::<Part>(PARTS_AHEAD);
        let mut reader = Self { shared: Arc::clone(&self.shared), ..self };
        let read = move || {
            loop {
                let mut part = used.try_recv().unwrap_or_default();
                let read = reader.fill(&mut part);
                let last = !matches!(read, Ok(true));
                let sent = match read {
                    Ok(true) => parts.send(Ok(Ahead::Part(part))),
                    Ok(false) => return drop(parts.send(Ok(Ahead::End(reader)))),
                    Err(error) => parts.send(Err(error)),
                };
                if last || sent.is_err() {
                    return;
                }
            }
        };
        match thread::Builder::new().name("log-scan".into()).spawn(read) {
            Ok(_detached) => Reader::Ahead(received, back),
            Err(_) => Reader::Here(self),
        }
    }

    /// Reads the next blocks that have something that is wanted; whether there were some.
    fn fill(&mut self, part: &mut Part) -> Result<bool, ReadError> {
        part.blocks.clear();
        while part.blocks.is_empty() {
            let Some(end) = self.end()? else { return Ok(false) };
            if self.offset >= end {
                (self.segment, self.offset) = (self.segment + 1, PAGE_BYTES as u64);
            } else {
                self.read(part, end)?;
            }
        }
        Ok(true)
    }

    /// Where the blocks of the segment end; `None` if nothing follows.
    fn end(&self) -> Result<Option<u64>, ReadError> {
        let state = self.shared.state();
        let (active, end) = (state.active.segment, state.active.end);
        let memory = state.in_memory(self.segment).map(|index| index.end);
        drop(state);
        if self.segment > active || self.segment == active && self.offset >= end {
            return Ok(None);
        }
        Ok(Some(match memory {
            Some(end) => end,
            None => self.shared.end_of(self.segment)?.0,
        }))
    }

    /// Reads whole blocks before `end`: as many as fit into a part, and at least one.
    fn read(&mut self, part: &mut Part, end: u64) -> Result<(), ReadError> {
        self.load(part, end, PART_BYTES)?;
        let mut at = 0;
        while at < part.bytes.len() {
            let place = Place { segment: self.segment, offset: self.offset };
            let head = read_block_head((self.shared.log, place), &part.bytes[at..]);
            let damaged = |reason| in_segment(self.next, place, reason);
            let whole = block_pages(head.map_err(damaged)?.1);
            if whole as u64 > end - self.offset {
                return Err(damaged("a block is cut off"));
            }
            if at + whole > part.bytes.len() {
                if at > 0 {
                    return Ok(());
                }
                self.load(part, end, whole)?;
            }
            let block = Block::read((self.shared.log, place), &part.bytes[at..]).map_err(damaged)?;
            let (head, crc, start) = (block.head, block.crc, at + BLOCK_HEAD_BYTES);
            let next = head.position.saturating_add(u64::from(head.events));
            if next > self.next {
                let records = start..start + block.records.len();
                part.blocks.push(PartBlock { head, crc, records, first: self.next });
                self.next = next;
            }
            at += whole;
            self.offset += whole as u64;
        }
        Ok(())
    }

    fn load(&self, part: &mut Part, end: u64, bytes: usize) -> Result<(), ReadError> {
        part.bytes.resize((end - self.offset).min(bytes as u64) as usize, 0);
        let read = self.shared.segment(self.segment)?.read_at(&mut part.bytes, self.offset);
        read.map_err(|error| unavailable(&segment_name(self.segment), &error))
    }
}

fn in_segment(position: u64, place: Place, reason: &str) -> ReadError {
    damaged(position, &format!("{reason}, at byte {} of {}", place.offset, segment_name(place.segment)))
}

impl<'a> Iterator for BlockEvents<'a> {
    type Item = Result<EventView<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let body = match self.block.record_at(&mut self.at)? {
                Ok(body) => body,
                Err(reason) => return Some(Err(damaged(self.position, reason))),
            };
            // The block's checksum was right, so that what is no event is a truncation.
            let Some(parts) = CanonicalParts::find(body) else { continue };
            let timestamp = self.block.head.timestamp;
            let event = EventView { position: self.position, timestamp, canonical: body, parts };
            self.position += 1;
            if event.position < self.first {
                continue;
            }
            if self.truncated {
                let stream =
                    str::from_utf8(event.stream()).ok().and_then(|stream| StreamId::new(stream).ok());
                let Some(stream) = stream else {
                    return Some(Err(damaged(event.position, "an event has no name")));
                };
                match self.shared.is_truncated(&stream, event.sequence()) {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => return Some(Err(error)),
                }
            }
            return Some(Ok(event));
        }
    }
}

impl<'a> EventView<'a> {
    /// The bytes of its id.
    pub fn id(&self) -> &'a [u8; 16] {
        self.parts.id(self.canonical)
    }

    /// Its place in the stream.
    pub fn sequence(&self) -> Sequence {
        self.parts.sequence(self.canonical)
    }

    /// Its place in the log.
    pub fn position(&self) -> Position {
        Position(self.position)
    }

    /// When it was committed.
    pub fn timestamp(&self) -> Timestamp {
        self.timestamp
    }

    /// The name of the stream it is in, which is ASCII.
    pub fn stream(&self) -> &'a [u8] {
        self.parts.stream(self.canonical)
    }

    /// What its payload is, which is ASCII.
    pub fn kind(&self) -> &'a [u8] {
        self.parts.kind(self.canonical)
    }

    /// What happened.
    pub fn payload(&self) -> &'a [u8] {
        self.parts.payload(self.canonical)
    }

    /// Its canonical form, which is what the chain is made of.
    pub fn canonical(&self) -> &'a [u8] {
        self.canonical
    }

    /// The event by itself.
    pub fn to_event(&self) -> Event {
        match Body::read(&Bytes::copy_from_slice(self.canonical)) {
            Ok(Body::Event(stream, sequence, event)) => {
                Event::stored(event, &stream, sequence, (PARTITION, Position(self.position)), self.timestamp)
            }
            _ => unreachable!("it was read as an event before"),
        }
    }
}

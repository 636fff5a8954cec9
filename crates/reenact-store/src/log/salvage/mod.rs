//! Making a new log out of what is whole in a damaged one.
//!
//! Segments are searched for blocks page by page, whatever their heads, the mark and the indexes are like. The
//! events of whole blocks are appended to the new log, in their order and as of their time, as long as their stream
//! has no gap. What comes after one, or is whole in a block that is not, is written to a file of lines. Nothing is
//! made up.

mod new_log;
mod rest;
mod unsynced;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::backup::Destination;
use super::format::{
    BLOCK_HEAD_BYTES, BLOCK_WRITE_MAX, Block, Body, LogId, Mark, RECORD_HEAD_BYTES, Truncation,
    read_block_head, read_record,
};
use super::index::IndexFile;
use super::segment::{Scanner, anchors_name, segment_name};
use super::survey::{Meter, Survey, ToolError, ToolProgress, io_error, read_mark, scanner, segment_head};
use crate::disk::{Disk, PAGE_BYTES, RealDisk};
use crate::event::{NewEvent, Position, Sequence, StreamId, Timestamp};
use crate::limits::{
    BLOCK_BYTES_MAX, SALVAGE_PLACES_MAX, SALVAGE_STREAMS_MAX, SEGMENT_BYTES, SEGMENT_BYTES_MAX,
};
use new_log::{Begin, NewLog};
use rest::{Rest, Was, Why};

/// The file of events that have no place in the new log, in the new log's directory.
const REST: &str = "rest.jsonl";
const PAGE: u64 = PAGE_BYTES as u64;

/// What became of a damaged log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SalvageReport {
    /// Events in the new log, those that were truncated included.
    pub kept: u64,
    /// Events that are whole but have no place in it; they are in [`rest_file`](Self::rest_file).
    pub rest: u64,
    /// Events of which nothing is left, as far as the positions of others tell.
    pub lost: u64,
    /// Streams in the new log.
    pub streams: u64,
    /// Streams of which events are missing from the new log, and nothing after them is in it.
    pub cut_streams: u64,
    /// Truncations that could not be done again, as their stream was cut before them.
    pub lost_truncations: u64,
    /// What was damaged, in order; at most [`SALVAGE_PLACES_MAX`].
    pub places: Vec<LostPlace>,
    /// How many more there are.
    pub more_places: u64,
    /// One line of JSON for each event of the rest, if there are any.
    pub rest_file: Option<PathBuf>,
    /// How long it took.
    pub elapsed: Duration,
}

/// A damaged part of a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LostPlace {
    /// In which file.
    pub file: String,
    /// Where it begins.
    pub offset: u64,
    /// How long it is; 0 for a file that is missing.
    pub bytes: u64,
    /// What is wrong.
    pub reason: String,
    /// The positions that it held, from the first to the last, as far as what surrounds it tells.
    pub positions: Option<(Position, Position)>,
    /// Events in it that are whole by themselves; they are in the rest.
    pub whole_events: u64,
    /// Streams that have a gap since then; at most [`SALVAGE_STREAMS_MAX`]. One of which nothing follows does not
    /// show.
    pub streams: Vec<StreamId>,
}

/// Makes a new log in a directory, which is made or is empty, out of what is whole in the log of another; also if
/// that cannot be opened. The damaged one is not changed. It takes memory for the name of each stream.
///
/// Event ids, kinds, payloads, the producer's time and traces are kept, and so is the time of each event's commit;
/// a stream that is kept has the chain that it had. Positions are kept up to the first event that is not, and are
/// new after it. Truncations are done again. Where segments were given up, streams go on with the numbers that
/// their anchors tell; without anchors they have no begin, and what is left of them is in the rest.
///
/// # Errors
/// There is no log, nothing tells which one it is, or something is at the destination; or the system refuses.
/// What was begun is taken away again.
pub fn salvage(
    directory: impl AsRef<Path>,
    destination: impl AsRef<Path>,
    progress: &mut dyn FnMut(ToolProgress),
) -> Result<SalvageReport, ToolError> {
    let begun = Instant::now();
    let disk = RealDisk::new(directory.as_ref());
    let survey = Survey::new(&disk)?;
    let mark = read_mark(&disk)?;
    let log = survey.log_id(&disk, mark.as_ref().ok())?;
    let to = Destination::new(destination.as_ref())?;
    let salvaged = Salvager::new(&disk, (log, survey, mark), &to.directory, progress).and_then(Salvager::run);
    match salvaged {
        Ok(report) => Ok(SalvageReport { elapsed: begun.elapsed(), ..report }),
        Err(error) => {
            to.discard();
            Err(error)
        }
    }
}

/// How far a stream has come.
#[derive(Clone, Copy, Debug)]
struct Progressed {
    next: Sequence,
    /// Whether events of it are missing.
    cut: bool,
}

struct Salvager<'a> {
    disk: &'a dyn Disk,
    log: LogId,
    survey: Survey,
    mark: Option<Mark>,
    anchors: Option<IndexFile>,
    new: NewLog,
    rest: Rest,
    streams: HashMap<StreamId, Progressed>,
    /// The position after the last whole block.
    position: Option<u64>,
    meter: Meter<'a>,
    report: SalvageReport,
}

impl<'a> Salvager<'a> {
    fn new(
        disk: &'a dyn Disk,
        (log, survey, mark): (LogId, Survey, Result<Mark, &'static str>),
        to: &Path,
        progress: &'a mut dyn FnMut(ToolProgress),
    ) -> Result<Self, ToolError> {
        let mut report = SalvageReport::default();
        if let Err(reason) = mark {
            let (file, reason) = ("mark".into(), reason.into());
            report.places.push(LostPlace { file, reason, ..LostPlace::default() });
        }
        let mark = mark.ok().filter(|mark| mark.log == log);
        let first = mark.map(|mark| mark.first).or(survey.segments.keys().next().copied()).unwrap_or(0);
        let anchors = open_anchors(disk, log, mark, first);
        if mark.is_some_and(|mark| mark.anchors.is_some()) && anchors.is_none() {
            let (file, reason) = (anchors_name(first), "it is damaged or missing".into());
            report.places.push(LostPlace { file, reason, ..LostPlace::default() });
        }
        let position = segment_head(disk, first)?.ok().map(|(head, _)| head.position);
        let position = if anchors.is_some() { position } else { Some(0) };
        let segment_bytes = survey.segments.values().copied().max().unwrap_or(SEGMENT_BYTES);
        let segment_bytes = segment_bytes.next_multiple_of(PAGE).clamp(SEGMENT_BYTES, SEGMENT_BYTES_MAX);
        let new = NewLog::begin(
            to,
            &Begin { log, segment_bytes, anchors: anchors.as_ref(), position: position.unwrap_or(0) },
        )?;
        let bytes = survey.segments.values().sum();
        Ok(Self {
            disk,
            log,
            survey,
            mark,
            anchors,
            new,
            rest: Rest::new(to.join(REST)),
            streams: HashMap::new(),
            position,
            meter: Meter::new(bytes, progress),
            report,
        })
    }

    fn run(mut self) -> Result<SalvageReport, ToolError> {
        let last = self.survey.segments.keys().next_back().copied();
        let first = self.survey.segments.keys().next().copied().unwrap_or(0);
        let first = self.mark.map_or(first, |mark| mark.first);
        for segment in first..last.map_or(first, |last| last + 1) {
            let name = segment_name(segment);
            match scanner(self.disk, self.log, segment)? {
                Some(mut scanner) => {
                    let done = self.segment(segment, &mut scanner).map_err(io_error(self.disk, &name));
                    done??;
                    self.meter.add(scanner.bytes());
                }
                None => self.place(LostPlace {
                    file: name,
                    reason: "it is missing".into(),
                    ..LostPlace::default()
                }),
            }
        }
        self.check_end();
        self.rest.finish().map_err(io_error(self.disk, REST))?;
        self.new.finish()?;
        let mut report = self.report;
        report.rest = self.rest.events;
        report.rest_file = (self.rest.events > 0).then_some(self.rest.path);
        report.cut_streams = self.streams.values().filter(|stream| stream.cut).count() as u64;
        report.lost = report.lost.saturating_sub(report.places.iter().map(|place| place.whole_events).sum());
        Ok(report)
    }

    /// The log reached at least as far as its mark says.
    fn check_end(&mut self) {
        let Some(mark) = self.mark else { return };
        let known = self.position.unwrap_or(mark.position);
        if known < mark.position {
            if self.report.places.is_empty() {
                let (file, reason) = (segment_name(mark.end.segment), "its end is missing".into());
                self.place(LostPlace { file, offset: mark.end.offset, reason, ..LostPlace::default() });
            }
            self.lose(known, mark.position);
        }
    }

    fn place(&mut self, place: LostPlace) {
        if self.report.places.len() < SALVAGE_PLACES_MAX {
            self.report.places.push(place);
        } else {
            self.report.more_places += 1;
        }
    }

    /// The events from one position to before another are not there, since the last place.
    fn lose(&mut self, from: u64, to: u64) {
        self.report.lost += to - from;
        if let Some(place) = self.report.places.last_mut() {
            let first = place.positions.map_or(Position(from), |(first, _)| first);
            place.positions = Some((first, Position(to - 1)));
        }
    }

    /// Goes through a segment. The outer error is one of reading it.
    fn segment(&mut self, segment: u32, scanner: &mut Scanner) -> io::Result<Result<(), ToolError>> {
        self.check_head(segment, scanner)?;
        let mut offset = PAGE;
        loop {
            let found = scanner.find_block(offset, u64::MAX)?;
            let end = found.unwrap_or(scanner.bytes());
            if end > offset
                && let Err(error) = self.damaged(segment, scanner, (offset, end), found.is_some())?
            {
                return Ok(Err(error));
            }
            if found.is_none() {
                return Ok(Ok(()));
            }
            let Ok(block) = scanner.block(end)? else { return Ok(Ok(())) };
            if let Err(error) = self.block(segment, end, &block) {
                return Ok(Err(error));
            }
            offset = end + block.bytes() as u64;
        }
    }

    /// A head is not needed, but it is told of one that is damaged.
    fn check_head(&mut self, segment: u32, scanner: &mut Scanner) -> io::Result<()> {
        let page = scanner.head()?;
        let whole = super::format::SegmentHead::read(page);
        if page.iter().all(|byte| *byte == 0) || whole.is_ok() {
            return Ok(());
        }
        let reason = "the head of the segment is damaged".into();
        let (file, bytes) = (segment_name(segment), PAGE);
        self.place(LostPlace { file, bytes, reason, ..LostPlace::default() });
        Ok(())
    }

    /// Takes over a whole block.
    fn block(&mut self, segment: u32, offset: u64, block: &Block<'_>) -> Result<(), ToolError> {
        let head = &block.head;
        let mut position = head.position;
        match self.position {
            Some(known) if known < position => {
                if self.report.places.is_empty() {
                    let (file, reason) = (segment_name(segment), "blocks before it are missing".into());
                    self.place(LostPlace { file, offset, reason, ..LostPlace::default() });
                }
                self.lose(known, position);
            }
            _ => {}
        }
        let again = self.position.is_some_and(|known| known > position);
        let mut truncations = Vec::new();
        for record in block.records() {
            // The checksum of the block is right, and so what is in it.
            let Ok((_, body)) = record else { break };
            match Body::read(&Bytes::copy_from_slice(body)) {
                Ok(Body::Event(stream, sequence, event)) => {
                    let was = Was { position: Some(Position(position)), timestamp: Some(head.timestamp) };
                    self.event(again, was, (&stream, sequence, event))?;
                    position += 1;
                }
                Ok(Body::Truncation(truncation)) if !again => {
                    truncations.extend(self.truncation(truncation));
                }
                _ => {}
            }
        }
        self.commit(head.timestamp, &truncations)?;
        self.position = self.position.max(Some(position));
        Ok(())
    }

    fn commit(&mut self, timestamp: Timestamp, truncations: &[Truncation]) -> Result<(), ToolError> {
        let answers = self.new.commit(timestamp)?;
        for (truncation, head) in truncations.iter().zip(answers) {
            let done =
                head.is_some_and(|head| head.first > truncation.before || head.anchor == truncation.anchor);
            self.report.lost_truncations += u64::from(!done);
        }
        Ok(())
    }

    /// Where a stream goes on in the new log.
    fn stream(&mut self, stream: &StreamId) -> Progressed {
        if let Some(known) = self.streams.get(stream) {
            return *known;
        }
        // Anchors were read through when they were opened.
        let anchor = self.anchors.as_ref().and_then(|file| file.find(self.log.key(stream)).ok().flatten());
        let next = anchor.map_or(Sequence::FIRST, |found| found.listed.head.sequence.plus(1));
        Progressed { next, cut: false }
    }

    fn event(
        &mut self,
        again: bool,
        was: Was,
        (stream, sequence, event): (&StreamId, Sequence, NewEvent),
    ) -> Result<(), ToolError> {
        let mut known = self.stream(stream);
        if sequence == known.next && !again {
            self.report.streams += u64::from(!self.streams.contains_key(stream));
            known.next = sequence.plus(1);
            self.streams.insert(stream.clone(), known);
            self.report.kept += 1;
            self.new.push(stream, sequence, event);
            return Ok(());
        }
        let why = if again || sequence < known.next {
            Why::Again
        } else if self.streams.contains_key(stream) && known.next > Sequence::FIRST {
            Why::Gap
        } else {
            Why::Begin
        };
        if !known.cut && why != Why::Again {
            self.streams.insert(stream.clone(), Progressed { cut: true, ..known });
            self.note_gap(stream);
        }
        self.push_rest(why, was, (stream, sequence, &event))
    }

    /// A gap of a stream shows: it is told with the last place.
    fn note_gap(&mut self, stream: &StreamId) {
        let Some(place) = self.report.places.last_mut() else { return };
        if place.streams.len() < SALVAGE_STREAMS_MAX {
            place.streams.push(stream.clone());
        }
    }

    fn push_rest(
        &mut self,
        why: Why,
        was: Was,
        event: (&StreamId, Sequence, &NewEvent),
    ) -> Result<(), ToolError> {
        let path = self.rest.path.clone();
        self.rest.push(why, was, event).map_err(|source| ToolError::Io { path, source })
    }

    /// Does a truncation again, if what it truncates is there.
    fn truncation(&mut self, truncation: Truncation) -> Option<Truncation> {
        if self.stream(&truncation.stream).next < truncation.before {
            self.report.lost_truncations += 1;
            return None;
        }
        self.new.truncate(&truncation.stream, truncation.before);
        Some(truncation)
    }

    /// Deals with a part of a segment in which no whole block begins.
    fn damaged(
        &mut self,
        segment: u32,
        scanner: &mut Scanner,
        (offset, end): (u64, u64),
        more_follows: bool,
    ) -> io::Result<Result<(), ToolError>> {
        let first = scanner.first_not_zero(offset, end)?;
        let marked = self.mark.is_some_and(|mark| (segment, offset) < (mark.end.segment, mark.end.offset));
        let next = segment_head(self.disk, segment + 1).ok().and_then(Result::ok);
        let ended = next
            .map_or(!marked && first.is_none(), |(next, _)| next.previous_end <= offset && first.is_none());
        if ended && !more_follows {
            return Ok(Ok(()));
        }
        let (end, reason) = if more_follows {
            (end, "no whole block begins here, and one follows")
        } else {
            let end = scanner.end_of_content(offset, end)?.next_multiple_of(PAGE);
            let torn = next.is_none() && !marked;
            (end, if torn { "the remains of a write, or damage" } else { "no whole block begins here" })
        };
        let (file, bytes) = (segment_name(segment), end - offset);
        self.place(LostPlace { file, offset, bytes, reason: reason.into(), ..LostPlace::default() });
        self.records(scanner, (offset, end))
    }

    /// Looks for whole events in blocks that are not.
    fn records(
        &mut self,
        scanner: &mut Scanner,
        (mut offset, end): (u64, u64),
    ) -> io::Result<Result<(), ToolError>> {
        while offset < end {
            let place = scanner.place(offset);
            let page = scanner.read(offset, PAGE_BYTES)?;
            let length = page.get(BLOCK_HEAD_BYTES..).and_then(<[u8]>::first_chunk);
            let length = length.map_or(0, |length| u32::from_le_bytes(*length));
            let may_begin = (1..=BLOCK_BYTES_MAX as u32).contains(&length);
            let head = read_block_head((self.log, place), page).ok();
            if !may_begin && head.is_none() {
                offset += PAGE;
                continue;
            }
            let most = (end - offset).min(BLOCK_WRITE_MAX as u64) as usize;
            let bytes = scanner.read(offset, most)?;
            let (events, read) = whole_events(self.log, bytes, head.map(|(_, length)| length));
            for (n, (stream, sequence, event)) in events {
                let position = head.map(|(head, _)| Position(head.position + n));
                let was = Was { position, timestamp: head.map(|(head, _)| head.timestamp) };
                if let Some(place) = self.report.places.last_mut() {
                    place.whole_events += 1;
                }
                if let Err(error) = self.push_rest(Why::Block, was, (&stream, sequence, &event)) {
                    return Ok(Err(error));
                }
            }
            offset += (read as u64).next_multiple_of(PAGE).max(PAGE);
        }
        Ok(Ok(()))
    }
}

fn open_anchors(disk: &dyn Disk, log: LogId, mark: Option<Mark>, first: u32) -> Option<IndexFile> {
    let file = IndexFile::open(disk, &anchors_name(first), log, first).ok()?;
    let crc = file.check().ok()?;
    mark.is_none_or(|mark| mark.anchors == Some(crc)).then_some(file)
}

/// An event, and its number in its block.
type Numbered = (u64, (StreamId, Sequence, NewEvent));

/// The events of a damaged block that are whole by themselves, and how many bytes were read. A damaged one is passed
/// over if the length of all records is known.
fn whole_events(log: LogId, bytes: &[u8], length: Option<usize>) -> (Vec<Numbered>, usize) {
    let (mut at, mut number, mut events) = (BLOCK_HEAD_BYTES, 0, Vec::new());
    let end = length.map_or(bytes.len(), |length| (BLOCK_HEAD_BYTES + length).min(bytes.len()));
    while let Some(record) = bytes.get(at..end).filter(|record| !record.is_empty()) {
        let Some(long) = record.first_chunk().map(|long| u32::from_le_bytes(*long) as usize) else { break };
        match read_record(log, record).map(|body| Body::read(&Bytes::copy_from_slice(body))) {
            Ok(Ok(Body::Event(stream, sequence, event))) => {
                events.push((number, (stream, sequence, event)));
                number += 1;
            }
            Ok(_) => {}
            Err(_) if length.is_none() || at + RECORD_HEAD_BYTES + long > end || long == 0 => break,
            Err(_) => number += 1,
        }
        at += RECORD_HEAD_BYTES + long;
    }
    (events, at)
}

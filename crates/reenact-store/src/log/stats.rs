//! Counting what is in a log, from its indexes.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::LogPlace;
use super::format::{Body, StreamKey, read_record};
use super::index::{AnyIndex, Listed, Located, StreamHead};
use super::reader::recover_beside;
use super::recovery::Recovery;
use super::shared::{Shared, unavailable};
use super::survey::{Survey, ToolError};
use crate::disk::{Disk, RealDisk};
use crate::event::{Position, Sequence, StreamId, Timestamp};
use crate::limits::STATS_LARGEST_MAX;
use crate::store::ReadError;

/// What is in a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct LogStats {
    /// Whether it was closed cleanly.
    pub closed: bool,
    /// Where the remains of an interrupted write begin, or a write that is under way, and how many bytes they are.
    pub torn: Option<(LogPlace, u64)>,
    /// Where it ends.
    pub end: Option<LogPlace>,
    /// Events in its segments.
    pub events: u64,
    /// Those of them that were truncated, and are not read any more.
    pub truncated_events: u64,
    /// Streams of which events are in its segments.
    pub streams: u64,
    /// The position of the first event.
    pub first_position: Option<Position>,
    /// That of the last.
    pub last_position: Option<Position>,
    /// When the first event was committed.
    pub first_timestamp: Option<Timestamp>,
    /// When the log was last written to.
    pub last_timestamp: Option<Timestamp>,
    /// Segments that have been begun.
    pub segments: u64,
    /// Bytes of them that are written.
    pub written_bytes: u64,
    /// Bytes of files.
    pub bytes: FileBytes,
    /// The streams with the most events, at most ten.
    pub largest: Vec<StreamStats>,
}

/// Bytes of a log's files, by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileBytes {
    /// Segments that have been begun.
    pub segments: u64,
    /// Segments that were made ahead of need.
    pub prepared: u64,
    /// Indexes of full segments.
    pub indexes: u64,
    /// Runs of indexes.
    pub runs: u64,
    /// Where streams stood whose segments were given up.
    pub anchors: u64,
    /// The mark.
    pub mark: u64,
    /// What is none of the log's, or is left over from an interrupted write.
    pub other: u64,
}

/// A stream of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamStats {
    /// Which.
    pub stream: StreamId,
    /// Events of it in the log's segments.
    pub events: u64,
    /// The last of them.
    pub last: Sequence,
}

impl LogStats {
    /// Bytes written for each event, all overhead of segments included.
    pub fn bytes_per_event(&self) -> Option<f64> {
        (self.events > 0).then(|| self.written_bytes as f64 / self.events as f64)
    }
}

/// Counts what is in the log of a directory, from its indexes; where one is missing, its segment is read. Nothing is
/// changed, and somebody may write the log. It takes the memory of a table
/// with an entry for each stream, and the room that tables leave free.
///
/// # Errors
/// There is no log, it is damaged, or the system refuses; or segments are given up meanwhile.
pub fn stats(directory: impl AsRef<Path>) -> Result<LogStats, ToolError> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(directory.as_ref()));
    let Recovery { shared, tail, mark, torn, first_position, .. } = recover_beside(&disk)?;
    let begun = tail.offset > 0;
    let segments = mark.first..tail.segment + u32::from(begun);
    let mut stats = LogStats {
        closed: mark.closed,
        torn,
        end: Some(LogPlace { segment: tail.segment, offset: tail.offset }),
        events: tail.position - first_position,
        segments: segments.len() as u64,
        bytes: file_bytes(&*disk, segments.end)?,
        last_timestamp: begun.then_some(tail.timestamp),
        ..LogStats::default()
    };
    if stats.events > 0 {
        stats.first_position = Some(Position(first_position));
        stats.last_position = Some(Position(tail.position - 1));
    }
    let mut streams: HashMap<StreamKey, Counted> = HashMap::new();
    for segment in segments {
        stats.written_bytes += shared.with_index(segment, |index| Ok(index.end()))?;
        if stats.first_timestamp.is_none() {
            let first = first_event(&shared, segment)?;
            stats.first_timestamp = first.map(|located| located.timestamp);
        }
        count(&shared, segment, &mut streams)?;
    }
    stats.streams = streams.values().filter(|counted| counted.events > 0).count() as u64;
    stats.truncated_events = streams.values().map(Counted::truncated).sum();
    stats.largest = largest(&shared, streams)?;
    Ok(stats)
}

fn file_bytes(disk: &dyn Disk, begun: u32) -> Result<FileBytes, ToolError> {
    let survey = Survey::new(disk)?;
    let other = survey.temporary.values().chain(survey.foreign.values());
    Ok(FileBytes {
        segments: survey.segments.range(..begun).map(|(_, bytes)| bytes).sum(),
        prepared: survey.segments.range(begun..).map(|(_, bytes)| bytes).sum(),
        indexes: survey.indexes.values().sum(),
        runs: survey.runs.values().sum(),
        anchors: survey.anchors.values().sum(),
        mark: survey.mark_bytes.unwrap_or(0),
        other: other.sum(),
    })
}

/// A stream so far.
struct Counted {
    events: u64,
    head: StreamHead,
    /// A segment that has events of it.
    segment: u32,
}

impl Counted {
    fn truncated(&self) -> u64 {
        let first = self.head.sequence.0 + 1 - self.events;
        self.head.first.0.saturating_sub(first).min(self.events)
    }
}

/// Adds what a segment has of each stream.
fn count(shared: &Shared, segment: u32, streams: &mut HashMap<StreamKey, Counted>) -> Result<(), ReadError> {
    let all: Vec<(StreamKey, Listed)> = shared.with_index(segment, |index| match index {
        AnyIndex::Memory(index) => {
            let listed = |stream: &StreamId| {
                let listed = index.get(stream.as_str()).expect("it lists the streams whose heads it has");
                (shared.log.key(stream), listed)
            };
            Ok(index.heads().map(|(stream, _)| listed(stream)).collect())
        }
        AnyIndex::File(index) => {
            index.streams().map(|entry| entry.map(|(key, found)| (key, found.listed))).collect()
        }
    })?;
    for (key, listed) in all {
        let head = listed.head;
        let counted = streams.entry(key).or_insert(Counted { events: 0, head, segment });
        counted.events += u64::from(listed.count);
        counted.head = head;
        if listed.count > 0 {
            counted.segment = segment;
        }
    }
    Ok(())
}

fn first_event(shared: &Shared, segment: u32) -> Result<Option<Located>, ReadError> {
    shared.with_index(segment, |index| match index.extent() {
        (_, 0) => Ok(None),
        _ => Ok(index.locate(&[0])?.first().copied()),
    })
}

fn largest(shared: &Shared, streams: HashMap<StreamKey, Counted>) -> Result<Vec<StreamStats>, ReadError> {
    let mut sorted: Vec<_> = streams.into_iter().filter(|(_, counted)| counted.events > 0).collect();
    sorted.sort_unstable_by_key(|(key, counted)| (std::cmp::Reverse(counted.events), *key));
    sorted.truncate(STATS_LARGEST_MAX);
    let name = |(key, counted): &(StreamKey, Counted)| {
        let stream = name_of(shared, *key, counted.segment)?;
        Ok(StreamStats { stream, events: counted.events, last: counted.head.sequence })
    };
    sorted.iter().map(name).collect()
}

/// The name of a stream, of which indexes have only the key: one of its events has it.
fn name_of(shared: &Shared, key: StreamKey, segment: u32) -> Result<StreamId, ReadError> {
    let located = shared.with_index(segment, |index| match index {
        AnyIndex::Memory(index) => {
            let mut streams = index.heads().map(|(stream, _)| stream);
            let found = streams.find(|stream| shared.log.key(stream) == key);
            Ok(Err(found.cloned()))
        }
        AnyIndex::File(file) => {
            let found = file.find(key)?;
            let event = found.map(|found| file.events_of(found.list(), 0..1, &mut None)).transpose()?;
            Ok(Ok(AnyIndex::File(file).locate(&event.unwrap_or_default())?.first().copied()))
        }
    })?;
    let lost = || super::shared::damaged(0, "an index has lost a stream");
    let located = match located {
        Err(name) => return name.ok_or_else(lost),
        Ok(located) => located.ok_or_else(lost)?,
    };
    let mut bytes = vec![0; (located.end - located.offset) as usize];
    let read = shared.segment(segment)?.read_at(&mut bytes, u64::from(located.offset));
    read.map_err(|error| unavailable("a segment", &error))?;
    let at = |reason| super::shared::damaged(located.position, reason);
    let body = read_record(shared.log, &bytes).map_err(at)?;
    match Body::read(&Bytes::copy_from_slice(body)).map_err(at)? {
        Body::Event(stream, ..) => Ok(stream),
        Body::Truncation(_) => Err(lost()),
    }
}

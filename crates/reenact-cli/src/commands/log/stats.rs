//! `reenact log stats`: how much is in a log, and of what.

use reenact_store::log::{LogStats, stats};
use serde::Serialize;

use super::{Place, Source, count, describe_place, fault, number, table, time};
use crate::output::{Exit, Fault, Output};
use crate::progress::Progress;

/// Count what is in a log: events, streams, bytes, and the largest streams
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
}

#[derive(Serialize)]
struct Document {
    /// Where the log is that was read.
    directory: String,
    closed: bool,
    torn: Option<Place>,
    torn_bytes: u64,
    end: Option<Place>,
    events: u64,
    truncated_events: u64,
    streams: u64,
    first_position: Option<u64>,
    last_position: Option<u64>,
    first_timestamp: Option<String>,
    last_timestamp: Option<String>,
    segments: u64,
    written_bytes: u64,
    bytes_per_event: Option<f64>,
    bytes: Bytes,
    largest: Vec<StreamRow>,
}

#[derive(Serialize)]
struct Bytes {
    segments: u64,
    prepared: u64,
    indexes: u64,
    runs: u64,
    anchors: u64,
    mark: u64,
    other: u64,
}

#[derive(Serialize)]
struct StreamRow {
    stream: String,
    events: u64,
    last_sequence: u64,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let directory = args.source.log();
    let stats = {
        let _progress = Progress::spinner("counting");
        stats(&directory).map_err(fault)?
    };
    let directory = directory.display().to_string();
    output.result("log-stats", &describe(&stats, &directory), &document(&stats, directory));
    Ok(Exit::Fine)
}

fn document(stats: &LogStats, directory: String) -> Document {
    let bytes = &stats.bytes;
    Document {
        directory,
        closed: stats.closed,
        torn: stats.torn.map(|(place, _)| place.into()),
        torn_bytes: stats.torn.map_or(0, |(_, bytes)| bytes),
        end: stats.end.map(Place::from),
        events: stats.events,
        truncated_events: stats.truncated_events,
        streams: stats.streams,
        first_position: number(stats.first_position),
        last_position: number(stats.last_position),
        first_timestamp: stats.first_timestamp.map(time),
        last_timestamp: stats.last_timestamp.map(time),
        segments: stats.segments,
        written_bytes: stats.written_bytes,
        bytes_per_event: stats.bytes_per_event(),
        bytes: Bytes {
            segments: bytes.segments,
            prepared: bytes.prepared,
            indexes: bytes.indexes,
            runs: bytes.runs,
            anchors: bytes.anchors,
            mark: bytes.mark,
            other: bytes.other,
        },
        largest: stats.largest.iter().map(row).collect(),
    }
}

fn row(stream: &reenact_store::log::StreamStats) -> StreamRow {
    StreamRow { stream: stream.stream.to_string(), events: stream.events, last_sequence: stream.last.0 }
}

fn describe(stats: &LogStats, directory: &str) -> String {
    let bytes = &stats.bytes;
    let span = |first: Option<String>, last: Option<String>| match (first, last) {
        (Some(first), Some(last)) => format!("{first} to {last}"),
        _ => "none".into(),
    };
    let position = |position: Option<reenact_store::Position>| position.map(|position| position.to_string());
    let each = stats.bytes_per_event().map_or(String::new(), |each| format!(", {each:.1} an event"));
    let torn =
        stats.torn.map_or(String::new(), |(_, bytes)| format!("; {} after it", count(bytes, "torn byte")));
    let closed = if stats.closed { "closed cleanly" } else { "not closed" };
    let rows = [
        ("log", directory.to_owned()),
        ("events", format!("{}, {} of them truncated", stats.events, stats.truncated_events)),
        ("streams", stats.streams.to_string()),
        ("positions", span(position(stats.first_position), position(stats.last_position))),
        ("time", span(stats.first_timestamp.map(time), stats.last_timestamp.map(time))),
        ("segments", format!("{}, {} written{each}", stats.segments, count(stats.written_bytes, "byte"))),
        ("end", format!("{}, {closed}{torn}", describe_place(stats.end))),
        (
            "bytes of files",
            format!(
                "{} segments, {} prepared, {} indexes, {} runs, {} anchors, {} mark, {} other",
                bytes.segments,
                bytes.prepared,
                bytes.indexes,
                bytes.runs,
                bytes.anchors,
                bytes.mark,
                bytes.other
            ),
        ),
    ];
    let largest = stats.largest.iter().map(|stream| format!("\n{:>15} {}", stream.events, stream.stream));
    format!("{}{}", table(&rows), largest.collect::<String>())
}

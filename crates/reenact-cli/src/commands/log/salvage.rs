//! `reenact log salvage`: a new log out of what is whole in a damaged one.

use std::path::PathBuf;

use reenact_store::log::{LostPlace, SalvageReport, salvage};
use serde::Serialize;

use super::{Source, count, fault, table};
use crate::output::{Exit, Fault, Output};
use crate::progress::Progress;

/// Make a new log out of what is whole in a damaged one, which is left as it is; ends with 1 if anything is missing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The directory of the new log, which is made, or is empty
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

#[derive(Serialize)]
struct Document {
    kept: u64,
    rest: u64,
    lost: u64,
    streams: u64,
    cut_streams: u64,
    lost_truncations: u64,
    places: Vec<PlaceRow>,
    more_places: u64,
    rest_file: Option<String>,
    seconds: f64,
}

#[derive(Serialize)]
struct PlaceRow {
    file: String,
    offset: u64,
    bytes: u64,
    reason: String,
    first_position: Option<u64>,
    last_position: Option<u64>,
    whole_events: u64,
    streams: Vec<String>,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let report = {
        let progress = Progress::bytes("salvaging");
        let tell =
            &mut |now: reenact_store::log::ToolProgress| progress.at_bytes(now.done_bytes, now.all_bytes);
        salvage(args.source.log(), &args.destination, tell).map_err(fault)?
    };
    let text = describe(&report);
    let missing = report.rest + report.lost + report.lost_truncations + report.places.len() as u64;
    output.result("log-salvage", &text, &document(report));
    Ok(if missing == 0 { Exit::Fine } else { Exit::Diverged })
}

fn document(report: SalvageReport) -> Document {
    Document {
        kept: report.kept,
        rest: report.rest,
        lost: report.lost,
        streams: report.streams,
        cut_streams: report.cut_streams,
        lost_truncations: report.lost_truncations,
        places: report.places.into_iter().map(row).collect(),
        more_places: report.more_places,
        rest_file: report.rest_file.map(|file| file.display().to_string()),
        seconds: report.elapsed.as_secs_f64(),
    }
}

fn row(place: LostPlace) -> PlaceRow {
    PlaceRow {
        file: place.file,
        offset: place.offset,
        bytes: place.bytes,
        reason: place.reason,
        first_position: place.positions.map(|(first, _)| first.0),
        last_position: place.positions.map(|(_, last)| last.0),
        whole_events: place.whole_events,
        streams: place.streams.iter().map(ToString::to_string).collect(),
    }
}

fn describe(report: &SalvageReport) -> String {
    let rest = report.rest_file.as_ref().map_or(String::new(), |file| format!(", in {}", file.display()));
    let rows = [
        ("kept", format!("{} of {}", count(report.kept, "event"), count(report.streams, "stream"))),
        ("rest", format!("{}, behind a gap or out of a damaged block{rest}", count(report.rest, "event"))),
        (
            "lost",
            format!("{}; {} with a gap", count(report.lost, "event"), count(report.cut_streams, "stream")),
        ),
        ("truncations", format!("{} could not be done again", report.lost_truncations)),
    ];
    let places = report.places.iter().map(describe_place).collect::<String>();
    let more = (report.more_places > 0).then(|| format!("\nand {}", count(report.more_places, "more place")));
    format!("{}{places}{}", table(&rows), more.unwrap_or_default())
}

fn describe_place(place: &LostPlace) -> String {
    let positions = place.positions.map(|(first, last)| format!("; positions {first} to {last}"));
    let whole =
        (place.whole_events > 0).then(|| format!("; {} in it", count(place.whole_events, "whole event")));
    let streams: Vec<_> = place.streams.iter().map(ToString::to_string).collect();
    let gaps = (!streams.is_empty()).then(|| format!("; gaps in {}", streams.join(" ")));
    format!(
        "\n{} at byte {}, {}: {}{}{}{}",
        place.file,
        place.offset,
        count(place.bytes, "byte"),
        place.reason,
        positions.unwrap_or_default(),
        whole.unwrap_or_default(),
        gaps.unwrap_or_default()
    )
}

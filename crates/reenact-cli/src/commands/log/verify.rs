//! `reenact log verify`: is everything in a log what was written?

use reenact_store::log::{Damage, Nature, VerifyReport, verify};
use serde::Serialize;

use super::{Place, Source, count, describe_place, fault, number, table};
use crate::output::{Exit, Fault, Output};
use crate::progress::Progress;

/// Read all of a log and say what is wrong with it; nothing is changed, and a server may be writing
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
}

#[derive(Serialize)]
struct Document {
    verdict: &'static str,
    /// Where the log is that was read.
    directory: String,
    closed: bool,
    written_meanwhile: bool,
    events: u64,
    blocks: u64,
    segments: u64,
    indexes: u64,
    runs: u64,
    unchecked: u64,
    end: Option<Place>,
    torn: Option<Place>,
    torn_bytes: u64,
    damages: Vec<DamageRow>,
    more_damages: u64,
    left_over: Vec<String>,
    foreign: Vec<String>,
    bytes: u64,
    seconds: f64,
}

#[derive(Serialize)]
struct DamageRow {
    file: String,
    offset: u64,
    position: Option<u64>,
    stream: Option<String>,
    reason: String,
    /// "evidence" is lost; "derived" is made again.
    nature: &'static str,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let directory = args.source.log();
    let report = {
        let progress = Progress::bytes("verifying");
        verify(&directory, &mut |now| progress.at_bytes(now.done_bytes, now.all_bytes)).map_err(fault)?
    };
    let directory = directory.display().to_string();
    let text = describe(&report, &directory);
    let exit = if report.is_whole() { Exit::Fine } else { Exit::Diverged };
    output.result("log-verify", &text, &document(report, directory));
    Ok(exit)
}

fn verdict(report: &VerifyReport) -> &'static str {
    match (report.is_whole(), report.has_lost_evidence()) {
        (true, _) => "whole",
        (false, false) => "derived files damaged",
        (false, true) => "damaged",
    }
}

fn document(report: VerifyReport, directory: String) -> Document {
    Document {
        verdict: verdict(&report),
        directory,
        closed: report.closed,
        written_meanwhile: report.written,
        events: report.events,
        blocks: report.blocks,
        segments: report.segments,
        indexes: report.indexes,
        runs: report.runs,
        unchecked: report.unchecked,
        end: report.end.map(Place::from),
        torn: report.torn.map(|(place, _)| place.into()),
        torn_bytes: report.torn.map_or(0, |(_, bytes)| bytes),
        damages: report.damages.into_iter().map(row).collect(),
        more_damages: report.more_damages,
        left_over: report.left_over,
        foreign: report.foreign,
        bytes: report.bytes,
        seconds: report.elapsed.as_secs_f64(),
    }
}

fn row(damage: Damage) -> DamageRow {
    DamageRow {
        file: damage.file,
        offset: damage.offset,
        position: number(damage.position),
        stream: damage.stream.map(|stream| stream.to_string()),
        reason: damage.reason,
        nature: match damage.nature {
            Nature::Evidence => "evidence",
            Nature::Derived => "derived",
        },
    }
}

fn describe(report: &VerifyReport, directory: &str) -> String {
    let seconds = report.elapsed.as_secs_f64();
    let rate = report.bytes as f64 / 1e6 / seconds.max(1e-9);
    let (blocks, segments) = (count(report.blocks, "block"), count(report.segments, "segment"));
    let (indexes, runs) = (count(report.indexes, "index"), count(report.runs, "run"));
    let mut rows = vec![
        ("verdict", verdict(report).to_owned()),
        ("log", directory.to_owned()),
        ("events", format!("{} in {blocks} of {segments}", report.events)),
        ("derived", format!("{indexes} and {runs} are right")),
        ("end", format!("{}, {}", describe_place(report.end), describe_end(report))),
        ("read", format!("{:.1} MB in {seconds:.2} s, {rate:.0} MB/s", report.bytes as f64 / 1e6)),
    ];
    if report.unchecked > 0 {
        rows.push(("unchecked", format!("{}, resting on what is damaged", count(report.unchecked, "file"))));
    }
    if !report.left_over.is_empty() {
        rows.push(("left over", report.left_over.join(" ")));
    }
    if !report.foreign.is_empty() {
        rows.push(("not the log's", report.foreign.join(" ")));
    }
    let damages = report.damages.iter().map(describe_damage);
    let more =
        (report.more_damages > 0).then(|| format!("\nand {}", count(report.more_damages, "more damage")));
    format!("{}{}{}", table(&rows), damages.collect::<String>(), more.unwrap_or_default())
}

fn describe_end(report: &VerifyReport) -> String {
    match (report.closed, report.written, report.torn) {
        (_, true, _) => "while somebody writes on".into(),
        (true, ..) => "closed cleanly".into(),
        (false, _, Some((_, bytes))) => {
            format!("not closed; an interrupted write has left {}", count(bytes, "byte"))
        }
        (false, _, None) => "not closed".into(),
    }
}

fn describe_damage(damage: &Damage) -> String {
    let position = damage.position.map_or(String::new(), |position| format!(", position {position}"));
    let stream = damage.stream.as_ref().map_or(String::new(), |stream| format!(", stream {stream}"));
    let nature = match damage.nature {
        Nature::Evidence => "",
        Nature::Derived => "; it will be made again",
    };
    format!("\n{} at byte {}{position}{stream}: {}{nature}", damage.file, damage.offset, damage.reason)
}

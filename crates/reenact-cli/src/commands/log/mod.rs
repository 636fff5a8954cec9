//! `reenact log`: look after the event log in a directory.

mod backup;
mod salvage;
mod stats;
mod tail;
mod verify;

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use clap::Subcommand;
use reenact_store::log::{LogPlace, OpenError, ToolError};
use reenact_store::{Position, ReadError, Timestamp};
use serde::Serialize;

use crate::output::{Exit, Fault, Output};

/// Look after an event log: verify, count, back up, follow, or salvage it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Verify(verify::Args),
    Stats(stats::Args),
    Salvage(salvage::Args),
    Backup(backup::Args),
    Tail(tail::Args),
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    match &args.command {
        Command::Verify(args) => verify::run(args, output),
        Command::Stats(args) => stats::run(args, output),
        Command::Salvage(args) => salvage::run(args, output),
        Command::Backup(args) => backup::run(args, output),
        Command::Tail(args) => tail::run(args, output),
    }
}

/// The directory of the log: the one that is named, or `log` in a server's data directory.
#[derive(Debug, clap::Args)]
struct Source {
    /// The log's directory, or a server's data directory
    #[arg(value_name = "DIR")]
    directory: PathBuf,
}

impl Source {
    fn log(&self) -> PathBuf {
        let inside = self.directory.join("log");
        if inside.is_dir() && !is_log(&self.directory) { inside } else { self.directory.clone() }
    }
}

/// A damaged log may have lost its mark, and still be the one that is meant.
fn is_log(directory: &Path) -> bool {
    let names = std::fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path());
    let is_segment = |path: PathBuf| path.extension().is_some_and(|extension| extension == "segment");
    directory.join("mark").exists() || names.into_iter().any(is_segment)
}

/// Something at the destination is wrong usage, and damage is what it is; anything else is in the way of saying
/// anything.
fn fault(error: ToolError) -> Fault {
    match error {
        ToolError::NotEmpty { .. } => Fault::usage(error),
        ToolError::Open(OpenError::Damaged { .. } | OpenError::Read(ReadError::Damaged { .. }))
        | ToolError::Read(ReadError::Damaged { .. }) => Fault::damage(error),
        error => error.into(),
    }
}

/// A place in the segments of a log.
#[derive(Serialize)]
struct Place {
    segment: u32,
    offset: u64,
}

impl From<LogPlace> for Place {
    fn from(LogPlace { segment, offset }: LogPlace) -> Self {
        Self { segment, offset }
    }
}

fn describe_place(place: Option<LogPlace>) -> String {
    place.map_or("nowhere".into(), |place| format!("byte {} of segment {}", place.offset, place.segment))
}

fn number(position: Option<Position>) -> Option<u64> {
    position.map(|position| position.0)
}

/// A time as people and programs read it.
fn time(timestamp: Timestamp) -> String {
    humantime::format_rfc3339_nanos(UNIX_EPOCH + Duration::from_nanos(timestamp.0)).to_string()
}

/// How many there are of something: `1 event`, `2 events`.
fn count(number: u64, of: &str) -> String {
    let end = match (number, of.ends_with('x')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{number} {of}{end}")
}

/// Names and their values, one a line.
fn table(rows: &[(&str, String)]) -> String {
    let lines: Vec<_> = rows.iter().map(|(name, value)| format!("{name:<15} {value}")).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::count;

    #[test]
    fn numbers_of_things_are_written_as_they_are_said() {
        let check = |number, of, expect: &str| assert_eq!(count(number, of), expect);
        check(0, "event", "0 events");
        check(1, "event", "1 event");
        check(1, "index", "1 index");
        check(2, "index", "2 indexes");
    }
}

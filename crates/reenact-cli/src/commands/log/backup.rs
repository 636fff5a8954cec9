//! `reenact log backup`: copy a log, whether somebody writes it or not.

use std::path::PathBuf;

use reenact_store::log::backup;
use serde::Serialize;

use super::{Place, Source, count, fault};
use crate::output::{Exit, Fault, Output};
use crate::progress::Progress;

/// Copy a log while it is written; full segments are hard-linked where that is possible. Of a server's data only the
/// log is copied, not its modules; whether the copy is whole, `verify` tells
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    source: Source,
    /// The directory of the copy, which is made, or is empty
    #[arg(value_name = "DEST")]
    destination: PathBuf,
}

#[derive(Serialize)]
struct Document {
    destination: String,
    next_position: u64,
    end: Place,
    segments: u64,
    linked_bytes: u64,
    copied_bytes: u64,
    tries: u32,
    seconds: f64,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let report = {
        let progress = Progress::bytes("backing up");
        let tell =
            &mut |now: reenact_store::log::ToolProgress| progress.at_bytes(now.done_bytes, now.all_bytes);
        backup(args.source.log(), &args.destination, tell).map_err(fault)?
    };
    let document = Document {
        destination: args.destination.display().to_string(),
        next_position: report.next_position.0,
        end: report.end.into(),
        segments: report.segments,
        linked_bytes: report.linked_bytes,
        copied_bytes: report.copied_bytes,
        tries: report.tries,
        seconds: report.elapsed.as_secs_f64(),
    };
    let text = format!(
        "{} holds all events before position {}: {}, {} linked and {} copied, in {:.2} s",
        document.destination,
        document.next_position,
        count(document.segments, "segment"),
        count(document.linked_bytes, "byte"),
        document.copied_bytes,
        document.seconds
    );
    output.result("log-backup", &text, &document);
    Ok(Exit::Fine)
}

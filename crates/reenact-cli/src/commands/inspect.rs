//! `reenact inspect`: what is in a replay file, without running it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use reenact::Replay;
use reenact::input::{Column, ColumnKind};
use reenact::session::{EndReason, SessionEnded, SimulationId};
use serde::Serialize;

use crate::open;
use crate::output::{Exit, Fault, Output};

/// Show what is in a replay file, without running it
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The replay file
    file: PathBuf,
}

#[derive(Serialize)]
struct Document {
    format: u32,
    game: String,
    simulation: String,
    module: Option<String>,
    module_travels: bool,
    seed: u64,
    config_bytes: usize,
    disk_bytes: usize,
    ticks_a_second: f64,
    participants: usize,
    columns: Vec<String>,
    ticks: u32,
    seconds: f64,
    end: String,
    input_rows: usize,
    hashes: usize,
    hash_every: u32,
    keyframes: usize,
    keyframe_bytes: usize,
    /// How many marks there are of each kind.
    marks: BTreeMap<u32, usize>,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let replay = open::replay(&args.file)?;
    let document = document(&replay);
    output.result("inspect", &describe(&document), &document);
    Ok(Exit::Fine)
}

fn document(replay: &Replay) -> Document {
    let started = &replay.started;
    let (simulation, module) = match &started.simulation {
        SimulationId::Wasm(id) => {
            let text = format!("{} module, rewriter {}", id.console.name(), id.rewriter_version);
            (text, Some(id.module.to_string()))
        }
        SimulationId::Native { name, build } => (format!("native {name} {build}"), None),
    };
    let mut marks = BTreeMap::new();
    for (_, mark) in &replay.marks {
        *marks.entry(mark.kind).or_default() += 1;
    }
    let ticks = replay.last_tick().0;
    Document {
        format: reenact::format::FORMAT_VERSION,
        game: started.game.clone(),
        simulation,
        module,
        module_travels: replay.module.is_some(),
        seed: started.seed,
        config_bytes: started.config.len(),
        disk_bytes: started.disk.len(),
        ticks_a_second: started.rate.per_second(),
        participants: started.schema.participants(),
        columns: started.schema.columns().iter().map(describe_column).collect(),
        ticks,
        seconds: f64::from(ticks) / started.rate.per_second(),
        end: describe_end(&replay.ended),
        input_rows: replay.inputs.rows(),
        hashes: replay.hashes.len(),
        hash_every: started.hash_every,
        keyframes: replay.keyframes.len(),
        keyframe_bytes: replay.keyframes.iter().map(reenact::Keyframe::compressed_bytes).sum(),
        marks,
    }
}

fn describe_column(column: &Column) -> String {
    let bits = column.width.bits();
    match &column.kind {
        ColumnKind::Buttons(names) => format!("{} buttons {bits} {}", column.name, names.join(",")),
        ColumnKind::Axis => format!("{} axis {bits}", column.name),
    }
}

/// How a session ended, in words.
pub(crate) fn describe_end(ended: &SessionEnded) -> String {
    match &ended.reason {
        EndReason::Stopped => "stopped by whoever recorded it".into(),
        EndReason::Over => "the game was over".into(),
        EndReason::Truncated => "truncated: the recorder's buffer was full".into(),
        EndReason::Failed(failure) => format!("the game failed at tick {}: {failure}", ended.last_tick),
    }
}

fn describe(document: &Document) -> String {
    let module = document.module.as_deref().unwrap_or("none");
    let travels = if document.module_travels { "in the file" } else { "not in the file" };
    let marks: Vec<String> =
        document.marks.iter().map(|(kind, count)| format!("{count} of kind {kind}")).collect();
    let rows = [
        ("format", format!("version {}", document.format)),
        ("game", document.game.clone()),
        ("simulation", document.simulation.clone()),
        ("module", format!("{module} ({travels})")),
        ("seed", document.seed.to_string()),
        ("config, disk", format!("{} and {} bytes", document.config_bytes, document.disk_bytes)),
        ("participants", document.participants.to_string()),
        ("columns", document.columns.join("; ")),
        (
            "length",
            format!("{} ticks, {:.1} s at {} Hz", document.ticks, document.seconds, document.ticks_a_second),
        ),
        ("end", document.end.clone()),
        ("input rows", document.input_rows.to_string()),
        ("hashes", format!("{}, one each {} ticks", document.hashes, document.hash_every)),
        ("keyframes", format!("{}, {} bytes", document.keyframes, document.keyframe_bytes)),
        ("marks", if marks.is_empty() { "none".into() } else { marks.join(", ") }),
    ];
    rows.map(|(name, value)| format!("{name:<13} {value}")).join("\n")
}

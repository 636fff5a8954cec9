//! `reenact seek`: the state at one tick.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, anyhow};
use reenact::{Player, SeekError, Simulation, Tick, Viewer};
use reenact_wasm::WasmSimulation;
use serde::Serialize;

use crate::open;
use crate::output::{Exit, Fault, Output};
use crate::picture::write_png;
use crate::progress::Progress;

/// Show the state at one tick: its hash, the named fields, a picture
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The replay file
    file: PathBuf,
    /// Which tick
    #[arg(long, value_name = "T")]
    tick: u32,
    /// Draw it into this PNG file
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Draw what this participant sees, counted from 0
    #[arg(long, value_name = "P", requires = "png")]
    viewer: Option<usize>,
    /// The module, where it does not travel with the replay
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document {
    tick: u32,
    state_hash: String,
    milliseconds: f64,
    fields: Vec<(String, Vec<String>)>,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let mut player = open::player(&args.file, args.module.as_ref())?;
    let begin = Instant::now();
    seek(&mut player, Tick(args.tick))?;
    let milliseconds = begin.elapsed().as_secs_f64() * 1e3;
    let viewer = viewer(args.viewer, &player)?;
    let simulation = player.simulation();
    let state_hash = simulation.state_hash().to_string();
    let fields = simulation
        .fields()
        .into_iter()
        .map(|field| (field.name, field.values.iter().map(ToString::to_string).collect()));
    let fields: Vec<(String, Vec<String>)> = fields.collect();
    if let Some(path) = &args.png {
        let picture = simulation.view(viewer).context("draw the picture")?;
        write_png(&picture.ok_or_else(|| anyhow!("the game draws no pictures"))?, path)?;
    }
    let lines = fields.iter().map(|(name, values)| format!("\n{name} {}", values.join(" ")));
    let text = format!("tick {}\nstate hash {state_hash}{}", args.tick, lines.collect::<String>());
    let document = Document { tick: args.tick, state_hash, milliseconds, fields };
    output.result("seek", &text, &document);
    Ok(Exit::Fine)
}

/// Goes to a tick; one that there is not is wrong usage.
pub(crate) fn seek(player: &mut Player<WasmSimulation>, tick: Tick) -> Result<(), Fault> {
    let _spinner = Progress::spinner("seeking");
    player.seek(tick).map_err(|error| match error {
        SeekError::PastEnd { .. } => Fault::usage(error),
        other => anyhow::Error::from(other).into(),
    })
}

/// Through whose eyes to look.
pub(crate) fn viewer(participant: Option<usize>, player: &Player<WasmSimulation>) -> Result<Viewer, Fault> {
    let Some(participant) = participant else { return Ok(Viewer::Spectator) };
    let participants = player.replay().started.schema.participants();
    if participant < participants {
        Ok(Viewer::Participant(participant))
    } else {
        Err(Fault::usage(anyhow!("participant {participant} in a session of {participants}, counted from 0")))
    }
}

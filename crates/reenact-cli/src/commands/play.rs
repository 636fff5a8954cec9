//! `reenact play`: the pictures of a span of ticks.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, anyhow};
use reenact::{Simulation, Tick};
use serde::Serialize;

use crate::commands::seek::{seek, viewer};
use crate::open;
use crate::output::{Exit, Fault, Output};
use crate::picture::write_png;
use crate::progress::Progress;

/// Play a replay into pictures
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The replay file
    file: PathBuf,
    /// Write a PNG file a tick into this folder, named by the tick
    #[arg(long, value_name = "DIR")]
    frames: PathBuf,
    /// The first tick
    #[arg(long, value_name = "T", default_value_t = 0)]
    from: u32,
    /// The last tick; the end of the replay unless given
    #[arg(long, value_name = "T")]
    to: Option<u32>,
    /// Draw each so many ticks only
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    every: u32,
    /// Draw what this participant sees, counted from 0
    #[arg(long, value_name = "P")]
    viewer: Option<usize>,
    /// The module, where it does not travel with the replay
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document {
    frames: String,
    from: u32,
    to: u32,
    pictures: u32,
    state_hash: String,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let mut player = open::player(&args.file, args.module.as_ref())?;
    let last = player.replay().last_tick();
    let to = args.to.unwrap_or(last.0);
    if args.from > to || to > last.0 {
        let span = format!("from {} to {to}", args.from);
        return Err(Fault::usage(anyhow!("there is no span {span} in a replay of {last} ticks")));
    }
    let viewer = viewer(args.viewer, &player)?;
    seek(&mut player, Tick(args.from))?;
    fs::create_dir_all(&args.frames).with_context(|| format!("create {}", args.frames.display()))?;
    let progress = Progress::new("drawing", Tick(to - args.from));
    let mut pictures = 0;
    loop {
        let tick = player.playhead();
        if (tick.0 - args.from).is_multiple_of(args.every) {
            let picture = player.simulation().view(viewer).context("draw the picture")?;
            let picture = picture.ok_or_else(|| anyhow!("the game draws no pictures"))?;
            write_png(&picture, &args.frames.join(format!("{:010}.png", tick.0)))?;
            pictures += 1;
        }
        progress.at(Tick(tick.0 - args.from));
        if tick.0 == to {
            break;
        }
        player.step().map_err(anyhow::Error::from)?;
    }
    drop(progress);
    let state_hash = player.simulation().state_hash().to_string();
    let text =
        format!("{pictures} pictures in {}\nstate hash at tick {to} {state_hash}", args.frames.display());
    let document =
        Document { frames: args.frames.display().to_string(), from: args.from, to, pictures, state_hash };
    output.result("play", &text, &document);
    Ok(Exit::Fine)
}

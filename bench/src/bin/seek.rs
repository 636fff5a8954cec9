//! Random seeks in a long session, against playing from its beginning.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::ProgressBar;
use reenact::bot::Random;
use reenact::recording::KEYFRAME_EVERY_DEFAULT;
use reenact::session::{HASH_EVERY_DEFAULT, Limits};
use reenact::{Player, Replay, Simulation, StateHash, Tick};
use reenact_bench::clock::time;
use reenact_bench::play::{Bots, Plan, record, sample_game};
use reenact_bench::report::{Better, Row, short, table, write_json};
use reenact_bench::stats::percentile;
use reenact_wasm::{Engine, Module, WasmSimulation};
use serde_json::Map;

const SEED: u64 = 7;
/// Ticks between two decisions of a bot: twenty a second, more often than people change what they do.
const BOTS_EVERY: u32 = 3;
const TICKS_PER_MINUTE: u32 = 3_600;
const SEEKS: usize = 500;
/// Seeks without keyframes: each takes as long as half the session does to re-simulate.
const SEEKS_LINEAR: usize = 5;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Ten minutes instead of an hour
    #[arg(long)]
    quick: bool,
    /// Write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// A session, and what its states at the targets of the seeks must be.
struct Session {
    name: &'static str,
    minutes: u32,
    module: Module,
    replay: Arc<Replay>,
    file_bytes: usize,
    targets: Vec<Tick>,
    expected: BTreeMap<Tick, StateHash>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let (name, minutes) = if args.quick { ("arena-10-minutes", 10) } else { ("arena-hour", 60) };
    println!(
        "seek: {SEEKS} random ticks of {minutes} minutes of arena ({} ticks, four bots at seed {SEED}), a keyframe \
         each {KEYFRAME_EVERY_DEFAULT} ticks; every state is compared with that of linear play. \
         `warm` is one player that seeks again and again, `cold` a fresh player for each seek, `linear` a fresh \
         player without keyframes ({SEEKS_LINEAR} seeks).",
        minutes * TICKS_PER_MINUTE
    );
    let session = Session::record(name, minutes)?;
    let mut without = (*session.replay).clone();
    without.keyframes.clear();
    let cold = session.seek_cold(&session.replay, SEEKS)?;
    let warm = session.seek_warm()?;
    let linear = session.seek_cold(&Arc::new(without), SEEKS_LINEAR)?;
    let mut rows = Vec::new();
    for (subject, case, millis) in
        [("reenact", "", &warm), ("reenact", "-cold", &cold), ("linear", "-cold", &linear)]
    {
        for percent in [50.0, 99.0, 100.0] {
            let what = if percent < 100.0 { format!("p{percent}") } else { "max".to_owned() };
            let case = format!("{name}{case}-{what}");
            rows.push(row(case, subject, percentile(millis, percent), "ms"));
        }
    }
    let megabytes_per_hour = session.file_bytes as f64 / 1e6 * 60.0 / f64::from(minutes);
    rows.push(row(format!("{name}-size"), "reenact", megabytes_per_hour, "MB an hour"));
    print!("{}", render(&[("warm", &warm), ("cold", &cold), ("linear", &linear)]));
    println!("{} bytes in the file, {} MB an hour", session.file_bytes, short(megabytes_per_hour));
    args.json.map_or(Ok(()), |path| write_json(&path, &rows))
}

impl Session {
    fn record(name: &'static str, minutes: u32) -> Result<Self> {
        let wasm = sample_game("arena")?;
        let module = Module::admit(&Engine::new()?, &wasm, Limits::default())?;
        let ticks = minutes * TICKS_PER_MINUTE;
        let mut random = Random::new(SEED);
        let targets: Vec<_> = (0..SEEKS).map(|_| Tick(random.below(u64::from(ticks) + 1) as u32)).collect();
        let mut expected: BTreeMap<_, _> = targets.iter().map(|tick| (*tick, None)).collect();
        let mut bots = Bots::new(&module, BOTS_EVERY);
        let progress = ProgressBar::new(ticks.into());
        let plan = Plan {
            seed: SEED,
            ticks,
            hash_every: HASH_EVERY_DEFAULT,
            keyframe_every: KEYFRAME_EVERY_DEFAULT,
        };
        let recorded = record(&module, &wasm, plan, |tick, simulation| {
            progress.set_position(tick.0.into());
            if let Some(hash) = expected.get_mut(&tick) {
                *hash = Some(simulation.state_hash());
            }
            bots.play(&module, tick, simulation)
        })?;
        progress.finish_and_clear();
        anyhow::ensure!(recorded.last_tick == Tick(ticks), "the session ended early: {:?}", recorded.end);
        let expected = expected.into_iter().filter_map(|(tick, hash)| Some((tick, hash?))).collect();
        let replay = Arc::new(Replay::decode(&recorded.file)?);
        Ok(Self { name, minutes, module, replay, file_bytes: recorded.file.len(), targets, expected })
    }

    /// Milliseconds of each seek of one player.
    fn seek_warm(&self) -> Result<Vec<f64>> {
        let mut player = self.player(&self.replay)?;
        self.targets.iter().map(|tick| self.seek(&mut player, *tick)).collect()
    }

    /// Milliseconds of seeks in `replay`, each of a fresh player.
    fn seek_cold(&self, replay: &Arc<Replay>, count: usize) -> Result<Vec<f64>> {
        let targets = self.targets.iter().take(count);
        targets.map(|tick| self.seek(&mut self.player(replay)?, *tick)).collect()
    }

    fn player(&self, replay: &Arc<Replay>) -> Result<Player<WasmSimulation>> {
        Ok(Player::new(self.module.simulation_of(&replay.started)?, Arc::clone(replay)))
    }

    fn seek(&self, player: &mut Player<WasmSimulation>, tick: Tick) -> Result<f64> {
        let (sought, span) = time(|| player.seek(tick));
        sought?;
        let expected = self.expected.get(&tick).context("a target that was not hashed")?;
        anyhow::ensure!(
            player.simulation().state_hash() == *expected,
            "{} of {} minutes: the state at tick {tick} is not that of linear play",
            self.name,
            self.minutes
        );
        Ok(span.wall_seconds * 1_000.0)
    }
}

fn row(case: String, subject: &str, value: f64, unit: &'static str) -> Row {
    Row {
        bench: "seek",
        case,
        subject: subject.to_owned(),
        value,
        unit,
        better: Better::Lower,
        extra: Map::new(),
    }
}

fn render(subjects: &[(&str, &Vec<f64>)]) -> String {
    let rows: Vec<_> = subjects
        .iter()
        .map(|(name, millis)| {
            let at = |percent| short(percentile(millis, percent));
            vec![(*name).to_owned(), millis.len().to_string(), at(50.0), at(99.0), at(100.0)]
        })
        .collect();
    table(&["player", "seeks", "p50 ms", "p99 ms", "max ms"], &rows)
}

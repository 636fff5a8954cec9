//! How fast sessions are re-simulated, against an interpreter and against the engine alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::ProgressBar;
use reenact::session::{HASH_EVERY_DEFAULT, Limits};
use reenact::{Replay, Simulation, Tick, Verdict, Verifier};
use reenact_bench::carts::{Cart, in_folder};
use reenact_bench::clock::time;
use reenact_bench::pads::People;
use reenact_bench::plain::Plain;
use reenact_bench::play::{Bots, End, Plan, Recorded, record, sample_game};
use reenact_bench::report::{Better, Row, short, table, write_json};
use reenact_bench::stats::{median, percentile};
use reenact_wasm::{Engine, Module};
use serde_json::Map;

const SEED: u64 = 7;
/// Ticks of a sample game: a minute.
const TICKS: u32 = 3_600;
const RATE: f64 = 60.0;
/// Bytes of a saved state before its memory; see `docs/spec/state.md`.
const STATE_HEAD_BYTES: usize = 8;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Fewer runs, and fewer ticks of carts
    #[arg(long)]
    quick: bool,
    /// Write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder of WASM-4 carts to measure too
    #[arg(long)]
    carts: Option<PathBuf>,
}

/// Times real time by case, then by subject.
type Results = BTreeMap<&'static str, BTreeMap<&'static str, f64>>;

/// A session and the module it is of.
struct Session {
    wasm: Vec<u8>,
    replay: Arc<Replay>,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let runs = if args.quick { 5 } else { 15 };
    let cart_ticks = if args.quick { 300 } else { 1_200 };
    println!(
        "sim: a minute of arena (four bots) and of tour (seeded pads), {TICKS} ticks at seed {SEED}, and each cart \
         for {cart_ticks} ticks of seeded pads, verified linearly with all limits on and a state hash each \
         {HASH_EVERY_DEFAULT} ticks; times real time on one core, median of {runs} runs (carts: one). \
         `wasmi` runs the same on the interpreter. The others run the bare engine, without hashes, marks, states \
         and a stack limit of ours, on the same frames: `limit` the module as built, `limit+rewrite` as \
         rewritten, `limit+fuel` rewritten with fuel."
    );
    let mut results = Results::new();
    results.insert("arena", arena(runs)?);
    results.insert("tour", tour(runs)?);
    if let Some(folder) = &args.carts {
        carts(folder, cart_ticks, &mut results)?;
    }
    print!("{}", render(&results));
    let rows: Vec<_> = results.iter().flat_map(|(case, subjects)| rows_of(case, subjects)).collect();
    args.json.map_or(Ok(()), |path| write_json(&path, &rows))
}

fn arena(runs: usize) -> Result<BTreeMap<&'static str, f64>> {
    let wasm = sample_game("arena")?;
    let module = Module::admit(&Engine::new()?, &wasm, Limits::default())?;
    let mut bots = Bots::new(&module, 1);
    let (mut frames, mut state) = (Vec::new(), Vec::new());
    let recorded = record(&module, &wasm, plan(TICKS, SEED), |tick, simulation| {
        let inputs = bots.play(&module, tick, simulation)?;
        let mut frame = Vec::new();
        inputs.write_frame(module.input_schema(), tick, &mut frame);
        frames.push(frame);
        simulation.save(&mut state);
        Ok(inputs)
    })?;
    // The last frame is that of a tick that was not run.
    frames.pop();
    let session = Session::new(wasm, &recorded)?;
    let mut results = both_engines(&session, runs)?;
    for (subject, wasm, fuel) in [
        ("limit", &session.wasm[..], false),
        ("limit+rewrite", module.rewritten(), false),
        ("limit+fuel", module.rewritten(), true),
    ] {
        results.insert(subject, alone(wasm, fuel, &frames, &state, runs)?);
    }
    Ok(results)
}

/// Times real time of the bare engine, whose memory must end up as the simulation's in `state`.
fn alone(wasm: &[u8], fuel: bool, frames: &[Vec<u8>], state: &[u8], runs: usize) -> Result<f64> {
    let mut times = Vec::new();
    for _ in 0..runs {
        let mut plain = Plain::start(wasm, SEED, fuel)?;
        let (ran, span) = time(|| plain.run(frames));
        ran?;
        times.push(span.times_real(frames.len() as f64 / RATE));
        let memory = plain.memory();
        anyhow::ensure!(
            state.get(STATE_HEAD_BYTES..).is_some_and(|state| state.starts_with(memory)),
            "the bare engine came to another memory"
        );
    }
    Ok(median(&times))
}

fn tour(runs: usize) -> Result<BTreeMap<&'static str, f64>> {
    let wasm = sample_game("tour")?;
    let recorded = record_cart(&wasm, TICKS, SEED)?;
    both_engines(&Session::new(wasm, &recorded)?, runs)
}

/// All carts on the compiling engine; the ones in the middle and at the slow end on the interpreter too.
fn carts(folder: &Path, ticks: u32, results: &mut Results) -> Result<()> {
    let carts = in_folder(folder, "")?;
    let engine = Engine::new()?;
    let progress = ProgressBar::new(carts.len() as u64);
    let mut speeds: Vec<(f64, &Cart)> = Vec::new();
    for cart in &carts {
        progress.inc(1);
        match cart_session(cart, ticks)? {
            Ok(session) => speeds.push((session.verify(&engine)?, cart)),
            Err(why) => println!("without {}: {why}", cart.name),
        }
    }
    progress.finish_and_clear();
    let values: Vec<_> = speeds.iter().map(|(speed, _)| *speed).collect();
    for (case, percent) in [("carts-slowest", 0.0), ("carts-p10", 10.0), ("carts-median", 50.0)] {
        let speed = percentile(&values, percent);
        let cart = speeds.iter().find(|(other, _)| other.total_cmp(&speed).is_eq());
        let cart = cart.context("no cart could be run")?.1;
        println!("{case} is {}, of {} carts", cart.name, speeds.len());
        let session = cart_session(cart, ticks)?.map_err(anyhow::Error::msg)?;
        let interpreted = session.verify(&Engine::interpreter())?;
        results.insert(case, BTreeMap::from([("reenact", speed), ("wasmi", interpreted)]));
    }
    Ok(())
}

/// A session of a cart, or why it has none: it does not load, or does not last.
fn cart_session(cart: &Cart, ticks: u32) -> Result<Result<Session, String>> {
    let wasm = std::fs::read(&cart.path)?;
    Ok(match record_cart(&wasm, ticks, cart.seed()) {
        Ok(recorded) if recorded.end == End::Completed => Ok(Session::new(wasm, &recorded)?),
        Ok(recorded) => Err(format!("{:?} at {}", recorded.end, recorded.last_tick)),
        Err(error) => Err(format!("{error:#}")),
    })
}

fn record_cart(wasm: &[u8], ticks: u32, seed: u64) -> Result<Recorded> {
    let module = Module::admit(&Engine::new()?, wasm, Limits::default())?;
    let mut people = People::new(seed);
    record(&module, wasm, plan(ticks, seed), |_, _| Ok(people.next(module.input_schema())))
}

fn plan(ticks: u32, seed: u64) -> Plan {
    Plan { seed, ticks, hash_every: HASH_EVERY_DEFAULT, keyframe_every: 0 }
}

fn both_engines(session: &Session, runs: usize) -> Result<BTreeMap<&'static str, f64>> {
    let mut results = BTreeMap::new();
    for (subject, engine) in [("reenact", Engine::new()?), ("wasmi", Engine::interpreter())] {
        let speeds: Result<Vec<_>> = (0..runs).map(|_| session.verify(&engine)).collect();
        results.insert(subject, median(&speeds?));
    }
    Ok(results)
}

impl Session {
    fn new(wasm: Vec<u8>, recorded: &Recorded) -> Result<Self> {
        Ok(Self { wasm, replay: Arc::new(Replay::decode(&recorded.file)?) })
    }

    /// Times real time of a verification, which must succeed.
    fn verify(&self, engine: &Engine) -> Result<f64> {
        let module = Module::admit(engine, &self.wasm, Limits::default())?;
        let simulation = module.simulation_of(&self.replay.started)?;
        let mut verifier = Verifier::new(simulation, Arc::clone(&self.replay));
        let (verdict, span) = time(|| verifier.advance(u32::MAX));
        let last = self.replay.last_tick();
        match verdict {
            Some(Verdict::Verified { through, .. }) if through == last => {}
            other => anyhow::bail!("a recording does not replay: {other:?}"),
        }
        let Tick(ticks) = last;
        Ok(span.times_real(f64::from(ticks) / RATE))
    }
}

fn rows_of(case: &str, subjects: &BTreeMap<&'static str, f64>) -> Vec<Row> {
    let row = |(subject, value): (&&'static str, &f64)| Row {
        bench: "sim",
        case: case.to_owned(),
        subject: (*subject).to_owned(),
        value: *value,
        unit: "x real time",
        better: Better::Higher,
        extra: Map::new(),
    };
    subjects.iter().map(row).collect()
}

fn render(results: &Results) -> String {
    let mut rows = Vec::new();
    for (case, subjects) in results {
        let own = subjects.get("reenact").copied().unwrap_or(f64::NAN);
        for (subject, value) in subjects {
            let micros = 1e6 / RATE / value;
            let ratio = value / own;
            rows.push(vec![
                (*case).to_owned(),
                (*subject).to_owned(),
                format!("{} x", short(*value)),
                short(micros),
                format!("{ratio:.2} x"),
            ]);
        }
    }
    table(&["case", "subject", "x real time", "us a tick", "to reenact"], &rows)
}

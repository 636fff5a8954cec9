//! `reenact verify`: does a replay hold, and where does another build diverge?

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use reenact::session::SimulationId;
use reenact::verify::{Obstacle, Parted};
use reenact::{Comparison, Divergence, Failure, Mismatch, Outcome, Replay, Status, Verdict, Verifier};
use reenact_wasm::{Engine, Module, Setup, StartError};
use serde::Serialize;

use crate::open;
use crate::output::{Exit, Fault, Output};
use crate::progress::Progress;

/// Ticks between two looks at the progress bar.
const TICKS_A_TURN: u32 = 512;

/// Re-simulate replays and compare with the hashes recorded by whoever played
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The replay files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The module, where it does not travel with the replay; it must be the one that was played
    #[arg(long, value_name = "FILE")]
    module: Option<PathBuf>,
    /// Run this other build on the same inputs, and say where it diverges from the one that was played
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

#[derive(Serialize)]
struct Document {
    replays: Vec<Judgement>,
}

/// What is said of one file.
#[derive(Serialize)]
struct Judgement {
    file: String,
    verdict: &'static str,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    tick: Option<u32>,
    /// The last tick at which recording and re-simulation agree.
    #[serde(skip_serializing_if = "Option::is_none")]
    agreed: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
    #[serde(skip)]
    exit: Exit,
}

pub(crate) fn run(args: &Args, output: &Output) -> Result<Exit, Fault> {
    let engine = Engine::new()?;
    let replays: Vec<Judgement> = args.files.iter().map(|file| judge(file, args, &engine)).collect();
    let exits = replays.iter().map(|row| row.exit);
    let rank = |exit: &Exit| match exit {
        Exit::Diverged => 2,
        Exit::Fine => 0,
        Exit::CannotTell | Exit::Usage => 1,
    };
    let worst = exits.max_by_key(rank).unwrap_or(Exit::CannotTell);
    let text: Vec<String> = replays.iter().map(describe).collect();
    output.result("verify", &text.join("\n"), &Document { replays });
    Ok(worst)
}

fn judge(file: &Path, args: &Args, engine: &Engine) -> Judgement {
    let judged = match &args.against {
        Some(other) => compare(file, args.module.as_ref(), other, engine),
        None => verify(file, args.module.as_ref(), engine),
    };
    judged.unwrap_or_else(|error| {
        Judgement::new(file, "not verifiable", Exit::CannotTell, format!("{error:#}"))
    })
}

impl Judgement {
    fn new(file: &Path, verdict: &'static str, exit: Exit, detail: String) -> Self {
        Self {
            file: file.display().to_string(),
            verdict,
            detail,
            tick: None,
            agreed: None,
            fields: Vec::new(),
            exit,
        }
    }
}

fn describe(row: &Judgement) -> String {
    let fields = row.fields.iter().map(|field| format!("\n  {field}"));
    format!("{}: {}: {}{}", row.file, row.verdict, row.detail, fields.collect::<String>())
}

fn verify(file: &Path, module: Option<&PathBuf>, engine: &Engine) -> Result<Judgement> {
    let replay = open::replay(file)?;
    if replay.hashes.is_empty() {
        return Ok(not_verifiable(file, &Obstacle::NoHashes));
    }
    let module = open::module_of(&replay, module, engine)?;
    let simulation = match module.simulation_of(&replay.started) {
        Err(StartError::Failed(limit @ Failure::Limit { .. })) => {
            return Ok(not_verifiable(file, &Obstacle::Limit(limit)));
        }
        started => started.context("start the simulation")?,
    };
    let progress = Progress::new("verifying", replay.last_tick());
    let mut verifier = Verifier::new(simulation, replay);
    let verdict = loop {
        match verifier.advance(TICKS_A_TURN) {
            Some(verdict) => break verdict,
            None => progress.at(verifier.tick()),
        }
    };
    Ok(match verdict {
        Verdict::Verified { through, hashes } => {
            let detail = format!("{hashes} hashes through tick {through}");
            Judgement { tick: Some(through.0), ..Judgement::new(file, "verified", Exit::Fine, detail) }
        }
        Verdict::Mismatch(mismatch) => mismatched(file, &mismatch),
        Verdict::NotVerifiable(obstacle) => not_verifiable(file, &obstacle),
    })
}

fn not_verifiable(file: &Path, obstacle: &Obstacle) -> Judgement {
    Judgement::new(file, "not verifiable", Exit::CannotTell, obstacle.to_string())
}

fn mismatched(file: &Path, mismatch: &Mismatch) -> Judgement {
    let after = mismatch.agreed.map_or(String::new(), |agreed| format!(" (equal up to {agreed})"));
    let detail = format!("at tick {}{after}: {}", mismatch.tick, mismatch.difference);
    Judgement {
        tick: Some(mismatch.tick.0),
        agreed: mismatch.agreed.map(|tick| tick.0),
        ..Judgement::new(file, "mismatch", Exit::Diverged, detail)
    }
}

fn compare(file: &Path, module: Option<&PathBuf>, other: &Path, engine: &Engine) -> Result<Judgement> {
    let replay = open::replay(file)?;
    let played = open::module_of(&replay, module, engine)?;
    let other = other_build(&replay, &open::module_bytes(other)?, engine)?;
    let setup = Setup::from(&replay.started);
    let left = played.simulation(&setup).context("start the build that was played")?;
    let right = other.simulation(&setup).context("start the other build")?;
    let progress = Progress::new("comparing", replay.last_tick());
    let mut comparison = Comparison::new(left, right, &replay);
    let outcome = loop {
        match comparison.advance(TICKS_A_TURN) {
            Some(outcome) => break outcome,
            None => progress.at(comparison.tick()),
        }
    };
    Ok(match outcome {
        Outcome::Same { through } => {
            let detail = format!("both builds agree through tick {through}");
            Judgement { tick: Some(through.0), ..Judgement::new(file, "same", Exit::Fine, detail) }
        }
        Outcome::Diverged(divergence) => diverged(file, &replay, &divergence),
        Outcome::NotComparable { tick, failure } => {
            let detail = format!("a build, or both alike, fails at tick {tick}: {failure}");
            Judgement::new(file, "not comparable", Exit::CannotTell, detail)
        }
    })
}

/// The other build under the limits of the session; its inputs must be those of the session.
fn other_build(replay: &Replay, bytes: &[u8], engine: &Engine) -> Result<Module> {
    let SimulationId::Wasm(pinned) = &replay.started.simulation else {
        return Err(anyhow!("the session is of a native simulation"));
    };
    let module = Module::admit(engine, bytes, pinned.limits).context("use the other build")?;
    if *module.input_schema() == replay.started.schema {
        Ok(module)
    } else {
        Err(anyhow!("the other build has other participants or input columns"))
    }
}

fn diverged(file: &Path, replay: &Replay, divergence: &Divergence) -> Judgement {
    let mut parts = vec![format!("at tick {} of {}", divergence.tick, replay.last_tick())];
    let mut fields = Vec::new();
    if let Some((tick, differences)) = &divergence.fields {
        if *tick != divergence.tick {
            parts.push(format!("named fields differ from tick {tick}"));
        }
        fields = differences.iter().map(|difference| format!("field {difference}")).collect();
    }
    if let Some(Parted { tick, left, right }) = &divergence.parted {
        let (left, right) = (describe_step(left), describe_step(right));
        parts.push(format!("at tick {tick} the build that was played {left}, the other {right}"));
    }
    Judgement {
        tick: Some(divergence.tick.0),
        fields,
        ..Judgement::new(file, "diverged", Exit::Diverged, parts.join("; "))
    }
}

fn describe_step(step: &Result<Status, Failure>) -> String {
    match step {
        Ok(Status::Running) => "goes on".into(),
        Ok(Status::Over) => "is over".into(),
        Err(failure) => format!("fails ({failure})"),
    }
}

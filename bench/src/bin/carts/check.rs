//! The other processes of a cart: they know its replay, and the hashes that the first one handed over.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use reenact::bot::Random;
use reenact::session::{Limits, SimulationId};
use reenact::verify::Obstacle;
use reenact::{Player, Replay, Simulation, Tick, Verdict, Verifier};
use reenact_bench::clock::{Span, time};
use reenact_wasm::{Engine, Module};
use serde::{Deserialize, Serialize};

use crate::result::{Check, Recorded};

/// How many ticks are sought.
pub(crate) const SEEKS: usize = 20;

/// The engine of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum On {
    Optimised,
    Unoptimised,
    Interpreter,
}

impl On {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Optimised => "optimised",
            Self::Unoptimised => "unoptimised",
            Self::Interpreter => "interpreter",
        }
    }

    fn engine(self) -> Result<Engine> {
        Ok(match self {
            Self::Optimised => Engine::new()?,
            Self::Unoptimised => Engine::unoptimised()?,
            Self::Interpreter => Engine::interpreter(),
        })
    }
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Checked {
    pub(crate) verify: Check,
    /// Seeks against linear play; on the optimising engine only.
    pub(crate) seek: Check,
    /// The linear verification.
    pub(crate) span: Span,
}

/// Verifies a replay on an engine, from nothing but its file.
pub(crate) fn check(replay: &Path, recorded: &Recorded, on: On) -> Result<Checked> {
    let replay = Arc::new(Replay::decode(&std::fs::read(replay)?)?);
    let module = module_of(&replay, on)?;
    let simulation = module.simulation_of(&replay.started)?;
    let mut verifier = Verifier::new(simulation, Arc::clone(&replay));
    let (verdict, span) = time(|| {
        loop {
            if let Some(verdict) = verifier.advance(u32::MAX) {
                break verdict;
            }
        }
    });
    let verify = judge(&verdict, &replay, recorded);
    let seek = if on == On::Optimised { check_seeks(&module, &replay, recorded)? } else { Check::NotRun };
    Ok(Checked { verify, seek, span })
}

fn module_of(replay: &Replay, on: On) -> Result<Module> {
    let SimulationId::Wasm(id) = &replay.started.simulation else { anyhow::bail!("not a wasm session") };
    let wasm = replay.module.as_ref().context("the replay has no module")?;
    let limits: Limits = id.limits;
    Ok(Module::admit(&on.engine()?, wasm, limits)?)
}

/// A verdict counts only if it is about as many hashes, and the same last one, as were recorded.
fn judge(verdict: &Verdict, replay: &Replay, recorded: &Recorded) -> Check {
    let last = replay.hashes.last_key_value().map(|(tick, hash)| (tick.0, hash.to_string()));
    if replay.last_tick().0 != recorded.ticks || last.as_ref() != Some(&recorded.final_hash) {
        return Check::Differs(format!("the file ends at {} with {last:?}", replay.last_tick()));
    }
    match verdict {
        Verdict::Verified { through, hashes }
            if *hashes == recorded.hashes && through.0 == recorded.final_hash.0 =>
        {
            Check::Same
        }
        Verdict::NotVerifiable(Obstacle::Limit(limit)) => Check::Limit(limit.to_string()),
        other => Check::Differs(format!("{other:?}")),
    }
}

/// Seeks to random ticks in random order, and compares with the hashes of linear play.
fn check_seeks(module: &Module, replay: &Arc<Replay>, recorded: &Recorded) -> Result<Check> {
    let mut player = Player::new(module.simulation_of(&replay.started)?, Arc::clone(replay));
    let mut random = Random::new(replay.started.seed);
    anyhow::ensure!(!recorded.samples.is_empty(), "no tick was sampled");
    for _ in 0..SEEKS {
        let (tick, expected) = &recorded.samples[random.below(recorded.samples.len() as u64) as usize];
        if let Err(error) = player.seek(Tick(*tick)) {
            return Ok(Check::Differs(format!("seek to {tick}: {error}")));
        }
        let actual = player.simulation().state_hash().to_string();
        if actual != *expected {
            return Ok(Check::Differs(format!("seek to {tick}: {actual}, linear play gave {expected}")));
        }
    }
    Ok(Check::Same)
}

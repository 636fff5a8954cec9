//! From a module to a replay.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use reenact::{Failure, Inputs, RecordError, Recording, Simulation, Status, Tick};
use reenact_wasm::{Module, Setup, WasmSimulation};
use serde::{Deserialize, Serialize};

/// How a session is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// The session's seed.
    pub seed: u64,
    /// How many ticks, unless the game ends before.
    pub ticks: u32,
    /// Ticks between state hashes.
    pub hash_every: u32,
    /// Ticks between keyframes.
    pub keyframe_every: u32,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum End {
    /// All ticks were run.
    Completed,
    /// The game said that it is over.
    Over,
    /// The tick after the last trapped, or the game gave an error.
    Failed(String),
    /// The tick after the last met a limit.
    Limit(String),
}

/// A session in a file.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// The replay, with its module.
    pub file: Vec<u8>,
    /// The last tick that has a state.
    pub last_tick: Tick,
    /// Why it is the last.
    pub end: End,
}

/// Records a session of `module`, whose bytes travel with the replay. `play` sees the simulation at each tick
/// and gives what everybody does then; it sees the last tick too, if the game got there in one piece.
pub fn record(
    module: &Module,
    wasm: &[u8],
    plan: Plan,
    mut play: impl FnMut(Tick, &mut WasmSimulation) -> Result<Inputs>,
) -> Result<Recorded> {
    let started = module.session(Setup { seed: plan.seed, ..Setup::default() }, plan.hash_every);
    let simulation = module.simulation_of(&started).context("the module does not start")?;
    let mut recording = Recording::new(simulation, started, plan.keyframe_every)?;
    let end = loop {
        let tick = recording.tick();
        let inputs = play(tick, recording.simulation())?;
        if tick.0 == plan.ticks {
            break End::Completed;
        }
        match recording.step(&inputs) {
            Ok(Status::Running) => {}
            Ok(Status::Over) => break End::Over,
            Err(RecordError::Failed(limit @ Failure::Limit { .. })) => break End::Limit(limit.to_string()),
            Err(RecordError::Failed(failure)) => break End::Failed(failure.to_string()),
            Err(error) => return Err(error.into()),
        }
    };
    let last_tick = recording.tick();
    let file = recording.finish(Some(wasm.to_vec()))?;
    Ok(Recorded { file, last_tick, end })
}

/// Bots for all participants of a game that has them. They decide at each `every`-th tick and go on with
/// what they do between, as people do.
#[derive(Debug)]
pub struct Bots {
    every: u32,
    inputs: Inputs,
}

impl Bots {
    /// Bots of a game.
    pub fn new(module: &Module, every: u32) -> Self {
        Self { every, inputs: Inputs::absent(module.input_schema()) }
    }

    /// What they do at `tick`.
    pub fn play(&mut self, module: &Module, tick: Tick, simulation: &mut WasmSimulation) -> Result<Inputs> {
        if tick.0.is_multiple_of(self.every) {
            let schema = module.input_schema();
            for participant in 0..schema.participants() {
                let row = simulation.suggest(participant)?.context("the game has no bots")?;
                self.inputs.set(schema, participant, &row)?;
            }
        }
        Ok(self.inputs.clone())
    }
}

/// The bytes of a sample game of this repository.
pub fn sample_game(name: &str) -> Result<Vec<u8>> {
    let games: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../games");
    let path = games.join(name).join(name).with_extension("wasm");
    std::fs::read(&path).with_context(|| format!("failed to read {}", path.display()))
}

//! From paths to replays, modules and simulations.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use reenact::limits::REPLAY_BYTES_MAX;
use reenact::session::SimulationId;
use reenact::{Player, Replay};
use reenact_wasm::limits::MODULE_BYTES_MAX;
use reenact_wasm::{Engine, Module, WasmSimulation};

/// The bytes of a file, unless they are more than `limit`.
pub(crate) fn read_file(path: &Path, limit: usize) -> Result<Vec<u8>> {
    let name = path.display();
    let file = File::open(path).with_context(|| format!("open {name}"))?;
    let mut bytes = Vec::new();
    file.take(limit as u64 + 1).read_to_end(&mut bytes).with_context(|| format!("read {name}"))?;
    ensure!(bytes.len() <= limit, "{name} has more than {limit} bytes");
    Ok(bytes)
}

/// Reads a replay.
pub(crate) fn replay(path: &Path) -> Result<Arc<Replay>> {
    let bytes = read_file(path, REPLAY_BYTES_MAX)?;
    let replay = Replay::decode(&bytes).with_context(|| format!("read {}", path.display()))?;
    Ok(Arc::new(replay))
}

/// The bytes of a module file.
pub(crate) fn module_bytes(path: &Path) -> Result<Vec<u8>> {
    read_file(path, MODULE_BYTES_MAX)
}

/// The module of a replay: the one at `supplied`, or the one that travels with it.
pub(crate) fn module_of(replay: &Replay, supplied: Option<&PathBuf>, engine: &Engine) -> Result<Module> {
    let supplied = supplied.map(|path| module_bytes(path)).transpose()?;
    let Some(bytes) = supplied.as_ref().or(replay.module.as_ref()) else {
        match &replay.started.simulation {
            SimulationId::Wasm(id) => bail!("the module {} is missing; give it with --module", id.module),
            SimulationId::Native { name, build } => {
                bail!("the native simulation {name:?} {build:?} can only be run by its own program")
            }
        }
    };
    Module::admit_for(engine, &replay.started, bytes).context("use the module")
}

/// A player of a replay.
pub(crate) fn player(path: &Path, module: Option<&PathBuf>) -> Result<Player<WasmSimulation>> {
    let replay = replay(path)?;
    let module = module_of(&replay, module, &Engine::new()?)?;
    let simulation = module.simulation_of(&replay.started).context("start the simulation")?;
    Ok(Player::new(simulation, replay))
}

//! The first process of a cart: it is admitted and played, and its replay is written.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::Result;
use reenact::bot::Random;
use reenact::session::Limits;
use reenact::{Simulation, StateHash, Tick, Viewer};
use reenact_bench::carts::Cart;
use reenact_bench::clock::time;
use reenact_bench::pads::People;
use reenact_bench::play::{Plan, record as play};
use reenact_wasm::{Engine, Module};

use crate::result::{NotLoaded, Recorded};

/// Ticks between the pictures that are told apart.
const PICTURE_EVERY: u32 = 10;
const HASH_EVERY: u32 = 60;
/// One in so many ticks is hashed besides, for the seeks to come.
const SAMPLED_ONE_IN: u64 = 20;

/// Plays the cart at `path`, and writes its replay.
pub(crate) fn record(
    path: &Path,
    replay: &Path,
    ticks: u32,
    limits: Limits,
) -> Result<Result<Recorded, NotLoaded>> {
    let wasm = std::fs::read(path)?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let cart = Cart { name, path: path.to_path_buf() };
    let engine = Engine::new()?;
    let (module, admission) = time(|| Module::admit(&engine, &wasm, limits));
    let module = match module {
        Ok(module) => module,
        Err(error) => return Ok(Err(NotLoaded(chain(&error.into())))),
    };
    if let Err(error) = module.simulation(&reenact_wasm::Setup::default()) {
        return Ok(Err(NotLoaded(chain(&error.into()))));
    }
    let mut random = Random::new(cart.seed());
    let keyframe_every = 60 * (1 + random.below(10) as u32);
    let plan = Plan { seed: cart.seed(), ticks, hash_every: HASH_EVERY, keyframe_every };
    let mut people = People::new(cart.seed());
    let (mut samples, mut pictures) = (Vec::new(), BTreeSet::new());
    let recorded = play(&module, &wasm, plan, |tick, simulation| {
        if tick.0 == 0 || tick.0 == ticks || random.below(SAMPLED_ONE_IN) == 0 {
            samples.push((tick.0, simulation.state_hash().to_string()));
        }
        if tick.0.is_multiple_of(PICTURE_EVERY) {
            let picture = simulation.view(Viewer::Spectator)?;
            pictures.extend(picture.map(|picture| StateHash::of(&picture.rgba)));
        }
        Ok(people.next(module.input_schema()))
    })?;
    std::fs::write(replay, &recorded.file)?;
    samples.retain(|(tick, _)| Tick(*tick) <= recorded.last_tick);
    let (hashes, final_hash) = recorded_hashes(&recorded.file)?;
    Ok(Ok(Recorded {
        ticks: recorded.last_tick.0,
        end: recorded.end,
        hashes,
        final_hash,
        samples,
        pictures: pictures.len(),
        file_bytes: recorded.file.len(),
        admission,
    }))
}

/// How many hashes the replay holds, and the last of them.
fn recorded_hashes(file: &[u8]) -> Result<(usize, (u32, String))> {
    let replay = reenact::Replay::decode(file)?;
    let last = replay.hashes.last_key_value().map(|(tick, hash)| (tick.0, hash.to_string()));
    Ok((replay.hashes.len(), last.unwrap_or_default()))
}

fn chain(error: &anyhow::Error) -> String {
    format!("{error:#}")
}

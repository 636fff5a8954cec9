//! One flipped input bit, or one changed constant of a module, is named at the first tick at which hashes
//! taken each tick differ; for both sample games.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use reenact::input::Inputs;
use reenact::session::{Limits, SessionPayload};
use reenact::{
    Attachments, Comparison, Outcome, Recorder, Replay, Simulation, StateHash, Tick, Verdict, Verifier,
    replay_from_session,
};
use reenact_testkit::pads::random_inputs;
use reenact_wasm::{Engine, Module, Setup, WasmSimulation};
use wasmparser::{Operator, Parser, Payload};

const TICKS: u32 = 300;

fn game(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/../../games/{name}/{name}.wasm", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn admit(bytes: &[u8]) -> Option<Module> {
    Module::admit(&Engine::new().unwrap(), bytes, Limits::default()).ok()
}

fn setup() -> Setup {
    Setup { seed: 5, ..Setup::default() }
}

fn start(module: &Module) -> WasmSimulation {
    module.simulation(&setup()).unwrap()
}

/// The hash at each tick from 0 on; `None` if the game fails.
fn hashes(module: &Module, inputs: &[Inputs]) -> Option<Vec<StateHash>> {
    let mut simulation = module.simulation(&setup()).ok()?;
    let mut hashes = vec![simulation.state_hash()];
    for (tick, inputs) in inputs.iter().enumerate() {
        simulation.step(Tick(tick as u32), inputs, &mut Vec::new()).ok()?;
        hashes.push(simulation.state_hash());
    }
    Some(hashes)
}

fn first_difference(left: &[StateHash], right: &[StateHash]) -> Option<Tick> {
    let at = left.iter().zip(right).position(|(left, right)| left != right)?;
    Some(Tick(at as u32))
}

/// A replay of `inputs` that claims `hashes`, one a tick.
fn claim(module: &Module, inputs: &[Inputs], hashes: &[StateHash]) -> Arc<Replay> {
    let mut recorder = Recorder::new(module.session(setup(), 1), u32::MAX).unwrap();
    for (inputs, hash) in inputs.iter().zip(hashes) {
        recorder.hash(*hash);
        recorder.record(inputs).unwrap();
    }
    recorder.hash(hashes[inputs.len()]);
    recorder.finish(reenact::session::EndReason::Stopped);
    let payloads: Vec<SessionPayload> = std::iter::from_fn(|| recorder.poll()).collect();
    let file = replay_from_session(payloads, &Attachments::default()).unwrap();
    Arc::new(Replay::decode(&file).unwrap())
}

fn mismatch(module: &Module, replay: &Arc<Replay>) -> (Tick, Option<Tick>) {
    let mut verifier = Verifier::new(start(module), Arc::clone(replay));
    match verifier.advance(u32::MAX) {
        Some(Verdict::Mismatch(mismatch)) => (mismatch.tick, mismatch.agreed),
        other => panic!("{other:?}"),
    }
}

fn check_flips(name: &str) {
    let module = admit(&game(name)).unwrap();
    let schema = module.input_schema();
    let honest = random_inputs(schema, 9, TICKS);
    let played = hashes(&module, &honest).unwrap();
    for tick in [0, 77, 200] {
        // A flip of a bit that the game does not look at just then changes nothing: the next one is taken.
        let flip = |bit: usize| {
            let mut inputs = honest.clone();
            let mut row = inputs[tick].values(schema, 0);
            row[0] ^= 1 << bit;
            inputs[tick].set(schema, 0, &row).unwrap();
            let first = first_difference(&played, &hashes(&module, &inputs).unwrap())?;
            Some((inputs, first))
        };
        let (inputs, first) = (0..8).find_map(flip).unwrap();
        assert!(first > Tick(tick as u32));
        let found = mismatch(&module, &claim(&module, &inputs, &played));
        assert_eq!(found, (first, first.previous()), "{name}, flip at {tick}");
    }
}

/// The module with one i32 constant changed, one after the other.
fn changed_constants(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let bodies = Parser::new(0).parse_all(bytes).filter_map(|payload| match payload {
        Ok(Payload::CodeSectionEntry(body)) => Some(body),
        _ => None,
    });
    bodies.flat_map(|body| {
        let mut places = Vec::new();
        let mut reader = body.get_operators_reader().unwrap();
        while !reader.eof() {
            let (operator, offset) = reader.read_with_offset().unwrap();
            if matches!(operator, Operator::I32Const { value: 2..=62 }) {
                places.push(offset + 1);
            }
        }
        places.into_iter().map(|place| {
            let mut changed = bytes.to_vec();
            changed[place] ^= 1;
            changed
        })
    })
}

fn check_constants(name: &str) {
    let original = game(name);
    let module = admit(&original).unwrap();
    let inputs = random_inputs(module.input_schema(), 9, TICKS);
    let played = hashes(&module, &inputs).unwrap();
    // A constant that is not reached changes nothing, and one of initialisation changes tick 0: a change
    // that shows while the game runs says more.
    let later = |bytes: Vec<u8>| {
        let other = admit(&bytes)?;
        let first = first_difference(&played, &hashes(&other, &inputs)?).filter(|tick| *tick > Tick(10))?;
        Some((other, first))
    };
    let (other, first) = changed_constants(&original).find_map(later).unwrap();
    let replay = claim(&module, &inputs, &played);
    assert_eq!(mismatch(&other, &replay), (first, first.previous()), "{name}");
    let outcome = Comparison::new(start(&module), start(&other), &replay).advance(u32::MAX);
    let Some(Outcome::Diverged(divergence)) = outcome else { panic!("{name}: {outcome:?}") };
    assert_eq!(divergence.tick, first, "{name}");
}

#[test]
fn one_flipped_input_bit_in_the_arena() {
    check_flips("arena");
}

#[test]
fn one_flipped_input_bit_in_the_tour() {
    check_flips("tour");
}

#[test]
fn one_changed_constant_in_the_arena() {
    check_constants("arena");
}

#[test]
fn one_changed_constant_in_the_tour() {
    check_constants("tour");
}

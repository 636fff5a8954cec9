//! Both sample games keep the contract of a simulation, and every engine gives the same states.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reenact::input::Inputs;
use reenact::session::Limits;
use reenact::{Mark, Simulation, StateHash, Tick};
use reenact_testkit::contract::check_simulation;
use reenact_testkit::pads::random_inputs;
use reenact_wasm::{Engine, Module, Setup};

fn game(name: &str) -> Vec<u8> {
    let path = format!("{}/../../games/{name}/{name}.wasm", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn admit(engine: &Engine, name: &str) -> Module {
    Module::admit(engine, &game(name), Limits::default()).unwrap()
}

fn setup() -> Setup {
    Setup { seed: 7, ..Setup::default() }
}

/// The hash and the marks of each tick.
fn run(module: &Module, inputs: &[Inputs]) -> Vec<(StateHash, Vec<Mark>)> {
    let mut simulation = module.simulation(&setup()).unwrap();
    let mut ticks = Vec::new();
    for (tick, inputs) in inputs.iter().enumerate() {
        let mut marks = Vec::new();
        simulation.step(Tick(tick as u32), inputs, &mut marks).unwrap();
        ticks.push((simulation.state_hash(), marks));
    }
    ticks
}

#[test]
fn they_keep_the_contract() {
    let engine = Engine::new().unwrap();
    for name in ["arena", "tour"] {
        let module = admit(&engine, name);
        let inputs = random_inputs(module.input_schema(), 3, 400);
        check_simulation(|| module.simulation(&setup()).unwrap(), &inputs, 5);
    }
}

#[test]
fn engines_agree_tick_by_tick() {
    for name in ["arena", "tour"] {
        let module = admit(&Engine::new().unwrap(), name);
        let inputs = random_inputs(module.input_schema(), 11, 1_200);
        let ticks = run(&module, &inputs);
        assert!(ticks.iter().any(|(_, marks)| !marks.is_empty()), "{name} marks nothing");
        for other in [Engine::unoptimised().unwrap(), Engine::interpreter()] {
            assert_eq!(run(&admit(&other, name), &inputs), ticks, "{name} on {other:?}");
        }
    }
}

#[test]
fn inputs_matter() {
    let engine = Engine::new().unwrap();
    for name in ["arena", "tour"] {
        let module = admit(&engine, name);
        let last = |seed| run(&module, &random_inputs(module.input_schema(), seed, 300)).pop().unwrap().0;
        assert_ne!(last(1), last(2), "{name}");
    }
}

#[test]
fn a_state_goes_from_one_engine_to_another() {
    for name in ["arena", "tour"] {
        let module = admit(&Engine::new().unwrap(), name);
        let other = admit(&Engine::interpreter(), name);
        let inputs = random_inputs(module.input_schema(), 4, 240);
        let mut simulation = module.simulation(&setup()).unwrap();
        let mut follower = other.simulation(&setup()).unwrap();
        let mut state = Vec::new();
        for (tick, inputs) in inputs.iter().enumerate() {
            if tick == 120 {
                simulation.save(&mut state);
                follower.restore(&state).unwrap();
            }
            simulation.step(Tick(tick as u32), inputs, &mut Vec::new()).unwrap();
            if tick >= 120 {
                follower.step(Tick(tick as u32), inputs, &mut Vec::new()).unwrap();
            }
        }
        assert_eq!(follower.state_hash(), simulation.state_hash(), "{name}");
    }
}

#[test]
fn the_arena_has_fields_pictures_and_bots() {
    let module = admit(&Engine::new().unwrap(), "arena");
    let mut simulation = module.simulation(&setup()).unwrap();
    let schema = module.input_schema();
    let mut inputs = Inputs::absent(schema);
    for tick in 0..600 {
        for participant in 0..schema.participants() {
            let row = simulation.suggest(participant).unwrap().expect("the arena has bots");
            inputs.set(schema, participant, &row).unwrap();
        }
        simulation.step(Tick(tick), &inputs, &mut Vec::new()).unwrap();
    }
    let names: Vec<_> = simulation.fields().into_iter().map(|field| field.name).collect();
    for name in ["score", "health", "x", "y"] {
        assert!(names.iter().any(|field| field == name), "{name} is not in {names:?}");
    }
    let picture = simulation.view(reenact::Viewer::Spectator).unwrap().expect("the arena draws");
    assert_eq!((picture.width, picture.height), (320, 180));
    let colours: std::collections::BTreeSet<_> = picture.rgba.as_chunks::<4>().0.iter().collect();
    assert!(colours.len() > 20, "only {} colours", colours.len());
}

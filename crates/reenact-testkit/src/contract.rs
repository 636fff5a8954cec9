//! What every simulation must hold to.

use reenact::input::Inputs;
use reenact::{Simulation, StateHash, Tick, Viewer};

use reenact::bot::Random;

/// Runs `inputs` on a fresh simulation and checks the contract of [`Simulation`]: the hash is that of the
/// saved state, a restored state is the state that was saved, looking changes nothing, and running again
/// from anywhere gives the same states.
///
/// # Panics
/// The simulation breaks the contract, or fails.
pub fn check_simulation<S: Simulation>(mut fresh: impl FnMut() -> S, inputs: &[Inputs], seed: u64) {
    let mut simulation = fresh();
    let mut states = vec![saved(&mut simulation)];
    let mut marks = Vec::new();
    for (tick, input) in inputs.iter().enumerate() {
        simulation.step(Tick(tick as u32), input, &mut marks).expect("the game runs");
        let before = saved(&mut simulation);
        let _ = simulation.view(Viewer::Spectator).expect("the game draws");
        let _ = simulation.suggest(0).expect("the game suggests");
        let _ = simulation.fields();
        assert_eq!(before, saved(&mut simulation), "looking at tick {tick} changed the state");
        states.push(before);
    }
    let mut random = Random::new(seed);
    let mut other = fresh();
    for _ in 0..20 {
        let tick = random.below(states.len() as u64) as usize;
        other.restore(&states[tick]).expect("a saved state can be restored");
        assert_eq!(saved(&mut other), states[tick], "the state at {tick} changed by saving and restoring");
        for next in tick..inputs.len().min(tick + 50) {
            other.step(Tick(next as u32), &inputs[next], &mut marks).expect("the game runs");
            assert_eq!(saved(&mut other), states[next + 1], "tick {next} differs after restoring {tick}");
        }
    }
    let last = states.last().expect("there is the state at tick 0").clone();
    for damaged in [&last[..last.len() - 1], &[&last[..], &[0]].concat(), &[]] {
        assert!(other.restore(damaged).is_err(), "a state of {} bytes was taken", damaged.len());
    }
}

fn saved<S: Simulation>(simulation: &mut S) -> Vec<u8> {
    let mut state = Vec::new();
    simulation.save(&mut state);
    assert_eq!(simulation.state_hash(), StateHash::of(&state), "the hash is that of the saved state");
    state
}

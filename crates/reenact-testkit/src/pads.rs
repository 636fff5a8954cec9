//! Seeded inputs for tests.

use reenact::bot::Bot;
use reenact::input::{InputSchema, Inputs};

/// Random inputs of all participants for `ticks` ticks.
pub fn random_inputs(schema: &InputSchema, seed: u64, ticks: u32) -> Vec<Inputs> {
    let (mut bot, mut inputs) = (Bot::new(seed), Inputs::absent(schema));
    let next = |_| {
        bot.act(schema, &mut inputs);
        inputs.clone()
    };
    (0..ticks).map(next).collect()
}

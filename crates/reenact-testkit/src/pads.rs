//! Seeded inputs: the same for the same seed, everywhere.

use reenact::input::{ColumnKind, InputSchema, Inputs};

/// A small generator of random numbers (`SplitMix64`), so that inputs do not depend on a library's version.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A random number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }
}

/// Random inputs of all participants for `ticks` ticks: values are held for a while, and now and then
/// somebody leaves.
pub fn random_inputs(schema: &InputSchema, seed: u64, ticks: u32) -> Vec<Inputs> {
    let mut random = Random::new(seed);
    let mut inputs = Inputs::absent(schema);
    let mut all = Vec::new();
    for _ in 0..ticks {
        for participant in 0..schema.participants() {
            match random.below(64) {
                0 => inputs.remove(participant),
                1..=8 => {
                    let row = random_row(schema, &mut random);
                    inputs.set(schema, participant, &row).expect("the row is within its columns' ranges");
                }
                _ => {}
            }
        }
        all.push(inputs.clone());
    }
    all
}

fn random_row(schema: &InputSchema, random: &mut Random) -> Vec<i64> {
    let value = |column: &reenact::input::Column| {
        let (min, max) = column.range();
        let span = (max - min + 1) as u64;
        // Masks of few buttons are likelier, as with people.
        let bits = match column.kind {
            ColumnKind::Buttons(_) => random.bits() & random.bits(),
            ColumnKind::Axis => random.bits(),
        };
        min + (bits % span) as i64
    };
    schema.columns().iter().map(value).collect()
}

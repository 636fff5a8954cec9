//! Seeded inputs: the same for the same seed, everywhere.

use crate::input::{Column, ColumnKind, InputSchema, Inputs};
use crate::simulation::{Failure, Simulation};

/// Presses buttons and moves axes at random, holding them for a while as people do; now and then a
/// participant leaves and comes back. For games that have no bots of their own.
///
/// ```
/// use reenact::bot::Bot;
/// use reenact::input::{Column, InputSchema, Inputs, Width};
/// let schema = InputSchema::new(2, vec![Column::buttons("pad", Width::Bits8)])?;
/// let (mut bot, mut inputs) = (Bot::new(7), Inputs::absent(&schema));
/// for _tick in 0..600 {
///     bot.act(&schema, &mut inputs);
/// }
/// # Ok::<(), reenact::input::SchemaError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Bot {
    random: Random,
}

/// One in so many ticks a participant changes what it does, and one in so many it leaves.
const CHANGE_EACH: u64 = 8;
const LEAVE_EACH: u64 = 512;

impl Bot {
    /// The bot of a seed.
    pub fn new(seed: u64) -> Self {
        Self { random: Random::new(seed) }
    }

    /// Turns the inputs of one tick into those of the next, as the game's own bots suggest; as
    /// [`act`](Self::act) does where it has none.
    ///
    /// # Errors
    /// The game's bots failed, or met a limit.
    pub fn play<S: Simulation + ?Sized>(
        &mut self,
        simulation: &mut S,
        schema: &InputSchema,
        inputs: &mut Inputs,
    ) -> Result<(), Failure> {
        for participant in 0..schema.participants() {
            match simulation.suggest(participant)? {
                None => {
                    self.act(schema, inputs);
                    return Ok(());
                }
                // What fits no column is no suggestion.
                Some(row) if inputs.set(schema, participant, &row).is_err() => inputs.remove(participant),
                Some(_) => {}
            }
        }
        Ok(())
    }

    /// Turns the inputs of one tick into those of the next.
    pub fn act(&mut self, schema: &InputSchema, inputs: &mut Inputs) {
        for participant in 0..schema.participants() {
            if self.random.below(LEAVE_EACH) == 0 {
                inputs.remove(participant);
            } else if inputs.get(participant).is_none() || self.random.below(CHANGE_EACH) == 0 {
                let row: Vec<i64> = schema.columns().iter().map(|column| self.value(column)).collect();
                inputs.set(schema, participant, &row).expect("each value is within its column's range");
            }
        }
    }

    fn value(&mut self, column: &Column) -> i64 {
        let (min, max) = column.range();
        let bits = match &column.kind {
            // Few buttons at once are likelier than many.
            ColumnKind::Buttons(_) => self.random.bits() & self.random.bits(),
            ColumnKind::Axis => self.random.bits(),
        };
        min + (bits % ((max - min + 1) as u64)) as i64
    }
}

/// A small generator of random numbers (`SplitMix64`: Steele, Lea and Flood, "Fast splittable pseudorandom
/// number generators", 2014), so that a seed means the same in every version of every library.
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

    /// A random number below `bound`, which is not 0; small bounds are even enough.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.bits() % bound
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Width;

    #[test]
    fn a_seed_is_a_sequence() {
        let mut random = Random::new(1_234_567);
        // The first numbers of the published algorithm for this seed.
        assert_eq!([random.bits(), random.bits()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn everybody_acts_and_leaves_at_times() {
        let schema = InputSchema::new(2, vec![Column::axis("x", Width::Bits8)]).unwrap();
        let (mut bot, mut inputs) = (Bot::new(3), Inputs::absent(&schema));
        let (mut changes, mut absences) = (0, 0);
        for _ in 0..5_000 {
            let before = inputs.clone();
            bot.act(&schema, &mut inputs);
            changes += u32::from(inputs != before);
            absences += u32::from(inputs.get(0).is_none());
        }
        assert!((500..4_000).contains(&changes) && absences > 0, "{changes} {absences}");
    }
}

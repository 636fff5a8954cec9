//! A tiny native game: marbles that participants push about.

use std::sync::Arc;

use reenact::input::{Column, InputSchema, Inputs, Width};
use reenact::session::{SessionStarted, SimulationId};
use reenact::{
    Failure, Field, FieldValue, Mark, Recording, Replay, RestoreError, Simulation, Status, Tick, TickRate,
    Trap,
};

use crate::pads::random_inputs;

/// How many can play.
pub const PARTICIPANTS: usize = 3;
/// The mark when a marble hits the wall: one byte, whose it is.
pub const MARK_WALL: u32 = 1;
const STATE_BYTES: usize = 8 + PARTICIPANTS * 8;

/// Marbles on a line from -1,000 to 1,000: the pad's first two bits push, the axis is wind.
#[derive(Clone, Debug)]
pub struct Marbles {
    /// The state of the game's randomness.
    pub random: u64,
    /// Where each marble is.
    pub place: [i32; PARTICIPANTS],
    /// How far each marble moves in a tick.
    pub speed: [i32; PARTICIPANTS],
    /// How hard a push is: another number makes another build.
    pub push: i32,
    /// The tick whose step traps.
    pub trap_at: Option<Tick>,
    /// The tick whose step meets a limit.
    pub limit_at: Option<Tick>,
    /// The tick whose step is the last of the game.
    pub over_at: Option<Tick>,
}

impl Marbles {
    /// The game at tick 0.
    pub fn new(seed: u64) -> Self {
        Self {
            random: seed,
            place: [0; PARTICIPANTS],
            speed: [0; PARTICIPANTS],
            push: 3,
            trap_at: None,
            limit_at: None,
            over_at: None,
        }
    }

    fn move_marble(&mut self, n: usize, marks: &mut Vec<Mark>) {
        self.place[n] += self.speed[n];
        if self.place[n].abs() > 1_000 {
            self.place[n] = self.place[n].clamp(-1_000, 1_000);
            self.speed[n] = -self.speed[n];
            marks.push(Mark { kind: MARK_WALL, payload: vec![n as u8] });
        }
    }
}

impl Simulation for Marbles {
    fn step(&mut self, tick: Tick, inputs: &Inputs, marks: &mut Vec<Mark>) -> Result<Status, Failure> {
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let gust = (self.random >> 62) as i32 - 1;
        for n in 0..PARTICIPANTS {
            if let Some(&[pad, wind]) = inputs.get(n) {
                self.speed[n] += ((pad & 1) - (pad >> 1 & 1)) * self.push + wind / 8_192 + gust;
                self.speed[n] = self.speed[n].clamp(-40, 40);
            }
            self.move_marble(n, marks);
        }
        // The state is touched before the failure, as a real game's would be.
        if self.trap_at == Some(tick) {
            return Err(Failure::Trap(Trap::Unreachable));
        }
        if self.limit_at == Some(tick) {
            return Err(Failure::Limit { what: "tick fuel".into(), limit: 1 });
        }
        Ok(if self.over_at == Some(tick) { Status::Over } else { Status::Running })
    }

    fn save(&mut self, state: &mut Vec<u8>) {
        state.clear();
        state.extend_from_slice(&self.random.to_le_bytes());
        for n in 0..PARTICIPANTS {
            state.extend_from_slice(&self.place[n].to_le_bytes());
            state.extend_from_slice(&self.speed[n].to_le_bytes());
        }
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        if state.len() != STATE_BYTES {
            return Err(RestoreError::Length { actual: state.len(), expected: STATE_BYTES });
        }
        let (random, marbles) = state.split_at(8);
        self.random = u64::from_le_bytes(random.try_into().expect("split at eight bytes"));
        for (n, marble) in marbles.as_chunks::<8>().0.iter().enumerate() {
            let [a, b, c, d, e, f, g, h] = *marble;
            self.place[n] = i32::from_le_bytes([a, b, c, d]);
            self.speed[n] = i32::from_le_bytes([e, f, g, h]);
        }
        Ok(())
    }

    fn fields(&mut self) -> Vec<Field> {
        let ints = |values: &[i32]| values.iter().map(|value| FieldValue::Int((*value).into())).collect();
        vec![
            Field { name: "random".into(), values: vec![FieldValue::Uint(self.random)] },
            Field { name: "place".into(), values: ints(&self.place) },
            Field { name: "speed".into(), values: ints(&self.speed) },
        ]
    }
}

/// The columns of the game.
pub fn schema() -> InputSchema {
    let columns = vec![Column::buttons("pad", Width::Bits8), Column::axis("wind", Width::Bits16)];
    InputSchema::new(PARTICIPANTS, columns).expect("two columns of different names")
}

/// The start of a session of the game.
pub fn started(seed: u64, hash_every: u32) -> SessionStarted {
    SessionStarted {
        simulation: SimulationId::Native { name: "marbles".into(), build: "1".into() },
        game: "marbles".into(),
        seed,
        config: Vec::new(),
        disk: Vec::new(),
        rate: TickRate::HZ_60,
        schema: schema(),
        hash_every,
    }
}

/// The file of a session of `game` with random inputs, of at most `ticks` ticks.
pub fn record(game: Marbles, ticks: u32, hash_every: u32, keyframe_every: u32) -> Vec<u8> {
    let seed = game.random;
    let mut recording = Recording::new(game, started(seed, hash_every), keyframe_every)
        .expect("the game has neither config nor disk");
    for inputs in random_inputs(&schema(), seed, ticks) {
        if !matches!(recording.step(&inputs), Ok(Status::Running)) {
            break;
        }
    }
    recording.finish(None).expect("a recording ends with its end")
}

/// The replay of [`record`].
pub fn replay(game: Marbles, ticks: u32, hash_every: u32, keyframe_every: u32) -> Arc<Replay> {
    let bytes = record(game, ticks, hash_every, keyframe_every);
    Arc::new(Replay::decode(&bytes).expect("what was just written is a replay"))
}

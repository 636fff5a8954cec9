//! Play, pause, step and seek in a replay, in both directions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::format::{InputReader, Keyframe, Replay};
use crate::hash::StateHash;
use crate::limits::{ADVANCE_TICKS_MAX, PLAYER_CACHE_BYTES_MAX};
use crate::recording::KEYFRAME_EVERY_DEFAULT;
use crate::simulation::{Failure, Mark, Simulation, Status};
use crate::tick::Tick;

/// Ticks between the states that a seek remembers near its target, so that steps back are short.
const NEAR_SPACING: u32 = 16;
/// How far before the target of a seek states are remembered.
const NEAR_TICKS: u32 = 256;

/// How fast to play, in thousandths of the session's own speed; negative plays backwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(i32);

impl Rate {
    /// The session's own speed.
    pub const NORMAL: Self = Self(1_000);

    /// `None` for 0 and for more than 1,000 times the session's speed.
    pub fn from_permille(permille: i32) -> Option<Self> {
        (permille != 0 && permille.unsigned_abs() <= 1_000_000).then_some(Self(permille))
    }

    /// Thousandths of the session's speed.
    pub fn permille(self) -> i32 {
        self.0
    }
}

/// Why a tick cannot be shown.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SeekError {
    /// There is no such tick.
    #[error("tick {tick} is after the last one, {last}")]
    PastEnd {
        /// As asked for.
        tick: Tick,
        /// The last tick of the replay.
        last: Tick,
    },
    /// The simulation fails where the recorded one did not. The playhead stays at `tick`.
    #[error("the simulation fails at tick {tick}, where the recorded one did not")]
    Failed {
        /// The tick whose step failed.
        tick: Tick,
        /// How.
        #[source]
        failure: Failure,
    },
    /// A state that the simulation itself saved cannot be restored.
    #[error("the simulation does not take its own state back")]
    Restore,
}

/// What one call of [`Player::advance`] did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Advance {
    /// How many ticks the playhead moved, in the direction of the rate.
    pub ticks: u32,
    /// What was emitted while playing forwards: the tick it stands at, and the mark.
    pub marks: Vec<(Tick, Mark)>,
    /// Whether an end of the time line was reached; the player has paused then.
    pub ended: bool,
}

/// Plays a replay on a simulation. The clock is the caller's: [`advance`](Self::advance) is told how much
/// time has passed.
///
/// For every tick `t`, the state after `seek(t)` is the state after playing from 0 to `t`.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// use reenact::{Player, Rate, Replay, Simulation, Tick};
/// fn middle<S: Simulation>(simulation: S, replay: Arc<Replay>) -> Result<(), reenact::SeekError> {
///     let half = Tick(replay.last_tick().0 / 2);
///     let mut player = Player::new(simulation, replay);
///     player.seek(half)?;
///     player.set_rate(Rate::from_permille(-500).expect("not zero, and slow"));
///     player.play();
///     let advance = player.advance(Duration::from_millis(100))?;
///     assert_eq!(player.playhead().0 + advance.ticks, half.0);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Player<S> {
    simulation: S,
    replay: Arc<Replay>,
    reader: InputReader,
    playhead: Tick,
    playing: bool,
    rate: Rate,
    /// Time that has passed and has not become a tick yet, in the unit of [`Player::tick_cost`].
    owed: u128,
    /// The state at tick 0, and states near the playhead; those of the replay are not copied.
    cache: Cache,
    /// The replay's keyframes that have not been found bad, by their place in it, in order of ticks.
    keyframes: Vec<usize>,
    marks: Vec<Mark>,
}

impl<S: Simulation> Player<S> {
    /// A player at tick 0, paused, at normal speed. `simulation` is that of the replay, at tick 0.
    pub fn new(mut simulation: S, replay: Arc<Replay>) -> Self {
        let reader = replay.inputs.reader();
        let mut initial = Vec::new();
        simulation.save(&mut initial);
        let keyframes = (0..replay.keyframes.len()).collect();
        Self {
            simulation,
            replay,
            reader,
            playhead: Tick::ZERO,
            playing: false,
            rate: Rate::NORMAL,
            owed: 0,
            cache: Cache::new(initial),
            keyframes,
            marks: Vec::new(),
        }
    }

    /// The tick whose state the simulation has.
    pub fn playhead(&self) -> Tick {
        self.playhead
    }

    /// What is played.
    pub fn replay(&self) -> &Replay {
        &self.replay
    }

    /// The simulation at the playhead, to look at: hash, picture, fields.
    pub fn simulation(&mut self) -> &mut S {
        &mut self.simulation
    }

    /// Whether [`advance`](Self::advance) moves the playhead.
    pub fn playing(&self) -> bool {
        self.playing
    }

    /// Lets time pass.
    pub fn play(&mut self) {
        self.playing = true;
    }

    /// Stops time; the fraction of a tick that has passed is kept, so that no tick is skipped or repeated.
    pub fn pause(&mut self) {
        self.playing = false;
    }

    /// How fast it plays.
    pub fn rate(&self) -> Rate {
        self.rate
    }

    /// Changes speed and direction from here on.
    pub fn set_rate(&mut self, rate: Rate) {
        self.rate = rate;
        self.owed = 0;
    }

    /// Lets `elapsed` pass, if the player plays: whole ticks are run, the rest is kept for the next call.
    /// One call runs at most [`ADVANCE_TICKS_MAX`] ticks; what is owed beyond is forgotten.
    ///
    /// # Errors
    /// The simulation fails where the recorded one did not; the player has paused.
    pub fn advance(&mut self, elapsed: Duration) -> Result<Advance, SeekError> {
        let mut advance = Advance::default();
        if !self.playing {
            return Ok(advance);
        }
        let cost = self.tick_cost();
        let rate = self.replay.started.rate;
        let speed = u128::from(rate.numerator()) * u128::from(self.rate.0.unsigned_abs());
        self.owed = self.owed.saturating_add(elapsed.as_nanos().saturating_mul(speed));
        let due = (self.owed / cost).min(u128::from(ADVANCE_TICKS_MAX)) as u32;
        self.owed %= cost;
        let moved =
            if self.rate.0 > 0 { self.forward(due, &mut advance) } else { self.back(due, &mut advance) };
        if moved.is_err() || advance.ended {
            self.playing = false;
            self.owed = 0;
        }
        moved.map(|()| advance)
    }

    /// Runs the tick at the playhead and gives its marks; `None` at the end of the replay.
    ///
    /// # Errors
    /// The simulation fails where the recorded one did not; the playhead stays.
    pub fn step(&mut self) -> Result<Option<&[Mark]>, SeekError> {
        if self.playhead >= self.replay.last_tick() {
            return Ok(None);
        }
        self.run_one()?;
        Ok(Some(&self.marks))
    }

    /// Goes back one tick; `false` at tick 0.
    ///
    /// # Errors
    /// As [`seek`](Self::seek).
    pub fn step_back(&mut self) -> Result<bool, SeekError> {
        match self.playhead.previous() {
            Some(previous) => self.seek(previous).map(|()| true),
            None => Ok(false),
        }
    }

    /// Moves the playhead to `tick`: the nearest keyframe at or before it is restored, the rest is run
    /// again. No mark is given. A keyframe that cannot be restored, or is not the state whose hash was
    /// recorded at its tick, is passed over for the one before; where nobody recorded hashes it is believed.
    ///
    /// # Errors
    /// There is no such tick, or the simulation fails on the way.
    pub fn seek(&mut self, tick: Tick) -> Result<(), SeekError> {
        let last = self.replay.last_tick();
        if tick > last {
            return Err(SeekError::PastEnd { tick, last });
        }
        self.owed = 0;
        let nearest = self.nearest_keyframe(tick);
        if self.playhead > tick || self.playhead < nearest {
            self.restore_at_or_before(tick)?;
        }
        while self.playhead < tick {
            self.run_one()?;
            let near = tick.0 - self.playhead.0 <= NEAR_TICKS && self.playhead.0.is_multiple_of(NEAR_SPACING);
            if near || self.playhead.0.is_multiple_of(KEYFRAME_EVERY_DEFAULT) {
                self.cache.remember(self.playhead, &mut self.simulation);
            }
        }
        Ok(())
    }

    /// What `owed` must reach for one tick: nanoseconds x ticks x thousandths.
    fn tick_cost(&self) -> u128 {
        u128::from(self.replay.started.rate.denominator()) * 1_000_000_000 * 1_000
    }

    fn forward(&mut self, ticks: u32, advance: &mut Advance) -> Result<(), SeekError> {
        while advance.ticks < ticks && self.playhead < self.replay.last_tick() {
            self.run_one()?;
            advance.ticks += 1;
            advance.marks.extend(self.marks.drain(..).map(|mark| (self.playhead, mark)));
        }
        advance.ended = self.playhead == self.replay.last_tick();
        Ok(())
    }

    fn back(&mut self, ticks: u32, advance: &mut Advance) -> Result<(), SeekError> {
        let target = Tick(self.playhead.0.saturating_sub(ticks));
        advance.ticks = self.playhead.0 - target.0;
        if target != self.playhead {
            let owed = self.owed;
            self.seek(target)?;
            self.owed = owed;
        }
        advance.ended = target == Tick::ZERO;
        Ok(())
    }

    /// Runs the tick at the playhead, which is before the last.
    fn run_one(&mut self) -> Result<(), SeekError> {
        let tick = self.playhead;
        self.marks.clear();
        let inputs = self.reader.at(&self.replay.inputs, tick);
        let inputs = inputs.expect("a decoded replay has the inputs of every tick before its last");
        match self.simulation.step(tick, inputs, &mut self.marks) {
            Ok(Status::Running | Status::Over) => {
                self.playhead = Tick(tick.0 + 1);
                Ok(())
            }
            Err(failure) => {
                self.restore_at_or_before(tick)?;
                self.recover(tick);
                Err(SeekError::Failed { tick, failure })
            }
        }
    }

    /// Brings the simulation back to `tick`, up to which it has run before, after a failure beyond it.
    fn recover(&mut self, tick: Tick) {
        while self.playhead < tick {
            let inputs = self.reader.at(&self.replay.inputs, self.playhead);
            let inputs = inputs.expect("a decoded replay has the inputs of every tick before its last");
            self.marks.clear();
            if self.simulation.step(self.playhead, inputs, &mut self.marks).is_err() {
                return;
            }
            self.playhead = Tick(self.playhead.0 + 1);
        }
    }

    /// The tick of the nearest keyframe at or before `tick`.
    fn nearest_keyframe(&self, tick: Tick) -> Tick {
        let own = self.own_keyframes(tick).checked_sub(1);
        let own = own.map_or(Tick::ZERO, |place| self.replay.keyframes[self.keyframes[place]].tick());
        own.max(self.cache.nearest(tick))
    }

    /// How many of the replay's keyframes that may be good lie at or before `tick`.
    fn own_keyframes(&self, tick: Tick) -> usize {
        self.keyframes.partition_point(|&place| self.replay.keyframes[place].tick() <= tick)
    }

    /// Restores the nearest keyframe at or before `tick` that can be.
    fn restore_at_or_before(&mut self, tick: Tick) -> Result<(), SeekError> {
        let replay = Arc::clone(&self.replay);
        let near = self.cache.nearest(tick);
        while let Some(last) = self.own_keyframes(tick).checked_sub(1) {
            let keyframe = &replay.keyframes[self.keyframes[last]];
            if keyframe.tick() <= near {
                break;
            }
            if self.restore_own(&replay, keyframe) {
                self.playhead = keyframe.tick();
                return Ok(());
            }
            self.keyframes.remove(last);
        }
        self.simulation.restore(self.cache.state(near)).map_err(|_| SeekError::Restore)?;
        self.playhead = near;
        Ok(())
    }

    /// Restores a keyframe of the replay; `false` if it is bad.
    fn restore_own(&mut self, replay: &Replay, keyframe: &Keyframe) -> bool {
        let Some(state) = keyframe.state() else { return false };
        let believed = match replay.hashes.get(&keyframe.tick()) {
            Some(recorded) => *recorded == StateHash::of(&state),
            None => replay.hashes.is_empty(),
        };
        believed && self.simulation.restore(&state).is_ok()
    }
}

/// States that the player remembers: that at tick 0 for ever, others as long as there is room.
#[derive(Debug)]
struct Cache {
    states: BTreeMap<Tick, Vec<u8>>,
    /// Bytes of all states but that at tick 0.
    bytes: usize,
    initial: Vec<u8>,
}

impl Cache {
    fn new(initial: Vec<u8>) -> Self {
        Self { states: BTreeMap::new(), bytes: 0, initial }
    }

    fn nearest(&self, tick: Tick) -> Tick {
        self.states.range(..=tick).next_back().map_or(Tick::ZERO, |(near, _)| *near)
    }

    /// The state at a tick that [`nearest`](Self::nearest) gave.
    fn state(&self, tick: Tick) -> &[u8] {
        self.states.get(&tick).unwrap_or(&self.initial)
    }

    /// Keeps the state at `tick`; the ones farthest from it make room.
    fn remember<S: Simulation>(&mut self, tick: Tick, simulation: &mut S) {
        if self.states.contains_key(&tick) || self.initial.len() > PLAYER_CACHE_BYTES_MAX {
            return;
        }
        let mut state = Vec::new();
        simulation.save(&mut state);
        self.bytes += state.len();
        self.states.insert(tick, state);
        while self.bytes > PLAYER_CACHE_BYTES_MAX {
            let distance = |(far, _): (&Tick, _)| far.0.abs_diff(tick.0);
            let first = self.states.first_key_value().map(distance);
            let dropped = if first >= self.states.last_key_value().map(distance) {
                self.states.pop_first()
            } else {
                self.states.pop_last()
            };
            self.bytes -= dropped.map_or(self.bytes, |(_, state)| state.len());
        }
    }
}

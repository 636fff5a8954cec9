//! Record a simulation into a replay in memory.

use crate::format::{Attachments, Keyframe, ReplayError, replay_from_session};
use crate::hash::StateHash;
use crate::input::Inputs;
use crate::recorder::{RecordError, Recorder};
use crate::session::{EndReason, SessionPayload, SessionStarted};
use crate::simulation::{Simulation, Status};
use crate::tick::Tick;

/// Keyframes are taken each so many ticks unless somebody asks otherwise: every ten seconds at 60 Hz.
pub const KEYFRAME_EVERY_DEFAULT: u32 = 600;

/// Drives a simulation tick by tick and gathers everything that its replay file needs.
#[derive(Debug)]
pub struct Recording<S> {
    simulation: S,
    recorder: Recorder,
    keyframe_every: u32,
    payloads: Vec<SessionPayload>,
    keyframes: Vec<Keyframe>,
    state: Vec<u8>,
}

impl<S: Simulation> Recording<S> {
    /// Begins to record `simulation`, which is at tick 0, with a keyframe each `keyframe_every` ticks; none
    /// at all for 0.
    ///
    /// # Errors
    /// As [`Recorder::new`].
    pub fn new(simulation: S, started: SessionStarted, keyframe_every: u32) -> Result<Self, RecordError> {
        let recorder = Recorder::new(started, u32::MAX)?;
        let (payloads, keyframes, state) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { simulation, recorder, keyframe_every, payloads, keyframes, state })
    }

    /// The tick that is recorded next.
    pub fn tick(&self) -> Tick {
        self.recorder.tick()
    }

    /// The simulation, to look at: pictures, suggestions, fields.
    pub fn simulation(&mut self) -> &mut S {
        &mut self.simulation
    }

    /// Runs and records one tick.
    ///
    /// # Errors
    /// As [`Recorder::step`]; the recording is whole up to the tick before and can be finished.
    pub fn step(&mut self, inputs: &Inputs) -> Result<Status, RecordError> {
        self.take_keyframe();
        let status = self.recorder.step(&mut self.simulation, inputs);
        self.payloads.extend(std::iter::from_fn(|| self.recorder.poll()));
        status
    }

    /// Ends the session, unless it has ended by itself, and writes the replay; `module` travels with it.
    ///
    /// # Errors
    /// The module is too large.
    pub fn finish(mut self, module: Option<Vec<u8>>) -> Result<Vec<u8>, ReplayError> {
        self.recorder.end(&mut self.simulation, EndReason::Stopped);
        self.payloads.extend(std::iter::from_fn(|| self.recorder.poll()));
        replay_from_session(self.payloads, &Attachments { module, keyframes: self.keyframes })
    }

    fn take_keyframe(&mut self) {
        let tick = self.recorder.tick();
        let due = self.keyframe_every != 0 && tick.0.is_multiple_of(self.keyframe_every);
        if due && self.keyframes.last().is_none_or(|last| last.tick() < tick) {
            self.simulation.save(&mut self.state);
            self.keyframes.extend(Keyframe::new(tick, &self.state));
            // By its hash a player tells a keyframe from another state.
            if self.recorder.started().hash_every != 0 {
                self.recorder.hash(StateHash::of(&self.state));
            }
        }
    }
}

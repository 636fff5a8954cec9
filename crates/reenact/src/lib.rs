//! Record a game once; replay any moment of it, bit for bit, for ever.
//!
//! This is the spine of Reenact: everything that must hold for a recording to be replayed exactly, and
//! nothing else. A [`Simulation`] is a deterministic step function. A [`Recorder`] turns the inputs it is
//! played with into the payloads of a session; [`replay_from_session`] makes them a file, [`Replay`] reads
//! it. A [`Player`] plays, pauses, steps and seeks in it; a [`Verifier`] re-simulates it and compares state
//! hashes; a [`Comparison`] tells where another build diverges.
//!
//! ```text
//! inputs, tick by tick -> Recorder -> session payloads -> replay_from_session -> bytes
//! bytes -> Replay -> Player (keyframe + inputs -> any tick) | Verifier | Comparison
//! ```
//!
//! ```
//! use std::sync::Arc;
//! use reenact::input::{Column, InputSchema, Inputs, Width};
//! use reenact::session::{SessionStarted, SimulationId};
//! use reenact::*;
//!
//! /// A simulation that adds up what participant 0 does.
//! struct Sum(i64);
//! impl Simulation for Sum {
//!     fn step(&mut self, _: Tick, inputs: &Inputs, _: &mut Vec<Mark>) -> Result<Status, Failure> {
//!         self.0 += inputs.get(0).map_or(0, |row| i64::from(row[0]));
//!         Ok(Status::Running)
//!     }
//!     fn save(&mut self, state: &mut Vec<u8>) {
//!         state.clear();
//!         state.extend_from_slice(&self.0.to_le_bytes());
//!     }
//!     fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
//!         let bytes = state.try_into().map_err(|_| RestoreError::Length { actual: state.len(), expected: 8 })?;
//!         self.0 = i64::from_le_bytes(bytes);
//!         Ok(())
//!     }
//! }
//!
//! let schema = InputSchema::new(1, vec![Column::axis("step", Width::Bits8)])?;
//! let started = SessionStarted {
//!     simulation: SimulationId::Native { name: "sum".into(), build: "1".into() },
//!     game: "sum".into(),
//!     seed: 0,
//!     config: Vec::new(),
//!     disk: Vec::new(),
//!     rate: TickRate::HZ_60,
//!     schema: schema.clone(),
//!     hash_every: 60,
//! };
//! let mut recording = Recording::new(Sum(0), started, 600)?;
//! for n in 0..100 {
//!     let mut inputs = Inputs::absent(&schema);
//!     inputs.set(&schema, 0, &[n])?;
//!     recording.step(&inputs)?;
//! }
//! let file = recording.finish(None)?;
//!
//! let replay = Arc::new(Replay::decode(&file)?);
//! let mut player = Player::new(Sum(0), Arc::clone(&replay));
//! player.seek(Tick(50))?;
//! assert_eq!(player.simulation().0, (0..50).sum());
//!
//! let verdict = Verifier::new(Sum(0), replay).advance(1_000);
//! assert_eq!(verdict, Some(Verdict::Verified { through: Tick(100), hashes: 3 }));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! - [`tick`], [`input`], [`hash`]: ticks and rates, declared input columns and their values, digests
//! - [`simulation`], [`bot`]: the contract of a game, and random inputs for one
//! - [`session`], [`format`](mod@format): payloads of a session, and the replay file
//! - [`recorder`], [`recording`]: from a running game to payloads, and to a file
//! - [`player`], [`verify`]: from a file to any tick, and to a verdict
//! - [`limits`]: every limit, in one place

pub mod bot;
pub mod format;
pub mod hash;
pub mod input;
pub mod limits;
pub mod player;
pub mod recorder;
pub mod recording;
pub mod session;
pub mod simulation;
pub mod tick;
pub mod verify;

pub use format::{
    Attachments, DecodeError, DecodeErrorKind, Keyframe, Replay, ReplayError, replay_from_session,
};
pub use hash::{ModuleHash, StateHash};
pub use input::{InputSchema, Inputs};
pub use player::{Advance, Player, Rate, SeekError};
pub use recorder::{RecordError, Recorder};
pub use recording::Recording;
pub use session::{SessionPayload, SessionStarted};
pub use simulation::{
    Failure, Field, FieldValue, Mark, Picture, RestoreError, Simulation, Status, Trap, Viewer,
};
pub use tick::{Tick, TickRate};
pub use verify::{Comparison, Divergence, Mismatch, Outcome, Verdict, Verifier};

//! What the events of a session's stream carry: its payloads.
//!
//! A session is a [`SessionStarted`], then input blocks, hashes and marks in order of ticks, then a
//! [`SessionEnded`]. The protobuf form of each, but for the input block, is
//! `proto/reenact/v1/session.proto`; an input block is coded as `docs/spec/replay-format.md` says.

mod codec;
#[allow(clippy::pedantic, unreachable_pub, reason = "generated")]
mod proto;

pub use codec::PayloadError;

use crate::format::block::InputBlock;
use crate::hash::{ModuleHash, StateHash};
use crate::input::InputSchema;
use crate::simulation::{Failure, Mark};
use crate::tick::{Tick, TickRate};

/// One payload of a session's stream.
#[derive(Clone, Debug, PartialEq)]
pub enum SessionPayload {
    /// The first: everything a simulation needs to be at tick 0.
    Started(SessionStarted),
    /// What participants did in a span of ticks.
    InputsRecorded(InputBlock),
    /// State hashes, in order of ticks.
    HashesRecorded(Vec<(Tick, StateHash)>),
    /// A mark, at the tick to which the step that emitted it led.
    Marked(Tick, Mark),
    /// The last.
    Ended(SessionEnded),
}

/// Everything a simulation needs to be at tick 0, and how the session is recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionStarted {
    /// What is simulated.
    pub simulation: SimulationId,
    /// The name of the game, for people.
    pub game: String,
    /// Where the game's randomness begins.
    pub seed: u64,
    /// What the game is configured with; at most 64 KiB.
    pub config: Vec<u8>,
    /// The console's disk before initialisation; at most 1 KiB.
    pub disk: Vec<u8>,
    /// How fast the game is meant to be played.
    pub rate: TickRate,
    /// Participants and their input columns.
    pub schema: InputSchema,
    /// A state hash is taken at tick 0, every so many ticks and at the last; 0 for none at all.
    pub hash_every: u32,
}

/// State hashes are taken each so many ticks unless somebody asks otherwise: once a second at 60 Hz.
pub const HASH_EVERY_DEFAULT: u32 = 60;

/// Which simulation a session is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SimulationId {
    /// A wasm module.
    Wasm(WasmId),
    /// A simulation that is linked into a program; it cannot be re-simulated elsewhere.
    Native {
        /// The name of the game.
        name: String,
        /// Which build of it.
        build: String,
    },
}

/// What pins a wasm simulation: equal pins, equal states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WasmId {
    /// Of the module as it was handed in.
    pub module: ModuleHash,
    /// The contract that the module speaks.
    pub console: Console,
    /// The version of the rewriter; see `docs/spec/rewrite.md`.
    pub rewriter_version: u32,
    /// What the module may use.
    pub limits: Limits,
}

/// The contract that a module speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Console {
    /// `docs/spec/reenact1.md`.
    Reenact1,
    /// `docs/spec/wasm4.md`.
    Wasm4,
}

impl Console {
    /// The name people use: `reenact1` or `wasm4`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Reenact1 => "reenact1",
            Self::Wasm4 => "wasm4",
        }
    }
}

/// What a module may use while it runs. A session that meets a limit is not verifiable under another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Pages of linear memory, 64 KiB each.
    pub memory_pages: u32,
    /// Bytes of stack as the rewriter counts them.
    pub stack_bytes: u32,
    /// Fuel of everything before tick 0 together; about an instruction a unit.
    pub init_fuel: u64,
    /// Fuel of one tick.
    pub tick_fuel: u64,
}

impl Default for Limits {
    /// 64 MiB of memory, 512 KiB of stack, and fuel for about a second of initialisation and a few of a tick:
    /// there are real carts that make a level in one tick, and a limit ends what would not end; it does not
    /// make a game fast.
    fn default() -> Self {
        Self {
            memory_pages: 1_024,
            stack_bytes: 512 << 10,
            init_fuel: 1_000_000_000,
            tick_fuel: 4_000_000_000,
        }
    }
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionEnded {
    /// The last tick whose state is recorded: how many steps were taken.
    pub last_tick: Tick,
    /// Why no more were.
    pub reason: EndReason,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// Whoever recorded it stopped.
    Stopped,
    /// The simulation said that the game is over.
    Over,
    /// The step after the last tick failed.
    Failed(Failure),
    /// The recorder's buffer was full; nothing is recorded over the gap.
    Truncated,
}

//! Run a wasm module as a deterministic simulation.
//!
//! [`Module::admit`] takes a game's module apart, holds it against its console's contract and every limit,
//! rewrites it so that all engines agree and its whole state is reachable, and compiles it. A module starts
//! [`WasmSimulation`]s, which record, replay, seek and verify like any other [`reenact::Simulation`].
//!
//! Two consoles are known: games of our own speak `reenact1` (`docs/spec/reenact1.md`), and WASM-4 carts run
//! unmodified (`docs/spec/wasm4.md`). A guest sees no clock, no randomness and no outside world, and whatever
//! it may use has a limit: [`limits`] for its form, [`reenact::session::Limits`] for what it does.
//!
//! ```no_run
//! use reenact::session::Limits;
//! use reenact::{Simulation, Tick};
//! use reenact_wasm::{Engine, Module, Setup};
//!
//! let module = Module::admit(&Engine::new()?, &std::fs::read("arena.wasm")?, Limits::default())?;
//! let mut simulation = module.simulation(&Setup { seed: 7, ..Setup::default() })?;
//! let inputs = reenact::Inputs::absent(module.input_schema());
//! simulation.step(Tick::ZERO, &inputs, &mut Vec::new())?;
//! println!("{}", simulation.state_hash());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Layout
//!
//! - [`module`], [`simulation`]: what users hold
//! - [`rewrite`], [`schema`], [`error`]: from bytes to a module that may run
//! - `engine`: the compiling engine, and the interpreter of the feature `wasmi`
//! - `guest`, `reenact1`, `wasm4`, `state`: host functions, the two consoles, the state's encoding

mod engine;
pub mod error;
mod guest;
pub mod limits;
pub mod module;
mod reenact1;
pub mod rewrite;
pub mod schema;
pub mod simulation;
mod state;
mod wasm4;

pub use engine::{Engine, EngineError};
pub use error::AdmitError;
pub use guest::LogLine;
pub use module::{Module, OpenError, Setup, StartError};
pub use simulation::WasmSimulation;

//! Modules: admitted once, started as often as one likes.

use std::sync::Arc;

use reenact::input::InputSchema;
use reenact::limits::{CONFIG_BYTES_MAX, DISK_BYTES_MAX};
use reenact::session::{Limits, SessionStarted, SimulationId, WasmId};
use reenact::{Failure, ModuleHash, TickRate};
use thiserror::Error;

use crate::engine::{Compiled, Engine};
use crate::error::AdmitError;
use crate::rewrite::{REWRITER_VERSION, RewriteLimits, Rewritten, rewrite};
use crate::schema::Schema;
use crate::simulation::WasmSimulation;

/// A module that has been admitted: checked, rewritten and compiled. A clone is the same module.
#[derive(Clone)]
pub struct Module(Arc<Admitted>);

/// What all simulations of a module share.
pub(crate) struct Admitted {
    pub(crate) id: WasmId,
    pub(crate) rewritten: Rewritten,
    pub(crate) compiled: Box<dyn Compiled>,
    pub(crate) input: InputSchema,
    pub(crate) schema: Schema,
}

/// Where a simulation begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setup {
    /// Where the game's randomness begins; carts have none.
    pub seed: u64,
    /// What the game is configured with; at most 64 KiB. Carts take none.
    pub config: Vec<u8>,
    /// The console's disk; at most 1 KiB. Games without a console have none.
    pub disk: Vec<u8>,
}

impl From<&SessionStarted> for Setup {
    fn from(started: &SessionStarted) -> Self {
        Self { seed: started.seed, config: started.config.clone(), disk: started.disk.clone() }
    }
}

/// Why bytes are not the module of a session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The session is of a simulation that only its own program has.
    #[error("the session is of the native simulation {name:?} {build:?}, which only its own program can run")]
    Native {
        /// The name of the game.
        name: String,
        /// Which build of it.
        build: String,
    },
    /// Another module.
    #[error("the session is of module {expected}, this is module {actual}")]
    Module {
        /// The hash that the session names.
        expected: ModuleHash,
        /// The hash of the bytes.
        actual: ModuleHash,
    },
    /// The session was recorded with another version of the rewriter.
    #[error("the session was recorded with version {expected} of the rewriter, this is version {actual}")]
    Rewriter {
        /// As the session says.
        expected: u32,
        /// [`REWRITER_VERSION`].
        actual: u32,
    },
    /// The module is refused.
    #[error("the module is refused")]
    Admit(#[from] AdmitError),
}

/// Why a simulation of a module does not begin.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartError {
    /// The session is of another simulation.
    #[error("the session is of {expected}, the module is {actual}")]
    Other {
        /// What the session names.
        expected: String,
        /// What the module is.
        actual: String,
    },
    /// More of something than allowed.
    #[error("{what} of {actual} bytes, where at most {limit} are allowed")]
    Limit {
        /// `config` or `disk`.
        what: &'static str,
        /// As given.
        actual: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Initialisation failed or met a limit.
    #[error("initialisation failed")]
    Failed(#[source] Failure),
}

impl Module {
    /// Checks, rewrites and compiles a module, under the limits that its simulations shall have.
    ///
    /// Compiling cannot be stopped, so what it may cost is bounded before it begins; see [`crate::limits`].
    ///
    /// # Errors
    /// The module is refused, by name.
    pub fn admit(engine: &Engine, bytes: &[u8], limits: Limits) -> Result<Self, AdmitError> {
        let rewrite_limits =
            RewriteLimits { memory_pages_max: limits.memory_pages, stack_bytes_max: limits.stack_bytes };
        AdmitError::check(
            "memory pages of the limits",
            limits.memory_pages,
            crate::limits::MEMORY_PAGES_MAX,
        )?;
        AdmitError::check(
            "stack bytes of the limits",
            limits.stack_bytes,
            crate::limits::GUEST_STACK_BYTES_MAX,
        )?;
        AdmitError::check("fuel of initialisation of the limits", limits.init_fuel, crate::limits::FUEL_MAX)?;
        AdmitError::check("fuel of a tick of the limits", limits.tick_fuel, crate::limits::FUEL_MAX)?;
        let rewritten = rewrite(bytes, &rewrite_limits)?;
        let compiled = engine.compile(&rewritten).map_err(|error| AdmitError::Engine { reason: error.0 })?;
        let id = WasmId {
            module: ModuleHash::of(bytes),
            console: rewritten.console,
            rewriter_version: REWRITER_VERSION,
            limits,
        };
        let schema = rewritten.schema.clone().unwrap_or_default();
        let input = rewritten.input_schema();
        Ok(Self(Arc::new(Admitted { id, rewritten, compiled, input, schema })))
    }

    /// Admits the module of a session, under the limits that the session names.
    ///
    /// # Errors
    /// `bytes` are not the module that the session names, or it cannot be run here.
    pub fn admit_for(engine: &Engine, started: &SessionStarted, bytes: &[u8]) -> Result<Self, OpenError> {
        let pinned = match &started.simulation {
            SimulationId::Wasm(id) => id,
            SimulationId::Native { name, build } => {
                return Err(OpenError::Native { name: name.clone(), build: build.clone() });
            }
        };
        let actual = ModuleHash::of(bytes);
        if actual != pinned.module {
            return Err(OpenError::Module { expected: pinned.module, actual });
        }
        if pinned.rewriter_version != REWRITER_VERSION {
            let (expected, actual) = (pinned.rewriter_version, REWRITER_VERSION);
            return Err(OpenError::Rewriter { expected, actual });
        }
        Ok(Self::admit(engine, bytes, pinned.limits)?)
    }

    /// What pins a simulation of this module.
    pub fn id(&self) -> WasmId {
        self.0.id
    }

    /// The module as it runs, on any engine; see `docs/spec/rewrite.md`.
    pub fn rewritten(&self) -> &[u8] {
        &self.0.rewritten.wasm
    }

    /// Participants and their input columns.
    pub fn input_schema(&self) -> &InputSchema {
        &self.0.input
    }

    /// What the game says about itself; the defaults where it says nothing.
    pub fn schema(&self) -> &Schema {
        &self.0.schema
    }

    /// How fast the game is meant to be played.
    pub fn rate(&self) -> TickRate {
        TickRate::new(self.0.schema.rate, 1).expect("a schema holds rates to 1 to 1,000 ticks a second")
    }

    /// The start of a session of this module.
    pub fn session(&self, setup: Setup, hash_every: u32) -> SessionStarted {
        SessionStarted {
            simulation: SimulationId::Wasm(self.0.id),
            game: self.0.schema.game.clone(),
            seed: setup.seed,
            config: setup.config,
            disk: setup.disk,
            rate: self.rate(),
            schema: self.0.input.clone(),
            hash_every,
        }
    }

    /// A simulation at tick 0 of a session of this module.
    ///
    /// # Errors
    /// The session is of another simulation, or initialisation fails.
    pub fn simulation_of(&self, started: &SessionStarted) -> Result<WasmSimulation, StartError> {
        let actual = SimulationId::Wasm(self.0.id);
        if started.simulation != actual || started.schema != self.0.input {
            let (expected, actual) = (describe(&started.simulation), describe(&actual));
            return Err(StartError::Other { expected, actual });
        }
        self.simulation(&Setup::from(started))
    }

    /// A simulation at tick 0.
    ///
    /// # Errors
    /// A part of the setup is too large, or initialisation fails.
    pub fn simulation(&self, setup: &Setup) -> Result<WasmSimulation, StartError> {
        for (what, actual, limit) in
            [("config", setup.config.len(), CONFIG_BYTES_MAX), ("disk", setup.disk.len(), DISK_BYTES_MAX)]
        {
            if actual > limit {
                return Err(StartError::Limit { what, actual, limit });
            }
        }
        WasmSimulation::start(Arc::clone(&self.0), setup).map_err(StartError::Failed)
    }
}

impl std::fmt::Debug for Module {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Module").field("id", &self.0.id).finish_non_exhaustive()
    }
}

fn describe(id: &SimulationId) -> String {
    match id {
        SimulationId::Wasm(id) => {
            format!("{} module {} under {:?}", id.console.name(), id.module, id.limits)
        }
        SimulationId::Native { name, build } => format!("the native {name} {build}"),
    }
}

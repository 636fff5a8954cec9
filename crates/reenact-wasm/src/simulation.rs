//! A running module as a [`Simulation`].

use std::sync::Arc;

use reenact::input::Inputs;
use reenact::session::Console;
use reenact::{
    Failure, Field, Mark, Picture, RestoreError, Simulation, StateHash, Status, Tick, Trap, Viewer,
};

use crate::engine::{Function, Instance};
use crate::guest::{Guest, LogLine};
use crate::limits::PAGE_BYTES;
use crate::module::{Admitted, Setup};
use crate::reenact1::{self, ViewKind};
use crate::rewrite::names;
use crate::state::{self, State};
use crate::wasm4;

/// How the fuel limits are called in errors.
const INIT_FUEL: &str = "fuel of initialisation";
const TICK_FUEL: &str = "fuel of a tick";
const VIEW_FUEL: &str = "fuel of a view";

/// A simulation of a module, at some tick.
///
/// A guest uses up to a megabyte of the stack of the thread that steps it, so that thread has at least two.
pub struct WasmSimulation {
    module: Arc<Admitted>,
    instance: Box<dyn Instance>,
    entries: Entries,
    /// Room for the input frame.
    frame: Vec<u8>,
    /// Room for the state while a view is drawn.
    fork: Vec<u8>,
}

/// The exports that the host calls each tick.
#[derive(Clone, Copy, Debug)]
enum Entries {
    Reenact1(reenact1::Entries),
    Wasm4 { update: Function },
}

impl Entries {
    fn resolve(console: Console, instance: &mut dyn Instance) -> Result<Self, Failure> {
        let entries = match console {
            Console::Reenact1 => reenact1::Entries::resolve(instance).map(Self::Reenact1),
            Console::Wasm4 => instance.function("update").map(|update| Self::Wasm4 { update }),
        };
        // Admission has seen the exports: without them the engine has lost something.
        entries.ok_or(Failure::Trap(Trap::BadSignature))
    }
}

impl WasmSimulation {
    pub(crate) fn start(module: Arc<Admitted>, setup: &Setup) -> Result<Self, Failure> {
        let guest = Guest::new(setup.disk.clone());
        let mut instance = module.compiled.instantiate(guest)?;
        let entries = Entries::resolve(module.id.console, &mut *instance)?;
        instance.refuel(INIT_FUEL, module.id.limits.init_fuel);
        let before: &[&str] = match module.id.console {
            Console::Reenact1 => &[names::START, "_initialize"],
            Console::Wasm4 => &[names::START, "_start", "_initialize", "start"],
        };
        for name in before {
            if let Some(function) = instance.function(name) {
                instance.call(function, &[])?;
            }
        }
        if let Entries::Reenact1(entries) = entries {
            entries.init(&mut *instance, setup.seed, &setup.config)?;
        }
        Ok(Self { module, instance, entries, frame: Vec::new(), fork: Vec::new() })
    }

    /// What the guest logged in the last tick, or while it was initialised.
    pub fn logs(&mut self) -> &[LogLine] {
        &self.instance.guest().logs
    }

    /// Runs `look` on a copy of the state: whatever it changes is undone.
    fn on_fork<T>(
        &mut self,
        look: impl FnOnce(&mut dyn Instance) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut fork = std::mem::take(&mut self.fork);
        self.save(&mut fork);
        self.instance.guest().begin_tick();
        // A picture may cost many times what a tick does, and counts for nothing in the session.
        self.instance.refuel(VIEW_FUEL, self.module.id.limits.init_fuel);
        let seen = look(&mut *self.instance);
        let restored = self.restore(&fork);
        self.fork = fork;
        self.instance.guest().begin_tick();
        restored.map_err(|_| Failure::Limit { what: "memory for a fork".into(), limit: 0 })?;
        seen
    }

    fn run_tick(&mut self, tick: Tick, inputs: &Inputs) -> Result<Status, Failure> {
        match self.entries {
            Entries::Reenact1(entries) => {
                entries.step(&mut *self.instance, &self.module.input, (tick, inputs), &mut self.frame)
            }
            Entries::Wasm4 { update } => {
                wasm4::begin_tick(self.instance.memory(), inputs)?;
                self.instance.call(update, &[]).map(|_| Status::Running)
            }
        }
    }

    fn globals(&mut self) -> impl ExactSizeIterator<Item = u64> {
        let count = self.module.rewritten.globals.len();
        (0..count).map(|n| self.instance.global(n))
    }

    /// Everything of the state that stands after the memory.
    fn tail(&mut self, out: &mut Vec<u8>) {
        let disk = std::mem::take(&mut self.instance.guest().disk);
        state::write_tail(self.globals(), &disk, out);
        self.instance.guest().disk = disk;
    }

    /// Makes memory as large as `pages`. Memory never shrinks, so a smaller one takes a new instance.
    fn resize(&mut self, pages: u32) -> Result<(), RestoreError> {
        let actual = (self.instance.memory().len() / PAGE_BYTES) as u32;
        let refused = |expected: u32| RestoreError::Mismatch {
            what: "pages of memory",
            actual: pages.into(),
            expected: expected.into(),
        };
        if pages < actual {
            let fresh = self.module.compiled.instantiate(Guest::default()).map_err(|_| refused(actual))?;
            self.instance = fresh;
            self.entries =
                Entries::resolve(self.module.id.console, &mut *self.instance).map_err(|_| refused(actual))?;
        }
        let actual = (self.instance.memory().len() / PAGE_BYTES) as u32;
        let fits = pages == actual || (pages > actual && self.instance.grow(pages - actual));
        if fits { Ok(()) } else { Err(refused(actual)) }
    }
}

impl Simulation for WasmSimulation {
    fn step(&mut self, tick: Tick, inputs: &Inputs, marks: &mut Vec<Mark>) -> Result<Status, Failure> {
        self.instance.guest().begin_tick();
        self.instance.refuel(TICK_FUEL, self.module.id.limits.tick_fuel);
        let status = self.run_tick(tick, inputs)?;
        marks.append(&mut self.instance.guest().marks);
        Ok(status)
    }

    fn save(&mut self, state: &mut Vec<u8>) {
        state.clear();
        let memory = self.instance.memory();
        state.reserve(state::HEAD_BYTES + memory.len() + PAGE_BYTES);
        state.extend_from_slice(&state::head((memory.len() / PAGE_BYTES) as u32));
        state.extend_from_slice(memory);
        self.tail(state);
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
        let module = &self.module.rewritten;
        let pages = (module.memory_pages_min, module.memory_pages_max);
        let state = State::parse(state, module.globals.len(), pages)?;
        self.resize(state.pages())?;
        self.instance.memory().copy_from_slice(state.memory);
        for (n, bits) in state.globals.iter().enumerate() {
            let bits = u64::from_le_bytes(*bits);
            if !self.instance.set_global(n, bits) {
                return Err(RestoreError::Mismatch {
                    what: "bits of a global",
                    actual: bits,
                    expected: u32::MAX.into(),
                });
            }
        }
        self.instance.reset_stack();
        let disk = &mut self.instance.guest().disk;
        disk.clear();
        disk.extend_from_slice(state.disk);
        Ok(())
    }

    fn state_hash(&mut self) -> StateHash {
        let mut tail = Vec::new();
        self.tail(&mut tail);
        let memory = self.instance.memory();
        let mut hasher = blake3::Hasher::new();
        hasher.update(&state::head((memory.len() / PAGE_BYTES) as u32)).update(memory).update(&tail);
        StateHash(*hasher.finalize().as_bytes())
    }

    fn view(&mut self, viewer: Viewer) -> Result<Option<Picture>, Failure> {
        let Entries::Reenact1(entries) = self.entries else {
            return Ok(Some(wasm4::picture(self.instance.memory())));
        };
        let Some(declared) = self.module.schema.picture else { return Ok(None) };
        let view = self.on_fork(|instance| entries.view(instance, viewer, ViewKind::Picture))?;
        Ok(view.and_then(|view| reenact1::picture(&view, declared)))
    }

    fn suggest(&mut self, participant: usize) -> Result<Option<Vec<i64>>, Failure> {
        let Entries::Reenact1(entries) = self.entries else { return Ok(None) };
        if !self.module.schema.bot {
            return Ok(None);
        }
        let viewer = Viewer::Participant(participant);
        let row = self.on_fork(|instance| entries.view(instance, viewer, ViewKind::Suggestion))?;
        Ok(row.and_then(|row| self.module.input.row_from_bytes(&row)))
    }

    fn fields(&mut self) -> Vec<Field> {
        match self.entries {
            Entries::Reenact1(entries) => entries.fields(&mut *self.instance, &self.module.schema),
            Entries::Wasm4 { .. } => Vec::new(),
        }
    }
}

impl std::fmt::Debug for WasmSimulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WasmSimulation").field("module", &self.module.id).finish_non_exhaustive()
    }
}

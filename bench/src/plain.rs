//! The engine alone: a module of the `reenact1` ABI called directly, without fuel, limits, states or marks.
//! How much longer Reenact takes is what safety and replay cost.

use anyhow::{Context, Result};
use wasmtime::{Config, Engine, Instance, Linker, Memory, Module, Store, TypedFunc};

/// The host's name for the start section of a rewritten module.
const REWRITTEN_START: &str = "reenact!start";

/// A game that nobody watches over.
pub struct Plain {
    store: Store<()>,
    memory: Memory,
    input: TypedFunc<i32, i32>,
    step: TypedFunc<i32, i32>,
    /// Fuel is counted, and given anew each tick.
    fuel: bool,
}

impl Plain {
    /// Compiles a game and starts it from `seed`, without a configuration.
    pub fn start(wasm: &[u8], seed: u64, fuel: bool) -> Result<Self> {
        let mut config = Config::new();
        config.consume_fuel(fuel);
        let engine = Engine::new(&config)?;
        let module = Module::from_binary(&engine, wasm)?;
        let mut store = Store::new(&engine, ());
        if fuel {
            store.set_fuel(u64::MAX)?;
        }
        let mut linker = Linker::new(&engine);
        // Both imports of the ABI return nothing: a stub does nothing.
        linker.define_unknown_imports_as_default_values(&mut store, &module)?;
        let instance = linker.instantiate(&mut store, &module)?;
        initialise(&mut store, &instance, seed)?;
        let memory = instance.get_memory(&mut store, "memory").context("the module has no memory")?;
        let input = instance.get_typed_func(&mut store, "reenact1_input")?;
        let step = instance.get_typed_func(&mut store, "reenact1_step")?;
        Ok(Self { store, memory, input, step, fuel })
    }

    /// Runs one tick for each frame.
    pub fn run(&mut self, frames: &[Vec<u8>]) -> Result<()> {
        for frame in frames {
            if self.fuel {
                self.store.set_fuel(u64::MAX)?;
            }
            let bytes = frame.len() as i32;
            let address = self.input.call(&mut self.store, bytes)? as u32 as usize;
            self.memory.write(&mut self.store, address, frame)?;
            let code = self.step.call(&mut self.store, bytes)?;
            anyhow::ensure!(code >= 0, "the game gave error {code}");
        }
        Ok(())
    }

    /// The whole memory, to compare with that of a simulation.
    pub fn memory(&self) -> &[u8] {
        self.memory.data(&self.store)
    }
}

impl std::fmt::Debug for Plain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plain").field("fuel", &self.fuel).finish_non_exhaustive()
    }
}

fn initialise(store: &mut Store<()>, instance: &Instance, seed: u64) -> Result<()> {
    for name in [REWRITTEN_START, "_initialize"] {
        if let Ok(function) = instance.get_typed_func::<(), ()>(&mut *store, name) {
            function.call(&mut *store, ())?;
        }
    }
    let input = instance.get_typed_func::<i32, i32>(&mut *store, "reenact1_input")?;
    let address = input.call(&mut *store, 0)?;
    let init = instance.get_typed_func::<(i64, i32, i32), i32>(&mut *store, "reenact1_init")?;
    let code = init.call(&mut *store, (seed as i64, address, 0))?;
    anyhow::ensure!(code == 0, "initialisation gave {code}");
    Ok(())
}

//! Engines: what runs a rewritten module. Their own types never leave this folder.

#[cfg(feature = "wasmi")]
mod wasmi;
mod wasmtime;

use std::fmt;
use std::sync::Arc;

use reenact::Failure;
use thiserror::Error;

use crate::guest::{Guest, HostFunction, PARAMETERS_MAX};
use crate::rewrite::{Number, Rewritten};

/// Bytes of native stack a guest may use: twice what the rewriter lets it count.
const NATIVE_STACK_BYTES: usize = 1 << 20;

/// An engine, with everything that is shared by the modules it compiles. A clone is the same engine.
///
/// States and hashes are the same on every engine; only speed differs.
#[derive(Clone, Debug)]
pub struct Engine(Kind);

#[derive(Clone)]
enum Kind {
    Wasmtime(wasmtime::Engine),
    #[cfg(feature = "wasmi")]
    Wasmi(wasmi::Engine),
}

/// An engine cannot run here.
#[derive(Debug, Error)]
#[error("the engine cannot run on this machine: {reason}")]
pub struct EngineError {
    /// What the engine says.
    pub reason: String,
}

impl Engine {
    /// The compiling engine that everything runs on.
    ///
    /// # Errors
    /// It does not support this machine.
    pub fn new() -> Result<Self, EngineError> {
        wasmtime::Engine::new(true).map(|engine| Self(Kind::Wasmtime(engine)))
    }

    /// The compiling engine with its optimiser off, to show that it changes nothing.
    ///
    /// # Errors
    /// It does not support this machine.
    pub fn unoptimised() -> Result<Self, EngineError> {
        wasmtime::Engine::new(false).map(|engine| Self(Kind::Wasmtime(engine)))
    }

    /// An interpreter that shares no code with the compiling engine: a second opinion.
    #[cfg(feature = "wasmi")]
    pub fn interpreter() -> Self {
        Self(Kind::Wasmi(wasmi::Engine::new()))
    }

    /// Compiles a rewritten module.
    pub(crate) fn compile(&self, rewritten: &Rewritten) -> Result<Box<dyn Compiled>, CompileError> {
        match &self.0 {
            Kind::Wasmtime(engine) => engine.compile(rewritten),
            #[cfg(feature = "wasmi")]
            Kind::Wasmi(engine) => engine.compile(rewritten),
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wasmtime(_) => "wasmtime",
            #[cfg(feature = "wasmi")]
            Self::Wasmi(_) => "wasmi",
        })
    }
}

/// An engine refuses a module that the rewriter admitted.
#[derive(Debug)]
pub(crate) struct CompileError(pub(crate) String);

/// A number that a guest's function takes or gives; floats as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    I32(i32),
    I64(i64),
    F32(u32),
    F64(u64),
}

impl Value {
    /// The number as 64 bits, the smaller ones extended by zeros.
    pub(crate) fn bits(self) -> u64 {
        match self {
            Self::I32(value) => u64::from(value as u32),
            Self::I64(value) => value as u64,
            Self::F32(bits) => u64::from(bits),
            Self::F64(bits) => bits,
        }
    }

    /// Takes back [`Value::bits`]; `None` for bits that the smaller numbers have not.
    pub(crate) fn from_bits(number: Number, bits: u64) -> Option<Self> {
        let short = u32::try_from(bits);
        Some(match number {
            Number::I32 => Self::I32(short.ok()? as i32),
            Number::I64 => Self::I64(bits as i64),
            Number::F32 => Self::F32(short.ok()?),
            Number::F64 => Self::F64(bits),
        })
    }
}

/// The host functions that a module imports, in the order of its imports.
fn host_functions(rewritten: &Rewritten) -> Result<Arc<[HostFunction]>, CompileError> {
    let resolve = |import| HostFunction::resolve(rewritten.console, import);
    let functions: Option<_> = rewritten.imports.iter().map(resolve).collect();
    functions.ok_or_else(|| CompileError("an import that is no host function".into()))
}

/// The arguments of a host function: missing ones are zero, surplus ones are passed over.
fn arguments(given: &[i32]) -> [i32; PARAMETERS_MAX] {
    let mut args = [0; PARAMETERS_MAX];
    let count = given.len().min(PARAMETERS_MAX);
    args[..count].copy_from_slice(&given[..count]);
    args
}

/// The low 32 bits of a float's whole part, as ECMAScript's `ToInt32` gives them.
fn wrap_float(value: f64) -> i32 {
    let wrapped = value.trunc() % 4_294_967_296.0;
    if wrapped.is_finite() { wrapped as i64 as i32 } else { 0 }
}

/// A module ready to be instantiated.
pub(crate) trait Compiled: Send + Sync {
    /// A fresh instance; nothing of the guest has run but its data segments.
    fn instantiate(&self, guest: Guest) -> Result<Box<dyn Instance>, Failure>;
}

/// A function of an instance, resolved once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Function(pub(crate) usize);

/// A running module.
pub(crate) trait Instance: Send {
    /// The exported function `name`, if there is one.
    fn function(&mut self, name: &str) -> Option<Function>;

    /// The value of the exported, immutable i32 global `name`.
    fn constant(&mut self, name: &str) -> Option<u32>;

    /// Fills the tank; `what` is how the limit is called when it runs dry.
    fn refuel(&mut self, what: &'static str, fuel: u64);

    /// Calls a function; missing arguments are zero, surplus ones are passed over.
    fn call(&mut self, function: Function, args: &[Value]) -> Result<Option<Value>, Failure>;

    /// The whole linear memory.
    fn memory(&mut self) -> &mut [u8];

    /// Grows memory by `pages`; `false` if it may not be that large.
    fn grow(&mut self, pages: u32) -> bool;

    /// The n-th mutable global of the original module, as bits.
    fn global(&mut self, n: usize) -> u64;

    /// Sets the n-th mutable global; `false` if it cannot hold the bits.
    fn set_global(&mut self, n: usize, bits: u64) -> bool;

    /// Sets the stack counter back, after a call that did not return.
    fn reset_stack(&mut self);

    /// What the host keeps for the guest.
    fn guest(&mut self) -> &mut Guest;
}

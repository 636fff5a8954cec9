//! The module rewriter: a guest module in, the module that runs out.
//!
//! `docs/spec/rewrite.md` says what is done and why. The order here: `outline` counts, `validate` proves
//! the module well-formed and measures its functions, `admission` holds it against its console's
//! contract, and then the new module is put together section by section, with `function` for the bodies and
//! `helpers` for the functions that are added. Whatever is new is appended, so that no index of the original
//! changes but that of data segments.

mod admission;
mod assemble;
mod function;
mod helpers;
mod outline;
#[cfg(test)]
mod tests;
mod validate;

use crate::error::AdmitError;
use crate::limits::STACK_BYTES_MAX;
use crate::schema::{Schema, SchemaError};
use crate::wasm4;
use outline::Outline;
use reenact::input::InputSchema;
use reenact::session::Console;

/// The version of the rewriter, which a replay names.
pub const REWRITER_VERSION: u32 = 1;

/// The names under which a rewritten module exports what the host needs.
pub(crate) mod names {
    /// What they all begin with.
    pub(crate) const PREFIX: &str = "reenact!";
    pub(crate) const MEMORY: &str = "reenact!memory";
    pub(crate) const STACK: &str = "reenact!stack";
    pub(crate) const START: &str = "reenact!start";

    /// The n-th mutable global of the original.
    pub(crate) fn global(n: usize) -> String {
        format!("reenact!g{n}")
    }
}

/// A type of number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    /// 32 bits, integer.
    I32,
    /// 64 bits, integer.
    I64,
    /// 32 bits, float.
    F32,
    /// 64 bits, float.
    F64,
}

impl Number {
    pub(crate) fn from_wasm(ty: wasmparser::ValType) -> Option<Self> {
        match ty {
            wasmparser::ValType::I32 => Some(Self::I32),
            wasmparser::ValType::I64 => Some(Self::I64),
            wasmparser::ValType::F32 => Some(Self::F32),
            wasmparser::ValType::F64 => Some(Self::F64),
            wasmparser::ValType::V128 | wasmparser::ValType::Ref(_) => None,
        }
    }

    /// The integer that carries the bits of a float; `None` for an integer.
    fn bits(self) -> Option<wasm_encoder::ValType> {
        match self {
            Self::F32 => Some(wasm_encoder::ValType::I32),
            Self::F64 => Some(wasm_encoder::ValType::I64),
            Self::I32 | Self::I64 => None,
        }
    }
}

/// A function that the module imports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// The module of the import: `reenact1` or `env`.
    pub module: String,
    /// The name of the import, one that the console offers.
    pub name: String,
    /// The parameters as declared, of any number and type where the console is WASM-4.
    pub params: Vec<Number>,
    /// The results as declared, of any number and type where the console is WASM-4.
    pub results: Vec<Number>,
}

/// The limits that the rewriter writes into a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RewriteLimits {
    /// Pages to which memory may grow, at most 65,536. WASM-4 carts have one page whatever stands here.
    pub memory_pages_max: u32,
    /// Bytes of stack as the rewriter counts them, at most [`STACK_BYTES_MAX`].
    pub stack_bytes_max: u32,
}

/// A module that has been admitted, and what the host needs to know of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// The module that runs.
    pub wasm: Vec<u8>,
    /// The contract it speaks.
    pub console: Console,
    /// The mutable globals of the original in index order: `reenact!g0`, `reenact!g1` and so on.
    pub globals: Vec<Number>,
    /// Whether there was a start section, and so an export `reenact!start`.
    pub has_start: bool,
    /// Pages of memory at first.
    pub memory_pages_min: u32,
    /// Pages to which memory may grow.
    pub memory_pages_max: u32,
    /// Bytes of stack above which the guest is stopped, as the rewriter counts them.
    pub stack_bytes_max: u32,
    /// The `reenact.schema` section, if there is one.
    pub schema: Option<Schema>,
    /// The imported functions in order; one name may be there several times with different signatures.
    pub imports: Vec<Import>,
}

impl Rewritten {
    /// Participants and their input columns: those of the console, or as the module declares them.
    pub fn input_schema(&self) -> InputSchema {
        match self.console {
            Console::Reenact1 => self.schema.as_ref().unwrap_or(&Schema::default()).input_schema(),
            Console::Wasm4 => wasm4::schema(),
        }
    }
}

/// Admits a module and rewrites it. The same bytes and limits give the same result, always.
///
/// # Errors
/// See [`AdmitError`]: whatever the specification refuses, by name.
///
/// # Panics
/// If `limits` are above what their documentation allows.
pub fn rewrite(original: &[u8], limits: &RewriteLimits) -> Result<Rewritten, AdmitError> {
    assert!(limits.memory_pages_max <= 65_536, "memory of at most 4 GiB");
    assert!(limits.stack_bytes_max <= STACK_BYTES_MAX, "stack of at most {STACK_BYTES_MAX} bytes");
    let outline = Outline::read(original)?;
    let (types, frames) = validate::validate(original, limits.stack_bytes_max)?;
    let console = admission::detect(&outline)?;
    let imports = admission::check_imports(console, &outline, &types)?;
    admission::check_exports(console, &outline, &types)?;
    let memory = admission::check_memory(console, &types, limits.memory_pages_max)?;
    let globals = admission::check_globals(&types)?;
    let schema = match outline.schema.as_slice() {
        [] => None,
        [bytes] => Some(Schema::parse(bytes)?),
        _ => return Err(SchemaError::Several.into()),
    };
    let plan = assemble::Plan {
        console,
        outline: &outline,
        types: &types,
        frames: &frames,
        memory,
        globals: &globals,
    };
    let wasm = plan.assemble(limits.stack_bytes_max)?;
    Ok(Rewritten {
        wasm,
        console,
        globals: globals.into_iter().map(|(_, number)| number).collect(),
        has_start: outline.start.is_some(),
        memory_pages_min: memory.min,
        memory_pages_max: memory.max,
        stack_bytes_max: limits.stack_bytes_max,
        schema,
        imports,
    })
}

//! What is refused, and how rewritten modules behave.

mod behaviour;
mod refusals;

use super::{RewriteLimits, Rewritten, rewrite};
use crate::error::AdmitError;

const LIMITS: RewriteLimits = RewriteLimits { memory_pages_max: 16, stack_bytes_max: 1 << 20 };

/// What each `reenact1` fixture has besides its own lines.
const REENACT1: &str = r#"
    (@custom "reenact.abi" "\01\00\00\00")
    (func (export "reenact1_input") (param i32) (result i32) i32.const 0)
    (func (export "reenact1_init") (param i64 i32 i32) (result i32) i32.const 0)
    (func (export "reenact1_step") (param i32) (result i32) i32.const 0)"#;

fn wat(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A `reenact1` module of one page with `lines`, in which imports come first.
fn reenact1(lines: &str) -> Vec<u8> {
    wat(&format!(r#"(module {lines} (memory (export "memory") 1) {REENACT1})"#))
}

/// A cart with `lines`.
fn wasm4(lines: &str) -> Vec<u8> {
    wat(&format!(r#"(module (import "env" "memory" (memory 1)) {lines} (func (export "update")))"#))
}

fn admit(original: &[u8]) -> Result<Rewritten, AdmitError> {
    let rewritten = rewrite(original, &LIMITS);
    if let Ok(rewritten) = &rewritten {
        wasmparser::validate(&rewritten.wasm).unwrap();
    }
    rewritten
}

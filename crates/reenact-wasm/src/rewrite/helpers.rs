//! The functions that the rewriter adds to a module.

use wasm_encoder::{BlockType, Function, ValType};

use super::Number;

/// Charges for bulk memory work of as many bytes as its argument says, and returns the argument: one round of
/// the loop for each started 256 bytes.
pub(super) fn charge() -> Function {
    const BYTES: u32 = 0;
    const ROUNDS: u32 = 1;
    let mut function = Function::new([(1, ValType::I32)]);
    let mut out = function.instructions();
    out.local_get(BYTES).i32_const(8).i32_shr_u();
    out.local_get(BYTES).i32_const(255).i32_and().i32_const(0).i32_ne();
    out.i32_add().local_set(ROUNDS);
    out.block(BlockType::Empty).loop_(BlockType::Empty);
    out.local_get(ROUNDS).i32_eqz().br_if(1);
    out.local_get(ROUNDS).i32_const(1).i32_sub().local_set(ROUNDS).br(0);
    out.end().end().local_get(BYTES).end();
    function
}

/// Reads the bits of a float global.
pub(super) fn get_bits(global: u32, number: Number) -> Function {
    let mut function = Function::new([]);
    let mut out = function.instructions();
    out.global_get(global);
    match number {
        Number::F32 => out.i32_reinterpret_f32().end(),
        Number::F64 => out.i64_reinterpret_f64().end(),
        Number::I32 | Number::I64 => out.end(),
    };
    function
}

/// Sets a float global to bits.
pub(super) fn set_bits(global: u32, number: Number) -> Function {
    let mut function = Function::new([]);
    let mut out = function.instructions();
    out.local_get(0);
    match number {
        Number::F32 => out.f32_reinterpret_i32().global_set(global).end(),
        Number::F64 => out.f64_reinterpret_i64().global_set(global).end(),
        Number::I32 | Number::I64 => out.global_set(global).end(),
    };
    function
}

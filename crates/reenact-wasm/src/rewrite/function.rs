//! The body of one function, rewritten.
//!
//! Instructions are copied byte for byte, but for those that must change: the indices of a rewritten module
//! stay those of the original, as everything new is appended.

use wasm_encoder::reencode::{Reencode, RoundtripReencoder};
use wasm_encoder::{BlockType, Function, Ieee32, Ieee64, Instruction, ValType};
use wasmparser::{FunctionBody, Operator};

use super::validate::Frame;
use crate::error::AdmitError;

/// Bytes of bulk memory work at which growing memory is reckoned, whether it succeeds or not: it takes a
/// system call.
const GROW_BYTES: i32 = 65_536;

/// What all functions of a module share.
pub(crate) struct Shared {
    /// The index of the hidden global that counts the stack.
    pub(crate) stack_global: u32,
    /// The limit that is written into each function.
    pub(crate) stack_bytes_max: u32,
    /// The index of the function that charges for bulk memory work.
    pub(crate) charge_function: u32,
    /// How many data segments are put before those of the original.
    pub(crate) data_shift: u32,
}

/// Rewrites `body`; `results` is the type of a block that leaves the function's results.
pub(crate) fn rewrite_body(
    body: &FunctionBody,
    frame: Frame,
    results: BlockType,
    shared: &Shared,
) -> Result<Function, AdmitError> {
    let mut locals = Vec::new();
    for group in body.get_locals_reader()? {
        let (count, ty) = group?;
        locals.push((count, RoundtripReencoder.val_type(ty)?));
    }
    let scratch = Scratch::new(frame);
    locals.extend(Scratch::types(frame).map(|ty| (1, ty)));

    let mut out = Function::new(locals);
    if frame.is_counted() {
        enter(&mut out, frame.cost_bytes(), results, shared);
    }
    copy_instructions(&mut out, body, frame, &scratch, shared)?;
    if frame.is_counted() {
        out.instruction(&Instruction::End);
        leave(&mut out, frame.cost_bytes(), shared);
    }
    out.instruction(&Instruction::End);
    Ok(out)
}

/// Counts the frame, traps above the limit, and opens the block that takes the place of the function's label,
/// so that every way out but a trap leads to [`leave`].
fn enter(out: &mut Function, cost_bytes: u32, results: BlockType, shared: &Shared) {
    out.instructions()
        .global_get(shared.stack_global)
        .i32_const(cost_bytes as i32)
        .i32_add()
        .global_set(shared.stack_global)
        .global_get(shared.stack_global)
        .i32_const(shared.stack_bytes_max as i32)
        .i32_gt_u()
        .if_(BlockType::Empty)
        .unreachable()
        .end()
        .block(results);
}

fn leave(out: &mut Function, cost_bytes: u32, shared: &Shared) {
    out.instructions()
        .global_get(shared.stack_global)
        .i32_const(cost_bytes as i32)
        .i32_sub()
        .global_set(shared.stack_global);
}

/// Copies all instructions but the function's own `end`.
fn copy_instructions(
    out: &mut Function,
    body: &FunctionBody,
    frame: Frame,
    scratch: &Scratch,
    shared: &Shared,
) -> Result<(), AdmitError> {
    let mut reader = body.get_operators_reader()?;
    let mut depth = 0_u32;
    loop {
        let start = reader.original_position();
        let operator = reader.read()?;
        let bytes =
            &body.as_bytes()[start - body.range().start..reader.original_position() - body.range().start];
        match operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => depth += 1,
            Operator::End if depth == 0 => return Ok(()),
            Operator::End => depth -= 1,
            Operator::Return if frame.is_counted() => {
                out.instruction(&Instruction::Br(depth));
                continue;
            }
            Operator::MemoryInit { data_index, mem } => {
                let data_index = data_index + shared.data_shift;
                out.instructions().call(shared.charge_function).memory_init(mem, data_index);
                continue;
            }
            Operator::MemoryGrow { .. } => {
                out.instructions().i32_const(GROW_BYTES).call(shared.charge_function).drop();
            }
            Operator::MemoryFill { .. } | Operator::MemoryCopy { .. } => {
                out.instruction(&Instruction::Call(shared.charge_function));
            }
            _ => {}
        }
        out.raw(bytes.iter().copied());
        if let Some(kind) = nan_kind(&operator) {
            canonicalize(out, kind, scratch.0[kind as usize]);
        }
    }
}

/// In which form an instruction may give a NaN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NanKind {
    F32,
    F64,
    F32x4,
    F64x2,
}

impl NanKind {
    pub(crate) const COUNT: usize = 4;
}

/// Canonical NaNs, as the specification names them.
const NAN_F32: u32 = 0x7fc0_0000;
const NAN_F64: u64 = 0x7ff8_0000_0000_0000;

/// The local that holds a result while it is looked at, for each kind; zero where a function needs none.
struct Scratch([u32; NanKind::COUNT]);

impl Scratch {
    fn new(frame: Frame) -> Self {
        let mut next = frame.locals;
        Self(frame.nans.map(|needed| {
            let local = next;
            next += u32::from(needed);
            local
        }))
    }

    /// The types of the locals, in their order.
    fn types(frame: Frame) -> impl Iterator<Item = ValType> {
        let types = [ValType::F32, ValType::F64, ValType::V128, ValType::V128];
        types.into_iter().zip(frame.nans).filter_map(|(ty, needed)| needed.then_some(ty))
    }
}

/// Replaces a NaN on top of the stack by the canonical one: only a NaN differs from itself.
fn canonicalize(out: &mut Function, kind: NanKind, local: u32) {
    let mut out = out.instructions();
    out.local_tee(local);
    match kind {
        NanKind::F32 => out.f32_const(Ieee32::new(NAN_F32)),
        NanKind::F64 => out.f64_const(Ieee64::new(NAN_F64)),
        NanKind::F32x4 => {
            let lane = u128::from(NAN_F32);
            out.v128_const((lane << 96 | lane << 64 | lane << 32 | lane) as i128)
        }
        NanKind::F64x2 => {
            let lane = u128::from(NAN_F64);
            out.v128_const((lane << 64 | lane) as i128)
        }
    };
    out.local_get(local).local_get(local);
    match kind {
        NanKind::F32 => out.f32_eq().select(),
        NanKind::F64 => out.f64_eq().select(),
        NanKind::F32x4 => out.f32x4_eq().v128_bitselect(),
        NanKind::F64x2 => out.f64x2_eq().v128_bitselect(),
    };
}

/// The kind of NaN of unspecified bits that `operator` may give. The other float instructions give a NaN only
/// by passing on the bits of an operand.
#[expect(clippy::match_same_arms, reason = "one arm for each group of instructions reads as a table")]
pub(crate) fn nan_kind(operator: &Operator) -> Option<NanKind> {
    use Operator as Op;
    Some(match operator {
        Op::F32Add | Op::F32Sub | Op::F32Mul | Op::F32Div | Op::F32Sqrt => NanKind::F32,
        Op::F32Ceil | Op::F32Floor | Op::F32Trunc | Op::F32Nearest => NanKind::F32,
        Op::F32Min | Op::F32Max | Op::F32DemoteF64 => NanKind::F32,
        Op::F64Add | Op::F64Sub | Op::F64Mul | Op::F64Div | Op::F64Sqrt => NanKind::F64,
        Op::F64Ceil | Op::F64Floor | Op::F64Trunc | Op::F64Nearest => NanKind::F64,
        Op::F64Min | Op::F64Max | Op::F64PromoteF32 => NanKind::F64,
        Op::F32x4Add | Op::F32x4Sub | Op::F32x4Mul | Op::F32x4Div | Op::F32x4Sqrt => NanKind::F32x4,
        Op::F32x4Ceil | Op::F32x4Floor | Op::F32x4Trunc | Op::F32x4Nearest => NanKind::F32x4,
        Op::F32x4Min | Op::F32x4Max | Op::F32x4DemoteF64x2Zero => NanKind::F32x4,
        Op::F64x2Add | Op::F64x2Sub | Op::F64x2Mul | Op::F64x2Div | Op::F64x2Sqrt => NanKind::F64x2,
        Op::F64x2Ceil | Op::F64x2Floor | Op::F64x2Trunc | Op::F64x2Nearest => NanKind::F64x2,
        Op::F64x2Min | Op::F64x2Max | Op::F64x2PromoteLowF32x4 => NanKind::F64x2,
        _ => return None,
    })
}

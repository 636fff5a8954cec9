//! Full validation: what a module may use, and what each function needs of the stack.

use wasmparser::types::Types;
use wasmparser::{
    BlockType, FuncToValidate, FuncValidatorAllocations, FunctionBody, Operator, OperatorsReader, Parser,
    ValidPayload, Validator, ValidatorResources, WasmFeatures, WasmModuleResources,
};

use super::function::{NanKind, nan_kind};
use crate::error::AdmitError;
use crate::limits;

/// What a module may use. `GC_TYPES` is missing, so that `funcref` is the only reference.
const SUPPORTED: WasmFeatures = WasmFeatures::FLOATS
    .union(WasmFeatures::MUTABLE_GLOBAL)
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::SIMD);

/// What a module may not use, with what must be switched on for it to be read.
const REFUSED: [(&str, WasmFeatures); 14] = [
    ("relaxed simd", WasmFeatures::RELAXED_SIMD),
    ("threads", WasmFeatures::THREADS),
    ("64-bit memory", WasmFeatures::MEMORY64),
    ("several memories", WasmFeatures::MULTI_MEMORY),
    ("tail calls", WasmFeatures::TAIL_CALL),
    ("externref", WasmFeatures::GC_TYPES),
    ("exceptions", WasmFeatures::EXCEPTIONS),
    ("legacy exceptions", WasmFeatures::LEGACY_EXCEPTIONS.union(WasmFeatures::EXCEPTIONS)),
    ("extended constant expressions", WasmFeatures::EXTENDED_CONST),
    ("custom page sizes", WasmFeatures::CUSTOM_PAGE_SIZES),
    ("wide arithmetic", WasmFeatures::WIDE_ARITHMETIC),
    ("memory control", WasmFeatures::MEMORY_CONTROL),
    ("typed function references", WasmFeatures::FUNCTION_REFERENCES),
    (
        "garbage collection",
        WasmFeatures::GC.union(WasmFeatures::GC_TYPES).union(WasmFeatures::FUNCTION_REFERENCES),
    ),
];

/// Bytes a function call is reckoned at before its locals and operands.
const FRAME_BYTES: u32 = 128;
/// Bytes of one local or operand.
const VALUE_BYTES: u32 = 16;
/// The cost up to which a function that calls nothing is not counted.
const UNCOUNTED_BYTES_MAX: u32 = 4 << 10;

/// What rewriting a function needs to know of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Parameters and locals.
    pub(crate) locals: u32,
    /// Operands at the deepest point.
    operands: u32,
    /// Whether it calls anything.
    calls: bool,
    /// What compiling it costs beyond its bytes; see [`limits::COMPILE_COST_MAX`].
    compile_cost: u64,
    /// Which kinds of canonical NaN it needs a local for.
    pub(crate) nans: [bool; NanKind::COUNT],
}

impl Frame {
    /// Bytes of stack that a call of this function is reckoned at.
    pub(crate) fn cost_bytes(self) -> u32 {
        FRAME_BYTES + VALUE_BYTES * (self.locals + self.operands)
    }

    /// Whether calls of this function are counted.
    pub(crate) fn is_counted(self) -> bool {
        self.calls || self.cost_bytes() > UNCOUNTED_BYTES_MAX
    }
}

/// Validates `module` and gives its types and the frame of each function it defines.
pub(crate) fn validate(module: &[u8], stack_bytes_max: u32) -> Result<(Types, Vec<Frame>), AdmitError> {
    match validate_supported(module, stack_bytes_max) {
        Err(AdmitError::Malformed { offset, reason }) => Err(explain(module, offset, reason)),
        result => result,
    }
}

fn validate_supported(module: &[u8], stack_bytes_max: u32) -> Result<(Types, Vec<Frame>), AdmitError> {
    let mut validator = Validator::new_with_features(SUPPORTED);
    let mut parser = Parser::new(0);
    parser.set_features(SUPPORTED);
    let mut allocations = FuncValidatorAllocations::default();
    let mut frames: Vec<Frame> = Vec::new();
    let mut compile_cost = 0;
    for payload in parser.parse_all(module) {
        match validator.payload(&payload?)? {
            ValidPayload::Func(function, body) => {
                let frame = inspect(function, &body, stack_bytes_max, &mut allocations)?;
                compile_cost += frame.compile_cost;
                AdmitError::check("compile cost", compile_cost, limits::COMPILE_COST_MAX)?;
                frames.push(frame);
            }
            ValidPayload::End(types) => return Ok((types, frames)),
            _ => {}
        }
    }
    // The parser ends with an error or the `End` payload.
    Err(AdmitError::Malformed { offset: module.len(), reason: "unexpected end".to_owned() })
}

/// Names the proposal that a module needs, if switching one on brings the validator further than `offset`.
fn explain(module: &[u8], offset: usize, reason: String) -> AdmitError {
    let further = |features| {
        let mut validator = Validator::new_with_features(SUPPORTED.union(features));
        validator.validate_all(module).map_or_else(|error| error.offset() > offset, |_| true)
    };
    match REFUSED.into_iter().find(|(_, features)| further(*features)) {
        Some((what, _)) => AdmitError::Unsupported { what, offset },
        None => AdmitError::Malformed { offset, reason },
    }
}

/// Validates one function, instruction by instruction.
fn inspect(
    function: FuncToValidate<ValidatorResources>,
    body: &FunctionBody,
    stack_bytes_max: u32,
    allocations: &mut FuncValidatorAllocations,
) -> Result<Frame, AdmitError> {
    let mut validator = function.into_validator(std::mem::take(allocations));
    let mut reader = body.get_binary_reader();
    validator.read_locals(&mut reader)?;
    reader.set_features(SUPPORTED);
    let locals = validator.len_locals();
    let mut frame =
        Frame { locals, operands: 0, calls: false, compile_cost: 0, nans: [false; NanKind::COUNT] };
    let mut reader = OperatorsReader::new(reader);
    let mut nesting = Nesting::new(locals);
    while !reader.eof() {
        let (operator, offset) = reader.read_with_offset()?;
        validator.op(offset, &operator)?;
        if let Some(what) = refused(&operator) {
            return Err(AdmitError::Unsupported { what, offset });
        }
        if let Some(index) = block_type(&operator) {
            // The validator has found the type by now, so there is one.
            let params =
                validator.resources().sub_type_at(index).map_or(0, |ty| ty.unwrap_func().params().len());
            AdmitError::check("parameters of a block", params, limits::RESULTS_MAX)?;
        }
        frame.operands = frame.operands.max(validator.operand_stack_height());
        // A function that costs more than the whole stack could never be entered; refusing it here also
        // bounds what its validation holds in memory.
        AdmitError::check("stack bytes of a function", frame.cost_bytes(), stack_bytes_max)?;
        nesting.operator(&operator);
        frame.calls |= matches!(operator, Operator::Call { .. } | Operator::CallIndirect { .. });
        if let Some(kind) = nan_kind(&operator) {
            frame.nans[kind as usize] = true;
        }
    }
    reader.finish()?;
    frame.compile_cost = nesting.cost();
    *allocations = validator.into_allocations();
    Ok(frame)
}

/// What a local costs at the head of a loop, for each loop around it and three more; after a block; at a
/// branch. In sixteenths of a unit.
const LOOP_WEIGHT: u64 = 16;
const BLOCK_WEIGHT: u64 = 8;
const BRANCH_WEIGHT: u64 = 4;

/// Adds up what the control flow of a function costs a compiler that gives each local a value at each place
/// where paths join: found by timing nests and rows of loops, of branches, and of functions with many locals.
struct Nesting {
    locals: u64,
    /// For each open block, whether it is a loop.
    open: Vec<bool>,
    loops: u64,
    /// In sixteenths.
    cost: u64,
}

impl Nesting {
    fn new(locals: u32) -> Self {
        let locals = u64::from(locals);
        Self { locals, open: Vec::new(), loops: 0, cost: locals }
    }

    fn operator(&mut self, operator: &Operator) {
        match operator {
            Operator::Loop { .. } => {
                self.open.push(true);
                self.loops += 1;
                self.join(LOOP_WEIGHT.saturating_mul(3 + self.loops));
            }
            Operator::Block { .. } | Operator::If { .. } => {
                self.open.push(false);
                self.join(BLOCK_WEIGHT);
            }
            Operator::End => self.loops -= u64::from(self.open.pop() == Some(true)),
            Operator::Br { .. } | Operator::BrIf { .. } | Operator::Return => self.join(BRANCH_WEIGHT),
            Operator::BrTable { targets } => {
                self.join(BRANCH_WEIGHT.saturating_mul(u64::from(targets.len()) + 1));
            }
            _ => {}
        }
    }

    /// Paths join, or leave for where they do, with every local.
    fn join(&mut self, weight: u64) {
        self.cost = self.cost.saturating_add(self.locals.saturating_mul(weight));
    }

    fn cost(&self) -> u64 {
        self.cost / 16
    }
}

/// The index of the type of a block that has more than one result or any parameter.
fn block_type(operator: &Operator) -> Option<u32> {
    match operator {
        Operator::Block { blockty } | Operator::Loop { blockty } | Operator::If { blockty } => {
            match blockty {
                BlockType::FuncType(index) => Some(*index),
                BlockType::Empty | BlockType::Type(_) => None,
            }
        }
        _ => None,
    }
}

/// The name of an instruction that would change state outside memory and globals.
fn refused(operator: &Operator) -> Option<&'static str> {
    Some(match operator {
        Operator::TableSet { .. } => "table.set",
        Operator::TableGrow { .. } => "table.grow",
        Operator::TableFill { .. } => "table.fill",
        Operator::TableCopy { .. } => "table.copy",
        Operator::TableInit { .. } => "table.init",
        Operator::DataDrop { .. } => "data.drop",
        Operator::ElemDrop { .. } => "elem.drop",
        _ => return None,
    })
}

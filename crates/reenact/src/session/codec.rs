//! Session payloads to bytes and back.

use std::borrow::Cow;

use prost::Message;
use thiserror::Error;

use super::{
    Console, EndReason, Limits, SessionEnded, SessionPayload, SessionStarted, SimulationId, WasmId, proto,
};
use crate::format::block::{BlockError, InputBlock};
use crate::hash::{ModuleHash, StateHash};
use crate::input::{Column, ColumnKind, InputSchema, SchemaError, Width};
use crate::limits::{CONFIG_BYTES_MAX, DISK_BYTES_MAX, MARK_BYTES_PER_TICK_MAX, TEXT_BYTES_MAX};
use crate::simulation::{Failure, Mark, Trap};
use crate::tick::{Tick, TickRate};

/// Why bytes are no session payload.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PayloadError {
    /// Not protobuf.
    #[error("malformed protobuf")]
    Protobuf(#[from] prost::DecodeError),
    /// A field that must be there is not, or holds a value of a later version.
    #[error("{field} is missing or unknown")]
    Field {
        /// The field's name.
        field: &'static str,
    },
    /// A field outside its limits.
    #[error("{field} is {actual}, where at most {limit} is allowed")]
    Limit {
        /// The field's name.
        field: &'static str,
        /// As given.
        actual: usize,
        /// The most allowed.
        limit: usize,
    },
    /// Hashes that are not 32 bytes for each tick, in order of ticks.
    #[error("{ticks} ticks with {bytes} bytes of hashes, or ticks out of order")]
    Hashes {
        /// Ticks given.
        ticks: usize,
        /// Bytes of hashes given.
        bytes: usize,
    },
    /// Columns that are no schema.
    #[error("bad input schema")]
    Schema(#[from] SchemaError),
    /// Bytes that are no input block.
    #[error("bad input block")]
    Block(#[from] BlockError),
}

impl SessionPayload {
    /// The payload's bytes; [`SessionPayload::decode_started`] and its siblings read them.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Started(started) => started_to_proto(started).encode_to_vec(),
            Self::InputsRecorded(block) => block.encode(),
            Self::HashesRecorded(hashes) => {
                let ticks = hashes.iter().map(|(tick, _)| tick.0).collect();
                let hashes = hashes.iter().flat_map(|(_, hash)| hash.0).collect();
                proto::HashesRecorded { ticks, hashes }.encode_to_vec()
            }
            Self::Marked(tick, mark) => {
                proto::Marked { tick: tick.0, kind: mark.kind, payload: mark.payload.clone() }.encode_to_vec()
            }
            Self::Ended(ended) => ended_to_proto(ended).encode_to_vec(),
        }
    }

    /// # Errors
    /// The bytes are no start of a session.
    pub fn decode_started(bytes: &[u8]) -> Result<Self, PayloadError> {
        started_from_proto(proto::SessionStarted::decode(bytes)?).map(Self::Started)
    }

    /// # Errors
    /// The bytes are no input block of `schema`.
    pub fn decode_inputs(schema: &InputSchema, bytes: &[u8]) -> Result<Self, PayloadError> {
        Ok(Self::InputsRecorded(InputBlock::decode(schema, bytes)?))
    }

    /// # Errors
    /// The bytes are no hashes.
    pub fn decode_hashes(bytes: &[u8]) -> Result<Self, PayloadError> {
        let proto::HashesRecorded { ticks, hashes } = proto::HashesRecorded::decode(bytes)?;
        let ordered = ticks.is_sorted_by(|a, b| a < b);
        if hashes.len() != ticks.len() * 32 || !ordered {
            return Err(PayloadError::Hashes { ticks: ticks.len(), bytes: hashes.len() });
        }
        let digests = hashes.as_chunks::<32>().0.iter().map(|bytes| StateHash(*bytes));
        Ok(Self::HashesRecorded(ticks.into_iter().map(Tick).zip(digests).collect()))
    }

    /// # Errors
    /// The bytes are no mark.
    pub fn decode_marked(bytes: &[u8]) -> Result<Self, PayloadError> {
        let proto::Marked { tick, kind, payload } = proto::Marked::decode(bytes)?;
        at_most("mark payload", payload.len(), MARK_BYTES_PER_TICK_MAX)?;
        Ok(Self::Marked(Tick(tick), Mark { kind, payload }))
    }

    /// # Errors
    /// The bytes are no end of a session.
    pub fn decode_ended(bytes: &[u8]) -> Result<Self, PayloadError> {
        ended_from_proto(proto::SessionEnded::decode(bytes)?).map(Self::Ended)
    }
}

fn at_most(field: &'static str, actual: usize, limit: usize) -> Result<(), PayloadError> {
    if actual > limit { Err(PayloadError::Limit { field, actual, limit }) } else { Ok(()) }
}

fn started_to_proto(started: &SessionStarted) -> proto::SessionStarted {
    let simulation = match &started.simulation {
        SimulationId::Wasm(id) => proto::session_started::Simulation::Wasm(wasm_to_proto(id)),
        SimulationId::Native { name, build } => {
            let native = proto::NativeSimulation { name: name.clone(), build: build.clone() };
            proto::session_started::Simulation::Native(native)
        }
    };
    proto::SessionStarted {
        simulation: Some(simulation),
        game: started.game.clone(),
        seed: started.seed,
        config: started.config.clone(),
        disk: started.disk.clone(),
        rate_ticks: started.rate.numerator(),
        rate_seconds: started.rate.denominator(),
        participants: started.schema.participants() as u32,
        columns: started.schema.columns().iter().map(column_to_proto).collect(),
        hash_every: started.hash_every,
    }
}

fn started_from_proto(started: proto::SessionStarted) -> Result<SessionStarted, PayloadError> {
    at_most("game", started.game.len(), TEXT_BYTES_MAX)?;
    at_most("config", started.config.len(), CONFIG_BYTES_MAX)?;
    at_most("disk", started.disk.len(), DISK_BYTES_MAX)?;
    let simulation = match started.simulation.ok_or(PayloadError::Field { field: "simulation" })? {
        proto::session_started::Simulation::Wasm(wasm) => SimulationId::Wasm(wasm_from_proto(&wasm)?),
        proto::session_started::Simulation::Native(native) => {
            SimulationId::Native { name: native.name, build: native.build }
        }
    };
    let rate = TickRate::new(started.rate_ticks, started.rate_seconds);
    let columns = started.columns.into_iter().map(column_from_proto).collect::<Result<_, _>>()?;
    Ok(SessionStarted {
        simulation,
        game: started.game,
        seed: started.seed,
        config: started.config,
        disk: started.disk,
        rate: rate.ok_or(PayloadError::Field { field: "rate" })?,
        schema: InputSchema::new(started.participants as usize, columns)?,
        hash_every: started.hash_every,
    })
}

fn wasm_to_proto(id: &WasmId) -> proto::WasmSimulation {
    let console = match id.console {
        Console::Reenact1 => proto::Console::Reenact1,
        Console::Wasm4 => proto::Console::Wasm4,
    };
    proto::WasmSimulation {
        module_hash: id.module.0.to_vec(),
        console: console.into(),
        rewriter_version: id.rewriter_version,
        limits: Some(proto::Limits {
            memory_pages: id.limits.memory_pages,
            stack_bytes: id.limits.stack_bytes,
            init_fuel: id.limits.init_fuel,
            tick_fuel: id.limits.tick_fuel,
        }),
    }
}

fn wasm_from_proto(wasm: &proto::WasmSimulation) -> Result<WasmId, PayloadError> {
    let console = match wasm.console() {
        proto::Console::Unspecified => return Err(PayloadError::Field { field: "console" }),
        proto::Console::Reenact1 => Console::Reenact1,
        proto::Console::Wasm4 => Console::Wasm4,
    };
    let module = ModuleHash::try_from(&wasm.module_hash[..]);
    let limits = wasm.limits.ok_or(PayloadError::Field { field: "limits" })?;
    Ok(WasmId {
        module: module.map_err(|_| PayloadError::Field { field: "module_hash" })?,
        console,
        rewriter_version: wasm.rewriter_version,
        limits: Limits {
            memory_pages: limits.memory_pages,
            stack_bytes: limits.stack_bytes,
            init_fuel: limits.init_fuel,
            tick_fuel: limits.tick_fuel,
        },
    })
}

fn column_to_proto(column: &Column) -> proto::Column {
    let kind = match &column.kind {
        ColumnKind::Buttons(names) => proto::column::Kind::Buttons(proto::Buttons { names: names.clone() }),
        ColumnKind::Axis => proto::column::Kind::Axis(proto::Axis {}),
    };
    proto::Column { name: column.name.clone(), kind: Some(kind), bits: column.width.bits() }
}

fn column_from_proto(column: proto::Column) -> Result<Column, PayloadError> {
    let kind = match column.kind.ok_or(PayloadError::Field { field: "column kind" })? {
        proto::column::Kind::Buttons(buttons) => ColumnKind::Buttons(buttons.names),
        proto::column::Kind::Axis(proto::Axis {}) => ColumnKind::Axis,
    };
    let width = Width::from_bits(column.bits).ok_or(PayloadError::Field { field: "column bits" })?;
    Ok(Column { name: column.name, kind, width })
}

fn ended_to_proto(ended: &SessionEnded) -> proto::SessionEnded {
    use proto::session_ended::Reason;
    let reason = match &ended.reason {
        EndReason::Stopped => Reason::Stopped(proto::Stopped {}),
        EndReason::Over => Reason::Over(proto::Over {}),
        EndReason::Truncated => Reason::Truncated(proto::Truncated {}),
        EndReason::Failed(failure) => {
            Reason::Failed(proto::Failed { failure: Some(failure_to_proto(failure)) })
        }
    };
    proto::SessionEnded { last_tick: ended.last_tick.0, reason: Some(reason) }
}

fn ended_from_proto(ended: proto::SessionEnded) -> Result<SessionEnded, PayloadError> {
    use proto::session_ended::Reason;
    let reason = match ended.reason.ok_or(PayloadError::Field { field: "end reason" })? {
        Reason::Stopped(_) => EndReason::Stopped,
        Reason::Over(_) => EndReason::Over,
        Reason::Truncated(_) => EndReason::Truncated,
        Reason::Failed(failed) => {
            let failure = failed.failure.ok_or(PayloadError::Field { field: "failure" })?;
            EndReason::Failed(failure_from_proto(failure)?)
        }
    };
    Ok(SessionEnded { last_tick: Tick(ended.last_tick), reason })
}

/// Both directions of the trap classes, so that none is forgotten in one of them.
const TRAPS: [(Trap, proto::Trap); 8] = [
    (Trap::Unreachable, proto::Trap::Unreachable),
    (Trap::MemoryOutOfBounds, proto::Trap::MemoryOutOfBounds),
    (Trap::TableOutOfBounds, proto::Trap::TableOutOfBounds),
    (Trap::IndirectCallToNull, proto::Trap::IndirectCallToNull),
    (Trap::BadSignature, proto::Trap::BadSignature),
    (Trap::IntegerOverflow, proto::Trap::IntegerOverflow),
    (Trap::IntegerDivisionByZero, proto::Trap::IntegerDivisionByZero),
    (Trap::BadConversionToInteger, proto::Trap::BadConversionToInteger),
];

fn failure_to_proto(failure: &Failure) -> proto::failed::Failure {
    match failure {
        Failure::Trap(trap) => {
            let known = TRAPS.iter().find(|(ours, _)| ours == trap);
            let class = known.map_or(proto::Trap::Unspecified, |(_, theirs)| *theirs);
            proto::failed::Failure::Trap(class.into())
        }
        Failure::Game { code } => proto::failed::Failure::Game(*code),
        Failure::Limit { what, limit } => {
            proto::failed::Failure::Limit(proto::LimitHit { what: what.to_string(), limit: *limit })
        }
    }
}

fn failure_from_proto(failure: proto::failed::Failure) -> Result<Failure, PayloadError> {
    Ok(match failure {
        proto::failed::Failure::Trap(class) => {
            let known = TRAPS.iter().find(|(_, theirs)| i32::from(*theirs) == class);
            Failure::Trap(known.ok_or(PayloadError::Field { field: "trap" })?.0)
        }
        proto::failed::Failure::Game(code) => Failure::Game { code },
        proto::failed::Failure::Limit(hit) => Failure::Limit { what: Cow::Owned(hit.what), limit: hit.limit },
    })
}

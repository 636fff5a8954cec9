//! The replay file, format version 1: a session and what is needed to play it, in one string of bytes.
//!
//! [`replay_from_session`] is the one bridge from a session's payloads to a file, [`Replay::decode`] the
//! way back. The layout is `docs/spec/replay-format.md`.

pub mod block;
mod container;
mod varint;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::hash::{ModuleHash, StateHash};
use crate::input::{InputSchema, Inputs};
use crate::limits::{RECORD_BYTES_MAX, REPLAY_BYTES_MAX, STATE_BYTES_MAX};
use crate::session::{EndReason, SessionEnded, SessionPayload, SessionStarted, SimulationId};
use crate::simulation::Mark;
use crate::tick::Tick;
use block::InputBlock;
pub use container::{DecodeError, DecodeErrorKind, FORMAT_VERSION};
use container::{Reader, Record, RecordType, Writer};

/// A whole simulation state at a tick, kept compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keyframe {
    tick: Tick,
    /// Bytes of the state; at most [`STATE_BYTES_MAX`].
    state_bytes: usize,
    /// The state in the LZ4 block format.
    compressed: Vec<u8>,
}

impl Keyframe {
    /// Compresses a state; `None` if it is larger than [`STATE_BYTES_MAX`].
    pub fn new(tick: Tick, state: &[u8]) -> Option<Self> {
        let compressed = || lz4_flex::block::compress(state);
        (state.len() <= STATE_BYTES_MAX).then(|| Self {
            tick,
            state_bytes: state.len(),
            compressed: compressed(),
        })
    }

    /// The tick whose state it is.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// Bytes that the keyframe takes in memory and, but for a few, in a file.
    pub fn compressed_bytes(&self) -> usize {
        self.compressed.len()
    }

    /// The state; `None` if the bytes do not decompress to what they should.
    pub fn state(&self) -> Option<Vec<u8>> {
        let state = lz4_flex::block::decompress(&self.compressed, self.state_bytes).ok()?;
        (state.len() == self.state_bytes).then_some(state)
    }

    fn encode(&self) -> Vec<u8> {
        let head = [self.tick.0.to_le_bytes(), (self.state_bytes as u32).to_le_bytes()];
        [head.as_flattened(), &self.compressed].concat()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeErrorKind> {
        let (head, compressed) = payload.split_first_chunk::<8>().ok_or(DecodeErrorKind::Truncated)?;
        let tick = Tick(u32::from_le_bytes([head[0], head[1], head[2], head[3]]));
        let state_bytes = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        if state_bytes > STATE_BYTES_MAX {
            return Err(DecodeErrorKind::TooLarge { actual: state_bytes as u64, limit: STATE_BYTES_MAX });
        }
        // An LZ4 block never expands more than 255 times: what claims to is damaged, and is not allocated.
        if state_bytes > compressed.len().saturating_mul(255) {
            return Err(DecodeErrorKind::Compression);
        }
        Ok(Self { tick, state_bytes, compressed: compressed.to_vec() })
    }
}

/// What stands in a replay beside the session: neither is needed to know what happened.
#[derive(Clone, Debug, Default)]
pub struct Attachments {
    /// The module, so that the replay can be played by whoever has only the file.
    pub module: Option<Vec<u8>>,
    /// States to seek from, in any order.
    pub keyframes: Vec<Keyframe>,
}

/// Why payloads are no session of which a replay can be made.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReplayError {
    /// There is none.
    #[error("the session has no payloads")]
    Empty,
    /// The session does not begin with its start, or starts twice.
    #[error("a session begins with its one start")]
    Start,
    /// The payloads stop before the session's end, or go on after it.
    #[error("a session ends with its one end")]
    End,
    /// The module is larger than a record of a replay may be.
    #[error("a module of {actual} bytes, where at most {limit} are allowed")]
    Module {
        /// As given.
        actual: usize,
        /// [`RECORD_BYTES_MAX`].
        limit: usize,
    },
}

/// Writes a session, from its start to its end, as a replay file.
///
/// # Errors
/// The payloads do not begin with a start, do not end with an end, or the module is too large.
pub fn replay_from_session(
    payloads: impl IntoIterator<Item = SessionPayload>,
    attachments: &Attachments,
) -> Result<Vec<u8>, ReplayError> {
    let mut payloads = payloads.into_iter();
    let start = payloads.next().ok_or(ReplayError::Empty)?;
    if !matches!(start, SessionPayload::Started(_)) {
        return Err(ReplayError::Start);
    }
    let mut writer = Writer::new();
    writer.record(RecordType::Started, &start.encode());
    if let Some(module) = &attachments.module {
        if module.len() > RECORD_BYTES_MAX {
            return Err(ReplayError::Module { actual: module.len(), limit: RECORD_BYTES_MAX });
        }
        writer.record(RecordType::Module, module);
    }
    let mut end = None;
    for payload in payloads {
        if end.is_some() {
            return Err(ReplayError::End);
        }
        let record = match &payload {
            SessionPayload::Started(_) => return Err(ReplayError::Start),
            SessionPayload::InputsRecorded(_) => RecordType::Inputs,
            SessionPayload::HashesRecorded(_) => RecordType::Hashes,
            SessionPayload::Marked(..) => RecordType::Mark,
            SessionPayload::Ended(_) => {
                end = Some(payload.encode());
                continue;
            }
        };
        writer.record(record, &payload.encode());
    }
    let end = end.ok_or(ReplayError::End)?;
    for keyframe in &attachments.keyframes {
        writer.record(RecordType::Keyframe, &keyframe.encode());
    }
    writer.record(RecordType::Ended, &end);
    Ok(writer.finish())
}

/// A replay in memory: a whole session that can be played.
#[derive(Clone, Debug)]
pub struct Replay {
    /// What the session is of.
    pub started: SessionStarted,
    /// What participants did.
    pub inputs: InputTrack,
    /// The state hashes that whoever played recorded.
    pub hashes: BTreeMap<Tick, StateHash>,
    /// What was noted, in order of ticks.
    pub marks: Vec<(Tick, Mark)>,
    /// States to seek from, in order of ticks.
    pub keyframes: Vec<Keyframe>,
    /// The module, if it travels with the replay. Its hash is that which `started` names.
    pub module: Option<Vec<u8>>,
    /// How the session ended.
    pub ended: SessionEnded,
}

impl Replay {
    /// Reads what [`replay_from_session`] wrote.
    ///
    /// # Errors
    /// The bytes are no replay of this version; the error names the part and the byte.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > REPLAY_BYTES_MAX {
            let kind = DecodeErrorKind::TooLarge { actual: bytes.len() as u64, limit: REPLAY_BYTES_MAX };
            return Err(DecodeError { section: "file", offset: 0, kind });
        }
        let mut reader = Reader::new(bytes)?;
        let truncated = |offset| DecodeError { section: "record", offset, kind: DecodeErrorKind::Truncated };
        let first = reader.next()?.ok_or_else(|| truncated(bytes.len()))?;
        let started = decode_start(&first)?;
        let mut parts = Parts::new(started);
        while let Some(record) = reader.next()? {
            if let Some(ended) = parts.take(&record)? {
                return if reader.offset() == bytes.len() {
                    parts.finish(&record, ended)
                } else {
                    Err(record.error(DecodeErrorKind::OutOfPlace("bytes after the session's end")))
                };
            }
        }
        Err(truncated(bytes.len()))
    }

    /// The last tick there is a state of.
    pub fn last_tick(&self) -> Tick {
        self.ended.last_tick
    }
}

fn decode_start(record: &Record<'_>) -> Result<SessionStarted, DecodeError> {
    if record.is != RecordType::Started {
        return Err(record.error(DecodeErrorKind::OutOfPlace("a replay begins with the session's start")));
    }
    match SessionPayload::decode_started(record.payload).map_err(|error| record.error(error))? {
        SessionPayload::Started(started) => Ok(started),
        _ => unreachable!("decode_started gives a start"),
    }
}

/// A replay while its records are read.
struct Parts {
    started: SessionStarted,
    inputs: InputTrack,
    hashes: BTreeMap<Tick, StateHash>,
    marks: Vec<(Tick, Mark)>,
    keyframes: Vec<Keyframe>,
    module: Option<Vec<u8>>,
}

impl Parts {
    fn new(started: SessionStarted) -> Self {
        let inputs = InputTrack { schema: started.schema.clone(), blocks: Vec::new() };
        let (hashes, marks, keyframes) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { started, inputs, hashes, marks, keyframes, module: None }
    }

    /// Takes over a record; gives the end of the session when this was it.
    fn take(&mut self, record: &Record<'_>) -> Result<Option<SessionEnded>, DecodeError> {
        let payload = record.payload;
        let decoded = match record.is {
            RecordType::Started => {
                return Err(record.error(DecodeErrorKind::OutOfPlace("a second start of the session")));
            }
            RecordType::Module => {
                self.module = Some(self.check_module(record)?);
                return Ok(None);
            }
            RecordType::Keyframe => {
                self.keyframes.push(Keyframe::decode(payload).map_err(|kind| record.error(kind))?);
                return Ok(None);
            }
            RecordType::Inputs => SessionPayload::decode_inputs(&self.started.schema, payload),
            RecordType::Hashes => SessionPayload::decode_hashes(payload),
            RecordType::Mark => SessionPayload::decode_marked(payload),
            RecordType::Ended => SessionPayload::decode_ended(payload),
        };
        match decoded.map_err(|error| record.error(error))? {
            SessionPayload::InputsRecorded(block) => {
                let place = self.inputs.push(block);
                place.map_err(|_| record.error(DecodeErrorKind::OutOfPlace("a gap between input blocks")))?;
            }
            SessionPayload::HashesRecorded(hashes) => {
                let last = self.hashes.last_key_value().map(|(tick, _)| *tick);
                if hashes.first().is_some_and(|(tick, _)| last.is_some_and(|last| *tick <= last)) {
                    return Err(
                        record.error(DecodeErrorKind::OutOfPlace("hashes that are not in order of ticks"))
                    );
                }
                self.hashes.extend(hashes);
            }
            SessionPayload::Marked(tick, mark) => self.marks.push((tick, mark)),
            SessionPayload::Ended(ended) => return Ok(Some(ended)),
            SessionPayload::Started(_) => unreachable!("starts are refused above"),
        }
        Ok(None)
    }

    fn check_module(&self, record: &Record<'_>) -> Result<Vec<u8>, DecodeError> {
        let pinned = match &self.started.simulation {
            SimulationId::Wasm(id) => Some(id.module),
            SimulationId::Native { .. } => None,
        };
        if self.module.is_some() || pinned != Some(ModuleHash::of(record.payload)) {
            return Err(record.error(DecodeErrorKind::OutOfPlace("not the module that the session names")));
        }
        Ok(record.payload.to_vec())
    }

    /// Checks what only the whole tells.
    fn finish(mut self, end: &Record<'_>, ended: SessionEnded) -> Result<Replay, DecodeError> {
        let last = ended.last_tick;
        let failed = matches!(ended.reason, EndReason::Failed(_)).then(|| last.next()).flatten();
        if self.inputs.end_tick() != last && Some(self.inputs.end_tick()) != failed {
            return Err(end.error(DecodeErrorKind::OutOfPlace("the end is not where the inputs end")));
        }
        self.keyframes.sort_by_key(Keyframe::tick);
        let later = self.hashes.last_key_value().is_some_and(|(tick, _)| *tick > last)
            || self.marks.iter().any(|(tick, _)| *tick > last)
            || self.keyframes.last().is_some_and(|keyframe| keyframe.tick > last);
        if later {
            return Err(end.error(DecodeErrorKind::OutOfPlace("a tick after the session's end")));
        }
        if !self.marks.is_sorted_by_key(|(tick, _)| *tick) {
            return Err(end.error(DecodeErrorKind::OutOfPlace("marks that are not in order of ticks")));
        }
        let Self { started, inputs, hashes, marks, keyframes, module } = self;
        Ok(Replay { started, inputs, hashes, marks, keyframes, module, ended })
    }
}

/// What participants did from tick 0 on, without a gap.
#[derive(Clone, Debug)]
pub struct InputTrack {
    schema: InputSchema,
    /// Each begins where the one before ends; the first at tick 0.
    blocks: Vec<InputBlock>,
}

/// A block that does not begin where the track ends.
#[derive(Debug)]
struct Gap;

impl InputTrack {
    /// The first tick of which no input is known.
    pub fn end_tick(&self) -> Tick {
        self.blocks.last().map_or(Tick::ZERO, InputBlock::end_tick)
    }

    /// How many rows there are: one for each change of one participant, and as many at the start of a
    /// block as take part.
    pub fn rows(&self) -> usize {
        self.blocks.iter().map(InputBlock::rows).sum()
    }

    /// A reader that is quick when ticks are asked for in order.
    pub fn reader(&self) -> InputReader {
        InputReader { block: 0, row: 0, tick: None, inputs: Inputs::absent(&self.schema) }
    }

    fn push(&mut self, block: InputBlock) -> Result<(), Gap> {
        if block.first_tick() != self.end_tick() || block.end_tick() == block.first_tick() {
            return Err(Gap);
        }
        self.blocks.push(block);
        Ok(())
    }
}

/// Gives the inputs of a track tick by tick.
#[derive(Clone, Debug)]
pub struct InputReader {
    block: usize,
    row: usize,
    /// The tick whose inputs are held; `None` before the first.
    tick: Option<Tick>,
    inputs: Inputs,
}

impl InputReader {
    /// The inputs of `tick`; `None` past the end of the track, which must be that of this reader.
    pub fn at(&mut self, track: &InputTrack, tick: Tick) -> Option<&Inputs> {
        let block = match track.blocks.get(self.block) {
            Some(block) if block.first_tick() <= tick && tick < block.end_tick() => self.block,
            _ => track.blocks.partition_point(|block| block.end_tick() <= tick),
        };
        let current = track.blocks.get(block)?;
        if block != self.block || self.tick.is_none_or(|held| held > tick) {
            self.inputs = Inputs::absent(&track.schema);
            (self.block, self.row) = (block, 0);
        }
        self.row = current.apply(self.row, tick, &mut self.inputs);
        self.tick = Some(tick);
        Some(&self.inputs)
    }
}

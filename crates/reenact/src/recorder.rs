//! From a running game to the payloads of its session.

use std::collections::VecDeque;

use thiserror::Error;

use crate::format::block::InputBlock;
use crate::hash::StateHash;
use crate::input::Inputs;
use crate::limits::{
    CHUNK_BYTES, CHUNK_MARKS, CHUNK_ROWS, CONFIG_BYTES_MAX, DISK_BYTES_MAX, MARK_BYTES_PER_TICK_MAX,
    MARKS_PER_TICK_MAX, PENDING_BYTES_MAX, TEXT_BYTES_MAX,
};
use crate::session::{EndReason, SessionEnded, SessionPayload, SessionStarted, SimulationId};
use crate::simulation::{Failure, Mark, Simulation, Status};
use crate::tick::Tick;

/// Why a tick was not recorded.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// Payloads were not taken away; the session ended before this tick, and records nothing more.
    #[error("{pending} bytes wait to be taken away, where at most {limit} may")]
    Full {
        /// Bytes that wait.
        pending: usize,
        /// [`PENDING_BYTES_MAX`].
        limit: usize,
    },
    /// The session has ended.
    #[error("the session has ended at tick {last_tick}")]
    Ended {
        /// The last tick recorded.
        last_tick: Tick,
    },
    /// Inputs of another number of participants or columns than the session has; nothing has changed.
    #[error("inputs of another schema than the session's")]
    Schema,
    /// Something larger than a session may hold; nothing has changed.
    #[error("{what} of {actual} bytes, where at most {limit} are allowed")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// As given.
        actual: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The simulation failed; the session ended before this tick.
    #[error("the simulation failed")]
    Failed(#[from] Failure),
}

/// Takes the confirmed inputs of all participants tick by tick and yields the payloads of a session.
///
/// A recorder never blocks, knows no clock and does no I/O: whoever drives it takes the payloads away with
/// [`poll`](Self::poll). When nobody does, the recording ends: a gap is never recorded over.
///
/// A game that is driven by [`Recorder::step`] gets its marks and hashes recorded as well; one that runs
/// itself calls [`record`](Self::record), [`mark`](Self::mark) and [`hash`](Self::hash).
#[derive(Debug)]
pub struct Recorder {
    started: SessionStarted,
    chunk_ticks: u32,
    /// The next tick to record: the state that the last one led to.
    tick: Tick,
    block: InputBlock,
    /// The inputs of the tick before, as the block knows them.
    before: Inputs,
    /// Hashes and marks since the last chunk.
    hashes: Vec<(Tick, StateHash)>,
    marks: Vec<(Tick, Mark)>,
    last_hash: Option<Tick>,
    /// Where a simulation puts its marks, kept so that it is allocated once.
    emitted: Vec<Mark>,
    pending: VecDeque<SessionPayload>,
    /// Bytes that wait to be taken away, those since the last chunk included.
    pending_bytes: usize,
    /// Bytes of hashes and marks since the last chunk.
    held_bytes: usize,
    ended: bool,
}

impl Recorder {
    /// Begins a session. A chunk is yielded each `chunk_ticks` ticks (at least one), and earlier when many
    /// rows or bytes have gathered; a live session uses what passes in 100 ms, a file as many as there are.
    ///
    /// # Errors
    /// `TooLarge`: a name, the config or the disk is larger than a session may hold.
    pub fn new(started: SessionStarted, chunk_ticks: u32) -> Result<Self, RecordError> {
        at_most("name of the game", started.game.len(), TEXT_BYTES_MAX)?;
        if let SimulationId::Native { name, build } = &started.simulation {
            at_most("name of the simulation", name.len() + build.len(), TEXT_BYTES_MAX)?;
        }
        at_most("config", started.config.len(), CONFIG_BYTES_MAX)?;
        at_most("disk", started.disk.len(), DISK_BYTES_MAX)?;
        let started_payload = SessionPayload::Started(started.clone());
        let mut recorder = Self::resume(started, chunk_ticks, Tick::ZERO);
        recorder.pending.push_back(started_payload);
        Ok(recorder)
    }

    /// Goes on with a session of which everything before `tick` is stored, and its start among it.
    pub fn resume(started: SessionStarted, chunk_ticks: u32, tick: Tick) -> Self {
        let block = InputBlock::new(&started.schema, tick);
        let before = Inputs::absent(&started.schema);
        Self {
            started,
            chunk_ticks: chunk_ticks.max(1),
            tick,
            block,
            before,
            hashes: Vec::new(),
            marks: Vec::new(),
            last_hash: None,
            emitted: Vec::new(),
            pending: VecDeque::new(),
            pending_bytes: 0,
            held_bytes: 0,
            ended: false,
        }
    }

    /// The tick that is recorded next; as many ticks are recorded already.
    pub fn tick(&self) -> Tick {
        self.tick
    }

    /// What the session was begun with.
    pub fn started(&self) -> &SessionStarted {
        &self.started
    }

    /// Bytes that wait to be taken away; above [`PENDING_BYTES_MAX`] the recording ends.
    pub fn pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// The payload that [`poll`](Self::poll) takes next.
    pub fn peek(&self) -> Option<&SessionPayload> {
        self.pending.front()
    }

    /// The next payload to store, if there is one; they come in the order of the session's stream.
    pub fn poll(&mut self) -> Option<SessionPayload> {
        let payload = self.pending.pop_front()?;
        self.pending_bytes = self.pending_bytes.saturating_sub(weight(&payload));
        Some(payload)
    }

    /// Whether the state at the current tick is one whose hash the session records, and has not yet.
    pub fn wants_hash(&self) -> bool {
        let every = self.started.hash_every;
        every != 0 && self.tick.0.is_multiple_of(every) && self.last_hash != Some(self.tick)
    }

    /// Runs one tick of `simulation` and records it: its inputs, marks, and its hash when one is due.
    /// The session ends by itself when the simulation is over or fails.
    ///
    /// # Errors
    /// Nothing is recorded of this tick. After `Failed` and `Full` the session has ended; after the others
    /// nothing has changed.
    pub fn step<S: Simulation + ?Sized>(
        &mut self,
        simulation: &mut S,
        inputs: &Inputs,
    ) -> Result<Status, RecordError> {
        self.check_next(inputs)?;
        if self.wants_hash() {
            self.hash(simulation.state_hash());
        }
        let mut emitted = std::mem::take(&mut self.emitted);
        emitted.clear();
        let stepped = simulation.step(self.tick, inputs, &mut emitted);
        let status = match stepped.and_then(|status| check_marks(&emitted).map(|()| status)) {
            Ok(status) => status,
            Err(failure) => {
                self.fail(inputs, failure.clone())?;
                return Err(failure.into());
            }
        };
        self.record(inputs)?;
        let marked = emitted.drain(..).try_for_each(|mark| self.mark(mark));
        self.emitted = emitted;
        marked?;
        if self.wants_hash() {
            self.hash(simulation.state_hash());
        }
        if status == Status::Over {
            self.end(simulation, EndReason::Over);
        }
        Ok(status)
    }

    /// Records the inputs of the next tick.
    ///
    /// # Errors
    /// `Full` ends the session at the tick before; the others change nothing.
    pub fn record(&mut self, inputs: &Inputs) -> Result<(), RecordError> {
        let next = self.check_next(inputs)?;
        self.block.push(&self.before, inputs);
        self.before.clone_from(inputs);
        self.tick = next;
        let bytes = self.held_bytes + self.block.memory_bytes();
        let full = self.block.rows() >= CHUNK_ROWS || self.marks.len() >= CHUNK_MARKS || bytes >= CHUNK_BYTES;
        if full || self.tick.0 - self.block.first_tick().0 >= self.chunk_ticks {
            self.close_chunk();
        }
        Ok(())
    }

    /// Ends the session because the step with `inputs` failed. That tick is not committed, but its inputs
    /// are kept: they show the failure again.
    ///
    /// # Errors
    /// As [`record`](Self::record).
    pub fn fail(&mut self, inputs: &Inputs, failure: Failure) -> Result<(), RecordError> {
        self.check_next(inputs)?;
        self.block.push(&self.before, inputs);
        self.finish(EndReason::Failed(failure));
        Ok(())
    }

    /// Yields what was recorded since the last chunk as a chunk, for a caller that hands chunks over by the
    /// clock. The inputs of a tick are in a chunk together with its hashes and marks, or before them.
    pub fn flush(&mut self) {
        if !self.ended {
            self.close_chunk();
        }
    }

    /// Records a mark at the tick to which the last step led.
    ///
    /// # Errors
    /// The session has ended, or the mark's payload is larger than a session may hold.
    pub fn mark(&mut self, mark: Mark) -> Result<(), RecordError> {
        self.check_open()?;
        at_most("mark", mark.payload.len(), MARK_BYTES_PER_TICK_MAX)?;
        self.hold(mark_bytes(&mark));
        self.marks.push((self.tick, mark));
        Ok(())
    }

    /// Records the hash of the state at the current tick; a second one is passed over.
    pub fn hash(&mut self, hash: StateHash) {
        if !self.ended && self.last_hash != Some(self.tick) {
            self.last_hash = Some(self.tick);
            self.hold(HASH_BYTES);
            self.hashes.push((self.tick, hash));
        }
    }

    /// Ends the session and hashes its last state, if it records hashes.
    pub fn end<S: Simulation + ?Sized>(&mut self, simulation: &mut S, reason: EndReason) {
        if self.started.hash_every != 0 && !self.ended {
            self.hash(simulation.state_hash());
        }
        self.finish(reason);
    }

    /// Ends the session without another hash; a session that has ended stays as it is. Whoever ends it as
    /// stopped or over [`hash`](Self::hash)es the last state before, if the session records hashes: without
    /// that hash it is not verifiable.
    pub fn finish(&mut self, reason: EndReason) {
        if self.ended {
            return;
        }
        self.close_chunk();
        self.ended = true;
        let ended = SessionEnded { last_tick: self.tick, reason };
        self.pending.push_back(SessionPayload::Ended(ended));
    }

    /// Whether the tick with `inputs` can be recorded; gives the tick after it.
    fn check_next(&mut self, inputs: &Inputs) -> Result<Tick, RecordError> {
        self.check_open()?;
        if !same_shape(inputs, &self.before) {
            return Err(RecordError::Schema);
        }
        if self.pending_bytes > PENDING_BYTES_MAX {
            self.finish(EndReason::Truncated);
            return Err(RecordError::Full { pending: self.pending_bytes, limit: PENDING_BYTES_MAX });
        }
        let Some(next) = self.tick.next() else {
            self.finish(EndReason::Stopped);
            return Err(RecordError::Ended { last_tick: self.tick });
        };
        Ok(next)
    }

    fn hold(&mut self, bytes: usize) {
        self.held_bytes += bytes;
        self.pending_bytes += bytes;
    }

    fn check_open(&self) -> Result<(), RecordError> {
        if self.ended { Err(RecordError::Ended { last_tick: self.tick }) } else { Ok(()) }
    }

    /// Hands over what was recorded since the last chunk.
    fn close_chunk(&mut self) {
        self.held_bytes = 0;
        if self.block.end_tick() > self.block.first_tick() {
            let next = InputBlock::new(&self.started.schema, self.tick);
            let block = std::mem::replace(&mut self.block, next);
            self.before = Inputs::absent(&self.started.schema);
            self.pending_bytes += block.memory_bytes();
            self.pending.push_back(SessionPayload::InputsRecorded(block));
        }
        if !self.hashes.is_empty() {
            self.pending.push_back(SessionPayload::HashesRecorded(std::mem::take(&mut self.hashes)));
        }
        let marks = self.marks.drain(..).map(|(tick, mark)| SessionPayload::Marked(tick, mark));
        self.pending.extend(marks);
    }
}

fn at_most(what: &'static str, actual: usize, limit: usize) -> Result<(), RecordError> {
    if actual > limit { Err(RecordError::TooLarge { what, actual, limit }) } else { Ok(()) }
}

/// Holds what a simulation emitted in one tick to the limits.
fn check_marks(marks: &[Mark]) -> Result<(), Failure> {
    let limit = |what: &'static str, limit| Failure::Limit { what: what.into(), limit };
    if marks.len() > MARKS_PER_TICK_MAX {
        return Err(limit("marks a tick", MARKS_PER_TICK_MAX as u64));
    }
    let bytes: usize = marks.iter().map(|mark| mark.payload.len()).sum();
    if bytes > MARK_BYTES_PER_TICK_MAX {
        return Err(limit("bytes of marks a tick", MARK_BYTES_PER_TICK_MAX as u64));
    }
    Ok(())
}

fn same_shape(a: &Inputs, b: &Inputs) -> bool {
    a.participants() == b.participants() && a.columns() == b.columns()
}

const HASH_BYTES: usize = size_of::<(Tick, StateHash)>();

fn mark_bytes(mark: &Mark) -> usize {
    size_of::<SessionPayload>() + mark.payload.len()
}

/// The bytes by which a payload counts while it waits.
fn weight(payload: &SessionPayload) -> usize {
    match payload {
        SessionPayload::Started(_) | SessionPayload::Ended(_) => 0,
        SessionPayload::InputsRecorded(block) => block.memory_bytes(),
        SessionPayload::HashesRecorded(hashes) => hashes.len() * HASH_BYTES,
        SessionPayload::Marked(_, mark) => mark_bytes(mark),
    }
}

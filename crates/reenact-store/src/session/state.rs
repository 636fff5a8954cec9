//! What a session is: the fold of its events, and its rules.

use reenact::format::block::InputBlock;
use reenact::session::{EndReason, SessionEnded, SessionPayload, SessionStarted};
use reenact::simulation::Mark;
use reenact::{InputSchema, StateHash, Tick};
use thiserror::Error;

use crate::event::Sequence;

/// Why payloads are not the next ones of a session.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionError {
    /// No payloads at all.
    #[error("no payloads")]
    Empty,
    /// A first payload that is not the start.
    #[error("a session that does not begin with its start")]
    NotStarted,
    /// A second start.
    #[error("a second start of the session")]
    StartedTwice,
    /// Something after the end.
    #[error("the session has ended at tick {last_tick}")]
    Ended {
        /// The session's last tick.
        last_tick: Tick,
    },
    /// Inputs that do not go on where the last ones end.
    #[error("inputs from tick {actual} on, where those of tick {expected} are next")]
    Gap {
        /// The first tick given.
        actual: Tick,
        /// The next tick to record.
        expected: Tick,
    },
    /// Inputs of no tick.
    #[error("an input block without ticks, at tick {tick}")]
    EmptyBlock {
        /// The next tick to record.
        tick: Tick,
    },
    /// Inputs of participants or columns that the session does not have.
    #[error("inputs of another schema than the session's")]
    Schema,
    /// A hash or a mark at a tick that is not recorded.
    #[error("{what} at tick {tick}, where inputs are recorded up to tick {end}")]
    Beyond {
        /// A hash or a mark.
        what: &'static str,
        /// Where it stands.
        tick: Tick,
        /// The last state that the inputs lead to.
        end: Tick,
    },
    /// A hash or a mark before one that is there.
    #[error("{what} at tick {tick}, after one at tick {last}")]
    Order {
        /// A hash or a mark.
        what: &'static str,
        /// Where it stands.
        tick: Tick,
        /// Where the one before it stands.
        last: Tick,
    },
    /// An end that is not where the inputs end, or before a hash or a mark.
    #[error("an end at tick {last_tick}, where inputs, hashes or marks reach tick {end}")]
    EndTick {
        /// The end's tick.
        last_tick: Tick,
        /// What is recorded.
        end: Tick,
    },
    /// A payload that does not fit into one event.
    #[error("a payload of {bytes} bytes, where at most {limit} are allowed")]
    TooLarge {
        /// Bytes of the payload.
        bytes: usize,
        /// The most allowed.
        limit: usize,
    },
}

/// Where a session stands, as far as its rules need it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    tick: Tick,
    last_hash: Option<Tick>,
    last_mark: Option<Tick>,
    ended: Option<Tick>,
}

impl Progress {
    /// Where the session stands after some more payloads; at least one.
    pub(super) fn then_all(
        self,
        schema: &InputSchema,
        payloads: &[SessionPayload],
    ) -> Result<Self, SessionError> {
        if payloads.is_empty() {
            return Err(SessionError::Empty);
        }
        payloads.iter().try_fold(self, |progress, next| progress.then(schema, next))
    }

    /// The rules: where the session stands after one more payload.
    fn then(mut self, schema: &InputSchema, next: &SessionPayload) -> Result<Self, SessionError> {
        if let Some(last_tick) = self.ended {
            return Err(SessionError::Ended { last_tick });
        }
        match next {
            SessionPayload::Started(_) => return Err(SessionError::StartedTwice),
            SessionPayload::InputsRecorded(block) => self.tick = self.after_inputs(schema, block)?,
            SessionPayload::HashesRecorded(hashes) => {
                for (tick, _) in hashes {
                    let after = self.last_hash.map_or(Some(Tick::ZERO), Tick::next);
                    self.check_place("a hash", *tick, self.last_hash, after)?;
                    self.last_hash = Some(*tick);
                }
            }
            SessionPayload::Marked(tick, _) => {
                self.check_place("a mark", *tick, self.last_mark, self.last_mark.or(Some(Tick::ZERO)))?;
                self.last_mark = Some(*tick);
            }
            SessionPayload::Ended(ended) => {
                self.check_end(ended)?;
                self.ended = Some(ended.last_tick);
            }
        }
        Ok(self)
    }

    fn after_inputs(&self, schema: &InputSchema, block: &InputBlock) -> Result<Tick, SessionError> {
        if block.first_tick() != self.tick {
            return Err(SessionError::Gap { actual: block.first_tick(), expected: self.tick });
        }
        if block.end_tick() == self.tick {
            return Err(SessionError::EmptyBlock { tick: self.tick });
        }
        if block.fits(schema) { Ok(block.end_tick()) } else { Err(SessionError::Schema) }
    }

    /// Holds a hash or a mark to stand at `first` or later (nowhere, if that is `None`), and not beyond the
    /// inputs.
    fn check_place(
        &self,
        what: &'static str,
        tick: Tick,
        last: Option<Tick>,
        first: Option<Tick>,
    ) -> Result<(), SessionError> {
        if tick > self.tick {
            return Err(SessionError::Beyond { what, tick, end: self.tick });
        }
        match last {
            Some(last) if first.is_none_or(|first| tick < first) => {
                Err(SessionError::Order { what, tick, last })
            }
            _ => Ok(()),
        }
    }

    /// The inputs end at the last tick or, if the step after it failed, one later: then those of the step
    /// that failed are kept.
    fn check_end(&self, ended: &SessionEnded) -> Result<(), SessionError> {
        let last_tick = ended.last_tick;
        let failed = matches!(ended.reason, EndReason::Failed(_)).then(|| last_tick.next()).flatten();
        if self.tick != last_tick && Some(self.tick) != failed {
            return Err(SessionError::EndTick { last_tick, end: self.tick });
        }
        match self.last_hash.max(self.last_mark) {
            Some(end) if end > last_tick => Err(SessionError::EndTick { last_tick, end }),
            _ => Ok(()),
        }
    }
}

/// A block of inputs in the session's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BlockPlace {
    pub(super) first_tick: Tick,
    pub(super) sequence: Sequence,
}

/// A session: the fold of its events.
///
/// Of inputs it keeps the places in the stream, not the values, so that a long session stays small;
/// [`StoredInputs`](super::StoredInputs) reads them.
#[derive(Clone, Debug)]
pub struct Session {
    started: SessionStarted,
    progress: Progress,
    blocks: Vec<BlockPlace>,
    hashes: Vec<(Tick, StateHash)>,
    /// The marks at the greatest tick that has any.
    last_marks: Vec<Mark>,
    ended: Option<SessionEnded>,
    /// The last event that was folded in; the start is event 0.
    last_sequence: Sequence,
    /// Of all payloads.
    bytes: u64,
}

impl Session {
    /// The session after its first event, whose payload has `bytes` bytes.
    pub fn new(started: SessionStarted, bytes: usize) -> Self {
        Self {
            started,
            progress: Progress::default(),
            blocks: Vec::new(),
            hashes: Vec::new(),
            last_marks: Vec::new(),
            ended: None,
            last_sequence: Sequence::FIRST,
            bytes: bytes as u64,
        }
    }

    /// What the session was begun with.
    pub fn started(&self) -> &SessionStarted {
        &self.started
    }

    /// The tick whose inputs are recorded next; as many ticks are recorded.
    pub fn tick(&self) -> Tick {
        self.progress.tick
    }

    /// The recorded state hashes, in order of ticks.
    pub fn hashes(&self) -> &[(Tick, StateHash)] {
        &self.hashes
    }

    /// The recorded hash of the state at `tick`.
    pub fn hash_at(&self, tick: Tick) -> Option<StateHash> {
        let at = self.hashes.binary_search_by_key(&tick, |(tick, _)| *tick).ok()?;
        Some(self.hashes[at].1)
    }

    /// The marks at [`tick`](Self::tick), in their order: what a recorder that resumes may hand in again.
    pub fn marks_at_tick(&self) -> &[Mark] {
        if self.progress.last_mark == Some(self.tick()) { &self.last_marks } else { &[] }
    }

    /// How the session ended, if it has.
    pub fn ended(&self) -> Option<&SessionEnded> {
        self.ended.as_ref()
    }

    /// Bytes of all payloads; at most [`SESSION_BYTES_MAX`](crate::limits::SESSION_BYTES_MAX).
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The sequence of the session's last event.
    pub fn last_sequence(&self) -> Sequence {
        self.last_sequence
    }

    /// Whether `payloads` may follow, in this order: blocks without a gap, hashes and marks in order and not
    /// beyond the inputs, an end where the inputs end, and nothing after it.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn check(&self, payloads: &[SessionPayload]) -> Result<(), SessionError> {
        self.progress.then_all(&self.started.schema, payloads).map(drop)
    }

    /// Folds in the next event, whose payload has `bytes` bytes.
    ///
    /// # Errors
    /// A rule of [`check`](Self::check) is broken; nothing has changed.
    pub fn apply(&mut self, payload: &SessionPayload, bytes: usize) -> Result<(), SessionError> {
        let before = self.progress;
        self.progress = before.then(&self.started.schema, payload)?;
        self.bytes += bytes as u64;
        self.last_sequence = self.last_sequence.plus(1);
        match payload {
            SessionPayload::Started(_) => {}
            SessionPayload::InputsRecorded(block) => {
                let (first_tick, sequence) = (block.first_tick(), self.last_sequence);
                self.blocks.push(BlockPlace { first_tick, sequence });
            }
            SessionPayload::HashesRecorded(hashes) => self.hashes.extend_from_slice(hashes),
            SessionPayload::Marked(tick, mark) => {
                if before.last_mark != Some(*tick) {
                    self.last_marks.clear();
                }
                self.last_marks.push(mark.clone());
            }
            SessionPayload::Ended(ended) => self.ended = Some(ended.clone()),
        }
        Ok(())
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress
    }

    /// The event that holds the inputs of `tick`.
    pub(super) fn block_of(&self, tick: Tick) -> Option<BlockPlace> {
        if tick >= self.tick() {
            return None;
        }
        let after = self.blocks.partition_point(|block| block.first_tick <= tick);
        self.blocks.get(after.checked_sub(1)?).copied()
    }
}

//! What a recorder says, put into its `Recorder`; and what it says again after it resumed, compared.

use reenact::input::Inputs;
use reenact::limits::{MARK_BYTES_PER_TICK_MAX, MARKS_PER_TICK_MAX};
use reenact::session::{EndReason, SessionEnded};
use reenact::{InputSchema, Mark, RecordError, Recorder, StateHash, Tick};
use reenact_store::session::{Session, StoredInputs};

use super::protocol::{End, Part, read};
use super::refusal::{Refusal, RefusalCode};
use crate::error::chain;

/// Takes a recorder's messages, in their order.
#[derive(Debug)]
pub(super) struct Parts {
    schema: InputSchema,
    /// What was there when the recorder resumed; none for a new session.
    stored: Option<StoredInputs>,
    /// The last tick whose inputs were sent again.
    again: Tick,
    /// The last hash, so that another one for its tick is refused.
    hashed: Option<(Tick, StateHash)>,
    /// How many of the stored marks at the tick where it resumed were sent again.
    marks_again: usize,
    /// Marks and their bytes at the recorder's tick.
    marked: (Tick, usize, usize),
}

impl Parts {
    pub(super) fn new(schema: InputSchema, stored: Option<StoredInputs>) -> Self {
        let marks = stored.as_ref().map_or(&[][..], |stored| stored.session().marks_at_tick());
        let tick = stored.as_ref().map_or(Tick::ZERO, |stored| stored.session().tick());
        // What is there at this tick counts too, so that resuming gives no room for more.
        let marked = (tick, marks.len(), marks.iter().map(|mark| mark.payload.len()).sum());
        Self { schema, stored, again: Tick::ZERO, hashed: None, marks_again: 0, marked }
    }

    /// Takes one message; the end, if that is what it says.
    pub(super) async fn take(
        &mut self,
        recorder: &mut Recorder,
        message: &[u8],
    ) -> Result<Option<SessionEnded>, Refusal> {
        for part in read(&self.schema, message)? {
            match part {
                Part::Inputs(tick, inputs) => self.inputs(recorder, tick, &inputs).await?,
                Part::Hash(tick, hash) => self.hash(recorder, tick, hash)?,
                Part::Mark(tick, mark) => self.mark(recorder, tick, mark)?,
                Part::End(end) => return end_session(recorder, end).map(Some),
            }
        }
        Ok(None)
    }

    /// The session as it was when the recorder resumed.
    fn stored(&self) -> Option<&Session> {
        self.stored.as_ref().map(StoredInputs::session)
    }

    /// Whether `tick` is one whose inputs were there when the recorder resumed.
    fn is_stored(&self, tick: Tick) -> bool {
        self.stored().is_some_and(|stored| tick < stored.tick())
    }

    async fn inputs(&mut self, recorder: &mut Recorder, tick: Tick, inputs: &Inputs) -> Result<(), Refusal> {
        if self.is_stored(tick)
            && let Some(stored) = &mut self.stored
        {
            if tick < self.again {
                return Err(out_of_order("inputs", tick, self.again));
            }
            self.again = tick;
            let there = stored.at(tick).await;
            let there = there.map_err(|error| Refusal::new(RefusalCode::Internal, chain(&error)))?;
            return same(there.as_ref() == Some(inputs), "the inputs", tick);
        }
        check_tick("inputs", tick, recorder.tick())?;
        recorder.record(inputs).map_err(|error| refuse(&error))
    }

    fn hash(&mut self, recorder: &mut Recorder, tick: Tick, hash: StateHash) -> Result<(), Refusal> {
        if let Some(recorded) = self.stored().and_then(|stored| stored.hash_at(tick)) {
            return same(recorded == hash, "the hash", tick);
        }
        if self.is_stored(tick) {
            return same(false, "a hash where none was", tick);
        }
        check_tick("a hash", tick, recorder.tick())?;
        if recorder.started().hash_every == 0 {
            return Err(Refusal::malformed("a hash in a session that records none"));
        }
        if self.hashed.is_some_and(|(at, before)| at == tick && before != hash) {
            return same(false, "a second hash", tick);
        }
        self.hashed = Some((tick, hash));
        recorder.hash(hash);
        Ok(())
    }

    fn mark(&mut self, recorder: &mut Recorder, tick: Tick, mark: Mark) -> Result<(), Refusal> {
        if self.is_stored(tick) {
            return Ok(());
        }
        if let Some(stored) = self.stored().filter(|stored| stored.tick() == tick)
            && let Some(recorded) = stored.marks_at_tick().get(self.marks_again)
        {
            let equal = *recorded == mark;
            self.marks_again += 1;
            return same(equal, "a mark", tick);
        }
        check_tick("a mark", tick, recorder.tick())?;
        self.count_mark(tick, mark.payload.len())?;
        recorder.mark(mark).map_err(|error| refuse(&error))
    }

    /// Holds the marks of one tick to what a simulation may emit.
    fn count_mark(&mut self, tick: Tick, bytes: usize) -> Result<(), Refusal> {
        if self.marked.0 != tick {
            self.marked = (tick, 0, 0);
        }
        self.marked.1 += 1;
        self.marked.2 += bytes;
        for (what, actual, limit) in [
            ("marks", self.marked.1, MARKS_PER_TICK_MAX),
            ("bytes of marks", self.marked.2, MARK_BYTES_PER_TICK_MAX),
        ] {
            if actual > limit {
                let detail = format!("{actual} {what} at tick {tick}, where at most {limit} are allowed");
                return Err(Refusal::new(RefusalCode::TooLarge, detail));
            }
        }
        Ok(())
    }
}

fn end_session(recorder: &mut Recorder, end: End) -> Result<SessionEnded, Refusal> {
    let last_tick = recorder.tick();
    let reason = match end {
        End::Stopped => EndReason::Stopped,
        End::Over => EndReason::Over,
        End::Failed(failure, tick, inputs) => {
            check_tick("the inputs of a failure", tick, last_tick)?;
            recorder.fail(&inputs, failure.clone()).map_err(|error| refuse(&error))?;
            return Ok(SessionEnded { last_tick, reason: EndReason::Failed(failure) });
        }
    };
    recorder.finish(reason.clone());
    Ok(SessionEnded { last_tick, reason })
}

fn same(equal: bool, what: &str, tick: Tick) -> Result<(), Refusal> {
    if equal {
        return Ok(());
    }
    let detail = format!("{what} of tick {tick} is not what is stored");
    Err(Refusal::new(RefusalCode::InputsDiffer, detail))
}

fn check_tick(what: &str, actual: Tick, expected: Tick) -> Result<(), Refusal> {
    if actual == expected {
        return Ok(());
    }
    let detail = format!("{what} of tick {actual}, where tick {expected} comes next");
    Err(Refusal::new(RefusalCode::TickGap, detail))
}

fn out_of_order(what: &str, tick: Tick, last: Tick) -> Refusal {
    Refusal::malformed(format!("{what} of tick {tick} after those of tick {last}"))
}

fn refuse(error: &RecordError) -> Refusal {
    let code = match error {
        RecordError::Full { .. } => RefusalCode::RecorderFull,
        RecordError::TooLarge { .. } => RefusalCode::TooLarge,
        RecordError::Ended { .. } => RefusalCode::SessionEnded,
        _ => RefusalCode::Malformed,
    };
    Refusal::new(code, error.to_string())
}

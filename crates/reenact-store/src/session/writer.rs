//! Appending to a session by its rules.

use std::collections::VecDeque;
use std::sync::Arc;

use reenact::session::{SessionPayload, SessionStarted};
use thiserror::Error;

use super::state::Progress;
use super::{LoadError, Session, SessionError, SessionId, open, to_event};
use crate::chain::canonical_bytes;
use crate::event::{ExpectedSequence, NewEvent, Receipt};
use crate::limits::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, SESSION_BYTES_MAX, SESSION_END_BYTES, UNSENT_BYTES_MAX,
};
use crate::store::{AppendError, EventStore};
use crate::trace::TraceContext;

/// Why payloads were not appended to a session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// They break the rules of sessions; nothing has changed.
    #[error("refused by the session")]
    Refused(#[from] SessionError),
    /// Too much waits to be appended; nothing has changed.
    #[error("{bytes} bytes would wait to be appended, where at most {limit} may")]
    Full {
        /// What waits, and what was given.
        bytes: usize,
        /// [`UNSENT_BYTES_MAX`].
        limit: usize,
    },
    /// The session has as many bytes as it may have; nothing has changed, and it can still be ended.
    #[error("a session of {bytes} bytes, where at most {limit} are allowed")]
    SessionFull {
        /// What the session would have.
        bytes: u64,
        /// [`SESSION_BYTES_MAX`], less what is kept for the end.
        limit: u64,
    },
    /// The store did not take them. They wait for the next [`flush`](SessionWriter::flush).
    #[error("refused by the store")]
    Store(#[from] AppendError),
}

/// A payload that the rules let pass and the store has not acknowledged.
#[derive(Debug)]
struct Unsent {
    payload: SessionPayload,
    event: NewEvent,
    bytes: usize,
}

/// The one writer of a session.
///
/// Every append expects the stream to end where the writer left it, so that two writers of one session cannot
/// mix: the second is refused with `WrongExpectedSequence`.
///
/// What [`append`](Self::append) takes, it keeps until the store has acknowledged it, with ids that are made
/// once. So after an error that may pass, and also after a call that was dropped half-way, `flush` goes on
/// where it stopped and nothing is there twice.
#[derive(Debug)]
pub struct SessionWriter {
    store: Arc<dyn EventStore>,
    id: SessionId,
    trace: Option<TraceContext>,
    /// What is acknowledged.
    session: Session,
    /// Whether the start is.
    exists: bool,
    unsent: VecDeque<Unsent>,
    unsent_bytes: usize,
    /// How many of them were handed to the store without an answer. They are handed over alike the next
    /// time: with others behind them they would be no retry, if they are there.
    sending: usize,
    /// Where the session stands when all that is unsent is acknowledged, and how many bytes it has then.
    ahead: Progress,
    ahead_bytes: u64,
}

impl SessionWriter {
    /// Begins a session. `trace` is the request that caused it; all its events carry it.
    ///
    /// # Errors
    /// The store did not take the start, or there is such a session. Whoever tries once more takes a new id.
    pub async fn start(
        store: Arc<dyn EventStore>,
        id: SessionId,
        started: SessionStarted,
        trace: Option<TraceContext>,
    ) -> Result<Self, WriteError> {
        let start = SessionPayload::Started(started.clone());
        let mut writer = Self::new(store, id, Session::new(started, start.encode().len()), trace);
        (writer.exists, writer.ahead_bytes) = (false, 0);
        writer.push(start)?;
        writer.flush().await?;
        Ok(writer)
    }

    /// Goes on with a session that is there. It may have ended; then it takes nothing more.
    ///
    /// # Errors
    /// The session cannot be read.
    pub async fn resume(
        store: Arc<dyn EventStore>,
        id: SessionId,
        trace: Option<TraceContext>,
    ) -> Result<Self, LoadError> {
        let session = open(&*store, &id).await?;
        Ok(Self::new(store, id, session, trace))
    }

    fn new(store: Arc<dyn EventStore>, id: SessionId, session: Session, trace: Option<TraceContext>) -> Self {
        let ahead = session.progress();
        let ahead_bytes = session.bytes();
        let (unsent, unsent_bytes, sending) = (VecDeque::new(), 0, 0);
        Self { store, id, trace, session, exists: true, unsent, unsent_bytes, sending, ahead, ahead_bytes }
    }

    /// Which session.
    pub fn id(&self) -> &SessionId {
        &self.id
    }

    /// The session as far as it is acknowledged.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// Appends payloads and waits until they are acknowledged, and whatever waited before them. Those that
    /// fit into one append, 512 events of 512 KiB, are all there or none is; of more, the first may be there
    /// without the last.
    ///
    /// # Errors
    /// After `Refused`, `Full` and `SessionFull` nothing has changed; after `Store` the payloads wait for
    /// [`flush`](Self::flush).
    pub async fn append(&mut self, payloads: Vec<SessionPayload>) -> Result<Receipt, WriteError> {
        let ahead = self.ahead.then_all(&self.session.started().schema, &payloads)?;
        self.push_all(payloads)?;
        self.ahead = ahead;
        Ok(self.flush().await?.expect("there is a payload, and it is flushed"))
    }

    /// Appends what waits; gives the receipt of the last append, if anything did.
    ///
    /// # Errors
    /// What the store did not take goes on waiting. After `WrongExpectedSequence` somebody else has
    /// written, and nothing more will be taken.
    pub async fn flush(&mut self) -> Result<Option<Receipt>, AppendError> {
        let mut last = None;
        while !self.unsent.is_empty() {
            if self.sending == 0 {
                self.sending = self.next_append();
            }
            let events = self.unsent.iter().take(self.sending).map(|unsent| unsent.event.clone()).collect();
            let seen = self.exists.then(|| self.session.last_sequence());
            let expected = ExpectedSequence::after(seen);
            last = Some(self.store.append(self.id.stream(), expected, events).await?);
            self.acknowledge();
        }
        Ok(last)
    }

    fn push_all(&mut self, payloads: Vec<SessionPayload>) -> Result<(), WriteError> {
        let (kept, kept_bytes, ahead_bytes) = (self.unsent.len(), self.unsent_bytes, self.ahead_bytes);
        let pushed = payloads.into_iter().try_for_each(|payload| self.push(payload));
        if pushed.is_err() {
            self.unsent.truncate(kept);
            self.unsent_bytes = kept_bytes;
            self.ahead_bytes = ahead_bytes;
        }
        pushed
    }

    fn push(&mut self, payload: SessionPayload) -> Result<(), WriteError> {
        let event = NewEvent { trace: self.trace.clone(), ..to_event(&payload) };
        let bytes = canonical_bytes(self.id.stream(), &event);
        if bytes > APPEND_BYTES_MAX {
            return Err(SessionError::TooLarge { bytes, limit: APPEND_BYTES_MAX }.into());
        }
        if self.unsent_bytes + bytes > UNSENT_BYTES_MAX {
            return Err(WriteError::Full { bytes: self.unsent_bytes + bytes, limit: UNSENT_BYTES_MAX });
        }
        let ahead_bytes = self.ahead_bytes + event.payload.len() as u64;
        let limit = SESSION_BYTES_MAX - SESSION_END_BYTES;
        if ahead_bytes > limit && !matches!(payload, SessionPayload::Ended(_)) {
            return Err(WriteError::SessionFull { bytes: ahead_bytes, limit });
        }
        self.ahead_bytes = ahead_bytes;
        self.unsent_bytes += bytes;
        self.unsent.push_back(Unsent { payload, event, bytes });
        Ok(())
    }

    /// How many of the unsent events fit into one append; at least one, since each fits by itself.
    fn next_append(&self) -> usize {
        let mut bytes = 0;
        let fits = |unsent: &&Unsent| {
            bytes += unsent.bytes;
            bytes <= APPEND_BYTES_MAX
        };
        self.unsent.iter().take(APPEND_EVENTS_MAX).take_while(fits).count()
    }

    /// Folds in what was sent.
    fn acknowledge(&mut self) {
        for unsent in self.unsent.drain(..std::mem::take(&mut self.sending)) {
            self.unsent_bytes -= unsent.bytes;
            if self.exists {
                let bytes = unsent.event.payload.len();
                self.session.apply(&unsent.payload, bytes).expect("the rules let it pass when it was taken");
            }
            self.exists = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryStore;
    use reenact::input::{Column, InputSchema, Width};
    use reenact::session::{EndReason, SessionEnded, SimulationId};
    use reenact::{Mark, Tick, TickRate};

    #[tokio::test]
    async fn a_session_that_is_full_can_still_be_ended() {
        let started = SessionStarted {
            simulation: SimulationId::Native { name: "test".into(), build: "1".into() },
            game: String::new(),
            seed: 0,
            config: Vec::new(),
            disk: Vec::new(),
            rate: TickRate::HZ_60,
            schema: InputSchema::new(1, vec![Column::buttons("pad", Width::Bits8)]).unwrap(),
            hash_every: 0,
        };
        let store = Arc::new(MemoryStore::new(1));
        let mut writer = SessionWriter::start(store, SessionId::generate(), started, None).await.unwrap();
        let bytes = writer.session().bytes();
        assert!(bytes > 0 && writer.ahead_bytes == bytes);
        let mark = |bytes| SessionPayload::Marked(Tick::ZERO, Mark { kind: 1, payload: vec![0; bytes] });
        let limit = SESSION_BYTES_MAX - SESSION_END_BYTES;
        writer.ahead_bytes = limit - 100;
        writer.append(vec![mark(10)]).await.unwrap();
        let refused = writer.append(vec![mark(10), mark(100)]).await.unwrap_err();
        assert!(matches!(refused, WriteError::SessionFull { bytes, .. } if bytes > limit), "{refused}");
        let ended = SessionEnded { last_tick: Tick::ZERO, reason: EndReason::Truncated };
        writer.append(vec![SessionPayload::Ended(ended)]).await.unwrap();
        assert!(writer.session().ended().is_some());
    }
}

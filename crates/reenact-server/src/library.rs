//! The list of sessions: a fold of all their events, kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use reenact::Tick;
use reenact::session::{SessionEnded, SessionPayload, SessionStarted};
use reenact_store::session::{SessionId, from_event, kinds};
use reenact_store::{Checkpoint, Event, EventStore, ReadError, Timestamp};

use crate::documents::{EndDocument, SummaryDocument, console_and_module};
use crate::limits::EVENTS_PER_READ;
use crate::work::lock;

/// What is known of each session. Ids begin with the time, so that they are in order of their start.
#[derive(Debug, Default)]
pub struct Library {
    sessions: Mutex<BTreeMap<SessionId, Entry>>,
}

/// What is known of a session.
#[derive(Clone, Debug)]
pub struct Entry {
    /// What the session began with, but for the configuration and the disk, which may be large.
    pub started: Arc<SessionStarted>,
    /// When the store took its start.
    pub started_at: Timestamp,
    /// Acknowledged.
    pub ticks: Tick,
    /// How it ended, once it has.
    pub ended: Option<SessionEnded>,
}

impl Library {
    /// Folds everything after `checkpoint` that the store has, and moves the checkpoint there; how many
    /// events that were.
    ///
    /// # Errors
    /// The store cannot be read.
    pub async fn catch_up(
        &self,
        store: &dyn EventStore,
        checkpoint: &mut Checkpoint,
    ) -> Result<u64, ReadError> {
        let mut count = 0;
        loop {
            let events = store.read_all(checkpoint, EVENTS_PER_READ).await?;
            if events.is_empty() {
                return Ok(count);
            }
            for event in &events {
                self.apply(event);
                checkpoint.advance(event.partition, event.position);
                count += 1;
            }
        }
    }

    /// Takes one event into account. Events that are none of a session's, or that this version cannot read,
    /// change nothing: the session itself tells what is wrong when it is opened.
    pub fn apply(&self, event: &Event) {
        let Some(id) = SessionId::of_stream(&event.stream) else { return };
        let mut sessions = lock(&self.sessions);
        if event.kind.as_str() == kinds::STARTED {
            if let Ok(SessionPayload::Started(started)) = from_event(None, event) {
                sessions.insert(id, Entry::new(started, event.timestamp));
            }
            return;
        }
        let Some(entry) = sessions.get_mut(&id) else { return };
        match from_event(Some(&entry.started.schema), event) {
            Ok(SessionPayload::InputsRecorded(block)) => entry.ticks = block.end_tick(),
            Ok(SessionPayload::Ended(ended)) => {
                entry.ticks = ended.last_tick;
                entry.ended = Some(ended);
            }
            _ => {}
        }
    }

    /// Lists a session whose start was acknowledged a moment ago: its recorder may ask for it at once.
    pub(crate) fn begin(&self, session: &SessionId, started: SessionStarted) {
        let entry = || Entry::new(started, Timestamp::now());
        lock(&self.sessions).entry(session.clone()).or_insert_with(entry);
    }

    /// What is known of one session.
    pub fn get(&self, session: &SessionId) -> Option<Entry> {
        lock(&self.sessions).get(session).cloned()
    }

    /// How many sessions there are.
    pub fn len(&self) -> usize {
        lock(&self.sessions).len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The newest `limit` sessions, of those before `after` if it is given.
    pub fn newest(&self, after: Option<&SessionId>, limit: usize) -> Vec<(SessionId, Entry)> {
        let sessions = lock(&self.sessions);
        let before = match after {
            Some(after) => sessions.range(..after.clone()),
            None => sessions.range::<SessionId, _>(..),
        };
        before.rev().take(limit).map(|(id, entry)| (id.clone(), entry.clone())).collect()
    }

    /// The sessions that have ended, the newest first.
    pub fn ended(&self) -> Vec<SessionId> {
        let sessions = lock(&self.sessions);
        sessions.iter().rev().filter(|(_, entry)| entry.ended.is_some()).map(|(id, _)| id.clone()).collect()
    }
}

impl Entry {
    fn new(started: SessionStarted, started_at: Timestamp) -> Self {
        let started = Arc::new(SessionStarted { config: Vec::new(), disk: Vec::new(), ..started });
        Self { started, started_at, ticks: Tick::ZERO, ended: None }
    }

    /// What the list says of the session; `recording` tells whether a recorder is attached.
    pub fn summary(&self, session: &SessionId, recording: bool) -> SummaryDocument {
        let (console, module) = console_and_module(&self.started.simulation);
        let state = match (&self.ended, recording) {
            (Some(_), _) => "ended",
            (None, true) => "recording",
            (None, false) => "interrupted",
        };
        SummaryDocument {
            session: session.to_string(),
            game: self.started.game.clone(),
            console,
            module,
            participants: self.started.schema.participants(),
            rate: self.started.rate.into(),
            started_at: rfc3339(self.started_at),
            ticks: self.ticks.0,
            state: state.into(),
            end: self.ended.as_ref().map(EndDocument::from),
        }
    }
}

fn rfc3339(timestamp: Timestamp) -> String {
    let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(timestamp.0);
    humantime::format_rfc3339_millis(time).to_string()
}

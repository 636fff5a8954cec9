//! Reading a whole session.

use reenact::session::SessionPayload;
use thiserror::Error;

use super::{EventError, Session, SessionError, SessionId, from_event};
use crate::event::{Event, Sequence};
use crate::limits::{READ_EVENTS_MAX, SESSION_BYTES_MAX};
use crate::store::{Direction, EventStore, ReadError};

/// Why a session cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LoadError {
    /// There is no such session.
    #[error("there is no {session}")]
    Unknown {
        /// Which session.
        session: SessionId,
    },
    /// The store cannot be read.
    #[error("failed to read {session}")]
    Read {
        /// Which session.
        session: SessionId,
        /// Why.
        source: ReadError,
    },
    /// An event that is none of a session.
    #[error("event {sequence} of {session}")]
    Event {
        /// Which session.
        session: SessionId,
        /// Which of its events.
        sequence: Sequence,
        /// What is wrong with it.
        source: EventError,
    },
    /// An event that breaks the rules of sessions.
    #[error("event {sequence} of {session}")]
    Rule {
        /// Which session.
        session: SessionId,
        /// Which of its events.
        sequence: Sequence,
        /// Which rule.
        source: SessionError,
    },
    /// More bytes than a session may have.
    #[error("{session} has more than {limit} bytes")]
    TooLarge {
        /// Which session.
        session: SessionId,
        /// [`SESSION_BYTES_MAX`].
        limit: u64,
    },
}

/// Reads a session and gives its payloads, for playing or exporting it.
///
/// # Errors
/// There is none, it cannot be read, or an event breaks the rules; the error names it.
pub async fn load(
    store: &dyn EventStore,
    id: &SessionId,
) -> Result<(Session, Vec<SessionPayload>), LoadError> {
    let mut payloads = Vec::new();
    let session = fold(store, id, |payload| payloads.push(payload)).await?;
    Ok((session, payloads))
}

/// Reads where a session stands, without keeping its payloads.
///
/// # Errors
/// As those of [`load`].
pub async fn open(store: &dyn EventStore, id: &SessionId) -> Result<Session, LoadError> {
    fold(store, id, drop).await
}

async fn fold(
    store: &dyn EventStore,
    id: &SessionId,
    mut keep: impl FnMut(SessionPayload),
) -> Result<Session, LoadError> {
    let mut folded = None;
    let mut next = Sequence::FIRST;
    loop {
        let page = store.read(id.stream(), next, Direction::Forward, READ_EVENTS_MAX).await;
        let page = page.map_err(|source| LoadError::Read { session: id.clone(), source })?;
        let Some(last) = page.last() else { break };
        next = last.sequence.plus(1);
        for event in &page {
            let bytes = folded.as_ref().map_or(0, Session::bytes) + event.payload.len() as u64;
            if bytes > SESSION_BYTES_MAX {
                return Err(LoadError::TooLarge { session: id.clone(), limit: SESSION_BYTES_MAX });
            }
            keep(fold_one(&mut folded, id, event)?);
        }
    }
    folded.ok_or_else(|| LoadError::Unknown { session: id.clone() })
}

fn fold_one(
    folded: &mut Option<Session>,
    id: &SessionId,
    event: &Event,
) -> Result<SessionPayload, LoadError> {
    let (session, sequence) = (id.clone(), event.sequence);
    let schema = folded.as_ref().map(|folded| &folded.started().schema);
    let payload = match from_event(schema, event) {
        Ok(payload) => payload,
        Err(source) => return Err(LoadError::Event { session, sequence, source }),
    };
    let applied = match (folded.as_mut(), &payload) {
        (Some(folded), _) => folded.apply(&payload, event.payload.len()),
        (None, SessionPayload::Started(started)) => {
            *folded = Some(Session::new(started.clone(), event.payload.len()));
            Ok(())
        }
        (None, _) => Err(SessionError::NotStarted),
    };
    match applied {
        Ok(()) => Ok(payload),
        Err(source) => Err(LoadError::Rule { session, sequence, source }),
    }
}

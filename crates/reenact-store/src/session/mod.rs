//! The session aggregate: the one module that knows what payloads hold.
//!
//! A session is a stream of the events of the [`kinds`]. Its state is a [`Session`], the fold of them; its rules are
//! those of [`Session::check`]. A [`SessionWriter`] holds to them while it appends, and [`load`] while it
//! reads.

mod inputs;
mod load;
mod state;
mod writer;

use std::fmt;
use std::str::FromStr;

use reenact::input::InputSchema;
use reenact::session::{PayloadError, SessionPayload};
use thiserror::Error;
use uuid::Uuid;

use crate::event::{Event, EventKind, NewEvent, StreamId};

pub use inputs::StoredInputs;
pub use load::{LoadError, load, open};
pub use state::{Session, SessionError};
pub use writer::{SessionWriter, WriteError};

/// The kinds of a session's events: the names of [`SessionPayload`]s.
pub mod kinds {
    /// Of the first event.
    pub const STARTED: &str = "SessionStarted";
    /// Of an input block.
    pub const INPUTS: &str = "InputsRecorded";
    /// Of state hashes.
    pub const HASHES: &str = "HashesRecorded";
    /// Of a mark.
    pub const MARKED: &str = "Marked";
    /// Of the last event.
    pub const ENDED: &str = "SessionEnded";
}

/// What every session's stream begins with.
const PREFIX: &str = "session-";

/// Names a session, and its stream: `session-` and 32 lowercase hexadecimal digits, a UUID of version 7.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(StreamId);

/// Why a text is no session's id.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{text:?} is not session- and the 32 lowercase hexadecimal digits of a UUID of version 7")]
pub struct SessionIdError {
    /// As given, cut after 80 characters.
    pub text: String,
}

impl SessionId {
    /// The session with a UUID; `None` unless it is one of version 7.
    pub fn new(uuid: Uuid) -> Option<Self> {
        let text = format!("{PREFIX}{}", uuid.simple());
        let stream = StreamId::new(&text).expect("a prefix and digits are a stream's name");
        (uuid.get_version_num() == 7).then_some(Self(stream))
    }

    /// A new session, of the current time and random bits.
    pub fn generate() -> Self {
        Self::new(Uuid::now_v7()).expect("the UUID was made as one of version 7")
    }

    /// The session whose stream this is, if it is one.
    pub fn of_stream(stream: &StreamId) -> Option<Self> {
        stream.as_str().parse().ok()
    }

    /// The stream of the session.
    pub fn stream(&self) -> &StreamId {
        &self.0
    }

    /// The session's UUID.
    pub fn uuid(&self) -> Uuid {
        let digits = &self.0.as_str()[PREFIX.len()..];
        Uuid::try_parse(digits).expect("a session's id ends with the digits of a UUID")
    }
}

impl FromStr for SessionId {
    type Err = SessionIdError;

    fn from_str(text: &str) -> Result<Self, SessionIdError> {
        let uuid = text.strip_prefix(PREFIX).and_then(|digits| Uuid::try_parse(digits).ok());
        let id = uuid.and_then(Self::new).filter(|id| id.0.as_str() == text);
        id.ok_or_else(|| SessionIdError { text: text.chars().take(80).collect() })
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A payload as an event, with a new id.
pub fn to_event(payload: &SessionPayload) -> NewEvent {
    let kind = EventKind::new(kind_of(payload)).expect("the kinds of sessions are short words");
    NewEvent::new(kind, payload.encode())
}

fn kind_of(payload: &SessionPayload) -> &'static str {
    match payload {
        SessionPayload::Started(_) => kinds::STARTED,
        SessionPayload::InputsRecorded(_) => kinds::INPUTS,
        SessionPayload::HashesRecorded(_) => kinds::HASHES,
        SessionPayload::Marked(..) => kinds::MARKED,
        SessionPayload::Ended(_) => kinds::ENDED,
    }
}

/// Why an event is none of a session.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EventError {
    /// A kind that sessions do not have, or that a later version knows.
    #[error("an event of the kind {kind} in a session")]
    Kind {
        /// As stored.
        kind: EventKind,
    },
    /// Inputs before the session's start, which says how to read them.
    #[error("inputs before the session's start")]
    NotStarted,
    /// A payload that cannot be read.
    #[error("malformed {kind}")]
    Payload {
        /// The event's kind.
        kind: EventKind,
        /// What is wrong with it.
        source: PayloadError,
    },
}

/// The payload of an event. Inputs are read by the session's `schema`, which its start says.
///
/// # Errors
/// The event is not one that a session has at this place.
pub fn from_event(schema: Option<&InputSchema>, event: &Event) -> Result<SessionPayload, EventError> {
    let bytes = &event.payload[..];
    let payload = match event.kind.as_str() {
        kinds::STARTED => SessionPayload::decode_started(bytes),
        kinds::INPUTS => SessionPayload::decode_inputs(schema.ok_or(EventError::NotStarted)?, bytes),
        kinds::HASHES => SessionPayload::decode_hashes(bytes),
        kinds::MARKED => SessionPayload::decode_marked(bytes),
        kinds::ENDED => SessionPayload::decode_ended(bytes),
        _ => return Err(EventError::Kind { kind: event.kind.clone() }),
    };
    payload.map_err(|source| EventError::Payload { kind: event.kind.clone(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_sessions_have_one_form() {
        let check =
            |text: &str, expect: bool| assert_eq!(text.parse::<SessionId>().is_ok(), expect, "{text}");
        check("session-0190163d8694739bb81d4f4d5b6a7c8d", true);
        check("session-0190163D8694739BB81D4F4D5B6A7C8D", false);
        check("session-0190163d-8694-739b-b81d-4f4d5b6a7c8d", false);
        check("session-0190163d8694439bb81d4f4d5b6a7c8d", false);
        check("0190163d8694739bb81d4f4d5b6a7c8d", false);
        check("session-", false);
        let id = SessionId::generate();
        assert_eq!(SessionId::new(id.uuid()), Some(id.clone()));
        assert_eq!(SessionId::of_stream(id.stream()), Some(id));
    }
}

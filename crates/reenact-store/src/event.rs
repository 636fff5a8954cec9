//! Events, and the ids and numbers by which they are found.

use std::borrow::Borrow;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use thiserror::Error;
use uuid::Uuid;

use crate::chain::ChainHash;
use crate::limits::{KIND_BYTES_MAX, STREAM_ID_BYTES_MAX};
use crate::trace::TraceContext;

/// Tells an event from every other, wherever it is stored: a UUID of version 7, made by the producer.
///
/// An event that is appended again under the same id is recognised.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(Uuid);

impl EventId {
    /// A new id, of the current time and random bits.
    #[allow(clippy::new_without_default, reason = "no two are equal, so none is a default")]
    pub fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Before every id; itself none.
    pub(crate) const LOWEST: Self = Self(Uuid::nil());

    /// `None` unless `uuid` is one of version 7.
    pub fn from_uuid(uuid: Uuid) -> Option<Self> {
        (uuid.get_version_num() == 7).then_some(Self(uuid))
    }

    /// The id as a UUID.
    pub fn uuid(self) -> Uuid {
        self.0
    }

    /// The 16 bytes of the id, as they stand in an event's canonical form.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.into_bytes()
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({})", self.0)
    }
}

/// Why a text is no name.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("{what} {text:?} is not 1 to {limit} bytes of {allowed}")]
pub struct NameError {
    /// What was to be named.
    pub what: &'static str,
    /// As given, cut after 160 characters.
    pub text: String,
    /// The most bytes allowed.
    pub limit: usize,
    /// The characters allowed.
    pub allowed: &'static str,
}

fn check_name(what: &'static str, text: &str, limit: usize, more: &str) -> Result<(), NameError> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b);
    if (1..=limit).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(());
    }
    let allowed = if more.contains('.') { "[A-Za-z0-9_.-]" } else { "[A-Za-z0-9_-]" };
    Err(NameError { what, text: text.chars().take(160).collect(), limit, allowed })
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr, $more:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// # Errors
            /// The text is empty, too long, or holds another character.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check_name($what, text, $limit, $more)?;
                Ok(Self(text.into()))
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    };
}

name! {
    /// Names a stream: 1 to 128 bytes of `[A-Za-z0-9_-]`. Clones share the text.
    StreamId, "stream", STREAM_ID_BYTES_MAX, "_-"
}

name! {
    /// Says what an event's payload is: 1 to 64 bytes of `[A-Za-z0-9_.-]`. Clones share the text.
    EventKind, "kind", KIND_BYTES_MAX, "_.-"
}

/// The place of an event in its stream, counted from 0 without a gap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The first event of a stream.
    pub const FIRST: Self = Self(0);
    /// Beyond any event: where a read backward begins that wants the last ones.
    pub const MAX: Self = Self(u64::MAX);

    /// The sequence `events` later. Streams end long before numbers do.
    #[must_use]
    pub fn plus(self, events: u64) -> Self {
        Self(self.0.saturating_add(events))
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of an event in its partition: later events have greater ones. Nothing else may be concluded
/// from the number; it is not kept when events are forwarded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One of the partitions of a store, counted from 0. A stream lies within one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionId(pub u32);

impl PartitionId {
    /// The partition of a stream in a store of `partitions` (at least one): the first 8 bytes of the BLAKE3
    /// of its id, little-endian, modulo `partitions`.
    pub fn of(stream: &StreamId, partitions: u32) -> Self {
        let hash = blake3::hash(stream.as_str().as_bytes());
        let head = hash.as_bytes().first_chunk().expect("a hash has 32 bytes");
        Self((u64::from_le_bytes(*head) % u64::from(partitions.max(1))) as u32)
    }
}

impl fmt::Display for PartitionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in the events of a whole store: for each partition the last event that was seen, if any was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// By partition; partitions past the end have none. The last is never `None`, so that equal places
    /// are equal values.
    seen: Vec<Option<Position>>,
}

impl Checkpoint {
    /// Before the first event of every partition.
    pub const START: Self = Self { seen: Vec::new() };

    /// The last event that was seen of a partition; `None` before the first.
    pub fn get(&self, partition: PartitionId) -> Option<Position> {
        self.seen.get(partition.0 as usize).copied().flatten()
    }

    /// Marks the events of `partition` as seen up to `position`. A checkpoint never goes back.
    pub fn advance(&mut self, partition: PartitionId, position: Position) {
        let partition = partition.0 as usize;
        if self.seen.len() <= partition {
            self.seen.resize(partition + 1, None);
        }
        let seen = &mut self.seen[partition];
        *seen = (*seen).max(Some(position));
    }

    /// The partitions of which something was seen, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (PartitionId, Position)> + '_ {
        let partitions = self.seen.iter().enumerate();
        partitions.filter_map(|(partition, seen)| seen.map(|seen| (PartitionId(partition as u32), seen)))
    }
}

/// A moment: nanoseconds since 1970-01-01 00:00 UTC, leap seconds not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// What the system's clock says; it may go back. A clock outside 1970 to 2554 counts as 1970.
    pub fn now() -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(u64::try_from(since.as_nanos()).unwrap_or_default())
    }
}

/// What a producer expects of a stream when it appends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExpectedSequence {
    /// Nothing: the events go to the end, wherever that is.
    Any,
    /// The stream has no event yet.
    NoStream,
    /// The last event of the stream has this sequence.
    Exact(Sequence),
}

impl ExpectedSequence {
    /// What whoever has seen the stream up to `last` expects.
    pub fn after(last: Option<Sequence>) -> Self {
        last.map_or(Self::NoStream, Self::Exact)
    }
}

impl fmt::Display for ExpectedSequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any event"),
            Self::NoStream => f.write_str("no event"),
            Self::Exact(sequence) => write!(f, "event {sequence}"),
        }
    }
}

/// An event that is to be appended. Appending it again is a retry, because its id is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Made once, by the producer.
    pub id: EventId,
    /// What the payload is.
    pub kind: EventKind,
    /// What happened; opaque to the store.
    pub payload: Bytes,
    /// When it happened by the producer's clock, if that says something.
    pub occurred_at: Option<Timestamp>,
    /// The request that caused it.
    pub trace: Option<TraceContext>,
}

impl NewEvent {
    /// An event with a new id, without a time of its own and without a trace.
    pub fn new(kind: EventKind, payload: impl Into<Bytes>) -> Self {
        Self { id: EventId::new(), kind, payload: payload.into(), occurred_at: None, trace: None }
    }
}

/// An event as it is stored; it never changes. Clones share everything that is large.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// As the producer made it.
    pub id: EventId,
    /// The stream it is in.
    pub stream: StreamId,
    /// Its place in the stream.
    pub sequence: Sequence,
    /// The partition that the stream is in.
    pub partition: PartitionId,
    /// Its place in the partition.
    pub position: Position,
    /// When it was committed, by the store's clock; never decreasing within a partition.
    pub timestamp: Timestamp,
    /// What the payload is.
    pub kind: EventKind,
    /// What happened.
    pub payload: Bytes,
    /// When it happened by the producer's clock.
    pub occurred_at: Option<Timestamp>,
    /// The request that caused it.
    pub trace: Option<TraceContext>,
}

impl Event {
    /// An event as a store keeps it.
    pub(crate) fn stored(
        event: NewEvent,
        stream: &StreamId,
        sequence: Sequence,
        (partition, position): (PartitionId, Position),
        timestamp: Timestamp,
    ) -> Self {
        let NewEvent { id, kind, payload, occurred_at, trace } = event;
        let stream = stream.clone();
        Self { id, stream, sequence, partition, position, timestamp, kind, payload, occurred_at, trace }
    }

    /// What was appended, without what the store gave.
    pub fn to_new(&self) -> NewEvent {
        NewEvent {
            id: self.id,
            kind: self.kind.clone(),
            payload: self.payload.clone(),
            occurred_at: self.occurred_at,
            trace: self.trace.clone(),
        }
    }
}

/// What an append is answered with. Whoever keeps it can prove a loss: the chain names every event of the
/// stream up to `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The sequence of the first event appended.
    pub first: Sequence,
    /// The sequence of the last event appended.
    pub last: Sequence,
    /// The partition that the stream is in.
    pub partition: PartitionId,
    /// The position of the last event appended.
    pub position: Position,
    /// The stream's chain at `last`.
    pub chain: ChainHash,
}

/// The two ends of a stream that has, or had, events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of the last event.
    pub sequence: Sequence,
    /// The stream's chain at that event.
    pub chain: ChainHash,
    /// The first event that was not truncated; one beyond `sequence` if all were.
    pub first: Sequence,
    /// The stream's chain before `first`: what its remaining events are chained to.
    pub anchor: ChainHash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_on_both_sides() {
        let check = |text: &str, stream: bool, kind: bool| {
            assert_eq!((StreamId::new(text).is_ok(), EventKind::new(text).is_ok()), (stream, kind), "{text}");
        };
        check("session-01_A", true, true);
        check("a.b", false, true);
        check("", false, false);
        check("é", false, false);
        check("a/b", false, false);
        check(&"x".repeat(64), true, true);
        check(&"x".repeat(128), true, false);
        check(&"x".repeat(129), false, false);
        let error = StreamId::new("a b").unwrap_err();
        assert_eq!(error.to_string(), r#"stream "a b" is not 1 to 128 bytes of [A-Za-z0-9_-]"#);
    }

    #[test]
    fn ids_are_of_version_7_and_no_two_are_equal() {
        assert_ne!(EventId::new(), EventId::new());
        let id = EventId::new();
        assert_eq!(EventId::from_uuid(id.uuid()), Some(id));
        assert_eq!(EventId::from_uuid(Uuid::nil()), None);
    }

    #[test]
    fn a_checkpoint_never_goes_back() {
        let mut checkpoint = Checkpoint::START;
        checkpoint.advance(PartitionId(2), Position(7));
        checkpoint.advance(PartitionId(2), Position(5));
        assert_eq!(checkpoint.get(PartitionId(2)), Some(Position(7)));
        assert_eq!(checkpoint.get(PartitionId(0)), None);
        assert_eq!(checkpoint.iter().collect::<Vec<_>>(), [(PartitionId(2), Position(7))]);
    }

    #[test]
    fn the_partition_of_a_stream_is_the_same_for_ever() {
        let partition = |text: &str| PartitionId::of(&StreamId::new(text).unwrap(), 4).0;
        let partitions: Vec<_> = ["a", "b", "c", "d", "session-1"].map(partition).into();
        assert_eq!(partitions, [3, 0, 2, 1, 3]);
    }
}

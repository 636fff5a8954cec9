//! The contract of an event store.

use std::fmt;
use std::pin::Pin;

use thiserror::Error;

use crate::event::{
    Checkpoint, Event, EventId, ExpectedSequence, Head, NewEvent, PartitionId, Position, Receipt, Sequence,
    StreamId,
};
use crate::subscription::Subscription;

/// What the verbs of a store give: an answer that is awaited, on any runtime.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// In which order a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From older to newer events.
    Forward,
    /// From newer to older events.
    Backward,
}

/// Which events a subscription delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Those of one stream, which need not exist yet, from a sequence on (that one included).
    Stream(StreamId, Sequence),
    /// Those of every stream after a checkpoint: in each partition in the order of positions.
    All(Checkpoint),
}

/// Keeps events in streams. It may be chosen at run time: `Arc<dyn EventStore>`.
///
/// - An event that was acknowledged is durable as the store promises it, and nobody sees it sooner.
/// - The events of one append are all there, in their order and next to each other, or none is.
/// - Sequences of a stream begin at 0 and have no gap, but for events at its begin that were
///   [truncated](Self::truncate); positions of a partition increase, and so, unless
///   they are equal, do timestamps.
/// - An append whose events are already there is a *retry*: it changes nothing and is answered with the
///   receipt that the first was, or should have been, answered with. Under `Exact` and `NoStream` a retry is
///   recognised for ever, by the ids at the sequences that the events would have; under `Any`, as long as
///   one of the events is among the last 4,096 of the stream. Events of which only some are there are
///   refused. Events that were truncated are not there: under `Exact` and `NoStream` a retry of them is
///   refused, and under `Any` it is no retry.
///
/// A future that is dropped before it is ready may or may not have had its effect; a retry tells. Nothing
/// happens before a future is first polled.
pub trait EventStore: Send + Sync + fmt::Debug {
    /// Appends 1 to 512 events of at most 512 KiB to one stream; see
    /// [`canonical_bytes`](crate::canonical_bytes) for what counts.
    ///
    /// # Errors
    /// Unless [`AppendError::may_have_happened`], nothing was appended.
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: ExpectedSequence,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>>;

    /// Events of a stream in the order of `direction`, beginning with the one at `from`; backward, from
    /// beyond the end means from the end. There may be fewer than `limit` although more follow, for a page
    /// is bounded; but if there is none, none follows. A stream that does not exist has none. Forward from an
    /// event that was truncated means from the first that was not.
    ///
    /// # Errors
    /// The store cannot be read, or what was read is damaged.
    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>>;

    /// Events of every stream after a checkpoint: in each partition in the order of positions. Pages are
    /// bounded as those of [`read`](Self::read) are.
    ///
    /// # Errors
    /// The store cannot be read, what was read is damaged, or the checkpoint names a partition that is not
    /// there.
    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>>;

    /// Delivers the events of `scope` that are there and then, without gap or duplicate, those that are
    /// appended. Whoever reads slowly holds nobody up.
    fn subscribe(&self, scope: Scope) -> Subscription;

    /// The two ends of a stream; `None` if it never had an event.
    ///
    /// # Errors
    /// The store cannot be read.
    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>>;

    /// Gives up the events of a stream before a sequence: they are not read any more, and a retry of them is
    /// not recognised. The numbers go on as before, and [`Head::anchor`] keeps the chain. What was given up
    /// before stays given up, so that doing it again changes nothing.
    ///
    /// # Errors
    /// The sequence is more than one beyond the last event, or the stream never had one; or as with
    /// [`append`](Self::append).
    fn truncate<'a>(
        &'a self,
        stream: &'a StreamId,
        before: Sequence,
    ) -> BoxFuture<'a, Result<Head, TruncateError>>;

    /// How many partitions there are; the same for the life of a store.
    fn partitions(&self) -> u32;
}

/// Why events were not appended.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum AppendError {
    /// The stream does not end where the producer expects it; or, with `Any`, some of the events are there
    /// and others not.
    #[error("stream {stream} ends {}, where {expected} was expected", End(*.actual))]
    WrongExpectedSequence {
        /// Which stream.
        stream: StreamId,
        /// What the producer expects.
        expected: ExpectedSequence,
        /// The last event of the stream; `None` if there is none.
        actual: Option<Sequence>,
    },
    /// There is no room for the events. The store goes on when there is.
    #[error("no room for {bytes} bytes: {reason}")]
    Full {
        /// Bytes that did not fit.
        bytes: u64,
        /// What is full.
        reason: String,
    },
    /// The store does not answer, or is closed. The events may have been appended all the same.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What is known.
        reason: String,
    },
    /// A write failed, or a thread of the store panicked, so that it takes no more events until it is opened again;
    /// it can be read, and events that are there already are still answered with their receipt. Those of this append
    /// may have been appended all the same.
    #[error("the store takes no more events: {reason}")]
    Poisoned {
        /// The failure.
        reason: String,
    },
    /// An append without events.
    #[error("no events to append")]
    Empty,
    /// More events than an append may hold.
    #[error("{events} events in one append, where at most {limit} are allowed")]
    TooMany {
        /// As given.
        events: usize,
        /// [`APPEND_EVENTS_MAX`](crate::limits::APPEND_EVENTS_MAX).
        limit: usize,
    },
    /// More bytes than an append may hold.
    #[error("{bytes} bytes of events in one append, where at most {limit} are allowed")]
    TooLarge {
        /// As given.
        bytes: usize,
        /// [`APPEND_BYTES_MAX`](crate::limits::APPEND_BYTES_MAX), or what fits into a segment of the log if that
        /// is less.
        limit: usize,
    },
    /// Two events of one append have the same id.
    #[error("two events of one append have the id {id}")]
    DuplicateId {
        /// The id.
        id: EventId,
    },
    /// The store was opened for reading.
    #[error("the store was opened for reading alone")]
    ReadOnly,
    /// What the store has to know of earlier events in order to decide cannot be read.
    #[error("failed to read what is there")]
    Read(#[from] ReadError),
}

impl AppendError {
    /// Whether the events may have been appended in spite of the error. If so, whoever has to know appends
    /// the same events once more.
    pub fn may_have_happened(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Poisoned { .. })
    }
}

/// Why a stream was not truncated.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TruncateError {
    /// There are no events up to there.
    #[error("stream {stream} ends {}, and cannot be truncated before event {before}", End(*.actual))]
    BeyondEnd {
        /// Which stream.
        stream: StreamId,
        /// As given.
        before: Sequence,
        /// The last event of the stream; `None` if there is none.
        actual: Option<Sequence>,
    },
    /// The store refuses it as it would refuse events.
    #[error(transparent)]
    Refused(#[from] AppendError),
}

/// Says where a stream ends.
struct End(Option<Sequence>);

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(last) => write!(f, "with event {last}"),
            None => f.write_str("before its first event"),
        }
    }
}

/// Why events cannot be read.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadError {
    /// An event that was stored is not what was stored.
    #[error("the event at position {position} of partition {partition} is damaged: {reason}")]
    Damaged {
        /// Where it lies.
        partition: PartitionId,
        /// Where in the partition.
        position: Position,
        /// What is wrong.
        reason: String,
    },
    /// The store does not answer.
    #[error("the store is unavailable: {reason}")]
    Unavailable {
        /// What is known.
        reason: String,
    },
    /// A checkpoint of another store.
    #[error("partition {partition} in a store of {partitions}")]
    UnknownPartition {
        /// As given.
        partition: PartitionId,
        /// How many there are.
        partitions: u32,
    },
    /// The store was closed, and every event of the subscription has been delivered.
    #[error("the store is closed")]
    Closed,
}

//! Event sourcing for Reenact: what was recorded, kept so that nothing acknowledged is lost.
//!
//! An [`EventStore`] keeps [`Event`]s in streams, each named by a [`StreamId`] and numbered by [`Sequence`]
//! from 0 without a gap. To append [`NewEvent`]s a producer says with an [`ExpectedSequence`] where it
//! believes the stream to end, and gets a [`Receipt`]; appending the same events again gives the same
//! receipt. A [`Subscription`] delivers what is there and then what comes; a [`Checkpoint`] says how far
//! somebody has come. The [`ChainHash`] in each receipt names all events of a stream up to it, so that a loss
//! can be proved.
//!
//! [`EventLog`] keeps events in a directory and acknowledges what is synced; [`MemoryStore`] keeps them in
//! memory. To a store the payload of an event is opaque; the one module that
//! knows payloads is [`session`]: there a [`Session`] is the fold of the events of a recording, and a
//! [`SessionWriter`] appends to it by its rules.
//!
//! Beside events, a [`BlobDir`] keeps bytes that are found by their hash, and a [`DerivedDir`] what can be worked
//! out again.
//!
//! ```
//! use reenact_store::*;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new(1);
//! let stream = StreamId::new("door-7")?;
//! let opened = NewEvent::new(EventKind::new("Opened")?, "by hand");
//! let receipt = store.append(&stream, ExpectedSequence::NoStream, vec![opened.clone()]).await?;
//! assert_eq!(receipt.last, Sequence(0));
//!
//! // The answer was lost on its way? The same event once more changes nothing.
//! let again = store.append(&stream, ExpectedSequence::NoStream, vec![opened]).await?;
//! assert_eq!(again, receipt);
//!
//! let mut events = store.subscribe(Scope::Stream(stream.clone(), Sequence::FIRST));
//! assert_eq!(events.next().await?.payload, "by hand");
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//!
//! - [`event`], [`trace`]: events and their ids and numbers, the trace that caused them
//! - [`chain`]: the canonical form of an event, and the chain of hashes over a stream
//! - [`store`], [`subscription`]: the contract of a store
//! - [`log`](mod@log), [`memory`]: the stores: in a directory, and in memory
//! - [`session`]: the events of a recording
//! - [`disk`], [`clock`]: what the log does with files, and where it takes the time from
//! - [`blob`], [`derived`]: bytes by their hash, and files that can be made again
//! - [`limits`]: every limit, in one place

pub mod blob;
pub mod chain;
pub mod clock;
mod decide;
pub mod derived;
pub mod disk;
pub mod event;
mod files;
pub mod limits;
pub mod log;
pub mod memory;
mod page;
pub mod session;
pub mod store;
pub mod subscription;
pub mod trace;

pub use blob::{BlobDir, BlobError, BlobHash};
pub use chain::{ChainHash, canonical_bytes};
pub use derived::{DerivedDir, DerivedError};
pub use event::{
    Checkpoint, Event, EventId, EventKind, ExpectedSequence, Head, NameError, NewEvent, PartitionId,
    Position, Receipt, Sequence, StreamId, Timestamp,
};
pub use log::{EventLog, LogOptions, LogReader, OpenError, OpenReport};
pub use memory::MemoryStore;
pub use session::{Session, SessionId, SessionWriter};
pub use store::{AppendError, BoxFuture, Direction, EventStore, ReadError, Scope, TruncateError};
pub use subscription::Subscription;
pub use trace::{TraceContext, TraceError};

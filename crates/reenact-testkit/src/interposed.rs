//! A store that hands everything on, but for appends: what becomes of those, a test decides.

use std::fmt;
use std::sync::Arc;

use reenact_store::{
    AppendError, BoxFuture, Checkpoint, Direction, Event, EventStore, ExpectedSequence, Head, NewEvent,
    ReadError, Receipt, Scope, Sequence, StreamId, Subscription, TruncateError,
};

/// An append on its way to the store behind.
#[derive(Debug)]
pub struct Appending {
    store: Arc<dyn EventStore>,
    stream: StreamId,
    expected: ExpectedSequence,
    events: Vec<NewEvent>,
}

impl Appending {
    /// Hands it on.
    ///
    /// # Errors
    /// As the store behind.
    pub async fn run(self) -> Result<Receipt, AppendError> {
        self.store.append(&self.stream, self.expected, self.events).await
    }
}

/// A store in front of another.
pub struct Interposed<F> {
    store: Arc<dyn EventStore>,
    append: F,
}

impl<F> Interposed<F>
where
    F: Fn(Appending) -> BoxFuture<'static, Result<Receipt, AppendError>> + Send + Sync + 'static,
{
    /// In front of `store`; each append becomes what `append` makes of it.
    pub fn before(store: Arc<dyn EventStore>, append: F) -> Arc<dyn EventStore> {
        Arc::new(Self { store, append })
    }
}

impl<F> fmt::Debug for Interposed<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Interposed").field("store", &self.store).finish_non_exhaustive()
    }
}

impl<F> EventStore for Interposed<F>
where
    F: Fn(Appending) -> BoxFuture<'static, Result<Receipt, AppendError>> + Send + Sync,
{
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: ExpectedSequence,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        let (store, stream) = (Arc::clone(&self.store), stream.clone());
        (self.append)(Appending { store, stream, expected, events })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        self.store.read(stream, from, direction, limit)
    }

    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        self.store.read_all(after, limit)
    }

    fn subscribe(&self, scope: Scope) -> Subscription {
        self.store.subscribe(scope)
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>> {
        self.store.head(stream)
    }

    fn truncate<'a>(
        &'a self,
        stream: &'a StreamId,
        before: Sequence,
    ) -> BoxFuture<'a, Result<Head, TruncateError>> {
        self.store.truncate(stream, before)
    }

    fn partitions(&self) -> u32 {
        self.store.partitions()
    }
}

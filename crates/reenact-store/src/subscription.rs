//! Catching up with what is there, then following what is appended.

use std::collections::VecDeque;
use std::fmt;

use tokio::sync::watch;

use crate::event::Event;
use crate::limits::SUBSCRIPTION_PAGE_EVENTS;
use crate::store::{BoxFuture, ReadError, Scope};

/// Where a subscription reads its pages: what each backend brings along.
pub trait PageSource: Send + Sync + fmt::Debug {
    /// The next events of `scope`, in order; none if there is none yet.
    ///
    /// # Errors
    /// As those of [`EventStore::read`](crate::EventStore::read).
    fn page<'a>(&'a self, scope: &'a Scope, limit: usize) -> BoxFuture<'a, Result<Vec<Event>, ReadError>>;
}

/// Delivers the events of a [`Scope`] in order, without gap or duplicate: first those that are there, then
/// those that are appended.
///
/// It reads from the store and is only woken by commits, so that one that is slow holds a page of events
/// and no more, and nobody waits for it.
#[derive(Debug)]
pub struct Subscription {
    source: Box<dyn PageSource>,
    /// The scope of what was not read yet.
    rest: Scope,
    read: VecDeque<Event>,
    /// Changes with each commit; gone when the store is closed.
    commits: watch::Receiver<u64>,
}

impl Subscription {
    /// A subscription to what `source` gives, woken whenever `commits` changes and ended when it is gone.
    pub fn new(source: Box<dyn PageSource>, scope: Scope, commits: watch::Receiver<u64>) -> Self {
        Self { source, rest: scope, read: VecDeque::new(), commits }
    }

    /// The next event; waits until there is one. A call that is dropped before it is ready takes no event.
    ///
    /// # Errors
    /// `Closed` after the last event of a store that was closed; or the store cannot be read, and may be
    /// asked again.
    pub async fn next(&mut self) -> Result<Event, ReadError> {
        loop {
            if let Some(event) = self.read.pop_front() {
                return Ok(event);
            }
            // What is committed from here on is either in the page or wakes us after it.
            self.commits.borrow_and_update();
            let open = self.commits.has_changed().is_ok();
            let page = self.source.page(&self.rest, SUBSCRIPTION_PAGE_EVENTS).await?;
            if page.is_empty() {
                if !open {
                    return Err(ReadError::Closed);
                }
                // An error says that the store was closed; the next round reads what came before that.
                let _closed = self.commits.changed().await;
            }
            self.take(page);
        }
    }

    fn take(&mut self, page: Vec<Event>) {
        for event in &page {
            match &mut self.rest {
                Scope::Stream(_, next) => {
                    // Events may have been truncated in the meantime; none is given twice.
                    debug_assert!(event.sequence >= *next, "a page goes on where the last one ended");
                    *next = event.sequence.plus(1);
                }
                Scope::All(checkpoint) => checkpoint.advance(event.partition, event.position),
            }
        }
        self.read.extend(page);
    }
}

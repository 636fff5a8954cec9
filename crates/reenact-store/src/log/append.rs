//! Handing in appends and truncations, and waiting for their answers.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::EventLog;
use super::batch::{Append, Content, Outcome, Request, Truncate};
use super::early::Early;
use super::records::Records;
use crate::decide::check_events;
use crate::event::{ExpectedSequence, Head, NewEvent, Receipt, Sequence, StreamId};
use crate::limits::{QUEUE_APPENDS_MAX, QUEUE_BYTES_MAX};
use crate::store::{AppendError, TruncateError};

impl EventLog {
    pub(super) async fn hand_in(
        &self,
        stream: &StreamId,
        expected: ExpectedSequence,
        events: Vec<NewEvent>,
    ) -> Result<Receipt, AppendError> {
        let bytes = check_events(stream, &events)?;
        let (shared, count) = (&self.inner.shared, events.len());
        if let Err(poisoned) = self.check_poison() {
            // To say that events are there already takes no write.
            let there = Early::new(shared, stream, expected, &events).there;
            return there.map_or(Err(poisoned), |first| shared.receipt(stream, first, count));
        }
        let queued = self.turn(bytes).await;
        let Early { head, looked, there } = Early::new(shared, stream, expected, &events);
        if let Some(first) = there {
            return shared.receipt(stream, first, count);
        }
        let records = Records::new(shared.log, head.as_ref(), stream, (&events, bytes));
        let (answer, answered) = oneshot::channel();
        let content = Box::new(Content { stream: stream.clone(), expected, events, records, looked });
        let append = Append { content, answer, queued };
        match self.submit(Request::Append(append), answered).await?.outcome? {
            Outcome::Appended(receipt) => Ok(receipt),
            Outcome::There(first) => shared.receipt(stream, first, count),
        }
    }

    pub(super) async fn hand_in_truncation(
        &self,
        stream: &StreamId,
        before: Sequence,
    ) -> Result<Head, TruncateError> {
        self.check_poison()?;
        let queued = self.turn(0).await;
        let anchor = self.inner.shared.chain_before(stream, before);
        let (answer, answered) = oneshot::channel();
        let truncate = Truncate { stream: stream.clone(), before, anchor, answer, queued };
        self.submit(Request::Truncate(truncate), answered).await?
    }

    /// Waits until there is room in the queue for so many bytes of events.
    async fn turn(&self, bytes: usize) -> OwnedSemaphorePermit {
        let part = bytes.div_ceil(1 << 10).max((QUEUE_BYTES_MAX / QUEUE_APPENDS_MAX) >> 10);
        let room = Arc::clone(&self.inner.room).acquire_many_owned(part as u32);
        room.await.expect("the semaphore is never closed")
    }

    fn check_poison(&self) -> Result<(), AppendError> {
        match self.poisoned() {
            Some(reason) => Err(AppendError::Poisoned { reason: reason.into() }),
            None => Ok(()),
        }
    }

    /// Puts a request into the queue, sees to it that somebody commits it, and waits for its answer.
    async fn submit<T>(&self, request: Request, mut answer: oneshot::Receiver<T>) -> Result<T, AppendError> {
        self.inner.queue.push(request);
        if let Some(threads) = &self.threads {
            if threads.are_few() {
                let gone = threads.ring_if_dropped();
                threads.let_others_go().await;
                std::mem::forget(gone);
                if let Ok(answer) = answer.try_recv() {
                    return Ok(answer);
                }
            }
            threads.commit(&self.inner);
        }
        answer.await.map_err(|_| {
            // Whoever had the request was closed, or has panicked.
            let closed = AppendError::Unavailable { reason: "the log has been closed".into() };
            self.check_poison().err().unwrap_or(closed)
        })
    }
}

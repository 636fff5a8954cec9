//! What can be told of an append before its turn, on the thread of whoever appends.
//!
//! To find out that events are there already, or where ids are among the last ones of a stream, takes reading, and so
//! does the chain at an event. Nobody who waits for the one that commits is to wait for that. So it is done
//! before, on what is durable; whoever commits looks only at what came since.

use super::index::StreamHead;
use super::shared::{PARTITION, Shared, damaged};
use crate::chain::ChainHash;
use crate::decide::{Decision, Looked, StreamIds, decide, window};
use crate::event::{EventId, ExpectedSequence, NewEvent, Position, Receipt, Sequence, StreamId};
use crate::store::{AppendError, ReadError};

/// What is known of an append. What could not be read is not known: it shows when the append's turn comes.
#[derive(Debug, Default)]
pub(super) struct Early {
    /// Where its stream stands.
    pub(super) head: Option<StreamHead>,
    /// Where its ids are up to there.
    pub(super) looked: Option<Looked>,
    /// The events are there, durably, from this one on. Nothing else is decided before its turn.
    pub(super) there: Option<Sequence>,
}

impl Early {
    pub(super) fn new(
        shared: &Shared,
        stream: &StreamId,
        expected: ExpectedSequence,
        events: &[NewEvent],
    ) -> Self {
        let Ok(head) = shared.head(stream) else { return Self::default() };
        let looked = match &head {
            Some(head) if expected == ExpectedSequence::Any => look(shared, stream, head, events),
            _ => Ok(Some(Looked::nowhere(next(head.as_ref())))),
        };
        let Ok(Some(looked)) = looked else { return Self { head, ..Self::default() } };
        let mut durable = Durable { shared, stream, head: head.as_ref(), looked: &looked };
        let there = match decide(&mut durable, stream, expected, events) {
            Ok(Decision::Retry(first)) => Some(first),
            _ => None,
        };
        Self { head, looked: Some(looked), there }
    }
}

fn next(head: Option<&StreamHead>) -> Sequence {
    head.map_or(Sequence::FIRST, |head| head.sequence.plus(1))
}

/// Looks for the ids of events among the last ones of their stream; `None` if these were given up meanwhile.
fn look(
    shared: &Shared,
    stream: &StreamId,
    head: &StreamHead,
    events: &[NewEvent],
) -> Result<Option<Looked>, ReadError> {
    let next = next(Some(head));
    let sought = || events.iter().map(|event| event.id).filter(|id| *id <= head.highest);
    if sought().next().is_none() {
        return Ok(Some(Looked::nowhere(next)));
    }
    let wanted = window(shared.kept_from(stream, head)?.0..next);
    let looked = shared.recent().look(stream, &wanted, sought());
    if looked.is_some() {
        return Ok(looked);
    }
    let count = (wanted.end.0 - wanted.start.0) as usize;
    let ids = shared.ids(stream, wanted.start, count)?;
    if ids.len() < count {
        return Ok(None);
    }
    shared.recent().put(stream, wanted.start, &ids);
    Ok(Some(Looked::new(wanted.start, &ids, sought())))
}

/// A stream as [`decide`] sees it before an append's turn: what is durable.
struct Durable<'a> {
    shared: &'a Shared,
    stream: &'a StreamId,
    head: Option<&'a StreamHead>,
    looked: &'a Looked,
}

impl StreamIds for Durable<'_> {
    fn head(&self) -> Option<Sequence> {
        self.head.map(|head| head.sequence)
    }

    fn first(&mut self) -> Result<Sequence, ReadError> {
        match self.head {
            Some(head) => Ok(self.shared.kept_from(self.stream, head)?.0),
            None => Ok(Sequence::FIRST),
        }
    }

    fn ids(&mut self, first: Sequence, count: usize) -> Result<Vec<EventId>, ReadError> {
        self.shared.ids(self.stream, first, count)
    }

    fn find_recent(&mut self, id: EventId) -> Result<Option<Sequence>, ReadError> {
        Ok(self.looked.find(id))
    }
}

impl Shared {
    /// The receipt of events that are there. If it cannot be read they still are, and the error must not say
    /// otherwise.
    pub(super) fn receipt(
        &self,
        stream: &StreamId,
        first: Sequence,
        count: usize,
    ) -> Result<Receipt, AppendError> {
        let last = first.plus(count as u64 - 1);
        let lost = || damaged(0, &format!("the indexes have lost the stream {stream}"));
        let read = || self.chain_at(stream, &self.head(stream)?.ok_or_else(lost)?, last);
        match read() {
            Ok((chain, position)) => {
                Ok(Receipt { first, last, partition: PARTITION, position: Position(position), chain })
            }
            Err(error) => {
                let reason = format!("the events are there, but their receipt cannot be read: {error}");
                Err(AppendError::Unavailable { reason })
            }
        }
    }

    /// The chain before an event of a stream, if the event before it is there and can be read.
    pub(super) fn chain_before(&self, stream: &StreamId, before: Sequence) -> Option<ChainHash> {
        let head = self.head(stream).ok()??;
        let last = Sequence(before.0.checked_sub(1)?);
        if last == head.sequence {
            return Some(head.chain);
        }
        let is_kept = last < head.sequence && last >= self.kept_from(stream, &head).ok()?.0;
        if is_kept { Some(self.chain_at(stream, &head, last).ok()?.0) } else { None }
    }
}

//! Bounded pages of events, the same for every backend.

use std::ops::Range;

use crate::event::{Checkpoint, Event, Sequence};
use crate::limits::{READ_BYTES_MAX, READ_EVENTS_MAX};
use crate::store::{Direction, ReadError};

/// Gathers events until there are enough of them.
#[derive(Debug)]
pub(crate) struct Page {
    events: Vec<Event>,
    limit: usize,
    bytes: usize,
}

impl Page {
    pub(crate) fn new(limit: usize) -> Self {
        Self { events: Vec::new(), limit: limit.min(READ_EVENTS_MAX), bytes: 0 }
    }

    /// The most events it takes.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// A page has at least one event if there is one, however large it is.
    pub(crate) fn wants_more(&self) -> bool {
        self.events.len() < self.limit && self.bytes < READ_BYTES_MAX
    }

    pub(crate) fn push(&mut self, event: Event) {
        self.bytes += event.payload.len();
        self.events.push(event);
    }

    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events
    }
}

/// The sequences from `from` on of a stream of which the events of `kept` are there.
pub(crate) fn sequences(
    kept: Range<Sequence>,
    from: Sequence,
    direction: Direction,
) -> Box<dyn Iterator<Item = Sequence>> {
    let (first, end) = (kept.start.0, kept.end.0);
    match direction {
        Direction::Forward => Box::new((from.0.max(first)..end).map(Sequence)),
        Direction::Backward => Box::new((first..end.min(from.plus(1).0)).rev().map(Sequence)),
    }
}

/// Refuses the checkpoint of a store with more partitions.
pub(crate) fn check_partitions(checkpoint: &Checkpoint, partitions: u32) -> Result<(), ReadError> {
    match checkpoint.iter().last() {
        Some((partition, _)) if partition.0 >= partitions => {
            Err(ReadError::UnknownPartition { partition, partitions })
        }
        _ => Ok(()),
    }
}

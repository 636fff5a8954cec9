//! Bounded pages of events, the same for every backend.

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

/// The sequences of a stream of `count` events from `from` on.
pub(crate) fn sequences(count: u64, from: Sequence, direction: Direction) -> Box<dyn Iterator<Item = u64>> {
    match direction {
        Direction::Forward => Box::new(from.0..count),
        Direction::Backward => Box::new((0..count.min(from.0.saturating_add(1))).rev()),
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

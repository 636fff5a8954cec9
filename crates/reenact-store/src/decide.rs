//! Whether an append goes through: written once, for every backend.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::chain::canonical_bytes;
use crate::event::{EventId, ExpectedSequence, NewEvent, Sequence, StreamId};
use crate::limits::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, RECENT_EVENTS, RECENT_STREAMS_MAX};
use crate::store::{AppendError, ReadError};

/// What can be refused without looking into the stream.
pub(crate) fn check_events(stream: &StreamId, events: &[NewEvent]) -> Result<(), AppendError> {
    if events.is_empty() {
        return Err(AppendError::Empty);
    }
    if events.len() > APPEND_EVENTS_MAX {
        return Err(AppendError::TooMany { events: events.len(), limit: APPEND_EVENTS_MAX });
    }
    let bytes = events.iter().map(|event| canonical_bytes(stream, event)).sum();
    if bytes > APPEND_BYTES_MAX {
        return Err(AppendError::TooLarge { bytes, limit: APPEND_BYTES_MAX });
    }
    let mut ids = HashSet::with_capacity(events.len());
    match events.iter().find(|event| !ids.insert(event.id)) {
        Some(event) => Err(AppendError::DuplicateId { id: event.id }),
        None => Ok(()),
    }
}

/// What a decision has to know of a stream.
pub(crate) trait StreamIds {
    /// The last event, those that wait to become durable included.
    fn head(&self) -> Option<Sequence>;

    /// The ids from `first` on, `count` of them or as many as there are.
    fn ids(&mut self, first: Sequence, count: usize) -> Result<Vec<EventId>, ReadError>;

    /// Where an event is, if it is among the last [`RECENT_EVENTS`].
    fn find_recent(&mut self, id: EventId) -> Result<Option<Sequence>, ReadError>;
}

/// What becomes of an append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The events get sequences from this one on.
    Append(Sequence),
    /// The events are there already, from this sequence on.
    Retry(Sequence),
}

/// Decides about events that [`check_events`] lets pass.
pub(crate) fn decide(
    known: &mut impl StreamIds,
    stream: &StreamId,
    expected: ExpectedSequence,
    events: &[NewEvent],
) -> Result<Decision, AppendError> {
    let actual = known.head();
    let next = actual.map_or(Sequence::FIRST, |last| last.plus(1));
    let there = match expected {
        ExpectedSequence::Any => match find_any(known, events)? {
            Found::Nowhere => return Ok(Decision::Append(next)),
            Found::At(first) => Some(first),
            Found::Apart => None,
        },
        ExpectedSequence::NoStream => Some(Sequence::FIRST),
        ExpectedSequence::Exact(last) => Some(last.plus(1)),
    };
    let wrong = || AppendError::WrongExpectedSequence { stream: stream.clone(), expected, actual };
    let first = there.ok_or_else(wrong)?;
    if first == next {
        return Ok(Decision::Append(next));
    }
    let same = first < next && known.ids(first, events.len())?.iter().eq(events.iter().map(|e| &e.id));
    if same { Ok(Decision::Retry(first)) } else { Err(wrong()) }
}

/// Where events are of which one is recent.
enum Found {
    Nowhere,
    /// If they all are there, then from here on.
    At(Sequence),
    /// One of them is where the others cannot be before it.
    Apart,
}

fn find_any(known: &mut impl StreamIds, events: &[NewEvent]) -> Result<Found, ReadError> {
    for (before, event) in events.iter().enumerate() {
        if let Some(Sequence(at)) = known.find_recent(event.id)? {
            let first = at.checked_sub(before as u64);
            return Ok(first.map_or(Found::Apart, |first| Found::At(Sequence(first))));
        }
    }
    Ok(Found::Nowhere)
}

/// The ids of the last events of one stream.
#[derive(Debug, Default)]
struct Recent {
    ids: VecDeque<EventId>,
    sequences: HashMap<EventId, Sequence>,
    used_at: u64,
}

/// The ids of the last events of those streams to which somebody appends under `Any`. It remembers and
/// never decides: what it forgets is read again.
#[derive(Debug, Default)]
pub(crate) struct RecentIds {
    streams: HashMap<StreamId, Recent>,
    uses: u64,
}

impl RecentIds {
    /// Where an event is. `load` gives the ids of the stream's last events, if they are not remembered.
    pub(crate) fn find(
        &mut self,
        stream: &StreamId,
        head: Option<Sequence>,
        id: EventId,
        load: impl FnOnce(Sequence, usize) -> Result<Vec<EventId>, ReadError>,
    ) -> Result<Option<Sequence>, ReadError> {
        let Some(Sequence(last)) = head else { return Ok(None) };
        self.uses += 1;
        if !self.streams.contains_key(stream) {
            self.make_room();
            let first = (last + 1).saturating_sub(RECENT_EVENTS as u64);
            let ids = load(Sequence(first), RECENT_EVENTS)?;
            let recent = self.streams.entry(stream.clone()).or_default();
            (first..).zip(ids).for_each(|(at, id)| recent.push(id, Sequence(at)));
        }
        let recent = self.streams.entry(stream.clone()).or_default();
        recent.used_at = self.uses;
        Ok(recent.sequences.get(&id).copied())
    }

    /// Takes note of events that were appended to a stream, if it is remembered.
    pub(crate) fn push(&mut self, stream: &StreamId, first: Sequence, events: &[NewEvent]) {
        if let Some(recent) = self.streams.get_mut(stream) {
            (first.0..).zip(events).for_each(|(at, event)| recent.push(event.id, Sequence(at)));
        }
    }

    /// Forgets everything, because events were noted that did not become durable.
    pub(crate) fn clear(&mut self) {
        self.streams.clear();
    }

    fn make_room(&mut self) {
        if self.streams.len() < RECENT_STREAMS_MAX {
            return;
        }
        let oldest = self.streams.iter().min_by_key(|(_, recent)| recent.used_at);
        if let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) {
            self.streams.remove(&oldest);
        }
    }
}

impl Recent {
    fn push(&mut self, id: EventId, at: Sequence) {
        self.ids.push_back(id);
        self.sequences.insert(id, at);
        if self.ids.len() > RECENT_EVENTS
            && let Some(old) = self.ids.pop_front()
            // An id may stand twice in a stream, far apart; the later place is the one to keep.
            && self.sequences.get(&old).is_some_and(|first| first.0 + (RECENT_EVENTS as u64) <= at.0)
        {
            self.sequences.remove(&old);
        }
    }
}

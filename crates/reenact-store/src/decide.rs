//! Whether an append goes through: written once, for every backend.

use std::collections::VecDeque;
use std::ops::Range;

use foldhash::{HashMap, HashSet, HashSetExt};

use crate::chain::canonical_bytes;
use crate::event::{EventId, ExpectedSequence, NewEvent, Sequence, StreamId};
use crate::limits::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, RECENT_EVENTS, RECENT_IDS_MAX};
use crate::store::{AppendError, ReadError, TruncateError};

/// What can be refused without looking into the stream. How many bytes the events count for.
pub(crate) fn check_events(stream: &StreamId, events: &[NewEvent]) -> Result<usize, AppendError> {
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
    if events.len() == 1 {
        return Ok(bytes);
    }
    let mut ids = HashSet::with_capacity(events.len());
    match events.iter().find(|event| !ids.insert(event.id)) {
        Some(event) => Err(AppendError::DuplicateId { id: event.id }),
        None => Ok(bytes),
    }
}

/// What a decision has to know of a stream.
pub(crate) trait StreamIds {
    /// The last event, those that wait to become durable included.
    fn head(&self) -> Option<Sequence>;

    /// The first event that was not truncated; one beyond the last if all were, or there is none.
    fn first(&self) -> Sequence;

    /// The ids from `first` on, `count` of them or as many as there are.
    fn ids(&mut self, first: Sequence, count: usize) -> Result<Vec<EventId>, ReadError>;

    /// Where an event is, if it is among the last [`RECENT_EVENTS`]. Truncated ones may be given, or not.
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
    let kept = (known.first()..next).contains(&first);
    let same = kept && known.ids(first, events.len())?.iter().eq(events.iter().map(|e| &e.id));
    if same { Ok(Decision::Retry(first)) } else { Err(wrong()) }
}

/// Whether a stream may be truncated before an event, given its last one.
pub(crate) fn check_truncation(
    stream: &StreamId,
    before: Sequence,
    actual: Option<Sequence>,
) -> Result<(), TruncateError> {
    match actual {
        Some(last) if before <= last.plus(1) => Ok(()),
        _ => Err(TruncateError::BeyondEnd { stream: stream.clone(), before, actual }),
    }
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
    let kept = known.first();
    for (before, event) in events.iter().enumerate() {
        if let Some(Sequence(at)) = known.find_recent(event.id)?.filter(|at| *at >= kept) {
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
    /// Of all streams together.
    ids: usize,
    uses: u64,
}

impl RecentIds {
    /// Where an event is in a stream of which the events of `kept` are there. `load` gives the ids of the
    /// last of these, if they are not remembered.
    pub(crate) fn find(
        &mut self,
        stream: &StreamId,
        kept: Range<Sequence>,
        id: EventId,
        load: impl FnOnce(Sequence, usize) -> Result<Vec<EventId>, ReadError>,
    ) -> Result<Option<Sequence>, ReadError> {
        if kept.is_empty() {
            return Ok(None);
        }
        self.uses += 1;
        if !self.streams.contains_key(stream) {
            let first = kept.end.0.saturating_sub(RECENT_EVENTS as u64).max(kept.start.0);
            let ids = load(Sequence(first), RECENT_EVENTS)?;
            self.make_room(RECENT_EVENTS);
            self.streams.insert(stream.clone(), Recent::default());
            self.push_ids(stream, Sequence(first), ids);
        }
        let recent = self.streams.get_mut(stream).expect("it is there, or was put there just now");
        recent.used_at = self.uses;
        Ok(recent.sequences.get(&id).copied())
    }

    /// Takes note of events that were appended to a stream, if it is remembered.
    pub(crate) fn push(&mut self, stream: &StreamId, first: Sequence, events: &[NewEvent]) {
        self.push_ids(stream, first, events.iter().map(|event| event.id));
        self.make_room(0);
    }

    /// Forgets everything, because events were noted that did not become durable.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    fn push_ids(&mut self, stream: &StreamId, first: Sequence, ids: impl IntoIterator<Item = EventId>) {
        if let Some(recent) = self.streams.get_mut(stream) {
            let before = recent.ids.len();
            (first.0..).zip(ids).for_each(|(at, id)| recent.push(id, Sequence(at)));
            self.ids += recent.ids.len() - before;
        }
    }

    /// Forgets the streams that were not asked for the longest, until `ids` more fit.
    fn make_room(&mut self, ids: usize) {
        while self.ids + ids > RECENT_IDS_MAX {
            let oldest = self.streams.iter().min_by_key(|(_, recent)| recent.used_at);
            let Some(oldest) = oldest.map(|(stream, _)| stream.clone()) else { return };
            self.ids -= self.streams.remove(&oldest).map_or(0, |recent| recent.ids.len());
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

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(n: usize) -> StreamId {
        StreamId::new(&n.to_string()).unwrap()
    }

    fn load(ids: &[EventId]) -> impl FnOnce(Sequence, usize) -> Result<Vec<EventId>, ReadError> {
        let ids = ids.to_vec();
        move |first, count| Ok(ids.into_iter().skip(first.0 as usize).take(count).collect())
    }

    #[test]
    fn the_last_ids_of_a_stream_are_known_and_no_others() {
        let ids: Vec<_> = (0..RECENT_EVENTS + 10).map(|_| EventId::new()).collect();
        let kept = Sequence(0)..Sequence(ids.len() as u64);
        let mut recent = RecentIds::default();
        let mut find = |id| recent.find(&stream(0), kept.clone(), id, load(&ids)).unwrap();
        assert_eq!(find(ids[9]), None);
        assert_eq!(find(ids[10]), Some(Sequence(10)));
        assert_eq!(find(EventId::new()), None);
        let mut truncated = RecentIds::default();
        let mut find = |id| truncated.find(&stream(0), Sequence(20)..kept.end, id, load(&ids)).unwrap();
        assert_eq!((find(ids[19]), find(ids[20])), (None, Some(Sequence(20))));
        assert_eq!(truncated.find(&stream(1), kept.end..kept.end, ids[20], |_, _| unreachable!()), Ok(None));
    }

    #[test]
    fn what_is_pushed_drives_out_what_is_old_and_a_second_place_replaces_the_first() {
        let ids: Vec<_> = (0..3).map(|_| EventId::new()).collect();
        let mut recent = Recent::default();
        recent.push(ids[0], Sequence(0));
        (1..RECENT_EVENTS as u64).for_each(|at| recent.push(EventId::new(), Sequence(at)));
        assert_eq!(recent.sequences.get(&ids[0]), Some(&Sequence(0)));
        recent.push(ids[0], Sequence(RECENT_EVENTS as u64));
        assert_eq!(recent.sequences.get(&ids[0]), Some(&Sequence(RECENT_EVENTS as u64)));
        assert_eq!(recent.ids.len(), RECENT_EVENTS);
    }

    #[test]
    fn a_stream_that_was_forgotten_is_read_again() {
        let mut recent = RecentIds::default();
        let streams = RECENT_IDS_MAX / RECENT_EVENTS + 2;
        let ids: Vec<_> = (0..RECENT_EVENTS).map(|_| EventId::new()).collect();
        let kept = Sequence(0)..Sequence(RECENT_EVENTS as u64);
        for n in 0..streams {
            assert_eq!(recent.find(&stream(n), kept.clone(), ids[7], load(&ids)), Ok(Some(Sequence(7))));
            assert!(recent.ids <= RECENT_IDS_MAX);
        }
        assert!(recent.streams.len() < streams && !recent.streams.contains_key(&stream(0)));
        assert_eq!(recent.find(&stream(0), kept, ids[8], load(&ids)), Ok(Some(Sequence(8))));
    }
}

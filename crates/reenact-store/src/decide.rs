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
    fn first(&mut self) -> Result<Sequence, ReadError>;

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
    let kept = first < next && known.first()? <= first;
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
    for (before, event) in events.iter().enumerate() {
        if let Some(at) = known.find_recent(event.id)?
            && at >= known.first()?
        {
            let first = at.0.checked_sub(before as u64);
            return Ok(first.map_or(Found::Apart, |first| Found::At(Sequence(first))));
        }
    }
    Ok(Found::Nowhere)
}

/// What was found out about the ids of an append before its turn: where they are among some events of its stream.
#[derive(Debug)]
pub(crate) struct Looked {
    /// The events at which somebody has looked, without a gap.
    at: Range<Sequence>,
    found: Vec<(EventId, Sequence)>,
}

impl Looked {
    /// None of the ids is there before an event.
    pub(crate) fn nowhere(next: Sequence) -> Self {
        Self { at: Sequence::FIRST..next, found: Vec::new() }
    }

    /// Looks for ids in those of the events from `first` on.
    pub(crate) fn new(first: Sequence, ids: &[EventId], sought: impl Iterator<Item = EventId>) -> Self {
        let sought: HashSet<_> = sought.collect();
        let there = (first.0..).map(Sequence).zip(ids.iter().copied());
        let found = there.filter(|(_, id)| sought.contains(id)).map(|(at, id)| (id, at)).collect();
        Self { at: first..first.plus(ids.len() as u64), found }
    }

    /// Where an event is. An id may stand twice in a stream, far apart; the later place is given.
    pub(crate) fn find(&self, id: EventId) -> Option<Sequence> {
        self.found.iter().rev().find(|(found, _)| *found == id).map(|(_, at)| *at)
    }

    /// The events at which nobody has looked, of the last ones.
    fn rest(looked: Option<&Self>, window: &Range<Sequence>) -> Range<Sequence> {
        match looked {
            Some(Self { at, .. }) if at.start <= window.start => {
                at.end.clamp(window.start, window.end)..window.end
            }
            _ => window.clone(),
        }
    }
}

/// The last events of those that are there: as many as an id is sought in.
pub(crate) fn window(kept: Range<Sequence>) -> Range<Sequence> {
    Sequence(kept.end.0.saturating_sub(RECENT_EVENTS as u64)).max(kept.start)..kept.end
}

/// The ids of the last events of one stream, one after the other.
#[derive(Debug, Default)]
struct Recent {
    /// Of the first of them.
    first: Sequence,
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
    /// Where an event is in a stream of which the events of `kept` are there, if it is among the last. `load` gives
    /// the ids of some of them that are not remembered, and at which nobody has looked.
    pub(crate) fn find(
        &mut self,
        (stream, kept): (&StreamId, Range<Sequence>),
        (id, looked): (EventId, Option<&Looked>),
        load: impl FnOnce(Sequence, usize) -> Result<Vec<EventId>, ReadError>,
    ) -> Result<Option<Sequence>, ReadError> {
        let window = window(kept);
        let wanted = Looked::rest(looked, &window);
        if !wanted.is_empty() {
            let missing = self.missing(stream, &wanted);
            if !missing.is_empty() {
                let ids = load(missing.start, (missing.end.0 - missing.start.0) as usize)?;
                self.put(stream, missing.start, &ids);
            }
        }
        let remembered = self.get(stream, id).filter(|at| wanted.contains(at));
        let before = || looked.and_then(|looked| looked.find(id)).filter(|at| window.contains(at));
        Ok(remembered.or_else(before))
    }

    /// Looks for ids among the events of `wanted`, which are the last ones that are durable, if they are remembered.
    pub(crate) fn look(
        &mut self,
        stream: &StreamId,
        wanted: &Range<Sequence>,
        sought: impl Iterator<Item = EventId>,
    ) -> Option<Looked> {
        self.uses += 1;
        let recent = self.streams.get_mut(stream)?;
        // Those that wait to become durable may have taken the place of the first ones.
        let reaches = recent.first <= wanted.start || recent.ids.len() == RECENT_EVENTS;
        if !reaches || recent.next() < wanted.end {
            return None;
        }
        recent.used_at = self.uses;
        let at = recent.first.clamp(wanted.start, wanted.end)..wanted.end;
        let found: Vec<_> = sought.filter_map(|id| Some((id, *recent.sequences.get(&id)?))).collect();
        // Of an id that stands twice only the later place is remembered. If that is not durable, it may come to
        // nothing, and the earlier one counts.
        if found.iter().any(|(_, sequence)| *sequence >= wanted.end) {
            return None;
        }
        let found = found.into_iter().filter(|(_, sequence)| at.contains(sequence)).collect();
        Some(Looked { at, found })
    }

    /// Takes note of events that were appended to a stream, if those before them are remembered.
    pub(crate) fn push(&mut self, stream: &StreamId, first: Sequence, events: &[NewEvent]) {
        if let Some(recent) = self.streams.get_mut(stream)
            && recent.next() == first
        {
            let before = recent.ids.len();
            for event in events {
                recent.push(event.id);
            }
            self.ids += recent.ids.len() - before;
            self.make_room(0);
        }
    }

    /// Takes note of the ids of events that are there from `first` on.
    pub(crate) fn put(&mut self, stream: &StreamId, first: Sequence, ids: &[EventId]) {
        self.make_room(RECENT_EVENTS);
        self.uses += 1;
        let recent = self.streams.entry(stream.clone()).or_default();
        let before = recent.ids.len();
        recent.put(first, ids);
        recent.used_at = self.uses;
        self.ids = self.ids - before + recent.ids.len();
    }

    /// Forgets everything, because events were noted that did not become durable.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Which of some events are to be read.
    fn missing(&self, stream: &StreamId, wanted: &Range<Sequence>) -> Range<Sequence> {
        match self.streams.get(stream) {
            Some(recent) if recent.first <= wanted.start && recent.next() >= wanted.start => {
                recent.next().min(wanted.end)..wanted.end
            }
            _ => wanted.clone(),
        }
    }

    fn get(&mut self, stream: &StreamId, id: EventId) -> Option<Sequence> {
        self.uses += 1;
        let recent = self.streams.get_mut(stream)?;
        recent.used_at = self.uses;
        recent.sequences.get(&id).copied()
    }

    /// Forgets the streams that were not asked for the longest, if `ids` more do not fit: half of all ids at once,
    /// so that it is done rarely.
    fn make_room(&mut self, ids: usize) {
        if self.ids + ids <= RECENT_IDS_MAX {
            return;
        }
        let mut oldest: Vec<_> =
            self.streams.iter().map(|(stream, recent)| (recent.used_at, stream.clone())).collect();
        oldest.sort_unstable_by_key(|(used_at, _)| *used_at);
        for (_, stream) in oldest {
            if self.ids <= RECENT_IDS_MAX / 2 {
                return;
            }
            self.ids -= self.streams.remove(&stream).map_or(0, |recent| recent.ids.len());
        }
    }
}

impl Recent {
    /// The event after the last.
    fn next(&self) -> Sequence {
        self.first.plus(self.ids.len() as u64)
    }

    /// Adds what is not known yet. There is never a gap: of what is too far apart the later is kept.
    fn put(&mut self, first: Sequence, ids: &[EventId]) {
        let next = first.plus(ids.len() as u64);
        if first > self.next() {
            *self = Self { first, ..Self::default() };
        }
        if first >= self.first {
            let known = (self.next().0 - first.0) as usize;
            ids.iter().skip(known).for_each(|id| self.push(*id));
        } else if next >= self.first {
            let later = std::mem::replace(self, Self { first, ..Self::default() });
            let rest = later.ids.iter().skip((next.0 - later.first.0) as usize);
            ids.iter().chain(rest).for_each(|id| self.push(*id));
        }
    }

    fn push(&mut self, id: EventId) {
        // An id may stand twice in a stream, far apart; the later place is the one to keep.
        self.sequences.insert(id, self.next());
        self.ids.push_back(id);
        if self.ids.len() > RECENT_EVENTS
            && let Some(old) = self.ids.pop_front()
        {
            if self.sequences.get(&old) == Some(&self.first) {
                self.sequences.remove(&old);
            }
            self.first = self.first.plus(1);
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
    fn an_id_that_stands_twice_is_read_for_while_the_second_waits() {
        let (id, mut recent) = (EventId::new(), RecentIds::default());
        let event = NewEvent { id, ..NewEvent::new(crate::event::EventKind::new("k").unwrap(), "") };
        recent.put(&stream(0), Sequence(0), &[id, EventId::new()]);
        recent.push(&stream(0), Sequence(2), &[event]);
        assert!(recent.look(&stream(0), &(Sequence(0)..Sequence(2)), [id].into_iter()).is_none());
        let looked = recent.look(&stream(0), &(Sequence(0)..Sequence(3)), [id].into_iter());
        assert_eq!(looked.unwrap().find(id), Some(Sequence(2)));
    }

    #[test]
    fn the_last_ids_of_a_stream_are_known_and_no_others() {
        let ids: Vec<_> = (0..RECENT_EVENTS + 10).map(|_| EventId::new()).collect();
        let kept = Sequence(0)..Sequence(ids.len() as u64);
        let mut recent = RecentIds::default();
        let mut find = |id| recent.find((&stream(0), kept.clone()), (id, None), load(&ids)).unwrap();
        assert_eq!(find(ids[9]), None);
        assert_eq!(find(ids[10]), Some(Sequence(10)));
        assert_eq!(find(EventId::new()), None);
        let mut truncated = RecentIds::default();
        let window = Sequence(20)..kept.end;
        let mut find = |id| truncated.find((&stream(0), window.clone()), (id, None), load(&ids)).unwrap();
        assert_eq!((find(ids[19]), find(ids[20])), (None, Some(Sequence(20))));
        let nothing = (&stream(1), kept.end..kept.end);
        assert_eq!(truncated.find(nothing, (ids[20], None), |_, _| unreachable!()), Ok(None));
    }

    #[test]
    fn what_is_pushed_drives_out_what_is_old_and_a_second_place_replaces_the_first() {
        let ids: Vec<_> = (0..3).map(|_| EventId::new()).collect();
        let mut recent = Recent::default();
        recent.push(ids[0]);
        (1..RECENT_EVENTS).for_each(|_| recent.push(EventId::new()));
        assert_eq!(recent.sequences.get(&ids[0]), Some(&Sequence(0)));
        recent.push(ids[0]);
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
            let found = recent.find((&stream(n), kept.clone()), (ids[7], None), load(&ids));
            assert_eq!(found, Ok(Some(Sequence(7))));
            assert!(recent.ids <= RECENT_IDS_MAX);
        }
        assert!(recent.streams.len() < streams && !recent.streams.contains_key(&stream(0)));
        let found = recent.find((&stream(0), kept), (ids[8], None), load(&ids));
        assert_eq!(found, Ok(Some(Sequence(8))));
    }

    /// What is read of a stream of 20 events to find one of them, after looking at some of them.
    #[track_caller]
    fn check_reads(
        recent: &mut RecentIds,
        looked: Option<&Looked>,
        ids: &[EventId],
        at: usize,
        reads: Range<u64>,
    ) {
        let mut read = 0..0;
        let found =
            recent.find((&stream(0), Sequence(0)..Sequence(20)), (ids[at], looked), |first, count| {
                read = first.0..first.0 + count as u64;
                load(ids)(first, count)
            });
        assert_eq!((found, read), (Ok(Some(Sequence(at as u64))), reads));
    }

    #[test]
    fn what_somebody_has_looked_at_before_is_not_read_again() {
        let ids: Vec<_> = (0..20).map(|_| EventId::new()).collect();
        let looked = |sought: usize| Looked::new(Sequence(0), &ids[..17], [ids[sought]].into_iter());
        let mut recent = RecentIds::default();
        check_reads(&mut recent, Some(&looked(3)), &ids, 3, 17..20);
        check_reads(&mut recent, Some(&looked(18)), &ids, 18, 0..0);
        // Without looking, what is remembered does not reach back far enough.
        check_reads(&mut recent, None, &ids, 4, 0..20);
        check_reads(&mut recent, None, &ids, 5, 0..0);
        // Somebody who has not looked from the first on has not looked.
        let late = Looked::new(Sequence(5), &ids[5..17], [ids[6]].into_iter());
        check_reads(&mut RecentIds::default(), Some(&late), &ids, 6, 0..20);
    }

    #[test]
    fn ids_that_are_put_are_joined_without_a_gap() {
        let ids: Vec<_> = (0..20).map(|_| EventId::new()).collect();
        for (one, other) in (0..20).flat_map(|one| (0..20).map(move |other| (one, other))) {
            let mut recent = Recent::default();
            for first in [one, other] {
                recent.put(Sequence(first as u64), &ids[first..(first + 5).min(20)]);
                let first = recent.first.0 as usize;
                assert_eq!(recent.ids, &ids[first..first + recent.ids.len()]);
                let there = |id: &EventId| recent.sequences[id].0 as usize;
                assert!(recent.ids.iter().enumerate().all(|(n, id)| there(id) == first + n));
                assert_eq!(recent.sequences.len(), recent.ids.len());
            }
            assert!((recent.first.0..recent.next().0).contains(&(other.max(one) as u64)));
        }
    }

    #[test]
    fn who_looks_at_what_is_remembered_is_told_as_far_as_it_reaches() {
        let ids: Vec<_> = (0..RECENT_EVENTS + 10).map(|_| EventId::new()).collect();
        let mut recent = RecentIds::default();
        recent.put(&stream(0), Sequence(0), &ids);
        let durable = Sequence(3)..Sequence(RECENT_EVENTS as u64 + 3);
        let sought = [ids[4], ids[12]];
        let looked = recent.look(&stream(0), &durable, sought.into_iter()).unwrap();
        assert_eq!(looked.at, Sequence(10)..durable.end);
        assert_eq!(sought.map(|id| looked.find(id)), [None, Some(Sequence(12))]);
        let beyond = durable.start..Sequence(ids.len() as u64 + 1);
        assert!(recent.look(&stream(0), &beyond, sought.into_iter()).is_none());
    }
}

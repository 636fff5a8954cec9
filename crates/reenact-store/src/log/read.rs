//! Reading events: finding where they lie, and loading them.
//!
//! Reading happens on the thread that asks for it: nearly always the bytes are in the system's page cache, and
//! then handing over to another thread costs more than reading. A page is bounded, and so is for how long a
//! thread can be held up when the disk has to be asked.

use std::sync::{Arc, MutexGuard, PoisonError};

use bytes::Bytes;
use foldhash::HashMap;

use super::format::{StreamKey, read_record};
use super::index::StreamHead;
use super::segment::segment_name;
use super::shared::{Located, PARTITION, Shared, damaged, unavailable};
use crate::chain::{CanonicalView, ChainHash};
use crate::event::{Checkpoint, Event, EventId, EventKind, Head, NewEvent, Position, Sequence, StreamId};
use crate::limits::LOG_ROUTES_MAX;
use crate::page::{Page, check_partitions};
use crate::store::{BoxFuture, Direction, ReadError, Scope};
use crate::subscription::PageSource;

/// Segments that have events of a stream, each with the first of them, in order.
pub(super) type Route = [(Sequence, u32)];

/// Records that lie no further apart are read together.
const GAP_BYTES: u32 = 8 << 10;
/// Bytes that are read together at most, unless one record has more.
const SPAN_BYTES: u32 = 256 << 10;

impl Shared {
    pub(super) fn public_head(&self, stream: &StreamId) -> Result<Option<Head>, ReadError> {
        let Some(head) = self.head(stream)? else { return Ok(None) };
        let (first, anchor) = self.kept_from(stream, &head)?;
        Ok(Some(Head { sequence: head.sequence, chain: head.chain, first, anchor }))
    }

    /// Events of a stream.
    pub(super) fn read(
        &self,
        stream: &StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Event>, ReadError> {
        let mut page = Page::new(limit);
        let Some(head) = self.head(stream)? else { return Ok(Vec::new()) };
        let (kept, _) = self.kept_from(stream, &head)?;
        let more = (page.limit() as u64).saturating_sub(1);
        let (first, last) = match direction {
            Direction::Forward => {
                let first = from.max(kept);
                (first, first.plus(more).min(head.sequence))
            }
            Direction::Backward => {
                let last = from.min(head.sequence);
                (kept.max(Sequence(last.0.saturating_sub(more))), last)
            }
        };
        if first > last || page.limit() == 0 {
            return Ok(Vec::new());
        }
        let mut located = self.locate(stream, &head, (first, last))?;
        let mut sequences: Vec<u64> = (first.0..=last.0).collect();
        if direction == Direction::Backward {
            located.reverse();
            sequences.reverse();
        }
        self.load(&mut page, &located, |n, event| {
            event.stream == *stream && event.sequence.0 == sequences[n]
        })?;
        Ok(page.into_events())
    }

    /// Where the events of a stream with these sequences lie, all of which are there.
    fn locate(
        &self,
        stream: &StreamId,
        head: &StreamHead,
        (first, last): (Sequence, Sequence),
    ) -> Result<Vec<Located>, ReadError> {
        let key = self.log.key(stream);
        let route = self.route(stream, head, first)?;
        let begin = route.partition_point(|(begin, _)| *begin <= first).saturating_sub(1);
        let mut located = Vec::new();
        for (_, segment) in route[begin..].iter().take_while(|(begin, _)| *begin <= last) {
            let part = self.with_index(*segment, |index| index.part((stream, key), (first, last)))?;
            let lost = || damaged(0, &format!("the index of segment {segment} has lost the stream {stream}"));
            located.extend(part.ok_or_else(lost)?.1);
        }
        if located.len() as u64 != last.0 - first.0 + 1 {
            return Err(damaged(0, &format!("the indexes have lost events of the stream {stream}")));
        }
        Ok(located)
    }

    /// The segments that have events of a stream, from one that has the event `first` on. Indexes lead only
    /// backward, so that the way is remembered for whoever reads on.
    fn route(&self, stream: &StreamId, head: &StreamHead, first: Sequence) -> Result<Arc<Route>, ReadError> {
        let key = self.log.key(stream);
        let nothing = (Sequence::MAX, Sequence::MAX);
        let known = self.routes().get(&key).cloned().filter(|route| route[0].0 <= first);
        let mut ahead = Vec::new();
        let mut next = Some(head.segment);
        while let Some(segment) = next {
            if let Some((_, last)) = known.as_deref().and_then(|route| route.last())
                && *last >= segment
            {
                break;
            }
            let part = self.with_index(segment, |index| index.part((stream, key), nothing))?;
            let lost = || damaged(0, &format!("the index of segment {segment} has lost the stream {stream}"));
            let (listed, _) = part.ok_or_else(lost)?;
            next = listed.before;
            if listed.count > 0 {
                ahead.push((listed.first(), segment));
                // Without a way that is known, it is not gone further back than is asked for.
                next = next.filter(|_| known.is_some() || listed.first() > first);
            }
        }
        let mut route = known.map_or_else(Vec::new, |known| known.to_vec());
        route.extend(ahead.into_iter().rev());
        let route: Arc<Route> = route.into();
        let mut routes = self.routes();
        if routes.len() >= LOG_ROUTES_MAX {
            routes.clear();
        }
        // One of few segments is found as fast without.
        if route.len() > 2 {
            routes.insert(key, Arc::clone(&route));
        }
        Ok(route)
    }

    pub(super) fn routes(&self) -> MutexGuard<'_, HashMap<StreamKey, Arc<Route>>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events of all streams, in the order of positions.
    pub(super) fn read_all(&self, after: &Checkpoint, limit: usize) -> Result<Vec<Event>, ReadError> {
        check_partitions(after, 1)?;
        let mut page = Page::new(limit);
        let mut next = after.get(PARTITION).map_or(0, |seen| seen.0.saturating_add(1));
        let mut segment = self.segment_of(next)?;
        let truncated = self.state().active.truncations > 0;
        while page.wants_more() {
            let located = self.with_index(segment, |index| {
                let (position, events) = index.extent();
                let first = next.saturating_sub(position).min(u64::from(events)) as u32;
                let last = first.saturating_add(page.limit() as u32).min(events);
                index.locate(&(first..last).collect::<Vec<_>>())
            })?;
            if located.is_empty() {
                if segment >= self.state().active.segment {
                    break;
                }
                segment += 1;
                continue;
            }
            let mut read = Page::new(page.limit());
            self.load(&mut read, &located, |_, _| true)?;
            for event in read.into_events() {
                next = event.position.0 + 1;
                if page.wants_more() && !(truncated && self.is_truncated(&event)?) {
                    page.push(event);
                }
            }
        }
        Ok(page.into_events())
    }

    pub(super) fn is_truncated(&self, event: &Event) -> Result<bool, ReadError> {
        Ok(self.head(&event.stream)?.is_some_and(|head| event.sequence < head.first))
    }

    /// Loads events in the order in which they are given, as many as the page takes. `is_it` is told which of
    /// them was read, and says whether it is the one that was meant.
    fn load(
        &self,
        page: &mut Page,
        located: &[Located],
        is_it: impl Fn(usize, &Event) -> bool,
    ) -> Result<(), ReadError> {
        let (mut at, mut names) = (0, None);
        for span in located.chunk_by(near) {
            for part in split(span) {
                let bytes = self.read_span(part)?;
                for event in part {
                    if !page.wants_more() {
                        return Ok(());
                    }
                    let event = self.parse(&bytes, event, &mut names)?;
                    if !is_it(at, &event) {
                        return Err(damaged(event.position.0, "an index leads to another event"));
                    }
                    page.push(event);
                    at += 1;
                }
            }
        }
        Ok(())
    }

    /// What lies from the first to the last of some records, and where it begins.
    fn read_span(&self, located: &[Located]) -> Result<(u32, Vec<u8>), ReadError> {
        let segment = located[0].segment;
        let begin = located.iter().map(|event| event.offset).min().unwrap_or(0);
        let end = located.iter().map(|event| event.end).max().unwrap_or(0).max(begin);
        let mut bytes = vec![0; (end - begin) as usize];
        let file = self.segment(segment)?;
        let read = file.read_at(&mut bytes, u64::from(begin));
        read.map_err(|error| unavailable(&segment_name(segment), &error))?;
        Ok((begin, bytes))
    }

    /// Makes an event of a record. Names that are those of the event before are shared with it.
    fn parse(
        &self,
        (begin, bytes): &(u32, Vec<u8>),
        located: &Located,
        names: &mut Option<(StreamId, EventKind)>,
    ) -> Result<Event, ReadError> {
        let Located { segment, position, offset, timestamp, .. } = *located;
        let at = |reason: &str| {
            damaged(position, &format!("{reason}, at byte {offset} of {}", segment_name(segment)))
        };
        let body = read_record(self.log, &bytes[(offset - begin) as usize..]).map_err(at)?;
        let view = CanonicalView::read(body).ok_or_else(|| at("an index leads to what is no event"))?;
        let (stream, kind) = match names.take() {
            Some((stream, kind)) if stream.as_str() == view.stream && kind.as_str() == view.kind => {
                (stream, kind)
            }
            _ => {
                let malformed = |_| at("an event has no name");
                let kind = EventKind::new(view.kind).map_err(malformed)?;
                (StreamId::new(view.stream).map_err(malformed)?, kind)
            }
        };
        *names = Some((stream.clone(), kind.clone()));
        let CanonicalView { id, sequence, occurred_at, trace, payload, .. } = view;
        let event = NewEvent { id, kind, payload: Bytes::copy_from_slice(payload), occurred_at, trace };
        Ok(Event::stored(event, &stream, sequence, (PARTITION, Position(position)), timestamp))
    }

    /// The chain of a stream at one of its events, and the event's position.
    pub(super) fn chain_at(
        &self,
        stream: &StreamId,
        head: &StreamHead,
        sequence: Sequence,
    ) -> Result<(ChainHash, u64), ReadError> {
        let key = self.log.key(stream);
        let mut next = Some(head.segment);
        while let Some(segment) = next {
            let part =
                self.with_index(segment, |index| index.part((stream, key), (Sequence::FIRST, sequence)))?;
            let Some((listed, located)) = part else { break };
            next = listed.before;
            if listed.count == 0 || listed.first() > sequence {
                continue;
            }
            let mut chain = match listed.before {
                Some(before) => self.chain_in(stream, before)?,
                None => ChainHash::START,
            };
            for part in split(&located) {
                let bytes = self.read_span(part)?;
                for event in part {
                    let body = read_record(self.log, &bytes.1[(event.offset - bytes.0) as usize..]);
                    chain = chain.then_canonical(body.map_err(|reason| damaged(event.position, reason))?);
                }
            }
            let position = located.last().map_or(0, |event| event.position);
            return Ok((chain, position));
        }
        Err(damaged(0, &format!("the indexes have lost event {sequence} of the stream {stream}")))
    }

    /// The chain of a stream at the end of a segment that knows it, or where that was given up.
    fn chain_in(&self, stream: &StreamId, segment: u32) -> Result<ChainHash, ReadError> {
        let key = self.log.key(stream);
        let (first, anchors) = {
            let state = self.state();
            (state.first, state.anchors.clone())
        };
        let lost = || damaged(0, &format!("the indexes have lost the stream {stream}"));
        if segment < first {
            let found = anchors.map(|anchors| anchors.find(key)).transpose();
            let found = found.map_err(|error| unavailable("the anchors", &error))?.flatten();
            return Ok(found.ok_or_else(lost)?.listed.head.chain);
        }
        let at_end = (Sequence::MAX, Sequence::MAX);
        let part = self.with_index(segment, |index| index.part((stream, key), at_end))?;
        Ok(part.ok_or_else(lost)?.0.head.chain)
    }

    /// The ids of a stream's events from `first` on, at most `count` of them.
    pub(super) fn ids(
        &self,
        stream: &StreamId,
        first: Sequence,
        count: usize,
    ) -> Result<Vec<EventId>, ReadError> {
        let mut ids = Vec::new();
        while ids.len() < count {
            let next = first.plus(ids.len() as u64);
            let page = self.read(stream, next, Direction::Forward, count - ids.len())?;
            // What was given up cannot be compared any more.
            if page.first().is_none_or(|event| event.sequence != next) {
                break;
            }
            ids.extend(page.iter().map(|event| event.id));
        }
        Ok(ids)
    }
}

fn near(a: &Located, b: &Located) -> bool {
    a.segment == b.segment
        && (b.offset.saturating_sub(a.end) <= GAP_BYTES && a.offset < b.offset
            || a.offset.saturating_sub(b.end) <= GAP_BYTES && b.offset < a.offset)
}

/// Parts of records in one segment that are small enough to be read at once.
fn split(mut located: &[Located]) -> impl Iterator<Item = &[Located]> {
    std::iter::from_fn(move || {
        let begin = located.first()?.offset;
        let is_far =
            |event: &&Located| event.offset.abs_diff(begin).max(event.end.abs_diff(begin)) > SPAN_BYTES;
        let count = located.iter().position(|event| is_far(&event)).unwrap_or(located.len()).max(1);
        let (part, rest) = located.split_at(count);
        located = rest;
        Some(part)
    })
}

/// What subscriptions read from; it does not keep the log's threads running.
#[derive(Debug)]
pub(super) struct Source(pub(super) Arc<Shared>);

impl PageSource for Source {
    fn page<'a>(&'a self, scope: &'a Scope, limit: usize) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move {
            match scope {
                Scope::All(after) => self.0.read_all(after, limit),
                Scope::Stream(stream, from) => self.0.read(stream, *from, Direction::Forward, limit),
            }
        })
    }
}

//! Reading events: finding where they lie, and loading them.
//!
//! Reading happens on the thread that asks for it: nearly always the bytes are in the system's page cache, and
//! then handing over to another thread costs more than reading. A page is bounded, and so is for how long a
//! thread can be held up when the disk has to be asked.

use std::future::poll_fn;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::task::Poll;

use bytes::Bytes;
use foldhash::HashMap;

use super::format::{StreamKey, read_record};
use super::index::{List, ListPlace, Located, StreamHead};
use super::segment::segment_name;
use super::shared::{PARTITION, Shared, damaged, unavailable};
use crate::chain::{CanonicalView, ChainHash};
use crate::event::{Checkpoint, Event, EventId, EventKind, Head, NewEvent, Position, Sequence, StreamId};
use crate::limits::{LOG_ROUTES_MAX, READ_LOOKED_AT_MAX};
use crate::page::{Page, check_partitions};
use crate::store::{BoxFuture, Direction, ReadError, Scope};
use crate::subscription::PageSource;

/// A segment that has events of a stream.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stage {
    /// The first of them.
    pub(super) first: Sequence,
    pub(super) segment: u32,
    /// Where they are listed, if that is in a file.
    pub(super) list: Option<List>,
}

/// The way of a stream through the segments, for whoever reads on.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// Segments whose index is in a file, in order.
    stages: Arc<[Stage]>,
    /// How far the last list was read.
    place: Option<ListPlace>,
}

/// How far events of all streams were read.
#[derive(Debug)]
struct Walk {
    segment: u32,
    /// The next position.
    next: u64,
    /// Events and segments that were looked at without a pause.
    looked_at: usize,
}

/// Lets other tasks of the thread go first, whatever runs them.
pub(super) async fn let_others_go() {
    let mut gone = false;
    poll_fn(|context| {
        if std::mem::replace(&mut gone, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

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
        let (stages, mut place) = self.route((stream, key), head, first)?;
        let begin = stages.partition_point(|stage| stage.first <= first).saturating_sub(1);
        let mut located = Vec::new();
        for stage in stages[begin..].iter().take_while(|stage| stage.first <= last) {
            let part = self.with_index(stage.segment, |index| {
                index.part_of((stream, key), (stage.first, stage.list), (first, last), &mut place)
            })?;
            located.extend(part.ok_or_else(|| lost(stream, stage.segment))?);
        }
        if located.len() as u64 != last.0 - first.0 + 1 {
            return Err(damaged(0, &format!("the indexes have lost events of the stream {stream}")));
        }
        self.remember_route(key, stages, place);
        Ok(located)
    }

    /// The segments that have events of a stream, from one that has the event `first` on, and how far a list of one
    /// of them was read. Indexes lead only backward, so that the way is remembered for whoever reads on.
    fn route(
        &self,
        (stream, key): (&StreamId, StreamKey),
        head: &StreamHead,
        first: Sequence,
    ) -> Result<(Vec<Stage>, Option<ListPlace>), ReadError> {
        let known = self.routes().get(&key).cloned();
        let known = known.filter(|route| route.stages.first().is_some_and(|stage| stage.first <= first));
        let end = known.as_ref().and_then(|route| route.stages.last()).map(|stage| stage.segment);
        let mut ahead = Vec::new();
        let mut next = Some(head.segment);
        // A way may be remembered after its segments were given up.
        let kept = self.state().first;
        let is_ahead = |segment: &u32| *segment >= kept && end.is_none_or(|end| *segment > end);
        while let Some(segment) = next.filter(is_ahead) {
            let listed = self.with_index(segment, |index| index.listed((stream, key)))?;
            let (listed, list) = listed.ok_or_else(|| lost(stream, segment))?;
            next = listed.before;
            if listed.count > 0 {
                ahead.push(Stage { first: listed.first(), segment, list });
                // Without a way that is known, it is not gone further back than is asked for.
                next = next.filter(|_| known.is_some() || listed.first() > first);
            }
        }
        let (mut stages, place) = known.map_or((Vec::new(), None), |it| (it.stages.to_vec(), it.place));
        stages.extend(ahead.into_iter().rev());
        Ok((stages, place))
    }

    /// Remembers the way of a stream, if it is long, or ends within a list.
    fn remember_route(&self, key: StreamKey, mut stages: Vec<Stage>, place: Option<ListPlace>) {
        // Where the index is in memory, it is found as fast without; and the index grows.
        stages.truncate(stages.iter().take_while(|stage| stage.list.is_some()).count());
        let place = place.filter(ListPlace::is_within);
        if stages.len() <= 2 && place.is_none() {
            return;
        }
        let mut routes = self.routes();
        if routes.len() >= LOG_ROUTES_MAX && !routes.contains_key(&key) {
            routes.clear();
        }
        routes.insert(key, Route { stages: stages.into(), place });
    }

    pub(super) fn routes(&self) -> MutexGuard<'_, HashMap<StreamKey, Route>> {
        self.routes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Events of all streams, in the order of positions. It lets other tasks go first now and then while it passes
    /// over events that were truncated, of which there may be any number.
    pub(super) async fn read_all(&self, after: &Checkpoint, limit: usize) -> Result<Vec<Event>, ReadError> {
        check_partitions(after, 1)?;
        let mut page = Page::new(limit);
        let next = after.get(PARTITION).map_or(0, |seen| seen.0.saturating_add(1));
        let mut walk = Walk { segment: self.segment_of(next)?, next, looked_at: 0 };
        while page.wants_more() && self.read_some(&mut walk, &mut page)? {
            if walk.looked_at >= READ_LOOKED_AT_MAX {
                walk.looked_at = 0;
                let_others_go().await;
            }
        }
        Ok(page.into_events())
    }

    /// Reads a part of what follows; whether more may follow.
    fn read_some(&self, walk: &mut Walk, page: &mut Page) -> Result<bool, ReadError> {
        let Walk { segment, next, looked_at } = walk;
        let truncated = self.state().active.truncations > 0;
        let located = self.with_index(*segment, |index| {
            let (position, events) = index.extent();
            let first = next.saturating_sub(position).min(u64::from(events)) as u32;
            let last = first.saturating_add(page.limit() as u32).min(events);
            index.locate(&(first..last).collect::<Vec<_>>())
        })?;
        // A segment without events is looked at as well.
        *looked_at += located.len().max(1);
        if located.is_empty() {
            let goes_on = *segment < self.state().active.segment;
            *segment += u32::from(goes_on);
            return Ok(goes_on);
        }
        let mut read = Page::new(page.limit());
        self.load(&mut read, &located, |_, _| true)?;
        for event in read.into_events() {
            *next = event.position.0 + 1;
            if page.wants_more() && !(truncated && self.is_truncated(&event.stream, event.sequence)?) {
                page.push(event);
            }
        }
        Ok(true)
    }

    pub(super) fn is_truncated(&self, stream: &StreamId, sequence: Sequence) -> Result<bool, ReadError> {
        Ok(self.head(stream)?.is_some_and(|head| sequence < head.first))
    }

    /// Loads events in the order in which they are given, as many as the page takes. `is_it` is told which of
    /// them was read, and says whether it is the one that was meant.
    fn load(
        &self,
        page: &mut Page,
        located: &[Located],
        is_it: impl Fn(usize, &Event) -> bool,
    ) -> Result<(), ReadError> {
        let (mut at, mut names, mut span_bytes) = (0, None, SpanBytes::default());
        for span in located.chunk_by(near) {
            for part in split(span) {
                // Its bytes may be many.
                if !page.wants_more() {
                    return Ok(());
                }
                self.read_span(part, &mut span_bytes)?;
                for event in part {
                    if !page.wants_more() {
                        return Ok(());
                    }
                    let event = self.parse(span_bytes.from(event), event, &mut names)?;
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

    /// Reads what lies from the first to the last of some records.
    fn read_span(&self, located: &[Located], span: &mut SpanBytes) -> Result<(), ReadError> {
        let segment = located[0].segment;
        let begin = located.iter().map(|event| event.offset).min().unwrap_or(0);
        let end = located.iter().map(|event| event.end).max().unwrap_or(0).max(begin);
        let length = (end - begin) as usize;
        if span.buffer.len() < length {
            span.buffer.resize(length, 0);
        }
        (span.begin, span.length) = (begin, length);
        let file = self.segment(segment)?;
        let read = file.read_at(&mut span.buffer[..length], u64::from(begin));
        read.map_err(|error| unavailable(&segment_name(segment), &error))
    }

    /// Makes an event of a record. Names that are those of the event before are shared with it.
    fn parse(
        &self,
        record: &[u8],
        located: &Located,
        names: &mut Option<(StreamId, EventKind)>,
    ) -> Result<Event, ReadError> {
        let Located { segment, position, offset, timestamp, .. } = *located;
        let at = |reason: &str| {
            damaged(position, &format!("{reason}, at byte {offset} of {}", segment_name(segment)))
        };
        let body = read_record(self.log, record).map_err(at)?;
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
        // A part of what was read together would hold all of it in memory, for as long as the event is kept.
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
            let mut span = SpanBytes::default();
            for part in split(&located) {
                self.read_span(part, &mut span)?;
                for event in part {
                    let body = read_record(self.log, span.from(event));
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

fn lost(stream: &StreamId, segment: u32) -> ReadError {
    damaged(0, &format!("the index of segment {segment} has lost the stream {stream}"))
}

/// What lies from one record to another. The buffer is used again and again.
#[derive(Debug, Default)]
struct SpanBytes {
    buffer: Vec<u8>,
    /// Where it begins in the segment.
    begin: u32,
    length: usize,
}

impl SpanBytes {
    /// From the begin of a record on.
    fn from(&self, event: &Located) -> &[u8] {
        self.buffer[..self.length].get((event.offset - self.begin) as usize..).unwrap_or_default()
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
                Scope::All(after) => self.0.read_all(after, limit).await,
                Scope::Stream(stream, from) => self.0.read(stream, *from, Direction::Forward, limit),
            }
        })
    }
}

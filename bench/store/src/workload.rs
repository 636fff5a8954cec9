//! Streams and events. An event follows from its stream and its sequence, so that whatever was kept can be compared
//! with what was appended, by any process.

use bytes::Bytes;
use uuid::{Builder, Uuid};

/// Streams that events go to.
pub const STREAMS: u32 = 10_000;
/// Bytes of a payload.
pub const PAYLOAD_BYTES: usize = 100;
/// Bytes that no store can do without: payload and id.
pub const EVENT_BYTES_MIN: usize = PAYLOAD_BYTES + 16;
/// Events of an append when a store is filled.
const FILL_EVENTS: u64 = 10;
/// Events of an append to the long stream.
const LONG_EVENTS: u64 = 512;

/// A stream, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stream(pub u32);

/// An event that is to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// Of version 7 in form.
    pub id: Uuid,
    /// Bytes that do not compress.
    pub payload: Bytes,
}

impl NewEvent {
    /// The event that stands at `sequence` of `stream`, in every run.
    pub fn at(stream: Stream, sequence: u64) -> Self {
        let mut random = Random::new((u64::from(stream.0) << 40) ^ sequence);
        let mut id = [0; 16];
        random.fill(&mut id);
        let mut payload = vec![0; PAYLOAD_BYTES];
        random.fill(&mut payload);
        let (millis, rest) = (sequence, id.first_chunk().copied().unwrap_or_default());
        Self { id: Builder::from_unix_timestamp_millis(millis, &rest).into_uuid(), payload: payload.into() }
    }
}

/// Events of one stream, all or none of which are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// Where they go.
    pub stream: Stream,
    /// The sequence of the first; the stream must have as many events.
    pub first: u64,
    /// At least one.
    pub events: Vec<NewEvent>,
}

impl Append {
    /// The events of `stream` from `first` on.
    pub fn of(stream: Stream, first: u64, events: u64) -> Self {
        let events = (first..first + events).map(|sequence| NewEvent::at(stream, sequence)).collect();
        Self { stream, first, events }
    }

    /// The events with their sequences.
    pub fn rows(&self) -> impl Iterator<Item = (u64, &NewEvent)> {
        (self.first..).zip(&self.events)
    }

    /// How many events the stream has afterwards.
    pub fn end(&self) -> u64 {
        self.first + self.events.len() as u64
    }
}

/// The streams of one writer, to which it appends in turn. No two writers share one, so that each knows where its
/// streams end.
#[derive(Clone, Debug)]
pub struct Share {
    streams: Vec<(Stream, u64)>,
    next: usize,
}

impl Share {
    /// The streams of writer `writer` of `writers`, none of which has an event.
    pub fn new(writer: u32, writers: u32) -> Self {
        let streams = (writer..STREAMS).step_by(writers as usize).map(|stream| (Stream(stream), 0)).collect();
        Self { streams, next: 0 }
    }

    /// What to append next.
    pub fn append(&mut self, events: u64) -> Append {
        let (stream, count) = &mut self.streams[self.next];
        let append = Append::of(*stream, *count, events);
        *count = append.end();
        self.next = (self.next + 1) % self.streams.len();
        append
    }
}

/// How a store is filled: a twentieth of the events go to stream 0, the rest evenly to the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Fill {
    /// How many events there are then.
    pub events: u64,
    /// In how many streams.
    pub streams: u32,
}

impl Fill {
    /// All streams of the workload.
    pub fn of(events: u64) -> Self {
        Self { events, streams: STREAMS }
    }

    /// How many events a stream has when the store is full.
    pub fn count(self, stream: Stream) -> u64 {
        let long = self.events / 20;
        let (rest, others) = (self.events - long, u64::from(self.streams - 1));
        match u64::from(stream.0) {
            0 => long,
            other if other <= others => rest / others + u64::from(other <= rest % others),
            _ => 0,
        }
    }

    /// Every stream.
    pub fn streams(self) -> impl Iterator<Item = Stream> {
        (0..self.streams).map(Stream)
    }

    /// What writer `writer` of `writers` (two at least) appends: the first all of the long stream, the others few
    /// events to each of their streams in turn.
    pub fn appends(self, writer: u32, writers: u32) -> Box<dyn Iterator<Item = Append> + Send> {
        let upto = move |stream, first, step: u64| {
            let count = self.count(stream);
            (first < count).then(|| Append::of(stream, first, step.min(count - first)))
        };
        let Some(other) = writer.checked_sub(1) else {
            let firsts = (0..self.count(Stream(0))).step_by(LONG_EVENTS as usize);
            return Box::new(firsts.filter_map(move |first| upto(Stream(0), first, LONG_EVENTS)));
        };
        let firsts = (0..=self.count(Stream(1))).step_by(FILL_EVENTS as usize);
        Box::new(firsts.flat_map(move |first| {
            let streams = (1 + other..self.streams).step_by(writers as usize - 1);
            streams.filter_map(move |stream| upto(Stream(stream), first, FILL_EVENTS))
        }))
    }
}

/// `SplitMix64`: the same numbers for the same seed everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator with a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn number(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.number() % bound
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.number().to_le_bytes()[..chunk.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn an_event_follows_from_its_place() {
        let event = NewEvent::at(Stream(7), 3);
        assert_eq!(event, NewEvent::at(Stream(7), 3));
        assert_eq!(event.id.get_version_num(), 7);
        for other in [NewEvent::at(Stream(7), 4), NewEvent::at(Stream(8), 3)] {
            assert!(event.id != other.id && event.payload != other.payload);
        }
    }

    #[test]
    fn writers_share_the_streams_and_know_their_ends() {
        let mut share = Share::new(3, 4_000);
        let appends: Vec<_> = (0..4).map(|_| share.append(2)).collect();
        let places: Vec<_> = appends.iter().map(|append| (append.stream.0, append.first)).collect();
        assert_eq!(places, [(3, 0), (4_003, 0), (8_003, 0), (3, 2)]);
    }

    #[test]
    fn a_fill_is_gapless_and_as_large_as_it_says() {
        let fill = Fill { events: 20_011, streams: 200 };
        let mut counts = BTreeMap::new();
        for append in (0..7).flat_map(|writer| fill.appends(writer, 7)) {
            let count = counts.entry(append.stream).or_insert(0);
            assert_eq!(append.first, *count);
            *count = append.end();
        }
        assert_eq!(counts.values().sum::<u64>(), fill.events);
        assert!(fill.streams().all(|stream| counts.get(&stream) == Some(&fill.count(stream))));
    }
}

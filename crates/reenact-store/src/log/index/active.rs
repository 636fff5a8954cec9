//! The index of the segment that is being written, and of those whose index is not in a file yet.

use foldhash::{HashMap, HashMapExt};

use crate::chain::ChainHash;
use crate::event::{EventId, Sequence, StreamId, Timestamp};
use crate::log::format::Place;

/// No event: where a list ends.
const NONE: u32 = u32::MAX;
/// What a stream takes in memory, about: its entry, its name, and the room that tables leave free.
const STREAM_MEMORY: usize = 320;
/// What an event takes: its offset, its link, and the room that arrays leave free.
const EVENT_MEMORY: usize = 12;

/// What is known of a stream at the end of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct StreamHead {
    /// Of the last event.
    pub(in crate::log) sequence: Sequence,
    /// The chain there.
    pub(in crate::log) chain: ChainHash,
    /// The highest id of its events. Ids are made in the order of time, so that a higher one is nearly always
    /// new, and surely not there.
    pub(in crate::log) highest: EventId,
    /// The first event that was not truncated.
    pub(in crate::log) first: Sequence,
    /// The chain before it.
    pub(in crate::log) anchor: ChainHash,
    /// The last segment that says anything of the stream.
    pub(in crate::log) segment: u32,
}

/// What a segment says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct Listed {
    /// The stream at the end of the segment.
    pub(in crate::log) head: StreamHead,
    /// How many of its last events are in the segment; none if it was only truncated there.
    pub(in crate::log) count: u32,
    /// The segment before that says anything of it.
    pub(in crate::log) before: Option<u32>,
}

impl Listed {
    /// The first of the events in the segment.
    pub(in crate::log) fn first(&self) -> Sequence {
        Sequence(self.head.sequence.0 + 1 - u64::from(self.count))
    }
}

/// Where a block begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::log) struct BlockPlace {
    /// Its first event, counted from that of the segment.
    pub(in crate::log) event: u32,
    /// Its first byte in the segment.
    pub(in crate::log) offset: u32,
    /// When it was committed.
    pub(in crate::log) timestamp: Timestamp,
}

/// One event of a stream, on its way into an index.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct Indexed {
    pub(in crate::log) id: EventId,
    pub(in crate::log) chain: ChainHash,
    /// Where its record begins in the segment.
    pub(in crate::log) offset: u32,
}

/// The streams and events of one segment, in memory. Events are counted from the segment's first.
#[derive(Debug)]
pub(in crate::log) struct ActiveIndex {
    pub(in crate::log) segment: u32,
    /// The position of the segment's first event.
    pub(in crate::log) position: u64,
    /// Where the last block ends.
    pub(in crate::log) end: u64,
    /// The last block's checksum.
    pub(in crate::log) crc: u32,
    /// Truncations in the log up to there.
    pub(in crate::log) truncations: u64,
    pub(super) offsets: Vec<u32>,
    /// For each event the one before it in its stream, if that is in the segment.
    earlier: Vec<u32>,
    pub(super) blocks: Vec<BlockPlace>,
    pub(super) streams: HashMap<StreamId, Entry>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) listed: Listed,
    /// The last event of the stream.
    last: u32,
}

impl ActiveIndex {
    /// The index of a segment without events.
    pub(in crate::log) fn new(segment: u32, position: u64, truncations: u64) -> Self {
        Self {
            segment,
            position,
            end: 0,
            crc: 0,
            truncations,
            offsets: Vec::new(),
            earlier: Vec::new(),
            blocks: Vec::new(),
            streams: HashMap::new(),
        }
    }

    /// The index of the segment that follows, with room for as much as is in this one: who appends does not wait
    /// until tables have grown.
    pub(in crate::log) fn next(&self, segment: u32) -> Self {
        Self {
            offsets: Vec::with_capacity(self.offsets.len()),
            earlier: Vec::with_capacity(self.earlier.len()),
            blocks: Vec::with_capacity(self.blocks.len()),
            streams: HashMap::with_capacity(self.streams.len()),
            ..Self::new(segment, self.next_position(), self.truncations)
        }
    }

    /// Where the last block ends.
    pub(in crate::log) fn end_place(&self) -> Place {
        Place { segment: self.segment, offset: self.end }
    }

    /// The position after the last event.
    pub(in crate::log) fn next_position(&self) -> u64 {
        self.position + self.offsets.len() as u64
    }

    /// About how many bytes it takes.
    pub(in crate::log) fn memory(&self) -> usize {
        self.offsets.len() * EVENT_MEMORY + self.streams.len() * STREAM_MEMORY + self.blocks.len() * 24
    }

    pub(in crate::log) fn get(&self, stream: &str) -> Option<Listed> {
        self.streams.get(stream).map(|entry| entry.listed)
    }

    pub(in crate::log) fn heads(&self) -> impl Iterator<Item = (&StreamId, &StreamHead)> {
        self.streams.iter().map(|(stream, entry)| (stream, &entry.listed.head))
    }

    /// Notes that a block begins, whose events come next.
    pub(in crate::log) fn begin_block(&mut self, offset: u64, timestamp: Timestamp) {
        let event = self.offsets.len() as u32;
        self.blocks.push(BlockPlace { event, offset: offset as u32, timestamp });
    }

    /// Notes where the last block ends.
    pub(in crate::log) fn end_block(&mut self, end: u64, crc: u32) {
        (self.end, self.crc) = (end, crc);
    }

    /// Adds the next events, which are the next of their stream. `before` is the stream's head as it was before
    /// the segment; it is asked for only where the segment does not know the stream, and so is its id.
    pub(in crate::log) fn push(
        &mut self,
        stream: &str,
        id_of: impl FnOnce() -> StreamId,
        before: Option<&StreamHead>,
        events: impl IntoIterator<Item = Indexed>,
    ) {
        let mut events = events.into_iter();
        if !self.streams.contains_key(stream) {
            let Some(first) = events.next() else { return };
            self.begin(id_of(), before, first);
        }
        let Some(entry) = self.streams.get_mut(stream) else { return };
        let Listed { head, count, .. } = &mut entry.listed;
        for Indexed { id, chain, offset } in events {
            let at = self.offsets.len() as u32;
            self.offsets.push(offset);
            self.earlier.push(if *count == 0 { NONE } else { entry.last });
            (head.sequence, head.chain, head.highest) = (head.sequence.plus(1), chain, head.highest.max(id));
            (*count, entry.last) = (*count + 1, at);
        }
    }

    /// Adds the first event that the segment has of a stream.
    fn begin(&mut self, stream: StreamId, before: Option<&StreamHead>, event: Indexed) {
        let Indexed { id, chain, offset } = event;
        let (at, segment) = (self.offsets.len() as u32, self.segment);
        self.offsets.push(offset);
        self.earlier.push(NONE);
        let head = match before {
            Some(head) => StreamHead {
                sequence: head.sequence.plus(1),
                chain,
                highest: head.highest.max(id),
                segment,
                ..*head
            },
            None => StreamHead {
                sequence: Sequence::FIRST,
                chain,
                highest: id,
                first: Sequence::FIRST,
                anchor: ChainHash::START,
                segment,
            },
        };
        let listed = Listed { head, count: 1, before: before.map(|head| head.segment) };
        self.streams.insert(stream, Entry { listed, last: at });
    }

    /// Takes note of a truncation; `head` is the stream's before it.
    pub(in crate::log) fn truncate(
        &mut self,
        stream: &StreamId,
        head: &StreamHead,
        (first, anchor): (Sequence, ChainHash),
    ) {
        self.truncations += 1;
        let segment = self.segment;
        let new = || Entry {
            listed: Listed { head: StreamHead { segment, ..*head }, count: 0, before: Some(head.segment) },
            last: NONE,
        };
        let entry = self.streams.entry(stream.clone()).or_insert_with(new);
        (entry.listed.head.first, entry.listed.head.anchor) = (first, anchor);
    }

    /// The events of a stream, from `first` on, or from the first in the segment, and at most `count` of them.
    pub(in crate::log) fn events_of(&self, stream: &str, first: Sequence, count: usize) -> Vec<u32> {
        let Some(entry) = self.streams.get(stream) else { return Vec::new() };
        let before = first.0.saturating_sub(entry.listed.first().0);
        let rest = u64::from(entry.listed.count).saturating_sub(before);
        let wanted = rest.min(count as u64);
        let links = std::iter::successors(Some(entry.last), |at| {
            Some(self.earlier[*at as usize]).filter(|earlier| *earlier != NONE)
        });
        let mut events: Vec<u32> = links.skip((rest - wanted) as usize).take(wanted as usize).collect();
        events.reverse();
        events
    }

    pub(in crate::log) fn events(&self) -> u32 {
        self.offsets.len() as u32
    }

    /// How many blocks there are.
    pub(in crate::log) fn blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Where an event's record begins, and the byte before which it ends.
    pub(in crate::log) fn place(&self, event: u32) -> (u32, u32) {
        let next = self.offsets.get(event as usize + 1).copied();
        (self.offsets[event as usize], next.unwrap_or(self.end as u32))
    }

    /// Where the last block begins.
    pub(in crate::log) fn last_block(&self) -> Option<u64> {
        self.blocks.last().map(|block| u64::from(block.offset))
    }

    /// When an event was committed.
    pub(in crate::log) fn timestamp(&self, event: u32) -> Timestamp {
        // Blocks of truncations alone have no event of their own: the last block that begins at or before it.
        let after = self.blocks.partition_point(|block| block.event <= event);
        after.checked_sub(1).map_or(Timestamp::default(), |at| self.blocks[at].timestamp)
    }
}

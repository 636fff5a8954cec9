//! The index of a segment, in memory or in a file, and where it says that events lie.

use std::io;
use std::ops::Range;

use super::active::{ActiveIndex, Listed};
use super::file::{IndexFile, List, ListPlace};
use crate::event::{Sequence, StreamId, Timestamp};
use crate::log::format::StreamKey;

/// The index of a segment, wherever it is.
#[derive(Debug)]
pub(in crate::log) enum AnyIndex<'a> {
    Memory(&'a ActiveIndex),
    File(&'a IndexFile),
}

/// Where an event lies.
#[derive(Clone, Copy, Debug)]
pub(in crate::log) struct Located {
    pub(in crate::log) segment: u32,
    pub(in crate::log) position: u64,
    /// Where its record begins, and the byte before which it ends.
    pub(in crate::log) offset: u32,
    pub(in crate::log) end: u32,
    pub(in crate::log) timestamp: Timestamp,
}

impl AnyIndex<'_> {
    pub(in crate::log) fn truncations(&self) -> u64 {
        match self {
            Self::Memory(index) => index.truncations,
            Self::File(index) => index.head.truncations,
        }
    }

    /// Where the last block ends.
    pub(in crate::log) fn end(&self) -> u64 {
        match self {
            Self::Memory(index) => index.end,
            Self::File(index) => index.head.end,
        }
    }

    /// The position of the first event, and how many there are.
    pub(in crate::log) fn extent(&self) -> (u64, u32) {
        match self {
            Self::Memory(index) => (index.position, index.events()),
            Self::File(index) => (index.head.position, index.head.events),
        }
    }

    /// What it says of a stream, and where those of its events lie that have sequences in a range.
    pub(in crate::log) fn part(
        &self,
        (stream, key): (&StreamId, StreamKey),
        (first, last): (Sequence, Sequence),
    ) -> io::Result<Option<(Listed, Vec<Located>)>> {
        let Some((listed, list)) = self.listed((stream, key))? else { return Ok(None) };
        let range = span(&listed, first, last);
        let events = match self {
            _ if range.is_empty() => Vec::new(),
            Self::Memory(index) => index.events_of(stream.as_str(), first, range.len()),
            Self::File(index) => match list {
                Some(list) => index.events_of(list, range, &mut None)?,
                None => Vec::new(),
            },
        };
        Ok(Some((listed, self.locate(&events)?)))
    }

    /// What it says of a stream, and where its list is, if that is in a file.
    pub(in crate::log) fn listed(
        &self,
        (stream, key): (&StreamId, StreamKey),
    ) -> io::Result<Option<(Listed, Option<List>)>> {
        Ok(match self {
            Self::Memory(index) => index.get(stream.as_str()).map(|listed| (listed, None)),
            Self::File(index) => index.find(key)?.map(|found| (found.listed, Some(found.list()))),
        })
    }

    /// As [`part`](Self::part), of a stream of which the first event in the segment is known, and where its list
    /// begins if that is in a file.
    pub(in crate::log) fn part_of(
        &self,
        (stream, key): (&StreamId, StreamKey),
        (begin, list): (Sequence, Option<List>),
        (first, last): (Sequence, Sequence),
        place: &mut Option<ListPlace>,
    ) -> io::Result<Option<Vec<Located>>> {
        let (Self::File(index), Some(list)) = (self, list) else {
            return Ok(self.part((stream, key), (first, last))?.map(|(_, located)| located));
        };
        let after = |sequence: u64| sequence.saturating_sub(begin.0).min(u64::from(list.count)) as u32;
        let events = index.events_of(list, after(first.0)..after(last.0.saturating_add(1)), place)?;
        self.locate(&events).map(Some)
    }

    /// Where events lie, which are counted from the segment's first.
    pub(in crate::log) fn locate(&self, events: &[u32]) -> io::Result<Vec<Located>> {
        match self {
            Self::Memory(index) => Ok(events
                .iter()
                .map(|event| {
                    let (offset, end) = index.place(*event);
                    let (segment, position) = (index.segment, index.position + u64::from(*event));
                    Located { segment, position, offset, end, timestamp: index.timestamp(*event) }
                })
                .collect()),
            Self::File(index) => {
                let (places, timestamps) = (index.places(events)?, index.timestamps(events)?);
                let (segment, position) = (index.head.segment, index.head.position);
                let located = events.iter().zip(places).zip(timestamps);
                let located = located.map(|((event, (offset, end)), timestamp)| Located {
                    segment,
                    position: position + u64::from(*event),
                    offset,
                    end,
                    timestamp,
                });
                Ok(located.collect())
            }
        }
    }
}

/// Which events of a stream from `first` to `last` are in a segment, counted from the first that is.
fn span(listed: &Listed, first: Sequence, last: Sequence) -> Range<u32> {
    let begin = first.max(listed.first());
    let end = last.min(listed.head.sequence);
    if listed.count == 0 || begin > end {
        return 0..0;
    }
    let after = |sequence: Sequence| (sequence.0 - listed.first().0) as u32;
    after(begin)..after(end) + 1
}

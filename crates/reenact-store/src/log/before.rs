//! Where streams stand before a segment whose events are taken in.

use std::cell::RefCell;
use std::io;

use super::format::StreamKey;
use super::index::StreamHead;
use super::shared::Shared;
use crate::event::StreamId;
use crate::limits::LOG_EARLIER_INDEXES;
use crate::store::ReadError;

/// Where streams stand before the segment.
pub(super) trait Before {
    fn head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError>;
}

impl<F: Fn(&StreamId) -> Result<Option<StreamHead>, ReadError>> Before for F {
    fn head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
        self(stream)
    }
}

/// Looks for streams before a segment. Nearly all that are in one are in one of the last before it too, and what these
/// know is read at once: to look for thousands of streams one by one takes longer than to take in their events.
#[derive(Debug)]
pub(super) struct Earlier<'a> {
    shared: &'a Shared,
    segment: u32,
    near: RefCell<Near>,
}

/// What the indexes of some segments say, the last segment first.
#[derive(Debug, Default)]
struct Near {
    /// Sorted, each.
    heads: Vec<Vec<(StreamKey, StreamHead)>>,
    /// Whether there is no more to be read at once.
    is_all: bool,
}

impl<'a> Earlier<'a> {
    pub(super) fn new(shared: &'a Shared, segment: u32) -> Self {
        Self { shared, segment, near: RefCell::default() }
    }

    /// Looks among the last segments, of which it reads as many as it takes.
    fn find_near(&self, key: StreamKey) -> Option<StreamHead> {
        let mut near = self.near.borrow_mut();
        let mut at = 0;
        loop {
            if at == near.heads.len() && !near.is_all {
                self.read_more(&mut near);
            }
            let heads = near.heads.get(at)?;
            if let Ok(found) = heads.binary_search_by_key(&key, |(key, _)| *key) {
                return Some(heads[found].1);
            }
            at += 1;
        }
    }

    /// Reads one more index. One that cannot be read is made again by who looks for a stream, and none before it may
    /// be asked.
    fn read_more(&self, near: &mut Near) {
        let indexed = self.shared.indexed_before(self.segment);
        let next = indexed.and_then(|nearest| nearest.checked_sub(near.heads.len() as u32));
        let next = next.filter(|segment| *segment >= self.shared.state().first);
        let heads = next.and_then(|segment| {
            let read = self.shared.in_file(segment, |index| {
                let heads = index.streams().map(|stream| stream.map(|(key, found)| (key, found.listed.head)));
                heads.collect::<io::Result<_>>()
            });
            read.ok()
        });
        near.is_all = heads.is_none() || near.heads.len() + 1 >= LOG_EARLIER_INDEXES;
        near.heads.extend(heads);
    }
}

impl Before for Earlier<'_> {
    fn head(&self, stream: &StreamId) -> Result<Option<StreamHead>, ReadError> {
        if let Some(head) = self.shared.sealed_before(stream, self.segment) {
            return Ok(Some(head));
        }
        match self.find_near(self.shared.log.key(stream)) {
            Some(head) => Ok(Some(head)),
            None => self.shared.head_before(stream, self.segment),
        }
    }
}

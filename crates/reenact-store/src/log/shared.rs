//! What the log's thread, its readers and its subscriptions share.

use std::sync::{OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;

use super::format::{LogId, Record};
use super::index::{Index, Place};
use super::storage::Storage;
use crate::chain::ChainHash;
use crate::event::{Checkpoint, Event, Head, PartitionId, Position, Sequence, StreamId};
use crate::page::{Page, check_partitions, sequences};
use crate::store::{BoxFuture, Direction, ReadError, Scope};
use crate::subscription::PageSource;

/// The one partition that the log has.
pub(super) const PARTITION: PartitionId = PartitionId(0);

/// The durable part of the log.
///
/// Reading happens on the thread that asks for it: nearly always the bytes are in the system's page cache,
/// and then handing over to another thread costs more than reading. A page is bounded, and so is for how long
/// a thread can be held up when the disk has to be asked.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) storage: Box<dyn Storage>,
    pub(super) log: LogId,
    index: RwLock<Index>,
    /// The failure after which nothing is written any more.
    pub(super) poison: OnceLock<String>,
}

impl Shared {
    pub(super) fn new(storage: Box<dyn Storage>, log: LogId, index: Index) -> Self {
        Self { storage, log, index: RwLock::new(index), poison: OnceLock::new() }
    }

    /// The index is changed by additions only, so that one whose lock a panic poisoned is still true.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the events of a stream are from `from` on, with their positions.
    fn places(
        &self,
        stream: &StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> Vec<(u64, Place)> {
        let index = self.index();
        let positions = index.positions(stream);
        let wanted = sequences(positions.len() as u64, from, direction).take(limit);
        let positions = wanted.map(|at| u64::from(positions[at as usize]));
        positions.filter_map(|position| Some((position, index.place(position)?))).collect()
    }

    pub(super) fn read(
        &self,
        stream: &StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> Result<Vec<Event>, ReadError> {
        let page = Page::new(limit);
        let places = self.places(stream, from, direction, page.limit());
        self.load_page(page, places)
    }

    pub(super) fn read_all(&self, after: &Checkpoint, limit: usize) -> Result<Vec<Event>, ReadError> {
        check_partitions(after, 1)?;
        let page = Page::new(limit);
        let first = after.get(PARTITION).map_or(0, |seen| seen.0.saturating_add(1));
        let index = self.index();
        let positions = (first..index.events()).take(page.limit());
        let places = positions.filter_map(|position| Some((position, index.place(position)?))).collect();
        drop(index);
        self.load_page(page, places)
    }

    fn load_page(&self, mut page: Page, places: Vec<(u64, Place)>) -> Result<Vec<Event>, ReadError> {
        for (position, place) in places {
            if !page.wants_more() {
                break;
            }
            page.push(self.load(position, place)?.0);
        }
        Ok(page.into_events())
    }

    /// Reads an event of a stream, and the chain at it.
    pub(super) fn load_one(
        &self,
        stream: &StreamId,
        sequence: Sequence,
    ) -> Result<Option<(Event, ChainHash)>, ReadError> {
        let place = self.places(stream, sequence, Direction::Forward, 1).pop();
        place.map(|(position, place)| self.load(position, place)).transpose()
    }

    fn load(&self, position: u64, place: Place) -> Result<(Event, ChainHash), ReadError> {
        let mut bytes = vec![0; place.bytes()];
        if let Err(error) = self.storage.read_exact_at(&mut bytes, place.offset()) {
            let reason = format!("the log cannot be read at byte {}: {error}", place.offset());
            return Err(ReadError::Unavailable { reason });
        }
        let read = Record::read(self.log, position, &Bytes::from(bytes));
        let position = Position(position);
        let Record { timestamp, chain, stream, sequence, event, .. } = read.map_err(|reason| {
            let reason = format!("{reason}, at byte {} of the log", place.offset());
            ReadError::Damaged { partition: PARTITION, position, reason }
        })?;
        Ok((Event::stored(event, &stream, sequence, (PARTITION, position), timestamp), chain))
    }

    pub(super) fn head(&self, stream: &StreamId) -> Option<Head> {
        self.index().head(stream)
    }
}

/// What subscriptions read from; it does not keep the log's thread running.
#[derive(Debug)]
pub(super) struct Source(pub(super) std::sync::Arc<Shared>);

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

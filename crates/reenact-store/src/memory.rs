//! A store that keeps its events in memory, for tests and for what need not last.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::{Bound, Range};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use crate::chain::{ChainHash, canonical_bytes};
use crate::clock::SteadyClock;
use crate::decide::{Decision, RecentIds, StreamIds, check_events, check_truncation, decide};
use crate::event::{
    Checkpoint, Event, EventId, ExpectedSequence, Head, NewEvent, PartitionId, Position, Receipt, Sequence,
    StreamId,
};
use crate::limits::{MEMORY_BYTES_MAX, PARTITIONS_MAX};
use crate::page::{Page, check_partitions, sequences};
use crate::store::{AppendError, BoxFuture, Direction, EventStore, ReadError, Scope, TruncateError};
use crate::subscription::{PageSource, Subscription};

/// Keeps events in memory. It holds to the whole contract but for one thing: acknowledged means that the
/// event is in memory, and it is gone with the process.
#[derive(Debug)]
pub struct MemoryStore {
    partitions: Arc<[RwLock<Partition>]>,
    commits: watch::Sender<u64>,
}

#[derive(Debug)]
struct Partition {
    id: PartitionId,
    events: BTreeMap<Position, (Event, ChainHash)>,
    /// Where the next event goes; positions of truncated events are not given again.
    next: Position,
    streams: HashMap<StreamId, Stream>,
    recent: RecentIds,
    clock: SteadyClock,
    bytes: u64,
    bytes_max: u64,
}

/// A stream that has, or had, events.
#[derive(Clone, Debug)]
struct Stream {
    /// The first event that was not truncated.
    first: Sequence,
    /// The chain before it.
    anchor: ChainHash,
    /// The chain at the last event.
    chain: ChainHash,
    /// Where the events from `first` on are.
    positions: VecDeque<Position>,
}

impl Stream {
    /// A stream before its first event.
    const EMPTY: Self = Self {
        first: Sequence::FIRST,
        anchor: ChainHash::START,
        chain: ChainHash::START,
        positions: VecDeque::new(),
    };

    fn kept(&self) -> Range<Sequence> {
        self.first..self.first.plus(self.positions.len() as u64)
    }

    fn last(&self) -> Option<Sequence> {
        self.kept().end.0.checked_sub(1).map(Sequence)
    }

    /// Where an event that was not truncated is.
    fn position(&self, at: Sequence) -> Position {
        self.positions[(at.0 - self.first.0) as usize]
    }

    fn head(&self) -> Option<Head> {
        let Self { first, anchor, chain, .. } = *self;
        self.last().map(|sequence| Head { sequence, chain, first, anchor })
    }
}

impl MemoryStore {
    /// An empty store of 1 to 1,024 `partitions`; other numbers are brought into that range. It holds at most
    /// 4 GiB of events, shared out evenly among the partitions.
    pub fn new(partitions: u32) -> Self {
        let partitions = partitions.clamp(1, PARTITIONS_MAX);
        let bytes_max = MEMORY_BYTES_MAX / u64::from(partitions);
        let partition = |id| RwLock::new(Partition::new(PartitionId(id), bytes_max));
        Self { partitions: (0..partitions).map(partition).collect(), commits: watch::Sender::new(0) }
    }

    fn partition(&self, stream: &StreamId) -> &RwLock<Partition> {
        &self.partitions[PartitionId::of(stream, self.partitions()).0 as usize]
    }
}

impl EventStore for MemoryStore {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: ExpectedSequence,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(async move {
            check_events(stream, &events)?;
            let receipt = write(self.partition(stream)).append(stream, expected, events)?;
            self.commits.send_modify(|commits| *commits += 1);
            Ok(receipt)
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move { Ok(read(self.partition(stream)).read(stream, from, direction, limit)) })
    }

    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move { read_all(&self.partitions, after, limit) })
    }

    fn subscribe(&self, scope: Scope) -> Subscription {
        let source = Box::new(Source(Arc::clone(&self.partitions)));
        Subscription::new(source, scope, self.commits.subscribe())
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>> {
        Box::pin(async move { Ok(read(self.partition(stream)).head(stream)) })
    }

    fn truncate<'a>(
        &'a self,
        stream: &'a StreamId,
        before: Sequence,
    ) -> BoxFuture<'a, Result<Head, TruncateError>> {
        Box::pin(async move { write(self.partition(stream)).truncate(stream, before) })
    }

    fn partitions(&self) -> u32 {
        self.partitions.len() as u32
    }
}

/// What subscriptions read from; it does not keep the store open.
#[derive(Debug)]
struct Source(Arc<[RwLock<Partition>]>);

impl PageSource for Source {
    fn page<'a>(&'a self, scope: &'a Scope, limit: usize) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        Box::pin(async move {
            match scope {
                Scope::All(after) => read_all(&self.0, after, limit),
                Scope::Stream(stream, from) => {
                    let partition = &self.0[PartitionId::of(stream, self.0.len() as u32).0 as usize];
                    Ok(read(partition).read(stream, *from, Direction::Forward, limit))
                }
            }
        })
    }
}

fn read_all(
    partitions: &[RwLock<Partition>],
    after: &Checkpoint,
    limit: usize,
) -> Result<Vec<Event>, ReadError> {
    check_partitions(after, partitions.len() as u32)?;
    let mut page = Page::new(limit);
    for partition in partitions {
        let partition = read(partition);
        let seen = after.get(partition.id).map_or(Bound::Unbounded, Bound::Excluded);
        for (event, _) in partition.events.range((seen, Bound::Unbounded)).map(|(_, stored)| stored) {
            if !page.wants_more() {
                break;
            }
            page.push(event.clone());
        }
    }
    Ok(page.into_events())
}

/// A partition is changed in one step at the end of an append or a truncation, so that one whose lock a panic
/// poisoned is still whole.
fn read(partition: &RwLock<Partition>) -> std::sync::RwLockReadGuard<'_, Partition> {
    partition.read().unwrap_or_else(PoisonError::into_inner)
}

fn write(partition: &RwLock<Partition>) -> std::sync::RwLockWriteGuard<'_, Partition> {
    partition.write().unwrap_or_else(PoisonError::into_inner)
}

impl Partition {
    fn new(id: PartitionId, bytes_max: u64) -> Self {
        Self {
            id,
            events: BTreeMap::new(),
            next: Position(0),
            streams: HashMap::new(),
            recent: RecentIds::default(),
            clock: SteadyClock::system(),
            bytes: 0,
            bytes_max,
        }
    }

    fn stream(&self, stream: &StreamId) -> &Stream {
        static NONE: Stream = Stream::EMPTY;
        self.streams.get(stream).unwrap_or(&NONE)
    }

    fn read(&self, stream: &StreamId, from: Sequence, direction: Direction, limit: usize) -> Vec<Event> {
        let stream = self.stream(stream);
        let mut page = Page::new(limit);
        for at in sequences(stream.kept(), from, direction) {
            if !page.wants_more() {
                break;
            }
            page.push(self.events[&stream.position(at)].0.clone());
        }
        page.into_events()
    }

    fn head(&self, stream: &StreamId) -> Option<Head> {
        self.stream(stream).head()
    }

    fn receipt(&self, stream: &StreamId, first: Sequence, count: usize) -> Receipt {
        let last = first.plus(count as u64 - 1);
        let position = self.stream(stream).position(last);
        Receipt { first, last, partition: self.id, position, chain: self.events[&position].1 }
    }

    fn append(
        &mut self,
        stream: &StreamId,
        expected: ExpectedSequence,
        events: Vec<NewEvent>,
    ) -> Result<Receipt, AppendError> {
        let mut recent = std::mem::take(&mut self.recent);
        let decision =
            decide(&mut Known { partition: self, stream, recent: &mut recent }, stream, expected, &events);
        self.recent = recent;
        let count = events.len();
        let first = match decision? {
            Decision::Retry(first) => return Ok(self.receipt(stream, first, count)),
            Decision::Append(first) => first,
        };
        let bytes = events.iter().map(|event| canonical_bytes(stream, event) as u64).sum();
        if self.bytes.saturating_add(bytes) > self.bytes_max {
            let reason = format!("{} of {} bytes are taken", self.bytes, self.bytes_max);
            return Err(AppendError::Full { bytes, reason });
        }
        self.bytes += bytes;
        self.recent.push(stream, first, &events);
        self.push(stream, first, events);
        Ok(self.receipt(stream, first, count))
    }

    fn push(&mut self, stream: &StreamId, first: Sequence, events: Vec<NewEvent>) {
        let timestamp = self.clock.tick();
        let there = self.streams.entry(stream.clone()).or_insert(Stream::EMPTY);
        for (sequence, event) in (first.0..).map(Sequence).zip(events) {
            let position = self.next;
            there.chain = there.chain.then(stream, sequence, &event);
            there.positions.push_back(position);
            let event = Event::stored(event, stream, sequence, (self.id, position), timestamp);
            self.events.insert(position, (event, there.chain));
            self.next.0 += 1;
        }
    }

    fn truncate(&mut self, stream: &StreamId, before: Sequence) -> Result<Head, TruncateError> {
        check_truncation(stream, before, self.stream(stream).last())?;
        let there = self.streams.entry(stream.clone()).or_insert(Stream::EMPTY);
        while there.first < before
            && let Some(position) = there.positions.pop_front()
        {
            there.first = there.first.plus(1);
            if let Some((event, chain)) = self.events.remove(&position) {
                there.anchor = chain;
                self.bytes -= canonical_bytes(stream, &event.to_new()) as u64;
            }
        }
        Ok(there.head().expect("a stream without events is not truncated"))
    }
}

/// A stream as [`decide`] sees it.
struct Known<'a> {
    partition: &'a Partition,
    stream: &'a StreamId,
    recent: &'a mut RecentIds,
}

impl StreamIds for Known<'_> {
    fn head(&self) -> Option<Sequence> {
        self.partition.stream(self.stream).last()
    }

    fn first(&mut self) -> Result<Sequence, ReadError> {
        Ok(self.partition.stream(self.stream).first)
    }

    fn ids(&mut self, first: Sequence, count: usize) -> Result<Vec<EventId>, ReadError> {
        Ok(self.partition.ids(self.stream, first, count))
    }

    fn find_recent(&mut self, id: EventId) -> Result<Option<Sequence>, ReadError> {
        let (partition, stream) = (self.partition, self.stream);
        let load = |first, count| Ok(partition.ids(stream, first, count));
        self.recent.find((stream, partition.stream(stream).kept()), (id, None), load)
    }
}

impl Partition {
    fn ids(&self, stream: &StreamId, first: Sequence, count: usize) -> Vec<EventId> {
        let stream = self.stream(stream);
        let sequences = sequences(stream.kept(), first, Direction::Forward).take(count);
        sequences.map(|at| self.events[&stream.position(at)].0.id).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::event::{EventKind, Timestamp};

    #[test]
    fn a_full_partition_says_so_and_keeps_what_it_has() {
        let mut partition = Partition::new(PartitionId(0), 1_000);
        let stream = StreamId::new("s").unwrap();
        let event = |bytes| vec![NewEvent::new(EventKind::new("k").unwrap(), vec![0; bytes])];
        partition.append(&stream, ExpectedSequence::NoStream, event(500)).unwrap();
        let error = partition.append(&stream, ExpectedSequence::Any, event(500)).unwrap_err();
        assert!(matches!(error, AppendError::Full { bytes: 534, .. }), "{error}");
        partition.append(&stream, ExpectedSequence::Any, event(300)).unwrap();
        assert_eq!(partition.head(&stream).unwrap().sequence, Sequence(1));
        partition.truncate(&stream, Sequence(1)).unwrap();
        partition.append(&stream, ExpectedSequence::Any, event(500)).unwrap();
    }

    #[test]
    fn timestamps_never_decrease() {
        let mut partition = Partition::new(PartitionId(0), 1_000);
        let last = Timestamp(u64::MAX);
        partition.clock = SteadyClock::new(Arc::new(SystemClock), last);
        let stream = StreamId::new("s").unwrap();
        let event = NewEvent::new(EventKind::new("k").unwrap(), "");
        partition.append(&stream, ExpectedSequence::Any, vec![event]).unwrap();
        assert_eq!(partition.events[&Position(0)].0.timestamp, last);
    }

    #[test]
    fn a_position_is_never_given_twice() {
        let mut partition = Partition::new(PartitionId(0), 1_000);
        let stream = StreamId::new("s").unwrap();
        let append = |partition: &mut Partition| {
            let event = NewEvent::new(EventKind::new("k").unwrap(), "");
            partition.append(&stream, ExpectedSequence::Any, vec![event]).unwrap().position
        };
        assert_eq!(append(&mut partition), Position(0));
        partition.truncate(&stream, Sequence(1)).unwrap();
        assert_eq!(append(&mut partition), Position(1));
    }
}

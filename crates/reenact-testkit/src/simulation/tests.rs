use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::task::Poll;

use reenact_store::chain::ChainHash;
use reenact_store::clock::Clock;
use reenact_store::{
    AppendError, BoxFuture, Checkpoint, Direction, Event, EventStore, ExpectedSequence, Head, MemoryStore,
    NewEvent, PartitionId, Position, ReadError, Receipt, Scope, Sequence, StreamId, Subscription, Timestamp,
    TruncateError,
};

use super::*;
use crate::sim_disk::{Call, SimDisk};
use crate::store::events;

use ExpectedSequence::{Any, Exact, NoStream};

/// Events in memory, as a store that was opened again gives them; heads are those of the events.
#[derive(Clone, Debug, Default)]
struct Found {
    events: Vec<Event>,
    /// Of streams that do not begin with their first event.
    anchors: Vec<(StreamId, Sequence, ChainHash)>,
}

impl Found {
    fn of(&self, stream: &StreamId) -> impl DoubleEndedIterator<Item = &Event> {
        self.events.iter().filter(move |event| event.stream == *stream)
    }
}

impl EventStore for Found {
    fn append<'a>(
        &'a self,
        _: &'a StreamId,
        _: ExpectedSequence,
        _: Vec<NewEvent>,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(async { Err(AppendError::ReadOnly) })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Sequence,
        _: Direction,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        let events = self.of(stream).skip_while(move |event| event.sequence < from).take(limit);
        let events = events.cloned().collect();
        Box::pin(async { Ok(events) })
    }

    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        let seen = after.get(PartitionId(0));
        // A store goes on where it left off, also if positions are not in order.
        let next = self.events.iter().rposition(|event| Some(event.position) == seen).map_or(0, |at| at + 1);
        let events = self.events[next..].iter().take(limit).cloned().collect();
        Box::pin(async { Ok(events) })
    }

    fn subscribe(&self, _: Scope) -> Subscription {
        unimplemented!("nobody subscribes")
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>> {
        let anchor = self.anchors.iter().find(|(of, ..)| of == stream);
        let begin = anchor.map(|(_, first, anchor)| (*first, *anchor));
        let (first, anchor) = begin.unwrap_or((Sequence::FIRST, ChainHash::START));
        let chain =
            self.of(stream).fold(anchor, |chain, event| chain.then(stream, event.sequence, &event.to_new()));
        let last = self.of(stream).next_back().map(|event| event.sequence);
        let last = last.or(first.0.checked_sub(1).map(Sequence));
        let head = last.map(|sequence| Head { sequence, chain, first, anchor });
        Box::pin(async move { Ok(head) })
    }

    fn truncate<'a>(&'a self, _: &'a StreamId, _: Sequence) -> BoxFuture<'a, Result<Head, TruncateError>> {
        Box::pin(async { Err(AppendError::ReadOnly.into()) })
    }

    fn partitions(&self) -> u32 {
        1
    }
}

/// A store after three appends to each of two streams were acknowledged, and what is known of it.
fn acknowledged() -> (MemoryStore, Model) {
    let (store, mut model) = (MemoryStore::new(1), Model::new(2, 1));
    for _ in 0..3 {
        for stream in 0..2 {
            let expected = ExpectedSequence::after(model.perhaps_last(stream));
            let batch = model.hand_over(stream, expected, events(2));
            let receipt = append(&store, &model, batch);
            model.acknowledge(batch, receipt).unwrap();
        }
    }
    model.see_all(&store).unwrap();
    (store, model)
}

fn append(store: &MemoryStore, model: &Model, batch: usize) -> Receipt {
    let Batch { stream, expected, ref events, .. } = model.batches()[batch];
    now(store.append(model.stream(stream), expected, events.clone())).unwrap()
}

fn found(store: &MemoryStore) -> Found {
    Found { events: now(store.read_all(&Checkpoint::START, 1_000)).unwrap(), anchors: Vec::new() }
}

/// Holds what is found after damage against what must be there.
fn check(breach: impl Into<Option<Breach>>, damage: impl Fn(&mut Found, &mut Model)) {
    let (store, mut model) = acknowledged();
    let mut found = found(&store);
    damage(&mut found, &mut model);
    let seen = model.see_all_after_opening(&found);
    assert_eq!(seen.err().map(|violation| violation.breach), breach.into());
}

/// Puts events at the end of a stream.
fn put(found: &mut Found, stream: &StreamId, events: &[NewEvent]) {
    for event in events {
        let sequence = found.of(stream).next_back().map_or(Sequence(0), |event| event.sequence.plus(1));
        let last = found.events.last().unwrap().clone();
        let position = Position(last.position.0 + 1);
        let NewEvent { id, kind, payload, .. } = event.clone();
        found.events.push(Event { id, kind, payload, sequence, position, stream: stream.clone(), ..last });
    }
}

#[test]
fn what_is_as_it_must_be_passes() {
    check(None, |_, _| {});
}

#[test]
fn a_loss_is_found_wherever_it_is() {
    check(Breach::Lost, |found, _| drop(found.events.pop()));
    check(Breach::Lost, |found, _| found.events.clear());
    check(Breach::Lost, |found, _| found.events.truncate(7));
    check(Breach::Disordered, |found, _| drop(found.events.remove(4)));
    check(Breach::Disordered, |found, _| drop(found.events.remove(0)));
}

#[test]
fn a_loss_that_is_papered_over_is_found() {
    check(Breach::Changed, |found, _| {
        let lost = found.events.remove(4);
        let later = found.events.iter_mut().skip(4).filter(|event| event.stream == lost.stream);
        later.for_each(|event| event.sequence.0 -= 1);
    });
}

#[test]
fn an_event_that_is_there_twice_is_found() {
    check(Breach::Twice, |found, model| {
        let first = model.batches()[1].events[0].clone();
        put(found, model.stream(1), &[first]);
    });
}

#[test]
fn an_event_that_nobody_appended_is_found() {
    check(Breach::Invented, |found, model| put(found, model.stream(0), &events(1)));
    check(Breach::Invented, |found, _| put(found, &crate::store::stream("foreign"), &events(1)));
    check(Breach::Invented, |found, model| {
        let batch = model.hand_over(0, Any, events(1));
        model.refuse(batch, &AppendError::Full { bytes: 1, reason: String::new() }, true).unwrap();
        put(found, model.stream(0), &model.batches()[batch].events);
    });
}

#[test]
fn an_event_that_changed_is_found() {
    check(Breach::Changed, |found, _| found.events[3].payload = "other".into());
    check(Breach::Changed, |found, _| found.events[3].timestamp = Timestamp(7));
    check(Breach::Changed, |found, _| {
        let (a, b) = (found.events[0].clone(), found.events[1].clone());
        (found.events[0].id, found.events[0].payload) = (b.id, b.payload);
        (found.events[1].id, found.events[1].payload) = (a.id, a.payload);
    });
}

#[test]
fn what_is_out_of_order_is_found() {
    check(Breach::Disordered, |found, _| found.events.swap(0, 1));
    check(Breach::Disordered, |found, _| found.events.swap(1, 2));
    check(Breach::Changed, |found, _| found.events[11].position = Position(100));
}

#[test]
fn an_append_whose_fate_is_open_is_there_as_a_whole_or_not_at_all() {
    let open = |model: &mut Model, expected, count| {
        let batch = model.hand_over(0, expected, events(count));
        model.batches()[batch].events.clone()
    };
    check(None, |_, model| drop(open(model, Any, 3)));
    check(None, |found, model| {
        let events = open(model, Any, 3);
        put(found, model.stream(0), &events);
    });
    check(None, |found, model| {
        let (first, second) = (open(model, Any, 3), open(model, Any, 2));
        put(found, model.stream(0), &second);
        put(found, model.stream(0), &first);
    });
    for there in [0..1, 0..2, 1..3] {
        check(Breach::Torn, |found, model| {
            let events = open(model, Any, 3);
            put(found, model.stream(0), &events[there.clone()]);
        });
    }
    check(Breach::Invented, |found, model| {
        let events = open(model, Exact(Sequence(4)), 1);
        put(found, model.stream(0), &events);
    });
}

#[test]
fn what_was_seen_stays() {
    let (store, mut model) = acknowledged();
    let batch = model.hand_over(0, Any, events(3));
    append(&store, &model, batch);
    model.see(&store, 0).unwrap();
    assert_eq!(model.batches()[batch].fate, Fate::There(Sequence(6), None));
    let mut found = found(&store);
    found.events.truncate(12);
    assert_eq!(model.see_all_after_opening(&found).unwrap_err().breach, Breach::Lost);
}

#[test]
fn what_was_not_there_when_the_store_was_opened_does_not_come_back() {
    let (store, mut model) = acknowledged();
    let batch = model.hand_over(0, Any, events(1));
    model.see_all_after_opening(&store).unwrap();
    append(&store, &model, batch);
    assert_eq!(model.see_all(&store).unwrap_err().breach, Breach::Invented);
}

#[test]
fn a_truncation_stays_and_none_happens_that_nobody_asked_for() {
    let cut = |found: &mut Found, model: &Model, before: u64| {
        let stream = model.stream(0).clone();
        let gone = |event: &&Event| event.sequence < Sequence(before);
        let chain = found
            .of(&stream)
            .take_while(gone)
            .fold(ChainHash::START, |chain, event| chain.then(&stream, event.sequence, &event.to_new()));
        found.events.retain(|event| event.stream != stream || event.sequence >= Sequence(before));
        found.anchors.push((stream, Sequence(before), chain));
    };
    let truncated = |model: &mut Model, found: &Found, before: u64| {
        model.ask_to_truncate(0, Sequence(before));
        let head = now(found.head(model.stream(0))).unwrap().unwrap();
        model.truncated(0, Sequence(before), &head).unwrap();
    };
    check(Breach::Truncation, |found, model| cut(found, model, 2));
    for before in [2, 6] {
        check(None, |found, model| {
            model.ask_to_truncate(0, Sequence(before));
            cut(found, model, before);
        });
        check(None, |_, model| model.ask_to_truncate(0, Sequence(before)));
        check(None, |found, model| {
            cut(found, model, before);
            truncated(model, found, before);
        });
        check(Breach::Truncation, |found, model| {
            let whole = found.clone();
            cut(found, model, before);
            truncated(model, found, before);
            *found = whole;
        });
    }
    check(Breach::Chain, |found, model| {
        model.ask_to_truncate(0, Sequence(2));
        cut(found, model, 2);
        found.anchors[0].2 = ChainHash([1; 32]);
    });
}

#[test]
fn a_receipt_that_is_not_the_right_one_is_found() {
    let check = |breach: Option<Breach>, change: fn(&mut Receipt)| {
        let (store, mut model) = acknowledged();
        let batch = model.hand_over(0, Any, events(2));
        let mut receipt = append(&store, &model, batch);
        change(&mut receipt);
        let answer = model.acknowledge(batch, receipt).and_then(|()| model.see_all(&store));
        assert_eq!(answer.err().map(|violation| violation.breach), breach);
    };
    check(None, |_| {});
    check(Some(Breach::Receipt), |receipt| receipt.first.0 -= 1);
    check(Some(Breach::Receipt), |receipt| (receipt.first.0, receipt.last.0) = (5, 6));
    check(Some(Breach::Invented), |receipt| (receipt.first.0, receipt.last.0) = (7, 8));
    check(Some(Breach::Receipt), |receipt| receipt.partition.0 = 1);
    check(Some(Breach::Chain), |receipt| receipt.chain = ChainHash::START);
    check(Some(Breach::Changed), |receipt| receipt.position.0 += 1);
    check(Some(Breach::Disordered), |receipt| receipt.position.0 = 3);

    let (store, mut model) = acknowledged();
    let receipt = append(&store, &model, 2);
    model.acknowledge(2, receipt).unwrap();
    let other = Receipt { position: Position(receipt.position.0 + 1), ..receipt };
    assert_eq!(model.acknowledge(2, other).unwrap_err().breach, Breach::Receipt);
}

#[test]
fn a_refusal_without_a_reason_is_found() {
    let check = |breach: Option<Breach>, expected, actual: Option<u64>| {
        let (_store, mut model) = acknowledged();
        let batch = model.hand_over(0, expected, events(1));
        let (stream, actual) = (model.stream(0).clone(), actual.map(Sequence));
        let error = AppendError::WrongExpectedSequence { stream, expected, actual };
        let refused = model.refuse(batch, &error, true);
        assert_eq!(refused.err().map(|violation| violation.breach), breach);
    };
    check(None, NoStream, Some(5));
    check(None, Exact(Sequence(7)), Some(5));
    check(Some(Breach::Refusal), Exact(Sequence(7)), Some(4));
    check(Some(Breach::Refusal), Exact(Sequence(5)), Some(5));
    check(Some(Breach::Refusal), Any, Some(5));

    let (_store, mut model) = acknowledged();
    let (stream, actual) = (model.stream(0).clone(), Some(Sequence(5)));
    let error = AppendError::WrongExpectedSequence { stream, expected: NoStream, actual };
    assert_eq!(model.refuse(0, &error, false).unwrap_err().breach, Breach::Refusal, "a retry");
}

/// A store that nothing can hurt: it is in memory, outside of the simulated machine. An append waits for
/// work.
#[derive(Clone, Debug)]
struct Unhurt(Arc<(MemoryStore, AtomicU64)>);

impl Unhurt {
    fn new() -> Self {
        Self(Arc::new((MemoryStore::new(1), AtomicU64::new(0))))
    }

    async fn until_work(&self) {
        let asked = self.0.1.load(Relaxed);
        poll_fn(|_| if self.0.1.load(Relaxed) > asked { Poll::Ready(()) } else { Poll::Pending }).await;
    }
}

impl EventStore for Unhurt {
    fn append<'a>(
        &'a self,
        stream: &'a StreamId,
        expected: ExpectedSequence,
        events: Vec<NewEvent>,
    ) -> BoxFuture<'a, Result<Receipt, AppendError>> {
        Box::pin(async move {
            self.until_work().await;
            self.0.0.append(stream, expected, events).await
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        from: Sequence,
        direction: Direction,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        self.0.0.read(stream, from, direction, limit)
    }

    fn read_all<'a>(
        &'a self,
        after: &'a Checkpoint,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Event>, ReadError>> {
        self.0.0.read_all(after, limit)
    }

    fn subscribe(&self, scope: Scope) -> Subscription {
        self.0.0.subscribe(scope)
    }

    fn head<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Head>, ReadError>> {
        self.0.0.head(stream)
    }

    fn truncate<'a>(
        &'a self,
        stream: &'a StreamId,
        before: Sequence,
    ) -> BoxFuture<'a, Result<Head, TruncateError>> {
        Box::pin(async move {
            self.until_work().await;
            self.0.0.truncate(stream, before).await
        })
    }

    fn partitions(&self) -> u32 {
        1
    }
}

impl Subject for Unhurt {
    type Store = Self;

    fn open(&self, disk: &SimDisk, _: Arc<dyn Clock>) -> Result<Self, String> {
        use reenact_store::disk::Disk;
        // So that there are calls in which the machine can stop.
        disk.create("opened").map_err(|error| error.to_string())?;
        Ok(self.clone())
    }

    fn work(&self, store: &Self, work: Work) {
        if work == Work::Commit {
            store.0.1.fetch_add(1, Relaxed);
        }
    }
}

#[test]
fn a_store_that_nothing_can_hurt_keeps_its_word() {
    let mut tally = Tally::default();
    for seed in 0..200 {
        let ran = crash_often(Unhurt::new(), SimDisk::new(seed), seed, 5, &Effort::default());
        tally = tally.plus(ran.unwrap_or_else(|violation| panic!("seed {seed}: {violation}")));
    }
    assert_eq!(tally.crashes, 1_000);
    assert!(tally.acknowledged > 5_000 && tally.crashes_while_opening > 10, "{tally:?}");
}

#[test]
fn a_seed_is_the_same_run_every_time() {
    let ran = || crash_often(Unhurt::new(), SimDisk::new(1), 7, 5, &Effort::default()).unwrap();
    assert_eq!(ran(), ran());
    let script = |seed| Script::new(seed, Sizes::default()).take(100).collect::<Vec<_>>();
    assert_eq!(script(1), script(1));
    assert_ne!(script(1), script(2));
}

#[test]
fn a_store_that_forgets_is_found_out() {
    // One that begins anew whenever it is opened.
    #[derive(Clone, Debug)]
    struct Fresh;
    impl Subject for Fresh {
        type Store = Unhurt;
        fn open(&self, disk: &SimDisk, clock: Arc<dyn Clock>) -> Result<Unhurt, String> {
            Unhurt::new().open(disk, clock)
        }
        fn work(&self, store: &Unhurt, work: Work) {
            store.work(store, work);
        }
    }
    assert!(is_found_out(&Fresh, Call::Sync, 3, &Effort::default()));
}

//! What every event store must hold to, and nothing beyond it.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use reenact_store::chain::ChainHash;
use reenact_store::limits::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX, RECENT_EVENTS};
use reenact_store::{
    AppendError, BoxFuture, Checkpoint, Direction, Event, EventKind, EventStore, ExpectedSequence, Head,
    NewEvent, PartitionId, ReadError, Receipt, Scope, Sequence, StreamId, Subscription, Timestamp,
    TraceContext, TruncateError, canonical_bytes,
};

use ExpectedSequence::{Any, Exact, NoStream};

type Store = Arc<dyn EventStore>;
type Check = fn(Store) -> BoxFuture<'static, ()>;

macro_rules! checks {
    ($($check:ident)*) => {
        /// The checks, each of which wants a store of its own, without events.
        pub const CHECKS: &[(&str, Check)] = &[$((stringify!($check), |store| Box::pin($check(store)))),*];
    };
}

checks! {
    sequences_begin_at_0_and_have_no_gap
    the_chain_is_the_one_a_producer_works_out
    an_event_comes_back_as_it_was_handed_in
    an_append_that_expects_another_end_is_refused
    limits_hold_on_both_sides
    a_refused_append_leaves_nothing
    retries_that_expect_a_sequence_are_recognised_for_ever
    retries_without_expectation_are_recognised_while_recent
    a_partial_overlap_is_refused
    streams_are_read_in_both_directions
    everything_is_read_in_order_from_a_checkpoint
    a_foreign_checkpoint_is_refused
    one_of_many_with_the_same_expectation_gets_through
    a_subscription_to_a_stream_catches_up_and_follows
    a_subscription_to_everything_has_no_gap_and_no_duplicate
    a_call_for_the_next_event_may_be_dropped
    many_writers_share_a_store
    truncated_events_are_read_no_more
    a_truncation_keeps_the_chain
    retries_of_truncated_events_are_not_recognised
    numbers_go_on_after_everything_was_truncated
    a_truncation_done_again_changes_nothing
    a_truncation_beyond_the_end_is_refused
    a_subscription_passes_over_what_was_truncated
}

/// Runs all [`CHECKS`], each on a store that `make` gives.
///
/// # Panics
/// The store breaks the contract. What is printed last names the check.
pub async fn check_event_store(make: impl Fn() -> Store) {
    for (name, check) in CHECKS {
        println!("{name}");
        check(make()).await;
    }
}

/// The stream `name`.
///
/// # Panics
/// There is no such name.
pub fn stream(name: &str) -> StreamId {
    StreamId::new(name).expect("the test names a stream")
}

/// New events with payloads of one to three bytes, `count` of them.
///
/// # Panics
/// Never.
pub fn events(count: usize) -> Vec<NewEvent> {
    let kind = EventKind::new("Tested").expect("a kind");
    (0..count).map(|n| NewEvent::new(kind.clone(), n.to_string())).collect()
}

async fn append(
    store: &Store,
    stream: &StreamId,
    expected: ExpectedSequence,
    events: &[NewEvent],
) -> Receipt {
    store.append(stream, expected, events.to_vec()).await.expect("the append goes through")
}

async fn refusal(
    store: &Store,
    stream: &StreamId,
    expected: ExpectedSequence,
    events: &[NewEvent],
) -> AppendError {
    store.append(stream, expected, events.to_vec()).await.expect_err("the append is refused")
}

/// Appends `count` events to a stream, as many at once as may be, and gives them.
async fn fill(store: &Store, stream: &StreamId, count: usize) -> Vec<NewEvent> {
    let events = events(count);
    for chunk in events.chunks(APPEND_EVENTS_MAX) {
        append(store, stream, Any, chunk).await;
    }
    events
}

/// A whole stream, read page by page.
///
/// # Panics
/// It cannot be read.
pub async fn read_stream(store: &dyn EventStore, stream: &StreamId) -> Vec<Event> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let next = all.last().map_or(Sequence::FIRST, |event| event.sequence.plus(1));
        let page = store.read(stream, next, Direction::Forward, 300).await;
        let page = page.expect("the stream can be read");
        if page.is_empty() {
            return all;
        }
        all.extend(page);
    }
}

/// Everything after a checkpoint, read page by page.
///
/// # Panics
/// It cannot be read.
pub async fn read_everything(store: &dyn EventStore, mut after: Checkpoint) -> Vec<Event> {
    let mut all = Vec::new();
    loop {
        let page = store.read_all(&after, 300).await.expect("the store can be read");
        if page.is_empty() {
            return all;
        }
        for event in &page {
            after.advance(event.partition, event.position);
        }
        all.extend(page);
    }
}

/// Holds all events of a store against what must be true of them: sequences without a gap from the first that
/// was not truncated, positions that increase, timestamps that do not decrease, a stream in one partition,
/// heads that are the chain's.
///
/// # Panics
/// Something is not true of them.
pub async fn check_everything(store: &dyn EventStore) -> Vec<Event> {
    let all = read_everything(store, Checkpoint::START).await;
    let mut heads: BTreeMap<StreamId, (PartitionId, Head)> = BTreeMap::new();
    let mut last: BTreeMap<PartitionId, &Event> = BTreeMap::new();
    for event in &all {
        if let Some(before) = last.insert(event.partition, event) {
            assert!(before.position < event.position, "positions increase: {before:?}, {event:?}");
            assert!(before.timestamp <= event.timestamp, "time does not go back: {before:?}, {event:?}");
        }
        assert!(event.partition.0 < store.partitions(), "{event:?}");
        let before = heads.get(&event.stream).copied();
        let (partition, head) = match before {
            Some((partition, head)) => (partition, Head { sequence: head.sequence.plus(1), ..head }),
            None => (event.partition, beginning(store, &event.stream).await),
        };
        assert_eq!(event.sequence, head.sequence, "sequences have no gap: {event:?}");
        assert_eq!(partition, event.partition, "{event:?}");
        let chain = head.chain.then(&event.stream, head.sequence, &event.to_new());
        heads.insert(event.stream.clone(), (partition, Head { chain, ..head }));
    }
    for (stream, (_, head)) in heads {
        assert_eq!(store.head(&stream).await, Ok(Some(head)), "the head of {stream}");
        let of_stream = all.iter().filter(|event| event.stream == stream);
        assert!(read_stream(store, &stream).await.iter().eq(of_stream), "{stream} reads alike both ways");
    }
    all
}

/// The head that a stream had before its first event that was not truncated, but for the sequence, which is
/// that event's.
async fn beginning(store: &dyn EventStore, stream: &StreamId) -> Head {
    let head = store.head(stream).await.expect("the store can be read");
    let head = head.expect("a stream with events has a head");
    let fresh = (head.first, head.anchor) == (Sequence::FIRST, ChainHash::START);
    assert!(fresh || (head.first > Sequence::FIRST && head.anchor != ChainHash::START), "{head:?}");
    Head { sequence: head.first, chain: head.anchor, ..head }
}

/// The head of a stream of which nothing was truncated.
fn whole(sequence: Sequence, chain: ChainHash) -> Head {
    Head { sequence, chain, first: Sequence::FIRST, anchor: ChainHash::START }
}

async fn sequences_begin_at_0_and_have_no_gap(store: Store) {
    let stream = stream("s");
    assert_eq!(store.head(&stream).await, Ok(None));
    let first = append(&store, &stream, NoStream, &events(3)).await;
    assert_eq!((first.first, first.last), (Sequence(0), Sequence(2)));
    let second = append(&store, &stream, Exact(Sequence(2)), &events(1)).await;
    assert_eq!((second.first, second.last), (Sequence(3), Sequence(3)));
    let third = append(&store, &stream, Any, &events(2)).await;
    assert_eq!((third.first, third.last), (Sequence(4), Sequence(5)));
    assert!(first.position < second.position && second.position < third.position);
    let all = check_everything(&*store).await;
    assert_eq!(all.len(), 6);
    assert_eq!((all[5].position, all[5].partition), (third.position, third.partition));
}

async fn the_chain_is_the_one_a_producer_works_out(store: Store) {
    let (stream, events) = (stream("s"), events(5));
    let mut chain = ChainHash::START;
    for (sequence, event) in (0..).map(Sequence).zip(&events) {
        let expected = ExpectedSequence::after(sequence.0.checked_sub(1).map(Sequence));
        chain = chain.then(&stream, sequence, event);
        let receipt = append(&store, &stream, expected, std::slice::from_ref(event)).await;
        assert_eq!(receipt.chain, chain);
        assert_eq!(store.head(&stream).await, Ok(Some(whole(sequence, chain))));
    }
}

async fn an_event_comes_back_as_it_was_handed_in(store: Store) {
    let stream = stream(&"s".repeat(128));
    let trace = TraceContext::new([1; 16], [2; 8], 1).expect("a trace");
    let mut full = events(3);
    full[0].trace = Some(trace.clone().with_state("vendor=value").expect("a state"));
    full[0].occurred_at = Some(Timestamp(7));
    full[0].payload = (0..=255).collect();
    full[1].trace = Some(trace);
    full[1].kind = EventKind::new(&"k.".repeat(32)).expect("a kind");
    full[2].payload = Vec::new().into();
    append(&store, &stream, NoStream, &full).await;
    let read = check_everything(&*store).await;
    assert_eq!(read.iter().map(Event::to_new).collect::<Vec<_>>(), full);
    assert!(read.iter().all(|event| event.stream == stream && event.timestamp > Timestamp(0)));
}

async fn an_append_that_expects_another_end_is_refused(store: Store) {
    let (stream, other) = (stream("s"), stream("other"));
    append(&store, &other, NoStream, &events(9)).await;
    let check = async |expected, actual| {
        let error = refusal(&store, &stream, expected, &events(1)).await;
        let stream = stream.clone();
        assert_eq!(error, AppendError::WrongExpectedSequence { stream, expected, actual });
    };
    check(Exact(Sequence(0)), None).await;
    append(&store, &stream, NoStream, &events(2)).await;
    check(NoStream, Some(Sequence(1))).await;
    check(Exact(Sequence(0)), Some(Sequence(1))).await;
    check(Exact(Sequence(2)), Some(Sequence(1))).await;
    check(Exact(Sequence::MAX), Some(Sequence(1))).await;
    append(&store, &stream, Exact(Sequence(1)), &events(1)).await;
}

async fn limits_hold_on_both_sides(store: Store) {
    let stream = stream("s");
    assert_eq!(refusal(&store, &stream, Any, &[]).await, AppendError::Empty);
    let (limit, events_) = (APPEND_EVENTS_MAX, events(APPEND_EVENTS_MAX + 1));
    let too_many = AppendError::TooMany { events: limit + 1, limit };
    assert_eq!(refusal(&store, &stream, Any, &events_).await, too_many);
    append(&store, &stream, Any, &events_[..limit]).await;

    let (limit, mut large) = (APPEND_BYTES_MAX, events(2));
    large[1].payload = vec![0; limit].into();
    let bytes: usize = large.iter().map(|event| canonical_bytes(&stream, event)).sum();
    large[1].payload = vec![0; limit - (bytes - limit) + 1].into();
    let too_large = AppendError::TooLarge { bytes: limit + 1, limit };
    assert_eq!(refusal(&store, &stream, Any, &large).await, too_large);
    large[1].payload = large[1].payload.slice(1..);
    append(&store, &stream, Any, &large).await;

    let mut twice = events(3);
    twice[2].id = twice[0].id;
    let duplicate = AppendError::DuplicateId { id: twice[0].id };
    assert_eq!(refusal(&store, &stream, Any, &twice).await, duplicate);
}

async fn a_refused_append_leaves_nothing(store: Store) {
    let stream = stream("s");
    append(&store, &stream, NoStream, &events(2)).await;
    let head = store.head(&stream).await;
    let mut twice = events(2);
    twice[1].id = twice[0].id;
    refusal(&store, &stream, Any, &twice).await;
    refusal(&store, &stream, Exact(Sequence(0)), &events(3)).await;
    refusal(&store, &stream, NoStream, &events(3)).await;
    assert_eq!(store.head(&stream).await, head);
    assert_eq!(check_everything(&*store).await.len(), 2);
}

async fn retries_that_expect_a_sequence_are_recognised_for_ever(store: Store) {
    let (stream, events) = (stream("s"), events(6));
    let first = append(&store, &stream, NoStream, &events[..3]).await;
    let second = append(&store, &stream, Exact(Sequence(2)), &events[3..]).await;
    fill(&store, &stream, RECENT_EVENTS + APPEND_EVENTS_MAX).await;
    let head = store.head(&stream).await;
    assert_eq!(append(&store, &stream, NoStream, &events[..3]).await, first);
    assert_eq!(append(&store, &stream, Exact(Sequence(2)), &events[3..]).await, second);
    assert_eq!(store.head(&stream).await, head);
}

async fn retries_without_expectation_are_recognised_while_recent(store: Store) {
    let (stream, events) = (stream("s"), events(4));
    append(&store, &stream, Any, &events[..1]).await;
    let receipt = append(&store, &stream, Any, &events[1..]).await;
    assert_eq!(append(&store, &stream, Any, &events[1..]).await, receipt);
    // With these, the last of the four events is the last of which the store has to know.
    fill(&store, &stream, RECENT_EVENTS - 1).await;
    let head = store.head(&stream).await;
    assert_eq!(append(&store, &stream, Any, &events[1..]).await, receipt);
    assert_eq!(append(&store, &stream, Any, &events[3..]).await.position, receipt.position);
    assert_eq!(store.head(&stream).await, head);
}

async fn a_partial_overlap_is_refused(store: Store) {
    let (stream, there, new) = (stream("s"), events(4), events(2));
    append(&store, &stream, NoStream, &there).await;
    let check = async |expected, events: &[&NewEvent]| {
        let events: Vec<_> = events.iter().copied().cloned().collect();
        let error = refusal(&store, &stream, expected, &events).await;
        let (stream, actual) = (stream.clone(), Some(Sequence(3)));
        assert_eq!(error, AppendError::WrongExpectedSequence { stream, expected, actual });
    };
    check(NoStream, &[&there[0], &new[0]]).await;
    check(NoStream, &[&there[1], &there[0]]).await;
    check(Exact(Sequence(1)), &[&there[2], &there[3], &new[0]]).await;
    check(Exact(Sequence(1)), &[&new[0], &there[3]]).await;
    check(Any, &[&there[3], &new[0]]).await;
    check(Any, &[&new[0], &there[3]]).await;
    check(Any, &[&new[0], &new[1], &there[0]]).await;
    check(Any, &[&there[0], &there[2]]).await;
    assert_eq!(check_everything(&*store).await.len(), 4);
}

async fn streams_are_read_in_both_directions(store: Store) {
    let (some, none) = (stream("s"), stream("none"));
    append(&store, &stream("other"), Any, &events(3)).await;
    fill(&store, &some, 10).await;
    let check = async |stream: &StreamId, from, direction, limit, expect: &[u64]| {
        check_read(&store, stream, from, direction, limit, expect).await;
    };
    check(&some, 0, Direction::Forward, 3, &[0, 1, 2]).await;
    check(&some, 8, Direction::Forward, 1, &[8]).await;
    check(&some, 9, Direction::Forward, 100, &[9]).await;
    check(&some, 10, Direction::Forward, 100, &[]).await;
    check(&some, u64::MAX, Direction::Forward, 100, &[]).await;
    check(&some, 2, Direction::Backward, 100, &[2, 1, 0]).await;
    check(&some, 0, Direction::Backward, 100, &[0]).await;
    check(&some, u64::MAX, Direction::Backward, 2, &[9, 8]).await;
    check(&none, 0, Direction::Forward, 100, &[]).await;
    check(&none, u64::MAX, Direction::Backward, 100, &[]).await;
}

async fn check_read(
    store: &Store,
    stream: &StreamId,
    from: u64,
    direction: Direction,
    limit: usize,
    expect: &[u64],
) {
    let read = store.read(stream, Sequence(from), direction, limit).await.expect("the stream is read");
    let sequences: Vec<_> = read.iter().map(|event| event.sequence.0).collect();
    assert_eq!(sequences, expect, "from {from}, {direction:?}");
}

async fn everything_is_read_in_order_from_a_checkpoint(store: Store) {
    for n in 0..40 {
        append(&store, &stream(&format!("s{}", n % 7)), Any, &events(n % 5 + 1)).await;
    }
    let all = check_everything(&*store).await;
    assert_eq!(all.len(), 120);
    let mut checkpoint = Checkpoint::START;
    all.iter().take(50).for_each(|event| checkpoint.advance(event.partition, event.position));
    // How partitions alternate is up to the store.
    let by_partition = |mut events: Vec<Event>| {
        events.sort_by_key(|event| event.partition);
        events
    };
    let rest = read_everything(&*store, checkpoint.clone()).await;
    assert_eq!(by_partition(rest), by_partition(all[50..].to_vec()));
    for event in &all {
        checkpoint.advance(event.partition, event.position);
    }
    assert_eq!(read_everything(&*store, checkpoint).await, []);
}

async fn a_foreign_checkpoint_is_refused(store: Store) {
    let partition = PartitionId(store.partitions());
    let mut checkpoint = Checkpoint::START;
    checkpoint.advance(partition, reenact_store::Position(0));
    let error = store.read_all(&checkpoint, 1).await.expect_err("the checkpoint is refused");
    assert_eq!(error, ReadError::UnknownPartition { partition, partitions: store.partitions() });
}

async fn one_of_many_with_the_same_expectation_gets_through(store: Store) {
    let stream = stream("s");
    append(&store, &stream, NoStream, &events(1)).await;
    let writers = (0..8).map(|_| {
        let (store, stream) = (Arc::clone(&store), stream.clone());
        tokio::spawn(async move { store.append(&stream, Exact(Sequence(0)), events(2)).await })
    });
    let mut won = 0;
    for writer in writers.collect::<Vec<_>>() {
        match writer.await.expect("the writer ends") {
            Ok(_) => won += 1,
            Err(AppendError::WrongExpectedSequence { actual: Some(Sequence(2)), .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(won, 1);
    assert_eq!(check_everything(&*store).await.len(), 3);
}

async fn a_subscription_to_a_stream_catches_up_and_follows(store: Store) {
    let (followed, other) = (stream("s"), stream("other"));
    let mut early = store.subscribe(Scope::Stream(followed.clone(), Sequence(2)));
    fill(&store, &followed, 600).await;
    fill(&store, &other, 10).await;
    let mut late = store.subscribe(Scope::Stream(followed.clone(), Sequence(2)));
    for sequence in 2..600 {
        for subscription in [&mut early, &mut late] {
            let event = subscription.next().await.expect("an event");
            assert_eq!((&event.stream, event.sequence), (&followed, Sequence(sequence)));
        }
    }
    let writer = {
        let (store, followed) = (Arc::clone(&store), followed.clone());
        tokio::spawn(async move { append(&store, &followed, Any, &events(3)).await })
    };
    for sequence in 600..603 {
        assert_eq!(late.next().await.expect("an event").sequence, Sequence(sequence));
    }
    writer.await.expect("the writer ends");
}

async fn a_subscription_to_everything_has_no_gap_and_no_duplicate(store: Store) {
    fill(&store, &stream("s0"), 700).await;
    let writers = start_writers(&store, 8, 4, 50);
    let mut subscription = store.subscribe(Scope::All(Checkpoint::START));
    let mut seen = BTreeMap::new();
    for _ in 0..700 + 8 * 50 {
        let event = subscription.next().await.expect("an event");
        let next: &mut u64 = seen.entry(event.stream.clone()).or_default();
        assert_eq!(event.sequence, Sequence(*next), "{}", event.stream);
        *next += 1;
    }
    assert!(waits(&mut subscription), "nothing more is delivered");
    for writer in writers {
        writer.await.expect("the writer ends");
    }
}

async fn a_call_for_the_next_event_may_be_dropped(store: Store) {
    let stream = stream("s");
    let mut subscription = store.subscribe(Scope::Stream(stream.clone(), Sequence::FIRST));
    for sequence in 0..20 {
        // As often as not the dropped call has taken note of the event.
        assert!(waits(&mut subscription));
        append(&store, &stream, Any, &events(1)).await;
        assert_eq!(subscription.next().await.expect("an event").sequence, Sequence(sequence));
    }
}

/// Asks once for the next event and drops the call; whether there was none yet.
fn waits(subscription: &mut Subscription) -> bool {
    let next = pin!(subscription.next());
    matches!(next.poll(&mut Context::from_waker(Waker::noop())), Poll::Pending)
}

async fn many_writers_share_a_store(store: Store) {
    let mut receipts = Vec::new();
    for writer in start_writers(&store, 64, 16, 20) {
        receipts.extend(writer.await.expect("the writer ends"));
    }
    let all = check_everything(&*store).await;
    assert_eq!(all.len(), 64 * 20);
    for receipt in receipts {
        let there =
            |event: &&Event| (event.partition, event.position) == (receipt.partition, receipt.position);
        assert_eq!(all.iter().find(there).map(|event| event.sequence), Some(receipt.last));
    }
}

/// Writers that append `appends` events each, one at a time, to one of `streams` streams.
fn start_writers(
    store: &Store,
    writers: usize,
    streams: usize,
    appends: usize,
) -> Vec<tokio::task::JoinHandle<Vec<Receipt>>> {
    let start = |writer| {
        let (store, stream) = (Arc::clone(store), stream(&format!("s{}", writer % streams)));
        tokio::spawn(async move {
            let mut receipts = Vec::new();
            for event in events(appends) {
                receipts.push(append(&store, &stream, Any, &[event]).await);
            }
            receipts
        })
    };
    (0..writers).map(start).collect()
}

async fn truncate(store: &Store, stream: &StreamId, before: u64) -> Head {
    store.truncate(stream, Sequence(before)).await.expect("the stream is truncated")
}

async fn truncated_events_are_read_no_more(store: Store) {
    let (stream, other) = (stream("s"), stream("other"));
    for _ in 0..5 {
        append(&store, &stream, Any, &events(2)).await;
        append(&store, &other, Any, &events(1)).await;
    }
    let mut expect = check_everything(&*store).await;
    truncate(&store, &stream, 4).await;
    let check = async |from, direction, limit, expect: &[u64]| {
        check_read(&store, &stream, from, direction, limit, expect).await;
    };
    check(0, Direction::Forward, 3, &[4, 5, 6]).await;
    check(3, Direction::Forward, 1, &[4]).await;
    check(5, Direction::Forward, 100, &[5, 6, 7, 8, 9]).await;
    check(u64::MAX, Direction::Backward, 100, &[9, 8, 7, 6, 5, 4]).await;
    check(4, Direction::Backward, 100, &[4]).await;
    check(3, Direction::Backward, 100, &[]).await;
    check(0, Direction::Backward, 100, &[]).await;
    expect.retain(|event| event.stream != stream || event.sequence >= Sequence(4));
    assert_eq!(check_everything(&*store).await, expect);
}

async fn a_truncation_keeps_the_chain(store: Store) {
    let (stream, events) = (stream("s"), events(10));
    append(&store, &stream, NoStream, &events[..6]).await;
    let chain = |from: usize, to: usize, start: ChainHash| {
        let numbered = events.iter().enumerate().take(to).skip(from);
        numbered.fold(start, |chain, (at, event)| chain.then(&stream, Sequence(at as u64), event))
    };
    let anchor = chain(0, 4, ChainHash::START);
    let head = truncate(&store, &stream, 4).await;
    let expect = Head { sequence: Sequence(5), chain: chain(4, 6, anchor), first: Sequence(4), anchor };
    assert_eq!(head, expect);
    assert_eq!(store.head(&stream).await, Ok(Some(head)));
    let receipt = append(&store, &stream, Exact(Sequence(5)), &events[6..]).await;
    assert_eq!(receipt.chain, chain(0, 10, ChainHash::START));
    assert_eq!(truncate(&store, &stream, 7).await.anchor, chain(0, 7, ChainHash::START));
    check_everything(&*store).await;
}

async fn retries_of_truncated_events_are_not_recognised(store: Store) {
    let (stream, events) = (stream("s"), events(6));
    append(&store, &stream, NoStream, &events[..3]).await;
    let kept = append(&store, &stream, Exact(Sequence(2)), &events[3..]).await;
    append(&store, &stream, Any, &self::events(1)).await;
    // The ids are known to whoever remembers recent ones, so that forgetting them is seen.
    append(&store, &stream, Any, &events[3..]).await;
    truncate(&store, &stream, 3).await;
    assert_eq!(append(&store, &stream, Exact(Sequence(2)), &events[3..]).await, kept);
    assert_eq!(append(&store, &stream, Any, &events[3..]).await, kept);
    let check = async |expected, events: &[NewEvent], actual| {
        let error = refusal(&store, &stream, expected, events).await;
        let (stream, actual) = (stream.clone(), Some(Sequence(actual)));
        assert_eq!(error, AppendError::WrongExpectedSequence { stream, expected, actual });
    };
    check(NoStream, &events[..3], 6).await;
    check(Exact(Sequence(0)), &events[1..3], 6).await;
    check(Exact(Sequence(1)), &events[2..4], 6).await;
    check(Any, &events[2..4], 6).await;
    let again = append(&store, &stream, Any, &events[..2]).await;
    assert_eq!((again.first, again.last), (Sequence(7), Sequence(8)));
    assert_eq!(append(&store, &stream, Any, &events[..2]).await, again);
    check(NoStream, &events[..2], 8).await;
    assert_eq!(check_everything(&*store).await.len(), 6);
}

async fn numbers_go_on_after_everything_was_truncated(store: Store) {
    let (stream, old) = (stream("s"), events(5));
    let receipt = append(&store, &stream, NoStream, &old).await;
    let head = truncate(&store, &stream, 5).await;
    let (sequence, chain) = (receipt.last, receipt.chain);
    assert_eq!(head, Head { sequence, chain, first: Sequence(5), anchor: chain });
    assert_eq!(store.head(&stream).await, Ok(Some(head)));
    check_read(&store, &stream, 0, Direction::Forward, 100, &[]).await;
    check_read(&store, &stream, u64::MAX, Direction::Backward, 100, &[]).await;
    assert_eq!(check_everything(&*store).await, []);
    refusal(&store, &stream, NoStream, &events(1)).await;
    refusal(&store, &stream, NoStream, &old).await;
    refusal(&store, &stream, Exact(Sequence(3)), &old[4..]).await;

    let new = events(2);
    let next = append(&store, &stream, Exact(Sequence(4)), &new[..1]).await;
    assert_eq!((next.first, next.chain), (Sequence(5), chain.then(&stream, Sequence(5), &new[0])));
    assert!(next.position > receipt.position, "positions increase: {receipt:?}, {next:?}");
    assert_eq!(append(&store, &stream, Any, &new[1..]).await.last, Sequence(6));
    assert_eq!(truncate(&store, &stream, 7).await.first, Sequence(7));
    assert_eq!(append(&store, &stream, Any, &old).await.first, Sequence(7));
    assert_eq!(check_everything(&*store).await.len(), 5);
}

async fn a_truncation_done_again_changes_nothing(store: Store) {
    let stream = stream("s");
    fill(&store, &stream, 10).await;
    let whole = store.head(&stream).await;
    assert_eq!(Ok(Some(truncate(&store, &stream, 0).await)), whole);
    let head = truncate(&store, &stream, 6).await;
    let there = check_everything(&*store).await;
    for before in [6, 5, 0] {
        assert_eq!(truncate(&store, &stream, before).await, head, "before {before}");
    }
    assert_eq!(store.head(&stream).await, Ok(Some(head)));
    assert_eq!(check_everything(&*store).await, there);
}

async fn a_truncation_beyond_the_end_is_refused(store: Store) {
    let (some, none) = (stream("s"), stream("none"));
    fill(&store, &some, 3).await;
    let check = async |stream: &StreamId, before, actual| {
        let error = store.truncate(stream, Sequence(before)).await;
        let (stream, before) = (stream.clone(), Sequence(before));
        assert_eq!(error, Err(TruncateError::BeyondEnd { stream, before, actual }));
    };
    check(&some, 4, Some(Sequence(2))).await;
    check(&some, u64::MAX, Some(Sequence(2))).await;
    check(&none, 0, None).await;
    check(&none, 1, None).await;
    assert_eq!(check_everything(&*store).await.len(), 3);
    truncate(&store, &some, 3).await;
    check(&some, 4, Some(Sequence(2))).await;
}

async fn a_subscription_passes_over_what_was_truncated(store: Store) {
    let stream = stream("s");
    fill(&store, &stream, 600).await;
    let mut of_stream = store.subscribe(Scope::Stream(stream.clone(), Sequence(2)));
    let mut of_all = store.subscribe(Scope::All(Checkpoint::START));
    let mut waiting = store.subscribe(Scope::Stream(stream.clone(), Sequence(595)));
    assert_eq!(of_stream.next().await.expect("an event").sequence, Sequence(2));
    assert_eq!(of_all.next().await.expect("an event").sequence, Sequence(0));
    truncate(&store, &stream, 590).await;
    for (subscription, mut last) in [(&mut of_stream, Sequence(2)), (&mut of_all, Sequence(0))] {
        while last < Sequence(599) {
            let sequence = subscription.next().await.expect("an event").sequence;
            // What was read ahead of the truncation still comes.
            let first_kept = last < Sequence(590) && sequence == Sequence(590);
            assert!(first_kept || sequence == last.plus(1), "{sequence} after {last}");
            last = sequence;
        }
        assert!(waits(subscription), "nothing more is delivered");
    }
    truncate(&store, &stream, 600).await;
    assert!(waits(&mut waiting), "nothing is left");
    append(&store, &stream, Any, &events(1)).await;
    for subscription in [&mut of_stream, &mut of_all, &mut waiting] {
        assert_eq!(subscription.next().await.expect("an event").sequence, Sequence(600));
    }
}

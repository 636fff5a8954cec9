//! How events are split into appends leaves no trace in the stream.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use proptest::prelude::*;
use reenact_store::{
    EventKind, EventLog, EventStore, ExpectedSequence, Head, MemoryStore, NewEvent, Position, Sequence,
};
use reenact_testkit::store::{check_everything, stream};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    #[test]
    fn any_split_gives_the_same_stream_and_the_same_chain(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..60),
        cuts in prop::collection::vec(1_usize..8, 60),
        exact in any::<bool>(),
    ) {
        let kind = EventKind::new("Split").unwrap();
        let events: Vec<_> = payloads.into_iter().map(|bytes| NewEvent::new(kind.clone(), bytes)).collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let append = |store: &dyn EventStore, cuts: &[usize]| runtime.block_on(append(store, &events, cuts, exact));
        let whole = append(&MemoryStore::new(1), &[events.len()]);
        prop_assert_eq!(&whole, &append(&MemoryStore::new(1), &cuts));
        let directory = tempfile::tempdir().unwrap();
        prop_assert_eq!(&whole, &append(&EventLog::open(directory.path()).unwrap(), &cuts));
    }
}

/// Events with what must not depend on the split.
type Stored = Vec<(Sequence, Position, NewEvent)>;

/// The events of the stream and its head after appends of so many events each.
async fn append(
    store: &dyn EventStore,
    events: &[NewEvent],
    cuts: &[usize],
    exact: bool,
) -> (Stored, Option<Head>) {
    let stream = stream("s");
    let (mut rest, mut last) = (events, None);
    for cut in cuts {
        let (now, later) = rest.split_at(rest.len().min(*cut));
        if now.is_empty() {
            break;
        }
        let expected = if exact { ExpectedSequence::after(last) } else { ExpectedSequence::Any };
        last = Some(store.append(&stream, expected, now.to_vec()).await.unwrap().last);
        rest = later;
    }
    let stored = check_everything(store).await;
    let stored: Vec<_> =
        stored.iter().map(|event| (event.sequence, event.position, event.to_new())).collect();
    (stored, store.head(&stream).await.unwrap())
}

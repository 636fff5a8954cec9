//! The example of orders holds what it says.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

#[path = "../examples/orders.rs"]
mod orders;

use reenact_store::{EventLog, EventStore, MemoryStore, Sequence, StreamId};

use orders::{Command, Order, OrderError, follow, load, story};

#[tokio::test]
async fn an_order_is_what_happened_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let expected = Order {
        items: vec![("tea".into(), 450), ("cup".into(), 1_200)],
        paid: Some(1_650),
        last: Some(Sequence(3)),
    };
    assert_eq!(story(directory.path()).await.unwrap(), expected);
    // Another one in the same log.
    assert_eq!(story(directory.path()).await.unwrap(), expected);
    assert_eq!(EventLog::open(directory.path()).unwrap().report().events, 8);
}

#[tokio::test]
async fn an_order_refuses_what_makes_no_sense() {
    let (store, id) = (MemoryStore::new(1), StreamId::new("o").unwrap());
    let item = Command::AddItem { item: "x".into(), cents: 1 };
    let check = async |command: &Command| follow(&store, &id, command).await.unwrap_err();
    assert!(matches!(check(&Command::Pay).await, OrderError::Missing));
    assert!(matches!(check(&item).await, OrderError::Missing));
    follow(&store, &id, &Command::Create).await.unwrap();
    assert!(matches!(check(&Command::Create).await, OrderError::Exists));
    assert!(matches!(check(&Command::Pay).await, OrderError::Empty));
    follow(&store, &id, &item).await.unwrap();
    follow(&store, &id, &Command::Pay).await.unwrap();
    assert!(matches!(check(&item).await, OrderError::Paid));
    assert!(matches!(check(&Command::Pay).await, OrderError::Paid));
    assert_eq!(load(&store, &id).await.unwrap().paid, Some(1));
    assert_eq!(store.head(&id).await.unwrap().unwrap().sequence, Sequence(2));
}

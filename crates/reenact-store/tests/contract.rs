//! Every backend passes the same suite.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};

use reenact_store::{EventLog, EventStore, MemoryStore};
use reenact_testkit::store::{CHECKS, check_event_store, check_everything};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_with_one_partition() {
    check_event_store(|| Arc::new(MemoryStore::new(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_with_four_partitions() {
    check_event_store(|| Arc::new(MemoryStore::new(4))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log() {
    let directories = Mutex::new(Vec::new());
    check_event_store(|| {
        let directory = tempfile::tempdir().unwrap();
        let log = EventLog::open(directory.path()).unwrap();
        directories.lock().unwrap().push(directory);
        Arc::new(log)
    })
    .await;
}

/// What each check leaves behind is there when the log is opened again.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_opened_again() {
    for (name, check) in CHECKS {
        println!("{name}");
        let directory = tempfile::tempdir().unwrap();
        let log: Arc<dyn EventStore> = Arc::new(EventLog::open(directory.path()).unwrap());
        check(Arc::clone(&log)).await;
        let before = check_everything(&*log).await;
        drop(log);
        let log = EventLog::open(directory.path()).unwrap();
        assert_eq!(log.report().torn_at, None);
        assert_eq!(check_everything(&log).await, before);
    }
}

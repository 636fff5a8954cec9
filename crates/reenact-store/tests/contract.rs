//! Every backend passes the same suite.

use std::sync::Arc;

use reenact_store::MemoryStore;
use reenact_testkit::store::check_event_store;

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_with_one_partition() {
    check_event_store(|| Arc::new(MemoryStore::new(1))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory_with_four_partitions() {
    check_event_store(|| Arc::new(MemoryStore::new(4))).await;
}

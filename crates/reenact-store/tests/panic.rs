//! A thread of the log that panics leaves nobody waiting.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use reenact_store::disk::Disk;
use reenact_store::log::CloseError;
use reenact_store::*;
use reenact_testkit::hooked_disk::HookedDisk;
use reenact_testkit::sim_disk::{Call, SimDisk};
use reenact_testkit::store::{check_everything, events, stream};

use ExpectedSequence::{Any, NoStream};

/// A log with its threads on a disk, in segments of the least length.
fn open(hook: impl Fn(Call, &str) + Send + Sync + 'static) -> Arc<EventLog> {
    let disk: Arc<dyn Disk> = Arc::new(SimDisk::new(1));
    let options = LogOptions { segment_bytes: 16 << 10, ..LogOptions::default() };
    Arc::new(EventLog::open_on(HookedDisk::before(disk, hook), &options).unwrap())
}

/// What somebody waits for, who must not wait for ever.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("an answer")
}

fn append(log: &Arc<EventLog>) -> impl Future<Output = Result<Receipt, AppendError>> + Send + 'static {
    let log = Arc::clone(log);
    async move { log.append(&stream("s"), Any, events(1)).await }
}

fn is_poisoned<T>(answer: &Result<T, AppendError>) -> bool {
    matches!(answer, Err(AppendError::Poisoned { .. }))
}

/// Nothing is taken any more, `count` events are read, and closing the log tells.
async fn check_given_up(log: Arc<EventLog>, count: usize) {
    let refused = soon(append(&log)).await;
    assert!(is_poisoned(&refused), "{refused:?}");
    assert!(soon(log.truncate(&stream("s"), Sequence(0))).await.is_err());
    assert_eq!(check_everything(&*log).await.len(), count);
    let closed = Arc::into_inner(log).unwrap().close();
    assert!(matches!(closed, Err(CloseError::Panicked)), "{closed:?}");
}

/// A hook that waits in the first commit until it is told to go on, and panics in the one that is named.
fn gate(panics: u64) -> (impl Fn(Call, &str) + Send + Sync + 'static, Receiver<()>, Sender<()>) {
    let ((begun, is_begun), (go_on, goes_on)) = (channel(), channel());
    let (goes_on, begun, commits) = (Mutex::new(goes_on), Mutex::new(begun), AtomicU64::new(0));
    let hook = move |call: Call, _: &str| {
        if call != Call::CommitAt {
            return;
        }
        let commit = commits.fetch_add(1, Ordering::SeqCst);
        if commit == 0 {
            begun.lock().unwrap().send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap();
        }
        assert!(commit != panics, "as the test wants");
    };
    (hook, is_begun, go_on)
}

/// Appends while the first one is being committed.
async fn append_behind(panics: u64) -> (Arc<EventLog>, bool, Vec<Result<Receipt, AppendError>>) {
    let (hook, is_begun, go_on) = gate(panics);
    let log = open(hook);
    let first = tokio::spawn(append(&log));
    is_begun.recv_timeout(Duration::from_mins(1)).unwrap();
    let others: Vec<_> = (0..20).map(|_| tokio::spawn(append(&log))).collect();
    // So that they wait in the queue, which cannot be seen from here.
    tokio::time::sleep(Duration::from_millis(200)).await;
    go_on.send(()).unwrap();
    let panicked = soon(first).await.is_err_and(|error| error.is_panic());
    let mut answers = Vec::new();
    for other in others {
        answers.push(soon(other).await.unwrap());
    }
    (log, panicked, answers)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_is_told_when_the_thread_that_commits_panics() {
    let (log, panicked, answers) = append_behind(1).await;
    assert!(!panicked && answers.iter().all(is_poisoned), "{answers:?}");
    check_given_up(log, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn who_waits_is_told_when_another_one_that_commits_panics() {
    let (log, panicked, answers) = append_behind(0).await;
    assert!(panicked && answers.iter().all(is_poisoned), "{answers:?}");
    check_given_up(log, 0).await;
}

/// Appends until the panic of another thread of the log is noticed.
async fn check_beside(name: &'static str, call: Call) {
    let log = open(move |now, _| {
        assert!(now != call || thread::current().name() != Some(name), "as the test wants");
    });
    let mut count = 0;
    let error = loop {
        match soon(append(&log)).await {
            Ok(_) => count += 1,
            Err(error) => break error,
        }
        assert!(count < 20_000, "{name} has not panicked");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    assert!(is_poisoned::<()>(&Err(error.clone())), "{error}");
    check_given_up(log, count).await;
}

#[tokio::test]
async fn a_panic_beside_those_who_append_is_noticed() {
    check_beside("log-prepare", Call::Allocate).await;
    check_beside("log-index", Call::Create).await;
    check_beside("log-merge", Call::Create).await;
}

#[tokio::test]
async fn a_log_without_a_panic_closes_well() {
    let log = open(|_, _| {});
    soon(log.append(&stream("s"), NoStream, events(2))).await.unwrap();
    Arc::into_inner(log).unwrap().close().unwrap();
}

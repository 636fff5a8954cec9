//! What happens between two steps of something else.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::future::ready;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use reenact_store::clock::SystemClock;
use reenact_store::disk::{Disk, RealDisk};
use reenact_store::limits::SEGMENT_BYTES_MIN;
use reenact_store::log::{EventLog, LogOptions, Step};
use reenact_store::*;
use reenact_testkit::hooked_disk::HookedDisk;
use reenact_testkit::sim_disk::Call;
use reenact_testkit::simulation::now;
use reenact_testkit::store::{events, stream};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

use ExpectedSequence::Any;

#[tokio::test]
async fn appends_that_are_dropped_after_they_were_handed_in_hold_up_nobody() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(EventLog::open(directory.path()).unwrap());
    let mut tasks = JoinSet::new();
    // More than may wait, each of another task.
    for n in 0..140 {
        let log = Arc::clone(&log);
        tasks.spawn(async move {
            let event = NewEvent::new(EventKind::new("k").unwrap(), vec![7; 500_000]);
            let stream = stream(&format!("s{n}"));
            tokio::select! { biased; _ = log.append(&stream, Any, vec![event]) => {}, () = ready(()) => {} }
        });
    }
    for _ in 0..20 {
        yield_now().await;
    }
    let (after, new) = (stream("after"), events(1));
    let appended = timeout(Duration::from_mins(1), log.append(&after, Any, new)).await;
    appended.expect("what waits is committed").unwrap();
}

/// Appends an event, on a log that is driven step by step.
fn append(log: &EventLog, name: &str) {
    let (stream, new) = (stream(name), events(1));
    let mut context = Context::from_waker(Waker::noop());
    let mut append = log.append(&stream, Any, new);
    assert!(append.as_mut().poll(&mut context).is_pending());
    while log.step(Step::Commit) {}
    assert!(matches!(append.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
}

fn work(log: &EventLog) {
    while log.step(Step::Index) {}
}

/// While the stream `s` is read, and where it lies has just been found out, the segments in which it lies are given up.
#[test]
fn a_stream_stays_readable_when_segments_are_given_up_while_it_is_read() {
    let directory = tempfile::tempdir().unwrap();
    let (log, phase): (Arc<OnceLock<EventLog>>, Arc<AtomicU8>) = Default::default();
    let (hooked, hook_phase) = (Arc::clone(&log), Arc::clone(&phase));
    let disk: Arc<dyn Disk> =
        HookedDisk::before(Arc::new(RealDisk::new(directory.path())), move |call, name| {
            match (call, hook_phase.load(Ordering::SeqCst), name) {
                (Call::ReadAt, 1, "00000000.index") => hook_phase.store(2, Ordering::SeqCst),
                (Call::ReadAt, 2, "00000001.index") => {
                    hook_phase.store(3, Ordering::SeqCst);
                    let log = hooked.get().unwrap();
                    for name in ["other", "s", "other", "other", "s"] {
                        append(log, name);
                    }
                    work(log);
                    assert!(log.retain(Position(12)).unwrap() > 0);
                }
                _ => {}
            }
        });
    let options = LogOptions { segment_bytes: SEGMENT_BYTES_MIN, ..LogOptions::default() };
    log.set(EventLog::open_stepped(disk, Arc::new(SystemClock), &options).unwrap()).unwrap();
    let log = log.get().unwrap();
    for n in 0..11 {
        append(log, if n % 3 == 0 { "s" } else { "other" });
    }
    work(log);
    phase.store(1, Ordering::SeqCst);
    let s = stream("s");
    // What is given up beside it may be missing.
    let _beside = now(log.read(&s, Sequence::FIRST, Direction::Forward, 2));
    assert_eq!(phase.load(Ordering::SeqCst), 3, "nothing was given up while it was read");
    let head = now(log.head(&s)).unwrap().unwrap();
    let later = now(log.read(&s, head.first, Direction::Forward, 9)).unwrap();
    assert_eq!(later.len() as u64, head.sequence.0 + 1 - head.first.0);
}

//! Segments that are given up: what is left goes on as if nothing had happened.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use reenact_store::disk::Disk;
use reenact_store::*;
use reenact_testkit::hooked_disk::HookedDisk;
use reenact_testkit::sim_disk::{Call, SimDisk};
use reenact_testkit::store::{events, stream};

use ExpectedSequence::{Any, Exact};

fn open(directory: &Path) -> EventLog {
    EventLog::open_with(directory, &LogOptions { segment_bytes: 16 << 10, ..LogOptions::default() }).unwrap()
}

/// Appends to another stream until the log has gone on by some segments.
async fn roll(log: &EventLog) {
    for _ in 0..12 {
        log.append(&stream("other"), Any, events(2)).await.unwrap();
    }
}

#[tokio::test]
async fn a_stream_that_was_given_up_goes_on_and_its_retries_are_recognised() {
    let directory = tempfile::tempdir().unwrap();
    let (log, stream, new) = (open(directory.path()), stream("s"), events(7));
    let head = log.append(&stream, Any, new[..3].to_vec()).await.unwrap();
    roll(&log).await;
    assert!(log.retain(Position(20)).unwrap() > 0);
    let first = log.append(&stream, Exact(head.last), new[3..5].to_vec()).await.unwrap();
    assert_eq!(log.append(&stream, Exact(head.last), new[3..5].to_vec()).await, Ok(first));
    let second = log.append(&stream, Exact(first.last), new[5..].to_vec()).await.unwrap();
    assert_eq!(log.append(&stream, Exact(head.last), new[3..5].to_vec()).await, Ok(first));
    drop(log);
    let log = open(directory.path());
    assert_eq!(log.append(&stream, Exact(head.last), new[3..5].to_vec()).await, Ok(first));
    roll(&log).await;
    assert_eq!(log.append(&stream, Exact(first.last), new[5..].to_vec()).await, Ok(second));
    assert_eq!(log.truncate(&stream, Sequence(5)).await.unwrap().anchor, first.chain);
}

#[tokio::test]
async fn a_truncation_outlives_the_events_that_it_truncated() {
    let directory = tempfile::tempdir().unwrap();
    let (log, stream) = (open(directory.path()), stream("s"));
    log.append(&stream, Any, events(9)).await.unwrap();
    roll(&log).await;
    log.truncate(&stream, Sequence(4)).await.unwrap();
    let head = log.head(&stream).await.unwrap().unwrap();
    assert!(log.retain(Position(30)).unwrap() > 0);
    let kept = log.head(&stream).await.unwrap().unwrap();
    assert_eq!((kept.sequence, kept.chain, kept.first), (head.sequence, head.chain, Sequence(9)));
    drop(log);
    let log = open(directory.path());
    assert_eq!(log.head(&stream).await.unwrap(), Some(kept));
}

#[tokio::test]
async fn who_appends_does_not_wait_for_the_anchors() {
    let ((begun, is_begun), (go_on, goes_on)) = (channel(), channel::<()>());
    let (begun, goes_on) = (Mutex::new(begun), Mutex::new(goes_on));
    let disk: Arc<dyn Disk> = HookedDisk::before(Arc::new(SimDisk::new(1)), move |call, name| {
        if call == Call::Create && name.ends_with(".anchors.new") {
            begun.lock().unwrap().send(()).unwrap();
            goes_on.lock().unwrap().recv().unwrap();
        }
    });
    let options = LogOptions { segment_bytes: 16 << 10, ..LogOptions::default() };
    let log = Arc::new(EventLog::open_on(disk, &options).unwrap());
    let first = log.append(&stream("s"), Any, events(3)).await.unwrap();
    roll(&log).await;
    let retaining = thread::spawn({
        let log = Arc::clone(&log);
        move || log.retain(Position(20)).unwrap()
    });
    is_begun.recv_timeout(Duration::from_mins(1)).unwrap();
    for _ in 0..3 {
        tokio::time::timeout(Duration::from_mins(1), roll(&log)).await.expect("nobody is held up");
    }
    go_on.send(()).unwrap();
    assert!(retaining.join().unwrap() > 0);
    let next = log.append(&stream("s"), Exact(first.last), events(1)).await.unwrap();
    assert_eq!(log.head(&stream("s")).await.unwrap().unwrap().first, next.first);
}

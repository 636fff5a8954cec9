//! Segments that are given up: what is left goes on as if nothing had happened.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;

use reenact_store::*;
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

//! The embedded log: opening it again, crashes, damage, and who may have it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use reenact_store::log::OpenError;
use reenact_store::*;
use reenact_testkit::store::{check_everything, events, stream};

use ExpectedSequence::{Any, Exact, NoStream};

/// Appends of one and more events to two streams, one after the other: a block each.
async fn fill(log: &EventLog) -> Vec<usize> {
    let sizes = [1, 3, 1, 2, 1];
    for (n, size) in sizes.into_iter().enumerate() {
        log.append(&stream(&format!("s{}", n % 2)), Any, events(size)).await.unwrap();
    }
    sizes.to_vec()
}

/// A directory with the files of another one.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), to.path().join(entry.file_name())).unwrap();
    }
    to
}

/// What opening a log gives whose `file` has been changed.
fn open_changed(from: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<EventLog, OpenError> {
    let changed = copy(from);
    let path = changed.path().join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let opened = EventLog::open(changed.path());
    if matches!(opened, Err(OpenError::Damaged { .. })) {
        assert_eq!(fs::read(&path).unwrap(), bytes, "a damaged log is left as it is");
    }
    opened
}

#[tokio::test]
async fn a_log_that_is_opened_again_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some/where");
    let log = EventLog::open(&path).unwrap();
    assert_eq!((log.report().events, log.report().bytes, log.report().torn_at), (0, 32, None));
    fill(&log).await;
    let before = check_everything(&log).await;
    log.close().unwrap();

    let log = EventLog::open(&path).unwrap();
    let report = log.report().clone();
    assert_eq!((report.events, report.streams, report.torn_at, report.torn_bytes), (8, 2, None, 0));
    assert_eq!(report.bytes, fs::metadata(path.join("log")).unwrap().len());
    assert_eq!(check_everything(&log).await, before);
    log.append(&stream("s0"), Exact(Sequence(2)), events(1)).await.unwrap();
    let after = check_everything(&log).await;
    assert_eq!(after[..8], before);
    drop(log);
    assert_eq!(check_everything(&EventLog::open(&path).unwrap()).await, after);
}

#[tokio::test]
async fn retries_are_recognised_after_opening_again() {
    let directory = tempfile::tempdir().unwrap();
    let (stream, events) = (stream("s"), events(6));
    let log = EventLog::open(directory.path()).unwrap();
    let first = log.append(&stream, NoStream, events[..2].to_vec()).await.unwrap();
    let second = log.append(&stream, Exact(Sequence(1)), events[2..5].to_vec()).await.unwrap();
    drop(log);
    let log = EventLog::open(directory.path()).unwrap();
    assert_eq!(log.append(&stream, NoStream, events[..2].to_vec()).await, Ok(first));
    assert_eq!(log.append(&stream, Exact(Sequence(1)), events[2..5].to_vec()).await, Ok(second));
    assert_eq!(log.append(&stream, Any, events[2..5].to_vec()).await, Ok(second));
    let error = log.append(&stream, Any, events[4..].to_vec()).await.unwrap_err();
    let actual = Some(Sequence(4));
    assert_eq!(error, AppendError::WrongExpectedSequence { stream, expected: Any, actual });
    assert_eq!(check_everything(&log).await.len(), 5);
}

#[tokio::test]
async fn time_does_not_go_back_when_a_log_is_opened_again() {
    let directory = tempfile::tempdir().unwrap();
    for _ in 0..5 {
        fill(&EventLog::open(directory.path()).unwrap()).await;
    }
    check_everything(&EventLog::open(directory.path()).unwrap()).await;
}

#[tokio::test]
async fn a_directory_has_one_log_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let log = EventLog::open(directory.path()).unwrap();
    let error = EventLog::open(directory.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { directory: named } if named == directory.path()), "{error}");
    drop(log);
    EventLog::open(directory.path()).unwrap();
}

#[tokio::test]
async fn in_a_closed_log_every_flip_of_a_bit_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    fill(&EventLog::open(directory.path()).unwrap()).await;
    for name in ["log", "mark"] {
        let path = directory.path().join(name);
        let whole = fs::read(&path).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        for bit in 0..whole.len() * 8 {
            let (at, byte) = (bit as u64 / 8, whole[bit / 8]);
            file.write_all_at(&[byte ^ 1 << (bit % 8)], at).unwrap();
            let opened = EventLog::open(directory.path());
            assert!(matches!(opened, Err(OpenError::Damaged { .. })), "bit {bit} of {name}: {opened:?}");
            file.write_all_at(&[byte], at).unwrap();
        }
    }
    EventLog::open(directory.path()).unwrap();
}

#[tokio::test]
async fn in_a_closed_log_every_cut_is_seen() {
    let directory = tempfile::tempdir().unwrap();
    fill(&EventLog::open(directory.path()).unwrap()).await;
    for file in ["log", "mark"] {
        for length in 0..fs::metadata(directory.path().join(file)).unwrap().len() {
            let opened = open_changed(directory.path(), file, |bytes| bytes.truncate(length as usize));
            assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{length} of {file}: {opened:?}");
        }
    }
    let gone = copy(directory.path());
    fs::remove_file(gone.path().join("log")).unwrap();
    let error = EventLog::open(gone.path()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

#[tokio::test]
async fn a_crash_leaves_a_prefix_of_the_appends() {
    let directory = tempfile::tempdir().unwrap();
    let log = EventLog::open(directory.path()).unwrap();
    let sizes = fill(&log).await;
    // The log is open: this is what a crash leaves.
    let crashed = copy(directory.path());
    let all = check_everything(&log).await;
    let length = fs::metadata(crashed.path().join("log")).unwrap().len();
    let mut ends = Vec::new();
    for cut in 32..=length {
        let opened = open_changed(crashed.path(), "log", |bytes| bytes.truncate(cut as usize)).unwrap();
        let report = opened.report().clone();
        assert_eq!(report.bytes + report.torn_bytes, cut);
        assert_eq!(report.torn_at, (report.torn_bytes > 0).then_some(report.bytes));
        let events = check_everything(&opened).await;
        assert_eq!(events, all[..events.len()], "cut at {cut}");
        if report.torn_bytes == 0 {
            ends.push(events.len());
        }
        opened.append(&stream("s0"), Any, reenact_testkit::store::events(2)).await.unwrap();
        check_everything(&opened).await;
    }
    let sums = sizes.iter().scan(0, |sum, size| {
        *sum += size;
        Some(*sum)
    });
    assert!(ends.into_iter().eq(std::iter::once(0).chain(sums)), "whole appends, and nothing else");
    for cut in 0..32 {
        let opened = open_changed(crashed.path(), "log", |bytes| bytes.truncate(cut));
        assert!(matches!(opened, Err(OpenError::Damaged { .. })), "{cut}: {opened:?}");
    }
}

#[tokio::test]
async fn after_a_crash_a_flip_is_damage_unless_it_is_in_the_last_write() {
    let directory = tempfile::tempdir().unwrap();
    let log = EventLog::open(directory.path()).unwrap();
    fill(&log).await;
    let last = fs::metadata(directory.path().join("log")).unwrap().len() as usize;
    log.append(&stream("s0"), Any, events(2)).await.unwrap();
    let crashed = copy(directory.path());
    let length = fs::metadata(crashed.path().join("log")).unwrap().len() as usize;
    for byte in 0..length {
        let opened = open_changed(crashed.path(), "log", |bytes| bytes[byte] ^= 0x10);
        match opened {
            Err(OpenError::Damaged { .. }) => assert!(byte < last, "byte {byte}"),
            Ok(log) => {
                assert!(byte >= last, "byte {byte}");
                assert_eq!((log.report().events, log.report().torn_at), (8, Some(last as u64)));
            }
            Err(error) => panic!("byte {byte}: {error}"),
        }
    }
}

#[tokio::test]
async fn what_is_more_than_one_write_leaves_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    fill(&EventLog::open(directory.path()).unwrap()).await;
    let add = |bytes: usize| open_changed(directory.path(), "log", |log| log.resize(log.len() + bytes, 0));
    let torn = add(4 << 20).unwrap();
    assert_eq!((torn.report().events, torn.report().torn_bytes), (8, 4 << 20));
    assert!(matches!(add(5 << 20), Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn blocks_of_another_log_are_no_blocks_of_this_one() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(&EventLog::open(one.path()).unwrap()).await;
    fill(&EventLog::open(other.path()).unwrap()).await;
    let foreign = fs::read(other.path().join("log")).unwrap();
    // They lie where they did in their own log, after a header that is ours; the mark is none.
    let begun = copy(one.path());
    fs::remove_file(begun.path().join("mark")).unwrap();
    let swapped = open_changed(begun.path(), "log", |bytes| bytes[32..].copy_from_slice(&foreign[32..]));
    assert_eq!(swapped.unwrap().report().events, 0);
    let whole = open_changed(one.path(), "log", |bytes| bytes.clone_from(&foreign));
    assert!(matches!(whole, Err(OpenError::Damaged { .. })));
}

#[tokio::test]
async fn a_mark_that_was_never_written_is_not_missed() {
    let directory = tempfile::tempdir().unwrap();
    fill(&EventLog::open(directory.path()).unwrap()).await;
    fs::remove_file(directory.path().join("mark")).unwrap();
    fs::write(directory.path().join("mark.new"), "half of one").unwrap();
    let log = EventLog::open(directory.path()).unwrap();
    assert_eq!((log.report().events, log.report().torn_at), (8, None));
}

#[tokio::test]
async fn a_subscription_ends_when_the_log_is_closed_and_has_delivered_everything() {
    let directory = tempfile::tempdir().unwrap();
    let log = EventLog::open(directory.path()).unwrap();
    let mut subscription = log.subscribe(Scope::All(Checkpoint::START));
    fill(&log).await;
    log.close().unwrap();
    for position in 0..8 {
        assert_eq!(subscription.next().await.unwrap().position, Position(position));
    }
    assert_eq!(subscription.next().await, Err(ReadError::Closed));
    EventLog::open(directory.path()).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_of_large_events_are_held_back_and_all_get_through() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(EventLog::open(directory.path()).unwrap());
    let writers: Vec<_> = (0..40)
        .map(|n| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let mut large = events(1);
                large[0].payload = vec![n; 500 << 10].into();
                for _ in 0..3 {
                    large[0].id = EventId::new();
                    log.append(&stream("large"), Any, large.clone()).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(check_everything(&*log).await.len(), 120);
    drop(log);
    assert_eq!(EventLog::open(directory.path()).unwrap().report().events, 120);
}

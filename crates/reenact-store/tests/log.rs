//! The embedded log: opening it again, crashes, damage, what is given up, and who may have it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use reenact_store::log::{LogPlace, OpenError, Step, verify};
use reenact_store::*;
use reenact_testkit::store::{check_everything, events, read_stream, stream};

use ExpectedSequence::{Any, Exact, NoStream};

const PAGE: u64 = 4_096;

/// Appends of one and more events to two streams, one after the other: a block each.
async fn fill(log: &EventLog) -> Vec<usize> {
    let sizes = [1, 3, 1, 2, 1];
    for (n, size) in sizes.into_iter().enumerate() {
        log.append(&stream(&format!("s{}", n % 2)), Any, events(size)).await.unwrap();
    }
    sizes.to_vec()
}

/// A log of many short segments.
fn open_short(directory: &Path) -> EventLog {
    let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::default() };
    EventLog::open_with(directory, &options).unwrap()
}

/// Appends to 10 streams until there are more than `segments`.
async fn fill_segments(log: &EventLog, directory: &Path, segments: usize) {
    let mut n = 0;
    while names(directory, "segment").len() <= segments {
        let mut some = events(n % 7 + 1);
        some[0].payload = vec![7; n * 37 % 900].into();
        log.append(&stream(&format!("s{}", n % 10)), Any, some).await.unwrap();
        n += 1;
    }
}

/// The names of files that end so, in order.
fn names(directory: &Path, end: &str) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
    let mut names: Vec<_> = entries.map(|name| name.into_string().unwrap()).collect();
    names.retain(|name| name.ends_with(end));
    names.sort();
    names
}

/// A directory with the files of another one.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let copied = fs::copy(entry.path(), to.path().join(entry.file_name()));
        // A file that is being made has another name by now, and runs have become one.
        let may_be_gone = entry.path().extension().is_some_and(|end| end == "new" || end == "run");
        assert!(copied.is_ok() || may_be_gone, "{copied:?}");
    }
    to
}

/// What opening a log gives whose `file` has been changed.
fn open_changed(from: &Path, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<Opened, OpenError> {
    let changed = copy(from);
    let path = changed.path().join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let opened = EventLog::open(changed.path());
    if matches!(opened, Err(OpenError::Damaged { .. })) {
        assert_eq!(fs::read(&path).unwrap(), bytes, "a damaged log is left as it is");
    }
    opened.map(|log| Opened { log, _directory: changed })
}

/// A log, and the directory in which it is as long as this lives.
#[derive(Debug)]
struct Opened {
    log: EventLog,
    _directory: tempfile::TempDir,
}

impl std::ops::Deref for Opened {
    type Target = EventLog;

    fn deref(&self) -> &EventLog {
        &self.log
    }
}

fn is_damaged<T>(opened: &Result<T, OpenError>) -> bool {
    matches!(opened, Err(OpenError::Damaged { .. }))
}

#[tokio::test]
async fn a_log_that_is_opened_again_is_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some/where");
    let log = EventLog::open(&path).unwrap();
    let begin = LogPlace { segment: 0, offset: 0 };
    assert_eq!((log.report().events, log.report().end, log.report().torn_at), (0, begin, None));
    fill(&log).await;
    let before = check_everything(&log).await;
    log.close().unwrap();

    let log = EventLog::open(&path).unwrap();
    let report = log.report().clone();
    assert_eq!((report.events, report.torn_at, report.torn_bytes), (8, None, 0));
    assert_eq!(report.end, LogPlace { segment: 0, offset: 6 * PAGE });
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
async fn a_log_of_many_segments_needs_no_index_to_be_the_same() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    fill_segments(&log, directory.path(), 12).await;
    let before = check_everything(&log).await;
    log.close().unwrap();

    let log = EventLog::open(directory.path()).unwrap();
    assert_eq!(check_everything(&log).await, before);
    assert_eq!(log.rebuilt_indexes(), 0);
    log.close().unwrap();
    assert!(!names(directory.path(), "run").is_empty());
    for name in names(directory.path(), "index").iter().chain(&names(directory.path(), "run")) {
        fs::remove_file(directory.path().join(name)).unwrap();
    }
    let log = EventLog::open(directory.path()).unwrap();
    assert_eq!(check_everything(&log).await, before);
    assert!(log.rebuilt_indexes() > 5, "{}", log.rebuilt_indexes());
    log.append(&stream("s0"), Any, events(1)).await.unwrap();
    assert_eq!(check_everything(&log).await.len(), before.len() + 1);
}

#[tokio::test]
async fn retries_of_long_ago_are_answered_with_their_receipts() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    let (stream, first, second) = (stream("s7"), events(3), events(2));
    let receipt = log.append(&stream, NoStream, first.clone()).await.unwrap();
    let other = log.append(&stream, Exact(Sequence(2)), second.clone()).await.unwrap();
    fill_segments(&log, directory.path(), 6).await;
    assert_eq!(log.append(&stream, NoStream, first.clone()).await, Ok(receipt));
    log.close().unwrap();
    let log = open_short(directory.path());
    assert_eq!(log.append(&stream, NoStream, first).await, Ok(receipt));
    assert_eq!(log.append(&stream, Exact(Sequence(2)), second).await, Ok(other));
}

#[tokio::test]
async fn segments_that_are_given_up_leave_their_streams_where_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    let once = stream("once");
    log.append(&once, NoStream, events(3)).await.unwrap();
    fill_segments(&log, directory.path(), 8).await;
    let before = check_everything(&log).await;
    let head = log.head(&once).await.unwrap().unwrap();
    let given_up = log.retain(before[before.len() / 2].position).unwrap();
    assert!((2..8).contains(&given_up), "{given_up}");
    let after = check_everything(&log).await;
    assert!(before.ends_with(&after) && after.len() >= before.len() / 2 && after.len() < before.len());
    assert_eq!(names(directory.path(), "segment")[0], format!("{given_up:08x}.segment"));

    for _ in 0..2 {
        let now = log.head(&once).await.unwrap().unwrap();
        let gone = Head { first: Sequence(3), anchor: head.chain, ..head };
        assert_eq!(now, gone);
        assert_eq!(read_stream(&log, &once).await, []);
    }
    log.close().unwrap();
    let log = open_short(directory.path());
    assert_eq!(check_everything(&log).await, after);
    let receipt = log.append(&once, Exact(Sequence(2)), events(1)).await.unwrap();
    assert_eq!((receipt.first, read_stream(&log, &once).await.len()), (Sequence(3), 1));
    assert_eq!(log.report().events, after.len() as u64);
    fill_segments(&log, directory.path(), 9).await;
    assert!(log.retain(Position(u64::MAX)).unwrap() > 0);
    check_everything(&log).await;
    log.close().unwrap();

    let anchors = names(directory.path(), "anchors");
    assert_eq!(anchors.len(), 1);
    assert!(is_damaged(&open_changed(directory.path(), &anchors[0], |bytes| bytes[90] ^= 1)));
    fs::remove_file(directory.path().join(&anchors[0])).unwrap();
    assert!(is_damaged(&EventLog::open(directory.path())));
}

#[tokio::test]
async fn truncated_streams_stay_truncated() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    fill_segments(&log, directory.path(), 4).await;
    let before = check_everything(&log).await;
    let (one, all) = (stream("s1"), stream("s2"));
    let last = log.head(&all).await.unwrap().unwrap().sequence;
    log.truncate(&one, Sequence(5)).await.unwrap();
    let head = log.truncate(&all, last.plus(1)).await.unwrap();
    assert_eq!((head.first, head.anchor), (last.plus(1), head.chain));
    fill_segments(&log, directory.path(), 8).await;
    let after = check_everything(&log).await;
    let gone = |event: &&Event| {
        event.stream == one && event.sequence < Sequence(5) || event.stream == all && event.sequence <= last
    };
    assert!(!after.iter().any(|event| gone(&event)));
    assert!(
        before
            .iter()
            .filter(|event| !gone(event))
            .eq(&after[..before.len() - before.iter().filter(gone).count()])
    );
    log.close().unwrap();
    assert_eq!(check_everything(&open_short(directory.path())).await, after);
}

#[tokio::test]
async fn a_crash_leaves_a_prefix_of_the_appends() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    let sizes = fill(&log).await;
    // The log is open: this is what a crash leaves.
    let crashed = copy(directory.path());
    let all = check_everything(&log).await;
    let mut whole = 0;
    for (block, size) in sizes.iter().enumerate() {
        let begin = (block as u64 + 1) * PAGE;
        for kept in [0, 1, 30, 40, 60] {
            // Of this block only the first bytes were written.
            let opened = open_changed(crashed.path(), "00000000.segment", |bytes| {
                bytes[(begin + kept) as usize..].fill(0);
            });
            let opened = opened.unwrap();
            let place = LogPlace { segment: 0, offset: begin };
            assert_eq!(opened.report().torn_at, (kept > 0).then_some(place), "{block} {kept}");
            assert!(opened.report().torn_bytes <= kept);
            assert_eq!(check_everything(&*opened).await, all[..whole]);
        }
        whole += size;
    }
}

#[tokio::test]
async fn the_remains_of_a_torn_write_are_gone_after_opening() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    fill(&log).await;
    let crashed = copy(directory.path());
    drop(log);
    let path = crashed.path().join("00000000.segment");
    let mut bytes = fs::read(&path).unwrap();
    bytes[5 * PAGE as usize + 7] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let log = EventLog::open(crashed.path()).unwrap();
    assert_eq!(log.report().torn_at, Some(LogPlace { segment: 0, offset: 5 * PAGE }));
    log.append(&stream("s0"), Any, events(1)).await.unwrap();
    let after = check_everything(&log).await;
    log.close().unwrap();
    let log = EventLog::open(crashed.path()).unwrap();
    assert_eq!((log.report().torn_at, check_everything(&log).await), (None, after));
}

#[tokio::test]
async fn after_a_crash_a_flip_is_damage_unless_it_is_in_the_last_write() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    fill(&log).await;
    let crashed = copy(directory.path());
    for byte in (PAGE..6 * PAGE).step_by(61) {
        let last = byte >= 5 * PAGE;
        match open_changed(crashed.path(), "00000000.segment", |bytes| bytes[byte as usize] ^= 0x10) {
            Err(OpenError::Damaged { offset, .. }) => {
                assert!(!last && offset == byte / PAGE * PAGE, "byte {byte}");
            }
            Ok(log) => {
                assert!(last, "byte {byte}");
                let place = LogPlace { segment: 0, offset: 5 * PAGE };
                assert_eq!((log.report().events, log.report().torn_at), (7, Some(place)));
            }
            Err(error) => panic!("byte {byte}: {error}"),
        }
    }
}

#[tokio::test]
async fn what_is_more_than_one_write_leaves_is_damage() {
    let directory = tempfile::tempdir().unwrap();
    let log = EventLog::open(directory.path()).unwrap();
    fill(&log).await;
    let crashed = copy(directory.path());
    let end = 6 * PAGE as usize;
    let garbage = |length: usize| {
        open_changed(crashed.path(), "00000000.segment", |bytes| bytes[end..end + length].fill(3))
    };
    let torn = garbage(1 << 20).unwrap();
    assert_eq!((torn.report().events, torn.report().torn_bytes), (8, 1 << 20));
    assert!(is_damaged(&garbage(2 << 20)));
    drop(log);
    let closed = open_changed(directory.path(), "00000000.segment", |bytes| bytes[end + 9_000] = 1);
    assert!(is_damaged(&closed), "of a log that was closed nothing is torn");
}

#[tokio::test]
async fn blocks_of_another_log_are_no_blocks_of_this_one() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fill(&EventLog::open(one.path()).unwrap()).await;
    fill(&EventLog::open(other.path()).unwrap()).await;
    let foreign = fs::read(other.path().join("00000000.segment")).unwrap();
    let whole = open_changed(one.path(), "00000000.segment", |bytes| bytes.clone_from(&foreign));
    assert!(is_damaged(&whole));
    let blocks = open_changed(one.path(), "00000000.segment", |bytes| {
        bytes[PAGE as usize..].copy_from_slice(&foreign[PAGE as usize..]);
    });
    assert!(is_damaged(&blocks));
}

#[tokio::test]
async fn missing_and_swapped_files_are_damage() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    fill_segments(&log, directory.path(), 9).await;
    log.close().unwrap();
    for name in ["mark", "00000000.segment", "00000002.segment", "00000008.segment"] {
        let changed = copy(directory.path());
        fs::remove_file(changed.path().join(name)).unwrap();
        let opened = EventLog::open(changed.path());
        assert!(is_damaged(&opened), "{name}: {opened:?}");
    }
    let changed = copy(directory.path());
    let [one, other] = ["00000001.segment", "00000002.segment"].map(|name| changed.path().join(name));
    let (first, second) = (fs::read(&one).unwrap(), fs::read(&other).unwrap());
    fs::write(&one, second).unwrap();
    fs::write(&other, first).unwrap();
    let log = EventLog::open(changed.path()).unwrap();
    let error = log.read_all(&Checkpoint::START, 100).await.unwrap_err();
    assert!(matches!(error, ReadError::Damaged { .. }), "{error}");
    // What has nothing to do with the two is still read.
    let newest = log.read(&stream("s1"), Sequence::MAX, Direction::Backward, 3).await.unwrap();
    assert_eq!(newest.len(), 3);
}

/// Everything after a checkpoint, as a scan gives it.
fn scan(log: &EventLog, after: &Checkpoint) -> Vec<Event> {
    let (mut scan, mut all) = (log.scan(after).unwrap(), Vec::new());
    while let Some(events) = scan.next_block().unwrap() {
        for event in events {
            let view = event.unwrap();
            let event = view.to_event();
            assert_eq!((view.sequence(), view.position()), (event.sequence, event.position));
            assert_eq!(
                (view.stream(), view.kind()),
                (event.stream.as_str().as_bytes(), event.kind.as_str().as_bytes())
            );
            assert_eq!((view.payload(), view.timestamp()), (&event.payload[..], event.timestamp));
            all.push(event);
        }
    }
    all
}

#[tokio::test]
async fn a_scan_gives_what_reading_does() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    assert_eq!(scan(&log, &Checkpoint::START), []);
    fill_segments(&log, directory.path(), 5).await;
    let all = check_everything(&log).await;
    assert_eq!(scan(&log, &Checkpoint::START), all);
    for seen in [0, 1, all.len() / 2, all.len() - 2, all.len() - 1] {
        let mut after = Checkpoint::START;
        after.advance(PartitionId(0), all[seen].position);
        assert_eq!(scan(&log, &after), all[seen + 1..]);
    }
    log.truncate(&stream("s3"), Sequence(9)).await.unwrap();
    log.retain(all[all.len() / 3].position).unwrap();
    assert_eq!(scan(&log, &Checkpoint::START), check_everything(&log).await);
    let mut running = log.scan(&Checkpoint::START).unwrap();
    while running.next_block().unwrap().is_some() {}
    log.append(&stream("s3"), Any, events(2)).await.unwrap();
    assert_eq!(running.next_block().unwrap().unwrap().count(), 2);
    assert!(running.next_block().unwrap().is_none());
}

#[tokio::test]
async fn segments_of_odd_lengths_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    for segment_bytes in [0, 8 << 10, (64 << 10) + 1, 2 << 30] {
        let options = LogOptions { segment_bytes, ..LogOptions::default() };
        let refused = EventLog::open_with(directory.path(), &options);
        assert!(matches!(refused, Err(OpenError::SegmentBytes { actual, .. }) if actual == segment_bytes));
    }
    // One may be as short as the largest of its appends allows.
    let log = open_short(directory.path());
    let mut large = events(1);
    large[0].payload = vec![0; 64 << 10].into();
    let refused = log.append(&stream("s"), Any, large).await.unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { .. }), "{refused}");
    log.append(&stream("s"), Any, events(1)).await.unwrap();
}

#[tokio::test]
async fn the_last_events_are_found_before_and_behind_truncated_ones() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    let (old, new) = (stream("old"), stream("new"));
    let check = async |kept: usize| {
        let reader = LogReader::open(directory.path()).unwrap();
        let all = check_everything(&reader).await;
        assert_eq!(all.len(), kept);
        for count in [0, 1, 3, 7, kept, kept + 1, usize::MAX] {
            let last = reader.read_all(&reader.last(count).await.unwrap(), 1_000).await.unwrap();
            assert_eq!(last, all[kept.saturating_sub(count)..], "the last {count}");
        }
    };
    check(0).await;
    log.append(&new, Any, events(9)).await.unwrap();
    log.append(&old, Any, events(400)).await.unwrap();
    log.append(&new, Any, events(2)).await.unwrap();
    check(411).await;
    log.truncate(&old, Sequence(400)).await.unwrap();
    check(11).await;
}

#[tokio::test]
async fn a_reader_sees_what_is_durable_and_changes_nothing() {
    let directory = tempfile::tempdir().unwrap();
    for none in [directory.path().to_owned(), directory.path().join("none"), "/dev/null".into()] {
        let refused = LogReader::open(&none).unwrap_err();
        assert!(matches!(&refused, OpenError::NoLog { directory } if *directory == none), "{refused:?}");
    }
    let log = open_short(directory.path());
    let reader = LogReader::open(directory.path()).unwrap();
    let mut subscription = reader.subscribe(Scope::All(Checkpoint::START));
    assert_eq!(reader.head(&stream("s1")).await, Ok(None));
    fill_segments(&log, directory.path(), 7).await;
    let all = check_everything(&log).await;
    assert_eq!(check_everything(&reader).await, all);
    let late = LogReader::open(directory.path()).unwrap();
    assert_eq!(check_everything(&late).await, all);
    log.append(&stream("s1"), Any, events(4)).await.unwrap();
    log.truncate(&stream("s3"), Sequence(4)).await.unwrap();
    let head = log.head(&stream("s3")).await;
    for reader in [&reader, &late] {
        assert_eq!(reader.head(&stream("s3")).await, head);
        assert_eq!(check_everything(reader).await, check_everything(&log).await);
        let refused = reader.append(&stream("s1"), Any, events(1)).await;
        assert_eq!(refused, Err(AppendError::ReadOnly));
    }
    for event in &check_everything(&log).await {
        assert_eq!(subscription.next().await.as_ref(), Ok(event));
    }
    log.close().unwrap();
    assert!(EventLog::open(directory.path()).is_ok());
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

/// Appends an event to each of some streams, in one block, and gives the answers.
fn append_stepped(log: &EventLog, streams: &[StreamId]) -> Vec<Receipt> {
    let mut context = Context::from_waker(Waker::noop());
    let event = || {
        let mut events = events(1);
        events[0].payload = vec![7; 300].into();
        events
    };
    let mut appends: Vec<_> = streams.iter().map(|stream| log.append(stream, Any, event())).collect();
    assert!(appends.iter_mut().all(|append| append.as_mut().poll(&mut context).is_pending()));
    while log.step(Step::Commit) {}
    let answers = appends.iter_mut().map(|append| match append.as_mut().poll(&mut context) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("it was committed"),
    });
    answers.collect()
}

#[test]
fn more_streams_than_are_remembered_stand_where_they_do() {
    let directory = tempfile::tempdir().unwrap();
    let disk = Arc::new(disk::RealDisk::create(directory.path()).unwrap());
    let log = EventLog::open_stepped(disk, Arc::new(clock::SystemClock), &LogOptions::default()).unwrap();
    let streams: Vec<_> = (0..18_500).map(|n| stream(&format!("stream-{n}"))).collect();
    for round in 0..4 {
        for some in streams.chunks(100) {
            let receipts = append_stepped(&log, some);
            assert!(receipts.iter().all(|receipt| receipt.first == Sequence(round)), "round {round}");
            while log.step(Step::Index) || log.step(Step::Merge) {}
        }
    }
}

#[tokio::test]
async fn indexes_that_are_missing_are_made_from_the_first_on() {
    let directory = tempfile::tempdir().unwrap();
    let options = LogOptions { segment_bytes: 16 << 10, ..LogOptions::default() };
    let log = EventLog::open_with(directory.path(), &options).unwrap();
    for n in 0..400 {
        let mut event = events(1);
        event[0].payload = vec![0; 7_000].into();
        log.append(&stream(&format!("s{}", n % 3)), Any, event).await.unwrap();
    }
    let all = check_everything(&log).await;
    log.close().unwrap();
    let indexes = names(directory.path(), "index");
    for kept in [indexes.last(), None] {
        let (left, runs) = (names(directory.path(), "index"), names(directory.path(), "run"));
        for name in left.iter().filter(|name| kept != Some(name)).chain(&runs) {
            fs::remove_file(directory.path().join(name)).unwrap();
        }
        let reader = LogReader::open(directory.path()).unwrap();
        assert_eq!(reader.head(&stream("none")).await, Ok(None));
        assert_eq!(check_everything(&reader).await, all);
    }
    let log = EventLog::open(directory.path()).unwrap();
    assert_eq!(check_everything(&log).await, all);
    assert!((indexes.len() as u64 - 3..indexes.len() as u64 + 9).contains(&log.rebuilt_indexes()));
}

#[tokio::test]
async fn a_first_segment_of_another_log_is_damage() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (directory, segments) in [(&one, 2), (&other, 9)] {
        let log = open_short(directory.path());
        fill_segments(&log, directory.path(), segments).await;
        log.close().unwrap();
    }
    let later = other.path().join("00000007.segment");
    fs::copy(later, one.path().join("00000000.segment")).unwrap();
    assert!(is_damaged(&EventLog::open(one.path())));
}

#[tokio::test]
async fn two_writes_that_are_damaged_are_no_torn_one() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    fill(&log).await;
    let crashed = copy(directory.path());
    // The one before the last was acknowledged, and the last is cut off in the midst.
    let change = |bytes: &mut Vec<u8>| {
        bytes[4 * PAGE as usize + 50] ^= 1;
        bytes[5 * PAGE as usize + 60..6 * PAGE as usize].fill(0);
    };
    let opened = open_changed(crashed.path(), "00000000.segment", change);
    assert!(is_damaged(&opened), "{opened:?}");
    let path = crashed.path().join("00000000.segment");
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let report = verify(crashed.path(), &mut |_| {}).unwrap();
    let [damage] = &report.damages[..] else { panic!("{report:#?}") };
    assert_eq!((damage.offset, report.torn), (4 * PAGE, None), "{damage:?}");
    assert!(report.has_lost_evidence());
}

#[tokio::test]
async fn passing_over_many_truncated_events_lets_other_tasks_go() {
    let directory = tempfile::tempdir().unwrap();
    let log = open_short(directory.path());
    let (old, new) = (stream("old"), stream("new"));
    let mut head = None;
    for _ in 0..24 {
        head = Some(log.append(&old, Any, events(512)).await.unwrap().last);
    }
    log.truncate(&old, head.unwrap().plus(1)).await.unwrap();
    log.append(&new, Any, events(1)).await.unwrap();
    let start = Checkpoint::START;
    let mut read = log.read_all(&start, 100);
    let mut context = Context::from_waker(Waker::noop());
    let mut pauses = 0;
    let found = loop {
        match read.as_mut().poll(&mut context) {
            Poll::Ready(found) => break found.unwrap(),
            Poll::Pending => pauses += 1,
        }
    };
    assert_eq!(pauses, 24 * 512 / limits::READ_LOOKED_AT_MAX);
    assert_eq!(found.iter().map(|event| &event.stream).collect::<Vec<_>>(), [&new]);
    let mut all = log.subscribe(Scope::All(Checkpoint::START));
    assert_eq!(all.next().await.unwrap(), found[0]);
}

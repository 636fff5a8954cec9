//! The tools of the log: verify, stats, salvage and backup, on real directories.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod salvage;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reenact_store::log::{Damage, Nature, ToolError, VerifyReport, backup, stats, verify};
use reenact_store::*;
use reenact_testkit::store::{events, read_everything, stream};

use ExpectedSequence::Any;

const SMALL: LogOptions = LogOptions { segment_bytes: 64 << 10, weakness: None };

fn open(directory: &Path) -> EventLog {
    EventLog::open_with(directory, &SMALL).unwrap()
}

/// Appends so many times: to some streams again and again, to others once.
async fn fill(log: &EventLog, appends: usize) {
    for round in 0..appends {
        let mut new = events(1 + round % 5);
        new[0].payload = vec![round as u8; 300 + round * 37 % 2_000].into();
        let name = if round % 3 == 0 { format!("once-{round}") } else { format!("s{}", round % 7) };
        log.append(&stream(&name), Any, new).await.unwrap();
    }
}

/// A closed log of several segments, with indexes and runs.
async fn filled() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    fill(&log, 100).await;
    log.truncate(&stream("s1"), Sequence(9)).await.unwrap();
    fill(&log, 40).await;
    settle(directory.path()).await;
    log.close().unwrap();
    directory
}

/// Waits until the log's thread has written all indexes.
async fn settle(directory: &Path) {
    for _ in 0..6_000 {
        let (segments, indexes) = (files(directory, "segment").len(), files(directory, "index").len());
        if indexes + 6 > segments && !files(directory, "run").is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("indexes are not written within a minute");
}

/// The files with an extension, in order.
fn files(directory: &Path, extension: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.extension().is_some_and(|e| e == extension)).collect();
    paths.sort();
    paths
}

fn all_files(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A directory with the files of another one.
fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    for path in all_files(from) {
        match fs::copy(&path, to.path().join(path.file_name().unwrap())) {
            // The log is at work: what was being made has another name by now.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            copied => drop(copied.unwrap()),
        }
    }
    to
}

fn flip(path: &Path, bit: u64) {
    let file = fs::File::options().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, bit / 8).unwrap();
    file.write_all_at(&[byte[0] ^ 1 << (bit % 8)], bit / 8).unwrap();
}

fn overwrite(path: &Path, offset: u64, bytes: &[u8]) {
    fs::File::options().write(true).open(path).unwrap().write_all_at(bytes, offset).unwrap();
}

fn check(directory: &Path) -> VerifyReport {
    verify(directory, &mut |_| {}).unwrap()
}

/// Nothing is wrong, and nothing was left out.
fn check_whole(directory: &Path) -> VerifyReport {
    let report = check(directory);
    assert!(report.is_whole(), "{:#?}", report.damages);
    assert_eq!((report.unchecked, report.more_damages), (0, 0));
    report
}

#[tokio::test]
async fn a_whole_log_verifies_whether_it_is_closed_or_open() {
    let directory = filled().await;
    let mut last = 0;
    let report = verify(directory.path(), &mut |progress| {
        assert!(progress.done_bytes >= last && progress.done_bytes <= progress.all_bytes);
        last = progress.done_bytes;
    })
    .unwrap();
    assert!(report.is_whole(), "{report:#?}");
    assert!(report.closed && !report.written);
    assert!(report.segments >= 5 && report.indexes >= 3 && report.runs >= 1, "{report:#?}");
    assert_eq!((report.torn, report.left_over.len(), report.foreign.len()), (None, 0, 0));
    let log = open(directory.path());
    assert_eq!(log.report().events, report.events);
    let report = check_whole(directory.path());
    assert!(!report.closed);
    fill(&log, 30).await;
    assert!(check_whole(directory.path()).events > report.events);
    fs::write(directory.path().join("notes.txt"), "ours").unwrap();
    assert_eq!(check_whole(directory.path()).foreign, ["notes.txt"]);
    drop(log);
}

#[tokio::test]
async fn a_log_of_which_segments_were_given_up_verifies() {
    let directory = filled().await;
    let log = open(directory.path());
    let middle = Position(log.report().events / 2);
    assert!(log.retain(middle).unwrap() > 0);
    check_whole(directory.path());
    fill(&log, 60).await;
    check_whole(directory.path());
    assert!(log.retain(Position(middle.0 + 60)).unwrap() > 0);
    fill(&log, 20).await;
    drop(log);
    check_whole(directory.path());
    drop(open(directory.path()));
    check_whole(directory.path());
    flip(&files(directory.path(), "anchors")[0], 800);
    let report = check(directory.path());
    assert!(report.has_lost_evidence() && report.left_over.is_empty(), "{report:#?}");
}

#[tokio::test]
async fn an_empty_log_verifies() {
    let directory = tempfile::tempdir().unwrap();
    for none in [directory.path().to_owned(), directory.path().join("none")] {
        for found in [verify(&none, &mut |_| {}).map(drop), stats(&none).map(drop)] {
            let refused = found.unwrap_err();
            assert_eq!(refused.to_string(), format!("there is no log in {}", none.display()));
        }
    }
    drop(open(directory.path()));
    assert_eq!(check_whole(directory.path()).events, 0);
    let log = open(directory.path());
    log.append(&stream("s"), Any, events(2)).await.unwrap();
    assert_eq!(check_whole(directory.path()).events, 2);
    drop(log);
    assert_eq!(check_whole(directory.path()).events, 2);
}

/// Every file, flipped in many places: the file is named, and what it is worth.
#[tokio::test]
async fn every_flip_of_a_closed_log_is_found() {
    let directory = filled().await;
    let log = open(directory.path());
    assert!(log.retain(Position(60)).unwrap() > 0);
    fill(&log, 60).await;
    settle(directory.path()).await;
    drop(log);
    check_whole(directory.path());
    let mut flips = 0;
    for path in all_files(directory.path()) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let bits = fs::metadata(&path).unwrap().len() * 8;
        // All of what is small, and of what is large a part that begins anywhere.
        let step = (bits / 60).max(1) | 1;
        for bit in (flips % step..bits).step_by(step as usize) {
            flip(&path, bit);
            let report = check(directory.path());
            flip(&path, bit);
            let is_derived = name.ends_with("index") || name.ends_with("run");
            let nature = if is_derived { Nature::Derived } else { Nature::Evidence };
            let found = report.damages.iter().any(|damage| damage.file == name && damage.nature == nature);
            assert!(found, "bit {bit} of {name}: {:#?}", report.damages);
            flips += 1;
        }
    }
    println!("{flips} flips");
    check_whole(directory.path());
}

#[tokio::test]
async fn verifying_goes_on_after_damage() {
    let directory = filled().await;
    let segments = files(directory.path(), "segment");
    overwrite(&segments[1], 8_192, &[0; 4_096]);
    overwrite(&segments[3], 4_096, &[0; 4_096]);
    flip(&files(directory.path(), "index")[2], 8_000);
    let report = check(directory.path());
    let of = |path: &Path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        report.damages.iter().filter(move |damage| damage.file == name).collect::<Vec<&Damage>>()
    };
    let hole = of(&segments[1])[0];
    assert_eq!((hole.offset, hole.nature), (8_192, Nature::Evidence));
    assert!(hole.position.is_some() && hole.reason.contains("are lost"), "{hole:?}");
    assert_eq!(of(&segments[3])[0].offset, 4_096);
    assert!(of(&segments[1]).iter().any(|damage| damage.stream.is_some()), "{report:#?}");
    for whole in [&segments[0], &segments[2], &segments[4]] {
        assert!(of(whole).is_empty(), "{report:#?}");
    }
    assert!(report.damages.iter().any(|damage| damage.nature == Nature::Derived));
    let whole = check_whole(filled().await.path());
    assert!(report.blocks > whole.blocks - 5, "what follows is read");
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let directory = filled().await;
    let segments = files(directory.path(), "segment");
    for (path, reason) in [
        (directory.path().join("mark"), "it is missing"),
        (segments[0].clone(), "it is missing"),
        (segments[2].clone(), "it is missing"),
        (files(directory.path(), "index")[1].clone(), "it is missing"),
    ] {
        let changed = copy(directory.path());
        let name = path.file_name().unwrap().to_str().unwrap();
        fs::remove_file(changed.path().join(name)).unwrap();
        let report = check(changed.path());
        let [damage] = &report.damages[..] else { panic!("{name}: {:#?}", report.damages) };
        assert_eq!((damage.file.as_str(), damage.reason.as_str()), (name, reason));
    }
}

#[tokio::test]
async fn after_a_crash_the_last_write_may_be_torn() {
    let directory = tempfile::tempdir().unwrap();
    // In one segment, so that no mark is written in the background that would name the write.
    let log = EventLog::open(directory.path()).unwrap();
    fill(&log, 20).await;
    let before = check_whole(directory.path());
    log.append(&stream("torn"), Any, events(3)).await.unwrap();
    let crashed = copy(directory.path());
    let end = before.end.unwrap();
    flip(&files(crashed.path(), "segment")[end.segment as usize], (end.offset + 50) * 8);
    let report = check_whole(crashed.path());
    assert_eq!((report.events, report.torn.map(|(place, _)| place)), (before.events, Some(end)));
    assert_eq!(check_whole(directory.path()).events, before.events + 3);
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_log_verifies_while_it_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let log = Arc::new(open(directory.path()));
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { fill(&log, 120).await })
        })
        .collect();
    let (mut events, mut times) = (0, 0);
    // At least once, however fast they write.
    while times == 0 || writers.iter().any(|writer| !writer.is_finished()) {
        let path = directory.path().to_owned();
        let report = tokio::task::spawn_blocking(move || check_whole(&path)).await.unwrap();
        assert!(report.events >= events, "what was there stays there");
        (events, times) = (report.events, times + 1);
    }
    println!("verified {times} times, {events} events the last time");
    assert!(check_whole(directory.path()).events >= events);
}

/// Makes a backup; what the two directories share.
fn back_up(from: &Path, to: &Path) -> reenact_store::log::BackupReport {
    backup(from, to, &mut |_| {}).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_made_under_load_is_a_prefix() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = Arc::new(open(directory.path()));
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for round in 0..150 {
                    let mut new = events(1 + round % 3);
                    new[0].payload = vec![7; 400].into();
                    log.append(&stream(&format!("w{writer}-{}", round % 5)), Any, new).await.unwrap();
                }
            })
        })
        .collect();
    let mut reports = Vec::new();
    while writers.iter().any(|writer| !writer.is_finished()) && reports.len() < 10 {
        let to = copies.path().join(format!("{}/deep", reports.len()));
        let from = directory.path().to_owned();
        reports.push(tokio::task::spawn_blocking(move || (back_up(&from, &to), to)).await.unwrap());
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let all = read_everything(&*log, Checkpoint::START).await;
    for (report, to) in &reports {
        let events = report.next_position.0;
        let verified = check_whole(to);
        assert!(verified.closed && verified.left_over.is_empty() && verified.foreign.is_empty());
        assert_eq!((verified.events, verified.end), (events, Some(report.end)));
        let copy = open(to);
        assert_eq!((copy.report().events, copy.report().torn_at), (events, None));
        assert_eq!(read_everything(&copy, Checkpoint::START).await, all[..events as usize]);
        // It goes on by itself, and what it shares with the log does not change.
        fill(&copy, 20).await;
    }
    println!("{} backups, the last of {} events", reports.len(), reports.last().unwrap().0.next_position);
    drop(log);
    assert_eq!(check_whole(directory.path()).events, all.len() as u64);
}

#[tokio::test]
async fn a_backup_shares_full_segments_and_is_made_once() {
    let (directory, copies) = (filled().await, tempfile::tempdir().unwrap());
    let to = copies.path().join("copy");
    let report = back_up(directory.path(), &to);
    assert!(report.linked_bytes > report.copied_bytes && report.tries == 1, "{report:?}");
    let again = backup(directory.path(), &to, &mut |_| {});
    assert!(matches!(again, Err(ToolError::NotEmpty { .. })), "{again:?}");
    check_whole(&to);
    let none = backup(copies.path(), copies.path().join("none"), &mut |_| {});
    assert!(matches!(none, Err(ToolError::NoLog { .. })), "{none:?}");
    assert!(!copies.path().join("none").exists(), "what was begun is taken away");
    let onto = backup(directory.path(), to.join("mark"), &mut |_| {});
    assert!(matches!(onto, Err(ToolError::NotEmpty { .. })), "{onto:?}");
    let inside = directory.path().join("inside");
    back_up(directory.path(), &inside);
    check_whole(&inside);
}

#[tokio::test]
async fn a_log_that_is_new_or_gave_up_segments_is_backed_up() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = open(directory.path());
    back_up(directory.path(), &copies.path().join("new"));
    assert_eq!(check_whole(&copies.path().join("new")).events, 0);
    fill(&log, 100).await;
    assert!(log.retain(Position(100)).unwrap() > 0);
    back_up(directory.path(), &copies.path().join("retained"));
    let copy = open(&copies.path().join("retained"));
    let all = read_everything(&log, Checkpoint::START).await;
    assert_eq!(read_everything(&copy, Checkpoint::START).await, all);
    let name = stream("once-0");
    assert_eq!(copy.head(&name).await.unwrap(), log.head(&name).await.unwrap());
    drop(copy);
    check_whole(&copies.path().join("retained"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_backup_is_right_while_segments_are_given_up() {
    let (directory, copies) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let log = Arc::new(open(directory.path()));
    fill(&log, 60).await;
    let writing = {
        let log = Arc::clone(&log);
        tokio::spawn(async move {
            for _ in 0..10 {
                fill(&log, 30).await;
                let end = log.read_all(&Checkpoint::START, 1).await.unwrap()[0].position.0 + 150;
                log.retain(Position(end)).unwrap();
            }
        })
    };
    let (mut made, mut begun) = (0, 0);
    while made == 0 || !writing.is_finished() && begun < 15 {
        let (from, to) = (directory.path().to_owned(), copies.path().join(begun.to_string()));
        let into = to.clone();
        match tokio::task::spawn_blocking(move || backup(from, into, &mut |_| {})).await.unwrap() {
            Ok(report) => {
                check_whole(&to);
                let copy = open(&to);
                let last = copy.read_all(&Checkpoint::START, 1).await.unwrap()[0].position;
                assert!(last < report.next_position);
                made += 1;
            }
            Err(ToolError::Changed { .. }) => assert!(!to.exists(), "what was begun is taken away"),
            Err(error) => panic!("{error:?}"),
        }
        begun += 1;
    }
    writing.await.unwrap();
    println!("{made} backups of {begun} that were begun");
}

#[tokio::test]
async fn statistics_count_what_is_there() {
    let directory = filled().await;
    let log = open(directory.path());
    let all = read_everything(&log, Checkpoint::START).await;
    let found = stats(directory.path()).unwrap();
    assert!(!found.closed);
    let head = log.head(&stream("s1")).await.unwrap().unwrap();
    assert_eq!((found.events, found.truncated_events), (all.len() as u64 + 9, 9));
    let mut streams: Vec<_> = all.iter().map(|event| event.stream.clone()).collect();
    streams.sort();
    streams.dedup();
    assert_eq!(found.streams, streams.len() as u64);
    assert_eq!(found.first_position, Some(Position(0)));
    assert_eq!(found.last_position, all.last().map(|event| event.position));
    assert_eq!(found.first_timestamp, all.first().map(|event| event.timestamp));
    assert_eq!(found.last_timestamp, all.last().map(|event| event.timestamp));
    assert_eq!(found.largest.len(), 10);
    let largest = found.largest.iter().find(|largest| largest.stream == stream("s1")).unwrap();
    assert_eq!((largest.events, largest.last), (head.sequence.0 + 1, head.sequence));
    let bytes = found.bytes;
    let length = |extension| {
        files(directory.path(), extension).iter().map(|path| path.metadata().unwrap().len()).sum::<u64>()
    };
    assert_eq!(bytes.segments + bytes.prepared, length("segment"));
    assert_eq!((bytes.indexes, bytes.runs), (length("index"), length("run")));
    assert!(found.bytes_per_event().unwrap() > 100.0);
    assert_eq!(found.segments, check_whole(directory.path()).segments);
}

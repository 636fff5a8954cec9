//! Salvaging: what is whole is kept, and what is lost is told.

use std::fs;
use std::path::Path;

use reenact_store::log::{SalvageReport, ToolError, salvage};
use reenact_store::*;
use reenact_testkit::store::{events, read_everything, stream};

use super::{check, check_whole, copy, files, fill, filled, flip, open, overwrite};
use ExpectedSequence::Any;

/// Salvages a log; the new one verifies, and what it has of each stream is a prefix of what there was. Events that
/// are neither in it nor in the rest are as many as are said to be lost.
async fn check_salvage(directory: &Path, before: &[Event]) -> (SalvageReport, Vec<Event>) {
    let to = tempfile::tempdir().unwrap();
    let report = salvage(directory, to.path(), &mut |_| {}).unwrap();
    let verified = check_whole(to.path());
    assert!(verified.closed);
    assert_eq!(verified.events, report.kept);
    let log = open(to.path());
    let kept = read_everything(&log, Checkpoint::START).await;
    let same =
        |a: &Event, b: &Event| (&a.stream, a.sequence, a.to_new()) == (&b.stream, b.sequence, b.to_new());
    let mut all = before.iter();
    // If the truncation was lost, what it truncated is there again.
    let truncated = |event: &Event| event.stream == stream("s1") && event.sequence < Sequence(9);
    for event in kept.iter().filter(|event| !truncated(event)) {
        let was = all.find(|was| same(was, event)).expect("what is kept was there, in this order");
        assert_eq!(was.timestamp, event.timestamp);
    }
    for event in &kept {
        let head = log.head(&event.stream).await.unwrap().unwrap();
        let of = |events: &[Event]| events.iter().filter(|e| e.stream == event.stream).count();
        assert!(of(before) + 9 >= of(&kept) && of(&kept) as u64 == head.sequence.0 + 1 - head.first.0);
    }
    let rest = report.rest_file.as_ref().map_or(String::new(), |file| fs::read_to_string(file).unwrap());
    assert_eq!(rest.lines().count() as u64, report.rest);
    for line in rest.lines() {
        let id = line.split(r#""event_id":""#).nth(1).unwrap().split('"').next().unwrap();
        assert!(!kept.iter().any(|event| event.id.to_string() == id), "either kept or in the rest");
    }
    (report, kept)
}

/// The events of a log, and all but the begin of each stream that was truncated.
async fn events_of(directory: &Path) -> Vec<Event> {
    read_everything(&LogReader::open(directory).unwrap(), Checkpoint::START).await
}

#[tokio::test]
async fn a_whole_log_is_salvaged_as_it_is() {
    let directory = filled().await;
    let before = events_of(directory.path()).await;
    let (report, kept) = check_salvage(directory.path(), &before).await;
    assert_eq!(kept, before, "positions and timestamps included");
    assert_eq!((report.rest, report.lost, report.lost_truncations, report.cut_streams), (0, 0, 0, 0));
    assert_eq!((report.kept, report.places.len()), (before.len() as u64 + 9, 0));
    let to = tempfile::tempdir().unwrap();
    salvage(directory.path(), to.path(), &mut |_| {}).unwrap();
    let (log, new) = (open(directory.path()), open(to.path()));
    for event in &before {
        let name = &event.stream;
        assert_eq!(
            log.head(name).await.unwrap(),
            new.head(name).await.unwrap(),
            "chain and anchor of {name}"
        );
    }
}

#[tokio::test]
async fn a_log_with_a_damaged_head_or_without_a_mark_is_salvaged_whole() {
    let directory = filled().await;
    let before = events_of(directory.path()).await;
    type Change = fn(&Path);
    let changes: [(&str, Change); 4] = [
        ("mark", |directory| fs::remove_file(directory.join("mark")).unwrap()),
        ("mark", |directory| flip(&directory.join("mark"), 200)),
        ("00000002.segment", |directory| overwrite(&files(directory, "segment")[2], 0, &[0xee; 100])),
        ("00000000.segment", |directory| flip(&files(directory, "segment")[0], 99)),
    ];
    for (file, change) in changes {
        let damaged = copy(directory.path());
        change(damaged.path());
        assert!(!check(damaged.path()).is_whole());
        let (report, kept) = check_salvage(damaged.path(), &before).await;
        assert_eq!(kept, before);
        assert_eq!((report.rest, report.lost), (0, 0));
        let [place] = &report.places[..] else { panic!("{:#?}", report.places) };
        assert_eq!(place.file, file);
    }
}

#[tokio::test]
async fn a_damaged_block_costs_its_streams_what_follows() {
    let directory = filled().await;
    let before = events_of(directory.path()).await;
    let segments = files(directory.path(), "segment");
    let zeroed = copy(directory.path());
    overwrite(&zeroed.path().join(segments[1].file_name().unwrap()), 8_192, &[0; 4_096]);
    let (report, kept) = check_salvage(zeroed.path(), &before).await;
    let [place] = &report.places[..] else { panic!("{:#?}", report.places) };
    assert_eq!((place.offset, place.bytes, place.whole_events), (8_192, 4_096, 0));
    let (first, last) = place.positions.unwrap();
    assert_eq!(report.lost, last.0 - first.0 + 1);
    assert_eq!(report.kept + report.rest + report.lost, before.len() as u64 + 9);
    assert_eq!(place.streams.len() as u64, report.cut_streams);
    assert!(kept.len() > before.len() / 2 && report.cut_streams == 1, "{report:#?}");

    // One bit of one event: the others of its block are whole by themselves.
    let flipped = copy(directory.path());
    flip(&flipped.path().join(segments[1].file_name().unwrap()), (8_192 + 100) * 8);
    let (flipped, _) = check_salvage(flipped.path(), &before).await;
    assert_eq!(flipped.lost, 1, "{flipped:#?}");
    assert_eq!(flipped.kept + flipped.rest + 1, before.len() as u64 + 9);
}

#[tokio::test]
async fn what_is_left_of_missing_and_cut_segments_is_salvaged() {
    let directory = filled().await;
    let before = events_of(directory.path()).await;
    let name = |n: usize| files(directory.path(), "segment")[n].file_name().unwrap().to_owned();
    let last = check_whole(directory.path()).end.unwrap().segment as usize;
    for missing in [0, 2, last] {
        let damaged = copy(directory.path());
        fs::remove_file(damaged.path().join(name(missing))).unwrap();
        let (report, kept) = check_salvage(damaged.path(), &before).await;
        assert!(!kept.is_empty() && report.lost > 0, "{missing}: {report:#?}");
        assert!(EventLog::open(damaged.path()).is_err());
        assert_eq!(report.kept + report.rest + report.lost, before.len() as u64 + 9, "{missing}");
        assert_eq!(report.places[0].file, name(missing).to_str().unwrap());
    }
    for length in [0, 50, 5_000, 20_000] {
        let damaged = copy(directory.path());
        let cut = fs::File::options().write(true).open(damaged.path().join(name(1))).unwrap();
        cut.set_len(length).unwrap();
        let (report, _) = check_salvage(damaged.path(), &before).await;
        assert_eq!(report.kept + report.rest + report.lost, before.len() as u64 + 9, "{length}: {report:#?}");
        assert!(!check(damaged.path()).is_whole());
    }
}

#[tokio::test]
async fn a_log_that_gave_up_segments_keeps_its_numbers_in_the_new_one() {
    let directory = filled().await;
    let log = open(directory.path());
    assert!(log.retain(Position(150)).unwrap() > 0);
    let before = read_everything(&log, Checkpoint::START).await;
    fill(&log, 10).await;
    drop(log);
    let all = events_of(directory.path()).await;
    let to = tempfile::tempdir().unwrap();
    let report = salvage(directory.path(), to.path(), &mut |_| {}).unwrap();
    assert_eq!((report.rest, report.lost, report.places.len()), (0, 0, 0));
    let (log, new) = (open(directory.path()), open(to.path()));
    assert_eq!(read_everything(&new, Checkpoint::START).await, all);
    for name in ["once-0", "s0", "s1"].map(stream) {
        assert_eq!(log.head(&name).await.unwrap(), new.head(&name).await.unwrap());
    }
    let (a, b) =
        (new.append(&stream("once-0"), Any, events(1)).await, log.head(&stream("once-0")).await.unwrap());
    assert_eq!(a.unwrap().first, b.unwrap().sequence.plus(1));
    drop((log, new));
    check_whole(to.path());
    // Without its anchors there is no begin for them.
    fs::remove_file(&files(directory.path(), "anchors")[0]).unwrap();
    let (report, kept) = check_salvage(directory.path(), &all).await;
    assert!(report.rest > 0 && kept.len() < before.len(), "{report:#?}");
}

#[tokio::test]
async fn nothing_is_salvaged_into_what_is_there() {
    let directory = filled().await;
    let into = |to: &Path| salvage(directory.path(), to, &mut |_| {});
    assert!(matches!(into(directory.path()), Err(ToolError::NotEmpty { .. })));
    let (empty, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let none = salvage(empty.path(), other.path().join("x"), &mut |_| {});
    assert!(matches!(none, Err(ToolError::NoLog { .. })));
    assert!(!other.path().join("x").exists());
}

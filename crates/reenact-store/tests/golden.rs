//! Logs that older versions wrote are read for ever.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use reenact_store::*;
use reenact_testkit::store::{check_everything, stream};

const STREAMS: [&str; 4] = ["s0", "s1", "s2", "once"];

fn testdata(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/logs").join(name)
}

/// Everything that a log says, as text.
async fn dump(log: &EventLog) -> String {
    let mut text = String::new();
    for event in check_everything(log).await {
        let Event { id, stream, sequence, position, timestamp, kind, payload, occurred_at, trace, .. } =
            event;
        let (hash, occurred_at) = (blake3::hash(&payload).to_hex(), occurred_at.map(|at| at.0));
        let trace = trace.map(|trace| (trace.to_string(), trace.state().map(ToOwned::to_owned)));
        let time = timestamp.0;
        writeln!(text, "{position} {stream} {sequence} {id} {kind} {time} {occurred_at:?} {trace:?} {hash}")
            .unwrap();
    }
    for name in STREAMS {
        let head = log.head(&stream(name)).await.unwrap().unwrap();
        writeln!(text, "{name} {} {} {} {}", head.first, head.anchor, head.sequence, head.chain).unwrap();
    }
    text
}

/// Writes a log that has everything in it.
async fn write(directory: &Path) {
    let options = LogOptions { segment_bytes: 16 << 10, ..LogOptions::default() };
    let log = EventLog::open_with(directory, &options).unwrap();
    let trace = TraceContext::new([1; 16], [2; 8], 1).unwrap().with_state("vendor=value").unwrap();
    for n in 0..24 {
        let mut events = reenact_testkit::store::events(n % 4 + 1);
        events[0].payload = vec![n as u8; n * 90].into();
        events[0].occurred_at = (n % 2 == 0).then_some(Timestamp(n as u64));
        events[0].trace = (n % 3 == 0).then(|| trace.clone());
        let name = if n == 1 { "once" } else { STREAMS[n % 3] };
        log.append(&stream(name), ExpectedSequence::Any, events).await.unwrap();
    }
    log.truncate(&stream("s1"), Sequence(9)).await.unwrap();
    let position = check_everything(&log).await[12].position;
    assert!(log.retain(position).unwrap() > 0);
    log.close().unwrap();
}

#[tokio::test]
async fn a_log_of_version_1_is_read() {
    let golden = testdata("log-1");
    if !golden.exists() {
        write(&golden).await;
        let log = EventLog::open(&golden).unwrap();
        fs::write(testdata("log-1.txt"), dump(&log).await).unwrap();
        log.close().unwrap();
        panic!("there was no golden log; it has been written");
    }
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(&golden).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    let expect = fs::read_to_string(testdata("log-1.txt")).unwrap();
    let log = EventLog::open(copy.path()).unwrap();
    assert_eq!(log.report().torn_at, None);
    assert_eq!(dump(&log).await, expect);
    assert_eq!(log.rebuilt_indexes(), 0, "its indexes are those of this version");
    log.append(&stream("s0"), ExpectedSequence::Any, reenact_testkit::store::events(1)).await.unwrap();
    check_everything(&log).await;
}

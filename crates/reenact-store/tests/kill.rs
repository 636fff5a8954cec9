//! A process that appends is killed, again and again: every acknowledged event is there.
//!
//! What the system has in its page cache outlives a killed process, so that this says nothing about syncs.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use reenact_store::{EventId, EventLog, EventStore, ExpectedSequence, Sequence, StreamId};
use reenact_testkit::store::{check_everything, events, stream};

const DIRECTORY: &str = "REENACT_TEST_KILL_DIRECTORY";
const ROUNDS: usize = 5;

/// Not a test by itself, but the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let log = Arc::new(EventLog::open(directory).unwrap());
    let writers: Vec<_> = (0..32).map(|n| tokio::spawn(append_for_ever(Arc::clone(&log), n))).collect();
    for writer in writers {
        writer.await.unwrap();
    }
}

async fn append_for_ever(log: Arc<EventLog>, writer: usize) {
    let stream = stream(&format!("s{}", writer % 8));
    loop {
        let events = events(writer % 3 + 1);
        let receipt = log.append(&stream, ExpectedSequence::Any, events.clone()).await.unwrap();
        let mut lines = Vec::new();
        for (sequence, event) in (receipt.first.0..).zip(&events) {
            writeln!(lines, "acknowledged {stream} {sequence} {}", event.id.uuid()).unwrap();
        }
        std::io::stdout().write_all(&lines).unwrap();
    }
}

#[tokio::test]
async fn every_acknowledged_event_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = HashMap::new();
    for round in 0..ROUNDS {
        run_and_kill(directory.path(), 300 + 200 * round, &mut journal);
        let log = EventLog::open(directory.path()).unwrap();
        let found = check_everything(&log).await;
        let found: HashMap<_, _> =
            found.iter().map(|event| ((event.stream.clone(), event.sequence), event.id)).collect();
        for (place, id) in &journal {
            assert_eq!(found.get(place), Some(id), "round {round}: {place:?}");
        }
        println!("round {round}: {} acknowledged, {} found", journal.len(), found.len());
    }
}

/// Lets a process append until so many acknowledgements have come, kills it, and takes down all that came.
fn run_and_kill(
    directory: &std::path::Path,
    acknowledgements: usize,
    journal: &mut HashMap<(StreamId, Sequence), EventId>,
) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["appends_until_it_is_killed", "--exact", "--nocapture"])
        .env(DIRECTORY, directory)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).split(b'\n');
    let mut left = acknowledgements;
    for line in lines {
        let line = String::from_utf8(line.unwrap()).unwrap();
        if let Some((place, id)) = acknowledgement(&line) {
            assert_eq!(journal.insert(place, id), None, "no place is acknowledged twice");
            left = left.saturating_sub(1);
            if left == 0 {
                child.kill().unwrap();
            }
        }
    }
    assert_eq!(left, 0, "the process ended by itself: {}", child.wait().unwrap());
    child.wait().unwrap();
}

/// What a line says; `None` for one of the test harness, or for one that was cut off by the kill.
fn acknowledgement(line: &str) -> Option<((StreamId, Sequence), EventId)> {
    let mut words = line.strip_prefix("acknowledged ")?.split(' ');
    let stream = StreamId::new(words.next()?).ok()?;
    let sequence = Sequence(words.next()?.parse().ok()?);
    let id = EventId::from_uuid(words.next()?.parse().ok()?)?;
    Some(((stream, sequence), id))
}

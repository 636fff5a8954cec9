//! A process that appends is killed, again and again: every acknowledged event is there.
//!
//! What the system has in its page cache outlives a killed process, so that this says nothing about syncs; that is
//! for `power_cut`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::process::Command;
use std::sync::Arc;

use reenact_store::EventLog;
use reenact_testkit::load::{Acknowledging, Journal, WriterProcess, write_until_refused};

const DIRECTORY: &str = "REENACT_TEST_KILL_DIRECTORY";
const ROUNDS: u64 = 5;

/// Not a test by itself, but the process that is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn appends_until_it_is_killed() {
    let Ok(directory) = std::env::var(DIRECTORY) else { return };
    let log = EventLog::open(directory).unwrap();
    write_until_refused(Arc::new(log), Acknowledging::Stored).await;
}

#[tokio::test]
async fn every_acknowledged_event_outlives_the_process() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = Journal::default();
    for round in 0..ROUNDS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["appends_until_it_is_killed", "--exact", "--nocapture"])
            .env(DIRECTORY, directory.path());
        let writers = WriterProcess::start(command);
        writers.follow(&mut journal, 150 + 100 * round, WriterProcess::kill);
        let log = EventLog::open(directory.path()).unwrap();
        let found = journal.check(&log).await;
        println!("round {round}: {} acknowledged, {found:?}", journal.acknowledged);
        assert_eq!(found.lost, 0);
    }
}

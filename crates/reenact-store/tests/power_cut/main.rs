//! The power is cut while many writers append to a log, again and again: every acknowledged event is there.
//!
//! What a file system has not written yet is gone then, so that this is about syncs. `REENACT_TORTURE_ROUNDS` says
//! how often; `cargo xtask torture power` sets it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod disk;

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use reenact::bot::Random;
use reenact_store::EventLog;
use reenact_testkit::harness;
use reenact_testkit::load::{Acknowledging, Found, Journal, LAST_LINE, WriterProcess, write_until_refused};

use disk::Disk;

const CUTS_DEFAULT: u64 = 20;
/// Cuts under writers that lie.
const CUTS_OF_LIARS: u64 = 3;
const SEED: u64 = 0x70_6f77_6572;
/// Room for a log that keeps files ahead of need, and for what is appended between two cuts.
const DISK_BYTES: u64 = 1 << 30;
const DISK_BYTES_PER_CUT: u64 = 4 << 20;
/// What writers have acknowledged at most when the power is cut.
const ACKNOWLEDGEMENTS_MAX: u64 = 1_000;
/// How long a log has at most to be opened when the power is cut meanwhile.
const OPENING_MILLIS_MAX: u64 = 20;

const TESTS: [harness::Test; 2] = [
    ("nothing_acknowledged_is_lost_when_the_power_is_cut", power_cuts),
    ("writers_that_acknowledge_too_early_are_found_out", liars_are_found_out),
];

/// The tests; or, with two arguments of its own, the process that appends.
fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "honest", directory] => write(directory, Acknowledging::Stored),
        [_, "lying", directory] => write(directory, Acknowledging::Attempted),
        _ => harness::run(&TESTS, Disk::try_out().err().as_deref()),
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 4)]
async fn write(directory: &str, acknowledging: Acknowledging) -> ExitCode {
    // The power may be cut before the log is open.
    if let Ok(log) = EventLog::open(directory) {
        write_until_refused(Arc::new(log), acknowledging).await;
    }
    ExitCode::SUCCESS
}

fn power_cuts() {
    let cuts = env::var("REENACT_TORTURE_ROUNDS").map_or(CUTS_DEFAULT, |text| text.parse().unwrap());
    let mut machine = Machine::new(cuts);
    let mut lost = 0;
    for cut in 1..=cuts {
        // Each third cut comes while the log is mended from the one before.
        if cut % 3 == 0 {
            machine.cut_while_opening();
        } else {
            machine.cut_under_load("honest");
        }
        if (cut + 1) % 3 != 0 || cut == cuts {
            let found = machine.check();
            if found.lost > 0 {
                println!("cut {cut}: {found:?}");
            }
            lost += found.lost;
        }
    }
    let acknowledged = machine.journal.acknowledged;
    println!("{cuts} cuts, {acknowledged} events acknowledged before the last, {lost} lost");
    assert_eq!(lost, 0);
}

fn liars_are_found_out() {
    let mut machine = Machine::new(CUTS_OF_LIARS);
    for _ in 0..CUTS_OF_LIARS {
        machine.cut_under_load("lying");
    }
    let found = machine.check();
    println!("{CUTS_OF_LIARS} cuts under writers that lie: {found:?}");
    assert!(found.lost > 0, "nobody has noticed");
}

/// A log on a disk whose power is cut, and outside of it the journal.
struct Machine {
    disk: Disk,
    journal: Journal,
    random: Random,
}

impl Machine {
    fn new(cuts: u64) -> Self {
        let disk = Disk::new(DISK_BYTES + cuts * DISK_BYTES_PER_CUT).unwrap();
        Self { disk, journal: Journal::default(), random: Random::new(SEED) }
    }

    fn cut_under_load(&mut self, how: &str) {
        let acknowledgements = 1 + self.random.below(ACKNOWLEDGEMENTS_MAX);
        self.cut(how, acknowledgements, Duration::ZERO);
    }

    fn cut_while_opening(&mut self) {
        let opening = Duration::from_millis(self.random.below(OPENING_MILLIS_MAX));
        self.cut("honest", 0, opening);
    }

    /// Lets writers write, and cuts the power so long after so many acknowledgements.
    fn cut(&mut self, how: &str, acknowledgements: u64, later: Duration) {
        let mut command = Command::new(env::current_exe().unwrap());
        command.args([Path::new(how), &self.log()]);
        WriterProcess::start(command).follow(&mut self.journal, acknowledgements, |writers| {
            thread::sleep(later);
            self.disk.cut(writers.pipe(), LAST_LINE).unwrap();
        });
        self.disk.power_on().unwrap();
    }

    fn log(&self) -> PathBuf {
        self.disk.root().join("log")
    }

    fn check(&mut self) -> Found {
        let log = EventLog::open(self.log()).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(self.journal.check(&log))
    }
}

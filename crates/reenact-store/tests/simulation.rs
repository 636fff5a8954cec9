//! The embedded log on a simulated disk: crashes by the thousand, one at every call, and every fault at every call.
//!
//! `REENACT_TORTURE_ROUNDS` says how many crashes, and `REENACT_SIM_SEED` runs one seed alone.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Waker};
use std::thread;
use std::time::Instant;

use crc32c::{crc32c, crc32c_append};
use reenact::bot::Random;
use reenact_store::clock::Clock;
use reenact_store::disk::Disk;
use reenact_store::log::{LogOptions, Step, Weakness};
use reenact_store::{AppendError, EventLog, EventStore, ExpectedSequence, LogReader, Position, Receipt};
use reenact_testkit::sim_disk::{Call, Calls, Failure, Fault, SimDisk};
use reenact_testkit::simulation::{
    Action, Effort, Expect, Run, SeededClock, Sizes, Subject, Tally, Violation, Work, crash_at_every_call,
    crash_often, every_fault_at_every_call, is_found_out, now,
};

/// Crashes in the life of one log.
const CRASHES: u64 = 10;

/// The log, with segments so small that they are filled.
#[derive(Clone, Copy, Debug, Default)]
struct Log {
    weakness: Option<Weakness>,
    /// Whether segments are of the least length alone.
    tiny: bool,
}

impl Log {
    /// Segments of other lengths whenever the log is opened, as if its options had been changed.
    fn options(self, disk: &SimDisk) -> LogOptions {
        let sizes: &[u64] = if self.tiny { &[16 << 10] } else { &[64 << 10, 96 << 10, 128 << 10] };
        let segment_bytes = sizes[disk.file_names().len() % sizes.len()];
        LogOptions { segment_bytes, weakness: self.weakness }
    }
}

impl Subject for Log {
    type Store = EventLog;

    fn open(&self, disk: &SimDisk, clock: Arc<dyn Clock>) -> Result<EventLog, String> {
        let opened = EventLog::open_stepped(Arc::new(disk.clone()), clock, &self.options(disk));
        opened.map_err(|error| format!("{error:?}"))
    }

    fn work(&self, store: &EventLog, work: Work) {
        store.step(match work {
            Work::Commit => Step::Commit,
            Work::Prepare => Step::Prepare,
            Work::Index => Step::Index,
            Work::Merge => Step::Merge,
        });
    }

    fn retain(&self, store: &EventLog, before: Position) -> Result<(), String> {
        store.retain(before).map(drop).map_err(|error| error.to_string())
    }

    fn open_beside(&self, disk: &SimDisk) -> Result<Option<Box<dyn EventStore>>, String> {
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        let reader = LogReader::open_on(&disk).map_err(|error| format!("{error:?}"))?;
        Ok(Some(Box::new(reader)))
    }
}

/// Appends that fit into the smallest segments.
fn small() -> Sizes {
    Sizes { streams: 4, payload_bytes: 800, payload_bytes_max: 6_000, events_max: 12 }
}

/// One seed: segments, disk and script by it.
fn run(seed: u64) -> Result<Tally, Violation> {
    let tiny = !seed.is_multiple_of(4);
    let disk =
        if seed.is_multiple_of(3) { SimDisk::new(seed).with_cached_commits() } else { SimDisk::new(seed) };
    let sizes = if tiny { small() } else { Sizes::default() };
    let effort = Effort { sizes, ..Effort::default() };
    crash_often(Log { tiny, weakness: None }, disk, seed, CRASHES, &effort)
}

fn number(variable: &str) -> Option<u64> {
    env::var(variable).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn twenty_thousand_crashes() {
    if let Some(seed) = number("REENACT_SIM_SEED") {
        println!("seed {seed}: {:?}", run(seed).unwrap_or_else(|violation| panic!("{violation}")));
        return;
    }
    let crashes = number("REENACT_TORTURE_ROUNDS").unwrap_or(20_000);
    let (next, seeds) = (AtomicU64::new(0), crashes.div_ceil(CRASHES));
    let begin = Instant::now();
    let work = || {
        let mut tally = Tally::default();
        while let seed = next.fetch_add(1, Ordering::Relaxed)
            && seed < seeds
        {
            let ran = run(seed).unwrap_or_else(|violation| {
                panic!("{violation}\nalone: REENACT_SIM_SEED={seed} cargo test --release -p reenact-store --test simulation twenty")
            });
            tally = tally.plus(ran);
        }
        tally
    };
    let tally = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads()).map(|_| scope.spawn(work)).collect();
        let tallies = workers.into_iter().map(|worker| worker.join().expect("a seed that kept its word"));
        tallies.fold(Tally::default(), Tally::plus)
    });
    let Tally { crashes, crashes_while_opening, acknowledged, .. } = tally;
    println!(
        "{crashes} crashes, {acknowledged} appends acknowledged, 0 lost; {crashes_while_opening} while opening, \
         {:.0} a second",
        crashes as f64 / begin.elapsed().as_secs_f64()
    );
}

fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[test]
fn a_crash_at_every_call_of_a_script() {
    let effort = Effort { sizes: small(), actions: 60, survivors: 2 };
    let check = move |seed| {
        let log = Log { tiny: true, weakness: None };
        let tally = crash_at_every_call(&log, || SimDisk::new(seed), seed, &effort);
        let tally = tally.unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
        println!("seed {seed}: {tally:?}");
    };
    thread::scope(|scope| (0..2).for_each(|seed| drop(scope.spawn(move || check(seed)))));
}

/// Every fault at every call of a script, on disks as `disk` makes them.
fn check_every_fault(disk: impl Fn(u64) -> SimDisk + Sync) {
    thread::scope(|scope| {
        for seed in 0..2 {
            let disk = &disk;
            scope.spawn(move || {
                let tally = try_every_fault(None, seed, || disk(seed));
                let tally = tally.unwrap_or_else(|violation| panic!("seed {seed}: {violation}"));
                println!("seed {seed}: {tally:?}");
            });
        }
    });
}

fn try_every_fault(
    weakness: Option<Weakness>,
    seed: u64,
    disk: impl Fn() -> SimDisk,
) -> Result<Tally, Violation> {
    let effort = Effort { sizes: small(), actions: 40, survivors: 1 };
    every_fault_at_every_call(&Log { tiny: true, weakness }, disk, seed, &effort)
}

#[test]
fn every_fault_at_every_call_of_a_script() {
    check_every_fault(SimDisk::new);
}

#[test]
fn every_fault_at_every_call_where_commits_go_through_the_page_cache() {
    check_every_fault(|seed| SimDisk::new(seed).with_cached_commits());
}

/// What goes on after a failed write writes over what is left of it: the remains are behind a shorter block when the
/// log is closed, or somebody has read what is there no more.
#[test]
fn without_poisoning_the_oracle_is_red() {
    let ran = |seed| try_every_fault(Some(Weakness::NoPoison), seed, || SimDisk::new(seed));
    let red = (0..20).find_map(|seed| ran(seed).err());
    println!("{}", red.expect("a script in which going on after a failed write does harm"));
}

/// Appends that fill several segments, with what else is done meanwhile.
fn fill() -> impl Iterator<Item = Action> {
    (0..24).flat_map(|n| {
        let append =
            Action::Append { stream: n % 3, expect: Expect::Any, payload_bytes: vec![700; 1 + n % 7] };
        let truncate = Action::Truncate { stream: n % 2, before: n as u64 / 2 };
        let work = Work::ALL.map(Action::Work);
        let end = [Action::Listen, Action::Retry { nth: n as u64 }];
        [append].into_iter().chain((n % 5 == 4).then_some(truncate)).chain(work).chain(end)
    })
}

/// Old segments are given up, twice, and the log goes on and is closed and opened again meanwhile.
fn give_up() -> impl Iterator<Item = Action> {
    let retain = |before| [Action::Retain { before }, Action::ReadBeside { anew: true }];
    let go_on = || fill().take(40);
    let again = retain(70).into_iter().chain(go_on()).chain([Action::Reopen]).chain(retain(90));
    retain(40).into_iter().chain(go_on()).chain(again)
}

/// A log of several segments.
fn filled(disk: SimDisk) -> Run<Log> {
    let mut run = Run::new(Log { tiny: true, weakness: None }, disk, small(), 1);
    assert!(run.open().unwrap());
    run.act_all(fill()).unwrap();
    run.see_all().unwrap();
    run
}

#[test]
fn giving_up_segments_is_interrupted_at_every_call() {
    for call in 0.. {
        let mut run = filled(SimDisk::new(call));
        run.disk().stop_after(call);
        run.act_all(give_up()).unwrap_or_else(|violation| panic!("until call {call}: {violation}"));
        let stopped = run.disk().has_stopped();
        for survivors in 0..6 {
            let mut random = Random::new(survivors);
            // A process that is killed leaves the disk itself, and not a copy.
            let disk = if survivors == 5 { run.disk().kill() } else { run.disk().crash(&mut random) };
            let mut next = Run::with(Log { tiny: true, weakness: None }, disk, run.model().clone(), call);
            let mut go_on = || {
                next.open()?;
                next.act_all(give_up())?;
                next.settle()?;
                next.crash(&mut random);
                next.open()?;
                next.settle()
            };
            go_on().unwrap_or_else(|violation| panic!("call {call}, survivors {survivors}: {violation}"));
        }
        if !stopped {
            println!("{call} calls");
            return;
        }
    }
}

#[test]
fn giving_up_segments_meets_every_fault() {
    let check = |failure, lasting, after| {
        let mut run = filled(SimDisk::new(after));
        run.fail(Fault { calls: Calls::Changing, after, failure, lasting });
        // A reader that meets a fault waits, and tries again.
        run.act_all(give_up().filter(|action| !matches!(action, Action::ReadBeside { .. })))?;
        let failed = run.disk().failed_calls();
        run.disk().heal();
        run.see_all()?;
        run.act_all(give_up())?;
        match after % 3 {
            0 => run.close(),
            1 => run.kill(),
            _ => run.crash(&mut Random::new(after)),
        }
        run.forgive();
        run.open()?;
        run.act_all(give_up())?;
        run.settle()?;
        run.crash(&mut Random::new(after));
        run.open()?;
        run.settle().map(|()| failed)
    };
    for (failure, lasting) in
        [Failure::Broken, Failure::Full].into_iter().flat_map(|of| [(of, false), (of, true)])
    {
        for after in 0.. {
            let failed = check(failure, lasting, after);
            let failed =
                failed.unwrap_or_else(|violation| panic!("{failure:?} {lasting} {after}: {violation}"));
            if failed == 0 {
                println!("{after} faults");
                break;
            }
        }
    }
}

/// The oracle is red for a disk that says of `call` that something is durable which is not.
fn check_found_out(call: Call) {
    let log = Log { tiny: true, weakness: None };
    assert!(is_found_out(&log, call, 100, &Effort { sizes: small(), ..Effort::default() }), "{call:?}");
}

#[test]
fn without_sync_the_oracle_is_red() {
    check_found_out(Call::Sync);
}

#[test]
fn without_sync_of_names_the_oracle_is_red() {
    check_found_out(Call::SyncNames);
}

#[test]
fn without_commits_that_are_durable_the_oracle_is_red() {
    check_found_out(Call::CommitAt);
}

/// The log, if its checksums were always right: those of what a crash has torn are made so before it is opened.
#[derive(Clone, Copy, Debug)]
struct Unchecked(Log);

impl Subject for Unchecked {
    type Store = EventLog;

    fn open(&self, disk: &SimDisk, clock: Arc<dyn Clock>) -> Result<EventLog, String> {
        mend_checksums(disk);
        self.0.open(disk, clock)
    }

    fn work(&self, store: &EventLog, work: Work) {
        self.0.work(store, work);
    }
}

const PAGE: usize = 4_096;

fn mend_checksums(disk: &SimDisk) {
    let names = disk.file_names();
    if !names.iter().any(|name| name == "mark") {
        return;
    }
    let log = disk.bytes_of("mark")[12..28].to_vec();
    for name in names.iter().filter(|name| name.ends_with(".segment")) {
        let found = disk.bytes_of(name);
        let number = u32::from_str_radix(&name[..8], 16).unwrap();
        let mended = mend_segment(&log, number, found.clone());
        if mended != found {
            disk.put_file(name, &mended);
        }
    }
}

fn number_at(bytes: &[u8], at: usize) -> usize {
    u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize
}

/// A segment whose head and blocks have the checksums of what is there; see `docs/spec/event-log.md`.
fn mend_segment(log: &[u8], number: u32, mut bytes: Vec<u8>) -> Vec<u8> {
    if !bytes.starts_with(b"\x89REENS") {
        return bytes;
    }
    let mut previous = crc32c(&bytes[..68]).to_le_bytes();
    bytes[68..72].copy_from_slice(&previous);
    let mut at = PAGE;
    while bytes.get(at..at + 4) == Some(b"RBLK") {
        let end = at + 36 + number_at(&bytes, at + 4);
        let Some(block) = bytes.get_mut(at..(end + 4).next_multiple_of(PAGE)) else { break };
        let place = [log, &number.to_le_bytes(), &(at as u64).to_le_bytes()].concat();
        previous = mend_block(log, crc32c(&place), previous, block, end - at);
        at += block.len();
    }
    bytes
}

/// Gives the checksum at the end of the block.
fn mend_block(log: &[u8], place: u32, previous: [u8; 4], block: &mut [u8], end: usize) -> [u8; 4] {
    block[28..32].copy_from_slice(&previous);
    let crc = crc32c_append(place, &block[..32]);
    block[32..36].copy_from_slice(&crc.to_le_bytes());
    let mut at = 36;
    while at + 8 <= end && at + 8 + number_at(block, at) <= end {
        let next = at + 8 + number_at(block, at);
        let crc = crc32c_append(crc32c_append(crc32c(log), &block[at..at + 4]), &block[at + 8..next]);
        block[at + 4..at + 8].copy_from_slice(&crc.to_le_bytes());
        at = next;
    }
    let crc = crc32c_append(place, &block[..end]).to_le_bytes();
    block[end..end + 4].copy_from_slice(&crc);
    block[end + 4..].fill(0);
    crc
}

#[test]
fn without_checksums_the_oracle_is_red() {
    let log = Unchecked(Log { tiny: true, weakness: None });
    let effort = Effort { sizes: small(), ..Effort::default() };
    let ran = |seed| crash_often(log, SimDisk::new(seed), seed, CRASHES, &effort);
    let red: Vec<_> = (0..100).filter_map(|seed| ran(seed).err().map(|violation| violation.breach)).collect();
    println!("{red:?}");
    // A log that takes torn blocks for whole ones may refuse to open, or show what nobody appended.
    assert!(!red.is_empty());
}

/// Hands events of one append over and does what is to be done for an answer.
fn append(log: &EventLog, payload_bytes: usize) -> Result<Receipt, AppendError> {
    let stream = reenact_testkit::store::stream("s");
    let mut events = reenact_testkit::store::events(1);
    events[0].payload = vec![7; payload_bytes].into();
    let mut append = log.append(&stream, ExpectedSequence::Any, events);
    let mut context = Context::from_waker(Waker::noop());
    assert!(append.as_mut().poll(&mut context).is_pending());
    log.step(Step::Commit);
    now(append)
}

#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    for seed in 0..200 {
        let disk = SimDisk::new(seed);
        disk.set_bytes_max(Some((40 << 10) + seed * 300));
        let log = Log { tiny: true, weakness: None };
        let open = |disk| log.open(disk, Arc::new(SeededClock::new(seed))).unwrap();
        let (mut store, mut appended) = (open(&disk), 0);
        while let answer = append(&store, 3_000)
            && appended < 100
        {
            match answer {
                Ok(receipt) => appended = receipt.last.0 + 1,
                Err(error) => {
                    assert!(matches!(error, AppendError::Full { .. }), "{error}");
                    break;
                }
            }
            store.step(Step::Prepare);
            store.step(Step::Index);
            store.step(Step::Merge);
        }
        assert!((3..30).contains(&appended), "{appended}");
        let disk = match seed % 3 {
            0 => disk,
            way => {
                drop(store);
                let later = if way == 1 { disk.kill() } else { disk.crash(&mut Random::new(seed)) };
                later.set_bytes_max(None);
                store = open(&later);
                later
            }
        };
        disk.set_bytes_max(None);
        let receipt = append(&store, 3_000).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(receipt.first.0, appended, "seed {seed}");
    }
}

#[test]
fn an_append_that_is_too_large_for_a_segment_costs_none() {
    let disk = SimDisk::new(0);
    let log = Log { tiny: true, weakness: None };
    let store = log.open(&disk, Arc::new(SeededClock::new(0))).unwrap();
    for _ in 0..10 {
        append(&store, 100).unwrap();
        assert!(matches!(append(&store, 16 << 10), Err(AppendError::TooLarge { .. })));
    }
    let segments = disk.file_names().iter().filter(|name| name.ends_with(".segment")).count();
    assert!(segments <= 5, "{segments} segments for ten pages");
}

/// Opens the log in tiny segments; it must be whole.
fn open_tiny(disk: &SimDisk) -> EventLog {
    Log { tiny: true, weakness: None }.open(disk, Arc::new(SeededClock::new(0))).unwrap()
}

#[test]
fn a_mark_that_was_named_and_not_synced_does_not_make_way_for_the_one_before() {
    let closed = SimDisk::new(0);
    let log = open_tiny(&closed);
    append(&log, 100).unwrap();
    log.close().unwrap();
    for call in 0..20 {
        let disk = closed.crash(&mut Random::new(0));
        disk.stop_after(call);
        drop(Log { tiny: true, weakness: None }.open(&disk, Arc::new(SeededClock::new(0))));
        let killed = disk.kill();
        let log = open_tiny(&killed);
        let receipt = append(&log, 100).unwrap();
        for seed in 0..10 {
            let log = open_tiny(&killed.crash(&mut Random::new(seed)));
            assert_eq!(log.report().events, receipt.position.0 + 1, "call {call}, seed {seed}");
        }
    }
}

#[test]
fn what_a_write_to_the_next_segment_left_does_not_come_back() {
    let mut torn = 0;
    for (call, first) in (0..12).flat_map(|call| (0..10).map(move |seed| (call, seed))) {
        let disk = SimDisk::new(0);
        let log = open_tiny(&disk);
        append(&log, 7_000).unwrap();
        disk.stop_after(call);
        let _stopped = append(&log, 7_000);
        drop(log);
        let later = disk.crash(&mut Random::new(first));
        let log = open_tiny(&later);
        torn += u64::from(log.report().torn_at.is_some_and(|place| (place.segment, place.offset) == (1, 0)));
        // It fits behind the first, if the second is not there.
        later.stop_after(0);
        let _stopped = append(&log, 100);
        for seed in 0..10 {
            open_tiny(&later.crash(&mut Random::new(seed)));
        }
    }
    assert!(torn > 0, "a write that is torn at the begin of a segment");
}

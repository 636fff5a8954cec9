//! A closed log, damaged at every bit and cut at every length: it is seen, or does no harm.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};
use std::thread;

use reenact::bot::Random;
use reenact_store::clock::SystemClock;
use reenact_store::log::{LogOptions, Step};
use reenact_store::*;
use reenact_testkit::sim_disk::SimDisk;
use reenact_testkit::simulation::now;
use reenact_testkit::store::{events, stream};

const PAGE: usize = 4_096;
const SEGMENT: usize = 16 << 10;
/// Bytes of a block's records that leave no padding in so many pages.
const fn room(pages: usize) -> usize {
    pages * PAGE - 40
}
const STREAMS: usize = 4;
/// Bytes of a record before what it holds.
const RECORD_HEAD: usize = 8;

/// Everything that a log shows.
#[derive(Debug, PartialEq)]
struct Shown {
    all: Vec<Event>,
    streams: Vec<(Option<Head>, Vec<Event>, Vec<Event>)>,
}

fn show(log: &EventLog) -> Result<Shown, ReadError> {
    let all = now(log.read_all(&Checkpoint::START, 1_000))?;
    let read = |n: usize| {
        let stream = stream(&format!("s{n}"));
        let forward = now(log.read(&stream, Sequence::FIRST, Direction::Forward, 1_000))?;
        let backward = now(log.read(&stream, Sequence(u64::MAX), Direction::Backward, 1_000))?;
        Ok((now(log.head(&stream))?, forward, backward))
    };
    Ok(Shown { all, streams: (0..STREAMS).map(read).collect::<Result<_, _>>()? })
}

fn open(disk: &SimDisk) -> Result<EventLog, log::OpenError> {
    let options = LogOptions { segment_bytes: SEGMENT as u64, ..LogOptions::default() };
    EventLog::open_stepped(Arc::new(disk.clone()), Arc::new(SystemClock), &options)
}

/// The same files, for a process that comes later.
fn copy(disk: &SimDisk) -> SimDisk {
    disk.crash(&mut Random::new(0))
}

/// An event whose record has so many bytes.
fn event_of(record_bytes: usize, stream: &StreamId, n: usize) -> NewEvent {
    let mut event = events(1).remove(0);
    event.payload = Vec::new().into();
    let payload_bytes = record_bytes - RECORD_HEAD - canonical_bytes(stream, &event);
    event.payload = (0..payload_bytes).map(|at| (at * 31 + n * 7 + 1) as u8 | 1).collect::<Vec<_>>().into();
    event
}

/// Does what waits for a commit.
fn commit(log: &EventLog, mut waiting: Vec<BoxFuture<'_, ()>>) {
    let mut context = Context::from_waker(Waker::noop());
    waiting.retain_mut(|asked| asked.as_mut().poll(&mut context).is_pending());
    while log.step(Step::Commit) {}
    waiting.into_iter().for_each(now);
}

/// Appends a block of whole pages without padding: so many events of as many streams.
fn append_block(log: &EventLog, pages: usize, count: usize, n: usize) {
    let mut rest = room(pages);
    let mut waiting: Vec<BoxFuture<'_, ()>> = Vec::new();
    for at in 0..count {
        let bytes = if at + 1 == count { rest } else { rest / (count - at) + 8 };
        rest -= bytes;
        let stream = stream(&format!("s{}", (n + at) % STREAMS));
        let event = event_of(bytes, &stream, n + at);
        waiting.push(Box::pin(async move {
            log.append(&stream, ExpectedSequence::Any, vec![event]).await.unwrap();
        }));
    }
    commit(log, waiting);
}

fn work(log: &EventLog) {
    while log.step(Step::Index) || log.step(Step::Merge) {}
    while log.step(Step::Prepare) {}
}

/// A log with every kind of file, closed: four full segments, and one that was made ahead.
fn closed_log() -> SimDisk {
    let disk = SimDisk::new(1);
    let log = open(&disk).unwrap();
    for n in 0..6 {
        match n % 3 {
            // The page that is left by the one before is too little for the first of these.
            0 => append_block(&log, 3, 2, n),
            1 => (0..3).for_each(|block| append_block(&log, 1, 1, n + block)),
            _ => append_block(&log, 2, 4, n),
        }
        work(&log);
    }
    append_block(&log, 2, 1, 6);
    let truncate = async {
        log.truncate(&stream("s0"), Sequence(3)).await.unwrap();
    };
    commit(&log, vec![Box::pin(truncate)]);
    work(&log);
    // The events of the first three.
    assert_eq!(log.retain(Position(9)).unwrap(), 3);
    work(&log);
    log.close().unwrap();
    copy(&disk)
}

/// A closed log, and everything that it shows.
struct Closed {
    disk: SimDisk,
    shown: Shown,
    /// The last segment that was begun.
    last: u32,
    /// Of each segment.
    layouts: Vec<Layout>,
}

/// Where what lies in a segment.
#[derive(Default)]
struct Layout {
    /// The records of events.
    events: Vec<Range<usize>>,
    /// Where the last block ends.
    end: usize,
}

impl Layout {
    fn of(bytes: &[u8]) -> Self {
        let number = |at: usize| u32::from_le_bytes(*bytes[at..].first_chunk().unwrap()) as usize;
        let mut layout = Self { events: Vec::new(), end: PAGE };
        while bytes.get(layout.end..layout.end + 4) == Some(b"RBLK") {
            let (mut at, records) = (layout.end + 36, number(layout.end + 4));
            layout.end = (at + records + 4).next_multiple_of(PAGE);
            let end = at + records;
            while at < end {
                let next = at + RECORD_HEAD + number(at);
                let is_event = bytes[at + RECORD_HEAD] != 0xc0;
                layout.events.extend(is_event.then_some(at..next));
                at = next;
            }
        }
        layout
    }
}

/// What a file is to the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Segment(u32),
    /// The mark, and the anchors.
    Evidence,
    Derived,
}

fn kind(name: &str) -> Kind {
    match name.split_once('.') {
        Some((number, "segment")) => Kind::Segment(u32::from_str_radix(number, 16).unwrap()),
        Some((_, "index" | "run")) => Kind::Derived,
        _ => Kind::Evidence,
    }
}

/// How damage shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    RefusedWhenOpened,
    RefusedWhenRead,
    /// What was damaged is made again, and everything is as it was.
    MadeAgain,
    /// Everything is as it was; whoever reads all of the segments sees it.
    SeenWhenAllIsRead,
    /// Everything is as it was.
    Harmless,
}

impl Closed {
    fn new() -> Self {
        let disk = closed_log();
        let log = open(&copy(&disk)).unwrap();
        let (shown, last) = (show(&log).unwrap(), log.report().end.segment);
        let layout = |segment: u32| {
            let name = format!("{segment:08x}.segment");
            let there = disk.file_names().contains(&name);
            if there { Layout::of(&disk.bytes_of(&name)) } else { Layout::default() }
        };
        let layouts = (0..=last).map(layout).collect();
        Self { disk, shown, last, layouts }
    }

    fn files(&self) -> impl Iterator<Item = (String, usize)> {
        let names = self.disk.file_names().into_iter().filter(|name| name != "lock");
        names.map(|name| (name.clone(), self.disk.bytes_of(&name).len()))
    }

    /// What comes of damage to a copy of the log.
    fn outcome(&self, damage: impl Fn(&SimDisk)) -> Outcome {
        let disk = copy(&self.disk);
        damage(&disk);
        let Ok(log) = open(&disk) else { return Outcome::RefusedWhenOpened };
        let Ok(shown) = show(&log) else { return Outcome::RefusedWhenRead };
        assert!(shown == self.shown, "damage that is not told shows something else");
        if log.rebuilt_indexes() > 0 {
            return Outcome::MadeAgain;
        }
        let disk = copy(&self.disk);
        damage(&disk);
        // Without what is derived, all of the segments is read.
        let derived = disk.file_names().into_iter().filter(|name| kind(name) == Kind::Derived);
        derived.for_each(|name| disk.remove_file(&name));
        match open(&disk).map(|log| show(&log)) {
            Ok(Ok(shown)) => {
                assert!(shown == self.shown, "indexes that are made again show something else");
                Outcome::Harmless
            }
            _ => Outcome::SeenWhenAllIsRead,
        }
    }

    /// Whether damage to a byte of a file may come out so.
    fn may_be(&self, outcome: Outcome, name: &str, byte: usize) -> bool {
        match (kind(name), outcome) {
            // The first that was made ahead is looked at, as the log may go on there.
            (Kind::Segment(segment), Outcome::RefusedWhenOpened) if segment > self.last => {
                segment == self.last + 1
            }
            (Kind::Segment(segment), _) if segment > self.last => outcome == Outcome::Harmless,
            (Kind::Segment(segment), Outcome::Harmless) => {
                segment < self.last && byte >= self.layouts[segment as usize].end
            }
            (Kind::Segment(segment), Outcome::SeenWhenAllIsRead) => {
                let Layout { events, end } = &self.layouts[segment as usize];
                segment < self.last && byte < *end && !events.iter().any(|event| event.contains(&byte))
            }
            (Kind::Segment(_) | Kind::Evidence, _) => outcome <= Outcome::RefusedWhenRead,
            (Kind::Derived, _) => matches!(outcome, Outcome::MadeAgain | Outcome::Harmless),
        }
    }
}

type Tally = BTreeMap<(&'static str, Outcome), usize>;

/// Does a piece of work on every core until there is none left.
fn share(pieces: usize, work: impl Fn(usize, &mut Tally) + Sync) -> Tally {
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut tally = Tally::new();
        while let piece = next.fetch_add(1, Ordering::Relaxed)
            && piece < pieces
        {
            work(piece, &mut tally);
        }
        tally
    };
    thread::scope(|scope| {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        let mut all = Tally::new();
        for tally in workers.into_iter().map(|worker| worker.join().expect("damage that is told")) {
            for (outcome, count) in tally {
                *all.entry(outcome).or_default() += count;
            }
        }
        all
    })
}

fn label(name: &str) -> &'static str {
    match name.split_once('.') {
        Some((_, "segment")) => "segment",
        Some((_, "index")) => "index",
        Some((_, "run")) => "run",
        Some((_, "anchors")) => "anchors",
        _ => "mark",
    }
}

/// Whether damage to a file is told of when the log is verified.
fn is_told(disk: &SimDisk, name: &str) -> bool {
    let report = log::verify_on(&copy(disk), &mut |_| {}).unwrap();
    report.damages.iter().any(|damage| damage.file == name)
}

/// Flips every bit of some bytes of a file.
fn flip(closed: &Closed, name: &str, bytes: Range<usize>, tally: &mut Tally) {
    // A full segment is not read when the log is opened, so that one that is open shows what another would.
    let full = matches!(kind(name), Kind::Segment(segment) if segment < closed.last);
    let disk = copy(&closed.disk);
    let log = full.then(|| open(&disk).unwrap());
    // One that was made ahead is taken away without being looked at.
    let ahead = matches!(kind(name), Kind::Segment(segment) if segment > closed.last);
    for bit in (bytes.start * 8..bytes.end * 8).step_by(if ahead { 61 } else { 1 }) {
        let seen = log.as_ref().is_some_and(|log| {
            disk.flip(name, bit);
            let seen = now(log.read_all(&Checkpoint::START, 1_000)).is_err();
            disk.flip(name, bit);
            seen
        });
        let outcome =
            if seen { Outcome::RefusedWhenRead } else { closed.outcome(|disk| disk.flip(name, bit)) };
        if kind(name) == Kind::Derived && outcome == Outcome::Harmless {
            disk.flip(name, bit);
            assert!(is_told(&disk, name), "bit {bit} of {name} is not told of when the log is verified");
            disk.flip(name, bit);
        }
        assert!(closed.may_be(outcome, name, bit / 8), "bit {bit} of {name}: {outcome:?}");
        *tally.entry((label(name), outcome)).or_default() += 1;
    }
}

/// Harmless are bits of the zeros behind a full segment's last block, and of segments that were made ahead, but for
/// the first of these. What no event lies in is not read but by whoever reads all: heads of blocks, truncations, and the padding between.
#[test]
fn every_flip_of_a_closed_log_is_seen() {
    let closed = Closed::new();
    let pieces: Vec<_> = closed
        .files()
        .flat_map(|(name, bytes)| {
            (0..bytes).step_by(512).map(move |at| (name.clone(), at..bytes.min(at + 512)))
        })
        .collect();
    let tally = share(pieces.len(), |piece, tally| {
        let (name, bytes) = pieces[piece].clone();
        flip(&closed, &name, bytes, tally);
    });
    println!("{tally:#?}");
    for of in ["segment", "index", "run", "anchors", "mark"] {
        assert!(tally.keys().any(|(label, _)| *label == of), "a log without {of}");
    }
}

/// What is derived is checked whenever it is used, and not only at first.
#[test]
fn an_index_or_run_that_is_damaged_while_the_log_is_open_is_made_again() {
    let closed = Closed::new();
    let mut made_again = 0;
    let mut check = |name: &str, used: bool, damage: &dyn Fn(&SimDisk)| {
        let disk = copy(&closed.disk);
        let log = open(&disk).unwrap();
        if used {
            assert!(show(&log).unwrap() == closed.shown);
        }
        let unknown = stream("unknown");
        assert_eq!(now(log.head(&unknown)).unwrap(), None);
        damage(&disk);
        assert!(show(&log).unwrap() == closed.shown, "{name}");
        assert_eq!(now(log.head(&unknown)).unwrap(), None, "{name}");
        work(&log);
        assert!(show(&log).unwrap() == closed.shown, "{name}");
        made_again += log.rebuilt_indexes();
    };
    for (name, bytes) in closed.files().filter(|(name, _)| kind(name) == Kind::Derived) {
        for used in [false, true] {
            for bit in (0..bytes * 8).step_by(29) {
                check(&name, used, &|disk| disk.flip(&name, bit));
            }
            for length in (0..bytes).step_by(31) {
                check(&name, used, &|disk| disk.truncate_file(&name, length));
            }
        }
    }
    assert!(made_again > 0);
}

/// Where a file is cut: everywhere, or at every 64 bytes and around the borders of pages.
fn cuts(bytes: usize) -> impl Iterator<Item = usize> {
    let small = bytes <= PAGE;
    let near = |at: usize| at.is_multiple_of(64) || matches!(at % PAGE, 1 | 4_095);
    (0..bytes).filter(move |at| small || near(*at))
}

#[test]
fn every_cut_of_a_closed_log_is_seen() {
    let closed = Closed::new();
    let pieces: Vec<_> =
        closed.files().flat_map(|(name, bytes)| cuts(bytes).map(move |at| (name.clone(), at))).collect();
    let tally = share(pieces.len(), |piece, tally| {
        let (name, at) = &pieces[piece];
        let outcome = closed.outcome(|disk| disk.truncate_file(name, *at));
        let seen = matches!(kind(name), Kind::Segment(segment) if segment <= closed.last)
            && outcome == Outcome::SeenWhenAllIsRead;
        assert!(seen || closed.may_be(outcome, name, *at), "{name} cut at {at}: {outcome:?}");
        *tally.entry((label(name), outcome)).or_default() += 1;
    });
    println!("{tally:#?}");
}

#[test]
fn a_file_that_is_missing_is_missed_or_made_again() {
    let closed = Closed::new();
    for (name, _) in closed.files() {
        let outcome = closed.outcome(|disk| disk.remove_file(&name));
        let expected = match kind(&name) {
            // Of those that were made ahead, one in the midst leaves a gap.
            Kind::Segment(segment) if segment > closed.last => {
                vec![Outcome::Harmless, Outcome::RefusedWhenOpened]
            }
            // What a run says is in the indexes, and the last of these are made again in memory.
            Kind::Derived => vec![Outcome::MadeAgain, Outcome::Harmless],
            _ => vec![Outcome::RefusedWhenOpened, Outcome::RefusedWhenRead],
        };
        println!("{name}: {outcome:?}");
        assert!(expected.contains(&outcome), "{name}: {outcome:?}");
    }
}

#[test]
fn a_file_in_the_place_of_another_is_not_taken_for_it() {
    let (closed, other) = (Closed::new(), Closed::new());
    let names: Vec<_> = closed.files().map(|(name, _)| name).collect();
    for a in &names {
        for b in names.iter().filter(|b| label(a) == label(b) && a < *b) {
            let (of_a, of_b) = (closed.disk.bytes_of(a), closed.disk.bytes_of(b));
            if of_a == of_b {
                continue;
            }
            let outcome = closed.outcome(|disk| {
                disk.put_file(a, &of_b);
                disk.put_file(b, &of_a);
            });
            println!("{a} and {b}: {outcome:?}");
            assert!(outcome <= Outcome::MadeAgain, "{a} and {b}: {outcome:?}");
        }
        let outcome = closed.outcome(|disk| disk.put_file(a, &other.disk.bytes_of(a)));
        println!("another {a}: {outcome:?}");
        // Those that were made ahead are all zeros.
        let ahead = matches!(kind(a), Kind::Segment(segment) if segment > closed.last);
        assert!(ahead || outcome <= Outcome::MadeAgain, "another {a}: {outcome:?}");
    }
}

//! What takes reading is done on the thread of whoever appends, and not by the one that commits.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use reenact_store::clock::SystemClock;
use reenact_store::disk::Disk;
use reenact_store::limits::RECENT_EVENTS;
use reenact_store::log::Step;
use reenact_store::*;
use reenact_testkit::hooked_disk::HookedDisk;
use reenact_testkit::sim_disk::{Call, Calls, Failure, Fault, SimDisk};
use reenact_testkit::simulation::now;
use reenact_testkit::store::{check_everything, events, stream};

use ExpectedSequence::{Any, Exact, NoStream};

/// A log that panics if its segments are read while it commits.
struct Watched {
    log: EventLog,
    disk: SimDisk,
    commits: Arc<AtomicBool>,
}

impl Watched {
    fn new() -> Self {
        let (disk, commits) = (SimDisk::new(1), Arc::new(AtomicBool::new(false)));
        let now = Arc::clone(&commits);
        let hook = move |call, name: &str| {
            let reads = call == Call::ReadAt && name.ends_with(".segment");
            assert!(!(reads && now.load(Ordering::Relaxed)), "{name} is read while others wait");
        };
        let on: Arc<dyn Disk> = HookedDisk::before(Arc::new(disk.clone()), hook);
        let log = EventLog::open_stepped(on, Arc::new(SystemClock), &LogOptions::default()).unwrap();
        Self { log, disk, commits }
    }

    fn commit(&self) {
        self.commits.store(true, Ordering::Relaxed);
        while self.log.step(Step::Commit) {}
        self.commits.store(false, Ordering::Relaxed);
    }

    /// The answers to appends that wait together.
    fn append_all(&self, appends: &[(ExpectedSequence, &[NewEvent])]) -> Vec<Result<Receipt, AppendError>> {
        let (stream, mut context) = (stream("s"), Context::from_waker(Waker::noop()));
        let append =
            |(expected, events): &(_, &[NewEvent])| self.log.append(&stream, *expected, events.to_vec());
        let mut waiting: Vec<_> = appends.iter().map(append).collect();
        let mut answers: Vec<_> =
            waiting.iter_mut().map(|append| append.as_mut().poll(&mut context)).collect();
        self.commit();
        for (answer, append) in answers.iter_mut().zip(&mut waiting).filter(|(answer, _)| answer.is_pending())
        {
            *answer = append.as_mut().poll(&mut context);
        }
        let ready = |answer| match answer {
            Poll::Ready(answer) => answer,
            Poll::Pending => panic!("it was committed"),
        };
        answers.into_iter().map(ready).collect()
    }

    fn append(&self, expected: ExpectedSequence, events: &[NewEvent]) -> Result<Receipt, AppendError> {
        self.append_all(&[(expected, events)]).remove(0)
    }
}

#[test]
fn an_id_that_is_not_the_highest_is_looked_for_before_its_turn() {
    let (log, low) = (Watched::new(), events(10));
    let many = events(300);
    for event in many.chunks(1) {
        log.append(Any, event).unwrap();
    }
    for (n, event) in low.chunks(1).enumerate() {
        assert_eq!(log.append(Any, event).unwrap().first, Sequence(300 + n as u64));
    }
    assert_eq!(log.append(Any, &many[7..9]).unwrap().first, Sequence(7));
    // They wait together: what the first ones append, none of the others has seen before its turn.
    let mixed: Vec<_> = events(40).into_iter().rev().collect();
    let some: Vec<_> = mixed.chunks(2).chain(mixed.chunks(2)).map(|two| (Any, two)).collect();
    let answers = log.append_all(&some);
    assert_eq!(answers[..20], answers[20..]);
    assert_eq!(now(check_everything(&log.log)).len(), 350);
}

#[test]
fn late_retries_and_truncations_read_before_their_turn_or_after() {
    let (log, new) = (Watched::new(), events(400));
    let first = log.append(NoStream, &new[..3]).unwrap();
    for (n, event) in new[3..].chunks(1).enumerate() {
        log.append(Exact(Sequence(2 + n as u64)), event).unwrap();
    }
    assert_eq!(log.append(NoStream, &new[..3]), Ok(first));
    let head = {
        let stream = stream("s");
        let mut truncation = log.log.truncate(&stream, Sequence(3));
        assert!(truncation.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        log.commit();
        now(truncation).unwrap()
    };
    assert_eq!(head.anchor, first.chain);
    // A retry that waits together with what it repeats.
    let more = events(2);
    let answers = log.append_all(&[(Exact(Sequence(399)), &more), (Exact(Sequence(399)), &more)]);
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].as_ref().unwrap().last, Sequence(401));
}

#[test]
fn retries_under_any_are_known_as_long_as_they_are_recent() {
    let (log, old) = (Watched::new(), events(2));
    log.append(Any, &old[..1]).unwrap();
    log.append(Any, &old[1..]).unwrap();
    for some in events(RECENT_EVENTS - 1).chunks(500) {
        log.append(Any, some).unwrap();
    }
    assert_eq!(log.append(Any, &old[1..]).unwrap().first, Sequence(1));
    let again = log.append_all(&[(Any, &old[..1]), (Any, &old[1..]), (Any, &old[..1])]);
    let at: Vec<_> = again.into_iter().map(|answer| answer.unwrap().first.0).collect();
    let end = RECENT_EVENTS as u64 + 1;
    assert_eq!(at, [end, 1, end]);
}

#[test]
fn after_a_failed_write_what_is_there_is_still_told() {
    let (log, new) = (Watched::new(), events(6));
    let first = log.append(NoStream, &new[..2]).unwrap();
    let second = log.append(Any, &new[2..4]).unwrap();
    log.disk.fail(Fault {
        calls: Calls::Of(Call::CommitAt),
        after: 0,
        failure: Failure::Broken,
        lasting: false,
    });
    let is_poisoned = |answer| matches!(answer, Err(AppendError::Poisoned { .. }));
    assert!(is_poisoned(log.append(Any, &new[4..5])));
    assert_eq!(log.append(NoStream, &new[..2]), Ok(first));
    assert_eq!(log.append(Any, &new[2..4]), Ok(second));
    // Whether this one is there nobody knows, and of the others nothing was asked of the disk.
    for (expected, events) in
        [(Any, &new[4..5]), (Exact(Sequence(3)), &new[4..]), (Exact(Sequence(9)), &new[4..])]
    {
        assert!(is_poisoned(log.append(expected, events)));
    }
    assert!(is_poisoned(log.append(Any, &new[3..5])), "only some of them are there");
}

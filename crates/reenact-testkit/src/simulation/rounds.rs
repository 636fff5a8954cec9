//! Whole tests: many crashes, a crash at each call, a fault at each call.

use reenact::bot::Random;

use super::{Action, Run, Script, Sizes, Subject, Violation, Work};
use crate::sim_disk::{Call, Calls, Failure, Fault, SimDisk};

/// What a test went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How often the power was cut or the process killed.
    pub crashes: u64,
    /// How many of these hit the opening of the store.
    pub crashes_while_opening: u64,
    /// How many calls were made to fail.
    pub faults: u64,
    /// How many appends were acknowledged.
    pub acknowledged: u64,
}

impl Tally {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            crashes: self.crashes + other.crashes,
            crashes_while_opening: self.crashes_while_opening + other.crashes_while_opening,
            faults: self.faults + other.faults,
            acknowledged: self.acknowledged + other.acknowledged,
        }
    }
}

/// How large a test is.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// What scripts are like.
    pub sizes: Sizes,
    /// Actions between one crash and the next, at most.
    pub actions: usize,
    /// Power cuts at each call, each of which leaves something else.
    pub survivors: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { sizes: Sizes::default(), actions: 80, survivors: 4 }
    }
}

/// Runs a script with so many crashes, few enough that a retry is recognised for as long as the script lasts,
/// of which some hit the opening of the store after the one before.
///
/// # Errors
/// The subject broke its word.
pub fn crash_often<S: Subject>(
    subject: S,
    disk: SimDisk,
    seed: u64,
    crashes: u64,
    effort: &Effort,
) -> Result<Tally, Violation> {
    let mut random = Random::new(seed);
    let mut script = Script::new(random.bits(), effort.sizes);
    let mut run = Run::new(subject, disk, effort.sizes, random.bits());
    let mut tally = Tally::default();
    while tally.crashes < crashes {
        if random.below(4) == 0 {
            run.disk().stop_after(random.below(12));
        }
        if run.open()? {
            // What was acknowledged last is in danger most.
            run.act_all((0..3).map(|nth| Action::Retry { nth }))?;
            run.disk().stop_after(random.below(60));
            let actions = random.below(effort.actions as u64) as usize;
            run.act_all(script.by_ref().take(actions))?;
        } else {
            tally.crashes_while_opening += 1;
        }
        match random.below(8) {
            0 => {
                run.kill();
                if random.below(2) == 0 {
                    run.look_beside()?;
                    run.crash(&mut random);
                }
            }
            1 => {
                run.close();
                run.crash(&mut random);
            }
            _ => run.crash(&mut random),
        }
        tally.crashes += 1;
    }
    run.open()?;
    run.settle()?;
    run.close();
    run.open()?;
    Ok(Tally { acknowledged: run.model().acknowledged(), ..tally })
}

/// Runs one script over and over, with a crash at each of the calls that change something, and opens what
/// each crash may leave, also with a crash at each call of that.
///
/// # Errors
/// The subject broke its word; the text says at which call.
pub fn crash_at_every_call<S: Subject + Clone>(
    subject: &S,
    disk: impl Fn() -> SimDisk,
    seed: u64,
    effort: &Effort,
) -> Result<Tally, Violation> {
    let mut tally = Tally::default();
    for call in 0.. {
        let at = |violation: Violation| violation.at(&format!("a crash at call {call}"));
        let mut run = Run::new(subject.clone(), disk(), effort.sizes, seed);
        run.disk().stop_after(call);
        run_script(&mut run, seed, effort).map_err(at)?;
        let stopped = run.disk().has_stopped();
        for survivors in 0..effort.survivors {
            let opened = open_after_crash(subject, &run, &Random::new(survivors), seed);
            tally = tally.plus(opened.map_err(at)?);
        }
        if !stopped {
            return Ok(Tally { acknowledged: run.model().acknowledged(), ..tally });
        }
    }
    unreachable!("a script has an end")
}

/// Opens the store after a power cut, with a crash at each call of that, until there is none left.
fn open_after_crash<S: Subject + Clone>(
    subject: &S,
    run: &Run<S>,
    random: &Random,
    seed: u64,
) -> Result<Tally, Violation> {
    let mut tally = Tally::default();
    for call in 0.. {
        let mut random = random.clone();
        let disk = run.disk().crash(&mut random);
        tally.crashes += 1;
        let mut next = Run::with(subject.clone(), disk, run.model().clone(), seed);
        next.disk().stop_after(call);
        next.open().map_err(|violation| violation.at(&format!("a crash at call {call} of the opening")))?;
        let stopped = next.disk().has_stopped();
        if stopped {
            next.crash(&mut random);
            tally.crashes += 1;
            tally.crashes_while_opening += 1;
            next.open()?;
        }
        next.act_all((0..3).map(|nth| Action::Retry { nth }))?;
        next.disk().heal();
        next.settle()?;
        if !stopped {
            break;
        }
    }
    Ok(tally)
}

/// How a life ends after a fault.
#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Kill,
    Crash,
}

/// Runs one script over and over, with a fault at each call, once or from there on; then the store is closed,
/// killed or loses power, and is opened again.
///
/// # Errors
/// The subject broke its word; the text says by which fault.
pub fn every_fault_at_every_call<S: Subject + Clone>(
    subject: &S,
    disk: impl Fn() -> SimDisk,
    seed: u64,
    effort: &Effort,
) -> Result<Tally, Violation> {
    let mut tally = Tally::default();
    for (failure, lasting) in
        [(Failure::Broken, false), (Failure::Broken, true), (Failure::Full, false), (Failure::Full, true)]
    {
        for end in [End::Close, End::Kill, End::Crash] {
            for after in 0.. {
                let fault = Fault { calls: Calls::Any, after, failure, lasting };
                let run = Run::new(subject.clone(), disk(), effort.sizes, seed);
                let met = end_after_fault(run, fault, end, seed, effort);
                let met = met.map_err(|violation| violation.at(&format!("{fault:?}, then {end:?}")))?;
                if met.faults == 0 {
                    break;
                }
                tally = tally.plus(met);
            }
        }
    }
    Ok(tally)
}

fn end_after_fault<S: Subject>(
    mut run: Run<S>,
    fault: Fault,
    end: End,
    seed: u64,
    effort: &Effort,
) -> Result<Tally, Violation> {
    run.fail(fault);
    run_script(&mut run, seed, effort)?;
    let mut tally = Tally { faults: run.disk().failed_calls(), ..Tally::default() };
    run.disk().heal();
    run.see_all()?;
    match end {
        End::Close => run.close(),
        End::Kill => run.kill(),
        End::Crash => run.crash(&mut Random::new(seed ^ fault.after)),
    }
    tally.crashes += u64::from(!matches!(end, End::Close));
    run.forgive();
    run.open()?;
    run.settle()?;
    // What the store took for durable when it was opened must be.
    run.crash(&mut Random::new(seed ^ fault.after));
    tally.crashes += 1;
    run.open()?;
    run.settle()?;
    tally.acknowledged = run.model().acknowledged();
    Ok(tally)
}

/// One life: opening, a script that ends with everything answered, and another opening.
fn run_script<S: Subject>(run: &mut Run<S>, seed: u64, effort: &Effort) -> Result<(), Violation> {
    run.open()?;
    let script = Script::new(seed, effort.sizes).take(effort.actions);
    let end = [Action::Work(Work::Commit), Action::Listen, Action::Work(Work::Prepare), Action::Reopen];
    run.act_all(script.chain(end))
}

/// Whether a disk that ignores a call is found out within so many scripts: if not, the test tests nothing.
pub fn is_found_out<S: Subject + Clone>(subject: &S, call: Call, scripts: u64, effort: &Effort) -> bool {
    (0..scripts).any(|seed| {
        let disk = SimDisk::new(seed).ignoring(call);
        crash_often(subject.clone(), disk, seed, 10, effort).is_err()
    })
}

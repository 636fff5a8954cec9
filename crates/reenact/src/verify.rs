//! Re-simulate a replay and compare: with the hashes that were recorded, or with another build.

use std::fmt;
use std::sync::Arc;

use crate::format::{InputReader, Replay};
use crate::hash::StateHash;
use crate::session::EndReason;
use crate::simulation::{Failure, FieldDifference, Simulation, Status, field_differences};
use crate::tick::Tick;

/// What re-simulation says of a replay. It is never a guess.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every recorded hash is that of the re-simulated state, and the end is the recorded one.
    Verified {
        /// The last tick that was compared.
        through: Tick,
        /// How many hashes were compared.
        hashes: usize,
    },
    /// The re-simulation differs.
    Mismatch(Mismatch),
    /// Nothing can be said.
    NotVerifiable(Obstacle),
}

/// Where a re-simulation first differs from what was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mismatch {
    /// The first tick whose recorded state differs.
    pub tick: Tick,
    /// The last tick whose recorded state is equal; the first difference lies after it. `None` if not
    /// even that at tick 0 is.
    pub agreed: Option<Tick>,
    /// What differs.
    pub difference: Difference,
}

/// What differs in a [`Mismatch`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Difference {
    /// The state.
    State {
        /// As recorded.
        recorded: StateHash,
        /// As re-simulated.
        actual: StateHash,
    },
    /// The re-simulation failed where the recorded session went on, or failed otherwise.
    Failed(Failure),
    /// The session ended in another way than the re-simulation does.
    End,
}

/// Why nothing can be said about a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Obstacle {
    /// The session records no hashes.
    NoHashes,
    /// The session records a hash at this tick, and the file has none.
    MissingHash(Tick),
    /// The session is said to have failed at the tick after its last, whose inputs the file does not have.
    MissingInputs,
    /// The re-simulation met a limit.
    Limit(Failure),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State { recorded, actual } => write!(f, "recorded {recorded}, re-simulated {actual}"),
            Self::Failed(failure) => write!(f, "the re-simulation fails, the session did not: {failure}"),
            Self::End => f.write_str("the session ended in another way than the re-simulation"),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHashes => f.write_str("the session records no hashes"),
            Self::MissingHash(tick) => {
                write!(f, "there is no hash at tick {tick}, where the session took one")
            }
            Self::MissingInputs => f.write_str("there are no inputs of the tick that failed"),
            Self::Limit(limit) => write!(f, "a limit was met: {limit}"),
        }
    }
}

/// Re-simulates a replay and compares it with the hashes recorded by whoever played.
///
/// ```
/// # use std::sync::Arc;
/// use reenact::{Replay, Simulation, Verdict, Verifier};
/// fn check<S: Simulation>(simulation: S, replay: Arc<Replay>) -> Verdict {
///     let mut verifier = Verifier::new(simulation, replay);
///     loop {
///         if let Some(verdict) = verifier.advance(10_000) {
///             return verdict;
///         }
///         eprintln!("tick {}", verifier.tick());
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Verifier<S> {
    runner: Runner<S>,
    compared: usize,
    agreed: Option<Tick>,
    status: Status,
}

impl<S: Simulation> Verifier<S> {
    /// `simulation` is that of the replay, at tick 0.
    pub fn new(simulation: S, replay: Arc<Replay>) -> Self {
        Self { runner: Runner::new(simulation, replay), compared: 0, agreed: None, status: Status::Running }
    }

    /// The tick reached.
    pub fn tick(&self) -> Tick {
        self.runner.tick
    }

    /// The simulation, at the tick reached, to look at.
    pub fn simulation(&mut self) -> &mut S {
        &mut self.runner.simulation
    }

    /// Runs at most `ticks` ticks; gives the verdict once there is one.
    pub fn advance(&mut self, ticks: u32) -> Option<Verdict> {
        if self.runner.replay.hashes.is_empty() || self.runner.replay.started.hash_every == 0 {
            return Some(Verdict::NotVerifiable(Obstacle::NoHashes));
        }
        for _ in 0..ticks {
            if let Some(verdict) = self.compare_hash() {
                return Some(verdict);
            }
            if self.runner.tick == self.runner.replay.last_tick() {
                return Some(self.compare_end());
            }
            if self.status == Status::Over {
                return Some(self.mismatch(Difference::End));
            }
            match self.runner.step() {
                Ok(status) => self.status = status,
                Err(limit @ Failure::Limit { .. }) => {
                    return Some(Verdict::NotVerifiable(Obstacle::Limit(limit)));
                }
                Err(failure) => return Some(self.mismatch(Difference::Failed(failure))),
            }
        }
        None
    }

    fn mismatch(&self, difference: Difference) -> Verdict {
        Verdict::Mismatch(Mismatch { tick: self.runner.tick, agreed: self.agreed, difference })
    }

    /// Compares the hash at this tick, if there is one; a file must have those that its session records.
    fn compare_hash(&mut self) -> Option<Verdict> {
        let tick = self.runner.tick;
        let Some(recorded) = self.runner.replay.hashes.get(&tick).copied() else {
            let missing = Verdict::NotVerifiable(Obstacle::MissingHash(tick));
            return self.is_due(tick).then_some(missing);
        };
        let actual = self.runner.simulation.state_hash();
        if actual != recorded {
            return Some(self.mismatch(Difference::State { recorded, actual }));
        }
        self.compared += 1;
        self.agreed = Some(tick);
        None
    }

    /// Whether the session records a hash at `tick`. The state before a failure, and that at which a
    /// recorder's buffer was full, cannot be hashed any more.
    fn is_due(&self, tick: Tick) -> bool {
        let replay = &self.runner.replay;
        let last_is_hashed = matches!(replay.ended.reason, EndReason::Stopped | EndReason::Over);
        tick.0.is_multiple_of(replay.started.hash_every) && (tick < replay.last_tick() || last_is_hashed)
            || tick == replay.last_tick() && last_is_hashed
    }

    /// The states agree up to the last: does the session also end as it was recorded to?
    fn compare_end(&mut self) -> Verdict {
        let replay = Arc::clone(&self.runner.replay);
        let tick = replay.last_tick();
        let same = match &replay.ended.reason {
            EndReason::Stopped | EndReason::Truncated => true,
            EndReason::Over => self.status == Status::Over,
            EndReason::Failed(recorded) => match self.fails_as(recorded) {
                Ok(same) => same,
                Err(obstacle) => return Verdict::NotVerifiable(obstacle),
            },
        };
        let through = self.agreed.unwrap_or(Tick::ZERO);
        if same {
            Verdict::Verified { through, hashes: self.compared }
        } else {
            Verdict::Mismatch(Mismatch { tick, agreed: self.agreed, difference: Difference::End })
        }
    }

    /// Whether the tick after the last fails as it was recorded to. A limit, then or now, says nothing.
    fn fails_as(&mut self, recorded: &Failure) -> Result<bool, Obstacle> {
        if is_limit(recorded) {
            return Err(Obstacle::Limit(recorded.clone()));
        }
        if self.runner.tick >= self.runner.replay.inputs.end_tick() {
            return Err(Obstacle::MissingInputs);
        }
        match self.runner.step() {
            Err(failure) if is_limit(&failure) => Err(Obstacle::Limit(failure)),
            Err(failure) => Ok(failure == *recorded),
            Ok(_) => Ok(false),
        }
    }
}

fn is_limit(failure: &Failure) -> bool {
    matches!(failure, Failure::Limit { .. })
}

/// A simulation that is led along a replay's inputs.
#[derive(Debug)]
struct Runner<S> {
    simulation: S,
    replay: Arc<Replay>,
    reader: InputReader,
    tick: Tick,
    marks: Vec<crate::simulation::Mark>,
}

impl<S: Simulation> Runner<S> {
    fn new(simulation: S, replay: Arc<Replay>) -> Self {
        let reader = replay.inputs.reader();
        Self { simulation, replay, reader, tick: Tick::ZERO, marks: Vec::new() }
    }

    /// Runs the next tick, whose input the replay has.
    fn step(&mut self) -> Result<Status, Failure> {
        let inputs = self.reader.at(&self.replay.inputs, self.tick);
        let inputs = inputs.expect("a decoded replay has the inputs of every tick before its last");
        self.marks.clear();
        let status = self.simulation.step(self.tick, inputs, &mut self.marks)?;
        self.tick = Tick(self.tick.0 + 1);
        Ok(status)
    }
}

/// What a comparison of two builds along one replay found.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All states are equal.
    Same {
        /// The last tick compared.
        through: Tick,
    },
    /// The builds diverge.
    Diverged(Divergence),
    /// Nothing can be said: a build met a limit, or both fail alike where the session went on.
    NotComparable {
        /// The tick whose step failed.
        tick: Tick,
        /// How.
        failure: Failure,
    },
}

/// Where two builds diverge.
#[derive(Clone, Debug, PartialEq)]
pub struct Divergence {
    /// The first tick whose states differ in any byte, or to which only one build gets.
    pub tick: Tick,
    /// The first tick at which a named field differs, and those that do. A rebuilt game often lays out its
    /// memory in another way, so that bytes differ long before anything that matters does.
    pub fields: Option<(Tick, Vec<FieldDifference>)>,
    /// The step at which one build failed or was over, and the other was not.
    pub parted: Option<Parted>,
}

/// A step that ended differently in two builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parted {
    /// The tick of the step.
    pub tick: Tick,
    /// How it ended in the build that was played.
    pub left: Result<Status, Failure>,
    /// How it ended in the other build.
    pub right: Result<Status, Failure>,
}

/// Runs two builds side by side along the inputs of one replay, up to the first named field that differs.
#[derive(Debug)]
pub struct Comparison<A, B> {
    left: Runner<A>,
    right: Runner<B>,
    left_state: Vec<u8>,
    right_state: Vec<u8>,
    diverged: Option<Tick>,
}

impl<A: Simulation, B: Simulation> Comparison<A, B> {
    /// Both simulations are at tick 0; `left` is the build that was played.
    pub fn new(left: A, right: B, replay: &Arc<Replay>) -> Self {
        Self {
            left: Runner::new(left, Arc::clone(replay)),
            right: Runner::new(right, Arc::clone(replay)),
            left_state: Vec::new(),
            right_state: Vec::new(),
            diverged: None,
        }
    }

    /// The tick reached.
    pub fn tick(&self) -> Tick {
        self.left.tick
    }

    /// Runs at most `ticks` ticks; gives the outcome once there is one.
    pub fn advance(&mut self, ticks: u32) -> Option<Outcome> {
        for _ in 0..ticks {
            if let Some(outcome) = self.compare_states() {
                return Some(outcome);
            }
            if self.left.tick == self.left.replay.last_tick() {
                return Some(self.compare_end());
            }
            if let Some(outcome) = self.step() {
                return Some(outcome);
            }
        }
        None
    }

    /// Both builds have got as far as the session did. Where it failed then, the tick that failed is run too:
    /// another build may have mended just that.
    fn compare_end(&mut self) -> Outcome {
        let replay = Arc::clone(&self.left.replay);
        let EndReason::Failed(recorded) = &replay.ended.reason else { return self.outcome(None, None) };
        if self.left.tick >= replay.inputs.end_tick() {
            return self.outcome(None, None);
        }
        match self.step() {
            Some(Outcome::NotComparable { failure, .. }) if failure == *recorded && !is_limit(recorded) => {
                self.outcome(None, None)
            }
            Some(outcome) => outcome,
            None => self.outcome(None, None),
        }
    }

    /// Runs the next tick in both builds.
    fn step(&mut self) -> Option<Outcome> {
        let tick = self.left.tick;
        let (left, right) = (self.left.step(), self.right.step());
        let limit =
            [&left, &right].into_iter().filter_map(|end| end.as_ref().err()).find(|end| is_limit(end));
        if let Some(failure) =
            limit.or_else(|| left.as_ref().err().filter(|end| Some(*end) == right.as_ref().err()))
        {
            return Some(Outcome::NotComparable { tick, failure: failure.clone() });
        }
        if left == right {
            return None;
        }
        self.diverged.get_or_insert(Tick(tick.0 + 1));
        Some(self.outcome(None, Some(Parted { tick, left, right })))
    }

    fn outcome(&self, fields: Option<(Tick, Vec<FieldDifference>)>, parted: Option<Parted>) -> Outcome {
        match self.diverged {
            Some(tick) => Outcome::Diverged(Divergence { tick, fields, parted }),
            None => Outcome::Same { through: self.left.tick },
        }
    }

    /// Notes the first difference in bytes; once there is one, looks for one in the named fields.
    fn compare_states(&mut self) -> Option<Outcome> {
        let tick = self.left.tick;
        if self.diverged.is_none() {
            self.left.simulation.save(&mut self.left_state);
            self.right.simulation.save(&mut self.right_state);
            if self.left_state == self.right_state {
                return None;
            }
            self.diverged = Some(tick);
        }
        let (left, right) = (self.left.simulation.fields(), self.right.simulation.fields());
        if left.is_empty() || right.is_empty() {
            return Some(self.outcome(None, None));
        }
        let differences = field_differences(&left, &right);
        (!differences.is_empty()).then(|| self.outcome(Some((tick, differences)), None))
    }
}

//! What is known about a cart.

use reenact_bench::carts::Cart;
use reenact_bench::child::Ended;
use reenact_bench::clock::Span;
use reenact_bench::play::End;
use reenact_bench::report::{Better, Row};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json};

use crate::check::Checked;

/// Ticks of the console in a second.
const RATE: f64 = 60.0;

/// What the recording process hands over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Recorded {
    /// The last tick that has a state.
    pub(crate) ticks: u32,
    pub(crate) end: End,
    /// How many state hashes were recorded.
    pub(crate) hashes: usize,
    /// The last of them, and its tick.
    pub(crate) final_hash: (u32, String),
    /// State hashes at random ticks of the linear play.
    pub(crate) samples: Vec<(u32, String)>,
    /// Different pictures among every tenth.
    pub(crate) pictures: usize,
    pub(crate) file_bytes: usize,
    /// Checking, rewriting and compiling.
    pub(crate) admission: Span,
}

/// Why a cart was refused, or did not start.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct NotLoaded(pub(crate) String);

/// What one comparison says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) enum Check {
    #[default]
    NotRun,
    Same,
    Differs(String),
    /// A limit was met, so that nothing can be said.
    Limit(String),
    TimedOut {
        seconds: u64,
    },
    Crashed(String),
}

impl Check {
    /// A word for a table.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::NotRun => "-",
            Self::Same => "ok",
            Self::Differs(_) => "DIFFERS",
            Self::Limit(_) => "limit",
            Self::TimedOut { .. } => "time",
            Self::Crashed(_) => "CRASHED",
        }
    }

    /// What is to be said besides the word.
    fn detail(&self) -> Option<String> {
        match self {
            Self::NotRun | Self::Same => None,
            Self::Differs(what) | Self::Limit(what) | Self::Crashed(what) => Some(what.clone()),
            Self::TimedOut { seconds } => Some(format!("not done within {seconds} s")),
        }
    }

    fn held(&self) -> bool {
        matches!(self, Self::Same | Self::NotRun)
    }
}

/// A cart, and all that was found out.
#[derive(Clone, Debug)]
pub(crate) struct CartResult {
    pub(crate) name: String,
    pub(crate) recorded: Ended<Result<Recorded, NotLoaded>>,
    pub(crate) verify: Check,
    pub(crate) linear: Option<Checked>,
    pub(crate) unoptimised: Check,
    pub(crate) interpreter: Check,
    pub(crate) interpreted: Option<Checked>,
}

impl CartResult {
    pub(crate) fn new(cart: &Cart) -> Self {
        Self {
            name: cart.name.clone(),
            recorded: Ended::TimedOut,
            verify: Check::NotRun,
            linear: None,
            unoptimised: Check::NotRun,
            interpreter: Check::NotRun,
            interpreted: None,
        }
    }

    pub(crate) fn recording(&self) -> Option<&Recorded> {
        match &self.recorded {
            Ended::Done(Ok(recorded)) => Some(recorded),
            _ => None,
        }
    }

    /// Each check by name.
    pub(crate) fn checks(&self) -> [(&'static str, Check); 4] {
        let seek = self.linear.as_ref().map_or(Check::NotRun, |linear| linear.seek.clone());
        let (verify, unoptimised) = (self.verify.clone(), self.unoptimised.clone());
        [("verify", verify), ("seek", seek), ("noopt", unoptimised), ("wasmi", self.interpreter.clone())]
    }

    /// Whether it was recorded, and no check that was run says anything but that all is the same.
    pub(crate) fn exact(&self) -> bool {
        self.recording().is_some() && self.checks().iter().all(|(_, check)| check.held())
    }

    /// Whether it behaves in two ways, or brought a process down.
    pub(crate) fn differs(&self) -> bool {
        let bad = |check: &Check| matches!(check, Check::Differs(_) | Check::Crashed(_));
        matches!(self.recorded, Ended::Crashed(_)) || self.checks().iter().any(|(_, check)| bad(check))
    }

    /// Times real time of the linear verification.
    pub(crate) fn speed(&self) -> Option<f64> {
        self.speed_of(self.linear.as_ref())
    }

    fn speed_of(&self, checked: Option<&Checked>) -> Option<f64> {
        Some(checked?.span.times_real(f64::from(self.recording()?.ticks) / RATE))
    }

    /// How the session ended, in a few words.
    pub(crate) fn end(&self) -> String {
        match &self.recorded {
            Ended::TimedOut => "recording takes too long".to_owned(),
            Ended::Crashed(words) => format!("recording crashed: {words}"),
            Ended::Done(Err(NotLoaded(reason))) => format!("not loaded: {reason}"),
            Ended::Done(Ok(recorded)) => match &recorded.end {
                End::Completed => "completed".to_owned(),
                End::Over => format!("over at {}", recorded.ticks),
                End::Failed(failure) => format!("{failure} at {}", recorded.ticks),
                End::Limit(limit) => format!("limit at {}: {limit}", recorded.ticks),
            },
        }
    }

    /// Everything out of the ordinary, one text each.
    pub(crate) fn anomalies(&self) -> Vec<String> {
        let mut found = Vec::new();
        match self.recording() {
            None => found.push(self.end()),
            Some(recorded) => {
                if recorded.end != End::Completed {
                    found.push(self.end());
                }
                if recorded.pictures <= 1 {
                    found.push(format!("only {} picture", recorded.pictures));
                }
            }
        }
        let details = self.checks().into_iter().filter_map(|(name, check)| Some((name, check.detail()?)));
        found.extend(details.map(|(name, detail)| format!("{name}: {detail}")));
        found
    }

    /// One line, for a log.
    pub(crate) fn line(&self) -> String {
        let checks = self.checks().map(|(name, check)| format!("{name} {}", check.word())).join(", ");
        let speed = self.speed().unwrap_or_default();
        format!("{}: {}, {speed:.1} x, {checks}", self.name, self.end())
    }

    /// The row for machines.
    pub(crate) fn row(&self) -> Row {
        let mut extra = Map::new();
        extra.insert("end".into(), self.end().into());
        if let Some(recorded) = self.recording() {
            extra.insert("ticks".into(), recorded.ticks.into());
            extra.insert("pictures".into(), recorded.pictures.into());
            extra.insert("final_hash_tick".into(), recorded.final_hash.0.into());
            extra.insert("final_hash".into(), recorded.final_hash.1.clone().into());
            extra.insert("file_bytes".into(), recorded.file_bytes.into());
            extra.insert("admission_millis".into(), json!(recorded.admission.wall_seconds * 1_000.0));
        }
        for (name, check) in self.checks() {
            let text = check.detail().map_or(check.word().into(), |d| format!("{}: {d}", check.word()));
            extra.insert(name.into(), text.into());
        }
        let interpreter = self.speed_of(self.interpreted.as_ref());
        extra.insert("wasmi_times_real".into(), json!(interpreter));
        Row {
            bench: "carts",
            case: self.name.clone(),
            subject: "reenact".into(),
            value: self.speed().unwrap_or_default(),
            unit: "x real time",
            better: Better::Higher,
            extra,
        }
    }
}

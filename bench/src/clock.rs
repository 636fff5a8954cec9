//! How long something took.

use std::time::Instant;

use cpu_time::ThreadTime;
use serde::{Deserialize, Serialize};

/// A span of work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Seconds on the wall.
    pub wall_seconds: f64,
    /// Seconds in which a core ran this thread: what it would take on an idle machine.
    pub core_seconds: f64,
}

impl Span {
    /// How many times faster than real time `seconds` of a game went by on one core.
    pub fn times_real(self, seconds: f64) -> f64 {
        // The clock's own resolution keeps a run that takes no time finite.
        seconds / self.core_seconds.max(1e-9)
    }
}

/// Runs `work` and times it; what it starts on other threads does not count as core time.
pub fn time<T>(work: impl FnOnce() -> T) -> (T, Span) {
    let (wall, core) = (Instant::now(), ThreadTime::now());
    let done = work();
    (done, Span { core_seconds: core.elapsed().as_secs_f64(), wall_seconds: wall.elapsed().as_secs_f64() })
}

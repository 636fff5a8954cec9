//! A store on a disk that loses power, by a seed, and the oracle that says whether it kept its word.
//!
//! A [`Script`] says what clients do; a [`Run`] does it to a [`Subject`] on a [`SimDisk`], one call after
//! another and without a thread, so that a seed is the same run every time; the [`Model`] takes note of what
//! was asked and answered, and holds the store against it.

mod model;
mod oracle;
mod rounds;
mod run;
mod script;
#[cfg(test)]
mod tests;
mod violation;

use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use reenact::bot::Random;
use reenact_store::Timestamp;
use reenact_store::clock::Clock;

pub use model::{Batch, Fate, Model};
pub use rounds::{Effort, Tally, crash_at_every_call, crash_often, every_fault_at_every_call, is_found_out};
pub use run::{Run, Subject};
pub use script::{Action, Expect, Script, Sizes, Work};
pub use violation::{Breach, Violation};

#[cfg(doc)]
use crate::sim_disk::SimDisk;

/// The answer of a future that waits for nobody.
///
/// # Panics
/// It waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("what waits for nobody is ready at once"),
    }
}

/// A clock that goes by its own steps, and back at times.
#[derive(Debug)]
pub struct SeededClock(Mutex<(Random, u64)>);

impl SeededClock {
    /// The clock of a seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new((Random::new(seed), 1 << 40)))
    }
}

impl Clock for SeededClock {
    fn now(&self) -> Timestamp {
        let mut clock = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (random, time) = &mut *clock;
        *time = match random.below(20) {
            0 => *time - random.below(1 << 20),
            _ => *time + random.below(1 << 20),
        };
        Timestamp(*time)
    }
}

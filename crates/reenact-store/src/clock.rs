//! Where a store takes the time of a commit from.

use std::fmt;
use std::sync::Arc;

use crate::event::Timestamp;

/// Says what time it is; it may go back.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The time.
    fn now(&self) -> Timestamp;
}

/// The operating system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that never goes back, whatever the one below it does.
#[derive(Clone, Debug)]
pub(crate) struct SteadyClock {
    clock: Arc<dyn Clock>,
    last: Timestamp,
}

impl SteadyClock {
    /// `clock`, held to be at `last` or later.
    pub(crate) fn new(clock: Arc<dyn Clock>, last: Timestamp) -> Self {
        Self { clock, last }
    }

    /// The system's clock.
    pub(crate) fn system() -> Self {
        Self::new(Arc::new(SystemClock), Timestamp::default())
    }

    pub(crate) fn tick(&mut self) -> Timestamp {
        self.last = self.last.max(self.clock.now());
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Stopped(u64);

    impl Clock for Stopped {
        fn now(&self) -> Timestamp {
            Timestamp(self.0)
        }
    }

    #[test]
    fn the_clock_stands_still_while_the_one_below_it_is_behind() {
        let mut clock = SteadyClock::new(Arc::new(Stopped(5)), Timestamp(9));
        assert_eq!(clock.tick(), Timestamp(9));
        let mut clock = SteadyClock::new(Arc::new(Stopped(5)), Timestamp(2));
        assert_eq!((clock.tick(), clock.tick()), (Timestamp(5), Timestamp(5)));
    }
}

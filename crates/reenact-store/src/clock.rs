//! Where a store takes the time of a commit from.

use crate::event::Timestamp;

/// A clock that never goes back, whatever the one below it does.
#[derive(Debug)]
pub(crate) struct Clock {
    now: fn() -> Timestamp,
    last: Timestamp,
}

impl Clock {
    /// The system's clock, held to be at `last` or later.
    pub(crate) fn system(last: Timestamp) -> Self {
        Self { now: Timestamp::now, last }
    }

    #[cfg(test)]
    pub(crate) fn fake(now: fn() -> Timestamp, last: Timestamp) -> Self {
        Self { now, last }
    }

    pub(crate) fn tick(&mut self) -> Timestamp {
        self.last = self.last.max((self.now)());
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_stands_still_while_the_one_below_it_is_behind() {
        let mut clock = Clock::fake(|| Timestamp(5), Timestamp(9));
        assert_eq!(clock.tick(), Timestamp(9));
        let mut clock = Clock::fake(|| Timestamp(5), Timestamp(2));
        assert_eq!((clock.tick(), clock.tick()), (Timestamp(5), Timestamp(5)));
    }
}

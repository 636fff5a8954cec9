//! Ticks and their rate.

use std::fmt;

/// A place on a simulation's time line, counted in steps.
///
/// The state *at* tick `t` is the state after `t` steps, so `Tick(0)` is what initialisation leaves; the
/// input *of* tick `t` leads from the state at `t` to the state at `t + 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tick(pub u32);

impl Tick {
    /// The state that initialisation leaves.
    pub const ZERO: Self = Self(0);
    /// The last tick there is: time lines end here.
    pub const MAX: Self = Self(u32::MAX);

    /// The tick after this one; `None` at [`Tick::MAX`].
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }

    /// The tick before this one; `None` at tick 0.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl fmt::Display for Tick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Ticks a second, as a fraction, so that 60000/1001 is exact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickRate {
    numerator: u32,
    denominator: u32,
}

impl TickRate {
    /// 60 ticks a second.
    pub const HZ_60: Self = Self { numerator: 60, denominator: 1 };

    /// `numerator / denominator` ticks a second; `None` unless it is at least one tick an hour and at most
    /// 1,000,000 ticks a second.
    pub fn new(numerator: u32, denominator: u32) -> Option<Self> {
        let (n, d) = (u64::from(numerator), u64::from(denominator));
        (n > 0 && d > 0 && n * 3_600 >= d && n <= d * 1_000_000).then_some(Self { numerator, denominator })
    }

    /// Ticks in `denominator()` seconds.
    pub fn numerator(self) -> u32 {
        self.numerator
    }

    /// Seconds in which `numerator()` ticks pass.
    pub fn denominator(self) -> u32 {
        self.denominator
    }

    /// Ticks a second, rounded to a float.
    pub fn per_second(self) -> f64 {
        f64::from(self.numerator) / f64::from(self.denominator)
    }

    /// Whole ticks in `millis` milliseconds, at least one.
    pub fn ticks_in_millis(self, millis: u32) -> u32 {
        let ticks = u64::from(self.numerator) * u64::from(millis) / (u64::from(self.denominator) * 1_000);
        ticks.clamp(1, u64::from(u32::MAX)) as u32
    }
}

impl fmt::Display for TickRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.denominator == 1 {
            write!(f, "{} Hz", self.numerator)
        } else {
            write!(f, "{}/{} Hz", self.numerator, self.denominator)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_lines_end_instead_of_wrapping() {
        assert_eq!(Tick::MAX.next(), None);
        assert_eq!(Tick::ZERO.previous(), None);
        assert_eq!(Tick(6).next(), Some(Tick(7)));
    }

    #[test]
    fn rates_are_bounded_on_both_sides() {
        assert!(TickRate::new(0, 1).is_none() && TickRate::new(1, 0).is_none());
        assert!(TickRate::new(1, 3_600).is_some() && TickRate::new(1, 3_601).is_none());
        assert!(TickRate::new(1_000_000, 1).is_some() && TickRate::new(1_000_001, 1).is_none());
        let ntsc = TickRate::new(60_000, 1_001).unwrap();
        assert_eq!(ntsc.ticks_in_millis(100), 5);
        assert_eq!(TickRate::new(1, 1).unwrap().ticks_in_millis(100), 1);
    }
}

//! Numbers with a fixed point, and angles: the same on every machine, without a thought about floats.

use core::ops::{Add, AddAssign, Div, Mul, Neg, Sub, SubAssign};

const FRACTION_BITS: u32 = 16;

/// A signed number with 16 bits before the point and 16 after it.
///
/// Arithmetic wraps, in every build.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Fx(i32);

impl Fx {
    /// 0.
    pub const ZERO: Self = Self(0);
    /// 1.
    pub const ONE: Self = Self(1 << FRACTION_BITS);

    /// The number with these bits: 65,536 is 1.
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// The bits of the number: 1 is 65,536.
    pub const fn raw(self) -> i32 {
        self.0
    }

    /// A whole number.
    pub const fn int(number: i32) -> Self {
        Self(number << FRACTION_BITS)
    }

    /// The quotient of two whole numbers; for constants such as `Fx::ratio(9, 10)`.
    pub const fn ratio(dividend: i32, divisor: i32) -> Self {
        Self((((dividend as i64) << FRACTION_BITS) / divisor as i64) as i32)
    }

    /// The largest whole number that is not above this one.
    pub const fn floor(self) -> i32 {
        self.0 >> FRACTION_BITS
    }

    /// The nearest whole number; halves go up.
    pub const fn round(self) -> i32 {
        self.0.wrapping_add(1 << (FRACTION_BITS - 1)) >> FRACTION_BITS
    }

    /// The distance from 0.
    pub const fn abs(self) -> Self {
        Self(self.0.wrapping_abs())
    }

    /// The square root; 0 for negative numbers.
    pub const fn sqrt(self) -> Self {
        if self.0 <= 0 {
            return Self::ZERO;
        }
        Self(root((self.0 as u64) << FRACTION_BITS) as i32)
    }

    /// The length of the vector `(x, y)`, exact also where the squares would not fit an `Fx`.
    pub const fn length(x: Self, y: Self) -> Self {
        let (x, y) = (x.0 as i64, y.0 as i64);
        Self(root((x * x + y * y) as u64) as i32)
    }
}

/// The largest number whose square is at most `square`.
const fn root(square: u64) -> u64 {
    if square == 0 {
        return 0;
    }
    // Newton's method from above falls until it is there.
    let mut guess = 1 << ((64 - square.leading_zeros() + 1) / 2);
    loop {
        let next = (guess + square / guess) / 2;
        if next >= guess {
            return guess;
        }
        guess = next;
    }
}

impl Add for Fx {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }
}

impl AddAssign for Fx {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Fx {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }
}

impl SubAssign for Fx {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Fx {
    type Output = Self;

    fn neg(self) -> Self {
        Self(self.0.wrapping_neg())
    }
}

impl Mul for Fx {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self((i64::from(self.0) * i64::from(other.0) >> FRACTION_BITS) as i32)
    }
}

impl Mul<i32> for Fx {
    type Output = Self;

    fn mul(self, other: i32) -> Self {
        Self(self.0.wrapping_mul(other))
    }
}

impl Div for Fx {
    type Output = Self;

    /// Panics where `other` is 0.
    fn div(self, other: Self) -> Self {
        Self(((i64::from(self.0) << FRACTION_BITS) / i64::from(other.0)) as i32)
    }
}

/// An angle: 65,536 make a full turn, 0 points right and 16,384 points down, as screens count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Angle(pub u16);

const QUARTER: u16 = 1 << 14;
/// The table has an entry for each 64 units of the first quarter turn, and one for its end.
const TABLE_STEP_BITS: u32 = 6;
const TABLE: [i32; 257] = sines();

impl Angle {
    /// The sine.
    pub fn sin(self) -> Fx {
        let in_quarter = self.0 % QUARTER;
        let quarter = self.0 / QUARTER;
        let at = if quarter & 1 == 0 { in_quarter } else { QUARTER - in_quarter };
        let index = (at >> TABLE_STEP_BITS) as usize;
        let rest = i32::from(at & ((1 << TABLE_STEP_BITS) - 1));
        let low = TABLE[index];
        let high = TABLE[if index < 256 { index + 1 } else { index }];
        let sine = low + ((high - low) * rest >> TABLE_STEP_BITS);
        Fx(if quarter < 2 { sine } else { -sine })
    }

    /// The cosine.
    pub fn cos(self) -> Fx {
        Self(self.0.wrapping_add(QUARTER)).sin()
    }

    /// The direction of the vector `(x, y)`, to a quarter of a degree; right for `(0, 0)`.
    pub fn of(x: Fx, y: Fx) -> Self {
        let (across, down) = (i64::from(x.0).abs(), i64::from(y.0).abs());
        let (small, large) = if across < down { (across, down) } else { (down, across) };
        if large == 0 {
            return Self(0);
        }
        let slope = (small << FRACTION_BITS) / large;
        // The arc tangent from 0 to 1, in units of the angle.
        let octant =
            slope * (8192 + (2847 * ((1 << FRACTION_BITS) - slope) >> FRACTION_BITS)) >> FRACTION_BITS;
        let quarter = if across < down { i64::from(QUARTER) - octant } else { octant };
        let half = if x.0 < 0 { 2 * i64::from(QUARTER) - quarter } else { quarter };
        Self(if y.0 < 0 { -half } else { half } as u16)
    }

    /// The shortest turn from `self` to `other`.
    pub const fn turn_to(self, other: Self) -> i16 {
        other.0.wrapping_sub(self.0) as i16
    }

    /// The angle turned by `by`.
    pub const fn turned(self, by: i16) -> Self {
        Self(self.0.wrapping_add(by as u16))
    }
}

/// Sines of the first quarter turn by their series, in 30 bits of fraction.
const fn sines() -> [i32; 257] {
    const HALF_PI: i64 = 1_686_629_713;
    let mut table = [0; 257];
    let mut index = 0;
    while index <= 256 {
        let x = HALF_PI * index as i64 / 256;
        let square = x * x >> 30;
        let (mut term, mut sum, mut n) = (x, x, 1);
        while n <= 6 {
            term = -(term * square >> 30) / (2 * n * (2 * n + 1));
            sum += term;
            n += 1;
        }
        table[index] = ((sum + (1 << 13)) >> 14) as i32;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(actual: Fx, expected: f64, tolerance: f64) {
        let actual = f64::from(actual.raw()) / 65_536.0;
        assert!((actual - expected).abs() <= tolerance, "{actual} is not near {expected}");
    }

    #[test]
    fn arithmetic_has_sixteen_bits_of_fraction() {
        assert_eq!(Fx::ratio(3, 2) * Fx::ratio(-5, 2), Fx::ratio(-15, 4));
        assert_eq!(Fx::int(7) / Fx::int(2), Fx::ratio(7, 2));
        assert_eq!((Fx::ratio(-1, 2).floor(), Fx::ratio(-1, 2).round()), (-1, 0));
    }

    #[test]
    fn roots_are_exact() {
        assert_eq!(Fx::int(144).sqrt(), Fx::int(12));
        assert_eq!(Fx::length(Fx::int(3_000), Fx::int(4_000)), Fx::int(5_000));
        for square in 0..10_000_u64 {
            let root = root(square);
            assert!(root * root <= square && (root + 1) * (root + 1) > square);
        }
    }

    #[test]
    fn sines_follow_the_circle() {
        for turn in (0..=u16::MAX).step_by(37) {
            let angle = f64::from(turn) / 65_536.0 * 2.0 * core::f64::consts::PI;
            near(Angle(turn).sin(), libm_sin(angle), 0.000_1);
        }
        assert_eq!(Angle(0).cos(), Fx::ONE);
    }

    /// The series again, in floats: the crate has no `std` to ask.
    fn libm_sin(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..20 {
            term *= -x * x / f64::from(2 * n * (2 * n + 1));
            sum += term;
        }
        sum
    }

    #[test]
    fn direction_is_the_inverse_of_sine_and_cosine() {
        for turn in (0..=u16::MAX).step_by(101) {
            let angle = Angle(turn);
            let found = Angle::of(angle.cos() * 50, angle.sin() * 50);
            assert!(angle.turn_to(found).abs() < 50, "{turn} became {}", found.0);
        }
    }
}

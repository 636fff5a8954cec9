//! What may be kept in the state, and what of it the schema can name.

use crate::{Angle, Fx, Random};

/// A value of fixed size that can be kept in the state and has an empty value.
///
/// [`plain!`](crate::plain) makes such structs.
pub trait Plain: Copy + 'static {
    /// The value before initialisation; all zero bits, so that it costs no space in the module.
    const ZERO: Self;
}

/// A value that the schema can name: a number or an array of numbers.
pub trait Field: Plain {
    /// The schema's name of the element type.
    const TYPE: &'static str;
    /// How many elements there are.
    const COUNT: usize;
}

macro_rules! number {
    ($($type:ty, $name:literal, $zero:expr;)*) => {$(
        impl Plain for $type {
            const ZERO: Self = $zero;
        }

        impl Field for $type {
            const TYPE: &'static str = $name;
            const COUNT: usize = 1;
        }
    )*};
}

number! {
    u8, "u8", 0;
    i8, "i8", 0;
    u16, "u16", 0;
    i16, "i16", 0;
    u32, "u32", 0;
    i32, "i32", 0;
    u64, "u64", 0;
    i64, "i64", 0;
    f32, "f32", 0.0;
    f64, "f64", 0.0;
    Fx, "i32", Fx::ZERO;
    Angle, "u16", Angle(0);
    Random, "u64", Random::new(0);
}

impl Plain for bool {
    const ZERO: Self = false;
}

impl<T: Plain, const N: usize> Plain for [T; N] {
    const ZERO: Self = [T::ZERO; N];
}

impl<T: Field, const N: usize> Field for [T; N] {
    const TYPE: &'static str = T::TYPE;
    const COUNT: usize = N * T::COUNT;
}

/// Declares structs that can be kept in the state: `Copy`, laid out in order, with [`Plain::ZERO`].
///
/// ```
/// reenact_guest::plain! {
///     /// A bullet in flight.
///     pub struct Bullet {
///         /// Where it is.
///         pub x: i32,
///         owner: u8,
///     }
/// }
/// assert_eq!(<Bullet as reenact_guest::Plain>::ZERO.x, 0);
/// ```
#[macro_export]
macro_rules! plain {
    ($(
        $(#[$meta:meta])*
        $vis:vis struct $name:ident { $( $(#[$field_meta:meta])* $field_vis:vis $field:ident : $type:ty ),* $(,)? }
    )*) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, Debug)]
        #[repr(C)]
        $vis struct $name { $( $(#[$field_meta])* $field_vis $field: $type, )* }

        impl $crate::Plain for $name {
            const ZERO: Self = Self { $( $field: <$type as $crate::Plain>::ZERO, )* };
        }
    )*};
}

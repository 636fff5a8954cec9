//! The deterministic step function that everything else is about.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::hash::StateHash;
use crate::input::Inputs;
use crate::tick::Tick;

/// A deterministic game: equal states and equal inputs give equal states, on any machine, for ever.
///
/// A simulation is created at tick 0. After a failed [`step`](Self::step) its state is undefined until
/// [`restore`](Self::restore) is called.
///
/// ```
/// use reenact::{Failure, Inputs, Mark, RestoreError, Simulation, Status, Tick};
///
/// #[derive(Default)]
/// struct Counter(u64);
///
/// impl Simulation for Counter {
///     fn step(&mut self, _: Tick, inputs: &Inputs, _: &mut Vec<Mark>) -> Result<Status, Failure> {
///         self.0 += inputs.get(0).map_or(0, |row| row[0] as u64);
///         Ok(Status::Running)
///     }
///     fn save(&mut self, state: &mut Vec<u8>) {
///         state.clear();
///         state.extend_from_slice(&self.0.to_le_bytes());
///     }
///     fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError> {
///         let bytes = state.try_into().map_err(|_| RestoreError::Length { actual: state.len(), expected: 8 })?;
///         self.0 = u64::from_le_bytes(bytes);
///         Ok(())
///     }
/// }
/// ```
pub trait Simulation {
    /// Runs exactly one tick: `inputs` are those of `tick`, the state becomes that at `tick + 1`.
    /// What is worth noting is pushed to `marks`.
    ///
    /// # Errors
    /// The simulation failed by itself or met a limit; the tick is not committed.
    fn step(&mut self, tick: Tick, inputs: &Inputs, marks: &mut Vec<Mark>) -> Result<Status, Failure>;

    /// Writes the whole state over `state`, in its canonical encoding.
    fn save(&mut self, state: &mut Vec<u8>);

    /// Takes over a state that [`save`](Self::save) wrote, of this or an equal simulation.
    ///
    /// # Errors
    /// The bytes are no state of this simulation; its state is undefined until another restore succeeds.
    fn restore(&mut self, state: &[u8]) -> Result<(), RestoreError>;

    /// The BLAKE3 digest of what [`save`](Self::save) writes.
    fn state_hash(&mut self) -> StateHash {
        let mut state = Vec::new();
        self.save(&mut state);
        StateHash::of(&state)
    }

    /// A picture of the state as `viewer` sees it, if the simulation draws. The state does not change.
    ///
    /// # Errors
    /// Drawing failed or met a limit.
    fn view(&mut self, viewer: Viewer) -> Result<Option<Picture>, Failure> {
        let _ = viewer;
        Ok(None)
    }

    /// What a bot would do now as `participant`, one value an input column, if the simulation has bots.
    /// The state does not change.
    ///
    /// # Errors
    /// The simulation failed or met a limit.
    fn suggest(&mut self, participant: usize) -> Result<Option<Vec<i64>>, Failure> {
        let _ = participant;
        Ok(None)
    }

    /// Named parts of the state, by which a difference is explained; none unless the simulation names them.
    fn fields(&mut self) -> Vec<Field> {
        Vec::new()
    }
}

/// Whether the game goes on after a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Running,
    /// It is over: this was the last tick.
    Over,
}

/// Something a game or a person noted at a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What it is; the simulation's schema may name its kinds.
    pub kind: u32,
    /// At most 64 KiB, of a form that the kind decides.
    pub payload: Vec<u8>,
}

/// Through whose eyes a picture is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Nobody's.
    Spectator,
    /// A participant's.
    Participant(usize),
}

/// A picture of a state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a line.
    pub width: u16,
    /// Lines.
    pub height: u16,
    /// Red, green, blue and alpha of each pixel, line by line from the top left.
    pub rgba: Vec<u8>,
}

/// A named part of a state: one number or an array of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Field {
    /// The name that the game declared.
    pub name: String,
    /// One value for a number, several for an array.
    pub values: Vec<FieldValue>,
}

/// A number in a state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum FieldValue {
    /// A signed integer.
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A float.
    Float(f64),
}

impl FieldValue {
    /// Whether both are the same bits of the same type, so that a NaN equals itself.
    pub fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (a, b) => a == b,
        }
    }
}

impl fmt::Display for FieldValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(value) => value.fmt(f),
            Self::Uint(value) => value.fmt(f),
            Self::Float(value) => value.fmt(f),
        }
    }
}

/// Why a tick could not be run. A trap and a game's own error happen again whenever the tick is run; a
/// limit says something about the host, so that nothing can be concluded from it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Failure {
    /// The machine stopped the simulation.
    #[error("trap: {0}")]
    Trap(Trap),
    /// The game gave an error of its own.
    #[error("the game gave error {code}")]
    Game {
        /// A negative number that the game chose.
        code: i32,
    },
    /// More of something than the host allows.
    #[error("{what} above the limit of {limit}")]
    Limit {
        /// The name of the limit.
        what: Cow<'static, str>,
        /// Its value.
        limit: u64,
    },
}

/// The class of a trap, the same on every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Trap {
    /// An `unreachable` was reached: a panic or a failed assertion.
    Unreachable,
    /// An address outside memory.
    MemoryOutOfBounds,
    /// An index outside a table.
    TableOutOfBounds,
    /// An indirect call of an empty table element.
    IndirectCallToNull,
    /// An indirect call of a function of another type.
    BadSignature,
    /// An integer division that overflows.
    IntegerOverflow,
    /// An integer division by zero.
    IntegerDivisionByZero,
    /// A float that no integer holds.
    BadConversionToInteger,
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "unreachable",
            Self::MemoryOutOfBounds => "memory out of bounds",
            Self::TableOutOfBounds => "table out of bounds",
            Self::IndirectCallToNull => "indirect call to null",
            Self::BadSignature => "indirect call of another type",
            Self::IntegerOverflow => "integer overflow",
            Self::IntegerDivisionByZero => "integer division by zero",
            Self::BadConversionToInteger => "conversion to integer out of range",
        })
    }
}

/// Why bytes are no state of a simulation.
#[derive(Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RestoreError {
    /// Another number of bytes.
    #[error("a state of {actual} bytes, where {expected} are needed")]
    Length {
        /// As given.
        actual: usize,
        /// As needed.
        expected: usize,
    },
    /// A part of the state that this simulation cannot have.
    #[error("{what} is {actual} in the state, {expected} in the simulation")]
    Mismatch {
        /// Which part.
        what: &'static str,
        /// As given.
        actual: u64,
        /// As needed, or the most allowed.
        expected: u64,
    },
}

/// One named number that differs between two states.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldDifference {
    /// The name, with an index in an array: `score[1]`.
    pub name: String,
    /// In the first state; `None` where it has no such field.
    pub left: Option<FieldValue>,
    /// In the second state; `None` where it has no such field.
    pub right: Option<FieldValue>,
}

impl fmt::Display for FieldDifference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |side: Option<FieldValue>| side.map_or_else(|| "none".into(), |value| value.to_string());
        write!(f, "{}: {} / {}", self.name, text(self.left), text(self.right))
    }
}

/// The named numbers that differ, in the order of the first state's fields, then those only the second has.
pub fn field_differences(left: &[Field], right: &[Field]) -> Vec<FieldDifference> {
    let mut differences = Vec::new();
    for field in left {
        let other = right.iter().find(|other| other.name == field.name);
        compare(&field.name, &field.values, other.map_or(&[], |other| &other.values), &mut differences);
    }
    for field in right.iter().filter(|field| left.iter().all(|other| other.name != field.name)) {
        compare(&field.name, &[], &field.values, &mut differences);
    }
    differences
}

fn compare(name: &str, left: &[FieldValue], right: &[FieldValue], out: &mut Vec<FieldDifference>) {
    let elements = left.len().max(right.len());
    for n in 0..elements {
        let (left, right) = (left.get(n).copied(), right.get(n).copied());
        let same = matches!((left, right), (Some(a), Some(b)) if a.same(b));
        if !same {
            let name = if elements == 1 { name.to_owned() } else { format!("{name}[{n}]") };
            out.push(FieldDifference { name, left, right });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(name: &str, values: &[i64]) -> Field {
        Field { name: name.into(), values: values.iter().map(|value| FieldValue::Int(*value)).collect() }
    }

    #[test]
    fn differences_name_field_and_element() {
        let left = [field("tick", &[7]), field("score", &[1, 2, 3]), field("gone", &[1])];
        let right = [field("tick", &[7]), field("score", &[1, 5, 3]), field("new", &[9])];
        let text: Vec<_> = field_differences(&left, &right).iter().map(ToString::to_string).collect();
        assert_eq!(text, ["score[1]: 2 / 5", "gone: 1 / none", "new: none / 9"]);
    }

    #[test]
    fn a_nan_equals_itself() {
        let nan = [Field { name: "x".into(), values: vec![FieldValue::Float(f64::NAN)] }];
        assert!(field_differences(&nan, &nan).is_empty());
    }
}

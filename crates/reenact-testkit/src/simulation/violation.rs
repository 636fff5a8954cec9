//! How a store can break its word.

use std::fmt;

/// How a store broke its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Breach {
    /// An event that was acknowledged, or read, is not there.
    Lost,
    /// An event is there that nobody appended, or whose append was refused.
    Invented,
    /// An event is there twice.
    Twice,
    /// An event is there without the others of its append.
    Torn,
    /// An event is not what was appended, or not where it was.
    Changed,
    /// Sequences, positions or times are not in order.
    Disordered,
    /// A chain is not that of the events.
    Chain,
    /// A receipt is not the one to be given.
    Receipt,
    /// A truncation that was acknowledged is gone, or one happened that nobody asked for.
    Truncation,
    /// Something was refused for a reason that does not hold.
    Refusal,
    /// Something is never answered.
    Silence,
    /// Something cannot be read, or the store not be opened.
    Unreadable,
}

/// A broken word, and what shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub breach: Breach,
    /// What was found.
    pub found: String,
}

impl Violation {
    /// A broken word.
    pub fn new(breach: Breach, found: impl Into<String>) -> Self {
        Self { breach, found: found.into() }
    }

    /// The same, and when it happened.
    #[must_use]
    pub fn at(self, when: &str) -> Self {
        Self { found: format!("{}; {when}", self.found), ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.breach, self.found)
    }
}

impl std::error::Error for Violation {}

macro_rules! ensure {
    ($holds:expr, $breach:ident, $($found:tt)*) => {
        if !$holds {
            return Err(Violation::new(Breach::$breach, format!($($found)*)));
        }
    };
}

pub(super) use ensure;

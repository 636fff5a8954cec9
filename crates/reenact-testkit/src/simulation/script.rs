//! What a simulated client does, by a seed.

use reenact::bot::Random;

/// One thing that a client, or the store's background, does. Numbers that choose among things are taken
/// modulo how many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Hands events over and does not wait for the answer.
    Append {
        /// To which stream.
        stream: usize,
        /// What it expects.
        expect: Expect,
        /// Bytes of the payload of each event.
        payload_bytes: Vec<usize>,
    },
    /// Hands events over once more that were handed over before, whatever became of them.
    Retry {
        /// Which, counted from the last.
        nth: u64,
    },
    /// Asks for a truncation and does not wait for the answer.
    Truncate {
        /// Of which stream.
        stream: usize,
        /// Before which of its events.
        before: u64,
    },
    /// Looks whether there are answers.
    Listen,
    /// Does not want to know one of the answers any more.
    GiveUp {
        /// Which.
        nth: u64,
    },
    /// Reads a stream and holds it against what must be there.
    Read {
        /// Which.
        stream: usize,
    },
    /// Reads everything with a reader beside the store, which is opened for it, or was before.
    ReadBeside {
        /// Whether it is opened anew.
        anew: bool,
    },
    /// Gives up what is oldest: events before some position.
    Retain {
        /// Which.
        before: u64,
    },
    /// The store does some of its work.
    Work(Work),
    /// Closes the store and opens it again.
    Reopen,
}

/// What a client expects of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// What will be so, if everything goes well.
    Right,
    /// That it has no event.
    NoStream,
    /// What is not so.
    Wrong,
}

/// What a store does beside answering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Makes durable what was handed over.
    Commit,
    /// Prepares room for what is to come.
    Prepare,
    /// Writes down what makes opening and reading fast.
    Index,
    /// Makes less of what was written down for that, whether or not something of it waits to be written.
    Merge,
}

impl Work {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Commit, Self::Prepare, Self::Index, Self::Merge];
}

/// How large things are in a script.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    /// How many streams.
    pub streams: usize,
    /// Bytes of the largest payloads that are common.
    pub payload_bytes: usize,
    /// Bytes of the payload of the rare largest ones.
    pub payload_bytes_max: usize,
    /// Events of the rare longest appends.
    pub events_max: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { streams: 3, payload_bytes: 600, payload_bytes_max: 12_000, events_max: 64 }
    }
}

/// Actions without end, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Script {
    random: Random,
    sizes: Sizes,
}

impl Script {
    /// The script of a seed.
    pub fn new(seed: u64, sizes: Sizes) -> Self {
        Self { random: Random::new(seed), sizes }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.random.below(bound as u64) as usize
    }

    fn append(&mut self) -> Action {
        let stream = self.below(self.sizes.streams);
        let expect = match self.below(16) {
            0..6 => Expect::Any,
            6..14 => Expect::Right,
            14 => Expect::NoStream,
            _ => Expect::Wrong,
        };
        let events = match self.below(40) {
            0 => 1 + self.below(self.sizes.events_max),
            _ => 1 + self.below(8),
        };
        let payload_bytes_max = match self.below(40) {
            0 => self.sizes.payload_bytes_max / events,
            1..10 => 0,
            _ => self.sizes.payload_bytes,
        };
        let payload_bytes = (0..events).map(|_| self.below(payload_bytes_max + 1)).collect();
        Action::Append { stream, expect, payload_bytes }
    }
}

impl Iterator for Script {
    type Item = Action;

    fn next(&mut self) -> Option<Action> {
        Some(match self.below(100) {
            0..36 => self.append(),
            36..42 => Action::Retry { nth: self.random.bits() >> self.below(64) },
            42..45 => Action::Truncate { stream: self.below(self.sizes.streams), before: self.random.bits() },
            45..60 => Action::Listen,
            60..62 => Action::GiveUp { nth: self.random.bits() },
            62..64 => Action::Read { stream: self.below(self.sizes.streams) },
            64 if self.below(3) == 0 => Action::Retain { before: self.random.bits() },
            64 => Action::ReadBeside { anew: self.below(2) == 0 },
            65..85 => Action::Work(Work::Commit),
            85..93 => Action::Work(Work::Prepare),
            93..96 => Action::Work(Work::Index),
            96..99 => Action::Work(Work::Merge),
            _ => Action::Reopen,
        })
    }
}

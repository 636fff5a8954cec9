//! What a simulated disk is called for, and which of the calls go wrong.

use std::io;

/// The calls of a disk and its files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are named as the functions of `Disk` and `DiskFile`")]
pub enum Call {
    List,
    Open,
    Lock,
    Bytes,
    ReadAt,
    Create,
    Allocate,
    WriteAt,
    CommitAt,
    Sync,
    Rename,
    Remove,
    SyncNames,
}

impl Call {
    /// Every one.
    pub const ALL: [Self; 13] = [
        Self::List,
        Self::Open,
        Self::Lock,
        Self::Bytes,
        Self::ReadAt,
        Self::Create,
        Self::Allocate,
        Self::WriteAt,
        Self::CommitAt,
        Self::Sync,
        Self::Rename,
        Self::Remove,
        Self::SyncNames,
    ];

    /// Whether it changes what a power cut leaves.
    pub fn changes(self) -> bool {
        self >= Self::Create
    }
}

/// Which calls are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// All.
    Any,
    /// Those that [change](Call::changes) something.
    Changing,
    /// Those of one kind.
    Of(Call),
}

impl Calls {
    /// Whether a call is one of them.
    pub fn include(self, call: Call) -> bool {
        match self {
            Self::Any => true,
            Self::Changing => call.changes(),
            Self::Of(kind) => kind == call,
        }
    }
}

/// What a call that fails says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// `EIO`.
    Broken,
    /// `ENOSPC`.
    Full,
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        Self::from_raw_os_error(match failure {
            Failure::Broken => 5,
            Failure::Full => 28,
        })
    }
}

/// A call that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Which calls are counted.
    pub calls: Calls,
    /// How many of them go well before.
    pub after: u64,
    /// What the next one says.
    pub failure: Failure,
    /// Whether all those that follow say so too.
    pub lasting: bool,
}

/// How often each call was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallCounts([u64; Call::ALL.len()]);

impl CallCounts {
    /// How often those calls were made.
    pub fn of(&self, calls: Calls) -> u64 {
        Call::ALL.into_iter().filter(|call| calls.include(*call)).map(|call| self.0[call as usize]).sum()
    }
}

/// What becomes of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    GoesWell,
    Fails(Failure),
    /// The machine stops in its midst.
    Stops,
}

impl Fate {
    /// Its answer, if it did what it should where it could.
    pub(super) fn answer<T>(self, done: T) -> io::Result<T> {
        match self {
            Self::GoesWell => Ok(done),
            Self::Fails(failure) => Err(failure.into()),
            Self::Stops => Err(stopped()),
        }
    }

    /// The error of a call that does nothing when it fails.
    pub(super) fn unless_it_fails(self) -> io::Result<()> {
        if let Self::Fails(failure) = self { Err(failure.into()) } else { Ok(()) }
    }
}

/// What every call of a machine says that has stopped.
pub(super) fn stopped() -> io::Error {
    io::Error::other("the simulated machine has stopped")
}

/// The calls that were made, and what is to become of those to come.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    pub(super) counts: CallCounts,
    faults: Vec<Fault>,
    stop_after: Option<u64>,
    pub(super) stopped: bool,
    /// How many calls were made to fail.
    pub(super) failed: u64,
}

impl Plan {
    pub(super) fn stop_after(&mut self, changes: u64) {
        self.stop_after = Some(changes);
    }

    pub(super) fn fail(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn heal(&mut self) {
        self.faults.clear();
        self.stop_after = None;
    }

    /// Counts a call.
    pub(super) fn meet(&mut self, call: Call) -> io::Result<Fate> {
        if self.stopped {
            return Err(stopped());
        }
        self.counts.0[call as usize] += 1;
        if call.changes()
            && let Some(after) = &mut self.stop_after
        {
            if *after == 0 {
                self.stopped = true;
                return Ok(Fate::Stops);
            }
            *after -= 1;
        }
        Ok(self.fault(call).map_or(Fate::GoesWell, Fate::Fails))
    }

    fn fault(&mut self, call: Call) -> Option<Failure> {
        let mut failure = None;
        self.faults.retain_mut(|fault| {
            if !fault.calls.include(call) {
                return true;
            }
            if fault.after > 0 {
                fault.after -= 1;
                return true;
            }
            failure = Some(fault.failure);
            fault.lasting
        });
        self.failed += u64::from(failure.is_some());
        failure
    }
}

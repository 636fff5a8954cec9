//! What the host keeps for a guest, and the functions that it lends it.

use reenact::limits::{MARK_BYTES_PER_TICK_MAX, MARKS_PER_TICK_MAX};
use reenact::{Failure, Mark, Trap};

use crate::limits::LOG_BYTES_PER_TICK_MAX;
use crate::rewrite::Import;
use crate::wasm4;
use reenact::session::Console;

/// The most parameters that a host function has.
pub(crate) const PARAMETERS_MAX: usize = 9;
/// Fuel that a call of a host function costs before it has done anything.
const CALL_FUEL: u64 = 20;

/// A line that the guest logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// 0 error, 1 warn, 2 info, 3 debug.
    pub level: u32,
    /// Ill-formed UTF-8 is replaced.
    pub text: String,
}

/// What a guest has beside its memory and globals.
#[derive(Clone, Debug, Default)]
pub(crate) struct Guest {
    /// The console disk: what was last written. Part of the state.
    pub(crate) disk: Vec<u8>,
    /// Emitted since the tick began.
    pub(crate) marks: Vec<Mark>,
    mark_bytes: usize,
    /// Logged since the tick began.
    pub(crate) logs: Vec<LogLine>,
    log_bytes: usize,
}

/// A function that the host lends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HostFunction {
    Mark,
    Log,
    Wasm4(wasm4::Call),
}

impl HostFunction {
    /// The function that an admitted import names.
    pub(crate) fn resolve(console: Console, import: &Import) -> Option<Self> {
        match (console, &import.name[..]) {
            (Console::Reenact1, "mark") => Some(Self::Mark),
            (Console::Reenact1, "log") => Some(Self::Log),
            (Console::Wasm4, name) => wasm4::Call::from_name(name).map(Self::Wasm4),
            _ => None,
        }
    }
}

/// What a host function gives back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Called {
    /// 0 where the function has no result.
    pub(crate) result: i32,
    /// What the call costs.
    pub(crate) fuel: u64,
}

impl Called {
    fn work(units: u64) -> Self {
        Self { result: 0, fuel: CALL_FUEL + units }
    }
}

impl Guest {
    /// A guest that has done nothing yet.
    pub(crate) fn new(disk: Vec<u8>) -> Self {
        Self { disk, ..Self::default() }
    }

    /// Forgets what was emitted in the tick before.
    pub(crate) fn begin_tick(&mut self) {
        self.marks.clear();
        self.logs.clear();
        (self.mark_bytes, self.log_bytes) = (0, 0);
    }

    /// Runs a host function on the guest's memory.
    pub(crate) fn call(
        &mut self,
        function: HostFunction,
        args: &[i32; PARAMETERS_MAX],
        memory: &mut [u8],
    ) -> Result<Called, Failure> {
        match function {
            HostFunction::Mark => {
                let payload = slice(memory, args[1], args[2])?;
                self.mark(args[0] as u32, payload)?;
                Ok(Called::work(payload.len() as u64 / 8))
            }
            HostFunction::Log => {
                let text = slice(memory, args[1], args[2])?;
                self.log(args[0] as u32, text)?;
                Ok(Called::work(text.len() as u64))
            }
            HostFunction::Wasm4(call) => {
                let (result, units) = wasm4::call(self, call, args, memory)?;
                Ok(Called { result, ..Called::work(units) })
            }
        }
    }

    /// Emits a mark, within the limits of a tick.
    pub(crate) fn mark(&mut self, kind: u32, payload: &[u8]) -> Result<(), Failure> {
        within("marks a tick", self.marks.len() + 1, MARKS_PER_TICK_MAX)?;
        within("bytes of marks a tick", self.mark_bytes + payload.len(), MARK_BYTES_PER_TICK_MAX)?;
        self.mark_bytes += payload.len();
        self.marks.push(Mark { kind, payload: payload.to_vec() });
        Ok(())
    }

    /// Emits a mark for a cart, which knows nothing of marks and of their limits: above them, it has none.
    pub(crate) fn mark_if_room(&mut self, kind: u32, payload: &[u8]) {
        // The only error there is.
        let _above_the_limit = self.mark(kind, payload);
    }

    fn log(&mut self, level: u32, text: &[u8]) -> Result<(), Failure> {
        // An empty line takes room too.
        let bytes = self.log_bytes + text.len() + 1;
        within("bytes of log a tick", bytes, LOG_BYTES_PER_TICK_MAX)?;
        self.log_bytes = bytes;
        self.logs.push(LogLine { level, text: String::from_utf8_lossy(text).into_owned() });
        Ok(())
    }
}

fn within(what: &'static str, actual: usize, limit: usize) -> Result<(), Failure> {
    if actual <= limit { Ok(()) } else { Err(Failure::Limit { what: what.into(), limit: limit as u64 }) }
}

/// `bytes` bytes at `address`, if they lie in memory.
fn slice(memory: &[u8], address: i32, bytes: i32) -> Result<&[u8], Failure> {
    let (start, length) = (address as u32 as usize, bytes as u32 as usize);
    let range = start..start.saturating_add(length);
    memory.get(range).ok_or(Failure::Trap(Trap::MemoryOutOfBounds))
}

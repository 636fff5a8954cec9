//! The two things a game can tell its host.

/// How serious a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something is wrong.
    Error = 0,
    /// Something may be wrong.
    Warn = 1,
    /// Worth knowing.
    Info = 2,
    /// For whoever debugs the game.
    Debug = 3,
}

#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
mod calls {
    #[link(wasm_import_module = "reenact1")]
    extern "C" {
        #[link_name = "mark"]
        fn host_mark(kind: u32, address: *const u8, bytes: usize);
        #[link_name = "log"]
        fn host_log(level: u32, address: *const u8, bytes: usize);
    }

    pub(super) fn mark(kind: u32, payload: &[u8]) {
        // SAFETY: the host only reads the slice, and keeps no address.
        unsafe { host_mark(kind, payload.as_ptr(), payload.len()) }
    }

    pub(super) fn log(level: u32, text: &str) {
        // SAFETY: the host only reads the text, and keeps no address.
        unsafe { host_log(level, text.as_ptr(), text.len()) }
    }
}

/// Outside wasm there is no host: unit tests of a game run without one.
#[cfg(not(target_arch = "wasm32"))]
mod calls {
    pub(super) fn mark(_kind: u32, _payload: &[u8]) {}

    pub(super) fn log(_level: u32, _text: &str) {}
}

/// Notes that something worth finding again happened in this tick; at most 256 a tick.
pub fn mark(kind: u16, payload: &[u8]) {
    calls::mark(u32::from(kind), payload);
}

/// Writes text to the log of the game; at most 64 KiB a tick.
pub fn log(level: Level, text: &str) {
    calls::log(level as u32, text);
}

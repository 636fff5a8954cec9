//! The W3C trace context of the request that caused an event.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::limits::TRACESTATE_BYTES_MAX;

/// Which trace and which span in it caused an event, as the headers `traceparent` and `tracestate` say it.
///
/// Neither id is all zero. Clones share the text of the state.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: [u8; 16],
    span_id: [u8; 8],
    flags: u8,
    /// 1 to 512 bytes of printable ASCII.
    state: Option<Arc<str>>,
}

/// Why something is no trace context.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum TraceError {
    /// An id of zeros, which means that there is none.
    #[error("a trace or span id of zeros")]
    Zero,
    /// A text that is no `traceparent`.
    #[error("{text:?} is no traceparent")]
    Traceparent {
        /// As given, cut after 80 characters.
        text: String,
    },
    /// A state that is empty, too long or not printable.
    #[error("a tracestate of {bytes} bytes, where 1 to {limit} of printable ASCII are allowed")]
    Tracestate {
        /// As given.
        bytes: usize,
        /// [`TRACESTATE_BYTES_MAX`].
        limit: usize,
    },
}

impl TraceContext {
    /// A context without a state.
    ///
    /// # Errors
    /// An id is all zero.
    pub fn new(trace_id: [u8; 16], span_id: [u8; 8], flags: u8) -> Result<Self, TraceError> {
        if trace_id == [0; 16] || span_id == [0; 8] {
            return Err(TraceError::Zero);
        }
        Ok(Self { trace_id, span_id, flags, state: None })
    }

    /// Reads the value of a `traceparent` header. Of versions later than 00 the known part is taken.
    ///
    /// # Errors
    /// The text is none, or an id in it is all zero.
    pub fn parse(traceparent: &str) -> Result<Self, TraceError> {
        let malformed = || TraceError::Traceparent { text: traceparent.chars().take(80).collect() };
        let mut parts = traceparent.splitn(5, '-');
        let mut part = || parts.next().ok_or_else(malformed);
        let [version] = hex(part()?).ok_or_else(malformed)?;
        let trace_id = hex(part()?).ok_or_else(malformed)?;
        let span_id = hex(part()?).ok_or_else(malformed)?;
        let [flags] = hex(part()?).ok_or_else(malformed)?;
        if version == 0xff || (version == 0 && parts.next().is_some()) {
            return Err(malformed());
        }
        Self::new(trace_id, span_id, flags)
    }

    /// The same context with the value of a `tracestate` header.
    ///
    /// # Errors
    /// The state is empty, longer than 512 bytes, or not printable ASCII.
    pub fn with_state(self, state: &str) -> Result<Self, TraceError> {
        let (bytes, limit) = (state.len(), TRACESTATE_BYTES_MAX);
        let printable = state.bytes().all(|b| matches!(b, b' '..=b'~'));
        if !printable || !(1..=limit).contains(&bytes) {
            return Err(TraceError::Tracestate { bytes, limit });
        }
        Ok(Self { state: Some(state.into()), ..self })
    }

    /// Which trace; not all zero.
    pub fn trace_id(&self) -> [u8; 16] {
        self.trace_id
    }

    /// Which span of the trace; not all zero.
    pub fn span_id(&self) -> [u8; 8] {
        self.span_id
    }

    /// Bit 0 says that the trace is sampled.
    pub fn flags(&self) -> u8 {
        self.flags
    }

    /// What `tracestate` held.
    pub fn state(&self) -> Option<&str> {
        self.state.as_deref()
    }
}

/// Writes the value of a `traceparent` header.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (trace, span) = (u128::from_be_bytes(self.trace_id), u64::from_be_bytes(self.span_id));
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", self.flags)
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TraceContext({self}, {:?})", self.state)
    }
}

/// `N` bytes of lowercase hexadecimal digits.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    let lower = |b: &u8| matches!(b, b'0'..=b'9' | b'a'..=b'f');
    if digits.len() != 2 * N || !digits.iter().all(lower) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&text[at..at + 2], 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparents_are_read_and_written() {
        let check = |text: &str, expect: bool| {
            let read = TraceContext::parse(text);
            assert_eq!(read.is_ok(), expect, "{text}: {read:?}");
            if text.starts_with("00") {
                assert!(read.is_err() || read.unwrap().to_string() == text);
            }
        };
        let (trace, span) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");
        check(&format!("00-{trace}-{span}-01"), true);
        check(&format!("cc-{trace}-{span}-01-later"), true);
        check(&format!("00-{trace}-{span}-01-more"), false);
        check(&format!("ff-{trace}-{span}-01"), false);
        check(&format!("00-{}-{span}-01", trace.to_uppercase()), false);
        check(&format!("00-{}-{span}-01", "0".repeat(32)), false);
        check(&format!("00-{trace}-{span}"), false);
        check("00-é", false);
        check("", false);
    }

    #[test]
    fn states_are_bounded_on_both_sides() {
        let trace = TraceContext::new([1; 16], [2; 8], 1).unwrap();
        let check = |state: &str, expect| assert_eq!(trace.clone().with_state(state).is_ok(), expect);
        check("a=b", true);
        check(&"x".repeat(512), true);
        check(&"x".repeat(513), false);
        check("", false);
        check("a\n", false);
        assert_eq!(TraceContext::new([1; 16], [0; 8], 1), Err(TraceError::Zero));
    }
}

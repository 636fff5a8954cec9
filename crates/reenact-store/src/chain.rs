//! The canonical form of an event, and the chain of hashes over a stream; see `docs/spec/event.md`.

use std::fmt;

use bytes::Bytes;
use uuid::Uuid;

use crate::event::{EventId, EventKind, NewEvent, Sequence, StreamId, Timestamp};
use crate::trace::TraceContext;

/// The first byte of the canonical form.
const FORM: u8 = 1;
const HAS_OCCURRED_AT: u8 = 1;
const HAS_TRACE: u8 = 2;
const HAS_TRACESTATE: u8 = 4;
/// Bytes of a canonical form whose texts and payload are empty and whose optional fields are absent.
const BARE_BYTES: usize = 1 + 16 + 1 + 8 + 1 + 1 + 4;

/// Names all events of a stream up to one: BLAKE3 of the hash before it and the event's canonical form.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainHash(pub [u8; 32]);

impl ChainHash {
    /// The chain of a stream without events.
    pub const START: Self = Self([0; 32]);

    /// The chain after one more event. Whoever appends can work out the chain without the store.
    #[must_use]
    pub fn then(self, stream: &StreamId, sequence: Sequence, event: &NewEvent) -> Self {
        let mut canonical = Vec::with_capacity(canonical_bytes(stream, event));
        write_canonical(stream, sequence, event, &mut canonical);
        self.then_canonical(&canonical)
    }

    pub(crate) fn then_canonical(self, canonical: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0).update(canonical);
        Self(*hasher.finalize().as_bytes())
    }

    /// The hash of 64 hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(|hash| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        blake3::Hash::from(self.0).to_hex().fmt(f)
    }
}

impl fmt::Debug for ChainHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainHash({self})")
    }
}

/// Bytes of an event's canonical form, which is what it counts for in the size of an append.
pub fn canonical_bytes(stream: &StreamId, event: &NewEvent) -> usize {
    let trace = event.trace.as_ref();
    let state = trace.and_then(TraceContext::state);
    BARE_BYTES
        + stream.as_str().len()
        + event.kind.as_str().len()
        + event.payload.len()
        + event.occurred_at.map_or(0, |_| 8)
        + trace.map_or(0, |_| 25)
        + state.map_or(0, |state| 2 + state.len())
}

/// Writes an event's canonical form to the end of `out`.
pub fn write_canonical(stream: &StreamId, sequence: Sequence, event: &NewEvent, out: &mut Vec<u8>) {
    out.push(FORM);
    out.extend_from_slice(&event.id.to_bytes());
    write_name(stream.as_str(), out);
    out.extend_from_slice(&sequence.0.to_le_bytes());
    write_name(event.kind.as_str(), out);
    let state = event.trace.as_ref().and_then(TraceContext::state);
    let flag = |there: bool, flag: u8| if there { flag } else { 0 };
    out.push(
        flag(event.occurred_at.is_some(), HAS_OCCURRED_AT)
            | flag(event.trace.is_some(), HAS_TRACE)
            | flag(state.is_some(), HAS_TRACESTATE),
    );
    if let Some(occurred_at) = event.occurred_at {
        out.extend_from_slice(&occurred_at.0.to_le_bytes());
    }
    if let Some(trace) = &event.trace {
        out.extend_from_slice(&trace.trace_id());
        out.extend_from_slice(&trace.span_id());
        out.push(trace.flags());
    }
    if let Some(state) = state {
        out.extend_from_slice(&(state.len() as u16).to_le_bytes());
        out.extend_from_slice(state.as_bytes());
    }
    out.extend_from_slice(&(event.payload.len() as u32).to_le_bytes());
    out.extend_from_slice(&event.payload);
}

/// Names are at most 128 bytes long, so that their length is a byte.
fn write_name(name: &str, out: &mut Vec<u8>) {
    out.push(name.len() as u8);
    out.extend_from_slice(name.as_bytes());
}

/// What [`write_canonical`] wrote, as parts of it.
#[derive(Clone, Debug)]
pub(crate) struct CanonicalView<'a> {
    pub(crate) id: EventId,
    /// Not held against the rules of names.
    pub(crate) stream: &'a str,
    pub(crate) sequence: Sequence,
    /// Not held against the rules of names.
    pub(crate) kind: &'a str,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) trace: Option<TraceContext>,
    pub(crate) payload: &'a [u8],
}

impl<'a> CanonicalView<'a> {
    /// `None` if `bytes` are not exactly one canonical form.
    pub(crate) fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        if take::<1>(&mut rest)? != [FORM] {
            return None;
        }
        let id = EventId::from_uuid(Uuid::from_bytes(take(&mut rest)?))?;
        let stream = read_name(&mut rest)?;
        let sequence = Sequence(u64::from_le_bytes(take(&mut rest)?));
        let kind = read_name(&mut rest)?;
        let [flags] = take(&mut rest)?;
        let occurred_at = match flags & HAS_OCCURRED_AT {
            0 => None,
            _ => Some(Timestamp(u64::from_le_bytes(take(&mut rest)?))),
        };
        let trace = read_trace(flags, &mut rest)?;
        let length = u32::from_le_bytes(take(&mut rest)?) as usize;
        let whole = flags <= (HAS_OCCURRED_AT | HAS_TRACE | HAS_TRACESTATE) && rest.len() == length;
        whole.then_some(Self { id, stream, sequence, kind, occurred_at, trace, payload: rest })
    }
}

/// Reads what [`write_canonical`] wrote; the payload is a part of `bytes`. `None` if it is not exactly one
/// canonical form.
pub(crate) fn read_canonical(bytes: &Bytes) -> Option<(StreamId, Sequence, NewEvent)> {
    let CanonicalView { id, stream, sequence, kind, occurred_at, trace, payload } =
        CanonicalView::read(bytes)?;
    let (stream, kind) = (StreamId::new(stream).ok()?, EventKind::new(kind).ok()?);
    let payload = bytes.slice_ref(payload);
    Some((stream, sequence, NewEvent { id, kind, payload, occurred_at, trace }))
}

/// Where the parts of a canonical form are, which is known to be one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CanonicalParts {
    /// Where the sequence begins: after the stream's id.
    sequence: u32,
    /// Where the payload begins.
    payload: u32,
}

impl CanonicalParts {
    /// `None` if `bytes` are none. Only lengths are looked at.
    pub(crate) fn find(bytes: &[u8]) -> Option<Self> {
        if *bytes.first()? != FORM {
            return None;
        }
        let sequence = 18 + usize::from(*bytes.get(17)?);
        let flags_at = sequence + 9 + usize::from(*bytes.get(sequence + 8)?);
        let flags = *bytes.get(flags_at)?;
        let mut at = flags_at + 1;
        at += if flags & HAS_OCCURRED_AT == 0 { 0 } else { 8 };
        at += if flags & HAS_TRACE == 0 { 0 } else { 25 };
        if flags & HAS_TRACESTATE != 0 {
            at += 2 + usize::from(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
        }
        let length = u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?) as usize;
        let payload = at + 4;
        let parts = Self { sequence: sequence as u32, payload: payload as u32 };
        (bytes.len().checked_sub(payload) == Some(length)).then_some(parts)
    }

    #[allow(clippy::unused_self, reason = "that there is an id is known because the parts were found")]
    pub(crate) fn id(self, bytes: &[u8]) -> &[u8; 16] {
        bytes[1..].first_chunk().expect("a canonical form is longer than an id")
    }

    pub(crate) fn stream(self, bytes: &[u8]) -> &[u8] {
        &bytes[18..self.sequence as usize]
    }

    pub(crate) fn sequence(self, bytes: &[u8]) -> Sequence {
        let sequence = bytes[self.sequence as usize..].first_chunk();
        Sequence(sequence.map_or(0, |sequence| u64::from_le_bytes(*sequence)))
    }

    pub(crate) fn kind(self, bytes: &[u8]) -> &[u8] {
        let at = self.sequence as usize + 8;
        &bytes[at + 1..at + 1 + usize::from(bytes[at])]
    }

    pub(crate) fn payload(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.payload as usize..]
    }
}

/// The outer `None` is for bytes that are no trace context.
#[allow(clippy::option_option, reason = "absent and malformed are different answers")]
fn read_trace(flags: u8, rest: &mut &[u8]) -> Option<Option<TraceContext>> {
    if flags & HAS_TRACE == 0 {
        return (flags & HAS_TRACESTATE == 0).then_some(None);
    }
    let (trace_id, span_id, [trace_flags]) = (take(rest)?, take(rest)?, take(rest)?);
    let trace = TraceContext::new(trace_id, span_id, trace_flags).ok()?;
    if flags & HAS_TRACESTATE == 0 {
        return Some(Some(trace));
    }
    let length = usize::from(u16::from_le_bytes(take(rest)?));
    let state = std::str::from_utf8(rest.split_off(..length)?).ok()?;
    trace.with_state(state).ok().map(Some)
}

fn read_name<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let [length] = take(rest)?;
    std::str::from_utf8(rest.split_off(..usize::from(length))?).ok()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "01 01900000000070008000000000000001 01 73 0000000000000000 01 4b 00 02000000 6869";
    const FULL: &str = "01 01900000000070008000000000000002 01 73 0100000000000000 03 4b2e32 07 \
        0100000000000000 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa bbbbbbbbbbbbbbbb 01 0300 613d62 00000000";

    fn events() -> [NewEvent; 2] {
        let id = |n: u128| {
            let first = 0x0190_0000_0000_7000_8000_0000_0000_0000;
            EventId::from_uuid(Uuid::from_u128(first + n)).unwrap()
        };
        let trace = TraceContext::new([0xaa; 16], [0xbb; 8], 1).unwrap().with_state("a=b").unwrap();
        let plain = NewEvent::new(EventKind::new("K").unwrap(), "hi");
        let full = NewEvent::new(EventKind::new("K.2").unwrap(), "");
        let occurred_at = Some(Timestamp(1));
        [NewEvent { id: id(1), ..plain }, NewEvent { id: id(2), occurred_at, trace: Some(trace), ..full }]
    }

    fn canonical(sequence: u64, event: &NewEvent) -> Vec<u8> {
        let stream = StreamId::new("s").unwrap();
        let mut bytes = Vec::new();
        write_canonical(&stream, Sequence(sequence), event, &mut bytes);
        assert_eq!(bytes.len(), canonical_bytes(&stream, event));
        bytes
    }

    fn golden(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(|b| *b != b' ').collect();
        let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.chunks(2).map(byte).collect()
    }

    #[test]
    fn the_canonical_form_is_that_of_the_specification() {
        let [plain, full] = events();
        assert_eq!(canonical(0, &plain), golden(PLAIN));
        assert_eq!(canonical(1, &full), golden(FULL));
    }

    #[test]
    fn the_chain_is_that_of_the_specification() {
        let (stream, [plain, full]) = (StreamId::new("s").unwrap(), events());
        let first = ChainHash::START.then(&stream, Sequence(0), &plain);
        let second = first.then(&stream, Sequence(1), &full);
        let page = include_str!("../../../docs/spec/event.md");
        assert!(
            page.contains(&format!("at event 0 is `{first}`, at event 1 `{second}`")),
            "{first} {second}"
        );
        assert_eq!(ChainHash::from_hex(&first.to_string()), Some(first));
    }

    #[test]
    fn a_canonical_form_comes_back() {
        for (sequence, event) in (0..).zip(events()) {
            let bytes = Bytes::from(canonical(sequence, &event));
            let expect = (StreamId::new("s").unwrap(), Sequence(sequence), event);
            assert_eq!(read_canonical(&bytes), Some(expect));
        }
    }

    #[test]
    fn a_form_that_is_cut_or_made_longer_or_has_other_flags_is_none() {
        for (sequence, event) in (0..).zip(events()) {
            let bytes = canonical(sequence, &event);
            for length in 0..bytes.len() {
                assert_eq!(read_canonical(&Bytes::copy_from_slice(&bytes[..length])), None, "{length}");
            }
            assert_eq!(read_canonical(&Bytes::from([&bytes[..], &[0]].concat())), None);
        }
        let mut bytes = canonical(0, &events()[0]);
        for flags in 1..=255 {
            bytes[29] = flags;
            assert_eq!(read_canonical(&Bytes::copy_from_slice(&bytes)), None, "{flags}");
        }
    }
}

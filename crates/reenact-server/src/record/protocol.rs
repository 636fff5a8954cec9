//! The messages between a recorder and the server, as `docs/spec/service.md` fixes them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reenact::input::FrameError;
use reenact::session::HASH_EVERY_DEFAULT;
use reenact::{Failure, InputSchema, Inputs, Mark, ModuleHash, StateHash, Tick, Trap};
use serde::{Deserialize, Serialize};

use super::refusal::{Refusal, RefusalCode};

/// What a recorder says first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
pub enum Opening {
    /// A new session.
    Start {
        /// The module's hash, in hex.
        module: String,
        /// Decimal.
        #[serde(default = "zero")]
        seed: String,
        /// Base64.
        #[serde(default)]
        config: String,
        /// Base64.
        #[serde(default)]
        disk: String,
        /// Ticks between state hashes; 0 for none.
        #[serde(default = "hash_every_default")]
        hash_every: u32,
    },
    /// A session that this recorder began.
    Resume {
        /// Its id.
        session: String,
        /// As `ready` gave it.
        key: String,
    },
}

fn zero() -> String {
    "0".into()
}

fn hash_every_default() -> u32 {
    HASH_EVERY_DEFAULT
}

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Answer {
    /// The session is open.
    Ready {
        /// Its id.
        session: String,
        /// What lets this recorder resume it.
        key: String,
        /// The first tick whose inputs the server does not have.
        next_tick: u32,
    },
    /// Every tick before is durable.
    Acknowledged {
        /// The first tick that is not.
        next_tick: u32,
    },
    /// The end is durable.
    Ended {
        /// The last tick recorded.
        last_tick: u32,
        /// `stopped`, `over`, `failed` or `truncated`.
        reason: String,
    },
    /// Why the connection ends.
    Refused {
        /// One of the codes of the specification.
        code: RefusalCode,
        /// For people.
        detail: String,
    },
}

/// One part of what a recorder says while it records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// The inputs of a tick.
    Inputs(Tick, Inputs),
    /// The state hash at a tick.
    Hash(Tick, StateHash),
    /// Something noted at a tick.
    Mark(Tick, Mark),
    /// The recorder stops, or the game is over.
    End(End),
}

/// How a recorder ends its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// It stopped.
    Stopped,
    /// The game is over.
    Over,
    /// The step of a tick failed, with these inputs.
    Failed(Failure, Tick, Inputs),
}

const INPUTS: u8 = 1;
const HASH: u8 = 2;
const MARK: u8 = 3;
const END: u8 = 4;

const STOPPED: u8 = 0;
const OVER: u8 = 1;
const TRAPPED: u8 = 2;
const GAME_ERROR: u8 = 3;

/// The classes of traps by their number in `session.proto`.
const TRAPS: [Trap; 8] = [
    Trap::Unreachable,
    Trap::MemoryOutOfBounds,
    Trap::TableOutOfBounds,
    Trap::IndirectCallToNull,
    Trap::BadSignature,
    Trap::IntegerOverflow,
    Trap::IntegerDivisionByZero,
    Trap::BadConversionToInteger,
];

/// Takes a binary message apart.
///
/// # Errors
/// `malformed`, with the byte where it is.
pub fn read(schema: &InputSchema, message: &[u8]) -> Result<Vec<Part>, Refusal> {
    let (kind, body) =
        message.split_first().ok_or_else(|| Refusal::malformed("an empty message has no type at byte 0"))?;
    match *kind {
        INPUTS => read_frames(schema, body),
        HASH => {
            let (tick, rest) = word(body, 1)?;
            let digest = StateHash::try_from(rest)
                .map_err(|_| Refusal::malformed(format!("a hash of {} bytes at byte 5", rest.len())))?;
            Ok(vec![Part::Hash(Tick(tick), digest)])
        }
        MARK => {
            let (tick, rest) = word(body, 1)?;
            let (kind, payload) = word(rest, 5)?;
            Ok(vec![Part::Mark(Tick(tick), Mark { kind, payload: payload.to_vec() })])
        }
        END => read_end(schema, body).map(|end| vec![Part::End(end)]),
        other => Err(Refusal::malformed(format!("a message of type {other} at byte 0"))),
    }
}

fn read_frames(schema: &InputSchema, body: &[u8]) -> Result<Vec<Part>, Refusal> {
    if body.is_empty() {
        return Err(Refusal::malformed("inputs without a frame at byte 1"));
    }
    let bytes = schema.frame_bytes();
    let mut next = None;
    let mut parts = Vec::with_capacity(body.len() / bytes);
    for (n, frame) in body.chunks(bytes).enumerate() {
        let at = 1 + n * bytes;
        let (tick, inputs) = read_frame(schema, frame, at)?;
        if next.is_some_and(|next| next != Some(tick)) {
            return Err(Refusal::malformed(format!("a frame of tick {tick} at byte {at}, out of order")));
        }
        next = Some(tick.next());
        parts.push(Part::Inputs(tick, inputs));
    }
    Ok(parts)
}

fn read_frame(schema: &InputSchema, frame: &[u8], at: usize) -> Result<(Tick, Inputs), Refusal> {
    Inputs::read_frame(schema, frame)
        .map_err(|error: FrameError| Refusal::malformed(format!("at byte {at}: {error}")))
}

fn read_end(schema: &InputSchema, body: &[u8]) -> Result<End, Refusal> {
    let (reason, rest) = body.split_first().ok_or_else(|| Refusal::malformed("an end without a reason"))?;
    let nothing_more = |end| match rest.len() {
        0 => Ok(end),
        more => Err(Refusal::malformed(format!("{more} bytes after the reason at byte 2"))),
    };
    let failed = |failure, frame, at| {
        let (tick, inputs) = read_frame(schema, frame, at)?;
        Ok(End::Failed(failure, tick, inputs))
    };
    match *reason {
        STOPPED => nothing_more(End::Stopped),
        OVER => nothing_more(End::Over),
        TRAPPED => {
            let (class, frame) = rest.split_first().unwrap_or((&0, &[]));
            let trap = TRAPS.get(usize::from(*class).wrapping_sub(1));
            let unknown = || Refusal::malformed(format!("a trap of class {class} at byte 2"));
            failed(Failure::Trap(*trap.ok_or_else(unknown)?), frame, 3)
        }
        GAME_ERROR => {
            let (code, frame) = word(rest, 2)?;
            failed(Failure::Game { code: code as i32 }, frame, 6)
        }
        other => Err(Refusal::malformed(format!("an end for reason {other} at byte 1"))),
    }
}

/// The u32 that `bytes` begin with, which stand at byte `at` of the message.
fn word(bytes: &[u8], at: usize) -> Result<(u32, &[u8]), Refusal> {
    let (word, rest) = bytes
        .split_first_chunk::<4>()
        .ok_or_else(|| Refusal::malformed(format!("the message ends in the number at byte {at}")))?;
    Ok((u32::from_le_bytes(*word), rest))
}

/// Writes the message that holds the inputs of consecutive ticks.
pub fn write_inputs<'a>(
    schema: &InputSchema,
    frames: impl IntoIterator<Item = (Tick, &'a Inputs)>,
) -> Vec<u8> {
    let (mut message, mut frame) = (vec![INPUTS], Vec::new());
    for (tick, inputs) in frames {
        inputs.write_frame(schema, tick, &mut frame);
        message.extend_from_slice(&frame);
    }
    message
}

/// Writes the message that holds a state hash.
pub fn write_hash(tick: Tick, hash: StateHash) -> Vec<u8> {
    [&[HASH][..], &tick.0.to_le_bytes(), &hash.0].concat()
}

/// Writes the message that holds a mark.
pub fn write_mark(tick: Tick, mark: &Mark) -> Vec<u8> {
    [&[MARK][..], &tick.0.to_le_bytes(), &mark.kind.to_le_bytes(), &mark.payload].concat()
}

/// Writes the message that ends a session; `None` for a failure that a recorder does not report.
pub fn write_end(schema: &InputSchema, end: &End) -> Option<Vec<u8>> {
    Some(match end {
        End::Stopped => vec![END, STOPPED],
        End::Over => vec![END, OVER],
        End::Failed(failure, tick, inputs) => {
            let mut message = match failure {
                Failure::Trap(trap) => {
                    let class = TRAPS.iter().position(|known| known == trap)?;
                    vec![END, TRAPPED, class as u8 + 1]
                }
                Failure::Game { code } => [&[END, GAME_ERROR][..], &code.to_le_bytes()].concat(),
                _ => return None,
            };
            let mut frame = Vec::new();
            inputs.write_frame(schema, *tick, &mut frame);
            message.extend_from_slice(&frame);
            message
        }
    })
}

/// Reads base64 of at most `limit` bytes; `what` is how it is called in the refusal.
pub(crate) fn read_base64(what: &str, text: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
    let bytes = BASE64_STANDARD
        .decode(text)
        .map_err(|error| Refusal::malformed(format!("{what} is no base64: {error}")))?;
    if bytes.len() > limit {
        let detail = format!("{what} of {} bytes, where at most {limit} are allowed", bytes.len());
        return Err(Refusal::new(RefusalCode::TooLarge, detail));
    }
    Ok(bytes)
}

/// Reads a module's hash.
pub(crate) fn read_module_hash(text: &str) -> Result<ModuleHash, Refusal> {
    let shown: String = text.chars().take(80).collect();
    let lowercase = !text.bytes().any(|byte| byte.is_ascii_uppercase());
    let hash = ModuleHash::from_hex(text).filter(|_| lowercase);
    hash.ok_or_else(|| Refusal::malformed(format!("{shown:?} is no hash of a module")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use reenact::input::{Column, Width};

    fn schema() -> InputSchema {
        InputSchema::new(2, vec![Column::buttons("pad", Width::Bits8)]).unwrap()
    }

    fn inputs(pad: i64) -> Inputs {
        let mut inputs = Inputs::absent(&schema());
        inputs.set(&schema(), 1, &[pad]).unwrap();
        inputs
    }

    #[test]
    fn what_is_written_is_read() {
        let check = |message: Vec<u8>, expect: Vec<Part>| {
            assert_eq!(read(&schema(), &message), Ok(expect));
            for length in 0..message.len() {
                let read = read(&schema(), &message[..length]);
                // Frames and payloads may end early where another message would.
                assert!(read.is_err() || matches!(message[0], INPUTS | MARK), "{length} of {message:?}");
            }
        };
        let frames = [(Tick(4), inputs(1)), (Tick(5), inputs(2))];
        let parts = frames.iter().map(|(tick, inputs)| Part::Inputs(*tick, inputs.clone())).collect();
        check(write_inputs(&schema(), frames.iter().map(|(tick, inputs)| (*tick, inputs))), parts);
        check(write_hash(Tick(60), StateHash([7; 32])), vec![Part::Hash(Tick(60), StateHash([7; 32]))]);
        let mark = Mark { kind: 9, payload: b"ab".to_vec() };
        check(write_mark(Tick(1), &mark), vec![Part::Mark(Tick(1), mark)]);
        let trap = Failure::Trap(Trap::IntegerOverflow);
        for end in [
            End::Failed(trap, Tick(7), inputs(3)),
            End::Failed(Failure::Game { code: -5 }, Tick(7), inputs(3)),
        ] {
            check(write_end(&schema(), &end).unwrap(), vec![Part::End(end)]);
        }
        for end in [End::Stopped, End::Over] {
            check(write_end(&schema(), &end).unwrap(), vec![Part::End(end)]);
        }
    }

    #[test]
    fn what_is_no_message_is_refused_with_its_byte() {
        let check = |message: &[u8], part: &str| {
            let refusal = read(&schema(), message).unwrap_err();
            assert_eq!(refusal.code, RefusalCode::Malformed);
            assert!(refusal.detail.contains(part), "{refusal}");
        };
        check(&[], "no type at byte 0");
        check(&[9], "type 9 at byte 0");
        check(&[INPUTS], "without a frame at byte 1");
        check(&[INPUTS, 1, 2], "at byte 1: an input frame of 2 bytes");
        let twice = [(Tick(4), inputs(1)), (Tick(4), inputs(1))];
        let twice = write_inputs(&schema(), twice.iter().map(|(tick, inputs)| (*tick, inputs)));
        check(&twice, "a frame of tick 4 at byte 19, out of order");
        check(&[HASH, 1, 2], "number at byte 1");
        check(&[HASH, 1, 2, 3, 4, 5], "a hash of 1 bytes at byte 5");
        check(&[MARK, 0, 0, 0, 0], "number at byte 5");
        check(&[END], "without a reason");
        check(&[END, 0, 1], "1 bytes after the reason");
        check(&[END, 4], "reason 4 at byte 1");
        check(&[END, TRAPPED, 9], "class 9 at byte 2");
        check(&[END, TRAPPED], "class 0 at byte 2");
        check(&[END, GAME_ERROR, 1], "number at byte 2");
    }

    #[test]
    fn openings_are_read_with_their_defaults_and_nothing_unknown() {
        let opening: Opening = serde_json::from_str(r#"{"type":"start","module":"ab"}"#).unwrap();
        let expect = Opening::Start {
            module: "ab".into(),
            seed: "0".into(),
            config: String::new(),
            disk: String::new(),
            hash_every: 60,
        };
        assert_eq!(opening, expect);
        for bad in [
            r#"{"type":"begin"}"#,
            r#"{"type":"start"}"#,
            r#"{"type":"resume","session":"a","key":"b","x":1}"#,
        ] {
            assert!(serde_json::from_str::<Opening>(bad).is_err(), "{bad}");
        }
        let refused = Answer::Refused { code: RefusalCode::TickGap, detail: "x".into() };
        let json = r#"{"type":"refused","code":"tick_gap","detail":"x"}"#;
        assert_eq!(serde_json::to_string(&refused).unwrap(), json);
    }
}

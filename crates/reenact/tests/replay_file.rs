//! Damage to a replay file is a typed error that names the place; never a panic.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reenact::format::FORMAT_VERSION;
use reenact::input::{Column, InputSchema, Inputs, Width};
use reenact::session::{EndReason, SessionStarted, SimulationId};
use reenact::{Attachments, DecodeErrorKind, Recorder, Replay, Tick, replay_from_session};
use reenact_testkit::marbles::{Marbles, record, started};

fn file() -> Vec<u8> {
    record(Marbles::new(5), 130, 10, 60)
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let file = file();
    assert!(Replay::decode(&file).is_ok());
    for length in 0..file.len() {
        let error = Replay::decode(&file[..length]).unwrap_err();
        let expected = match length {
            0 => matches!(error.kind, DecodeErrorKind::Magic),
            _ => matches!(error.kind, DecodeErrorKind::Truncated),
        };
        assert!(expected, "{length}: {error}");
    }
}

#[test]
fn every_flipped_bit_is_noticed() {
    let file = file();
    for bit in 0..file.len() * 8 {
        let mut flipped = file.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(Replay::decode(&flipped).is_err(), "bit {bit} was not noticed");
    }
}

#[test]
fn another_version_is_named() {
    let mut file = file();
    file[8] = 2;
    let error = Replay::decode(&file).unwrap_err();
    assert!(matches!(error.kind, DecodeErrorKind::Version { found: 2, supported: FORMAT_VERSION }));
    assert_eq!(error.to_string(), "file head at byte 8");
    assert_eq!(error.kind.to_string(), "format version 2, where 1 is supported");
}

#[test]
fn garbage_is_not_a_replay() {
    for garbage in [&b""[..], b"RIFF....WAVE", &[0; 4_096], &[0xff; 64]] {
        assert!(matches!(Replay::decode(garbage).unwrap_err().kind, DecodeErrorKind::Magic));
    }
    let mut longer = file();
    longer.push(0);
    assert!(Replay::decode(&longer).is_err());
}

/// The example of `docs/spec/replay-format.md`: whoever changes these bytes changes the format.
#[test]
fn golden() {
    let hex = "895245454e410d0a01000000012f00000012090a0464656d6f1201311a0464656d6f2007383c40014802\
        52090a0370616412002008 52090a0361696d1a002010 08baaca8 0217000000 0000c801020401\
        0102d704020104020003800200960102 86d66ca2 070500000008c8011200 37c6b3c5";
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let digit = |digit: u8| (digit as char).to_digit(16).unwrap() as u8;
    let golden: Vec<u8> = digits.chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect();

    let columns = vec![Column::buttons("pad", Width::Bits8), Column::axis("aim", Width::Bits16)];
    let schema = InputSchema::new(2, columns).unwrap();
    let started = SessionStarted {
        simulation: SimulationId::Native { name: "demo".into(), build: "1".into() },
        game: "demo".into(),
        schema: schema.clone(),
        ..started(7, 0)
    };
    let mut recorder = Recorder::new(started, u32::MAX).unwrap();
    let mut inputs = Inputs::absent(&schema);
    for tick in 0..200 {
        match tick {
            1 => inputs.set(&schema, 0, &[1, -300]).unwrap(),
            3 => {
                inputs.set(&schema, 0, &[3, -299]).unwrap();
                inputs.set(&schema, 1, &[128, 0]).unwrap();
            }
            153 => inputs.remove(1),
            _ => {}
        }
        recorder.record(&inputs).unwrap();
    }
    recorder.finish(EndReason::Stopped);
    let payloads = std::iter::from_fn(|| recorder.poll());
    assert_eq!(replay_from_session(payloads, &Attachments::default()).unwrap(), golden);
    assert_eq!(Replay::decode(&golden).unwrap().last_tick(), Tick(200));
}

/// Flips with the checksum made right again: only the decoders behind it can notice.
#[test]
fn damage_under_a_right_checksum_never_panics() {
    let file = file();
    let mut refused = 0;
    let mut offset = 12;
    while offset < file.len() {
        let length = u32::from_le_bytes(file[offset + 1..offset + 5].try_into().unwrap()) as usize;
        for byte in offset + 5..offset + 5 + length {
            for change in [1, 0x80, 0xff] {
                let mut damaged = file.clone();
                damaged[byte] ^= change;
                let end = offset + 5 + length;
                let checksum = crc32c::crc32c(&damaged[offset..end]);
                damaged[end..end + 4].copy_from_slice(&checksum.to_le_bytes());
                refused += u32::from(Replay::decode(&damaged).is_err());
            }
        }
        offset += 5 + length + 4;
    }
    assert!(refused > 100, "only {refused} damages were noticed by the decoders");
}

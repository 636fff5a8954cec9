//! Damage to a replay file is a typed error that names the place; never a panic.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reenact::format::FORMAT_VERSION;
use reenact::{DecodeErrorKind, Replay};
use reenact_testkit::marbles::{Marbles, record};

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
    assert_eq!(error.to_string(), "file head at byte 8: format version 2, where 1 is supported");
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

//! Records in a file: a type, a length, bytes and a checksum.

use thiserror::Error;

use crate::format::block::BlockError;
use crate::limits::{RECORD_BYTES_MAX, SMALL_RECORD_BYTES_MAX};
use crate::session::PayloadError;

/// What a replay file begins with. The first byte is not text and the last two are a line end, so that a
/// transfer that damages either is noticed at once.
pub(super) const MAGIC: [u8; 8] = *b"\x89REENA\r\n";
/// The version that this crate writes, and the last that it reads.
pub const FORMAT_VERSION: u32 = 1;
/// Record types from this one on may be passed over by a reader that does not know them.
const SKIPPABLE: u8 = 128;

/// The record types of version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum RecordType {
    Started = 1,
    Inputs = 2,
    Hashes = 3,
    Mark = 4,
    Keyframe = 5,
    Module = 6,
    Ended = 7,
}

impl RecordType {
    const ALL: [Self; 7] =
        [Self::Started, Self::Inputs, Self::Hashes, Self::Mark, Self::Keyframe, Self::Module, Self::Ended];

    /// Bytes that a record of this type may have.
    fn bytes_max(self) -> usize {
        match self {
            Self::Started | Self::Hashes | Self::Mark | Self::Ended => SMALL_RECORD_BYTES_MAX,
            Self::Inputs | Self::Keyframe | Self::Module => RECORD_BYTES_MAX,
        }
    }

    /// The name that errors give.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Started => "session start",
            Self::Inputs => "input block",
            Self::Hashes => "hashes",
            Self::Mark => "mark",
            Self::Keyframe => "keyframe",
            Self::Module => "module",
            Self::Ended => "session end",
        }
    }
}

/// Why bytes are no replay: what is wrong, and in which part, from which byte on.
#[derive(Debug, Error)]
#[error("{section} at byte {offset}")]
pub struct DecodeError {
    /// Which part of the file.
    pub section: &'static str,
    /// Where the part begins.
    pub offset: usize,
    /// What is wrong with it.
    #[source]
    pub kind: DecodeErrorKind,
}

/// What is wrong with a part of a replay file.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecodeErrorKind {
    /// The file does not begin as replays do.
    #[error("not a replay file")]
    Magic,
    /// The file is of a version that is not known here.
    #[error("format version {found}, where {supported} is supported")]
    Version {
        /// As in the file.
        found: u32,
        /// [`FORMAT_VERSION`].
        supported: u32,
    },
    /// The file ends within the part, or before the part that must be last.
    #[error("the file is truncated")]
    Truncated,
    /// The bytes are not those that were written.
    #[error("checksum {saved:08x} is saved, {calculated:08x} calculated")]
    Checksum {
        /// As in the file.
        saved: u32,
        /// Over the bytes in the file.
        calculated: u32,
    },
    /// A record that a reader must understand and this one does not.
    #[error("record type {0} is unknown and may not be passed over")]
    UnknownRecord(u8),
    /// More bytes than allowed.
    #[error("{actual} bytes, where at most {limit} are allowed")]
    TooLarge {
        /// As declared.
        actual: u64,
        /// The most allowed.
        limit: usize,
    },
    /// A part that stands where it may not: a second start, a gap between blocks, a tick after the end.
    #[error("out of place: {0}")]
    OutOfPlace(&'static str),
    /// A payload that does not decode.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// A keyframe that does not decompress to its length.
    #[error("the state does not decompress")]
    Compression,
}

impl From<BlockError> for DecodeErrorKind {
    fn from(error: BlockError) -> Self {
        Self::Payload(error.into())
    }
}

/// Writes a file: its head, then records.
#[derive(Debug)]
pub(super) struct Writer {
    out: Vec<u8>,
}

impl Writer {
    pub(super) fn new() -> Self {
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        Self { out }
    }

    pub(super) fn record(&mut self, record: RecordType, payload: &[u8]) {
        let start = self.out.len();
        self.out.push(record as u8);
        self.out.extend_from_slice(&(payload.len() as u32).to_le_bytes());
        self.out.extend_from_slice(payload);
        let checksum = crc32c::crc32c(&self.out[start..]);
        self.out.extend_from_slice(&checksum.to_le_bytes());
    }

    pub(super) fn finish(self) -> Vec<u8> {
        self.out
    }
}

/// A record of a known type.
#[derive(Debug)]
pub(super) struct Record<'a> {
    pub(super) is: RecordType,
    pub(super) offset: usize,
    pub(super) payload: &'a [u8],
}

impl Record<'_> {
    pub(super) fn error(&self, kind: impl Into<DecodeErrorKind>) -> DecodeError {
        DecodeError { section: self.is.name(), offset: self.offset, kind: kind.into() }
    }
}

/// Reads a file record by record.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// Checks the head of the file.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let error = |offset, kind| DecodeError { section: "file head", offset, kind };
        let known = bytes.len().min(MAGIC.len());
        if bytes[..known] != MAGIC[..known] || bytes.is_empty() {
            return Err(error(0, DecodeErrorKind::Magic));
        }
        let version = bytes.get(8..12).ok_or_else(|| error(bytes.len(), DecodeErrorKind::Truncated))?;
        let found = u32::from_le_bytes(version.try_into().expect("the range has four bytes"));
        if found != FORMAT_VERSION {
            return Err(error(8, DecodeErrorKind::Version { found, supported: FORMAT_VERSION }));
        }
        Ok(Self { bytes, offset: 12 })
    }

    /// The next record that this version knows; `None` at the end of the file.
    pub(super) fn next(&mut self) -> Result<Option<Record<'a>>, DecodeError> {
        while self.offset < self.bytes.len() {
            let offset = self.offset;
            let (code, payload) = self.raw_record()?;
            if let Some(known) = RecordType::ALL.into_iter().find(|known| *known as u8 == code) {
                let (record, limit) = (Record { is: known, offset, payload }, known.bytes_max());
                if payload.len() > limit {
                    let actual = payload.len() as u64;
                    return Err(record.error(DecodeErrorKind::TooLarge { actual, limit }));
                }
                return Ok(Some(record));
            }
            if code < SKIPPABLE {
                let kind = DecodeErrorKind::UnknownRecord(code);
                return Err(DecodeError { section: "record", offset, kind });
            }
        }
        Ok(None)
    }

    /// Where the next record begins.
    pub(super) fn offset(&self) -> usize {
        self.offset
    }

    fn raw_record(&mut self) -> Result<(u8, &'a [u8]), DecodeError> {
        let error = |kind| DecodeError { section: "record", offset: self.offset, kind };
        let rest = &self.bytes[self.offset..];
        let Some((head, tail)) = rest.split_first_chunk::<5>() else {
            return Err(error(DecodeErrorKind::Truncated));
        };
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        if length > RECORD_BYTES_MAX {
            let kind = DecodeErrorKind::TooLarge { actual: length as u64, limit: RECORD_BYTES_MAX };
            return Err(error(kind));
        }
        let Some((payload, tail)) = tail.split_at_checked(length) else {
            return Err(error(DecodeErrorKind::Truncated));
        };
        let Some(saved) = tail.first_chunk::<4>() else {
            return Err(error(DecodeErrorKind::Truncated));
        };
        let (saved, calculated) = (u32::from_le_bytes(*saved), crc32c::crc32c(&rest[..5 + length]));
        if saved != calculated {
            return Err(error(DecodeErrorKind::Checksum { saved, calculated }));
        }
        self.offset += 5 + length + 4;
        Ok((head[0], payload))
    }
}

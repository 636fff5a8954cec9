//! Files that are read in places, and checked in each place as it is read: content in pieces that each end with their
//! checksum. See `docs/spec/event-log.md`.

use std::io;
use std::sync::Arc;

use crc32c::{crc32c, crc32c_append};

use crate::disk::{Access, Disk, DiskFile};
use crate::log::format::LogId;

/// Bytes of a piece. Most looks need a few bytes, and all of a piece is read and checked for them.
pub(super) const PIECE_BYTES: usize = 1 << 10;
const CRC_BYTES: usize = 4;
/// Bytes of content in a piece.
pub(super) const CONTENT_BYTES: usize = PIECE_BYTES - CRC_BYTES;
/// Bytes that are read, or written, at once of what is gone through from begin to end.
pub(super) const WINDOW_BYTES: usize = 256 * CONTENT_BYTES;

/// What a file is by its name: of which log, and of which segments. It is part of all checksums, so that a piece of
/// another file is none of this one.
#[derive(Clone, Copy, Debug)]
pub(super) struct PiecesOf {
    pub(super) log: LogId,
    pub(super) first: u32,
    pub(super) last: u32,
}

impl PiecesOf {
    pub(super) fn segment(log: LogId, segment: u32) -> Self {
        Self { log, first: segment, last: segment }
    }

    /// The checksum of a piece.
    fn crc(self, piece: u64, content: &[u8]) -> u32 {
        let numbers = [self.first.to_le_bytes(), self.last.to_le_bytes()];
        let crc = crc32c_append(crc32c(&self.log.0), numbers.as_flattened());
        crc32c_append(crc32c_append(crc, &piece.to_le_bytes()), content)
    }

    /// Content as it is written, from a piece on.
    pub(super) fn write(self, first_piece: u64, content: &[u8]) -> Vec<u8> {
        let pieces = content.len().div_ceil(CONTENT_BYTES);
        let mut out = Vec::with_capacity(content.len() + pieces * CRC_BYTES);
        for (piece, content) in (first_piece..).zip(content.chunks(CONTENT_BYTES)) {
            out.extend_from_slice(content);
            out.extend_from_slice(&self.crc(piece, content).to_le_bytes());
        }
        out
    }
}

/// Why a derived file must not be trusted.
pub(super) fn doubt(reason: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

/// A file of pieces, open.
#[derive(Debug)]
pub(super) struct Pieces {
    file: Arc<dyn DiskFile>,
    pub(super) of: PiecesOf,
    /// Bytes of the content.
    pub(super) bytes: u64,
}

impl Pieces {
    /// # Errors
    /// `NotFound`, or `InvalidData` for a length that no such file has; or it cannot be opened.
    pub(super) fn open(disk: &dyn Disk, name: &str, of: PiecesOf) -> io::Result<Self> {
        Self::read_from(disk.open(name, Access::Read)?, of)
    }

    /// As [`open`](Self::open), of a file that is open.
    pub(super) fn read_from(file: Arc<dyn DiskFile>, of: PiecesOf) -> io::Result<Self> {
        let length = file.bytes()?;
        let (whole, rest) = (length / PIECE_BYTES as u64, length % PIECE_BYTES as u64);
        let rest = match rest {
            0 => Some(0),
            rest => rest.checked_sub(CRC_BYTES as u64).filter(|content| *content > 0),
        };
        let rest = rest.ok_or_else(|| doubt("it is cut off"))?;
        Ok(Self { file, of, bytes: whole * CONTENT_BYTES as u64 + rest })
    }

    /// Some bytes of the content, of pieces whose checksums are right.
    ///
    /// # Errors
    /// `InvalidData` for what must not be trusted; or it cannot be read.
    pub(super) fn read(&self, bytes: u64, offset: u64) -> io::Result<Vec<u8>> {
        let content = CONTENT_BYTES as u64;
        let end = offset.checked_add(bytes).filter(|end| *end <= self.bytes);
        let end = end.ok_or_else(|| doubt("it leads beyond its end"))?;
        if bytes == 0 {
            return Ok(Vec::new());
        }
        let (first, last) = (offset / content, (end - 1) / content);
        let content_end = self.bytes.min((last + 1) * content);
        let length = content_end - first * content + (last + 1 - first) * CRC_BYTES as u64;
        let mut read = vec![0; length as usize];
        self.file.read_at(&mut read, first * PIECE_BYTES as u64).map_err(cut)?;
        let (mut from, mut to) = ((offset - first * content) as usize, 0);
        for piece in first..=last {
            let begin = (piece - first) as usize * PIECE_BYTES;
            let piece_end = read.len().min(begin + PIECE_BYTES) - CRC_BYTES;
            let crc = read[piece_end..].first_chunk().copied().map(u32::from_le_bytes);
            if crc != Some(self.of.crc(piece, &read[begin..piece_end])) {
                return Err(doubt("a checksum is wrong"));
            }
            // What is wanted is moved together, over checksums and what comes before it.
            read.copy_within(begin + from..piece_end, to);
            to += piece_end - begin - from;
            from = 0;
        }
        read.truncate(bytes as usize);
        Ok(read)
    }

    /// Reads all of it. The checksum of the content; that of the file would be the same whatever it holds, as each
    /// piece ends with its own.
    pub(super) fn check(&self) -> io::Result<u32> {
        let (mut offset, mut crc) = (0, crc32c(&[]));
        while offset < self.bytes {
            let part = self.read((self.bytes - offset).min(WINDOW_BYTES as u64), offset)?;
            crc = crc32c_append(crc, &part);
            offset += part.len() as u64;
        }
        Ok(crc)
    }
}

/// A file that ends too soon is one that must not be trusted.
fn cut(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => doubt("it is cut off"),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::MemoryFile;

    const OF: PiecesOf = PiecesOf { log: LogId([7; 16]), first: 3, last: 4 };

    fn open(bytes: Vec<u8>, of: PiecesOf) -> io::Result<Pieces> {
        Pieces::read_from(Arc::new(MemoryFile(bytes)), of)
    }

    #[test]
    fn content_comes_back_from_every_place() {
        for length in [1, 2, 1_019, 1_020, 1_021, 2_040, 2_041, 20_000] {
            let content: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            let pieces = open(OF.write(0, &content), OF).unwrap();
            assert_eq!(pieces.bytes, length as u64);
            assert_eq!(pieces.check().unwrap(), crc32c(&content));
            for (begin, end) in [(0, length), (length / 2, length), (length - 1, length), (0, 0), (0, 1)] {
                let read = pieces.read((end - begin) as u64, begin as u64).unwrap();
                assert!(read == content[begin..end], "{begin}..{end} of {length}");
            }
            assert!(pieces.read(2, length as u64 - 1).is_err() && pieces.read(u64::MAX, 1).is_err());
        }
    }

    #[test]
    fn a_piece_is_right_as_it_is_in_its_place_alone() {
        let content: Vec<u8> = (0..9_000).map(|n| (n / 7) as u8).collect();
        let bytes = OF.write(0, &content);
        for bit in (0..bytes.len() * 8).step_by(7) {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let pieces = open(flipped, OF).unwrap();
            let piece = (bit / 8 / PIECE_BYTES) as u64;
            let error = pieces.read(1, piece * CONTENT_BYTES as u64).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData, "bit {bit}");
        }
        let mut swapped = bytes.clone();
        swapped[..2 * PIECE_BYTES].rotate_left(PIECE_BYTES);
        assert!(open(swapped, OF).unwrap().read(1, 0).is_err());
        for of in
            [PiecesOf { first: 2, ..OF }, PiecesOf { last: 5, ..OF }, PiecesOf { log: LogId([8; 16]), ..OF }]
        {
            assert!(open(bytes.clone(), of).unwrap().read(1, 0).is_err());
        }
        for length in 0..bytes.len() {
            let cut = open(bytes[..length].to_vec(), OF);
            assert!(cut.is_err() || cut.is_ok_and(|pieces| pieces.check().is_err() || pieces.bytes < 9_000));
        }
    }
}

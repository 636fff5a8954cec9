//! Writing a file of pieces that is larger than what is held of it.

use std::io;

use super::pieces::{CONTENT_BYTES, PIECE_BYTES, PiecesOf, WINDOW_BYTES};
use crate::disk::DiskFile;

/// Writes a file of pieces from begin to end, holding a window of it. What stands at its begin may be known last.
#[derive(Debug)]
pub(super) struct PiecesWriter<'a> {
    file: &'a dyn DiskFile,
    of: PiecesOf,
    /// The first piece's content, as soon as it was written.
    head: Vec<u8>,
    /// What was not written yet, from piece `piece` on.
    content: Vec<u8>,
    piece: u64,
}

impl<'a> PiecesWriter<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, of: PiecesOf) -> Self {
        Self { file, of, head: Vec::new(), content: Vec::with_capacity(WINDOW_BYTES), piece: 0 }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.content.extend_from_slice(bytes);
        if self.content.len() >= WINDOW_BYTES {
            self.write(WINDOW_BYTES)?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: usize) -> io::Result<()> {
        let content = &self.content[..bytes];
        if self.piece == 0 {
            self.head = content[..bytes.min(CONTENT_BYTES)].to_vec();
        }
        self.file.write_at(&self.of.write(self.piece, content), self.piece * PIECE_BYTES as u64)?;
        self.piece += bytes.div_ceil(CONTENT_BYTES) as u64;
        self.content.drain(..bytes);
        Ok(())
    }

    /// Writes what is left, and `begin` over the begin.
    pub(super) fn finish(mut self, begin: &[u8]) -> io::Result<()> {
        if self.piece == 0 {
            self.content[..begin.len()].copy_from_slice(begin);
            return self.write(self.content.len());
        }
        if !self.content.is_empty() {
            self.write(self.content.len())?;
        }
        self.head[..begin.len()].copy_from_slice(begin);
        self.file.write_at(&self.of.write(0, &self.head), 0)
    }
}

//! The files of a log: their names, and reading blocks out of a segment.

use std::io;
use std::sync::Arc;

use super::format::{
    BLOCK_HEAD_BYTES, BLOCK_WRITE_MAX, Block, BlockHead, LogId, Place, block_pages, read_block_head,
};
use crate::disk::{DiskFile, PAGE_BYTES};

pub(super) const MARK: &str = "mark";

pub(super) fn segment_name(segment: u32) -> String {
    format!("{segment:08x}.segment")
}

pub(super) fn index_name(segment: u32) -> String {
    format!("{segment:08x}.index")
}

pub(super) fn anchors_name(first: u32) -> String {
    format!("{first:08x}.anchors")
}

pub(super) fn run_name((first, last): (u32, u32)) -> String {
    format!("{first:08x}-{last:08x}.run")
}

/// What a file is by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum FileKind {
    Lock,
    Mark,
    Segment(u32),
    Index(u32),
    Anchors(u32),
    Run(u32, u32),
    /// What an interrupted write left.
    Temporary,
    /// None of ours.
    Foreign,
}

impl FileKind {
    pub(super) fn of(name: &str) -> Self {
        let number = |text: &str| {
            let digits = text.len() == 8 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
            u32::from_str_radix(text, 16).ok().filter(|_| digits)
        };
        let kind = |(stem, extension): (&str, &str)| match extension {
            "segment" => number(stem).map(Self::Segment),
            "index" => number(stem).map(Self::Index),
            "anchors" => number(stem).map(Self::Anchors),
            "run" => stem.split_once('-').and_then(|(a, b)| Some(Self::Run(number(a)?, number(b)?))),
            _ => None,
        };
        match name {
            "lock" => Self::Lock,
            MARK => Self::Mark,
            _ => match name.strip_suffix(".new") {
                Some(of) if Self::of(of) != Self::Foreign => Self::Temporary,
                _ => name.split_once('.').and_then(kind).unwrap_or(Self::Foreign),
            },
        }
    }
}

/// Bytes that are read ahead of a block.
const AHEAD_BYTES: usize = 256 << 10;

/// Reads the blocks of one segment, mostly one after the other.
#[derive(Debug)]
pub(super) struct Scanner {
    file: Arc<dyn DiskFile>,
    log: LogId,
    segment: u32,
    /// Bytes of the file.
    bytes: u64,
    window: Vec<u8>,
    /// Where the window begins.
    at: u64,
}

impl Scanner {
    pub(super) fn new(file: Arc<dyn DiskFile>, log: LogId, segment: u32) -> io::Result<Self> {
        let bytes = file.bytes()?;
        Ok(Self { file, log, segment, bytes, window: Vec::new(), at: 0 })
    }

    /// Bytes of the file.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn place(&self, offset: u64) -> Place {
        Place { segment: self.segment, offset }
    }

    /// What lies at `offset`: `count` bytes, or as many as the file has.
    pub(super) fn read(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let count = (self.bytes.saturating_sub(offset)).min(count as u64) as usize;
        let end = self.at + self.window.len() as u64;
        if offset < self.at || offset + count as u64 > end {
            let ahead = (self.bytes - offset).min(count.max(AHEAD_BYTES) as u64);
            self.window.resize(ahead as usize, 0);
            self.at = offset;
            if let Err(error) = self.file.read_at(&mut self.window, offset) {
                self.window.clear();
                return Err(error);
            }
        }
        let start = (offset - self.at) as usize;
        Ok(&self.window[start..start + count])
    }

    /// The segment's first page.
    pub(super) fn head(&mut self) -> io::Result<&[u8]> {
        self.read(0, PAGE_BYTES)
    }

    /// The head of the block at `offset`, and bytes of its records, or why there is none.
    pub(super) fn block_head(&mut self, offset: u64) -> io::Result<Result<(BlockHead, usize), &'static str>> {
        let at = (self.log, self.place(offset));
        let end = offset + BLOCK_HEAD_BYTES as u64;
        let start = offset.checked_sub(self.at).map(|start| start as usize);
        let window = start.and_then(|start| self.window.get(start..start + BLOCK_HEAD_BYTES));
        if let Some(head) = window {
            return Ok(read_block_head(at, head));
        }
        if end > self.bytes {
            return Ok(Err("a block is cut off"));
        }
        // By itself: how much more is to be read, it says.
        let mut head = [0; BLOCK_HEAD_BYTES];
        self.file.read_at(&mut head, offset)?;
        Ok(read_block_head(at, &head))
    }

    /// The block at `offset`, or why there is none.
    pub(super) fn block(&mut self, offset: u64) -> io::Result<Result<Block<'_>, &'static str>> {
        let at = (self.log, self.place(offset));
        match self.block_head(offset)? {
            Ok((_, length)) => Ok(Block::read(at, self.read(offset, block_pages(length))?)),
            Err(reason) => Ok(Err(reason)),
        }
    }

    /// Where the first whole block begins at or after `offset`; of those that begin before `limit`.
    pub(super) fn find_block(&mut self, offset: u64, limit: u64) -> io::Result<Option<u64>> {
        self.find((offset, limit), |scanner, offset| Ok(scanner.block(offset)?.is_ok()))
    }

    /// Where a block's head is right, on a page from `offset` to before `limit`; that of the first. What follows the
    /// head may be torn.
    pub(super) fn find_head(&mut self, offset: u64, limit: u64) -> io::Result<Option<u64>> {
        self.find((offset, limit), |scanner, offset| Ok(scanner.block_head(offset)?.is_ok()))
    }

    /// The first page from `offset` to before `limit` at which there is what is looked for.
    fn find(
        &mut self,
        (mut offset, limit): (u64, u64),
        is_here: impl Fn(&mut Self, u64) -> io::Result<bool>,
    ) -> io::Result<Option<u64>> {
        while offset < limit.min(self.bytes) {
            if is_here(self, offset)? {
                return Ok(Some(offset));
            }
            offset += PAGE_BYTES as u64;
        }
        Ok(None)
    }

    /// The first byte that is not zero, of those from `offset` to `limit`.
    pub(super) fn first_not_zero(&mut self, offset: u64, limit: u64) -> io::Result<Option<u64>> {
        const PART: u64 = 64 << 10;
        let (mut at, limit) = (offset, limit.min(self.bytes));
        while at < limit {
            let count = (limit - at).min(PART);
            let bytes = self.read(at, count as usize)?;
            if let Some(found) = bytes.iter().position(|byte| *byte != 0) {
                return Ok(Some(at + found as u64));
            }
            at += count;
        }
        Ok(None)
    }

    /// The byte after the last that is not zero, of those from `offset` to `limit`; `offset` if all are.
    pub(super) fn end_of_content(&mut self, offset: u64, limit: u64) -> io::Result<u64> {
        let (mut at, mut end) = (offset, offset);
        while at < limit.min(self.bytes) {
            let count = (limit.min(self.bytes) - at).min(AHEAD_BYTES as u64);
            let bytes = self.read(at, count as usize)?;
            if let Some(last) = last_not_zero(bytes) {
                end = at + last as u64 + 1;
            }
            at += count;
        }
        Ok(end)
    }
}

fn last_not_zero(bytes: &[u8]) -> Option<usize> {
    // Most are zero; whole pieces are compared first.
    const ZEROS: [u8; 256] = [0; 256];
    let end = bytes.rchunks(ZEROS.len()).position(|chunk| chunk != &ZEROS[..chunk.len()])?;
    let end = bytes.len() - end * ZEROS.len();
    bytes[..end].iter().rposition(|byte| *byte != 0)
}

/// Reads the page of a segment that has its head.
pub(super) fn read_head_page(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let mut page = vec![0; PAGE_BYTES];
    file.read_at(&mut page, 0)?;
    Ok(page)
}

/// What one write can leave behind at most: the largest block, and the head of a segment before it.
pub(super) const WRITE_MAX: u64 = (BLOCK_WRITE_MAX + PAGE_BYTES) as u64;

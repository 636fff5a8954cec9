//! Which segment is the last to know a stream, for a run of segments: so that a stream which was not heard of for
//! long, or is new, is not looked for in every index.
//!
//! Whenever two neighbouring runs are of one length they become one, so that a log of *n* segments has about
//! log2 *n* of them.

use std::io;

use super::pages::{Pages, PagesOf, doubt};
use super::table::{Table, key_of};
use crate::disk::Disk;
use crate::log::format::{LogId, StreamKey, VERSION, begin, take, take_u32, take_u64};

const MAGIC: [u8; 8] = *b"\x89REENR\r\n";
const HEAD_BYTES: usize = 44;
const ENTRY_BYTES: usize = 20;

/// A stream and the last segment that knows it.
pub(in crate::log) type Last = (StreamKey, u32);

/// The streams of the segments from `first` to `last`, sorted.
pub(in crate::log) fn encode(log: LogId, (first, last): (u32, u32), streams: &[Last]) -> Vec<u8> {
    let mut out = begin(MAGIC, HEAD_BYTES + streams.len() * ENTRY_BYTES);
    out.extend_from_slice(&log.0);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
    out.extend_from_slice(&(streams.len() as u64).to_le_bytes());
    for (key, segment) in streams {
        out.extend_from_slice(&key.0.to_le_bytes());
        out.extend_from_slice(&segment.to_le_bytes());
    }
    PagesOf { log, first, last }.write(0, &out)
}

/// The streams of two neighbouring runs; where both know one, `late` is right.
pub(in crate::log) fn merge(early: &[Last], late: &[Last]) -> Vec<Last> {
    let mut merged: Vec<Last> = Vec::with_capacity(early.len() + late.len());
    let (mut early, mut late) = (early.iter().peekable(), late.iter().peekable());
    loop {
        let next = match (early.peek(), late.peek()) {
            (Some(a), Some(b)) if a.0 < b.0 => early.next(),
            (Some(a), Some(b)) if a.0 == b.0 => {
                early.next();
                late.next()
            }
            (_, Some(_)) => late.next(),
            (Some(_), None) => early.next(),
            (None, None) => return merged,
        };
        merged.extend(next);
    }
}

/// A run in a file, open. Nothing of it is held in memory; whatever is read of it is checked then, and `InvalidData`
/// says that it must not be trusted.
#[derive(Debug)]
pub(in crate::log) struct RunFile {
    pages: Pages,
    count: u64,
}

impl RunFile {
    /// # Errors
    /// `NotFound`, or `InvalidData` for a file that must not be trusted; or it cannot be read.
    pub(in crate::log) fn open(
        disk: &dyn Disk,
        name: &str,
        log: LogId,
        (first, last): (u32, u32),
    ) -> io::Result<Self> {
        let pages = Pages::open(disk, name, PagesOf { log, first, last })?;
        let head = pages.read(HEAD_BYTES as u64, 0)?;
        let mut rest = &head[..];
        let mut read = || {
            let known = take(&mut rest)? == MAGIC
                && take_u32(&mut rest)? == VERSION
                && take(&mut rest)? == log.0
                && (take_u32(&mut rest)?, take_u32(&mut rest)?) == (first, last);
            known.then(|| take_u64(&mut rest))?
        };
        let count = read().ok_or_else(|| doubt("it is no run of this log"))?;
        let end =
            count.checked_mul(ENTRY_BYTES as u64).and_then(|bytes| bytes.checked_add(HEAD_BYTES as u64));
        if end != Some(pages.bytes) {
            return Err(doubt("it has another length"));
        }
        Ok(Self { pages, count })
    }

    /// The last segment of the run that knows a stream.
    pub(in crate::log) fn find(&self, key: StreamKey) -> io::Result<Option<u32>> {
        let table = Table::new(&self.pages, HEAD_BYTES as u64, self.count, ENTRY_BYTES);
        Ok(table.find(key)?.map(|entry| last_of(&entry).1))
    }

    /// All its streams, sorted.
    pub(in crate::log) fn streams(&self) -> io::Result<Vec<Last>> {
        let bytes = self.pages.read(self.count * ENTRY_BYTES as u64, HEAD_BYTES as u64)?;
        Ok(bytes.chunks_exact(ENTRY_BYTES).map(last_of).collect())
    }
}

fn last_of(entry: &[u8]) -> Last {
    let segment = entry.last_chunk().copied();
    (key_of(entry), u32::from_le_bytes(segment.expect("an entry ends with a segment")))
}

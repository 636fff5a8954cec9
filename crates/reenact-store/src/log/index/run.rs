//! Which segment is the last to know a stream, for a run of segments: so that a stream which was not heard of for
//! long, or is new, is not looked for in every index.
//!
//! Whenever a run is no longer than the one after it they become one, so that a log of *n* segments has about
//! log2 *n* of them.

use std::io;
use std::sync::Arc;

use super::file::IndexFile;
use super::pieces::{Pieces, PiecesOf, doubt};
use super::table::{Table, key_of};
use super::writer::PiecesWriter;
use crate::disk::{Disk, DiskFile};
use crate::log::format::{LogId, StreamKey, VERSION, begin, take, take_u32, take_u64};

const MAGIC: [u8; 8] = *b"\x89REENR\r\n";
const HEAD_BYTES: usize = 44;
const ENTRY_BYTES: usize = 20;

/// A stream and the last segment that knows it.
pub(in crate::log) type Last = (StreamKey, u32);

/// The file of a run of the segments from `first` to `last`; the streams are sorted.
pub(in crate::log) fn encode(log: LogId, (first, last): (u32, u32), streams: &[Last]) -> Vec<u8> {
    let mut out = head(log, (first, last), streams.len() as u64);
    out.extend(streams.iter().flat_map(entry));
    PiecesOf { log, first, last }.write(0, &out)
}

fn head(log: LogId, (first, last): (u32, u32), count: u64) -> Vec<u8> {
    let mut out = begin(MAGIC, HEAD_BYTES);
    out.extend_from_slice(&log.0);
    out.extend_from_slice(&first.to_le_bytes());
    out.extend_from_slice(&last.to_le_bytes());
    out.extend_from_slice(&count.to_le_bytes());
    out
}

fn entry((key, segment): &Last) -> [u8; ENTRY_BYTES] {
    let mut out = [0; ENTRY_BYTES];
    let (begin, end) = out.split_at_mut(size_of::<StreamKey>());
    begin.copy_from_slice(&key.0.to_le_bytes());
    end.copy_from_slice(&segment.to_le_bytes());
    out
}

/// Writes the run of two neighbouring ones; where both know a stream, `late` is right. Of each no more than a window
/// is in memory.
pub(in crate::log) fn write_merged(
    file: &dyn DiskFile,
    (log, (first, last)): (LogId, (u32, u32)),
    (mut early, mut late): (Streams, Streams),
) -> io::Result<()> {
    let mut out = PiecesWriter::new(file, PiecesOf { log, first, last });
    // How many there are is known at the end.
    out.push(&head(log, (first, last), 0))?;
    let mut count = 0;
    let (mut a, mut b) = (early.next()?, late.next()?);
    loop {
        let next = match (a, b) {
            (None, None) => break,
            (Some(of_early), None) => of_early,
            (Some(of_early), Some(of_late)) if of_early.0 < of_late.0 => of_early,
            (_, Some(of_late)) => of_late,
        };
        if a.is_some_and(|(key, _)| key == next.0) {
            a = early.next()?;
        }
        if b.is_some_and(|(key, _)| key == next.0) {
            b = late.next()?;
        }
        out.push(&entry(&next))?;
        count += 1;
    }
    out.finish(&head(log, (first, last), count))
}

/// The streams of a run, sorted, read a window at a time.
#[derive(Debug)]
pub(in crate::log) struct Streams {
    of: StreamsOf,
    /// How many were read.
    read: u64,
    window: std::vec::IntoIter<Last>,
}

#[derive(Debug)]
enum StreamsOf {
    Run(Arc<RunFile>),
    /// A single segment.
    Index(Arc<IndexFile>),
}

impl Streams {
    pub(in crate::log) fn of_run(run: Arc<RunFile>) -> Self {
        Self { of: StreamsOf::Run(run), read: 0, window: Vec::new().into_iter() }
    }

    pub(in crate::log) fn of_index(index: Arc<IndexFile>) -> Self {
        Self { of: StreamsOf::Index(index), read: 0, window: Vec::new().into_iter() }
    }

    fn next(&mut self) -> io::Result<Option<Last>> {
        if let Some(next) = self.window.next() {
            return Ok(Some(next));
        }
        let window = match &self.of {
            StreamsOf::Run(run) => run.part(self.read)?,
            StreamsOf::Index(index) => {
                let keys = index.keys(self.read)?;
                keys.into_iter().map(|key| (key, index.head.segment)).collect()
            }
        };
        self.read += window.len() as u64;
        self.window = window.into_iter();
        Ok(self.window.next())
    }
}

/// A run in a file, open. Nothing of it is held in memory; whatever is read of it is checked then, and `InvalidData`
/// says that it must not be trusted.
#[derive(Debug)]
pub(in crate::log) struct RunFile {
    pieces: Pieces,
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
        let pieces = Pieces::open(disk, name, PiecesOf { log, first, last })?;
        let head = pieces.read(HEAD_BYTES as u64, 0)?;
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
        if end != Some(pieces.bytes) {
            return Err(doubt("it has another length"));
        }
        Ok(Self { pieces, count })
    }

    /// The last segment of the run that knows a stream.
    pub(in crate::log) fn find(&self, key: StreamKey) -> io::Result<Option<u32>> {
        Ok(self.table().find(key)?.map(|entry| last_of(&entry).1))
    }

    fn table(&self) -> Table<'_> {
        Table::new(&self.pieces, HEAD_BYTES as u64, self.count, ENTRY_BYTES)
    }

    /// Some of its streams, sorted, from the one with a number on; none after the last.
    fn part(&self, first: u64) -> io::Result<Vec<Last>> {
        Ok(self.table().part(first)?.chunks_exact(ENTRY_BYTES).map(last_of).collect())
    }

    /// Reads all of it.
    pub(in crate::log) fn check(&self) -> io::Result<()> {
        self.pieces.check().map(drop)
    }

    /// All its streams, sorted.
    pub(in crate::log) fn streams(&self) -> io::Result<Vec<Last>> {
        let bytes = self.pieces.read(self.count * ENTRY_BYTES as u64, HEAD_BYTES as u64)?;
        Ok(bytes.chunks_exact(ENTRY_BYTES).map(last_of).collect())
    }
}

fn last_of(entry: &[u8]) -> Last {
    let segment = entry.last_chunk().copied();
    (key_of(entry), u32::from_le_bytes(segment.expect("an entry ends with a segment")))
}

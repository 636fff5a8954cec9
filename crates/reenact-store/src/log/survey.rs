//! What lies in the directory of a log, for the tools that look at all of it, be it whole or not.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::OpenError;
use super::format::{HeaderError, LogId, Mark, SegmentHead, VERSION};
use super::segment::{
    FileKind, MARK, Scanner, anchors_name, index_name, read_head_page, run_name, segment_name,
};
use crate::disk::{Access, Disk, DiskEntry, PAGE_BYTES, read_whole};

/// Why a tool of the log cannot do its work.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ToolError {
    /// There is no log in the directory.
    #[error("there is no log in {}", directory.display())]
    NoLog {
        /// Which directory.
        directory: PathBuf,
    },
    /// Nothing in the directory says which log it is, and without that no block can be told from chance.
    #[error("nothing in {} says which log it is", directory.display())]
    Unknown {
        /// Which directory.
        directory: PathBuf,
    },
    /// A log of another version.
    #[error("{} is of version {actual}, where {known} is known", path.display())]
    Version {
        /// Which file.
        path: PathBuf,
        /// As found.
        actual: u32,
        /// The version that is known.
        known: u32,
    },
    /// Whoever writes the log gave up segments, or opened the log, while they were looked at, again and again.
    #[error("{} changed under way {tries} times", directory.display())]
    Changed {
        /// Which directory.
        directory: PathBuf,
        /// How often it was tried.
        tries: u32,
    },
    /// There is something where the new log is to be.
    #[error("{} is there, and no empty directory", directory.display())]
    NotEmpty {
        /// Which directory.
        directory: PathBuf,
    },
    /// The log is not whole enough for this tool.
    #[error("failed to open the log")]
    Open(#[source] OpenError),
    /// What a log has indexed cannot be read.
    #[error("failed to read the log")]
    Read(#[from] crate::store::ReadError),
    /// The new log does not take an event.
    #[error("failed to append to the new log")]
    Append(#[from] crate::store::AppendError),
    /// The system refuses something.
    #[error("failed to use {}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

/// That there is no log is said in the same words, whoever finds it out.
impl From<OpenError> for ToolError {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoLog { directory } => Self::NoLog { directory },
            error => Self::Open(error),
        }
    }
}

/// How far a tool has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ToolProgress {
    /// Bytes that have been dealt with.
    pub done_bytes: u64,
    /// Bytes in all, as far as is known.
    pub all_bytes: u64,
}

/// Tells somebody how far a tool has come, each so many bytes.
pub(super) struct Meter<'a> {
    tell: &'a mut dyn FnMut(ToolProgress),
    now: ToolProgress,
    told: u64,
}

const TELL_BYTES: u64 = 1 << 20;

impl<'a> Meter<'a> {
    pub(super) fn new(all_bytes: u64, tell: &'a mut dyn FnMut(ToolProgress)) -> Self {
        Self { tell, now: ToolProgress { done_bytes: 0, all_bytes }, told: 0 }
    }

    pub(super) fn done(&self) -> u64 {
        self.now.done_bytes
    }

    pub(super) fn add(&mut self, bytes: u64) {
        self.now.done_bytes += bytes;
        self.now.all_bytes = self.now.all_bytes.max(self.now.done_bytes);
        if self.now.done_bytes >= self.told + TELL_BYTES {
            self.told = self.now.done_bytes;
            (self.tell)(self.now);
        }
    }
}

/// The files of a directory by what they are, with their lengths.
#[derive(Debug, Default)]
pub(super) struct Survey {
    pub(super) segments: BTreeMap<u32, u64>,
    pub(super) indexes: BTreeMap<u32, u64>,
    pub(super) anchors: BTreeMap<u32, u64>,
    pub(super) runs: BTreeMap<(u32, u32), u64>,
    pub(super) mark_bytes: Option<u64>,
    pub(super) temporary: BTreeMap<String, u64>,
    pub(super) foreign: BTreeMap<String, u64>,
}

impl Survey {
    pub(super) fn new(disk: &dyn Disk) -> Result<Self, ToolError> {
        let mut survey = Self::default();
        let listed = disk.list().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ToolError::NoLog { directory: disk.path("") }
            }
            _ => io_error(disk, "")(source),
        });
        for DiskEntry { name, bytes } in listed? {
            match FileKind::of(&name) {
                FileKind::Segment(segment) => drop(survey.segments.insert(segment, bytes)),
                FileKind::Index(segment) => drop(survey.indexes.insert(segment, bytes)),
                FileKind::Anchors(segment) => drop(survey.anchors.insert(segment, bytes)),
                FileKind::Run(first, last) => drop(survey.runs.insert((first, last), bytes)),
                FileKind::Mark => survey.mark_bytes = Some(bytes),
                FileKind::Temporary => drop(survey.temporary.insert(name, bytes)),
                FileKind::Foreign => drop(survey.foreign.insert(name, bytes)),
                FileKind::Lock => {}
            }
        }
        if survey.mark_bytes.is_none() && survey.segments.is_empty() {
            return Err(ToolError::NoLog { directory: disk.path("") });
        }
        Ok(survey)
    }

    /// Bytes of the log's own files.
    pub(super) fn bytes(&self) -> u64 {
        let numbered = self.segments.values().chain(self.indexes.values()).chain(self.anchors.values());
        numbered.chain(self.runs.values()).chain(&self.mark_bytes).sum()
    }

    /// The id that most of the files have: the mark's, and those of segments, indexes, runs and anchors.
    pub(super) fn log_id(&self, disk: &dyn Disk, mark: Option<&Mark>) -> Result<LogId, ToolError> {
        let mut votes: HashMap<[u8; 16], usize> = HashMap::new();
        if let Some(mark) = mark {
            *votes.entry(mark.log.0).or_default() += 1;
        }
        for segment in self.segments.keys() {
            if let Ok((head, _)) = segment_head(disk, *segment)? {
                *votes.entry(head.log.0).or_default() += 1;
            }
        }
        let derived = self.indexes.keys().copied().map(index_name);
        let derived = derived.chain(self.anchors.keys().copied().map(anchors_name));
        for name in derived.chain(self.runs.keys().copied().map(run_name)) {
            if let Some(id) = id_in(disk, &name) {
                *votes.entry(id).or_default() += 1;
            }
        }
        let most = votes.into_iter().max_by_key(|(id, votes)| (*votes, *id));
        most.map(|(id, _)| LogId(id)).ok_or_else(|| ToolError::Unknown { directory: disk.path("") })
    }
}

/// The log's id as a derived file has it: after magic and version, in every kind of them.
fn id_in(disk: &dyn Disk, name: &str) -> Option<[u8; 16]> {
    let mut bytes = [0; 28];
    disk.open(name, Access::Read).ok()?.read_at(&mut bytes, 0).ok()?;
    if !bytes.starts_with(b"\x89REEN") || bytes[8..12] != VERSION.to_le_bytes() {
        return None;
    }
    bytes.last_chunk().copied()
}

/// The mark, or why it is none; the outer error is one that stops every tool.
pub(super) fn read_mark(disk: &dyn Disk) -> Result<Result<Mark, &'static str>, ToolError> {
    match read_whole(disk, MARK, PAGE_BYTES as u64) {
        Ok(Some(bytes)) => match Mark::read(&bytes) {
            Ok(mark) => Ok(Ok(mark)),
            Err(HeaderError::Malformed(reason)) => Ok(Err(reason)),
            Err(HeaderError::Version(actual)) => Err(version(disk, MARK, actual)),
        },
        Ok(None) => Ok(Err("it is missing")),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(Err("it is too long")),
        Err(source) => Err(io_error(disk, MARK)(source)),
    }
}

/// The head of a segment and its checksum, or why there is none; a file that is not there has none.
pub(super) fn segment_head(
    disk: &dyn Disk,
    segment: u32,
) -> Result<Result<(SegmentHead, u32), &'static str>, ToolError> {
    let name = segment_name(segment);
    let page = disk.open(&name, Access::Read).and_then(|file| read_head_page(&*file));
    match page {
        Ok(page) => match SegmentHead::read(&page) {
            Ok(head) => Ok(Ok(head)),
            Err(HeaderError::Malformed(reason)) => Ok(Err(reason)),
            Err(HeaderError::Version(actual)) => Err(version(disk, &name, actual)),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Err("it is missing")),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Err("it is cut off")),
        Err(source) => Err(io_error(disk, &name)(source)),
    }
}

fn version(disk: &dyn Disk, name: &str, actual: u32) -> ToolError {
    ToolError::Version { path: disk.path(name), actual, known: VERSION }
}

pub(super) fn io_error(disk: &dyn Disk, name: &str) -> impl FnOnce(io::Error) -> ToolError {
    let path = disk.path(name);
    move |source| ToolError::Io { path, source }
}

/// Opens a segment for scanning; `None` if it is not there.
pub(super) fn scanner(disk: &dyn Disk, log: LogId, segment: u32) -> Result<Option<Scanner>, ToolError> {
    let name = segment_name(segment);
    let opened = disk.open(&name, Access::Read).and_then(|file| Scanner::new(file, log, segment));
    match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        opened => opened.map(Some).map_err(io_error(disk, &name)),
    }
}

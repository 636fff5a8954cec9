//! Opening a log: finding out where it ends, and telling the remains of an interrupted write from damage.

mod end;
mod mend;

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::commit::Tail;
use super::format::{HeaderError, LogId, Mark, Place, VERSION};
use super::index::{ActiveIndex, IndexFile, RunFile};
use super::segment::{FileKind, MARK, anchors_name, read_head_page, run_name, segment_name};
use super::shared::{Run, Shared, State};
use super::{LogOptions, LogPlace, OpenError};
use crate::disk::{Access, Disk, PAGE_BYTES, read_whole, replace};
use crate::limits::LOG_SEALED_MAX;

/// A log as it was found.
#[derive(Debug)]
pub(super) struct Recovery {
    pub(super) shared: Arc<Shared>,
    pub(super) tail: Tail,
    pub(super) mark: Mark,
    /// The remains of an interrupted write, and how long they are.
    pub(super) torn: Option<(LogPlace, u64)>,
    /// The position of the first event that was not given up with its segment.
    pub(super) first_position: u64,
}

/// The files of the log, by what they are.
#[derive(Debug, Default)]
struct Listing {
    /// In order.
    segments: Vec<u32>,
    indexes: BTreeSet<u32>,
    anchors: BTreeSet<u32>,
    runs: BTreeSet<(u32, u32)>,
    temporary: Vec<String>,
}

impl Listing {
    fn new(names: Vec<String>) -> Self {
        let mut listing = Self::default();
        for name in names {
            match FileKind::of(&name) {
                FileKind::Segment(segment) => listing.segments.push(segment),
                FileKind::Index(segment) => drop(listing.indexes.insert(segment)),
                FileKind::Anchors(segment) => drop(listing.anchors.insert(segment)),
                FileKind::Run(first, last) => drop(listing.runs.insert((first, last))),
                FileKind::Temporary => listing.temporary.push(name),
                FileKind::Lock | FileKind::Mark | FileKind::Foreign => {}
            }
        }
        listing.segments.sort_unstable();
        listing
    }
}

/// Opens what is in a directory; `None` if there is nothing yet.
pub(super) fn recover(
    disk: &Arc<dyn Disk>,
    options: &LogOptions,
    writable: bool,
) -> Result<Option<Recovery>, OpenError> {
    let names = disk.names().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            OpenError::NoLog { directory: disk.path("") }
        }
        _ => io(&**disk, "")(source),
    });
    let listing = Listing::new(names?);
    let Some(mark) = read_mark(&**disk)? else {
        return match listing.segments.first() {
            None => Ok(None),
            Some(_) => Err(damaged(&**disk, MARK, 0, "it is missing, although there are segments")),
        };
    };
    Opening { disk, options, listing, mark, writable }.run().map(Some)
}

fn read_mark(disk: &dyn Disk) -> Result<Option<Mark>, OpenError> {
    let bytes = read_whole(disk, MARK, PAGE_BYTES as u64);
    let Some(bytes) = bytes.map_err(io(disk, MARK))? else { return Ok(None) };
    Mark::read(&bytes).map(Some).map_err(|error| refused(disk, MARK, &error))
}

/// Begins a log in a directory without one.
pub(super) fn begin(disk: &dyn Disk) -> Result<(), OpenError> {
    let end = Place { segment: 0, offset: 0 };
    let log = LogId::random();
    let mark = Mark { log, closed: false, first: 0, anchors: None, end, position: 0, crc: 0 };
    replace(disk, MARK, &mark.write()).map_err(io(disk, MARK))
}

fn io(disk: &dyn Disk, name: &str) -> impl FnOnce(io::Error) -> OpenError + use<> {
    let path = disk.path(name);
    move |source| OpenError::Io { path, source }
}

fn damaged(disk: &dyn Disk, name: &str, offset: u64, reason: impl Into<String>) -> OpenError {
    OpenError::Damaged { path: disk.path(name), offset, reason: reason.into() }
}

fn refused(disk: &dyn Disk, name: &str, error: &HeaderError) -> OpenError {
    match *error {
        HeaderError::Malformed(reason) => damaged(disk, name, 0, reason),
        HeaderError::Version(actual) => {
            let path: PathBuf = disk.path(name);
            OpenError::Version { path, actual, known: VERSION }
        }
    }
}

struct Opening<'a> {
    disk: &'a Arc<dyn Disk>,
    options: &'a LogOptions,
    listing: Listing,
    mark: Mark,
    writable: bool,
}

impl Opening<'_> {
    fn run(self) -> Result<Recovery, OpenError> {
        let there = self.check_segments()?;
        let shared = Arc::new(self.shared()?);
        let first_position = self.first_position()?;
        let (tail, torn) = self.scan(&shared, there)?;
        if self.mark.closed && (tail.segment, tail.offset) != (self.mark.end.segment, self.mark.end.offset) {
            let name = segment_name(self.mark.end.segment);
            return Err(self.damaged(
                &name,
                self.mark.end.offset,
                "more follows than there was when it was closed",
            ));
        }
        if self.writable || !self.mark.closed {
            // The last act of a process that was killed may have been to give the mark its name. Nothing is removed,
            // and nothing shown, because of a mark that a power cut could still take back.
            self.disk.sync_names().map_err(self.io(MARK))?;
        }
        if self.writable {
            self.clean_up(&shared, &tail, torn)?;
        }
        if !self.mark.closed {
            let last_block = shared.state().active.last_block();
            self.sync(last_block, &tail)?;
        }
        let torn =
            torn.map(|(place, bytes)| (LogPlace { segment: place.segment, offset: place.offset }, bytes));
        Ok(Recovery { shared, tail, mark: self.mark, torn, first_position })
    }

    fn damaged(&self, name: &str, offset: u64, reason: impl Into<String>) -> OpenError {
        damaged(&**self.disk, name, offset, reason)
    }

    fn io(&self, name: &str) -> impl FnOnce(io::Error) -> OpenError + use<> {
        io(&**self.disk, name)
    }

    /// Every segment is there from the first to the one in which the log ended, and those that were prepared
    /// follow without a gap. The last of them.
    fn check_segments(&self) -> Result<Option<u32>, OpenError> {
        let Mark { first, end, .. } = self.mark;
        let there = self.listing.segments.iter().copied().filter(|n| *n >= first);
        let mut next = first;
        for segment in there {
            if segment != next {
                return Err(self.damaged(&segment_name(next), 0, "it is missing"));
            }
            next = segment.saturating_add(1);
        }
        // One that was not begun may not have been made yet.
        let needed = if end.offset == 0 { end.segment } else { end.segment.saturating_add(1) };
        if next < needed {
            return Err(self.damaged(&segment_name(next), 0, "it is missing"));
        }
        Ok(next.checked_sub(1).filter(|last| *last >= first))
    }

    /// What is known of the segments before the one in which the log ended when it was marked.
    fn shared(&self) -> Result<Shared, OpenError> {
        let Mark { first, end, position, .. } = self.mark;
        let anchors = self.anchors()?;
        let state = State {
            first,
            anchors,
            runs: Vec::new(),
            sealed: std::collections::VecDeque::new(),
            active: ActiveIndex::new(end.segment, position, 0),
        };
        let shared = Shared::new(Arc::clone(self.disk), self.mark, self.writable, state);
        let indexed = self.indexed();
        let runs = self.runs(&shared, indexed);
        shared.state_mut().runs = runs;
        // Indexes that were not written before a crash: those of the last segments.
        for segment in indexed..end.segment {
            if end.segment - segment > LOG_SEALED_MAX as u32 {
                shared.index(segment)?;
                shared.state_mut().runs.push(Run { first: segment, last: segment, file: None });
            } else {
                let index = shared.fold_segment(segment)?;
                shared.state_mut().sealed.push_back(Arc::new(index));
            }
        }
        Ok(shared)
    }

    fn anchors(&self) -> Result<Option<Arc<IndexFile>>, OpenError> {
        let Some(crc) = self.mark.anchors else { return Ok(None) };
        let name = anchors_name(self.mark.first);
        let anchors = IndexFile::open(&**self.disk, &name, self.mark.log, self.mark.first);
        // It is evidence, and so is read through at once.
        match anchors.and_then(|anchors| Ok((anchors.check()?, anchors))) {
            Ok((found, anchors)) if found == crc => Ok(Some(Arc::new(anchors))),
            Ok(_) => Err(self.damaged(&name, 0, "it is not the one that the mark names")),
            Err(error) => Err(self.damaged(&name, 0, error.to_string())),
        }
    }

    /// The segment before which all have an index in a file, or had one.
    fn indexed(&self) -> u32 {
        let Mark { first, end, .. } = self.mark;
        let missing =
            (first..end.segment).rev().take_while(|segment| !self.listing.indexes.contains(segment));
        end.segment - missing.count() as u32
    }

    /// The fewest runs that there are for the segments before `end`. What is damaged is passed over.
    fn runs(&self, shared: &Shared, end: u32) -> Vec<Run> {
        let (mut runs, mut next) = (Vec::new(), self.mark.first);
        while next < end {
            // A run may begin before the first segment that was kept.
            let fits = |(first, last): &&(u32, u32)| {
                *first <= next && *last >= next && *last < end && (*first == next || runs.is_empty())
            };
            let mut extents: Vec<_> = self.listing.runs.iter().filter(fits).copied().collect();
            extents.sort_unstable_by_key(|(_, last)| std::cmp::Reverse(*last));
            let file = extents.into_iter().find_map(|extent| {
                let file = RunFile::open(&**self.disk, &run_name(extent), self.mark.log, extent);
                let file = file.inspect_err(|_| shared.note_rebuilt()).ok()?;
                Some(Run { first: extent.0, last: extent.1, file: Some(Arc::new(file)) })
            });
            let run = file.unwrap_or(Run { first: next, last: next, file: None });
            next = run.last + 1;
            runs.push(run);
        }
        runs
    }

    fn first_position(&self) -> Result<u64, OpenError> {
        if self.mark.first == self.mark.end.segment && self.mark.end.offset == 0 {
            return Ok(self.mark.position);
        }
        let name = segment_name(self.mark.first);
        let file = self.disk.open(&name, Access::Read).map_err(self.io(&name))?;
        let page = read_head_page(&*file).map_err(self.io(&name))?;
        let bytes = file.bytes().map_err(self.io(&name))?;
        let head = self.check_head(&page, self.mark.first, bytes, None);
        let (head, _) = head.map_err(|error| refused(&**self.disk, &name, &error))?;
        if head.position > self.mark.position {
            return Err(self.damaged(&name, 0, "it begins after the end of the log"));
        }
        Ok(head.position)
    }
}

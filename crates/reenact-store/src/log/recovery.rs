//! Opening a log: finding out where it ends, and telling the remains of an interrupted write from damage.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use super::commit::Tail;
use super::earlier::Earlier;
use super::fold::{Fold, FoldError};
use super::format::{HeaderError, LogId, Mark, Place, SegmentHead, VERSION, block_pages};
use super::index::{ActiveIndex, IndexFile, RunFile};
use super::segment::{FileKind, MARK, Scanner, WRITE_MAX, anchors_name, index_name, run_name, segment_name};
use super::shared::{Run, Shared, State};
use super::{LogOptions, LogPlace, OpenError};
use crate::disk::{Access, Disk, PAGE_BYTES, PageBuffer, read_whole, replace};
use crate::event::Timestamp;
use crate::limits::{LOG_SEALED_MAX, MARK_AHEAD_BYTES};

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

/// What is at the end of a segment.
enum End {
    /// The log ends here.
    Clean,
    /// It ends here, and so many bytes that are no block lie at a place after it.
    Torn(Place, u64),
    /// The next segment has been begun.
    Next,
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
        _ => io_error(&**disk, "", source),
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
    let Some(bytes) = bytes.map_err(|source| io_error(disk, MARK, source))? else { return Ok(None) };
    Mark::read(&bytes).map(Some).map_err(|error| refused(disk, MARK, &error))
}

/// Begins a log in a directory without one.
pub(super) fn begin(disk: &dyn Disk) -> Result<(), OpenError> {
    let end = Place { segment: 0, offset: 0 };
    let log = LogId::random();
    let mark = Mark { log, closed: false, first: 0, anchors: None, end, position: 0, crc: 0 };
    replace(disk, MARK, &mark.write()).map_err(|source| io_error(disk, MARK, source))
}

fn io_error(disk: &dyn Disk, name: &str, source: io::Error) -> OpenError {
    OpenError::Io { path: disk.path(name), source }
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

    fn io(&self, name: &str) -> impl FnOnce(io::Error) -> OpenError {
        let path = self.disk.path(name);
        move |source| OpenError::Io { path, source }
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
        let page = super::segment::read_segment_head(&*file).map_err(self.io(&name))?;
        let bytes = file.bytes().map_err(self.io(&name))?;
        let head = self.check_head(&page, self.mark.first, bytes, None);
        let (head, _) = head.map_err(|error| refused(&**self.disk, &name, &error))?;
        if head.position > self.mark.position {
            return Err(self.damaged(&name, 0, "it begins after the end of the log"));
        }
        Ok(head.position)
    }

    /// Reads from the segment in which the log ended when it was marked to where it ends now.
    fn scan(
        &self,
        shared: &Shared,
        prepared: Option<u32>,
    ) -> Result<(Tail, Option<(Place, u64)>), OpenError> {
        let Mark { log, end, position, crc, .. } = self.mark;
        let (bytes, timestamp) = (self.options.segment_bytes, Timestamp::default());
        let mut tail =
            Tail { segment: end.segment, offset: 0, bytes, position, crc, previous_end: 0, timestamp };
        if prepared.is_none() {
            return Ok((tail, None));
        }
        loop {
            let mut scanner = self.scanner(log, tail.segment)?;
            tail.bytes = scanner.bytes();
            let Some((head, head_crc)) = self.read_head(&mut scanner, &tail)? else {
                let torn = self.check_torn(&mut scanner, tail.segment, 0)?;
                let place = Place { segment: tail.segment, offset: 0 };
                // It is made anew, of the length that is wanted now.
                tail.bytes = self.options.segment_bytes;
                return Ok((tail, (torn > 0).then_some((place, torn))));
            };
            let truncations = shared.truncations_before(tail.segment)?;
            let index = ActiveIndex::new(tail.segment, head.position, truncations);
            let mut fold = Fold::new(log, index, head_crc, head.timestamp);
            let end = self.scan_segment(&mut scanner, &mut fold, shared, prepared)?;
            let Fold { offset, crc, timestamp, index, .. } = fold;
            let (position, previous_end) = (index.next_position(), head.previous_end);
            tail = Tail { offset, position, crc, previous_end, timestamp, ..tail };
            let mut state = shared.state_mut();
            match end {
                End::Clean | End::Torn(..) => {
                    state.active = index;
                    let torn = if let End::Torn(place, bytes) = end { Some((place, bytes)) } else { None };
                    return Ok((tail, torn));
                }
                End::Next => {
                    tail = Tail { segment: tail.segment + 1, offset: 0, previous_end: tail.offset, ..tail };
                    state.active = ActiveIndex::new(tail.segment, tail.position, index.truncations);
                    state.sealed.push_back(Arc::new(index));
                }
            }
        }
    }

    fn scanner(&self, log: LogId, segment: u32) -> Result<Scanner, OpenError> {
        let name = segment_name(segment);
        let file = self.disk.open(&name, Access::Read).map_err(self.io(&name))?;
        Scanner::new(file, log, segment).map_err(self.io(&name))
    }

    /// The head of a segment and its checksum; `None` if the segment has not been begun.
    fn read_head(&self, scanner: &mut Scanner, tail: &Tail) -> Result<Option<(SegmentHead, u32)>, OpenError> {
        let name = segment_name(tail.segment);
        let marked = tail.segment == self.mark.end.segment && self.mark.end.offset > 0;
        let bytes = scanner.bytes();
        let page = scanner.head().map_err(self.io(&name))?;
        // Where the log ended when it was marked, the checksum of what follows tells whether the head is right.
        let link = if marked { None } else { Some((tail.previous_end, tail.crc)) };
        match self.check_head(page, tail.segment, bytes, link) {
            Ok(head) => Ok(Some(head)),
            Err(HeaderError::Version(version)) => {
                Err(refused(&**self.disk, &name, &HeaderError::Version(version)))
            }
            Err(_) if !marked => Ok(None),
            Err(error) => Err(refused(&**self.disk, &name, &error)),
        }
    }

    fn check_head(
        &self,
        page: &[u8],
        segment: u32,
        bytes: u64,
        link: Option<(u64, u32)>,
    ) -> Result<(SegmentHead, u32), HeaderError> {
        let (head, crc) = SegmentHead::read_of(page, (self.mark.log, segment, bytes))?;
        if link.is_some_and(|link| link != (head.previous_end, head.previous_crc)) {
            return Err(HeaderError::Malformed("the head does not follow the segment before"));
        }
        Ok((head, crc))
    }

    /// Takes in the blocks of a segment, and says how it ends.
    fn scan_segment(
        &self,
        scanner: &mut Scanner,
        fold: &mut Fold,
        shared: &Shared,
        prepared: Option<u32>,
    ) -> Result<End, OpenError> {
        let segment = fold.index.segment;
        let name = segment_name(segment);
        let before = Earlier::new(shared, segment);
        loop {
            self.check_mark(fold)?;
            let offset = fold.offset;
            let block = if offset < scanner.bytes() {
                scanner.block(offset).map_err(self.io(&name))?
            } else {
                Err("the segment is full")
            };
            match block {
                Ok(block) => fold.block(&block, &before).map_err(|error| match error {
                    FoldError::Damaged(reason) => self.damaged(&name, offset, reason),
                    FoldError::Read(error) => OpenError::Read(error),
                })?,
                Err(reason) => return self.end(scanner, fold, (reason, prepared)),
            }
        }
    }

    /// What the mark says about the place at which it was made must be true.
    fn check_mark(&self, fold: &Fold) -> Result<(), OpenError> {
        let Mark { end, position, crc, .. } = self.mark;
        let here = (fold.index.segment, fold.offset);
        if here == (end.segment, end.offset) && (fold.index.next_position(), fold.crc) != (position, crc) {
            let name = segment_name(end.segment);
            return Err(self.damaged(&name, fold.offset, "the log is not what its mark says"));
        }
        let passed = fold.index.segment == end.segment && fold.index.end > end.offset;
        let began = fold.index.last_block().is_some_and(|offset| offset < end.offset);
        if passed && began {
            let name = segment_name(end.segment);
            return Err(self.damaged(&name, end.offset, "the mark is within a block"));
        }
        Ok(())
    }

    /// What lies at the end of the blocks is no block: tells how the log goes on there.
    fn end(
        &self,
        scanner: &mut Scanner,
        fold: &Fold,
        (reason, prepared): (&str, Option<u32>),
    ) -> Result<End, OpenError> {
        let (segment, offset) = (fold.index.segment, fold.offset);
        let name = segment_name(segment);
        if segment == self.mark.end.segment && offset < self.mark.end.offset {
            let reason = format!("{reason}, before the place up to which the log was whole");
            return Err(self.damaged(&name, offset, reason));
        }
        if prepared.is_some_and(|prepared| segment < prepared) {
            let mut next = self.scanner(self.mark.log, segment + 1)?;
            if let Some(end) = self.end_before(&mut next, fold)? {
                if scanner.zeros_from(offset, scanner.bytes()).map_err(self.io(&name))? > offset {
                    let reason = format!("{reason}, and the next segment has been begun");
                    return Err(self.damaged(&name, offset, reason));
                }
                return Ok(end);
            }
        }
        match self.check_torn(scanner, segment, offset)? {
            0 => Ok(End::Clean),
            bytes => Ok(End::Torn(Place { segment, offset }, bytes)),
        }
    }

    /// How the log goes on in the segment after the one that was read; `None` if that was not begun.
    fn end_before(&self, next: &mut Scanner, fold: &Fold) -> Result<Option<End>, OpenError> {
        let segment = fold.index.segment + 1;
        let name = segment_name(segment);
        let bytes = next.bytes();
        let page = next.head().map_err(self.io(&name))?;
        match self.check_head(page, segment, bytes, Some((fold.offset, fold.crc))) {
            Ok(_) => return Ok(Some(End::Next)),
            Err(error @ HeaderError::Version(_)) => return Err(refused(&**self.disk, &name, &error)),
            Err(HeaderError::Malformed(_)) => {}
        }
        let torn = self.check_torn(next, segment, 0)?;
        Ok((torn > 0).then_some(End::Torn(Place { segment, offset: 0 }, torn)))
    }

    /// How many bytes from `offset` on are the remains of the one write that was under way; 0 if there are none.
    fn check_torn(&self, scanner: &mut Scanner, segment: u32, offset: u64) -> Result<u64, OpenError> {
        let name = segment_name(segment);
        let marked = if segment == self.mark.end.segment { self.mark.end.offset } else { 0 };
        let limit = marked.max(offset) + MARK_AHEAD_BYTES + WRITE_MAX;
        let end = scanner.zeros_from(offset, limit).map_err(self.io(&name))?;
        if end == offset {
            return Ok(0);
        }
        if self.mark.closed {
            return Err(self.damaged(
                &name,
                offset,
                "something follows the place at which the log was closed",
            ));
        }
        if end - offset > WRITE_MAX {
            return Err(self.damaged(
                &name,
                offset,
                "no block begins here, and more follows than one write leaves",
            ));
        }
        let page = PAGE_BYTES as u64;
        let mut next = offset + page;
        if offset == 0
            && let Ok((_, records)) = scanner.block_head(next).map_err(self.io(&name))?
        {
            // It was written together with the segment's head.
            next += block_pages(records) as u64;
        }
        match scanner.find_head(next, end).map_err(self.io(&name))? {
            Some(later) => {
                let reason = format!("no block begins here, and another write follows at byte {later}");
                Err(self.damaged(&name, offset, reason))
            }
            None => Ok(end - offset),
        }
    }

    /// Makes durable what was found: a process that was killed may have written what the disk has not kept.
    fn sync(&self, last_block: Option<u64>, tail: &Tail) -> Result<(), OpenError> {
        if self.writable {
            self.write_again(last_block, tail)?;
        }
        for segment in self.mark.end.segment..=tail.segment {
            let name = segment_name(segment);
            match self.disk.open(&name, Access::Read) {
                Ok(file) => file.sync().map_err(self.io(&name))?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(source) => return Err(self.io(&name)(source)),
            }
        }
        Ok(())
    }

    /// Does the last write once more. If it failed when it was done, the system may show what the disk does not
    /// have, and no sync would write it.
    fn write_again(&self, last_block: Option<u64>, tail: &Tail) -> Result<(), OpenError> {
        // The first block is written together with the head.
        let begin = last_block.filter(|offset| *offset > PAGE_BYTES as u64).unwrap_or(0);
        if begin == tail.offset {
            return Ok(());
        }
        let name = segment_name(tail.segment);
        let mut last = PageBuffer::new((tail.offset - begin) as usize);
        let mut write = || {
            self.disk.open(&name, Access::Read)?.read_at(last.bytes_mut(), begin)?;
            self.disk.open(&name, Access::Commit)?.commit_at(last.bytes(), begin)
        };
        write().map_err(self.io(&name))
    }

    /// Takes away the remains of an interrupted write, and files that nothing names any more. Which of these removals
    /// a power cut leaves does not matter: what comes back is passed over again, by its number or because the mark
    /// does not name it, and what a run says of full segments stays true.
    fn clean_up(&self, shared: &Shared, tail: &Tail, torn: Option<(Place, u64)>) -> Result<(), OpenError> {
        // Also in a segment that is removed: a power cut may bring it back.
        if let Some((place, bytes)) = torn {
            let name = segment_name(place.segment);
            let zeros = PageBuffer::new(bytes.next_multiple_of(PAGE_BYTES as u64) as usize);
            let file = self.disk.open(&name, Access::Commit).map_err(self.io(&name))?;
            file.commit_at(zeros.bytes(), place.offset).map_err(self.io(&name))?;
        }
        let state = shared.state();
        let runs: BTreeSet<_> = state.runs.iter().map(|run| (run.first, run.last)).collect();
        let first = self.mark.first;
        let mut left = self.listing.temporary.clone();
        let segments = self.listing.segments.iter().copied();
        left.extend(segments.filter(|n| *n < first).map(segment_name));
        let indexes = self.listing.indexes.iter().filter(|n| **n < first || **n >= tail.segment);
        left.extend(indexes.copied().map(index_name));
        let anchors = self.listing.anchors.iter().filter(|n| self.mark.anchors.is_none() || **n != first);
        left.extend(anchors.copied().map(anchors_name));
        left.extend(self.listing.runs.iter().filter(|run| !runs.contains(run)).copied().map(run_name));
        for name in left {
            // What cannot be removed takes up room and does nothing else.
            let _left = self.disk.remove(&name);
        }
        self.remove_prepared(tail.segment);
        Ok(())
    }

    /// Takes away the segments after the last that was begun: they are prepared again, as whether one is all zeros
    /// is not known. The last goes first, and durably so before the next one does, so that there is no gap
    /// wherever this ends.
    fn remove_prepared(&self, begun: u32) {
        let prepared = self.listing.segments.iter().rev().take_while(|segment| **segment > begun);
        for (n, segment) in prepared.enumerate() {
            if n > 0 && self.disk.sync_names().is_err() || self.disk.remove(&segment_name(*segment)).is_err()
            {
                return;
            }
        }
    }
}

//! Reading a whole log and comparing everything in it with everything else.
//!
//! Each segment is folded as it is when a log is opened; what comes out is compared with its index, byte for byte.
//! One that cannot be folded is walked once more, block by block, so that what is wrong with it is told in places
//! and what follows is looked at all the same. A truncation tells the chain before the first event that it keeps; that
//! is compared with the events before it as long as they are there, which takes reading them once more.

mod derived;
mod truncations;
mod walk;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use super::LogPlace;
use super::fold::{Fold, FoldError};
use super::format::{LogId, Mark, SegmentHead, StreamKey};
use super::index::{ActiveIndex, IndexFile, StreamHead};
use super::segment::{MARK, Scanner, WRITE_MAX, anchors_name, index_name, run_name, segment_name};
use super::survey::{
    Meter, Survey, ToolError, ToolProgress, first_not_zero, io_error, scanner, segment_head,
};
use crate::disk::{Disk, PAGE_BYTES, RealDisk};
use crate::event::{Position, StreamId, Timestamp};
use crate::limits::{LOG_FOLLOW_MILLIS, VERIFY_DAMAGES_MAX};
use truncations::Truncated;

/// How often a log is verified anew of which segments were given up meanwhile, or that was opened, and a place is looked at anew that
/// somebody may be writing.
const TRIES: u32 = 5;

/// What was found when a whole log was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyReport {
    /// Whether the log was closed cleanly. If it was not, what looks torn at its end may have been damaged as well,
    /// and nobody can tell.
    pub closed: bool,
    /// Whether somebody wrote the log meanwhile. It was verified up to [`end`](Self::end); what lies behind was not
    /// looked at.
    pub written: bool,
    /// Events that were read and are whole.
    pub events: u64,
    /// Blocks of them.
    pub blocks: u64,
    /// Segments that were read.
    pub segments: u64,
    /// Indexes that are what their segments give.
    pub indexes: u64,
    /// Runs of indexes that are what the indexes give.
    pub runs: u64,
    /// Indexes and runs that nothing could be compared with, as events before them are lost. Their checksums are
    /// right.
    pub unchecked: u64,
    /// Where the log ends.
    pub end: Option<LogPlace>,
    /// Where the remains of an interrupted write begin, and how many bytes they are. They were never acknowledged.
    pub torn: Option<(LogPlace, u64)>,
    /// What is wrong, in the order in which it was found; at most [`VERIFY_DAMAGES_MAX`].
    pub damages: Vec<Damage>,
    /// How many more there are.
    pub more_damages: u64,
    /// Files that the log has no use for any more; it removes them when it is opened.
    pub left_over: Vec<String>,
    /// Files that are none of the log's.
    pub foreign: Vec<String>,
    /// Bytes of all files of the log.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_whole(&self) -> bool {
        self.damages.is_empty()
    }

    /// Whether something is wrong that cannot be made again.
    pub fn has_lost_evidence(&self) -> bool {
        self.more_damages > 0 || self.damages.iter().any(|damage| damage.nature == Nature::Evidence)
    }
}

/// Something that is not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Damage {
    /// In which file.
    pub file: String,
    /// The first byte of what is wrong.
    pub offset: u64,
    /// The position of the first event that it concerns, if that is known.
    pub position: Option<Position>,
    /// Which stream, if it is one.
    pub stream: Option<StreamId>,
    /// What is wrong.
    pub reason: String,
    /// Whether it can be made again.
    pub nature: Nature,
}

/// What a file is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// Segments, the mark and anchors: what they said is lost.
    Evidence,
    /// Indexes and runs: they are made again from the segments.
    Derived,
}

/// Reads all of the log in a directory, and says what is wrong with it. Nothing is changed, and a log that somebody
/// writes is read up to where it ends meanwhile. It takes about 200 bytes of memory for each stream, and twice that for
/// one that was truncated. What comes before the last truncation that can be compared is read twice.
///
/// # Errors
/// Nothing can be said: there is no log, or one of another version; or the system refuses.
pub fn verify(
    directory: impl AsRef<Path>,
    progress: &mut dyn FnMut(ToolProgress),
) -> Result<VerifyReport, ToolError> {
    verify_on(&RealDisk::new(directory.as_ref()), progress)
}

/// As [`verify`], on any disk.
///
/// # Errors
/// As [`verify`].
pub fn verify_on(disk: &dyn Disk, progress: &mut dyn FnMut(ToolProgress)) -> Result<VerifyReport, ToolError> {
    let begun = Instant::now();
    for _ in 0..TRIES {
        if let Some(mut report) = Verifier::new(disk, progress)?.run()? {
            report.elapsed = begun.elapsed();
            return Ok(report);
        }
    }
    Err(ToolError::Changed { directory: disk.path(""), tries: TRIES })
}

/// How a segment ends.
enum Ending {
    /// The next one has been begun.
    Full,
    /// The log ends here, and maybe the remains of a write follow.
    Tail(Option<(LogPlace, u64)>),
    /// Somebody writes here.
    Written,
    /// It ends as no segment should.
    Wrong(u64, String),
}

/// Why a segment is not folded.
enum Unfolded {
    Damaged(String),
    Tool(ToolError),
}

impl From<ToolError> for Unfolded {
    fn from(error: ToolError) -> Self {
        Self::Tool(error)
    }
}

impl From<io::Error> for Unfolded {
    fn from(error: io::Error) -> Self {
        Self::Damaged(format!("it cannot be read: {error}"))
    }
}

impl From<&str> for Unfolded {
    fn from(reason: &str) -> Self {
        Self::Damaged(reason.into())
    }
}

/// The head of a segment and its checksum.
type CheckedHead = (SegmentHead, u32);

struct Verifier<'a> {
    disk: &'a dyn Disk,
    survey: Survey,
    log: LogId,
    mark: Option<Mark>,
    anchors: Option<IndexFile>,
    meter: Meter<'a>,
    report: VerifyReport,
    /// Where the streams stand that segments say something of.
    heads: HashMap<StreamKey, StreamHead>,
    /// Those of which events are lost, so that their chain is not known.
    doubtful: HashSet<StreamKey>,
    /// Whether everything before is known, so that indexes can be compared.
    complete: bool,
    truncations: u64,
    /// The last truncation of each stream.
    truncated: HashMap<StreamId, Truncated>,
    /// Where the segment before ended, its checksum, and the next position, as far as they are known.
    link: Option<(u64, u32)>,
    position: Option<u64>,
    timestamp: Timestamp,
}

impl<'a> Verifier<'a> {
    fn new(disk: &'a dyn Disk, progress: &'a mut dyn FnMut(ToolProgress)) -> Result<Self, ToolError> {
        let survey = Survey::new(disk)?;
        let mark = super::survey::read_mark(disk)?;
        let log = survey.log_id(disk, mark.as_ref().ok())?;
        let bytes = survey.bytes();
        let mut verifier = Self {
            disk,
            survey,
            log,
            mark: mark.ok(),
            anchors: None,
            meter: Meter::new(bytes, progress),
            report: VerifyReport { bytes, ..VerifyReport::default() },
            heads: HashMap::new(),
            doubtful: HashSet::new(),
            complete: true,
            truncations: 0,
            truncated: HashMap::new(),
            link: None,
            position: None,
            timestamp: Timestamp::default(),
        };
        verifier.report.foreign = verifier.survey.foreign.keys().cloned().collect();
        verifier.report.left_over = verifier.survey.temporary.keys().cloned().collect();
        match mark {
            Err(reason) => verifier.evidence(MARK, 0, reason),
            Ok(mark) if mark.log != log => verifier.evidence(MARK, 0, "it is that of another log"),
            Ok(_) => {}
        }
        Ok(verifier)
    }

    /// `None` if segments were given up meanwhile, or a closed log was opened.
    fn run(mut self) -> Result<Option<VerifyReport>, ToolError> {
        self.report.closed = self.mark.is_some_and(|mark| mark.closed);
        let first = self.first();
        self.open_anchors(first);
        if first == 0 && self.anchors.is_none() {
            (self.link, self.position) = (Some((0, 0)), Some(0));
        }
        let last = self.last_needed()?;
        for segment in first..=last.unwrap_or(first) {
            if last.is_none() {
                break;
            }
            let ending = self.segment(segment)?;
            self.check_runs(segment)?;
            if let Ending::Written = ending {
                self.report.written = true;
                break;
            }
        }
        self.check_truncations(first)?;
        if !self.report.written {
            self.check_prepared(last.map_or(first, |last| last + 1))?;
        }
        if last.is_none() {
            self.check_empty(first);
        }
        self.name_left_over(first);
        let now = super::survey::read_mark(self.disk)?.ok();
        // What follows the end of a log that was closed is damage, unless somebody has opened it since.
        let opened = self.report.closed && now != self.mark;
        let given_up = self.mark.is_some_and(|mark| now.is_some_and(|now| now.first != mark.first));
        self.report.written |= now != self.mark;
        Ok((!given_up && !opened).then_some(self.report))
    }

    fn damage(&mut self, damage: Damage) {
        if self.report.damages.len() < VERIFY_DAMAGES_MAX {
            self.report.damages.push(damage);
        } else {
            self.report.more_damages += 1;
        }
    }

    fn evidence(&mut self, file: &str, offset: u64, reason: impl Into<String>) {
        self.damage(Damage {
            file: file.into(),
            offset,
            position: self.position.map(Position),
            stream: None,
            reason: reason.into(),
            nature: Nature::Evidence,
        });
    }

    fn derived(&mut self, file: String, offset: u64, reason: impl Into<String>) {
        let (position, stream, nature) = (None, None, Nature::Derived);
        self.damage(Damage { file, offset, position, stream, reason: reason.into(), nature });
    }

    /// The first segment that was not given up.
    fn first(&self) -> u32 {
        let lowest = self.survey.segments.keys().next().copied();
        self.mark.map(|mark| mark.first).or(lowest).unwrap_or(0)
    }

    /// The last segment that has been begun, if one was.
    fn last_needed(&self) -> Result<Option<u32>, ToolError> {
        let marked = self.mark.filter(|mark| mark.end.offset > 0).map(|mark| mark.end.segment);
        for segment in self.survey.segments.keys().rev() {
            if marked.is_some_and(|marked| marked >= *segment) {
                break;
            }
            if self.head_of(*segment)?.is_some() {
                return Ok(Some(*segment));
            }
        }
        Ok(marked)
    }

    /// The head of a segment of this log, and its checksum.
    fn head_of(&self, segment: u32) -> Result<Option<(SegmentHead, u32)>, ToolError> {
        let head = segment_head(self.disk, segment)?.ok();
        Ok(head.filter(|(head, _)| (head.log, head.number) == (self.log, segment)))
    }

    fn open_anchors(&mut self, first: u32) {
        let expected = match self.mark {
            Some(mark) => mark.anchors,
            None => self.survey.anchors.contains_key(&first).then_some(0),
        };
        let Some(expected) = expected else { return };
        let name = anchors_name(first);
        let anchors = IndexFile::open(self.disk, &name, self.log, first);
        match anchors.and_then(|anchors| Ok((anchors.check()?, anchors))) {
            Ok((found, anchors)) if self.mark.is_none() || found == expected => {
                self.meter.add(self.survey.anchors.get(&first).copied().unwrap_or(0));
                self.truncations = anchors.head.truncations;
                self.anchors = Some(anchors);
            }
            Ok(_) => self.evidence(&name, 0, "it is not the one that the mark names"),
            Err(error) => self.evidence(&name, 0, error.to_string()),
        }
        self.complete = self.anchors.is_some();
    }

    /// Where a stream stands, as far as is known.
    fn head(&self, stream: &StreamId) -> Option<StreamHead> {
        let known = self.heads.get(&self.log.key(stream)).copied();
        // Anchors that cannot be read have been told of when they were opened.
        let anchored = || self.anchors.as_ref()?.find(self.log.key(stream)).ok().flatten();
        let given_up = self.first().saturating_sub(1);
        known.or_else(|| anchored().map(|found| StreamHead { segment: given_up, ..found.listed.head }))
    }

    /// Reads a segment, and its index.
    fn segment(&mut self, segment: u32) -> Result<Ending, ToolError> {
        let name = segment_name(segment);
        let Some(scanner) = scanner(self.disk, self.log, segment)? else {
            self.evidence(&name, 0, "it is missing");
            self.pass_over(segment)?;
            return Ok(Ending::Full);
        };
        let counted = self.meter.done();
        let ending = match self.fold(segment, scanner) {
            Ok((fold, ending)) => {
                self.take(segment, &fold, &ending)?;
                ending
            }
            Err(Unfolded::Tool(error)) => return Err(error),
            Err(Unfolded::Damaged(reason)) => self.walk(segment, &reason)?,
        };
        self.report.segments += 1;
        let bytes = self.survey.segments.get(&segment).copied().unwrap_or(0);
        let read = self.meter.done() - counted;
        self.meter.add(bytes.saturating_sub(read));
        if let Ending::Tail(torn) = ending {
            self.report.torn = torn;
        }
        Ok(ending)
    }

    /// Folds a segment in which nothing is wrong.
    fn fold(&mut self, segment: u32, mut scanner: Scanner) -> Result<(Fold, Ending), Unfolded> {
        let (head, crc) = self.checked_head(segment, &mut scanner)?;
        let index = ActiveIndex::new(segment, head.position, self.truncations);
        let mut fold = Fold::new(self.log, index, crc, head.timestamp);
        let mut tries = 0;
        loop {
            let reason = self.fold_on(&mut fold, &mut scanner)?;
            let ending = self.ending(segment, (fold.offset, Some(fold.crc)), &mut scanner, reason)?;
            match ending {
                Ending::Wrong(..) if !self.report.closed && tries < TRIES => tries += 1,
                Ending::Wrong(_, reason) => return Err(Unfolded::Damaged(reason)),
                ending => return Ok((fold, ending)),
            }
            // What somebody was writing may be whole by now.
            thread::sleep(Duration::from_millis(LOG_FOLLOW_MILLIS) / 10);
            scanner = super::survey::scanner(self.disk, self.log, segment)?.ok_or("it is missing")?;
        }
    }

    /// Folds blocks as long as there are any; why there are no more.
    fn fold_on(&mut self, fold: &mut Fold, scanner: &mut Scanner) -> Result<&'static str, Unfolded> {
        loop {
            let (place, position) = ((fold.index.segment, fold.offset), fold.index.next_position());
            self.check_mark(place, Some(position), Some(fold.crc))?;
            self.check_passed(fold)?;
            if fold.offset >= scanner.bytes() {
                return Ok("a block is missing");
            }
            let block = match scanner.block(fold.offset)? {
                Ok(block) => block,
                Err(reason) => return Ok(reason),
            };
            let before = |stream: &StreamId| Ok(self.head(stream));
            fold.block(&block, &before).map_err(|error| match error {
                FoldError::Damaged(reason) => Unfolded::Damaged(reason.into()),
                FoldError::Read(error) => Unfolded::Damaged(error.to_string()),
            })?;
            self.note_truncations(place, &block);
            self.meter.add(block.bytes() as u64);
        }
    }

    /// What the mark says about its place must be true.
    fn check_mark(
        &self,
        (segment, offset): (u32, u64),
        position: Option<u64>,
        crc: Option<u32>,
    ) -> Result<(), &'static str> {
        let Some(mark) = self.mark.filter(|mark| (mark.end.segment, mark.end.offset) == (segment, offset))
        else {
            return Ok(());
        };
        let other = position.is_some_and(|position| position != mark.position);
        if other || crc.is_some_and(|crc| crc != mark.crc) {
            return Err("the log is not what its mark says");
        }
        Ok(())
    }

    /// The place of the mark is not within a block.
    fn check_passed(&self, fold: &Fold) -> Result<(), &'static str> {
        let end = self.mark.map(|mark| mark.end).filter(|end| end.segment == fold.index.segment);
        let within =
            |offset| fold.index.last_block().is_some_and(|begin| begin < offset && offset < fold.offset);
        if end.is_some_and(|end| within(end.offset)) { Err("the mark is within a block") } else { Ok(()) }
    }

    /// The head of a segment, if nothing is wrong with it.
    fn checked_head(&self, segment: u32, scanner: &mut Scanner) -> Result<(SegmentHead, u32), Unfolded> {
        let wrong = self.wrong_with_head(segment, scanner)?;
        match wrong {
            (Some(head), None) => Ok(head),
            (_, reason) => Err(reason.unwrap_or("its head is wrong").into()),
        }
    }

    /// The head of a segment as far as it can be used, and what is wrong with it.
    fn wrong_with_head(
        &self,
        segment: u32,
        scanner: &mut Scanner,
    ) -> io::Result<(Option<CheckedHead>, Option<&'static str>)> {
        let bytes = scanner.bytes();
        let page = scanner.head()?;
        let (head, crc) = match SegmentHead::read(page) {
            Ok(head) => head,
            Err(super::format::HeaderError::Malformed(reason)) => return Ok((None, Some(reason))),
            Err(super::format::HeaderError::Version(_)) => {
                return Ok((None, Some("it is of another version")));
            }
        };
        if (head.log, head.number) != (self.log, segment) {
            return Ok((None, Some("it is another segment")));
        }
        let link = (head.previous_end, head.previous_crc);
        let wrong = if SegmentHead::padding(page).iter().any(|byte| *byte != 0) {
            Some("the padding of its head is not zero")
        } else if head.bytes != bytes {
            Some("it has another length than its head says")
        } else if self.link.is_some_and(|known| known != link) {
            Some("it does not follow the segment before it")
        } else if self.position.is_some_and(|known| known != head.position) {
            Some("its first position does not follow the segment before it")
        } else if head.timestamp < self.timestamp {
            Some("it is older than the segment before it")
        } else {
            None
        };
        Ok((Some((head, crc)), wrong))
    }

    /// Judges what lies behind the last block of a segment, where `reason` tells why none begins.
    fn ending(
        &self,
        segment: u32,
        (offset, crc): (u64, Option<u32>),
        scanner: &mut Scanner,
        reason: &str,
    ) -> Result<Ending, Unfolded> {
        if let Some((next, _)) = self.head_of(segment + 1)? {
            let linked = next.previous_end == offset && crc.is_none_or(|crc| crc == next.previous_crc);
            if !linked {
                return Ok(Ending::Wrong(offset, reason.into()));
            }
            let behind = first_not_zero(scanner, offset, u64::MAX)?;
            let wrong = |at| Ending::Wrong(at, "something lies behind the last block".into());
            return Ok(behind.map_or(Ending::Full, wrong));
        }
        let goes_on = self.last_needed()?.is_some_and(|last| last > segment);
        if goes_on && first_not_zero(scanner, offset, u64::MAX)?.is_none() {
            // The next one is missing or has a damaged head, which is told of when its turn comes.
            return Ok(Ending::Full);
        }
        let needed = self.mark.is_some_and(|Mark { end, .. }| (segment, offset) < (end.segment, end.offset));
        if goes_on || needed {
            return Ok(Ending::Wrong(offset, reason.into()));
        }
        Ok(self.tail((segment, offset), scanner, reason)?)
    }

    /// Judges what lies behind the last block of the log.
    fn tail(&self, (segment, offset): (u32, u64), scanner: &mut Scanner, reason: &str) -> io::Result<Ending> {
        let Some(at) = first_not_zero(scanner, offset, u64::MAX)? else {
            return Ok(match self.mark {
                Some(Mark { closed: true, end, .. }) if (end.segment, end.offset) != (segment, offset) => {
                    Ending::Wrong(offset, "more is there than when the log was closed".into())
                }
                _ => Ending::Tail(None),
            });
        };
        if self.report.closed {
            return Ok(Ending::Wrong(at, "something follows the place at which the log was closed".into()));
        }
        let end = scanner.end_of_content(offset, scanner.bytes())?;
        let later = scanner.find_block(offset + PAGE_BYTES as u64, end)?;
        if end - offset <= WRITE_MAX && later.is_none() {
            return Ok(Ending::Tail(Some((LogPlace { segment, offset }, end - offset))));
        }
        let again = super::survey::scanner(self.disk, self.log, segment);
        if let Ok(Some(mut again)) = again
            && again.block(offset)?.is_ok()
        {
            return Ok(Ending::Written);
        }
        Ok(Ending::Wrong(offset, format!("{reason}, and more follows than one write leaves")))
    }

    /// Takes in what a segment was folded to.
    fn take(&mut self, segment: u32, fold: &Fold, ending: &Ending) -> Result<(), ToolError> {
        if let Ending::Full = ending {
            self.check_index(segment, &fold.index)?;
        }
        for (stream, head) in fold.index.heads() {
            self.heads.insert(self.log.key(stream), *head);
        }
        self.report.events += u64::from(fold.index.events());
        self.report.blocks += fold.index.blocks() as u64;
        self.truncations = fold.index.truncations;
        (self.link, self.position) = (Some((fold.offset, fold.crc)), Some(fold.index.next_position()));
        self.timestamp = fold.timestamp;
        self.report.end = Some(LogPlace { segment, offset: fold.offset });
        Ok(())
    }

    /// What was not begun yet is zero.
    fn check_prepared(&mut self, from: u32) -> Result<(), ToolError> {
        let prepared: Vec<u32> = self.survey.segments.range(from..).map(|(segment, _)| *segment).collect();
        for segment in prepared {
            let name = segment_name(segment);
            let Some(mut scanner) = scanner(self.disk, self.log, segment)? else { continue };
            self.meter.add(scanner.bytes());
            let io = io_error(self.disk, &name);
            let Some(at) = first_not_zero(&mut scanner, 0, u64::MAX).map_err(io)? else { continue };
            if self.head_of(segment)?.is_some() {
                self.report.written = true;
                return Ok(());
            }
            let end = scanner.end_of_content(0, scanner.bytes()).map_err(io_error(self.disk, &name))?;
            let may_be_torn = !self.report.closed && segment == from && self.report.torn.is_none();
            if may_be_torn && end <= WRITE_MAX && self.is_one_write(&mut scanner, end)? {
                self.report.torn = Some((LogPlace { segment, offset: 0 }, end));
            } else {
                self.evidence(&name, at, "it was not begun, and is not zero");
            }
        }
        Ok(())
    }

    /// Whether what lies at the begin of a segment is a head and a block at most.
    fn is_one_write(&self, scanner: &mut Scanner, end: u64) -> Result<bool, ToolError> {
        let page = PAGE_BYTES as u64;
        let look = |scanner: &mut Scanner| -> io::Result<bool> {
            let next = scanner.block(page)?.map_or(page, |block| page + block.bytes() as u64);
            Ok(scanner.find_block(next, end)?.is_none())
        };
        look(scanner).map_err(io_error(self.disk, ""))
    }

    /// A log in which no segment was begun has no events since its first.
    fn check_empty(&mut self, first: u32) {
        self.report.end = Some(LogPlace { segment: first, offset: 0 });
        let wrong = self.mark.is_some_and(|mark| self.position.is_some_and(|known| known != mark.position));
        if wrong {
            self.evidence(MARK, 0, "it tells of events that are not there");
        }
    }

    /// Names files that the log removes when it is opened.
    fn name_left_over(&mut self, first: u32) {
        let end = self.report.end.map_or(first, |end| end.segment);
        let survey = &self.survey;
        let left = &mut self.report.left_over;
        left.extend(survey.segments.range(..first).map(|(segment, _)| segment_name(*segment)));
        let outside = |segment: &&u32| **segment < first || **segment >= end;
        left.extend(survey.indexes.keys().filter(outside).map(|segment| index_name(*segment)));
        let anchored = self.anchors.is_some();
        let other = |segment: &&u32| !anchored || **segment != first;
        left.extend(survey.anchors.keys().filter(other).map(|segment| anchors_name(*segment)));
        let useless = |run: &&(u32, u32)| run.1 < first || run.1 >= end;
        left.extend(survey.runs.keys().filter(useless).map(|run| run_name(*run)));
    }
}

//! Reading a whole log and comparing everything in it with everything else.
//!
//! Each segment is folded as it is when a log is opened; what comes out is compared with its index, byte for byte.
//! One that cannot be folded is walked once more, block by block, so that what is wrong with it is told in places
//! and what follows is looked at all the same. A truncation tells the chain before the first event that it keeps; that
//! is compared with the events before it as long as they are there, which takes reading them once more.

mod derived;
mod report;
mod segment;
mod truncations;
mod walk;

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::time::Instant;

use super::LogPlace;
use super::format::{LogId, Mark, SegmentHead, StreamKey, block_pages};
use super::index::{IndexFile, StreamHead};
use super::segment::{MARK, Scanner, WRITE_MAX, anchors_name, index_name, run_name, segment_name};
use super::survey::{Meter, Survey, ToolError, ToolProgress, io_error, scanner, segment_head};
use crate::disk::{Disk, PAGE_BYTES, RealDisk};
use crate::event::{Position, StreamId, Timestamp};
use crate::limits::LOG_TRIES_MAX;
pub use report::{Damage, Nature, VerifyReport};
use segment::Ending;
use truncations::Truncated;

/// Reads all of the log in a directory, and says what is wrong with it. Nothing is changed, and a log that somebody
/// writes is read up to where it ends meanwhile. It takes the memory of a table with an entry for each stream, and the
/// room that tables leave free; and another one for those that were truncated. What comes before the last truncation
/// that can be compared is read twice.
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
    for _ in 0..LOG_TRIES_MAX {
        if let Some(mut report) = Verifier::new(disk, progress)?.run()? {
            report.elapsed = begun.elapsed();
            return Ok(report);
        }
    }
    Err(ToolError::Changed { directory: disk.path(""), tries: LOG_TRIES_MAX })
}

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
        self.report.add(damage);
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

    /// What was not begun yet is zero.
    fn check_prepared(&mut self, from: u32) -> Result<(), ToolError> {
        let prepared: Vec<u32> = self.survey.segments.range(from..).map(|(segment, _)| *segment).collect();
        for segment in prepared {
            let name = segment_name(segment);
            let Some(mut scanner) = scanner(self.disk, self.log, segment)? else { continue };
            self.meter.add(scanner.bytes());
            let io = io_error(self.disk, &name);
            let Some(at) = scanner.first_not_zero(0, u64::MAX).map_err(io)? else { continue };
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
            let next =
                scanner.block_head(page)?.map_or(page, |(_, records)| page + block_pages(records) as u64);
            Ok(scanner.find_head(next, end)?.is_none())
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
        // Those that the mark names are evidence, be they whole or not.
        let anchored = self.mark.is_none_or(|mark| mark.anchors.is_some());
        let other = |segment: &&u32| !anchored || **segment != first;
        left.extend(survey.anchors.keys().filter(other).map(|segment| anchors_name(*segment)));
        let useless = |run: &&(u32, u32)| run.1 < first || run.1 >= end;
        left.extend(survey.runs.keys().filter(useless).map(|run| run_name(*run)));
    }
}

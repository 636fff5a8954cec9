//! Reading a segment in which nothing is wrong, and judging how it ends.

use std::io;
use std::thread;
use std::time::Duration;

use super::Verifier;
use crate::disk::PAGE_BYTES;
use crate::event::StreamId;
use crate::limits::{LOG_FOLLOW_MILLIS, LOG_TRIES_MAX};
use crate::log::LogPlace;
use crate::log::fold::{Fold, FoldError};
use crate::log::format::{HeaderError, Mark, SegmentHead};
use crate::log::index::ActiveIndex;
use crate::log::segment::{Scanner, WRITE_MAX, segment_name};
use crate::log::survey::{self, ToolError};

/// How a segment ends.
pub(super) enum Ending {
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
pub(super) enum Unfolded {
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
pub(super) type CheckedHead = (SegmentHead, u32);

impl Verifier<'_> {
    /// Reads a segment, and its index.
    pub(super) fn segment(&mut self, segment: u32) -> Result<Ending, ToolError> {
        let name = segment_name(segment);
        let Some(scanner) = survey::scanner(self.disk, self.log, segment)? else {
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
                Ending::Wrong(..) if !self.report.closed && tries < LOG_TRIES_MAX => tries += 1,
                Ending::Wrong(_, reason) => return Err(Unfolded::Damaged(reason)),
                ending => return Ok((fold, ending)),
            }
            // What somebody was writing may be whole by now.
            thread::sleep(Duration::from_millis(LOG_FOLLOW_MILLIS) / 10);
            scanner = survey::scanner(self.disk, self.log, segment)?.ok_or("it is missing")?;
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
    pub(super) fn check_mark(
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
    pub(super) fn wrong_with_head(
        &self,
        segment: u32,
        scanner: &mut Scanner,
    ) -> io::Result<(Option<CheckedHead>, Option<&'static str>)> {
        let bytes = scanner.bytes();
        let page = scanner.head()?;
        let (head, crc) = match SegmentHead::read(page) {
            Ok(head) => head,
            Err(HeaderError::Malformed(reason)) => return Ok((None, Some(reason))),
            Err(HeaderError::Version(_)) => {
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
    pub(super) fn ending(
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
            let behind = scanner.first_not_zero(offset, u64::MAX)?;
            let wrong = |at| Ending::Wrong(at, "something lies behind the last block".into());
            return Ok(behind.map_or(Ending::Full, wrong));
        }
        let goes_on = self.last_needed()?.is_some_and(|last| last > segment);
        if goes_on && scanner.first_not_zero(offset, u64::MAX)?.is_none() {
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
        let Some(at) = scanner.first_not_zero(offset, u64::MAX)? else {
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
        let more = match scanner.find_head(offset + PAGE_BYTES as u64, end)? {
            Some(later) => format!("another write follows at byte {later}"),
            None if end - offset <= WRITE_MAX => {
                return Ok(Ending::Tail(Some((LogPlace { segment, offset }, end - offset))));
            }
            None => "more follows than one write leaves".into(),
        };
        let again = survey::scanner(self.disk, self.log, segment);
        if let Ok(Some(mut again)) = again
            && again.block(offset)?.is_ok()
        {
            return Ok(Ending::Written);
        }
        Ok(Ending::Wrong(offset, format!("{reason}, and {more}")))
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
}

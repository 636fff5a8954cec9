//! Where the log ends: what follows its mark, and whether what follows that is torn or damaged.

use std::sync::Arc;

use super::{Opening, refused};
use crate::disk::{Access, PAGE_BYTES};
use crate::event::Timestamp;
use crate::limits::MARK_AHEAD_BYTES;
use crate::log::OpenError;
use crate::log::before::Earlier;
use crate::log::commit::Tail;
use crate::log::fold::{Fold, FoldError};
use crate::log::format::{HeaderError, LogId, Mark, Place, SegmentHead, block_pages};
use crate::log::index::ActiveIndex;
use crate::log::segment::{Scanner, WRITE_MAX, segment_name};
use crate::log::shared::Shared;

/// What is at the end of a segment.
enum End {
    /// The log ends here.
    Clean,
    /// It ends here, and so many bytes that are no block lie at a place after it.
    Torn(Place, u64),
    /// The next segment has been begun.
    Next,
}

impl Opening<'_> {
    /// Reads from the segment in which the log ended when it was marked to where it ends now.
    pub(super) fn scan(
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

    pub(super) fn check_head(
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
                if scanner.end_of_content(offset, scanner.bytes()).map_err(self.io(&name))? > offset {
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
        let end = scanner.end_of_content(offset, limit).map_err(self.io(&name))?;
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
}

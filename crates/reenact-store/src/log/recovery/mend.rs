//! Mending a log that was not closed: what is shown is made durable, and remains of interrupted work are taken away.

use std::collections::BTreeSet;
use std::io;

use super::Opening;
use crate::disk::{Access, PAGE_BYTES, PageBuffer};
use crate::log::OpenError;
use crate::log::commit::Tail;
use crate::log::format::Place;
use crate::log::segment::{anchors_name, index_name, run_name, segment_name};
use crate::log::shared::Shared;

impl Opening<'_> {
    /// Makes durable what was found: a process that was killed may have written what the disk has not kept.
    pub(super) fn sync(&self, last_block: Option<u64>, tail: &Tail) -> Result<(), OpenError> {
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
    pub(super) fn clean_up(
        &self,
        shared: &Shared,
        tail: &Tail,
        torn: Option<(Place, u64)>,
    ) -> Result<(), OpenError> {
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

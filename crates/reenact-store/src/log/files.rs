//! Files of segments and indexes that are open, and indexes that are made again from the segments.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::HashMap;

use super::before::Earlier;
use super::fold::{Fold, FoldError};
use super::format::SegmentHead;
use super::index::{ActiveIndex, AnyIndex, IndexFile, encode};
use super::segment::{Scanner, index_name, read_head_page, segment_name};
use super::shared::{Shared, damaged, is_doubt, unavailable};
use crate::disk::{Access, DiskFile, MemoryFile, replace};
use crate::limits::LOG_FILES_MAX;
use crate::store::ReadError;

/// The files of segments and indexes.
#[derive(Debug, Default)]
pub(super) struct Files {
    open: Mutex<Open>,
    /// Held by whoever writes an index that was made again.
    rebuilding: Mutex<()>,
}

impl Files {
    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Files that are open.
#[derive(Debug, Default)]
struct Open {
    segments: HashMap<u32, Arc<dyn DiskFile>>,
    indexes: HashMap<u32, Arc<IndexFile>>,
    /// Indexes that could not be put into a file. They are kept, as others may rest on them.
    made: HashMap<u32, Arc<IndexFile>>,
    /// Indexes that were read through because others were made again that may rest on them.
    checked: HashSet<u32>,
}

impl Shared {
    /// The file of a segment, for reading.
    pub(super) fn segment(&self, segment: u32) -> Result<Arc<dyn DiskFile>, ReadError> {
        if let Some(file) = self.files.open().segments.get(&segment) {
            return Ok(Arc::clone(file));
        }
        let name = segment_name(segment);
        let file = self.disk.open(&name, Access::Read).map_err(|error| unavailable(&name, &error))?;
        let mut files = self.files.open();
        make_room(&mut files.segments);
        files.segments.insert(segment, Arc::clone(&file));
        Ok(file)
    }

    /// The index of a segment that is full. One that is missing or damaged is made again.
    pub(super) fn index(&self, segment: u32) -> Result<Arc<IndexFile>, ReadError> {
        {
            let files = self.files.open();
            // One that was made again is there because that in the file is not to be trusted.
            if let Some(index) = files.made.get(&segment).or_else(|| files.indexes.get(&segment)) {
                return Ok(Arc::clone(index));
            }
        }
        let name = index_name(segment);
        match IndexFile::open(&*self.disk, &name, self.log, segment) {
            Ok(index) if self.is_index_of(&index, segment)? => Ok(self.keep(segment, index)),
            Err(error) if !is_doubt(&error) => Err(unavailable(&name, &error)),
            _ => self.rebuild(segment),
        }
    }

    fn keep(&self, segment: u32, index: IndexFile) -> Arc<IndexFile> {
        let (index, mut files) = (Arc::new(index), self.files.open());
        make_room(&mut files.indexes);
        files.indexes.insert(segment, Arc::clone(&index));
        index
    }

    /// Makes the index of a full segment again, and before it those of earlier segments that are missing: it rests
    /// on them.
    fn rebuild(&self, segment: u32) -> Result<Arc<IndexFile>, ReadError> {
        let first = self.state().first;
        for earlier in first..segment {
            if !self.has_index(earlier) {
                self.rebuild_one(earlier)?;
            }
        }
        self.rebuild_one(segment)
    }

    /// Whether there is a whole index of a full segment. Without reading all of it, each might be found damaged only
    /// while the one after it is made, one within the other.
    fn has_index(&self, segment: u32) -> bool {
        let known = {
            let files = self.files.open();
            files.checked.contains(&segment) || files.made.contains_key(&segment)
        };
        let check = || IndexFile::open(&*self.disk, &index_name(segment), self.log, segment)?.check();
        let whole = known || check().is_ok();
        if whole {
            self.files.open().checked.insert(segment);
        }
        whole
    }

    fn rebuild_one(&self, segment: u32) -> Result<Arc<IndexFile>, ReadError> {
        self.note_rebuilt();
        let bytes = encode(self.log, &self.fold_segment(segment)?);
        let name = index_name(segment);
        // Only one at a time writes; a disk that is full keeps nobody from reading.
        if let Some(_alone) = self.files.rebuilding.try_lock().ok().filter(|_| self.writable)
            && replace(&*self.disk, &name, &bytes).is_ok()
            && let Ok(index) = IndexFile::open(&*self.disk, &name, self.log, segment)
        {
            return Ok(self.keep(segment, index));
        }
        let index = IndexFile::read_from(Arc::new(MemoryFile(bytes)), self.log, segment);
        let index = Arc::new(index.map_err(|error| unavailable(&name, &error))?);
        self.files.open().made.insert(segment, Arc::clone(&index));
        Ok(index)
    }

    /// The index of a full segment, from its blocks.
    pub(super) fn fold_segment(&self, segment: u32) -> Result<ActiveIndex, ReadError> {
        let name = segment_name(segment);
        let (end, _) = self.end_of(segment)?;
        let mut scanner = Scanner::new(self.segment(segment)?, self.log, segment)
            .map_err(|error| unavailable(&name, &error))?;
        let is = (self.log, segment, scanner.bytes());
        let page = scanner.head().map_err(|error| unavailable(&name, &error))?;
        let damaged = |position, reason: &str| damaged(position, &format!("{reason}, in {name}"));
        let head = SegmentHead::read_of(page, is);
        let (head, crc) = head.map_err(|_| damaged(0, "the head of a segment is wrong"))?;
        let truncations = self.truncations_before(segment)?;
        let index = ActiveIndex::new(segment, head.position, truncations);
        let mut fold = Fold::new(self.log, index, crc, head.timestamp);
        let before = Earlier::new(self, segment);
        while fold.offset < end {
            let block = scanner.block(fold.offset).map_err(|error| unavailable(&name, &error))?;
            let position = fold.index.next_position();
            let block = block.map_err(|reason| damaged(position, reason))?;
            fold.block(&block, &before).map_err(|error| match error {
                FoldError::Damaged(reason) => damaged(position, reason),
                FoldError::Read(error) => error,
            })?;
        }
        Ok(fold.index)
    }

    /// Whether an index is that of a segment as it is, and not of one that had its number.
    fn is_index_of(&self, index: &IndexFile, segment: u32) -> Result<bool, ReadError> {
        let head = &index.head;
        Ok(head.segment == segment && (head.end, head.crc) == self.end_of(segment)?)
    }

    /// Where the last block of a full segment ends, and its checksum: the next segment says it.
    pub(super) fn end_of(&self, segment: u32) -> Result<(u64, u32), ReadError> {
        let name = segment_name(segment + 1);
        let page = read_head_page(&*self.segment(segment + 1)?);
        let page = page.map_err(|error| unavailable(&name, &error))?;
        match SegmentHead::read(&page) {
            Ok((head, _)) if head.log == self.log && head.number == segment + 1 => {
                Ok((head.previous_end, head.previous_crc))
            }
            _ => Err(damaged(0, &format!("the head of {name} is wrong"))),
        }
    }

    pub(super) fn truncations_before(&self, segment: u32) -> Result<u64, ReadError> {
        let (first, anchors) = {
            let state = self.state();
            (state.first, state.anchors.clone())
        };
        if segment <= first {
            return Ok(anchors.map_or(0, |anchors| anchors.head.truncations));
        }
        self.with_index(segment - 1, |index| Ok(index.truncations()))
    }

    /// Looks into the index of a segment, wherever it is; twice, if what is read first turns out to be damaged.
    pub(super) fn with_index<T>(
        &self,
        segment: u32,
        mut look: impl FnMut(AnyIndex<'_>) -> io::Result<T>,
    ) -> Result<T, ReadError> {
        let state = self.state();
        if let Some(index) = state.in_memory(segment) {
            return look(AnyIndex::Memory(index)).map_err(|error| unavailable(&index_name(segment), &error));
        }
        drop(state);
        self.in_file(segment, |index| look(AnyIndex::File(index)))
    }

    /// Looks into the index of a segment that is in a file. One that is found damaged is made again, and looked into
    /// once more.
    pub(super) fn in_file<T>(
        &self,
        segment: u32,
        mut look: impl FnMut(&IndexFile) -> io::Result<T>,
    ) -> Result<T, ReadError> {
        let mut looked = look(&*self.index(segment)?);
        if looked.as_ref().is_err_and(is_doubt) {
            looked = look(&*self.rebuild(segment)?);
        }
        looked.map_err(|error| unavailable(&index_name(segment), &error))
    }

    /// The segment in which a position lies, or the first one after it.
    pub(super) fn segment_of(&self, position: u64) -> Result<u32, ReadError> {
        let state = self.state();
        if let Some(index) = state
            .sealed
            .iter()
            .map(|index| &**index)
            .chain([&state.active])
            .rev()
            .find(|index| index.position <= position)
        {
            return Ok(index.segment);
        }
        let (mut low, mut high) =
            (state.first, state.sealed.front().map_or(state.active.segment, |index| index.segment));
        drop(state);
        while low + 1 < high {
            let middle = low.midpoint(high);
            if self.index(middle)?.head.position <= position { low = middle } else { high = middle }
        }
        Ok(low)
    }

    /// Forgets the files of segments that were given up.
    pub(super) fn forget_files(&self, before: u32) {
        let mut files = self.files.open();
        files.segments.retain(|segment, _| *segment >= before);
        files.indexes.retain(|segment, _| *segment >= before);
        files.made.retain(|segment, _| *segment >= before);
        files.checked.retain(|segment| *segment >= before);
    }
}

/// Makes room for one more.
fn make_room<T>(files: &mut HashMap<u32, T>) {
    if files.len() >= LOG_FILES_MAX
        && let Some(one) = files.keys().next().copied()
    {
        files.remove(&one);
    }
}

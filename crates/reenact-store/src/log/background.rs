//! What is done beside committing: preparing segments ahead of need, and writing the indexes of full ones.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::format::block_room;
use super::index::{IndexFile, Last, RunFile, encode, encode_run, merge};
use super::segment::{index_name, run_name, segment_name};
use super::shared::{Run, Shared};
use crate::disk::{Disk, PAGE_BYTES, replace, write_zeros};
use crate::limits::SEGMENTS_AHEAD_MAX;

/// Makes the files of segments.
#[derive(Debug)]
pub(super) struct Segments {
    disk: Arc<dyn Disk>,
    /// Bytes of the segments that are made.
    pub(super) bytes: u64,
    /// The first segment that has no file yet.
    next: Mutex<u32>,
    /// The same, for who must not wait until one is made.
    made: AtomicU32,
    /// How many segments there should be ahead. It grows when one was not there in time.
    ahead: AtomicU32,
}

impl Segments {
    pub(super) fn new(disk: Arc<dyn Disk>, bytes: u64, next: u32) -> Self {
        let (made, ahead) = (AtomicU32::new(next), AtomicU32::new(1));
        Self { disk, bytes, next: Mutex::new(next), made, ahead }
    }

    /// Bytes of records that one takes in one block.
    pub(super) fn room(&self) -> usize {
        block_room(self.bytes as usize - PAGE_BYTES)
    }

    fn next(&self) -> MutexGuard<'_, u32> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sees to it that a segment has its file, now.
    pub(super) fn ensure(&self, segment: u32) -> io::Result<()> {
        if self.made.load(Ordering::Acquire) > segment {
            return Ok(());
        }
        let mut next = self.next();
        if *next == 0 {
            // A log that begins is in no hurry.
            self.make_next(&mut next, true)?;
        }
        while *next <= segment {
            let ahead = self.ahead.load(Ordering::Relaxed);
            self.ahead.store((ahead + 1).min(SEGMENTS_AHEAD_MAX), Ordering::Relaxed);
            // Zeros that are only promised do for one that is needed at once.
            self.make_next(&mut next, false)?;
        }
        Ok(())
    }

    /// Makes one segment, if there are too few ahead of the one that is written; whether it did.
    pub(super) fn step(&self, (active, written): (u32, u64)) -> io::Result<bool> {
        let mut next = self.next();
        if *next > self.wanted((active, written)) {
            return Ok(false);
        }
        self.make_next(&mut next, true)?;
        Ok(true)
    }

    /// The last segment that there should be.
    fn wanted(&self, (active, written): (u32, u64)) -> u32 {
        let ahead = self.ahead.load(Ordering::Relaxed);
        // A log that is hardly written to needs no second segment.
        active + if ahead == 1 && written < self.bytes / 2 { 0 } else { ahead }
    }

    /// Whether [`step`](Self::step) has something to do. It does not wait for one that is at work.
    pub(super) fn is_wanted(&self, written: (u32, u64)) -> bool {
        self.next.try_lock().is_ok_and(|next| *next <= self.wanted(written))
    }

    fn make_next(&self, next: &mut u32, zeros: bool) -> io::Result<()> {
        self.make(*next, zeros)?;
        *next += 1;
        self.made.store(*next, Ordering::Release);
        Ok(())
    }

    /// A file of zeros under its name, both durable. Zeros that were written are faster to write over than those
    /// that are only promised.
    fn make(&self, segment: u32, zeros: bool) -> io::Result<()> {
        let name = segment_name(segment);
        let temporary = format!("{name}.new");
        let make = || {
            let file = self.disk.allocate(&temporary, self.bytes)?;
            if zeros {
                write_zeros(&*file, self.bytes)?;
            }
            file.sync()?;
            self.disk.rename(&temporary, &name)?;
            self.disk.sync_names()
        };
        make().inspect_err(|_| {
            // If it cannot be removed now, it is made anew in its place.
            let _left = self.disk.remove(&temporary);
        })
    }
}

/// Writes the index of the oldest full segment that has none, or merges two runs; whether there was something to
/// do.
pub(super) fn index_step(shared: &Shared) -> io::Result<bool> {
    let _one_at_a_time = shared.indexing();
    let Some(index) = shared.state().sealed.front().cloned() else { return merge_step(shared) };
    let segment = index.segment;
    replace(&*shared.disk, &index_name(segment), &encode(shared.log, &index))?;
    let mut state = shared.state_mut();
    state.sealed.pop_front();
    state.runs.push(Run { first: segment, last: segment, file: None });
    drop(state);
    // So that nobody waits for it when the next segment is full.
    shared.advance_mark(None)?;
    Ok(true)
}

/// Makes one run of the last two, if they are of one length.
fn merge_step(shared: &Shared) -> io::Result<bool> {
    let runs = shared.state().runs.clone();
    let [.., early, late] = &runs[..] else { return Ok(false) };
    if early.length() > late.length() {
        return Ok(false);
    }
    let merged = merge(&streams(shared, early)?, &streams(shared, late)?);
    let extent = (early.first, late.last);
    let name = run_name(extent);
    replace(&*shared.disk, &name, &encode_run(shared.log, extent, &merged))?;
    let file = RunFile::open(&*shared.disk, &name, shared.log, extent)?;
    let run = Run { first: extent.0, last: extent.1, file: Some(Arc::new(file)) };
    let mut state = shared.state_mut();
    let keep = state.runs.len() - 2;
    state.runs.truncate(keep);
    state.runs.push(run);
    drop(state);
    for run in [early, late].into_iter().filter(|run| run.file.is_some()) {
        // If it is left, it is removed when the log is opened again.
        let _left = shared.disk.remove(&run_name((run.first, run.last)));
    }
    Ok(true)
}

/// The streams of a run, sorted.
fn streams(shared: &Shared, run: &Run) -> io::Result<Vec<Last>> {
    if let Some(file) = &run.file {
        return file.streams();
    }
    let keys = shared.in_file(run.first, IndexFile::keys).map_err(io::Error::other)?;
    Ok(keys.into_iter().map(|key| (key, run.first)).collect())
}

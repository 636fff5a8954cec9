//! Making the files of segments, ahead of need.

use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::format::block_room;
use super::segment::segment_name;
use crate::disk::{Disk, PAGE_BYTES, write_zeros};
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

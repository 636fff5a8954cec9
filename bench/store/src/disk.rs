//! What the disk does without any store: the bound of all that acknowledge what is synced.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::drive::Measured;
use crate::workload::EVENT_BYTES_MIN;

/// Bytes that are written at once, or a multiple of it; and how their place in memory is aligned.
const BLOCK_BYTES: usize = 4_096;
/// Bytes of the file, which is written from its beginning again when it is full.
const FILE_BYTES: usize = 64 << 20;

/// Bytes of the block that holds so many events.
pub fn block_bytes(events: u64) -> usize {
    (events as usize * EVENT_BYTES_MIN).next_multiple_of(BLOCK_BYTES)
}

/// Writes one block of `events` events after the other past the page cache, each synced before the next, into a file
/// that has been zeroed before.
pub fn measure(folder: &Path, events: u64, length: Duration) -> Result<Measured> {
    let path = folder.join("limit");
    zero(&path)?;
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_DIRECT | libc::O_DSYNC);
    let file = options.open(&path).context("the disk refuses direct writes")?;
    let bytes = block_bytes(events);
    let mut memory = vec![0; bytes + BLOCK_BYTES];
    let start = memory.as_ptr().align_offset(BLOCK_BYTES);
    let block = &mut memory[start..start + bytes];
    block.fill(0x5a);
    let (begin, mut micros) = (Instant::now(), Vec::new());
    for offset in (0..FILE_BYTES - bytes).step_by(bytes).cycle() {
        let before = Instant::now();
        file.write_all_at(block, offset as u64)?;
        micros.push(before.elapsed().as_micros() as u32);
        if begin.elapsed() > length {
            break;
        }
    }
    Ok(Measured::new(&micros, events, begin.elapsed()))
}

fn zero(path: &Path) -> Result<()> {
    let mut file = File::create(path)?;
    let zeros = vec![0; 1 << 20];
    for _ in 0..FILE_BYTES / zeros.len() {
        file.write_all(&zeros)?;
    }
    Ok(file.sync_all()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_holds_its_events() {
        let check = |events, bytes| assert_eq!(block_bytes(events), bytes, "{events}");
        check(1, 4_096);
        check(16, 4_096);
        check(256, 32_768);
    }
}

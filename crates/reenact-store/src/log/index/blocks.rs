//! Looking for the block of an event in the table of an index file.

use std::io;

use super::file::{BLOCK_BYTES, IndexFile, field};
use crate::event::Timestamp;

/// Blocks that are read at once when one is looked for.
const WINDOW_BLOCKS: u32 = 128;

impl IndexFile {
    /// When each of these events was committed. They must be in order.
    pub(in crate::log) fn timestamps(&self, events: &[u32]) -> io::Result<Vec<Timestamp>> {
        let mut window = BlockWindow::default();
        events.iter().map(|event| self.timestamp(*event, &mut window)).collect()
    }

    /// When an event was committed: it is the time of the last block that begins at or before it. `window` holds
    /// blocks that were read for an event before it.
    fn timestamp(&self, event: u32, window: &mut BlockWindow) -> io::Result<Timestamp> {
        let (mut low, mut high) = (window.low(event), self.head.blocks);
        // Blocks are mostly alike, so that the place of one can be guessed. Where they are not, each second look
        // halves what is left.
        let mut guessed = false;
        while low < high {
            if let Some(timestamp) = window.timestamp(event, self.head.blocks) {
                return Ok(timestamp);
            }
            let part = u64::from(event) * u64::from(self.head.blocks) / u64::from(self.head.events.max(1));
            let middle = if guessed { low.midpoint(high) } else { (part as u32).clamp(low, high - 1) };
            guessed = !guessed;
            let first =
                middle.saturating_sub(WINDOW_BLOCKS / 2).min(high.saturating_sub(WINDOW_BLOCKS)).max(low);
            let count = WINDOW_BLOCKS.min(self.head.blocks - first);
            let at = self.head.blocks_at() + u64::from(first) * BLOCK_BYTES as u64;
            let bytes = self.read(u64::from(count) * BLOCK_BYTES as u64, at)?;
            *window = BlockWindow { first, bytes };
            if window.begins(0) > event {
                high = first;
            } else {
                low = low.max(window.low(event));
            }
        }
        Ok(Timestamp::default())
    }
}

/// Some neighbours of the table of blocks.
#[derive(Debug, Default)]
struct BlockWindow {
    /// The number of the first.
    first: u32,
    bytes: Vec<u8>,
}

impl BlockWindow {
    fn count(&self) -> usize {
        self.bytes.len() / BLOCK_BYTES
    }

    /// The first event of one of them.
    fn begins(&self, at: usize) -> u32 {
        u32::from_le_bytes(field(&self.bytes[at * BLOCK_BYTES..]))
    }

    /// A block that begins at or before an event, or the first of all.
    fn low(&self, event: u32) -> u32 {
        match self.count().checked_sub(1) {
            Some(last) if self.begins(last) <= event => self.first + last as u32,
            Some(_) if self.begins(0) <= event => self.first,
            _ => 0,
        }
    }

    /// When an event was committed; `None` if it is not certain that its block is here, of `blocks` that there are.
    fn timestamp(&self, event: u32, blocks: u32) -> Option<Timestamp> {
        let (blocks_here, _) = self.bytes.as_chunks::<BLOCK_BYTES>();
        let after = blocks_here.partition_point(|block| u32::from_le_bytes(field(block)) <= event);
        let goes_on = after == self.count() && self.first + (after as u32) < blocks;
        let at = after.checked_sub(1).filter(|_| !goes_on)?;
        Some(Timestamp(u64::from_le_bytes(field(&self.bytes[at * BLOCK_BYTES + 8..]))))
    }
}

//! Entries of one length in a file, sorted by the key with which each begins.

use std::io;

use super::pieces::{Pieces, WINDOW_BYTES};
use crate::log::format::StreamKey;

/// Bytes that are read at once when an entry is looked for.
const LOOK_BYTES: usize = 4 << 10;

/// A sorted part of a file.
#[derive(Debug)]
pub(super) struct Table<'a> {
    pieces: &'a Pieces,
    at: u64,
    count: u64,
    entry: usize,
}

impl<'a> Table<'a> {
    /// `count` entries of `entry` bytes that begin at byte `at`.
    pub(super) fn new(pieces: &'a Pieces, at: u64, count: u64, entry: usize) -> Self {
        Self { pieces, at, count, entry }
    }

    /// The entry with a key.
    pub(super) fn find(&self, key: StreamKey) -> io::Result<Option<Vec<u8>>> {
        let (mut low, mut high) = (0, self.count);
        // Keys are spread evenly, so that the place of one can be guessed from it.
        let (mut low_key, mut high_key) = (0, u128::MAX);
        let window = (LOOK_BYTES / self.entry) as u64;
        while low < high {
            let guess = low + guess(key.0, (low_key, high_key), high - low);
            let begin = guess.saturating_sub(window / 2).min(high.saturating_sub(window)).max(low);
            let entries = self.read(begin, window.min(high - begin))?;
            let keys: Vec<u128> = entries.chunks_exact(self.entry).map(|entry| key_of(entry).0).collect();
            let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return Ok(None) };
            if key.0 < *first {
                (high, high_key) = (begin, *first);
            } else if key.0 > *last {
                (low, low_key) = (begin + keys.len() as u64, *last);
            } else {
                let at = keys.binary_search(&key.0).ok();
                return Ok(at.map(|at| entries[at * self.entry..(at + 1) * self.entry].to_vec()));
            }
        }
        Ok(None)
    }

    /// How many entries a part has, but for the last.
    pub(super) fn part_entries(&self) -> u64 {
        (WINDOW_BYTES / self.entry) as u64
    }

    /// Some entries, from the one with a number on; none after the last.
    pub(super) fn part(&self, first: u64) -> io::Result<Vec<u8>> {
        self.read(first, self.count.saturating_sub(first).min(self.part_entries()))
    }

    fn read(&self, first: u64, count: u64) -> io::Result<Vec<u8>> {
        self.pieces.read(count * self.entry as u64, self.at + first * self.entry as u64)
    }
}

/// Where among `count` entries between two keys the one with `key` is, about.
fn guess(key: u128, (low, high): (u128, u128), count: u64) -> u64 {
    let part = |key: u128| (key.saturating_sub(low) >> 64) as f64;
    let span = part(high).max(1.0);
    ((part(key) / span * count as f64) as u64).min(count.saturating_sub(1))
}

pub(super) fn key_of(entry: &[u8]) -> StreamKey {
    StreamKey(u128::from_le_bytes(*entry.first_chunk().expect("an entry begins with a key")))
}

//! Small named files that can be made again at any time.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crc32c::{crc32c, crc32c_append};
use thiserror::Error;

use crate::event::StreamId;
use crate::files::create_dir_durably;
use crate::limits::DERIVED_BYTES_MAX;

const MAGIC: [u8; 4] = *b"RDRV";
/// Magic and checksum.
const HEAD_BYTES: usize = 8;

/// Why a derived file was not kept or found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DerivedError {
    /// More bytes than a derived file may have.
    #[error("a derived file of {bytes} bytes, where at most {limit} are allowed")]
    TooLarge {
        /// As given.
        bytes: usize,
        /// [`DERIVED_BYTES_MAX`].
        limit: usize,
    },
    /// The system refuses something.
    #[error("failed to use {}", path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> DerivedError {
    move |source| DerivedError::Io { path: path.to_owned(), source }
}

/// What was worked out from events and can be worked out again, in a file for each name: names are those of
/// streams.
///
/// A file is replaced as a whole. None is synced: one that a crash or damage has spoiled is as one that was
/// never there. One process at a time uses the directory. All calls block.
#[derive(Debug)]
pub struct DerivedDir {
    path: PathBuf,
    /// How many temporary files there were, so that each has its own name.
    temporaries: AtomicU64,
}

impl DerivedDir {
    /// Opens a directory, or begins one, and removes what interrupted writes have left there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DerivedError> {
        let path = path.as_ref().to_owned();
        create_dir_durably(&path).map_err(at(&path))?;
        for entry in fs::read_dir(&path).map_err(at(&path))? {
            let entry = entry.map_err(at(&path))?.path();
            // No name of a stream has a point in it.
            if entry.extension().is_some_and(|extension| extension == "new") {
                fs::remove_file(&entry).map_err(at(&entry))?;
            }
        }
        Ok(Self { path, temporaries: AtomicU64::new(0) })
    }

    /// Keeps `bytes` under a name, in place of what was there.
    ///
    /// # Errors
    /// They are too many, or the system refuses.
    pub fn put(&self, name: &StreamId, bytes: &[u8]) -> Result<(), DerivedError> {
        if bytes.len() > DERIVED_BYTES_MAX {
            return Err(DerivedError::TooLarge { bytes: bytes.len(), limit: DERIVED_BYTES_MAX });
        }
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path.join(format!("{number}.new"));
        let mut file = Vec::with_capacity(HEAD_BYTES + bytes.len());
        file.extend_from_slice(&MAGIC);
        file.extend_from_slice(&checksum(name, bytes).to_le_bytes());
        file.extend_from_slice(bytes);
        let written = fs::write(&temporary, &file);
        written.and_then(|()| fs::rename(&temporary, self.file(name))).map_err(at(&temporary))
    }

    /// What is kept under a name; `None` if nothing whole is.
    ///
    /// # Errors
    /// The system refuses.
    pub fn get(&self, name: &StreamId) -> Result<Option<Vec<u8>>, DerivedError> {
        let path = self.file(name);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(at(&path))?,
        };
        let mut bytes = Vec::new();
        let read = file.take((HEAD_BYTES + DERIVED_BYTES_MAX) as u64).read_to_end(&mut bytes);
        read.map_err(at(&path))?;
        let Some(([m0, m1, m2, m3, c0, c1, c2, c3], kept)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
            return Ok(None);
        };
        let crc = u32::from_le_bytes([*c0, *c1, *c2, *c3]);
        let whole = [*m0, *m1, *m2, *m3] == MAGIC && crc == checksum(name, kept);
        Ok(whole.then(|| kept.to_vec()))
    }

    fn file(&self, name: &StreamId) -> PathBuf {
        self.path.join(name.as_str())
    }
}

/// Also of the name, so that a file under another name is not taken for its own.
fn checksum(name: &StreamId, bytes: &[u8]) -> u32 {
    crc32c_append(crc32c(name.as_str().as_bytes()), bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> StreamId {
        StreamId::new(text).unwrap()
    }

    #[test]
    fn the_last_bytes_under_a_name_come_back() {
        let directory = tempfile::tempdir().unwrap();
        let derived = DerivedDir::open(directory.path()).unwrap();
        assert_eq!(derived.get(&name("a")).unwrap(), None);
        for bytes in [&b"one"[..], b"", b"another"] {
            derived.put(&name("a"), bytes).unwrap();
            derived.put(&name("b"), b"other").unwrap();
            assert_eq!(derived.get(&name("a")).unwrap().as_deref(), Some(bytes));
        }
        fs::write(directory.path().join("7.new"), "half").unwrap();
        let derived = DerivedDir::open(directory.path()).unwrap();
        assert_eq!(derived.get(&name("a")).unwrap().as_deref(), Some(&b"another"[..]));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_damaged_was_never_there() {
        let directory = tempfile::tempdir().unwrap();
        let derived = DerivedDir::open(directory.path()).unwrap();
        derived.put(&name("a"), b"some bytes").unwrap();
        let path = directory.path().join("a");
        let whole = fs::read(&path).unwrap();
        let check = |bytes: &[u8], named: &str| {
            fs::write(directory.path().join(named), bytes).unwrap();
            assert_eq!(derived.get(&name(named)).unwrap(), None);
        };
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            check(&flipped, "a");
        }
        (0..whole.len()).for_each(|length| check(&whole[..length], "a"));
        check(&whole, "b");
    }

    #[test]
    fn the_size_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let derived = DerivedDir::open(directory.path()).unwrap();
        let bytes = vec![0; DERIVED_BYTES_MAX + 1];
        assert!(matches!(derived.put(&name("a"), &bytes), Err(DerivedError::TooLarge { .. })));
        derived.put(&name("a"), &bytes[1..]).unwrap();
        assert_eq!(derived.get(&name("a")).unwrap().map(|bytes| bytes.len()), Some(DERIVED_BYTES_MAX));
    }
}

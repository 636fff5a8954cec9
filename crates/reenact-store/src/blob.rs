//! Bytes that are found by their hash: modules, states.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crc32c::crc32c;
use thiserror::Error;

use crate::files::{create_dir_durably, sync_dir, write_durably};
use crate::limits::BLOB_BYTES_MAX;

const MAGIC: [u8; 4] = *b"RBLB";
const PLAIN: u8 = 0;
const LZ4: u8 = 1;
/// Magic, checksum of the rest, how the bytes are kept, and how many they are.
const HEAD_BYTES: usize = 13;

/// The BLAKE3 of a blob's bytes, by which it is found.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlobHash(pub [u8; 32]);

impl BlobHash {
    /// The hash of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }

    /// The hash of 64 lowercase hexadecimal digits; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let hash = blake3::Hash::from_hex(text).ok()?;
        (hash.to_hex().as_str() == text).then(|| Self(*hash.as_bytes()))
    }
}

impl fmt::Display for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        blake3::Hash::from(self.0).to_hex().fmt(f)
    }
}

impl fmt::Debug for BlobHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BlobHash({self})")
    }
}

/// Why a blob was not kept or found.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BlobError {
    /// More bytes than a blob may have.
    #[error("a blob of {bytes} bytes, where at most {limit} are allowed")]
    TooLarge {
        /// As given.
        bytes: usize,
        /// [`BLOB_BYTES_MAX`].
        limit: usize,
    },
    /// What is kept is not what was put there. Putting the blob again mends it.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
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

fn at(path: &Path) -> impl FnOnce(io::Error) -> BlobError {
    move |source| BlobError::Io { path: path.to_owned(), source }
}

/// Blobs in a directory, each in a file named by its hash, compressed if that makes it smaller.
///
/// A blob is durable when `put` returns. One process at a time uses the directory; within it, any number of
/// threads. All calls block.
///
/// ```
/// # let directory = tempfile::tempdir()?;
/// let blobs = reenact_store::BlobDir::open(directory.path())?;
/// let hash = blobs.put(b"a module")?;
/// assert_eq!(blobs.get(hash)?.as_deref(), Some(&b"a module"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct BlobDir {
    path: PathBuf,
    /// How many temporary files there were, so that each has its own name.
    temporaries: AtomicU64,
}

impl BlobDir {
    /// Opens a directory of blobs, or begins one, and removes what interrupted writes have left there.
    ///
    /// # Errors
    /// The system refuses.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BlobError> {
        let blobs = Self { path: path.as_ref().to_owned(), temporaries: AtomicU64::new(0) };
        let temporaries = blobs.temporary_dir();
        create_dir_durably(&temporaries).map_err(at(&temporaries))?;
        for entry in fs::read_dir(&temporaries).map_err(at(&temporaries))? {
            let path = entry.map_err(at(&temporaries))?.path();
            fs::remove_file(&path).map_err(at(&path))?;
        }
        Ok(blobs)
    }

    /// Keeps a blob; if it is there already, sees to it that it is whole.
    ///
    /// # Errors
    /// The blob is too large, or the system refuses.
    pub fn put(&self, bytes: &[u8]) -> Result<BlobHash, BlobError> {
        if bytes.len() > BLOB_BYTES_MAX {
            return Err(BlobError::TooLarge { bytes: bytes.len(), limit: BLOB_BYTES_MAX });
        }
        let hash = BlobHash::of(bytes);
        let (directory, file) = self.place(hash);
        match self.get(hash) {
            // It may have been put by another thread that has not made it durable yet.
            Ok(Some(_)) => sync_dir(&directory).map_err(at(&directory))?,
            Ok(None) | Err(BlobError::Damaged { .. }) => self.write(&directory, &file, bytes)?,
            Err(error) => return Err(error),
        }
        Ok(hash)
    }

    fn write(&self, directory: &Path, file: &Path, bytes: &[u8]) -> Result<(), BlobError> {
        create_dir_durably(directory).map_err(at(directory))?;
        let number = self.temporaries.fetch_add(1, Ordering::Relaxed);
        let temporary = self.temporary_dir().join(number.to_string());
        write_durably(directory, (&temporary, file), &encode(bytes)).map_err(at(file))
    }

    /// The blob with a hash; `None` if it is not here. What is given is what was put.
    ///
    /// # Errors
    /// The blob is damaged, or the system refuses.
    pub fn get(&self, hash: BlobHash) -> Result<Option<Vec<u8>>, BlobError> {
        let (_, path) = self.place(hash);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(at(&path))?,
        };
        let mut bytes = Vec::new();
        let read = file.take((HEAD_BYTES + BLOB_BYTES_MAX) as u64 + 1).read_to_end(&mut bytes);
        read.map_err(at(&path))?;
        match decode(&bytes) {
            Ok(bytes) if BlobHash::of(&bytes) == hash => Ok(Some(bytes)),
            Ok(_) => Err(BlobError::Damaged { path, reason: "its hash is another" }),
            Err(reason) => Err(BlobError::Damaged { path, reason }),
        }
    }

    /// Whether a blob is here; it may be damaged.
    ///
    /// # Errors
    /// The system refuses.
    pub fn contains(&self, hash: BlobHash) -> Result<bool, BlobError> {
        let (_, path) = self.place(hash);
        path.try_exists().map_err(at(&path))
    }

    /// The hashes of all blobs, in their order.
    ///
    /// # Errors
    /// The system refuses.
    pub fn list(&self) -> Result<Vec<BlobHash>, BlobError> {
        let mut hashes = Vec::new();
        for first in names(&self.path)? {
            // Whatever else lies in the directory is not ours.
            if first.len() == 2 {
                let rest = names(&self.path.join(&first))?;
                hashes.extend(rest.iter().filter_map(|rest| BlobHash::from_hex(&format!("{first}{rest}"))));
            }
        }
        hashes.sort_unstable();
        Ok(hashes)
    }

    fn temporary_dir(&self) -> PathBuf {
        self.path.join("temporary")
    }

    /// The directory and the file of a blob: the first byte of its hash, and the others.
    fn place(&self, hash: BlobHash) -> (PathBuf, PathBuf) {
        let hex = hash.to_string();
        let directory = self.path.join(&hex[..2]);
        let file = directory.join(&hex[2..]);
        (directory, file)
    }
}

fn names(directory: &Path) -> Result<Vec<String>, BlobError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(at(directory))? {
        names.extend(entry.map_err(at(directory))?.file_name().into_string());
    }
    Ok(names)
}

fn encode(bytes: &[u8]) -> Vec<u8> {
    let compressed = lz4_flex::block::compress(bytes);
    let (form, kept) = if compressed.len() < bytes.len() { (LZ4, &compressed[..]) } else { (PLAIN, bytes) };
    let mut file = Vec::with_capacity(HEAD_BYTES + kept.len());
    file.extend_from_slice(&MAGIC);
    file.extend_from_slice(&[0; 4]);
    file.push(form);
    file.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    file.extend_from_slice(kept);
    let crc = crc32c(&file[8..]);
    file[4..8].copy_from_slice(&crc.to_le_bytes());
    file
}

fn decode(file: &[u8]) -> Result<Vec<u8>, &'static str> {
    let (head, kept) = file.split_first_chunk::<HEAD_BYTES>().ok_or("it is cut off")?;
    let [m0, m1, m2, m3, c0, c1, c2, c3, form, l0, l1, l2, l3] = *head;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if [m0, m1, m2, m3] != MAGIC {
        return Err("it does not begin as it should");
    }
    // The hash says whether the blob is true; this sees a flipped bit that LZ4 happens to forgive.
    if u32::from_le_bytes([c0, c1, c2, c3]) != crc32c(&file[8..]) {
        return Err("its checksum is wrong");
    }
    if length > BLOB_BYTES_MAX {
        return Err("it is longer than a blob may be");
    }
    match form {
        PLAIN => Ok(kept.to_vec()),
        // A byte of LZ4 stands for at most 255, so that the length is not believed further.
        LZ4 if length / 255 <= kept.len() => {
            lz4_flex::block::decompress(kept, length).map_err(|_| "it cannot be decompressed")
        }
        LZ4 => Err("it is too short for what it says"),
        _ => Err("it is kept in a form that is not known"),
    }
    .and_then(|bytes| if bytes.len() == length { Ok(bytes) } else { Err("it has another length") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blobs() -> [Vec<u8>; 4] {
        [Vec::new(), b"short".to_vec(), vec![7; 5_000], (0..=255).collect()]
    }

    #[test]
    fn blobs_come_back_also_when_the_directory_is_opened_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("blobs");
        let store = BlobDir::open(&path).unwrap();
        let mut hashes: Vec<_> = blobs().iter().map(|bytes| store.put(bytes).unwrap()).collect();
        fs::write(store.temporary_dir().join("9"), "half a blob").unwrap();
        let store = BlobDir::open(&path).unwrap();
        assert_eq!(fs::read_dir(store.temporary_dir()).unwrap().count(), 0);
        for (hash, bytes) in hashes.iter().zip(blobs()) {
            assert!(store.contains(*hash).unwrap());
            assert_eq!(store.get(*hash).unwrap(), Some(bytes.clone()));
            assert_eq!(store.put(&bytes).unwrap(), *hash);
        }
        hashes.sort_unstable();
        assert_eq!(store.list().unwrap(), hashes);
        let unknown = BlobHash::of(b"unknown");
        assert_eq!((store.get(unknown).unwrap(), store.contains(unknown).unwrap()), (None, false));
    }

    #[test]
    fn what_compresses_is_kept_small() {
        let directory = tempfile::tempdir().unwrap();
        let store = BlobDir::open(directory.path()).unwrap();
        let kept = |bytes: &[u8]| fs::metadata(store.place(store.put(bytes).unwrap()).1).unwrap().len();
        assert!(kept(&vec![7; 5_000]) < 100);
        let plain: Vec<u8> = (0..=255).collect();
        assert_eq!(kept(&plain), HEAD_BYTES as u64 + 256);
    }

    #[test]
    fn every_flip_and_every_cut_is_seen_and_mended() {
        let directory = tempfile::tempdir().unwrap();
        let store = BlobDir::open(directory.path()).unwrap();
        let bytes = [vec![7; 300], (0..100).collect()].concat();
        let hash = store.put(&bytes).unwrap();
        let (_, path) = store.place(hash);
        let whole = fs::read(&path).unwrap();
        let damaged = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            matches!(store.get(hash), Err(BlobError::Damaged { path: named, .. }) if named == path)
        };
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(damaged(&flipped), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(damaged(&whole[..length]), "cut at {length}");
        }
        store.put(&bytes).unwrap();
        assert_eq!(store.get(hash).unwrap(), Some(bytes));
    }

    #[test]
    fn the_size_is_bounded() {
        let directory = tempfile::tempdir().unwrap();
        let store = BlobDir::open(directory.path()).unwrap();
        let mut bytes = vec![0; BLOB_BYTES_MAX + 1];
        assert!(matches!(store.put(&bytes), Err(BlobError::TooLarge { .. })));
        bytes.pop();
        let hash = store.put(&bytes).unwrap();
        assert_eq!(store.get(hash).unwrap().map(|bytes| bytes.len()), Some(BLOB_BYTES_MAX));
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut file = encode(&[7; 300]);
        file[9..13].copy_from_slice(&(BLOB_BYTES_MAX as u32).to_le_bytes());
        let crc = crc32c(&file[8..]);
        file[4..8].copy_from_slice(&crc.to_le_bytes());
        assert_eq!(decode(&file), Err("it is too short for what it says"));
    }

    #[test]
    fn a_hash_has_one_text() {
        let hash = BlobHash::of(b"x");
        assert_eq!(BlobHash::from_hex(&hash.to_string()), Some(hash));
        assert_eq!(BlobHash::from_hex(&hash.to_string().to_uppercase()), None);
    }
}

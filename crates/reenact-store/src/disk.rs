//! Where the log meets files: a small trait, and the real disk behind it.
//!
//! ```text
//!              allocate ── write_at ── sync ── rename ── sync_names      a segment is prepared
//! Disk ─┬─ open(Commit) ── commit_at ── commit_at ── ...                 blocks are made durable
//!       └─ open(Read) ──── read_at                                       by whoever wants to know
//! ```
//!
//! Everything the log itself does with files goes through [`Disk`], so that a disk which is simulated runs the very
//! code that ships: it can lose what was not synced, fail, or be full.

use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, OFlags, fallocate};
use rustix::io::Errno;

use crate::files::{create_dir_durably, sync_dir};

/// What [`DiskFile::commit_at`] takes: buffers, offsets and lengths are multiples of this.
pub const PAGE_BYTES: usize = 4_096;

/// One directory of files, and nothing below it. Names are single components of a path.
pub trait Disk: Send + Sync + fmt::Debug {
    /// The names and lengths of all files.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn list(&self) -> io::Result<Vec<DiskEntry>>;

    /// The names of all files: what a log that is opened needs, however many there are.
    ///
    /// # Errors
    /// The directory cannot be read.
    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.list()?.into_iter().map(|entry| entry.name).collect())
    }

    /// Opens a file that is there.
    ///
    /// # Errors
    /// `NotFound` if it is not; or it cannot be opened.
    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file, empty, in place of one that has the name.
    ///
    /// # Errors
    /// It cannot be made.
    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>>;

    /// Makes a file of so many zeros, for which the room is taken, in place of one that has the name. It is
    /// durable once it is synced and its name is.
    ///
    /// # Errors
    /// There is no room (`StorageFull` and the like), or the file cannot be made.
    fn allocate(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, in place of the one that had it. Durable after [`sync_names`](Self::sync_names);
    /// until then a crash leaves the one or the other.
    ///
    /// # Errors
    /// It cannot be renamed.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; whoever has it open may go on reading it.
    ///
    /// # Errors
    /// It cannot be removed.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Makes durable which names there are.
    ///
    /// # Errors
    /// It cannot be synced; nobody knows then which names will be there.
    fn sync_names(&self) -> io::Result<()>;

    /// Takes the directory for this holder alone, until what it gives is dropped; `None` if another has it.
    ///
    /// # Errors
    /// It cannot be locked.
    fn lock(&self) -> io::Result<Option<DiskLock>>;

    /// What a file is called in messages; without a name, the directory.
    fn path(&self, name: &str) -> PathBuf;
}

/// An exclusive hold on a [`Disk`]; it ends when this is dropped.
pub type DiskLock = Box<dyn Send + Sync>;

/// A file of a [`Disk`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiskEntry {
    /// Its name.
    pub name: String,
    /// Its length.
    pub bytes: u64,
}

/// What a file is opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading.
    Read,
    /// Writing with [`DiskFile::commit_at`] and [`DiskFile::sync`].
    Commit,
}

/// An open file. Nobody else writes what it writes.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Its length.
    ///
    /// # Errors
    /// The system does not say.
    fn bytes(&self) -> io::Result<u64>;

    /// Reads exactly so many bytes. Of a file opened with [`Access::Commit`] nothing can be read.
    ///
    /// # Errors
    /// `UnexpectedEof` if the file ends before; or it cannot be read.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;

    /// Writes all bytes; they are durable after [`sync`](Self::sync). Not for a file opened with
    /// [`Access::Commit`].
    ///
    /// # Errors
    /// Nobody knows then how many were written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Writes all bytes, which are durable when it returns. The buffer's address, its length and `offset` are
    /// multiples of [`PAGE_BYTES`], and the file reaches that far already.
    ///
    /// # Errors
    /// Nobody knows then what is on the disk.
    fn commit_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;

    /// Makes durable what was written and how long the file is.
    ///
    /// # Errors
    /// Nobody knows then what is on the disk, and a second sync would not tell.
    fn sync(&self) -> io::Result<()>;
}

/// Writes a file so that it is there as a whole or not at all, durably, in place of the one that had its name.
pub(crate) fn replace(disk: &dyn Disk, name: &str, bytes: &[u8]) -> io::Result<()> {
    replace_with(disk, name, |file| file.write_at(bytes, 0))
}

/// As [`replace`], of a file that is written bit by bit.
pub(crate) fn replace_with(
    disk: &dyn Disk,
    name: &str,
    write: impl FnOnce(&dyn DiskFile) -> io::Result<()>,
) -> io::Result<()> {
    let temporary = format!("{name}.new");
    let make = || {
        let file = disk.create(&temporary)?;
        write(&*file)?;
        file.sync()?;
        disk.rename(&temporary, name)
    };
    if let Err(error) = make() {
        // Whatever is left of it is removed when the log is opened again if it cannot be now.
        let _left = disk.remove(&temporary);
        return Err(error);
    }
    disk.sync_names()
}

/// Reads a whole file of at most `limit` bytes; `None` if there is none.
pub(crate) fn read_whole(disk: &dyn Disk, name: &str, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = match disk.open(name, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let bytes = file.bytes()?;
    if bytes > limit {
        let reason = format!("it has {bytes} bytes, where at most {limit} are allowed");
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut whole = vec![0; bytes as usize];
    file.read_at(&mut whole, 0)?;
    Ok(Some(whole))
}

/// Whether an error says that there is no room.
pub(crate) fn is_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// A file that is in memory alone, for reading.
#[derive(Debug)]
pub(crate) struct MemoryFile(pub(crate) Vec<u8>);

impl DiskFile for MemoryFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let there = usize::try_from(offset).ok().and_then(|at| self.0.get(at..)?.get(..bytes.len()));
        bytes.copy_from_slice(there.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn commit_at(&self, _: &[u8], _: u64) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn sync(&self) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A buffer whose begin is a multiple of [`PAGE_BYTES`], as [`DiskFile::commit_at`] wants it.
pub(crate) struct PageBuffer {
    bytes: Vec<u8>,
    start: usize,
}

impl fmt::Debug for PageBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageBuffer({} bytes)", self.bytes().len())
    }
}

impl PageBuffer {
    /// `bytes` zeros.
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = vec![0; bytes + PAGE_BYTES];
        let start = bytes.as_ptr().align_offset(PAGE_BYTES);
        Self { bytes, start }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..self.bytes.len() - PAGE_BYTES + self.start]
    }

    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        let end = self.bytes.len() - PAGE_BYTES + self.start;
        &mut self.bytes[self.start..end]
    }
}

/// A directory of the operating system.
#[derive(Debug)]
pub struct RealDisk {
    directory: PathBuf,
}

impl RealDisk {
    /// The directory, which is made, durably, if there is none.
    ///
    /// # Errors
    /// The system refuses.
    pub fn create(directory: impl Into<PathBuf>) -> io::Result<Self> {
        let directory = directory.into();
        create_dir_durably(&directory)?;
        Ok(Self { directory })
    }

    /// The directory as it is; what is not there shows when it is used.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into() }
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<DiskEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            // A name that is no text is none of ours.
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.metadata() {
                Ok(about) if about.is_file() => entries.push(DiskEntry { name, bytes: about.len() }),
                // Removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(entries)
    }

    /// Most file systems say in the directory itself what is a file, and only the file how long it is.
    fn names(&self) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            match entry.file_type() {
                Ok(of) if of.is_file() => names.push(name),
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(names)
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let path = self.path(name);
        match access {
            Access::Read => Ok(Arc::new(RealFile { file: File::open(path)?, direct: false })),
            Access::Commit => open_for_commits(&path),
        }
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(RealFile { file: create_file(&self.path(name))?, direct: false }))
    }

    fn allocate(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        let file = RealFile { file: create_file(&self.path(name))?, direct: false };
        match fallocate(&file.file, FallocateFlags::empty(), 0, bytes) {
            Ok(()) => {}
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => write_zeros(&file, bytes)?,
            Err(error) => return Err(error.into()),
        }
        Ok(Arc::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        sync_dir(&self.directory)
    }

    fn lock(&self) -> io::Result<Option<DiskLock>> {
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(self.path("lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Box::new(file))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        // To join nothing would end the path with a slash.
        if name.is_empty() { self.directory.clone() } else { self.directory.join(name) }
    }
}

/// A file of the operating system.
#[derive(Debug)]
struct RealFile {
    file: File,
    /// Whether a write is durable when it returns, past the system's page cache.
    direct: bool,
}

fn create_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).read(true).write(true).open(path)
}

/// Opens a file for writes that are durable when they return: past the page cache where the file system lets
/// us, which saves the copy and the second call; with a sync after each write elsewhere.
fn open_for_commits(path: &Path) -> io::Result<Arc<dyn DiskFile>> {
    let flags = OFlags::DIRECT | OFlags::DSYNC;
    let direct = OpenOptions::new().write(true).custom_flags(flags.bits().cast_signed()).open(path);
    match direct {
        Ok(file) => Ok(Arc::new(RealFile { file, direct: true })),
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
            let file = OpenOptions::new().write(true).open(path)?;
            Ok(Arc::new(RealFile { file, direct: false }))
        }
        Err(error) => Err(error),
    }
}

/// Writes so many zeros from the begin of a file.
pub(crate) fn write_zeros(file: &dyn DiskFile, bytes: u64) -> io::Result<()> {
    let zeros = vec![0; 1 << 20];
    let mut offset = 0;
    while offset < bytes {
        let count = (bytes - offset).min(zeros.len() as u64);
        file.write_at(&zeros[..count as usize], offset)?;
        offset += count;
    }
    Ok(())
}

impl DiskFile for RealFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn commit_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)?;
        if self.direct { Ok(()) } else { self.file.sync_data() }
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_read_and_zeros_are_what_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::create(directory.path().join("a/b")).unwrap();
        disk.allocate("x", 3 * PAGE_BYTES as u64).unwrap().sync().unwrap();
        let mut page = PageBuffer::new(PAGE_BYTES);
        page.bytes_mut().fill(7);
        disk.open("x", Access::Commit).unwrap().commit_at(page.bytes(), PAGE_BYTES as u64).unwrap();
        let whole = read_whole(&disk, "x", 1 << 20).unwrap().unwrap();
        assert!(whole.chunks(PAGE_BYTES).zip([0, 7, 0]).all(|(page, byte)| page == [byte; PAGE_BYTES]));
        assert_eq!(read_whole(&disk, "x", 100).unwrap_err().kind(), io::ErrorKind::InvalidData);
        assert_eq!(read_whole(&disk, "y", 100).unwrap(), None);
    }

    #[test]
    fn a_file_is_replaced_as_a_whole() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(directory.path());
        replace(&disk, "x", b"first").unwrap();
        replace(&disk, "x", b"2nd").unwrap();
        assert_eq!(read_whole(&disk, "x", 9).unwrap().unwrap(), b"2nd");
        assert_eq!(disk.list().unwrap(), [DiskEntry { name: "x".into(), bytes: 3 }]);
        fs::create_dir(directory.path().join("no file")).unwrap();
        assert_eq!(disk.names().unwrap(), ["x"]);
    }

    #[test]
    fn a_directory_has_one_holder() {
        let directory = tempfile::tempdir().unwrap();
        let disk = RealDisk::new(directory.path());
        let lock = disk.lock().unwrap();
        assert!(lock.is_some() && disk.lock().unwrap().is_none());
        drop(lock);
        assert!(disk.lock().unwrap().is_some());
    }
}

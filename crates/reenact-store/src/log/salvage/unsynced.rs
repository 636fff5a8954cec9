//! A directory whose files are made durable all at once at the end, and whose mark is under another name until then.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{Access, Disk, DiskEntry, DiskFile, DiskLock, RealDisk};
use crate::files::sync_dir;
use crate::log::segment::MARK;

/// What the mark is called before everything is durable: a log without one is no log.
const UNFINISHED: &str = "mark.unfinished";

/// The directory of a log that is being made. Nothing of it is durable before [`finish`](Self::finish).
#[derive(Debug)]
pub(super) struct Unsynced {
    directory: PathBuf,
    disk: RealDisk,
}

impl Unsynced {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.into(), disk: RealDisk::new(directory) }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.join(if name == MARK { UNFINISHED } else { name })
    }

    /// Makes everything durable, and the directory a log.
    pub(super) fn finish(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            File::open(entry?.path())?.sync_all()?;
        }
        sync_dir(&self.directory)?;
        fs::rename(self.file(MARK), self.directory.join(MARK))?;
        sync_dir(&self.directory)
    }
}

impl Disk for Unsynced {
    fn list(&self) -> io::Result<Vec<DiskEntry>> {
        self.disk.list()
    }

    fn names(&self) -> io::Result<Vec<String>> {
        self.disk.names()
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        let write = access == Access::Commit;
        Ok(Arc::new(UnsyncedFile(OpenOptions::new().read(true).write(write).open(self.file(name))?)))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        let file = options.create(true).truncate(true).read(true).write(true).open(self.file(name))?;
        Ok(Arc::new(UnsyncedFile(file)))
    }

    fn allocate(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.allocate(name, bytes)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.file(from), self.file(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.file(name))
    }

    fn sync_names(&self) -> io::Result<()> {
        Ok(())
    }

    fn lock(&self) -> io::Result<Option<DiskLock>> {
        self.disk.lock()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

#[derive(Debug)]
struct UnsyncedFile(File);

impl DiskFile for UnsyncedFile {
    fn bytes(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn commit_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

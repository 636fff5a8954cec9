//! A disk that tells a test of each call that reads or changes a file, before it happens.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use reenact_store::disk::{Access, Disk, DiskEntry, DiskFile, DiskLock};

use crate::sim_disk::Call;

type Hook = dyn Fn(Call, &str) + Send + Sync;

/// A disk in front of another. The hook may wait, or panic.
pub struct HookedDisk {
    disk: Arc<dyn Disk>,
    hook: Arc<Hook>,
}

impl HookedDisk {
    /// In front of `disk`; `hook` is told what is about to happen to which file.
    pub fn before(disk: Arc<dyn Disk>, hook: impl Fn(Call, &str) + Send + Sync + 'static) -> Arc<dyn Disk> {
        Arc::new(Self { disk, hook: Arc::new(hook) })
    }

    fn file(&self, name: &str, file: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(HookedFile { file, name: name.into(), hook: Arc::clone(&self.hook) })
    }
}

impl fmt::Debug for HookedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedDisk").field("disk", &self.disk).finish_non_exhaustive()
    }
}

impl Disk for HookedDisk {
    fn list(&self) -> io::Result<Vec<DiskEntry>> {
        self.disk.list()
    }

    fn open(&self, name: &str, access: Access) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(name, self.disk.open(name, access)?))
    }

    fn create(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        (self.hook)(Call::Create, name);
        Ok(self.file(name, self.disk.create(name)?))
    }

    fn allocate(&self, name: &str, bytes: u64) -> io::Result<Arc<dyn DiskFile>> {
        (self.hook)(Call::Allocate, name);
        Ok(self.file(name, self.disk.allocate(name, bytes)?))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        (self.hook)(Call::Rename, from);
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        (self.hook)(Call::Remove, name);
        self.disk.remove(name)
    }

    fn sync_names(&self) -> io::Result<()> {
        (self.hook)(Call::SyncNames, "");
        self.disk.sync_names()
    }

    fn lock(&self) -> io::Result<Option<DiskLock>> {
        self.disk.lock()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
}

struct HookedFile {
    file: Arc<dyn DiskFile>,
    name: String,
    hook: Arc<Hook>,
}

impl fmt::Debug for HookedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HookedFile").field("file", &self.file).finish_non_exhaustive()
    }
}

impl DiskFile for HookedFile {
    fn bytes(&self) -> io::Result<u64> {
        self.file.bytes()
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        (self.hook)(Call::ReadAt, &self.name);
        self.file.read_at(bytes, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (self.hook)(Call::WriteAt, &self.name);
        self.file.write_at(bytes, offset)
    }

    fn commit_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        (self.hook)(Call::CommitAt, &self.name);
        self.file.commit_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        (self.hook)(Call::Sync, &self.name);
        self.file.sync()
    }
}

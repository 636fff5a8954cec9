//! The log's directory: who has it, and the files in it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::OpenError;
use super::format::{HEADER_BYTES, HeaderError, LogId, Mark, VERSION, read_header, write_header};
use crate::files::{create_dir_durably, write_durably};

/// A directory that is ours as long as this lives.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    /// Held for the lock on it.
    _lock: File,
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError {
    move |source| OpenError::Io { path: path.to_owned(), source }
}

fn refused(path: &Path, error: &HeaderError) -> OpenError {
    let path = path.to_owned();
    match *error {
        HeaderError::Malformed(reason) => OpenError::Damaged { path, offset: 0, reason: reason.into() },
        HeaderError::Version(actual) => OpenError::Version { path, actual, known: VERSION },
    }
}

impl Directory {
    /// Makes the directory if there is none, and locks it.
    pub(super) fn lock(path: &Path) -> Result<Self, OpenError> {
        create_dir_durably(path).map_err(at(path))?;
        let lock = path.join("lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(&lock);
        let file = file.map_err(at(&lock))?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked { directory: path.to_owned() }),
            Err(TryLockError::Error(source)) => Err(OpenError::Io { path: lock, source }),
        }
    }

    pub(super) fn log_path(&self) -> PathBuf {
        self.path.join("log")
    }

    fn mark_path(&self) -> PathBuf {
        self.path.join("mark")
    }

    /// Opens the log, or makes one if there never was any. Gives its id and the checksum of its header.
    pub(super) fn open_log(&self, mark: Option<&Mark>) -> Result<(File, LogId, u32), OpenError> {
        let path = self.log_path();
        if !path.try_exists().map_err(at(&path))? {
            if mark.is_some() {
                let reason = "it is gone, and its mark is there".into();
                return Err(OpenError::Damaged { path, offset: 0, reason });
            }
            self.write("log", &write_header(LogId::random()))?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&path).map_err(at(&path))?;
        let mut header = Vec::new();
        (&file).take(HEADER_BYTES as u64).read_to_end(&mut header).map_err(at(&path))?;
        let (log, crc) = read_header(&header).map_err(|error| refused(&path, &error))?;
        Ok((file, log, crc))
    }

    /// The mark, if one was made.
    pub(super) fn read_mark(&self) -> Result<Option<Mark>, OpenError> {
        let path = self.mark_path();
        match fs::read(&path) {
            Ok(bytes) => Mark::read(&bytes).map(Some).map_err(|error| refused(&path, &error)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(OpenError::Io { path, source }),
        }
    }

    /// Notes how far the log reaches, durably.
    pub(super) fn write_mark(&self, mark: &Mark) -> Result<(), (PathBuf, io::Error)> {
        let (path, temporary) = (self.mark_path(), self.path.join("mark.new"));
        let written = write_durably(&self.path, (&temporary, &path), &mark.write());
        written.map_err(|error| (path, error))
    }

    /// The same; but on a full disk the mark before stays, which is true of a longer log too.
    pub(super) fn write_mark_if_there_is_room(&self, mark: &Mark) -> Result<(), OpenError> {
        match self.write_mark(mark) {
            Err((_, error)) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
            Err((path, source)) => Err(OpenError::Io { path, source }),
            Ok(()) => Ok(()),
        }
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), OpenError> {
        let (path, temporary) = (self.path.join(name), self.path.join(format!("{name}.new")));
        write_durably(&self.path, (&temporary, &path), bytes).map_err(at(&path))
    }
}

//! Files that are there as a whole or not at all, and stay.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// Makes a directory and all above it, each of them durable. One that is there may have been made by a
/// process that was killed before it was durable, so that its entry above is synced as well.
pub(crate) fn create_dir_durably(directory: &Path) -> io::Result<()> {
    let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    if directory.is_dir() {
        // A directory above that may not be read is one that this process did not make.
        let _foreign = sync_dir(parent);
        return Ok(());
    }
    create_dir_durably(parent)?;
    match fs::create_dir(directory) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => sync_dir(parent),
    }
}

/// Writes a file so that it is there as a whole or not at all, in place of the one that had its name. What
/// is written is at `temporary` first; both lie in `directory`.
pub(crate) fn write_durably(
    directory: &Path,
    (temporary, name): (&Path, &Path),
    bytes: &[u8],
) -> io::Result<()> {
    let write = || {
        let mut file = File::create(temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(temporary, name)
    };
    if let Err(error) = write() {
        // Whatever is left of it is removed with the next opening if it cannot be now.
        let _left = fs::remove_file(temporary);
        return Err(error);
    }
    sync_dir(directory)
}

/// Makes durable which files a directory has.
pub(crate) fn sync_dir(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

//! Files that a command writes.

use std::fs::{self, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result, anyhow};

use crate::output::Fault;

/// Whether the output can be written, as far as can be told before there is anything to write.
pub(crate) fn check_output(path: &Path) -> Result<(), Fault> {
    let folder = folder_of(path);
    if path.is_dir() || path.file_name().is_none() || !folder.is_dir() {
        return Err(Fault::usage(anyhow!("{} is no place for a file", path.display())));
    }
    Ok(())
}

/// Writes a file whole or not at all; what is no regular file, such as a pipe, is written to as it is.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let write = || -> std::io::Result<()> {
        if path.exists() && !path.is_file() {
            return fs::write(path, bytes);
        }
        // Where the path is a link, the file it leads to is replaced.
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        // As other new files, or as the one that is replaced; the umask applies to the former.
        let permissions = path.metadata().map_or(Permissions::from_mode(0o666), |old| old.permissions());
        let mut part = tempfile::Builder::new().permissions(permissions).tempfile_in(folder_of(&path))?;
        part.write_all(bytes)?;
        part.as_file().sync_all()?;
        part.persist(&path).map(|_| ()).map_err(|error| error.error)
    };
    write().with_context(|| format!("write {}", path.display()))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

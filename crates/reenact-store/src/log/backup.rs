//! Copying a log while it is written.
//!
//! Segments that are full never change, so that a second name for each is all that it takes; of the one that is
//! written, what is durable is copied. The mark comes last: without it a directory is no log.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::commit::Tail;
use super::format::{Mark, Place};
use super::index::{ActiveIndex, encode};
use super::reader::recover_beside;
use super::recovery::{Recovery, recover};
use super::segment::{MARK, anchors_name, index_name, run_name, segment_name};
use super::shared::Shared;
use super::survey::{Meter, ToolError, ToolProgress};
use super::{LogOptions, LogPlace, OpenError};
use crate::disk::{Access, Disk, RealDisk, replace};
use crate::event::Position;
use crate::files::create_dir_durably;
use crate::limits::LOG_TRIES_MAX;

/// Bytes that are copied at once.
const COPY_BYTES: u64 = 1 << 20;

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackupReport {
    /// The position after its last event.
    pub next_position: Position,
    /// Where it ends.
    pub end: LogPlace,
    /// Segments of which it has events.
    pub segments: u64,
    /// Bytes of files that it shares with the log; they are there once, and damage to them is damage to both.
    pub linked_bytes: u64,
    /// Bytes that were copied.
    pub copied_bytes: u64,
    /// How often it was begun; more than once if segments were given up meanwhile.
    pub tries: u32,
    /// How long it took.
    pub elapsed: Duration,
}

/// Copies the log in a directory into another, which is made, or is empty, whether somebody writes the log or not.
/// What it holds is what was durable at one moment. Files that do not change are linked, and copied where they
/// cannot be, as into another file system. The destination is durable, and has no mark before it is whole. Damage in
/// the midst of the log is copied as it is; [`verify`](super::verify()) tells of it.
///
/// A file that was linked is there once, under two names: what damages it, in the log or in the backup, damages both.
/// Against a disk that fails a backup helps only on another one, or once its files have been copied;
/// [`BackupReport::linked_bytes`] says how much is shared.
///
/// # Errors
/// There is something at the destination, the log is damaged where it ends, segments of it are given up faster than
/// they are copied, or the system refuses. What was begun is taken away again.
pub fn backup(
    directory: impl AsRef<Path>,
    destination: impl AsRef<Path>,
    progress: &mut dyn FnMut(ToolProgress),
) -> Result<BackupReport, ToolError> {
    let begun = Instant::now();
    for tries in 1..=LOG_TRIES_MAX {
        let mut copy = Destination::new(destination.as_ref())?;
        match back_up(directory.as_ref(), &mut copy, progress) {
            Ok(report) => return Ok(BackupReport { tries, elapsed: begun.elapsed(), ..report }),
            Err(Failed::Tool(error)) => {
                copy.discard();
                return Err(error);
            }
            Err(Failed::GivenUp) => copy.discard(),
        }
    }
    Err(ToolError::Changed { directory: directory.as_ref().into(), tries: LOG_TRIES_MAX })
}

enum Failed {
    /// A file of the log is not there any more.
    GivenUp,
    Tool(ToolError),
}

impl<E: Into<ToolError>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::Tool(error.into())
    }
}

/// An empty directory that becomes a log, or empty again.
pub(super) struct Destination {
    pub(super) directory: PathBuf,
    /// Whether there was none before.
    made: bool,
}

impl Destination {
    pub(super) fn new(directory: &Path) -> Result<Self, ToolError> {
        let io = |source| ToolError::Io { path: directory.into(), source };
        let made = match fs::read_dir(directory) {
            Ok(mut entries) => {
                if entries.next().is_some() {
                    return Err(ToolError::NotEmpty { directory: directory.into() });
                }
                false
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => true,
            Err(error) if error.kind() == io::ErrorKind::NotADirectory && directory.exists() => {
                return Err(ToolError::NotEmpty { directory: directory.into() });
            }
            Err(error) => return Err(io(error)),
        };
        create_dir_durably(directory).map_err(io)?;
        Ok(Self { directory: directory.into(), made })
    }

    /// Takes away whatever was put there; the mark first, so that a rest of it is no log.
    pub(super) fn discard(&self) {
        // What cannot be removed now is in the way of the next one, which says so.
        let _left = fs::remove_file(self.directory.join(MARK));
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let _left = fs::remove_file(entry.path());
        }
        if self.made {
            let _left = fs::remove_dir(&self.directory);
        }
    }
}

/// A backup that is being made.
struct Copying<'a> {
    disk: &'a RealDisk,
    to: RealDisk,
    meter: Meter<'a>,
    linked_bytes: u64,
    copied_bytes: u64,
}

fn back_up(
    directory: &Path,
    destination: &mut Destination,
    progress: &mut dyn FnMut(ToolProgress),
) -> Result<BackupReport, Failed> {
    let disk = Arc::new(RealDisk::new(directory));
    let Recovery { shared, tail, mark, .. } = recover_beside(&(Arc::clone(&disk) as Arc<dyn Disk>))?;
    let to = RealDisk::new(&destination.directory);
    let segments = u64::from(tail.segment - mark.first) + u64::from(tail.offset > 0);
    let meter = Meter::new(segments * tail.bytes, progress);
    let mut copying = Copying { disk: &disk, to, meter, linked_bytes: 0, copied_bytes: 0 };
    for segment in mark.first..tail.segment {
        copying.link(&segment_name(segment))?;
    }
    copying.copy_active(&tail)?;
    copying.indexes(&shared, mark.first, tail.segment)?;
    if mark.anchors.is_some() {
        copying.link(&anchors_name(mark.first))?;
    }
    copying.finish(&tail, &mark)?;
    Ok(BackupReport {
        next_position: Position(tail.position),
        end: LogPlace { segment: tail.segment, offset: tail.offset },
        segments,
        linked_bytes: copying.linked_bytes,
        copied_bytes: copying.copied_bytes,
        tries: 0,
        elapsed: Duration::ZERO,
    })
}

impl Copying<'_> {
    fn io(&self, name: &str) -> impl FnOnce(io::Error) -> Failed {
        let path = self.to.path(name);
        move |source| match source.kind() {
            io::ErrorKind::NotFound => Failed::GivenUp,
            _ => Failed::Tool(ToolError::Io { path, source }),
        }
    }

    /// Gives a file that does not change a second name, or copies it.
    fn link(&mut self, name: &str) -> Result<(), Failed> {
        let (from, to) = (self.disk.path(name), self.to.path(name));
        let linked = match fs::hard_link(&from, &to) {
            Ok(()) => true,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(Failed::GivenUp),
            // Another file system, one without links, or one that has too many of this file.
            Err(_) => {
                fs::copy(&from, &to).map_err(self.io(name))?;
                false
            }
        };
        let file = File::open(&to).map_err(self.io(name))?;
        file.sync_all().map_err(self.io(name))?;
        let bytes = file.metadata().map_err(self.io(name))?.len();
        *if linked { &mut self.linked_bytes } else { &mut self.copied_bytes } += bytes;
        self.meter.add(bytes);
        Ok(())
    }

    /// Copies what is durable of the segment that is written, into a file of its whole length.
    fn copy_active(&mut self, tail: &Tail) -> Result<(), Failed> {
        if tail.offset == 0 {
            return Ok(());
        }
        let name = segment_name(tail.segment);
        let from = self.disk.open(&name, Access::Read).map_err(self.io(&name))?;
        let to = self.to.allocate(&name, tail.bytes).map_err(self.io(&name))?;
        let (mut buffer, mut offset) = (vec![0; COPY_BYTES as usize], 0);
        while offset < tail.offset {
            let part = &mut buffer[..(tail.offset - offset).min(COPY_BYTES) as usize];
            from.read_at(part, offset).map_err(self.io(&name))?;
            to.write_at(part, offset).map_err(self.io(&name))?;
            offset += part.len() as u64;
        }
        self.copied_bytes += offset;
        self.meter.add(offset);
        to.sync().map_err(self.io(&name))
    }

    /// The indexes of full segments, and their runs; what is not there is made.
    fn indexes(&mut self, shared: &Shared, first: u32, end: u32) -> Result<(), Failed> {
        for segment in first..end {
            let name = index_name(segment);
            let bytes = shared.state().in_memory(segment).map(|index| encode(shared.log, index));
            match bytes {
                Some(bytes) => self.write(&name, &bytes)?,
                None => match self.link(&name) {
                    Err(Failed::GivenUp) => {
                        let index: ActiveIndex = shared.fold_segment(segment).map_err(|_| Failed::GivenUp)?;
                        self.write(&name, &encode(shared.log, &index))?;
                    }
                    linked => linked?,
                },
            }
        }
        let runs = shared.state().runs.clone();
        for run in runs.iter().filter(|run| run.file.is_some()) {
            match self.link(&run_name((run.first, run.last))) {
                // It was merged with another one; the backup does without.
                Err(Failed::GivenUp) => {}
                linked => linked?,
            }
        }
        Ok(())
    }

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failed> {
        self.copied_bytes += bytes.len() as u64;
        replace(&self.to, name, bytes).map_err(self.io(name))
    }

    /// Makes the names durable, writes the mark, and reads back that it is a log.
    fn finish(&self, tail: &Tail, mark: &Mark) -> Result<(), Failed> {
        self.to.sync_names().map_err(self.io(""))?;
        let end = Place { segment: tail.segment, offset: tail.offset };
        let mark = Mark { closed: true, end, position: tail.position, crc: tail.crc, ..*mark };
        replace(&self.to, MARK, &mark.write()).map_err(self.io(MARK))?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk::new(self.to.path("")));
        match recover(&disk, &LogOptions::default(), false)? {
            Some(copy) if copy.tail.position == tail.position => Ok(()),
            _ => Err(OpenError::Damaged {
                path: self.to.path(""),
                offset: 0,
                reason: "the backup ends elsewhere than it should".into(),
            }
            .into()),
        }
    }
}

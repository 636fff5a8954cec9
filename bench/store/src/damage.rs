//! Damage to the files of a store that was closed, and what a store makes of it.

use std::collections::HashSet;
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::subject::{Read, Reads, Store};
use crate::workload::{Fill, NewEvent, Random, Stream};

/// Bytes of which some are not 0, or which hold nothing.
const SECTOR_BYTES: usize = 512;

/// What reading everything showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Finding {
    /// The store refuses to open, or an error came of some read.
    Detected(String),
    /// Everything is as it was appended.
    Equal,
    /// No error, and so many events are not there.
    Lost(u64),
    /// No error, and so many events are not what was appended.
    Wrong(u64),
}

/// Opens a store and compares all it gives with what was appended: all events, and each stream and its end.
pub fn check(open: impl FnOnce() -> Result<Box<dyn Store>>, fill: Fill) -> Finding {
    let compared = || -> Result<_> {
        let store = open()?;
        let (all, streams) = (compare_all(store.reads(), fill)?, compare_streams(store.reads(), fill)?);
        store.close()?;
        Ok((all, streams))
    };
    match compared() {
        Err(error) => Finding::Detected(format!("{error:#}")),
        Ok((all, streams)) => match (all.wrong.max(streams.wrong), all.lost(fill).max(streams.lost(fill))) {
            (0, 0) => Finding::Equal,
            (0, lost) => Finding::Lost(lost),
            (wrong, _) => Finding::Wrong(wrong),
        },
    }
}

/// What was read so far.
#[derive(Debug, Default)]
struct Compared {
    right: u64,
    wrong: u64,
    /// What was read already; twice is wrong.
    places: HashSet<(Stream, u64)>,
}

impl Compared {
    fn add(&mut self, read: Read<'_>, fill: Fill) {
        let event = NewEvent::at(read.stream, read.sequence);
        let same = read.id == event.id.as_bytes() && read.payload == event.payload;
        let there = read.sequence < fill.count(read.stream);
        if same && there && self.places.insert((read.stream, read.sequence)) {
            self.right += 1;
        } else {
            self.wrong += 1;
        }
    }

    fn lost(&self, fill: Fill) -> u64 {
        fill.events - self.right
    }
}

fn compare_all(reads: &dyn Reads, fill: Fill) -> Result<Compared> {
    let mut compared = Compared::default();
    reads.read_all(&mut |read| compared.add(read, fill))?;
    Ok(compared)
}

fn compare_streams(reads: &dyn Reads, fill: Fill) -> Result<Compared> {
    let mut compared = Compared::default();
    for stream in fill.streams() {
        let before = compared.right;
        reads.read_stream(stream, &mut |read| compared.add(read, fill))?;
        // An end that does not fit what was read is wrong, unless the stream itself is short.
        let (read, count) = (compared.right - before, reads.count(stream)?);
        compared.wrong +=
            u64::from(count > fill.count(stream) || (count != read && read == fill.count(stream)));
    }
    Ok(compared)
}

/// What is done to a folder of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// One bit is another.
    Flip {
        /// Of this file.
        file: PathBuf,
        /// In this byte.
        offset: u64,
        /// This one.
        bit: u8,
    },
    /// A file ends sooner.
    Cut {
        /// This one.
        file: PathBuf,
        /// Here.
        offset: u64,
    },
}

/// A file and the offsets of its sectors that hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its place in the folder.
    pub file: PathBuf,
    /// In order.
    pub sectors: Vec<u64>,
    /// Bytes of the file.
    pub bytes: u64,
}

/// What holds anything in a folder, and in the folders in it.
pub fn contents(folder: &Path) -> Result<Vec<Content>> {
    let mut contents = Vec::new();
    for file in files(folder)? {
        let bytes = fs::read(folder.join(&file))?;
        let held =
            bytes.chunks(SECTOR_BYTES).enumerate().filter(|(_, sector)| sector.iter().any(|byte| *byte != 0));
        let sectors: Vec<_> = held.map(|(n, _)| (n * SECTOR_BYTES) as u64).collect();
        if !sectors.is_empty() {
            contents.push(Content { file, sectors, bytes: bytes.len() as u64 });
        }
    }
    Ok(contents)
}

/// The files of a folder and of the folders in it, in the order of their names.
fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::new()]);
    while let Some(inner) = folders.pop() {
        for entry in fs::read_dir(folder.join(&inner))? {
            let entry = entry?;
            let path = inner.join(entry.file_name());
            if entry.file_type()?.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}

impl Damage {
    /// A bit of any sector that holds anything, each as likely as the others.
    pub fn flip(contents: &[Content], random: &mut Random) -> Result<Self> {
        let sectors: u64 = contents.iter().map(|content| content.sectors.len() as u64).sum();
        let mut sector = random.below(sectors.max(1));
        for Content { file, sectors, bytes } in contents {
            if let Some(begin) = sectors.get(sector as usize) {
                let offset = begin + random.below((SECTOR_BYTES as u64).min(bytes - begin));
                return Ok(Self::Flip { file: file.clone(), offset, bit: random.below(8) as u8 });
            }
            sector -= sectors.len() as u64;
        }
        anyhow::bail!("no file holds anything")
    }

    /// A cut in any file that holds anything, before the end of what it holds.
    pub fn cut(contents: &[Content], random: &mut Random) -> Result<Self> {
        let content = contents.get(random.below(contents.len().max(1) as u64) as usize);
        let Content { file, sectors, bytes } = content.context("no file holds anything")?;
        let end = sectors.last().map_or(0, |begin| (begin + SECTOR_BYTES as u64).min(*bytes));
        Ok(Self::Cut { file: file.clone(), offset: random.below(end.max(1)) })
    }

    /// Does it to the files in `folder`.
    pub fn apply(&self, folder: &Path) -> Result<()> {
        match self {
            Self::Flip { file, offset, bit } => {
                let file = OpenOptions::new().read(true).write(true).open(folder.join(file))?;
                let mut byte = [0];
                file.read_exact_at(&mut byte, *offset)?;
                file.write_all_at(&[byte[0] ^ (1 << bit)], *offset)?;
            }
            Self::Cut { file, offset } => {
                OpenOptions::new().write(true).open(folder.join(file))?.set_len(*offset)?;
            }
        }
        Ok(())
    }
}

/// Copies a folder, and the folders in it, and syncs the copies, so that nothing is written later.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)
                .with_context(|| format!("failed to copy {}", target.display()))?;
            File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: Fill = Fill { events: 40, streams: 3 };

    /// A store that gives these events.
    struct Given(Vec<(Stream, u64, NewEvent)>);

    impl Given {
        fn new() -> Self {
            let places = FILL.streams().flat_map(|stream| (0..FILL.count(stream)).map(move |n| (stream, n)));
            Self(places.map(|(stream, n)| (stream, n, NewEvent::at(stream, n))).collect())
        }
    }

    impl Reads for Given {
        fn count(&self, stream: Stream) -> Result<u64> {
            Ok(self.0.iter().filter(|(other, ..)| *other == stream).count() as u64)
        }

        fn read_stream(&self, stream: Stream, visit: &mut crate::subject::Visit<'_>) -> Result<()> {
            self.read_all(&mut |read| {
                if read.stream == stream {
                    visit(read);
                }
            })
        }

        fn read_all(&self, visit: &mut crate::subject::Visit<'_>) -> Result<()> {
            for (stream, sequence, NewEvent { id, payload }) in &self.0 {
                visit(Read { stream: *stream, sequence: *sequence, id: id.as_bytes(), payload });
            }
            Ok(())
        }
    }

    impl Store for Given {
        fn append(&self, _append: crate::workload::Append) -> crate::subject::Pending<'_> {
            unimplemented!("nothing is appended")
        }

        fn reads(&self) -> &dyn Reads {
            self
        }

        fn close(self: Box<Self>) -> Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_read_is_told_apart() {
        let check = |change: fn(&mut Given), expect| {
            let mut given = Given::new();
            change(&mut given);
            assert_eq!(check(|| Ok(Box::new(given)), FILL), expect);
        };
        check(|_| {}, Finding::Equal);
        check(|given| given.0.truncate(30), Finding::Lost(10));
        check(|given| drop(given.0.remove(7)), Finding::Lost(1));
        check(|given| given.0[7].2 = NewEvent::at(Stream(9), 9), Finding::Wrong(1));
        check(|given| given.0.push(given.0[0].clone()), Finding::Wrong(2));
        check(|given| given.0.push((Stream(2), 99, NewEvent::at(Stream(2), 99))), Finding::Wrong(2));
        let refused = super::check(|| anyhow::bail!("damaged"), FILL);
        assert_eq!(refused, Finding::Detected("damaged".into()));
    }

    #[test]
    fn damage_is_done_where_something_is() {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = vec![0; 4_096];
        bytes[1_024..1_600].fill(7);
        fs::write(folder.path().join("a"), &bytes).unwrap();
        fs::write(folder.path().join("empty"), []).unwrap();
        let found = contents(folder.path()).unwrap();
        assert_eq!(found, [Content { file: "a".into(), sectors: vec![1_024, 1_536], bytes: 4_096 }]);
        let mut random = Random::new(1);
        for _ in 0..100 {
            let Damage::Flip { offset, bit, .. } = Damage::flip(&found, &mut random).unwrap() else {
                panic!()
            };
            assert!((1_024..2_048).contains(&offset) && bit < 8);
            let Damage::Cut { offset, .. } = Damage::cut(&found, &mut random).unwrap() else { panic!() };
            assert!(offset < 2_048);
        }
    }

    #[test]
    fn a_copy_is_damaged_and_the_files_are_not() {
        let (folder, file) = (tempfile::tempdir().unwrap(), PathBuf::from("inner/a"));
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("inner")).unwrap();
        fs::write(from.join(&file), [1, 2, 3]).unwrap();
        let check = |damage: Damage, expect: &[u8]| {
            copy(&from, &to).unwrap();
            damage.apply(&to).unwrap();
            assert_eq!(fs::read(to.join("inner/a")).unwrap(), expect);
            assert_eq!(fs::read(from.join("inner/a")).unwrap(), [1, 2, 3]);
        };
        check(Damage::Flip { file: file.clone(), offset: 1, bit: 7 }, &[1, 130, 3]);
        check(Damage::Cut { file: file.clone(), offset: 1 }, &[1]);
    }
}

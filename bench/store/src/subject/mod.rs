//! The stores that are measured, behind one interface.

mod fjall;
mod jetstream;
mod okaywal;
mod postgres;
mod redb;
mod reenact;
#[cfg(feature = "rocksdb")]
mod rocksdb;
mod server;
mod sqlite;
mod umadb;

use std::fmt;
use std::path::Path;
use std::pin::Pin;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::workload::{Append, Stream};

/// An answer that is awaited.
pub type Pending<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// An event as it was read.
#[derive(Clone, Copy, Debug)]
pub struct Read<'a> {
    /// Its stream.
    pub stream: Stream,
    /// Its place in the stream.
    pub sequence: u64,
    /// Its id.
    pub id: &'a [u8],
    /// What was appended.
    pub payload: &'a [u8],
}

/// Sees each event that is read.
pub type Visit<'a> = dyn FnMut(Read<'_>) + 'a;

/// Reading, on the thread that calls. None of it is called from within a runtime. A store that is begun anew and only
/// appended to leaves it as it is.
pub trait Reads {
    /// How many events a stream has, by its last one.
    fn count(&self, _stream: Stream) -> Result<u64> {
        Ok(0)
    }

    /// The events of a stream in order.
    fn read_stream(&self, _stream: Stream, _visit: &mut Visit<'_>) -> Result<()> {
        bail!("it is not read")
    }

    /// Every event, those of one stream in order.
    fn read_all(&self, _visit: &mut Visit<'_>) -> Result<()> {
        bail!("it is not read")
    }
}

/// A store as writers see it.
pub trait Store: Send + Sync {
    /// Appends, if the stream has as many events as the append says; ready when that is synced.
    fn append(&self, append: Append) -> Pending<'_>;

    /// Its reading half.
    fn reads(&self) -> &dyn Reads;

    /// Closes it cleanly.
    fn close(self: Box<Self>) -> Result<()>;
}

/// What keeps events on behalf of a [`front`](crate::front). Dropping it closes it.
pub trait Engine: Reads + Send + Sync {
    /// Keeps the events of all appends and syncs once.
    fn write(&self, appends: &[Append]) -> Result<()>;
}

/// How appends come to a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Tasks await its own group commit.
    Own,
    /// Tasks await a group commit that is put before it.
    Front,
    /// Threads call it, each for its own append.
    Native,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Own => "own",
            Self::Front => "front",
            Self::Native => "native",
        })
    }
}

/// A kind of store.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What it is called; the crate's name, if it is in `Cargo.lock`.
    pub name: &'static str,
    /// All modes that it has.
    pub modes: &'static [Mode],
    /// Whether it runs in the process that uses it.
    pub embedded: bool,
    /// Whether events can be read.
    pub reads: bool,
    /// Opens the store in a folder that is there, or begins one.
    pub open: fn(&Path, Mode) -> Result<Box<dyn Store>>,
    /// Why it cannot be measured here, if it cannot.
    pub obstacle: fn() -> Option<String>,
}

/// The name of the store that all this is about.
pub const OURS: &str = "reenact";

/// Bytes that a store may use to cache what it reads.
const CACHE_BYTES: usize = 256 << 20;

const GROUPED: &[Mode] = &[Mode::Front, Mode::Native];
const ITSELF: &[Mode] = &[Mode::Own];

/// Every kind of store; ours first.
pub const SUBJECTS: &[Subject] = &[
    embedded(OURS, ITSELF, reenact::open),
    embedded("fjall", GROUPED, fjall::open),
    #[cfg(feature = "rocksdb")]
    embedded("rocksdb", GROUPED, rocksdb::open),
    #[cfg(not(feature = "rocksdb"))]
    Subject {
        obstacle: || Some("not built".into()),
        ..embedded("rocksdb", GROUPED, |_, _| bail!("not built"))
    },
    embedded("rusqlite", GROUPED, sqlite::open),
    embedded("redb", GROUPED, redb::open),
    embedded("umadb-core", ITSELF, umadb::open),
    Subject { reads: false, ..embedded("okaywal", GROUPED, okaywal::open) },
    Subject { obstacle: postgres::obstacle, ..server("postgres", GROUPED, postgres::open) },
    Subject { obstacle: jetstream::obstacle, ..server("jetstream", ITSELF, jetstream::open) },
];

type Open = fn(&Path, Mode) -> Result<Box<dyn Store>>;

const fn embedded(name: &'static str, modes: &'static [Mode], open: Open) -> Subject {
    Subject { name, modes, embedded: true, reads: true, open, obstacle: || None }
}

const fn server(name: &'static str, modes: &'static [Mode], open: Open) -> Subject {
    Subject { name, modes, embedded: false, reads: false, open, obstacle: || None }
}

impl Subject {
    /// The one with that name.
    pub fn named(name: &str) -> Result<Self> {
        let found = SUBJECTS.iter().find(|subject| subject.name == name);
        found.copied().with_context(|| format!("there is no store {name}"))
    }

    /// Whether it is ours.
    pub fn is_ours(&self) -> bool {
        self.name == OURS
    }

    /// The mode in which it is filled, read and opened again.
    pub fn mode(&self) -> Mode {
        self.modes[0]
    }

    /// Its version by this workspace's `Cargo.lock`.
    pub fn version(&self) -> Option<&'static str> {
        version_in(include_str!("../../Cargo.lock"), self.name)
    }
}

fn version_in<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")))?;
    entry.split_once("version = \"")?.1.split('"').next()
}

/// The key under which stores of keys and values keep an event: it sorts by stream, then by sequence.
fn key(stream: Stream, sequence: u64) -> [u8; 12] {
    let mut key = [0; 12];
    key[..4].copy_from_slice(&stream.0.to_be_bytes());
    key[4..].copy_from_slice(&sequence.to_be_bytes());
    key
}

/// What such stores keep under it.
fn value(event: &crate::workload::NewEvent) -> Vec<u8> {
    [event.id.as_bytes().as_slice(), &event.payload].concat()
}

/// Takes key and value apart again.
fn read<'a>(key: &[u8], value: &'a [u8]) -> Result<Read<'a>> {
    let (stream, sequence) = key.split_first_chunk().context("a key is too short")?;
    let (id, payload) = value.split_at_checked(16).context("a value is too short")?;
    let sequence = u64::from_be_bytes(sequence.try_into().context("a key has another length")?);
    Ok(Read { stream: Stream(u32::from_be_bytes(*stream)), sequence, id, payload })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::NewEvent;

    #[test]
    fn versions_are_those_of_the_lock() {
        let lock =
            "[[package]]\nname = \"a\"\nversion = \"1.2\"\n\n[[package]]\nname = \"ab\"\nversion = \"3\"\n";
        let check = |name, expect| assert_eq!(version_in(lock, name), expect, "{name}");
        check("a", Some("1.2"));
        check("ab", Some("3"));
        check("b", None);
    }

    #[test]
    fn keys_and_values_are_taken_apart_as_they_were_put_together() {
        let event = NewEvent::at(Stream(7), 258);
        let (key, value) = (key(Stream(7), 258), value(&event));
        let read = read(&key, &value).unwrap();
        assert_eq!((read.stream, read.sequence), (Stream(7), 258));
        assert_eq!((read.id, read.payload), (event.id.as_bytes().as_slice(), &event.payload[..]));
        assert!(super::read(&key[..11], &value).is_err());
        assert!(super::read(&key, &value[..15]).is_err());
    }
}

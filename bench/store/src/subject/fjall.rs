//! fjall: an LSM tree. Its journal is written under one lock, without group commit.

use std::path::Path;

use anyhow::Result;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};

use super::{CACHE_BYTES, Engine, Mode, Reads, Store, Visit, key, read, value};
use crate::front;
use crate::workload::{Append, Stream};

struct Fjall {
    events: Keyspace,
    database: Database,
}

pub(super) fn open(folder: &Path, mode: Mode) -> Result<Box<dyn Store>> {
    let database = Database::builder(folder).cache_size(CACHE_BYTES as u64).open()?;
    let events = database.keyspace("events", KeyspaceCreateOptions::default)?;
    front::store(Fjall { events, database }, mode)
}

impl Engine for Fjall {
    fn write(&self, appends: &[Append]) -> Result<()> {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        for append in appends {
            for (sequence, event) in append.rows() {
                batch.insert(&self.events, key(append.stream, sequence), value(event));
            }
        }
        Ok(batch.commit()?)
    }
}

impl Reads for Fjall {
    fn count(&self, stream: Stream) -> Result<u64> {
        let Some(last) = self.events.prefix(stream.0.to_be_bytes()).next_back() else { return Ok(0) };
        let (key, value) = last.into_inner()?;
        Ok(read(&key, &value)?.sequence + 1)
    }

    fn read_stream(&self, stream: Stream, visit: &mut Visit<'_>) -> Result<()> {
        visit_all(self.events.prefix(stream.0.to_be_bytes()), visit)
    }

    fn read_all(&self, visit: &mut Visit<'_>) -> Result<()> {
        visit_all(self.events.iter(), visit)
    }
}

fn visit_all(events: fjall::Iter, visit: &mut Visit<'_>) -> Result<()> {
    for event in events {
        let (key, value) = event.into_inner()?;
        visit(read(&key, &value)?);
    }
    Ok(())
}

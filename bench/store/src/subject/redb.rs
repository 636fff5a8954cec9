//! redb: a copy-on-write B-tree with one writer at a time.

use std::path::Path;

use anyhow::Result;
use redb::{Builder, Database, Range, ReadableDatabase, ReadableTable, TableDefinition};

use super::{CACHE_BYTES, Engine, Mode, Reads, Store, Visit, key, read, value};
use crate::front;
use crate::workload::{Append, Stream};

type Key = [u8; 12];
const EVENTS: TableDefinition<'_, Key, &[u8]> = TableDefinition::new("events");

struct Redb(Database);

pub(super) fn open(folder: &Path, mode: Mode) -> Result<Box<dyn Store>> {
    let database = Builder::new().set_cache_size(CACHE_BYTES).create(folder.join("events.redb"))?;
    let transaction = database.begin_write()?;
    transaction.open_table(EVENTS)?;
    transaction.commit()?;
    front::store(Redb(database), mode)
}

impl Engine for Redb {
    fn write(&self, appends: &[Append]) -> Result<()> {
        let transaction = self.0.begin_write()?;
        let mut table = transaction.open_table(EVENTS)?;
        for append in appends {
            for (sequence, event) in append.rows() {
                table.insert(key(append.stream, sequence), value(event).as_slice())?;
            }
        }
        drop(table);
        Ok(transaction.commit()?)
    }
}

impl Reads for Redb {
    fn count(&self, stream: Stream) -> Result<u64> {
        let table = self.0.begin_read()?.open_table(EVENTS)?;
        let last = table.range(key(stream, 0)..=key(stream, u64::MAX))?.next_back().transpose()?;
        last.map_or(Ok(0), |(key, value)| Ok(read(&key.value(), value.value())?.sequence + 1))
    }

    fn read_stream(&self, stream: Stream, visit: &mut Visit<'_>) -> Result<()> {
        let table = self.0.begin_read()?.open_table(EVENTS)?;
        visit_all(table.range(key(stream, 0)..=key(stream, u64::MAX))?, visit)
    }

    fn read_all(&self, visit: &mut Visit<'_>) -> Result<()> {
        visit_all(self.0.begin_read()?.open_table(EVENTS)?.iter()?, visit)
    }
}

fn visit_all(events: Range<'_, Key, &[u8]>, visit: &mut Visit<'_>) -> Result<()> {
    for event in events {
        let (key, value) = event?;
        visit(read(&key.value(), value.value())?);
    }
    Ok(())
}

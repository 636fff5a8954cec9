//! `SQLite` with a write-ahead log that is synced at each commit.

use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use rusqlite::{Connection, Params, params};

use super::{CACHE_BYTES, Engine, Mode, Read, Reads, Store, Visit};
use crate::front;
use crate::workload::{Append, Stream};

/// Pages of the write-ahead log after which it is merged into the file: 64 MiB, more than its own choice, so that
/// pages which are written again and again are merged less often.
const CHECKPOINT_PAGES: usize = 16_384;

/// One connection: `SQLite` has one writer at a time, and those who wait at a lock need not poll the file for it.
struct Sqlite(Mutex<Connection>);

pub(super) fn open(folder: &Path, mode: Mode) -> Result<Box<dyn Store>> {
    let connection = Connection::open(folder.join("events.sqlite"))?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES};
         PRAGMA cache_size = -{};
         PRAGMA mmap_size = {CACHE_BYTES};
         CREATE TABLE IF NOT EXISTS events (
             stream INTEGER NOT NULL, sequence INTEGER NOT NULL, id BLOB NOT NULL, payload BLOB NOT NULL,
             PRIMARY KEY (stream, sequence)
         ) WITHOUT ROWID;",
        CACHE_BYTES >> 10
    ))?;
    front::store(Sqlite(Mutex::new(connection)), mode)
}

impl Sqlite {
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn visit(&self, rest: &str, params: impl Params, visit: &mut Visit<'_>) -> Result<()> {
        let connection = self.connection();
        let query =
            format!("SELECT stream, sequence, id, payload FROM events {rest} ORDER BY stream, sequence");
        let mut statement = connection.prepare_cached(&query)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            let (stream, sequence) = (Stream(row.get(0)?), row.get::<_, i64>(1)?.try_into()?);
            let (id, payload) = (row.get_ref(2)?.as_blob()?, row.get_ref(3)?.as_blob()?);
            visit(Read { stream, sequence, id, payload });
        }
        Ok(())
    }
}

impl Engine for Sqlite {
    fn write(&self, appends: &[Append]) -> Result<()> {
        let mut connection = self.connection();
        let transaction = connection.transaction()?;
        let mut insert = transaction.prepare_cached("INSERT INTO events VALUES (?, ?, ?, ?)")?;
        for append in appends {
            for (sequence, event) in append.rows() {
                insert.execute(params![
                    append.stream.0,
                    sequence as i64,
                    event.id.as_bytes(),
                    &event.payload[..]
                ])?;
            }
        }
        drop(insert);
        Ok(transaction.commit()?)
    }
}

impl Reads for Sqlite {
    fn count(&self, stream: Stream) -> Result<u64> {
        let connection = self.connection();
        let mut last = connection.prepare_cached("SELECT max(sequence) FROM events WHERE stream = ?")?;
        let last: Option<i64> = last.query_row([stream.0], |row| row.get(0))?;
        Ok(last.map_or(Ok(0), |last| (last + 1).try_into())?)
    }

    fn read_stream(&self, stream: Stream, visit: &mut Visit<'_>) -> Result<()> {
        self.visit("WHERE stream = ?", [stream.0], visit)
    }

    fn read_all(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.visit("", [], visit)
    }
}

//! `RocksDB`: an LSM tree with group commit among the threads that call it.

use std::path::Path;

use anyhow::Result;
use rocksdb::{BlockBasedOptions, Cache, DB, Direction, IteratorMode, Options, WriteBatch, WriteOptions};

use super::{CACHE_BYTES, Engine, Mode, Reads, Store, Visit, key, read, value};
use crate::front;
use crate::workload::{Append, Stream};

struct Rocks(DB);

pub(super) fn open(folder: &Path, mode: Mode) -> Result<Box<dyn Store>> {
    let mut blocks = BlockBasedOptions::default();
    blocks.set_block_cache(&Cache::new_lru_cache(CACHE_BYTES));
    let mut options = Options::default();
    options.create_if_missing(true);
    options.set_block_based_table_factory(&blocks);
    options.increase_parallelism(2);
    front::store(Rocks(DB::open(&options, folder)?), mode)
}

impl Engine for Rocks {
    fn write(&self, appends: &[Append]) -> Result<()> {
        let mut batch = WriteBatch::default();
        for append in appends {
            for (sequence, event) in append.rows() {
                batch.put(key(append.stream, sequence), value(event));
            }
        }
        let mut options = WriteOptions::default();
        options.set_sync(true);
        Ok(self.0.write_opt(batch, &options)?)
    }
}

impl Reads for Rocks {
    fn count(&self, stream: Stream) -> Result<u64> {
        let end = key(stream, u64::MAX);
        let Some(last) = self.0.iterator(IteratorMode::From(&end, Direction::Reverse)).next() else {
            return Ok(0);
        };
        let (key, value) = last?;
        let last = read(&key, &value)?;
        Ok(if last.stream == stream { last.sequence + 1 } else { 0 })
    }

    fn read_stream(&self, stream: Stream, visit: &mut Visit<'_>) -> Result<()> {
        for event in self.0.iterator(IteratorMode::From(&key(stream, 0), Direction::Forward)) {
            let (key, value) = event?;
            let event = read(&key, &value)?;
            if event.stream != stream {
                break;
            }
            visit(event);
        }
        Ok(())
    }

    fn read_all(&self, visit: &mut Visit<'_>) -> Result<()> {
        for event in self.0.iterator(IteratorMode::Start) {
            let (key, value) = event?;
            visit(read(&key, &value)?);
        }
        Ok(())
    }
}

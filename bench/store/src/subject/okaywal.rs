//! okaywal: a write-ahead log with group commit, but without an index and without reads.

use std::path::Path;

use anyhow::Result;
use okaywal::{Configuration, LogVoid, WriteAheadLog};

use super::{Engine, Mode, Reads, Store};
use crate::front;
use crate::workload::Append;

/// Bytes of a segment: so many that none is given up during a measurement.
const SEGMENT_BYTES: u32 = 2 << 30;

struct Wal(WriteAheadLog);

pub(super) fn open(folder: &Path, mode: Mode) -> Result<Box<dyn Store>> {
    let configuration = Configuration::default_for(folder)
        .preallocate_bytes(SEGMENT_BYTES)
        .checkpoint_after_bytes(SEGMENT_BYTES.into())
        .buffer_bytes(1 << 20);
    front::store(Wal(configuration.open(LogVoid)?), mode)
}

impl Engine for Wal {
    fn write(&self, appends: &[Append]) -> Result<()> {
        let mut entry = self.0.begin_entry()?;
        for append in appends {
            for (sequence, event) in append.rows() {
                let key = super::key(append.stream, sequence);
                entry.write_chunk(&[&key, &super::value(event)[..]].concat())?;
            }
        }
        entry.commit()?;
        Ok(())
    }
}

impl Reads for Wal {}

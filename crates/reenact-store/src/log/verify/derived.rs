//! Comparing indexes and runs with what segments give.

use std::io;
use std::sync::Arc;

use super::Verifier;
use crate::disk::{MemoryFile, read_whole};
use crate::log::index::{ActiveIndex, IndexFile, RunFile, encode, encode_run};
use crate::log::segment::{index_name, run_name};
use crate::log::survey::{ToolError, io_error};

impl Verifier<'_> {
    /// Compares an index with the one that its segment gives.
    pub(super) fn check_index(&mut self, segment: u32, index: &ActiveIndex) -> Result<(), ToolError> {
        let name = index_name(segment);
        let Some(found) = self.read_derived(&name, self.survey.indexes.get(&segment).copied())? else {
            // Those of the last segments may not have been written yet.
            if self.survey.indexes.range(segment..).next().is_some() {
                self.derived(name, 0, "it is missing");
            }
            return Ok(());
        };
        let expected = encode(self.log, index);
        let at = found.iter().zip(&expected).position(|(a, b)| a != b);
        let at = at.or((found.len() != expected.len()).then_some(found.len().min(expected.len())));
        let Some(at) = at else {
            self.report.indexes += 1;
            return Ok(());
        };
        let first = self.first();
        let read = |bytes| {
            let index = IndexFile::read_from(Arc::new(MemoryFile(bytes)), self.log, segment)?;
            index.check().map(|_| index)
        };
        let opened = read(found);
        let has_anchors = self.mark.is_none_or(|mark| mark.anchors.is_some());
        match opened {
            Err(error) => self.derived(name, at as u64, error.to_string()),
            Ok(_) if !self.is_known() => self.report.unchecked += 1,
            Ok(opened)
                if has_anchors
                    && read(expected).and_then(|made| opened.agrees_with(&made, first)).unwrap_or(false) =>
            {
                self.report.indexes += 1;
            }
            Ok(_) => self.derived(name, at as u64, "it is not the index of its segment"),
        }
        Ok(())
    }

    /// Whether everything is known of what was read so far.
    fn is_known(&self) -> bool {
        self.complete && self.doubtful.is_empty()
    }

    /// A derived file as bytes; one that has vanished since the directory was listed was replaced by its writer.
    fn read_derived(&mut self, name: &str, bytes: Option<u64>) -> Result<Option<Vec<u8>>, ToolError> {
        let Some(bytes) = bytes else { return Ok(None) };
        self.meter.add(bytes);
        let whole = read_whole(self.disk, name, u64::MAX);
        whole.map_err(io_error(self.disk, name))
    }

    /// Compares the runs that end with a segment with what the segments give.
    pub(super) fn check_runs(&mut self, last: u32) -> Result<(), ToolError> {
        let ending: Vec<_> = self.survey.runs.keys().copied().filter(|run| run.1 == last).collect();
        for run in ending {
            let name = run_name(run);
            let Some(found) = self.read_derived(&name, self.survey.runs.get(&run).copied())? else {
                continue;
            };
            let opened = RunFile::open(self.disk, &name, self.log, run);
            let streams = match opened.and_then(|run| run.streams()) {
                Ok(streams) => streams,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    self.derived(name, 0, error.to_string());
                    continue;
                }
            };
            if !self.is_known() {
                self.report.unchecked += 1;
                continue;
            }
            let first = self.first();
            let given_up = streams.into_iter().filter(|(_, segment)| *segment < first && *segment >= run.0);
            let mut expected: Vec<_> = given_up.collect();
            let keys = self.heads.iter().filter(|(_, head)| (run.0..=last).contains(&head.segment));
            expected.extend(keys.map(|(key, head)| (*key, head.segment)));
            expected.sort_unstable();
            if encode_run(self.log, run, &expected) == found {
                self.report.runs += 1;
            } else {
                self.derived(name, 0, "it is not what the indexes give");
            }
        }
        Ok(())
    }
}

//! Giving up the oldest segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::background::write_index;
use super::format::StreamKey;
use super::index::{IndexFile, StreamHead, encode_anchors};
use super::segment::{anchors_name, index_name, run_name, segment_name};
use super::shared::{Run, Shared, unavailable};
use crate::disk::replace;
use crate::event::Position;
use crate::store::ReadError;

/// Gives up the segments whose events all come before a position; how many. Where their streams stood is kept in a
/// file of anchors, to which the mark is bound, before anything is removed.
pub(super) fn retain(shared: &Shared, from: Position) -> Result<u32, ReadError> {
    while write_index(shared).map_err(|error| unavailable("an index", &error))? {}
    // The log never ends before its first segment, also not by the mark.
    shared.advance_mark(None).map_err(|error| unavailable("the mark", &error))?;
    let first = shared.state().first;
    let kept = shared.segment_of(from.0)?.min(shared.marked().segment);
    if kept <= first {
        return Ok(0);
    }
    let heads = heads_before(shared, (first, kept))?;
    let truncations = shared.truncations_before(kept)?;
    let name = anchors_name(kept);
    let bytes = encode_anchors(shared.log, kept, truncations, &heads);
    let written = replace(&*shared.disk, &name, &bytes);
    let anchors = written.and_then(|()| IndexFile::open(&*shared.disk, &name, shared.log, kept));
    let checked = anchors.and_then(|anchors| Ok((anchors.check()?, anchors)));
    let (crc, anchors) = checked.map_err(|error| unavailable(&name, &error))?;
    let marked = shared.advance_mark(Some((kept, crc)));
    marked.map_err(|error| unavailable("the mark", &error))?;
    let runs: Vec<Run> = {
        let mut state = shared.state_mut();
        state.first = kept;
        state.anchors = Some(Arc::new(anchors));
        state.runs.extract_if(.., |run| run.last < kept).collect()
    };
    shared.forget_heads();
    shared.routes().clear();
    shared.forget_files(kept);
    for segment in first..kept {
        // What is left is removed when the log is opened again.
        let _left = shared.disk.remove(&segment_name(segment));
        let _left = shared.disk.remove(&index_name(segment));
    }
    for run in runs.into_iter().filter(|run| run.file.is_some()) {
        let _left = shared.disk.remove(&run_name((run.first, run.last)));
    }
    let _left = shared.disk.remove(&anchors_name(first));
    Ok(kept - first)
}

/// Where the streams of the segments before `kept` stood at their end.
fn heads_before(
    shared: &Shared,
    (first, kept): (u32, u32),
) -> Result<BTreeMap<StreamKey, StreamHead>, ReadError> {
    let mut heads = BTreeMap::new();
    let mut add = |index: &IndexFile| {
        for entry in index.streams() {
            let (key, found) = entry?;
            let head = found.listed.head;
            let (first, anchor) = (head.sequence.plus(1), head.chain);
            heads.insert(key, StreamHead { first, anchor, ..head });
        }
        Ok(())
    };
    let anchors = shared.state().anchors.clone();
    if let Some(anchors) = anchors {
        add(&anchors).map_err(|error| unavailable("the anchors", &error))?;
    }
    for segment in first..kept {
        shared.in_file(segment, &mut add)?;
    }
    Ok(heads)
}

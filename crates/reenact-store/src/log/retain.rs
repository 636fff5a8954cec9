//! Giving up the oldest segments.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::format::StreamKey;
use super::index::{IndexFile, StreamHead, encode_anchors};
use super::merge::write_index;
use super::segment::{anchors_name, index_name, run_name, segment_name};
use super::shared::{Run, Shared, unavailable};
use crate::disk::replace;
use crate::event::Position;
use crate::store::ReadError;

/// Gives up the segments whose events all come before a position; how many. Where their streams stood is kept in a
/// file of anchors, to which the mark is bound, before anything is removed.
///
/// All that grows with the log rests on segments that do not change any more, and is done beside those who append.
/// `alone` is called for the moment in which the segments go out of use: who appends must not be looking into them.
pub(super) fn retain<Alone>(
    shared: &Shared,
    from: Position,
    alone: impl FnOnce() -> Alone,
) -> Result<u32, ReadError> {
    let _one_at_a_time = shared.retaining();
    let first = shared.state().first;
    let kept = first_kept(shared, from)?;
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
    {
        let _alone = alone();
        let mut state = shared.state_mut();
        (state.first, state.anchors) = (kept, Some(Arc::new(anchors)));
        drop(state);
        shared.forget_heads();
        shared.routes().clear();
        shared.forget_files(kept);
    }
    remove(shared, (first, kept));
    Ok(kept - first)
}

/// The first segment that is kept: the one of a position, unless an earlier one has no index in a file yet, or is the
/// one up to which the log is marked.
fn first_kept(shared: &Shared, from: Position) -> Result<u32, ReadError> {
    let unindexed = || shared.state().sealed.front().map(|index| index.segment);
    let active = shared.state().active.segment;
    while unindexed().is_some_and(|segment| segment < active) {
        write_index(shared).map_err(|error| unavailable("an index", &error))?;
    }
    // The log never ends before its first segment, also not by the mark.
    shared.advance_mark(None).map_err(|error| unavailable("the mark", &error))?;
    Ok(shared.segment_of(from.0)?.min(shared.marked().segment).min(active))
}

/// Removes the files of segments that are not in use any more. What is left of them is removed when the log is opened
/// again.
fn remove(shared: &Shared, (first, kept): (u32, u32)) {
    let runs: Vec<Run> = {
        // Whoever merges runs counts on them.
        let _nobody_merges = shared.merging();
        let mut state = shared.state_mut();
        state.runs.extract_if(.., |run| run.last < kept).collect()
    };
    for segment in first..kept {
        let _left = shared.disk.remove(&segment_name(segment));
        let _left = shared.disk.remove(&index_name(segment));
    }
    for run in runs.into_iter().filter(|run| run.file.is_some()) {
        let _left = shared.disk.remove(&run_name((run.first, run.last)));
    }
    let _left = shared.disk.remove(&anchors_name(first));
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

//! The indexes of full segments: writing them, and merging those of neighbours into runs.

use std::io;
use std::sync::Arc;

use super::index::{RunFile, Streams, encode, write_merged};
use super::segment::{index_name, run_name};
use super::shared::{Run, Shared, is_doubt};
use crate::disk::{DiskFile, replace, replace_with};

/// Writes the index of the oldest full segment that has none; whether there was one.
pub(super) fn write_index(shared: &Shared) -> io::Result<bool> {
    let _one_at_a_time = shared.indexing();
    let Some(index) = shared.state().sealed.front().cloned() else { return Ok(false) };
    let segment = index.segment;
    replace(&*shared.disk, &index_name(segment), &encode(shared.log, &index))?;
    shared.remember(&index);
    let mut state = shared.state_mut();
    state.sealed.pop_front();
    state.runs.push(Run { first: segment, last: segment, file: None });
    drop(state);
    // So that nobody waits for it when the next segment is full.
    shared.advance_mark(None)?;
    Ok(true)
}

/// Which run is to become one with that after it, if there is one: of those that are not longer than that, the one
/// that makes the shortest, so that each stream is written again about as often as runs double.
fn to_merge(runs: &[Run]) -> Option<usize> {
    let pairs = runs.windows(2).enumerate();
    let wanted = pairs.filter(|(_, pair)| pair[0].length() <= pair[1].length());
    wanted.min_by_key(|(_, pair)| pair[0].length() + pair[1].length()).map(|(at, _)| at)
}

/// Makes one run of two; whether there were two to make one of. Whoever writes indexes does not wait for it.
pub(super) fn merge_step(shared: &Shared) -> io::Result<bool> {
    let _one_at_a_time = shared.merging();
    let (early, late) = {
        let state = shared.state();
        let Some(at) = to_merge(&state.runs) else { return Ok(false) };
        (state.runs[at].clone(), state.runs[at + 1].clone())
    };
    let extent = (early.first, late.last);
    let name = run_name(extent);
    let sources = (streams(shared, &early)?, streams(shared, &late)?);
    let write = |file: &dyn DiskFile| write_merged(file, (shared.log, extent), sources);
    if let Err(error) = replace_with(&*shared.disk, &name, write) {
        if is_doubt(&error) {
            // What is wrong is made again, and the runs are merged the next time.
            check(shared, &early)?;
            check(shared, &late)?;
        }
        return Err(error);
    }
    let file = RunFile::open(&*shared.disk, &name, shared.log, extent)?;
    let run = Run { first: extent.0, last: extent.1, file: Some(Arc::new(file)) };
    let mut state = shared.state_mut();
    let is_here = |pair: &[Run]| pair[0].extent() == early.extent() && pair[1].extent() == late.extent();
    let at = state.runs.windows(2).position(is_here);
    if let Some(at) = at {
        state.runs.splice(at..at + 2, [run]);
    }
    drop(state);
    if at.is_none() {
        // One of the two was taken apart meanwhile, and what it rests on is merged instead.
        let _left = shared.disk.remove(&name);
        return Ok(true);
    }
    for run in [early, late].into_iter().filter(|run| run.file.is_some()) {
        // If it is left, it is removed when the log is opened again.
        let _left = shared.disk.remove(&run_name(run.extent()));
    }
    Ok(true)
}

/// The streams of a run.
fn streams(shared: &Shared, run: &Run) -> io::Result<Streams> {
    match &run.file {
        Some(file) => Ok(Streams::of_run(Arc::clone(file))),
        None => shared.index(run.first).map(Streams::of_index).map_err(io::Error::other),
    }
}

/// Reads what a run rests on, and makes it again if it must not be trusted.
fn check(shared: &Shared, run: &Run) -> io::Result<()> {
    let Some(file) = &run.file else {
        return shared.in_file(run.first, |index| index.check().map(drop)).map_err(io::Error::other);
    };
    match file.check() {
        Err(error) if is_doubt(&error) => {
            shared.take_run_apart(run);
            Ok(())
        }
        checked => checked,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SystemClock;
    use crate::disk::RealDisk;
    use crate::event::{EventKind, ExpectedSequence, NewEvent, StreamId};
    use crate::limits::SEGMENT_BYTES_MIN;
    use crate::log::{EventLog, LogOptions, Step};
    use crate::store::EventStore;
    use std::task::{Context, Poll, Waker};

    fn single(segment: u32) -> Run {
        Run { first: segment, last: segment, file: None }
    }

    /// Merges until there is nothing to merge: how long the runs are, and how many segments were written.
    fn merge_all(runs: &mut Vec<Run>) -> (Vec<u32>, u32) {
        let mut written = 0;
        while let Some(at) = to_merge(runs) {
            let run = Run { first: runs[at].first, last: runs[at + 1].last, file: None };
            written += run.length();
            runs.splice(at..at + 2, [run]);
        }
        (runs.iter().map(Run::length).collect(), written)
    }

    #[test]
    fn runs_that_are_lost_are_merged_again_in_the_time_it_takes_to_sort_them() {
        for (before, lost) in [(0, 1_024), (0, 1_000), (4_096, 1_024), (512, 1_023)] {
            let mut runs: Vec<_> = (before..before + lost).map(single).collect();
            if before > 0 {
                runs.insert(0, Run { first: 0, last: before - 1, file: None });
            }
            let (lengths, written) = merge_all(&mut runs);
            assert!(lengths.is_sorted_by(|a, b| a > b), "{lengths:?}");
            assert!(lengths.len() <= 13, "{lengths:?}");
            assert!(written <= (before + lost) + lost * 12, "{written} written for {lost} that were lost");
        }
    }

    #[test]
    fn runs_of_a_log_that_grows_double() {
        let (mut runs, mut all) = (Vec::new(), 0);
        for segment in 0..1_024 {
            runs.push(single(segment));
            all += merge_all(&mut runs).1;
            assert!(runs.len() <= 11, "{} runs of {segment} segments", runs.len());
        }
        assert_eq!(all, 10 * 1_024);
    }

    #[test]
    fn a_full_segment_gets_its_index_while_runs_are_merged() {
        let directory = tempfile::tempdir().unwrap();
        let options = LogOptions { segment_bytes: SEGMENT_BYTES_MIN, ..LogOptions::default() };
        let disk = Arc::new(RealDisk::new(directory.path()));
        let log = EventLog::open_stepped(disk, Arc::new(SystemClock), &options).unwrap();
        let (stream, kind) = (StreamId::new("s").unwrap(), EventKind::new("k").unwrap());
        let mut context = Context::from_waker(Waker::noop());
        let merging = log.inner.shared.merging();
        for _ in 0..20 {
            let events = vec![NewEvent::new(kind.clone(), vec![7; 5_000])];
            let mut append = log.append(&stream, ExpectedSequence::Any, events);
            assert!(append.as_mut().poll(&mut context).is_pending());
            log.step(Step::Commit);
            assert!(matches!(append.as_mut().poll(&mut context), Poll::Ready(Ok(_))));
        }
        drop(merging);
        assert!(log.inner.shared.state().runs.len() > 5, "no index was written");
        while log.step(Step::Merge) {}
        assert!(log.inner.shared.state().runs.len() <= 4, "no run was merged");
    }
}

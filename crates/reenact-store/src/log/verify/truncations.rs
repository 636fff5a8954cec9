//! Comparing what truncations say of the chain with the events before them.

use std::collections::HashMap;

use bytes::Bytes;

use super::{Damage, Nature, Verifier};
use crate::chain::{CanonicalView, ChainHash};
use crate::disk::PAGE_BYTES;
use crate::event::{Sequence, StreamId};
use crate::log::format::{Block, Body, Truncation, is_truncation};
use crate::log::segment::segment_name;
use crate::log::survey::{ToolError, io_error, scanner};

/// A truncation, of which the anchor is to be compared.
pub(super) struct Truncated {
    before: Sequence,
    anchor: ChainHash,
    /// The segment, and the byte of it at which the record begins.
    place: (u32, u64),
    /// The next event of the stream, and the chain before it.
    next: (Sequence, ChainHash),
}

impl Verifier<'_> {
    /// Takes note of the truncations of a block at a place.
    pub(super) fn note_truncations(&mut self, (segment, offset): (u32, u64), block: &Block<'_>) {
        for (at, body) in block.records().flatten().filter(|(_, body)| is_truncation(body)) {
            if let Ok(Body::Truncation(truncation)) = Body::read(&Bytes::copy_from_slice(body)) {
                self.note_truncation(truncation, (segment, offset + at as u64));
            }
        }
    }

    pub(super) fn note_truncation(&mut self, truncation: Truncation, place: (u32, u64)) {
        let Truncation { stream, before, anchor } = truncation;
        let next = (Sequence::FIRST, ChainHash::START);
        let is_later = self.truncated.get(&stream).is_none_or(|earlier| earlier.before < before);
        if is_later {
            self.truncated.insert(stream, Truncated { before, anchor, place, next });
        }
    }

    /// Compares the anchors of truncations with the events before them, as far as these are there and none is lost.
    pub(super) fn check_truncations(&mut self, first: u32) -> Result<(), ToolError> {
        let mut sought = HashMap::new();
        for (stream, mut truncated) in std::mem::take(&mut self.truncated) {
            // Anchors that cannot be read have been told of when they were opened.
            let anchored = self.anchors.as_ref().and_then(|anchors| anchors.find(self.log.key(&stream)).ok());
            if let Some(found) = anchored.flatten() {
                let head = found.listed.head;
                truncated.next = (head.sequence.plus(1), head.chain);
            }
            if truncated.next.0 < truncated.before {
                sought.insert(stream, truncated);
            } else {
                self.compare(&stream, &truncated);
            }
        }
        let segments: Vec<u32> = self.survey.segments.range(first..).map(|(segment, _)| *segment).collect();
        for segment in segments {
            if sought.is_empty() {
                break;
            }
            self.follow(segment, &mut sought)?;
        }
        Ok(())
    }

    /// Takes the events of a segment to the chains of those streams that are sought.
    fn follow(&mut self, segment: u32, sought: &mut HashMap<StreamId, Truncated>) -> Result<(), ToolError> {
        let name = segment_name(segment);
        let Some(mut scanner) = scanner(self.disk, self.log, segment)? else { return Ok(()) };
        let mut offset = PAGE_BYTES as u64;
        while offset < scanner.bytes() && !sought.is_empty() {
            let Ok(block) = scanner.block(offset).map_err(io_error(self.disk, &name))? else { return Ok(()) };
            for (_, body) in block.records().flatten() {
                let Some(view) = CanonicalView::read(body) else { continue };
                let Some(truncated) = sought.get_mut(view.stream) else { continue };
                let (next, chain) = truncated.next;
                truncated.next = (next.plus(1), chain.then_canonical(body));
                // Where events are lost, which was told, no chain leads on.
                if view.sequence != next || next.plus(1) == truncated.before {
                    let ended = sought.remove_entry(view.stream).filter(|_| view.sequence == next);
                    ended.inspect(|(stream, truncated)| self.compare(stream, truncated));
                }
            }
            offset += block.bytes() as u64;
            self.meter.add(block.bytes() as u64);
        }
        Ok(())
    }

    /// Compares an anchor with the chain before the next event, if that is the first which is kept.
    fn compare(&mut self, stream: &StreamId, truncated: &Truncated) {
        let Truncated { before, anchor, place: (segment, offset), next } = *truncated;
        if next.0 == before && next.1 != anchor {
            let reason =
                format!("a truncation before event {before} has another chain than the events before it");
            let (file, position, stream) = (segment_name(segment), None, Some(stream.clone()));
            self.damage(Damage { file, offset, position, stream, reason, nature: Nature::Evidence });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::sync::Arc;
    use std::task::{Context, Waker};

    use super::*;
    use crate::clock::SystemClock;
    use crate::disk::RealDisk;
    use crate::event::{EventKind, ExpectedSequence, NewEvent};
    use crate::log::format::{
        BLOCK_HEAD_BYTES, BLOCK_WRITE_MAX, Mark, Place, block_pages, finish_block, write_truncation,
    };
    use crate::log::verify::verify;
    use crate::log::{EventLog, LogOptions, Step};
    use crate::store::EventStore;

    const PAGE: usize = PAGE_BYTES;

    /// A log of three events in one block, and a truncation before the third in another, that was not closed.
    fn write_log(directory: &Path, stream: &StreamId) {
        let disk = Arc::new(RealDisk::create(directory).unwrap());
        let log = EventLog::open_stepped(disk, Arc::new(SystemClock), &LogOptions::default()).unwrap();
        let mut context = Context::from_waker(Waker::noop());
        let event = || NewEvent::new(EventKind::new("k").unwrap(), "payload");
        let mut append = log.append(stream, ExpectedSequence::NoStream, vec![event(), event(), event()]);
        assert!(append.as_mut().poll(&mut context).is_pending());
        log.step(Step::Commit);
        let mut truncate = log.truncate(stream, Sequence(2));
        assert!(truncate.as_mut().poll(&mut context).is_pending());
        log.step(Step::Commit);
        drop((append, truncate));
        // As a process does that is killed.
        std::mem::forget(log);
    }

    /// Changes the anchor of the truncation, and makes every checksum right again.
    fn change_anchor(directory: &Path) {
        let log = Mark::read(&fs::read(directory.join("mark")).unwrap()).unwrap().log;
        let path = directory.join(segment_name(0));
        let mut bytes = fs::read(&path).unwrap();
        let place = Place { segment: 0, offset: 2 * PAGE as u64 };
        let block = Block::read((log, place), &bytes[2 * PAGE..3 * PAGE]).unwrap();
        let (_, body) = block.records().next().unwrap().unwrap();
        let Ok(Body::Truncation(mut truncation)) = Body::read(&Bytes::copy_from_slice(body)) else {
            panic!("a truncation")
        };
        truncation.anchor.0[3] ^= 1;
        let mut records = Vec::new();
        write_truncation(log, &truncation, &mut records);
        let mut pages = vec![0; BLOCK_WRITE_MAX];
        pages[BLOCK_HEAD_BYTES..BLOCK_HEAD_BYTES + records.len()].copy_from_slice(&records);
        finish_block((log, place), &block.head, records.len(), &mut pages);
        bytes[2 * PAGE..3 * PAGE].copy_from_slice(&pages[..block_pages(records.len())]);
        fs::write(path, bytes).unwrap();
    }

    #[test]
    fn an_anchor_that_is_not_the_chain_before_it_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let stream = StreamId::new("s").unwrap();
        write_log(directory.path(), &stream);
        let whole = verify(directory.path(), &mut |_| {}).unwrap();
        assert!(whole.is_whole() && whole.events == 3, "{whole:?}");
        change_anchor(directory.path());
        let damages = verify(directory.path(), &mut |_| {}).unwrap().damages;
        assert_eq!(damages.len(), 1, "{damages:?}");
        assert_eq!((damages[0].stream.as_ref(), damages[0].nature), (Some(&stream), Nature::Evidence));
        assert_eq!(damages[0].offset, (2 * PAGE + BLOCK_HEAD_BYTES) as u64);
    }
}

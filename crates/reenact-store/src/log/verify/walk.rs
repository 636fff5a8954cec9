//! Going through a segment that cannot be folded, so that everything that is wrong with it is told, and what follows
//! is looked at all the same.

use std::io;

use bytes::Bytes;

use super::segment::{Ending, Unfolded};
use super::{Damage, Nature, Verifier};
use crate::chain::ChainHash;
use crate::disk::PAGE_BYTES;
use crate::event::{NewEvent, Position, Sequence, StreamId};
use crate::log::LogPlace;
use crate::log::format::{BLOCK_HEAD_BYTES, Block, Body, Truncation, read_record};
use crate::log::index::{IndexFile, StreamHead};
use crate::log::segment::{Scanner, index_name, segment_name};
use crate::log::survey::{ToolError, io_error, scanner};

/// What is known on the way.
struct Walk {
    segment: u32,
    name: String,
    offset: u64,
    crc: Option<u32>,
    /// Whether events were lost.
    lost: bool,
}

impl Verifier<'_> {
    /// Goes through a segment, where `reason` says why it was not folded.
    pub(super) fn walk(&mut self, segment: u32, reason: &str) -> Result<Ending, ToolError> {
        let told = self.told();
        let name = segment_name(segment);
        let Some(mut scanner) = scanner(self.disk, self.log, segment)? else { return Ok(Ending::Full) };
        let ending = match self.walk_through(segment, &mut scanner) {
            Ok(ending) => ending,
            Err(Unfolded::Tool(error)) => return Err(error),
            Err(Unfolded::Damaged(reason)) => {
                self.evidence(&name, 0, reason);
                self.complete = false;
                Ending::Full
            }
        };
        if self.told() == told {
            self.evidence(&name, 0, reason);
        }
        self.stand_in(segment)?;
        Ok(ending)
    }

    /// How many damages there are so far.
    fn told(&self) -> u64 {
        self.report.damages.len() as u64 + self.report.more_damages
    }

    fn walk_through(&mut self, segment: u32, scanner: &mut Scanner) -> Result<Ending, Unfolded> {
        let name = segment_name(segment);
        let (head, wrong) = self.wrong_with_head(segment, scanner)?;
        if let Some(reason) = wrong {
            self.evidence(&name, 0, reason);
        }
        self.position = head.map(|(head, _)| head.position).or(self.position);
        let next = self.head_of(segment + 1)?.map(|(next, _)| next.previous_end);
        let limit = next.unwrap_or(u64::MAX).min(scanner.bytes());
        let crc = head.map(|(_, crc)| crc);
        let mut walk = Walk { segment, name, offset: PAGE_BYTES as u64, crc, lost: false };
        let mut reason = "a block is missing";
        while walk.offset < limit {
            match scanner.block(walk.offset)? {
                Ok(block) => self.walk_block(&mut walk, &block),
                Err(why) => {
                    reason = why;
                    if !self.skip(&mut walk, (scanner, limit), why)? {
                        break;
                    }
                }
            }
        }
        self.complete &= !walk.lost;
        self.end_walk(&walk, scanner, reason)
    }

    fn end_walk(&mut self, walk: &Walk, scanner: &mut Scanner, reason: &str) -> Result<Ending, Unfolded> {
        let Walk { segment, offset, crc, .. } = *walk;
        self.check_mark((segment, offset), self.position, crc).unwrap_or_else(|reason| {
            self.evidence(&walk.name, offset, reason);
        });
        let ending = self.ending(segment, (offset, crc), scanner, reason)?;
        self.report.end = Some(LogPlace { segment, offset });
        self.link = crc.map(|crc| (offset, crc));
        if let Ending::Wrong(at, reason) = ending {
            self.evidence(&walk.name, at, reason);
            (self.complete, self.link) = (false, None);
            return Ok(Ending::Full);
        }
        Ok(ending)
    }

    /// Passes over what is no block, if a whole one follows.
    fn skip(
        &mut self,
        walk: &mut Walk,
        (scanner, limit): (&mut Scanner, u64),
        reason: &str,
    ) -> io::Result<bool> {
        let Some(at) = scanner.find_block(walk.offset + PAGE_BYTES as u64, limit)? else { return Ok(false) };
        let next = scanner.block(at)?.map_or(0, |block| block.head.position);
        let lost = match self.position {
            Some(known) if known < next => {
                format!("; the events at positions {known} to {} are lost", next - 1)
            }
            _ => String::new(),
        };
        let reason = format!("{reason}; the next whole block begins at byte {at}{lost}");
        self.evidence(&walk.name, walk.offset, reason);
        self.position = Some(next);
        (walk.offset, walk.crc, walk.lost) = (at, None, true);
        Ok(true)
    }

    /// Takes in a whole block.
    fn walk_block(&mut self, walk: &mut Walk, block: &Block<'_>) {
        self.check_order(walk, block);
        (self.position, self.timestamp) = (Some(block.head.position), block.head.timestamp);
        for record in block.records() {
            let read = record.and_then(|(at, _)| self.walk_record(walk, block, at));
            if let Err(reason) = read {
                self.evidence(&walk.name, walk.offset, reason);
                walk.lost = true;
            }
        }
        let next = block.head.position + u64::from(block.head.events);
        if self.position != Some(next) {
            self.evidence(&walk.name, walk.offset, "a block has another number of events than it says");
        }
        self.position = Some(next);
        self.report.blocks += 1;
        walk.offset += block.bytes() as u64;
        walk.crc = Some(block.crc);
    }

    /// Whether a block is the one after what is known.
    fn check_order(&mut self, walk: &mut Walk, block: &Block<'_>) {
        let head = &block.head;
        if walk.crc.is_some_and(|crc| crc != head.previous) {
            self.evidence(&walk.name, walk.offset, "a block does not follow the one before it");
            walk.lost = true;
        }
        if self.position.is_some_and(|position| position != head.position) {
            let reason = format!("a block begins at position {}, which is not the next", head.position);
            self.evidence(&walk.name, walk.offset, reason);
            walk.lost = true;
        }
        if head.timestamp < self.timestamp {
            self.evidence(&walk.name, walk.offset, "a block is older than the one before it");
        }
    }

    fn walk_record(&mut self, walk: &Walk, block: &Block<'_>, at: usize) -> Result<(), &'static str> {
        let body = Bytes::copy_from_slice(read_record(self.log, &block.records[at - BLOCK_HEAD_BYTES..])?);
        match Body::read(&body)? {
            Body::Event(stream, sequence, event) => {
                self.walk_event(walk, at, (&stream, sequence, &event), &body);
                self.position = self.position.map(|position| position + 1);
                self.report.events += 1;
                Ok(())
            }
            Body::Truncation(truncation) => {
                self.walk_truncation(walk.segment, &truncation)?;
                self.note_truncation(truncation, (walk.segment, walk.offset + at as u64));
                Ok(())
            }
        }
    }

    fn walk_event(
        &mut self,
        walk: &Walk,
        at: usize,
        (stream, sequence, event): (&StreamId, Sequence, &NewEvent),
        canonical: &[u8],
    ) {
        let (key, head) = (self.log.key(stream), self.head(stream));
        let next = head.map_or(Sequence::FIRST, |head| head.sequence.plus(1));
        if sequence != next {
            let (file, offset) = (walk.name.clone(), walk.offset + at as u64);
            let reason = if sequence > next {
                format!("events {next} to {} of the stream are lost", sequence.0 - 1)
            } else {
                format!("event {sequence} of the stream comes again")
            };
            let (position, stream) = (self.position.map(Position), Some(stream.clone()));
            self.damage(Damage { file, offset, position, stream, reason, nature: Nature::Evidence });
            self.doubtful.insert(key);
        }
        let new = StreamHead {
            sequence,
            chain: ChainHash::START,
            highest: event.id,
            first: Sequence::FIRST,
            anchor: ChainHash::START,
            segment: walk.segment,
        };
        let known = head.unwrap_or(new);
        let (chain, highest) = (known.chain.then_canonical(canonical), known.highest.max(event.id));
        self.heads.insert(key, StreamHead { sequence, chain, highest, segment: walk.segment, ..known });
    }

    fn walk_truncation(&mut self, segment: u32, truncation: &Truncation) -> Result<(), &'static str> {
        self.truncations += 1;
        let head = self.head(&truncation.stream);
        let head = head.filter(|head| truncation.before <= head.sequence.plus(1));
        let head = head.ok_or("a truncation is of events that are not there")?;
        let (first, anchor) = (truncation.before, truncation.anchor).max((head.first, head.anchor));
        self.heads.insert(self.log.key(&truncation.stream), StreamHead { first, anchor, segment, ..head });
        Ok(())
    }

    /// Passes over a segment that is missing.
    pub(super) fn pass_over(&mut self, segment: u32) -> Result<(), ToolError> {
        (self.link, self.position, self.complete) = (None, None, false);
        self.stand_in(segment)
    }

    /// What a damaged segment said of its streams is taken from its index, if that is whole: it was made when the
    /// segment was.
    fn stand_in(&mut self, segment: u32) -> Result<(), ToolError> {
        let Some((next, _)) = self.head_of(segment + 1)? else { return Ok(()) };
        let Some(bytes) = self.survey.indexes.get(&segment).copied() else { return Ok(()) };
        self.meter.add(bytes);
        let name = index_name(segment);
        let index = IndexFile::open(self.disk, &name, self.log, segment);
        let index = match index.and_then(|index| index.check().map(|_| index)) {
            Ok(index) => index,
            Err(error) => {
                self.derived(name, 0, error.to_string());
                return Ok(());
            }
        };
        let head = index.head;
        if (head.segment, head.end, head.crc) != (segment, next.previous_end, next.previous_crc) {
            self.derived(name, 0, "it is not the index of its segment");
            return Ok(());
        }
        self.report.unchecked += 1;
        for entry in index.streams() {
            let (key, found) = entry.map_err(io_error(self.disk, &name))?;
            self.heads.insert(key, found.listed.head);
            self.doubtful.remove(&key);
        }
        self.truncations = head.truncations;
        self.link = Some((head.end, head.crc));
        self.position = Some(head.position + u64::from(head.events));
        self.complete = true;
        Ok(())
    }
}

//! Holding what a store gives against what it must hold.

use std::collections::BTreeMap;
use std::fmt;

use reenact_store::{
    Checkpoint, Direction, Event, EventId, EventStore, ExpectedSequence, Head, NewEvent, PartitionId,
    Position, Sequence, StreamId, Timestamp,
};

use super::model::{Batch, Fate, Model, Stream};
use super::now;
use super::violation::{Breach, Violation, ensure};

impl Model {
    /// Holds one stream against what must be there, and takes note of what is there besides.
    ///
    /// # Errors
    /// Something is not as it must be.
    pub fn see(&mut self, store: &dyn EventStore, stream: usize) -> Result<(), Violation> {
        let id = self.streams[stream].id.clone();
        let Some(head) = now(store.head(&id)).map_err(unreadable)? else {
            let of = &self.streams[stream];
            ensure!(of.known.is_empty() && of.acknowledged.is_empty(), Lost, "all of {id}");
            let events = read_forward(store, &id)?;
            ensure!(events.is_empty(), Disordered, "{id} has events and no head");
            return Ok(());
        };
        Self::see_first(&mut self.streams[stream], &head)?;
        let events = read_forward(store, &id)?;
        for (sequence, event) in (head.first.0..).zip(&events) {
            ensure!(event.sequence.0 == sequence, Disordered, "{id} goes on at {sequence} with {event:?}");
            ensure!(event.stream == id, Changed, "{event:?} in {id}");
        }
        self.see_events(stream, head.first.0, &events)?;
        self.see_head(stream, &head)
    }

    /// Holds everything against what must be there after the store was opened again: what has not happened by
    /// now, never will.
    ///
    /// # Errors
    /// Something is not as it must be.
    pub fn see_all_after_opening(&mut self, store: &dyn EventStore) -> Result<(), Violation> {
        self.see_all(store)?;
        for batch in self.batches.iter_mut().filter(|batch| batch.fate == Fate::Open) {
            batch.fate = Fate::Not;
        }
        for stream in &mut self.streams {
            stream.perhaps_first.clear();
            stream.perhaps_retained = 0;
        }
        Ok(())
    }

    /// Holds everything against what must be there.
    ///
    /// # Errors
    /// Something is not as it must be.
    pub fn see_all(&mut self, store: &dyn EventStore) -> Result<(), Violation> {
        for stream in 0..self.streams.len() {
            self.see(store, stream)?;
        }
        let all = read_everything(store)?;
        let mut count = 0;
        for event in &all {
            let of = self.streams.iter().find(|of| of.id == event.stream);
            let kept = of.is_none_or(|of| event.sequence.0 >= of.first);
            ensure!(kept, Truncation, "{event:?} was truncated");
            let known = of.and_then(|of| of.known.get(event.sequence.0 as usize));
            let same = known.is_some_and(|known| known.position == Some(event.position));
            ensure!(same, Invented, "{event:?}, which its stream does not have");
        }
        for of in &self.streams {
            count += of.known.len() - of.first as usize;
        }
        // Positions increase, so that none of them is there twice.
        ensure!(all.len() == count, Lost, "{} of {count} events when all are read", all.len());
        self.see_begin(all.first().map(|event| event.position))
    }

    /// What was not truncated, and is not there, comes before everything that is.
    fn see_begin(&self, begin: Option<Position>) -> Result<(), Violation> {
        for of in &self.streams {
            let Some(last) = of.first.checked_sub(1) else { continue };
            let position = of.known[last as usize].position;
            let before = begin.is_none() || position < begin;
            let truncated = of.truncations.contains(&of.first);
            ensure!(before || truncated, Lost, "{} before {}, although {begin:?} is kept", of.id, of.first);
        }
        Ok(())
    }

    pub(super) fn see_first(of: &mut Stream, head: &Head) -> Result<(), Violation> {
        let first = head.first.0;
        let retained = (of.first..=of.perhaps_retained).contains(&first);
        let asked = first == of.first || of.perhaps_first.contains(&first) || retained;
        ensure!(asked, Truncation, "{} begins with {first}, not with {}", of.id, of.first);
        of.first = first;
        of.perhaps_first = of.perhaps_first.split_off(&(first + 1));
        Ok(())
    }

    fn see_events(&mut self, stream: usize, first: u64, events: &[Event]) -> Result<(), Violation> {
        let known = self.streams[stream].known.len() as u64;
        let mut rest = events;
        let old = rest.split_off(..rest.len().min(known.saturating_sub(first) as usize)).unwrap_or_default();
        for event in old {
            self.see_known(stream, event)?;
        }
        while let Some(event) = rest.first() {
            let sequence = self.streams[stream].known.len() as u64;
            ensure!(event.sequence.0 == sequence, Lost, "{event:?} where {sequence} is next");
            let batch = self.batch_that_begins(stream, event)?;
            let count = self.batches[batch].events.len();
            let there = rest.split_off(..count.min(rest.len())).unwrap_or_default();
            ensure!(there.len() == count, Torn, "{} of {count} events from {sequence} on", there.len());
            self.push(stream, batch)?;
            for event in there {
                self.see_known(stream, event)?;
            }
        }
        let of = &self.streams[stream];
        let last = first + events.len() as u64;
        ensure!(last >= of.known.len() as u64, Lost, "{} from {last} on", of.id);
        ensure!(of.acknowledged.is_empty(), Lost, "{}: {:?}", of.id, of.acknowledged);
        Ok(())
    }

    /// Which append has its first event here, beyond what is known.
    fn batch_that_begins(&self, stream: usize, event: &Event) -> Result<usize, Violation> {
        let of = &self.streams[stream];
        if let Some(batch) = of.acknowledged.get(&event.sequence.0) {
            return Ok(*batch);
        }
        let mut mine = self.batches.iter().enumerate().filter(|(_, batch)| batch.stream == stream);
        let open = |batch: &Batch| {
            let fits = match batch.expected {
                ExpectedSequence::Any => true,
                ExpectedSequence::NoStream => event.sequence == Sequence::FIRST,
                ExpectedSequence::Exact(last) => event.sequence == last.plus(1),
            };
            batch.fate == Fate::Open && fits && batch.after < Some(event.position)
        };
        let begins = |batch: &Batch| open(batch) && batch.events[0].id == event.id;
        if let Some((batch, _)) = mine.clone().find(|(_, batch)| begins(batch)) {
            return Ok(batch);
        }
        let holds = |id: EventId| move |event: &NewEvent| event.id == id;
        let twice = of.known.iter().skip(of.first as usize).any(|known| holds(event.id)(&known.event));
        ensure!(!twice, Twice, "{event:?}");
        let torn = mine.any(|(_, batch)| open(batch) && batch.events.iter().any(holds(event.id)));
        ensure!(!torn, Torn, "{event:?} without those before it");
        Err(Violation::new(Breach::Invented, format!("{event:?}")))
    }

    /// Holds an event against the one that must be there.
    fn see_known(&mut self, stream: usize, event: &Event) -> Result<(), Violation> {
        let of = &mut self.streams[stream];
        let known = &mut of.known[event.sequence.0 as usize];
        ensure!(known.event == event.to_new(), Changed, "{event:?} was {:?}", known.event);
        let position = *known.position.get_or_insert(event.position);
        let timestamp = *known.timestamp.get_or_insert(event.timestamp);
        let place = (of.partition, position, timestamp);
        let same = place == (event.partition, event.position, event.timestamp);
        ensure!(same, Changed, "{event:?} was at {place:?}");
        self.note(event.partition, event.position);
        Ok(())
    }

    fn see_head(&self, stream: usize, head: &Head) -> Result<(), Violation> {
        let of = &self.streams[stream];
        let end = of.known.len() as u64;
        ensure!(head.sequence.0 + 1 == end, Disordered, "{head:?} of {}, which ends before {end}", of.id);
        ensure!(head.chain == of.chain_before(end), Chain, "{head:?} of {}", of.id);
        ensure!(head.anchor == of.chain_before(head.first.0), Chain, "{head:?} of {}", of.id);
        Ok(())
    }
}

fn unreadable(error: impl fmt::Debug) -> Violation {
    Violation::new(Breach::Unreadable, format!("{error:?}"))
}

fn read_forward(store: &dyn EventStore, stream: &StreamId) -> Result<Vec<Event>, Violation> {
    let mut events: Vec<Event> = Vec::new();
    loop {
        let next = events.last().map_or(Sequence::FIRST, |event| event.sequence.plus(1));
        let page = now(store.read(stream, next, Direction::Forward, 300)).map_err(unreadable)?;
        if page.is_empty() {
            return Ok(events);
        }
        events.extend(page);
    }
}

fn read_everything(store: &dyn EventStore) -> Result<Vec<Event>, Violation> {
    let mut all: Vec<Event> = Vec::new();
    let mut after = Checkpoint::START;
    let mut last: BTreeMap<PartitionId, (Position, Timestamp)> = BTreeMap::new();
    loop {
        let page = now(store.read_all(&after, 300)).map_err(unreadable)?;
        if page.is_empty() {
            return Ok(all);
        }
        for event in &page {
            let place = (event.position, event.timestamp);
            let before = last.insert(event.partition, place);
            let increases = before.is_none_or(|(position, time)| position < place.0 && time <= place.1);
            ensure!(increases, Disordered, "{event:?} after {before:?}");
            after.advance(event.partition, event.position);
        }
        all.extend(page);
    }
}

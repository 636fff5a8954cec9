//! The log of the house.

use std::path::Path;

use anyhow::{Result, anyhow};
use reenact_store::{
    Checkpoint, Direction, EventId, EventKind, EventLog, EventStore, ExpectedSequence, Sequence, StreamId,
};
use tokio::runtime::{Builder, Runtime};

use super::{Mode, Pending, Read, Reads, Store, Visit};
use crate::workload::{Append, NewEvent, STREAMS, Stream};

/// Events that are asked for at once.
const PAGE_EVENTS: usize = 1_024;

struct Reenact {
    log: EventLog,
    kind: EventKind,
    /// By number; made once, as a program that appends to a stream again and again has its name at hand.
    streams: Vec<StreamId>,
    /// For reads: they need none of a runtime, but somebody has to poll.
    runtime: Runtime,
}

pub(super) fn open(folder: &Path, _mode: Mode) -> Result<Box<dyn Store>> {
    let runtime = Builder::new_current_thread().build()?;
    let streams: Result<_, _> = (0..STREAMS).map(|n| StreamId::new(&format!("stream-{n:05}"))).collect();
    let (log, kind) = (EventLog::open(folder)?, EventKind::new("Measured")?);
    Ok(Box::new(Reenact { log, kind, streams: streams?, runtime }))
}

impl Reenact {
    async fn hand_in(&self, append: Append) -> Result<()> {
        let Append { stream, first, events } = append;
        let expected = ExpectedSequence::after(first.checked_sub(1).map(Sequence));
        let events: Result<Vec<_>> = events.into_iter().map(|event| self.event(event)).collect();
        self.log.append(self.stream(stream)?, expected, events?).await?;
        Ok(())
    }

    fn stream(&self, stream: Stream) -> Result<&StreamId> {
        self.streams.get(stream.0 as usize).ok_or_else(|| anyhow!("there is no stream {}", stream.0))
    }

    fn event(&self, event: NewEvent) -> Result<reenact_store::NewEvent> {
        let id = EventId::from_uuid(event.id).ok_or_else(|| anyhow!("{} is not of version 7", event.id))?;
        let kind = self.kind.clone();
        Ok(reenact_store::NewEvent { id, kind, payload: event.payload, occurred_at: None, trace: None })
    }
}

/// The number of a stream by its name.
fn number(name: &[u8]) -> Result<Stream> {
    let digits = name.strip_prefix(b"stream-").filter(|digits| digits.iter().all(u8::is_ascii_digit));
    let digits = digits.ok_or_else(|| anyhow!("a stream {}", String::from_utf8_lossy(name)))?;
    Ok(Stream(digits.iter().fold(0, |number, digit| number * 10 + u32::from(digit - b'0'))))
}

impl Store for Reenact {
    fn append(&self, append: Append) -> Pending<'_> {
        Box::pin(self.hand_in(append))
    }

    fn reads(&self) -> &dyn Reads {
        self
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(self.log.close()?)
    }
}

impl Reads for Reenact {
    fn count(&self, stream: Stream) -> Result<u64> {
        let head = self.runtime.block_on(self.log.head(self.stream(stream)?))?;
        Ok(head.map_or(0, |head| head.sequence.0 + 1))
    }

    fn read_stream(&self, stream: Stream, visit: &mut Visit<'_>) -> Result<()> {
        let name = self.stream(stream)?;
        let mut from = Sequence::FIRST;
        loop {
            let page = self.log.read(name, from, Direction::Forward, PAGE_EVENTS);
            let page = self.runtime.block_on(page)?;
            let Some(last) = page.last() else { return Ok(()) };
            from = last.sequence.plus(1);
            for event in &page {
                let (sequence, id) = (event.sequence.0, event.id.to_bytes());
                visit(Read { stream, sequence, id: &id, payload: &event.payload });
            }
        }
    }

    fn read_all(&self, visit: &mut Visit<'_>) -> Result<()> {
        let mut scan = self.log.scan(&Checkpoint::START)?;
        while let Some(events) = scan.next_block()? {
            for event in events {
                let event = event?;
                let stream = number(event.stream())?;
                visit(Read {
                    stream,
                    sequence: event.sequence().0,
                    id: event.id(),
                    payload: event.payload(),
                });
            }
        }
        Ok(())
    }
}

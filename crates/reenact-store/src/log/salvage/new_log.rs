//! The log into which salvaged events are put.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::{OwnedSemaphorePermit, oneshot};

use super::unsynced::Unsynced;
use crate::chain::canonical_bytes;
use crate::clock::Clock;
use crate::disk::{Disk, replace};
use crate::event::{ExpectedSequence, Head, NewEvent, Sequence, StreamId, Timestamp};
use crate::limits::{APPEND_BYTES_MAX, APPEND_EVENTS_MAX};
use crate::log::batch::{Append, Appended, Content, Request, Truncate};
use crate::log::format::{LogId, Mark, Place};
use crate::log::index::{IndexFile, encode_anchors};
use crate::log::records::Records;
use crate::log::segment::{MARK, anchors_name};
use crate::log::survey::{ToolError, io_error};
use crate::log::{CloseError, EventLog, LogOptions, Step};
use crate::store::{AppendError, TruncateError};

/// Says when the block was committed that is being taken over.
#[derive(Debug, Default)]
struct Then(AtomicU64);

impl Clock for Then {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// How a new log begins.
pub(super) struct Begin<'a> {
    pub(super) log: LogId,
    pub(super) segment_bytes: u64,
    /// Where streams stood of which segments were given up.
    pub(super) anchors: Option<&'a IndexFile>,
    /// The position of its first event.
    pub(super) position: u64,
}

/// Events of one stream that follow each other.
#[derive(Debug)]
struct Group {
    stream: StreamId,
    first: Sequence,
    events: Vec<NewEvent>,
    bytes: usize,
}

/// A truncation, and whoever is told what came of it.
type Truncated = oneshot::Receiver<Result<Head, TruncateError>>;

/// The log, and what goes into it next.
pub(super) struct NewLog {
    log: EventLog,
    disk: Arc<Unsynced>,
    clock: Arc<Then>,
    group: Option<Group>,
    appends: Vec<oneshot::Receiver<Appended>>,
    truncations: Vec<Truncated>,
}

impl NewLog {
    pub(super) fn begin(directory: &Path, begin: &Begin<'_>) -> Result<Self, ToolError> {
        let (disk, clock) = (Arc::new(Unsynced::new(directory)), Arc::new(Then::default()));
        let first = u32::from(begin.anchors.is_some());
        let mut anchors_crc = None;
        if let Some(anchors) = begin.anchors {
            let name = anchors_name(first);
            let bytes = anchors_again(begin.log, first, anchors).map_err(io_error(&*disk, &name))?;
            replace(&*disk, &name, &bytes).map_err(io_error(&*disk, &name))?;
            let written = IndexFile::open(&*disk, &name, begin.log, first);
            let crc = written.and_then(|written| written.check());
            anchors_crc = Some(crc.map_err(io_error(&*disk, &name))?);
        }
        let mark = Mark {
            log: begin.log,
            closed: false,
            first,
            anchors: anchors_crc,
            end: Place { segment: first, offset: 0 },
            position: begin.position,
            crc: 0,
        };
        replace(&*disk, MARK, &mark.write()).map_err(io_error(&*disk, MARK))?;
        let options = LogOptions { segment_bytes: begin.segment_bytes, ..LogOptions::default() };
        let (on, at) = (Arc::clone(&disk) as Arc<dyn Disk>, Arc::clone(&clock) as Arc<dyn Clock>);
        let log = EventLog::open_stepped(on, at, &options)?;
        Ok(Self { log, disk, clock, group: None, appends: Vec::new(), truncations: Vec::new() })
    }

    /// Puts the next event of a stream into the log.
    pub(super) fn push(&mut self, stream: &StreamId, sequence: Sequence, event: NewEvent) {
        let bytes = canonical_bytes(stream, &event);
        let fits = |group: &Group| {
            group.stream == *stream
                && group.events.len() < APPEND_EVENTS_MAX
                && group.bytes + bytes <= APPEND_BYTES_MAX
                && group.events.iter().all(|other| other.id != event.id)
        };
        if let Some(group) = self.group.as_mut().filter(|group| fits(group)) {
            group.events.push(event);
            group.bytes += bytes;
            return;
        }
        self.hand_in();
        let (stream, events) = (stream.clone(), vec![event]);
        self.group = Some(Group { stream, first: sequence, events, bytes });
    }

    pub(super) fn truncate(&mut self, stream: &StreamId, before: Sequence) {
        self.hand_in();
        let (answer, answered) = oneshot::channel();
        let (stream, queued) = (stream.clone(), self.turn());
        let truncate = Truncate { stream, before, anchor: None, answer, queued };
        self.log.inner.queue.push(Request::Truncate(truncate));
        self.truncations.push(answered);
    }

    /// A place in the queue.
    fn turn(&self) -> OwnedSemaphorePermit {
        let room = Arc::clone(&self.log.inner.room).try_acquire_owned();
        room.expect("what is handed in is committed with each block, which is smaller than the room")
    }

    /// Hands in the events that were gathered.
    fn hand_in(&mut self) {
        let Some(Group { stream, first, events, bytes }) = self.group.take() else { return };
        let inner = &self.log.inner;
        // Whatever keeps the stream from being looked up shows when its turn comes.
        let head = inner.shared.head(&stream).ok().flatten();
        let records = Records::new(inner.shared.log, head.as_ref(), &stream, (&events, bytes));
        let expected = ExpectedSequence::after(first.0.checked_sub(1).map(Sequence));
        let (answer, answered) = oneshot::channel();
        let queued = self.turn();
        let content = Box::new(Content { stream, expected, events, records, looked: None });
        inner.queue.push(Request::Append(Append { content, answer, queued }));
        self.appends.push(answered);
    }

    /// Commits what was put in, as of a time. What came of the truncations.
    pub(super) fn commit(&mut self, timestamp: Timestamp) -> Result<Vec<Option<Head>>, ToolError> {
        self.hand_in();
        self.clock.0.store(timestamp.0, Ordering::Relaxed);
        while self.log.step(Step::Commit) {}
        while self.log.step(Step::Index) || self.log.step(Step::Merge) {}
        let gone = || AppendError::Unavailable { reason: "the log has not answered".into() };
        for answered in self.appends.drain(..) {
            answered_now(answered).ok_or_else(gone)?.outcome?;
        }
        let answers = self.truncations.drain(..).map(|answered| answered_now(answered).and_then(Result::ok));
        Ok(answers.collect())
    }

    /// Closes the log and makes it durable.
    pub(super) fn finish(self) -> Result<(), ToolError> {
        let directory = self.disk.path("");
        self.log.close().map_err(|error| ToolError::Io {
            path: directory,
            source: match error {
                CloseError::Mark { source, .. } => source,
                CloseError::Panicked => std::io::Error::other(error),
            },
        })?;
        self.disk.finish().map_err(io_error(&*self.disk, ""))
    }
}

fn answered_now<T>(mut answered: oneshot::Receiver<T>) -> Option<T> {
    answered.try_recv().ok()
}

/// Anchors as those of the first segment of the new log.
fn anchors_again(log: LogId, first: u32, anchors: &IndexFile) -> std::io::Result<Vec<u8>> {
    let mut heads = BTreeMap::new();
    for entry in anchors.streams() {
        let (key, found) = entry?;
        heads.insert(key, found.listed.head);
    }
    Ok(encode_anchors(log, first, anchors.head.truncations, &heads))
}

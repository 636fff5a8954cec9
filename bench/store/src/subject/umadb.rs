//! `UmaDB`: an event store with a writer thread of its own, which tasks await.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, bail, ensure};
use tokio::sync::{mpsc, oneshot, watch};
use umadb_core::db::UmaDb;
use umadb_core::mvcc::{Mvcc, StorageOptions};
use umadb_core::pager::ReadMethod;
use umadb_core::writer_thread_blocking::writer_thread_blocking;
use umadb_core::writer_thread_request::WriterThreadRequest;
use umadb_dcb::{DcbAppendCondition, DcbEvent, DcbEventStoreSync, DcbQuery, DcbQueryItem, DcbSequencedEvent};

use super::{CACHE_BYTES, Mode, Pending, Read, Reads, Store, Visit};
use crate::workload::{Append, Stream};

const QUEUE_APPENDS_MAX: usize = 4_096;
const BATCH_EVENTS_MAX: usize = 4_096;
/// Events that are asked for at once.
const PAGE_EVENTS: u32 = 1_024;

struct Uma {
    database: UmaDb,
    requests: mpsc::Sender<WriterThreadRequest>,
    thread: JoinHandle<()>,
    /// Where each stream ends: its optimistic check goes by the position of the last event.
    ends: Mutex<HashMap<Stream, End>>,
}

pub(super) fn open(folder: &Path, _mode: Mode) -> Result<Box<dyn Store>> {
    let options = StorageOptions::default().db_path(folder).read_method(ReadMethod::Mmap);
    let mvcc = Arc::new(Mvcc::new(false, options.page_cache_max_mb(CACHE_BYTES / 1_000_000))?);
    let (requests, receiver) = mpsc::channel(QUEUE_APPENDS_MAX);
    let (head, _) = watch::channel(None);
    let worker = Arc::clone(&mvcc);
    let writer = move || writer_thread_blocking(worker, receiver, head, BATCH_EVENTS_MAX);
    let thread = thread::Builder::new().name("umadb".into()).spawn(writer)?;
    Ok(Box::new(Uma { database: UmaDb::from_arc(mvcc), requests, thread, ends: Mutex::default() }))
}

fn tag(stream: Stream) -> String {
    format!("stream-{:05}", stream.0)
}

fn query(stream: Stream) -> DcbQuery {
    DcbQuery::new().item(DcbQueryItem::new().tags([tag(stream)]))
}

/// The end of a stream.
#[derive(Clone, Copy, Debug)]
struct End {
    count: u64,
    position: Option<u64>,
}

impl Uma {
    async fn hand_in(&self, append: Append) -> Result<()> {
        let stream = append.stream;
        let end = self.end(stream)?;
        ensure!(
            end.count == append.first,
            "stream {} has {} events, not {}",
            stream.0,
            end.count,
            append.first
        );
        let condition = DcbAppendCondition::new(query(stream)).after(end.position);
        let events = append.rows().map(|(sequence, event)| {
            // A store of this kind numbers events over all streams only.
            let data = [&sequence.to_le_bytes(), &event.payload[..]].concat();
            DcbEvent::new().event_type("Measured").tags([tag(stream)]).uuid(event.id).data(data)
        });
        let (response_tx, answered) = oneshot::channel();
        let (events, condition) = (events.collect(), Some(condition));
        let request =
            WriterThreadRequest::Append { events, condition, tracking_info: None, response_tx, cancel: None };
        self.requests.send(request).await.ok().context("the writer has ended")?;
        let end = End { count: append.end(), position: Some(answered.await??) };
        self.ends.lock().unwrap_or_else(PoisonError::into_inner).insert(stream, end);
        Ok(())
    }

    fn end(&self, stream: Stream) -> Result<End> {
        if let Some(end) = self.ends.lock().unwrap_or_else(PoisonError::into_inner).get(&stream) {
            return Ok(*end);
        }
        let Some(last) = self.last_event(stream)? else { return Ok(End { count: 0, position: None }) };
        Ok(End { count: sequence(&last.event.data)?.0 + 1, position: Some(last.position) })
    }

    fn last_event(&self, stream: Stream) -> Result<Option<DcbSequencedEvent>> {
        let last = self.database.read(Some(query(stream)), None, true, Some(1))?.next();
        Ok(last.transpose()?)
    }

    fn visit(&self, query: Option<&DcbQuery>, visit: &mut Visit<'_>) -> Result<()> {
        let mut start = None;
        loop {
            let page = self.database.read(query.cloned(), start, false, Some(PAGE_EVENTS))?.next_batch()?;
            let Some(last) = page.last() else { return Ok(()) };
            start = Some(last.position + 1);
            page.iter().try_for_each(|event| visit_event(event, visit))?;
        }
    }
}

fn sequence(data: &[u8]) -> Result<(u64, &[u8])> {
    let (sequence, payload) = data.split_first_chunk().context("an event is too short")?;
    Ok((u64::from_le_bytes(*sequence), payload))
}

fn visit_event(event: &DcbSequencedEvent, visit: &mut Visit<'_>) -> Result<()> {
    let DcbEvent { tags, data, uuid: Some(id), .. } = &event.event else { bail!("an event has no id") };
    let number = tags.first().and_then(|tag| tag.strip_prefix("stream-")?.parse().ok());
    let (sequence, payload) = sequence(data)?;
    visit(Read { stream: Stream(number.context("another tag")?), sequence, id: id.as_bytes(), payload });
    Ok(())
}

impl Store for Uma {
    fn append(&self, append: Append) -> Pending<'_> {
        Box::pin(self.hand_in(append))
    }

    fn reads(&self) -> &dyn Reads {
        self
    }

    fn close(self: Box<Self>) -> Result<()> {
        self.requests.blocking_send(WriterThreadRequest::Shutdown).ok().context("the writer has ended")?;
        self.thread.join().ok().context("the writer has panicked")
    }
}

impl Reads for Uma {
    fn count(&self, stream: Stream) -> Result<u64> {
        Ok(self.end(stream)?.count)
    }

    fn read_stream(&self, stream: Stream, visit: &mut Visit<'_>) -> Result<()> {
        self.visit(Some(&query(stream)), visit)
    }

    fn read_all(&self, visit: &mut Visit<'_>) -> Result<()> {
        self.visit(None, visit)
    }
}

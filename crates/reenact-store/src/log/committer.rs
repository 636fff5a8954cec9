//! The one thread that writes the log.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::batch::{Answer, Batch, Request};
use super::directory::Directory;
use super::format::{BlockWriter, Mark};
use super::recovery::Tail;
use super::shared::Shared;
use crate::clock::Clock;
use crate::decide::RecentIds;
use crate::event::Timestamp;
use crate::store::AppendError;

/// Takes the appends that wait and commits them in groups: whatever has gathered while a group was written
/// and synced is the next one. Nobody waits for company.
#[derive(Debug)]
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) commits: watch::Sender<u64>,
    pub(super) tail: Tail,
    pub(super) clock: Clock,
    pub(super) recent: RecentIds,
    /// Did not fit into the last block.
    pub(super) held: Option<Request>,
    /// Where the mark is kept, and the directory's lock; none in tests.
    pub(super) directory: Option<Directory>,
}

impl Committer {
    /// Runs until nobody can hand in appends any more, then marks how far the log reaches.
    pub(super) fn run(mut self) -> Result<(), (PathBuf, io::Error)> {
        while let Some(first) = self.next() {
            self.commit(first);
        }
        match &self.directory {
            Some(directory) if self.shared.poison.get().is_none() => directory.write_mark(&self.mark()),
            _ => Ok(()),
        }
    }

    fn mark(&self) -> Mark {
        let Tail { offset, crc, position, .. } = self.tail;
        Mark { log: self.shared.log, bytes: offset, events: position, crc }
    }

    fn next(&mut self) -> Option<Request> {
        self.held.take().or_else(|| self.requests.blocking_recv())
    }

    fn commit(&mut self, first: Request) {
        if let Some(reason) = self.shared.poison.get() {
            let poisoned = AppendError::Poisoned { reason: reason.clone() };
            return tell([(first.answer, Err(poisoned))]);
        }
        let Batch { block, entries, answers, timestamp, .. } = self.gather(first);
        if block.events() > 0 {
            if let Err(error) = self.write(block, timestamp) {
                self.recent.clear();
                return tell(answers.into_iter().map(|(waiting, _)| (waiting, Err(error.clone()))));
            }
            let mut index = self.shared.index_mut();
            for (stream, chain, place) in entries {
                index.push(&stream, chain, place);
            }
            drop(index);
            self.commits.send_modify(|commits| *commits += 1);
        }
        tell(answers);
    }

    /// Decides about everything that waits, as far as it fits into one block.
    fn gather(&mut self, first: Request) -> Batch {
        let mut batch = Batch::new(Arc::clone(&self.shared), self.tail, self.clock.tick());
        batch.push(first, &mut self.recent);
        while let Ok(request) = self.requests.try_recv() {
            if !batch.has_room_for(&request) {
                self.held = Some(request);
                break;
            }
            batch.push(request, &mut self.recent);
        }
        batch
    }

    /// Makes a block durable: one write and one sync.
    fn write(&mut self, block: BlockWriter, timestamp: Timestamp) -> Result<(), AppendError> {
        let Tail { offset, position, crc, .. } = self.tail;
        let next = position + u64::from(block.events());
        let (bytes, crc) = block.finish(self.shared.log, offset, position, crc);
        if let Err(error) = self.shared.storage.write_all_at(&bytes, offset) {
            return Err(self.failed_write(bytes.len() as u64, &error));
        }
        if let Err(error) = self.shared.storage.sync_data() {
            return Err(self.poison(format!("failed to sync: {error}")));
        }
        self.tail = Tail { offset: offset + bytes.len() as u64, crc, position: next, timestamp };
        Ok(())
    }

    /// A write for which there is no room has done nothing once the file is cut back; any other failure is
    /// final.
    fn failed_write(&self, bytes: u64, error: &io::Error) -> AppendError {
        use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
        let reason = error.to_string();
        if !matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge) {
            return self.poison(format!("failed to write: {reason}"));
        }
        match self.shared.storage.set_len(self.tail.offset) {
            Ok(()) => AppendError::Full { bytes, reason },
            Err(error) => {
                self.poison(format!("failed to cut off a write for which there is no room: {error}"))
            }
        }
    }

    /// Nothing is written any more. After a sync that failed nobody knows what is on the disk, and a second
    /// one may succeed without having written it.
    fn poison(&self, reason: String) -> AppendError {
        // What could not be acknowledged should not come back as whole when the log is opened again and the
        // system still remembers it. If it does, it is events that may have been appended.
        let _as_well_as_possible = self.shared.storage.set_len(self.tail.offset);
        let reason = self.shared.poison.get_or_init(|| reason).clone();
        AppendError::Poisoned { reason }
    }
}

/// Answers those who wait. Whoever does not wait any more is told nothing.
fn tell(answers: impl IntoIterator<Item = (oneshot::Sender<Answer>, Answer)>) {
    for (waiting, answer) in answers {
        let _gone = waiting.send(answer);
    }
}

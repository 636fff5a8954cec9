//! The log on a disk that fails.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use super::format::{LogId, read_header, write_header};
use super::index::Index;
use super::recovery::{Recovery, Tail};
use super::shared::Shared;
use super::storage::Storage;
use super::{EventLog, OpenReport};
use crate::event::{EventKind, ExpectedSequence, NewEvent, Sequence, StreamId, Timestamp};
use crate::store::{AppendError, Direction, EventStore, ReadError};

/// What the disk does next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Fault {
    #[default]
    None,
    /// A write gives an error after its first bytes.
    Write(ErrorKind),
    Sync,
    /// A sync fails, and the next one does not.
    SyncOnce,
    /// A sync takes so long that everything else waits for the next one.
    Slow,
    /// A write for which there is no room, and cutting the file fails too.
    FullAndStuck,
}

#[derive(Debug)]
struct Faulty {
    file: File,
    fault: Arc<Mutex<Fault>>,
}

impl Faulty {
    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }
}

impl Storage for Faulty {
    fn read_exact_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        Storage::read_exact_at(&self.file, bytes, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let failed = match self.fault() {
            Fault::Write(kind) => kind,
            Fault::FullAndStuck => ErrorKind::StorageFull,
            Fault::None | Fault::Sync | Fault::SyncOnce | Fault::Slow => {
                return Storage::write_all_at(&self.file, bytes, offset);
            }
        };
        Storage::write_all_at(&self.file, &bytes[..bytes.len() / 2], offset)?;
        Err(failed.into())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut fault = self.fault.lock().unwrap();
        match *fault {
            Fault::Sync => Err(ErrorKind::Other.into()),
            Fault::SyncOnce => {
                *fault = Fault::None;
                Err(ErrorKind::Other.into())
            }
            Fault::Slow => {
                std::thread::sleep(Duration::from_millis(20));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        if self.fault() == Fault::FullAndStuck {
            return Err(ErrorKind::Other.into());
        }
        Storage::set_len(&self.file, bytes)
    }
}

struct Fixture {
    log: EventLog,
    file: File,
    fault: Arc<Mutex<Fault>>,
}

impl Fixture {
    fn new() -> Self {
        Self::after(Timestamp::default())
    }

    /// A log without events, whose last one was committed at a time all the same.
    fn after(timestamp: Timestamp) -> Self {
        let file = tempfile::tempfile().unwrap();
        let header = write_header(LogId::random());
        Storage::write_all_at(&file, &header, 0).unwrap();
        let (log, crc) = read_header(&header).unwrap();
        let tail = Tail { offset: 32, crc, position: 0, timestamp };
        let fault = Arc::new(Mutex::new(Fault::None));
        let storage = Faulty { file: file.try_clone().unwrap(), fault: Arc::clone(&fault) };
        let shared = Shared::new(Box::new(storage), log, Index::default());
        let report = OpenReport {
            events: 0,
            streams: 0,
            torn_at: None,
            torn_bytes: 0,
            bytes: 32,
            elapsed: Duration::ZERO,
        };
        let log = EventLog::start(shared, tail, report, None).unwrap();
        Self { log, file, fault }
    }

    fn set(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    async fn append(&self, event: &NewEvent) -> Result<Sequence, AppendError> {
        let stream = StreamId::new("s").unwrap();
        let receipt = self.log.append(&stream, ExpectedSequence::Any, vec![event.clone()]).await?;
        Ok(receipt.last)
    }

    async fn read(&self) -> Result<Vec<NewEvent>, ReadError> {
        let stream = StreamId::new("s").unwrap();
        let events = self.log.read(&stream, Sequence::FIRST, Direction::Forward, 100).await?;
        Ok(events.iter().map(crate::Event::to_new).collect())
    }

    /// The events that are found when what the file holds is opened.
    fn recovered(&self) -> u64 {
        let length = self.file.metadata().unwrap().len();
        let mut header = [0; 32];
        Storage::read_exact_at(&self.file, &mut header, 0).unwrap();
        let mut recovery = Recovery::new(&self.file, length, read_header(&header).unwrap(), None);
        recovery.run().unwrap();
        recovery.index.events()
    }
}

fn event() -> NewEvent {
    NewEvent::new(EventKind::new("k").unwrap(), vec![7; 100])
}

#[tokio::test]
async fn a_failed_write_or_sync_poisons_the_log_and_reads_go_on() {
    for fault in [Fault::Write(ErrorKind::Other), Fault::Sync, Fault::FullAndStuck] {
        let log = Fixture::new();
        let (there, lost) = (event(), event());
        assert_eq!(log.append(&there).await, Ok(Sequence(0)));
        log.set(fault);
        let error = log.append(&lost).await.unwrap_err();
        assert!(matches!(error, AppendError::Poisoned { .. }), "{fault:?}: {error}");
        assert!(error.may_have_happened());
        // The disk is well again, and still nothing is acknowledged: not even what is there.
        log.set(Fault::None);
        for again in [&lost, &event(), &there] {
            let error = log.append(again).await.unwrap_err();
            assert!(matches!(error, AppendError::Poisoned { .. }), "{fault:?}: {error}");
        }
        assert_eq!(log.read().await, Ok(vec![there]));
        assert!(log.log.poisoned().is_some());
        assert_eq!(log.recovered(), 1, "{fault:?}");
    }
}

#[tokio::test]
async fn what_waited_behind_a_failed_sync_is_not_acknowledged() {
    let log = Fixture::new();
    log.set(Fault::SyncOnce);
    // More than one block of them.
    let large = |_| NewEvent { payload: vec![7; 400 << 10].into(), ..event() };
    let events: Vec<_> = (0..40).map(large).collect();
    let appends = events.iter().map(|event| Box::pin(log.append(event))).collect();
    for answer in join(appends).await {
        assert!(matches!(answer, Err(AppendError::Poisoned { .. })), "{answer:?}");
    }
    assert_eq!((log.read().await, log.recovered()), (Ok(Vec::new()), 0));
}

#[tokio::test]
async fn a_full_disk_refuses_and_the_log_goes_on_when_there_is_room() {
    let log = Fixture::new();
    let (first, second, third) = (event(), event(), event());
    assert_eq!(log.append(&first).await, Ok(Sequence(0)));
    for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge] {
        log.set(Fault::Write(kind));
        let error = log.append(&second).await.unwrap_err();
        assert!(matches!(error, AppendError::Full { .. }) && !error.may_have_happened(), "{error}");
        assert_eq!(log.recovered(), 1);
    }
    log.set(Fault::None);
    assert_eq!(log.append(&third).await, Ok(Sequence(1)));
    assert_eq!(log.append(&second).await, Ok(Sequence(2)), "it was not there");
    assert_eq!(log.append(&first).await, Ok(Sequence(0)), "a retry");
    assert_eq!(log.append(&second).await, Ok(Sequence(2)), "a retry");
    assert_eq!(log.read().await, Ok(vec![first, third, second]));
    assert_eq!(log.recovered(), 3);
}

#[tokio::test]
async fn time_goes_on_where_the_log_ended_although_the_clock_is_behind() {
    let future = Timestamp(Timestamp::now().0 * 2);
    let log = Fixture::after(future);
    log.append(&event()).await.unwrap();
    let stream = StreamId::new("s").unwrap();
    let read = log.log.read(&stream, Sequence::FIRST, Direction::Forward, 1).await.unwrap();
    assert_eq!(read[0].timestamp, future);
}

#[tokio::test]
async fn damage_while_reading_is_named_and_the_rest_can_be_read() {
    let log = Fixture::new();
    let events = [event(), event(), event()];
    for event in &events {
        log.append(event).await.unwrap();
    }
    let length = log.file.metadata().unwrap().len();
    let middle = 32 + (length - 32) / 2;
    let mut byte = [0];
    Storage::read_exact_at(&log.file, &mut byte, middle).unwrap();
    Storage::write_all_at(&log.file, &[byte[0] ^ 1], middle).unwrap();
    let error = log.read().await.unwrap_err();
    assert!(matches!(error, ReadError::Damaged { position: crate::Position(1), .. }), "{error}");
    let stream = StreamId::new("s").unwrap();
    for sequence in [0, 2] {
        let read = log.log.read(&stream, Sequence(sequence), Direction::Forward, 1).await.unwrap();
        assert_eq!(read[0].to_new(), events[sequence as usize]);
    }
    log.append(&event()).await.unwrap();
}

#[tokio::test]
async fn what_waits_is_committed_together() {
    let log = Fixture::new();
    let commits = log.log.commits.clone();
    let events: Vec<_> = (0..200).map(|_| event()).collect();
    // All of them are handed in before the first is awaited a second time.
    let appends: Vec<_> = events.iter().map(|event| Box::pin(log.append(event))).collect();
    let mut sequences = Vec::new();
    for sequence in join(appends).await {
        sequences.push(sequence.unwrap().0);
    }
    sequences.sort_unstable();
    assert!(sequences.into_iter().eq(0..200));
    assert!(*commits.borrow() < 200, "{} commits", *commits.borrow());
    assert_eq!(log.recovered(), 200);
}

#[tokio::test]
async fn an_append_is_held_against_those_of_its_own_block() {
    let log = Fixture::new();
    log.set(Fault::Slow);
    let (stream, other) = (StreamId::new("s").unwrap(), StreamId::new("other").unwrap());
    let (a, b, c) = (event(), event(), event());
    let append = |stream, expected, events: &[&NewEvent]| {
        log.log.append(stream, expected, events.iter().map(|event| (*event).clone()).collect())
    };
    use ExpectedSequence::{Any, Exact, NoStream};
    let answers = join(vec![
        append(&other, Any, &[&event()]),
        append(&stream, NoStream, &[&a, &b]),
        append(&stream, NoStream, &[&a, &b]),
        append(&stream, Any, &[&a, &b]),
        append(&stream, NoStream, &[&b]),
        append(&stream, Any, &[&b, &c]),
        append(&stream, Exact(Sequence(1)), &[&c]),
        append(&stream, Exact(Sequence(1)), &[&c]),
    ])
    .await;
    assert!(*log.log.commits.borrow() <= 3, "{} commits", *log.log.commits.borrow());
    let first = answers[1].clone().unwrap();
    assert_eq!((first.first, first.last), (Sequence(0), Sequence(1)));
    assert!(answers[2] == Ok(first) && answers[3] == Ok(first), "{answers:?}");
    for (answer, expected) in [(&answers[4], NoStream), (&answers[5], Any)] {
        let (stream, actual) = (stream.clone(), Some(Sequence(1)));
        assert_eq!(*answer, Err(AppendError::WrongExpectedSequence { stream, expected, actual }));
    }
    assert_eq!(answers[6].clone().unwrap().last, Sequence(2));
    assert_eq!(answers[6], answers[7]);
    assert_eq!(log.read().await, Ok(vec![a, b, c]));
    assert_eq!(log.recovered(), 4);
}

/// Polls all futures together until each is ready.
async fn join<F: Future + Unpin>(mut futures: Vec<F>) -> Vec<F::Output> {
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(move |context| {
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none()
                && let std::task::Poll::Ready(ready) = std::pin::Pin::new(future).poll(context)
            {
                *output = Some(ready);
            }
        }
        if outputs.iter().any(Option::is_none) {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(outputs.drain(..).flatten().collect())
    })
    .await
}

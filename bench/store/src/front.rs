//! Ways to an engine that has no group commit which tasks can await.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use anyhow::{Context, Result, anyhow, ensure};
use tokio::sync::{mpsc, oneshot};

use crate::subject::{Engine, Mode, Pending, Reads, Store};
use crate::workload::{Append, Stream};

/// Appends that may wait for the thread, as many as for the log's own.
const QUEUE_APPENDS_MAX: usize = 4_096;
/// Locks over streams: so many that writers seldom meet at one.
const LOCKS: usize = 4_096;

/// Puts `engine` behind what `mode` asks for.
pub fn store(engine: impl Engine + 'static, mode: Mode) -> Result<Box<dyn Store>> {
    Ok(match mode {
        Mode::Front => Box::new(Front::start(Arc::new(engine))?),
        Mode::Own | Mode::Native => {
            Box::new(Native { engine, counts: (0..LOCKS).map(|_| Mutex::default()).collect() })
        }
    })
}

/// Streams' counts: an engine is asked once for each, which is the best case for it.
#[derive(Debug, Default)]
struct Counts(HashMap<Stream, u64>);

impl Counts {
    fn check(&mut self, engine: &(impl Reads + ?Sized), append: &Append) -> Result<()> {
        let count = match self.0.get(&append.stream) {
            Some(count) => *count,
            None => engine.count(append.stream)?,
        };
        ensure!(count == append.first, "stream {} has {count} events, not {}", append.stream.0, append.first);
        self.0.insert(append.stream, append.end());
        Ok(())
    }
}

type Answer = Result<(), String>;
type Request = (Append, oneshot::Sender<Answer>);

/// A thread takes whatever waits, writes it with one sync, and answers all of it.
struct Front<E> {
    engine: Arc<E>,
    requests: Option<mpsc::Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl<E: Engine + 'static> Front<E> {
    fn start(engine: Arc<E>) -> Result<Self> {
        let (sender, requests) = mpsc::channel(QUEUE_APPENDS_MAX);
        let worker = Arc::clone(&engine);
        let thread = thread::Builder::new().name("front".into()).spawn(move || commit(&*worker, requests))?;
        Ok(Self { engine, requests: Some(sender), thread: Some(thread) })
    }

    async fn hand_in(&self, append: Append) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        let requests = self.requests.as_ref().context("the front is closed")?;
        requests.send((append, answer)).await.ok().context("the front has ended")?;
        answered.await.context("the front has ended")?.map_err(|reason| anyhow!(reason))
    }
}

fn commit(engine: &impl Engine, mut requests: mpsc::Receiver<Request>) {
    let mut counts = Counts::default();
    let (mut appends, mut answers) = (Vec::new(), Vec::new());
    while let Some(first) = requests.blocking_recv() {
        let mut waiting = Some(first);
        while let Some((append, answer)) = waiting.take().or_else(|| requests.try_recv().ok()) {
            match counts.check(engine, &append) {
                Ok(()) => {
                    appends.push(append);
                    answers.push(answer);
                }
                Err(error) => tell(answer, &Err(error)),
            }
        }
        let written = if appends.is_empty() { Ok(()) } else { engine.write(&appends) };
        appends.clear();
        answers.drain(..).for_each(|answer| tell(answer, &written));
    }
}

fn tell(answer: oneshot::Sender<Answer>, result: &Result<()>) {
    // Whoever does not wait any more wants no answer.
    let _gone = answer.send(result.as_ref().map_err(|error| format!("{error:#}")).copied());
}

impl<E: Engine + 'static> Store for Front<E> {
    fn append(&self, append: Append) -> Pending<'_> {
        Box::pin(self.hand_in(append))
    }

    fn reads(&self) -> &dyn Reads {
        &*self.engine
    }

    fn close(mut self: Box<Self>) -> Result<()> {
        self.requests = None;
        let ended = self.thread.take().map(JoinHandle::join);
        ended.is_none_or(|ended| ended.is_ok()).then_some(()).context("the front has panicked")
    }
}

/// Whoever appends calls the engine, for that append alone.
struct Native<E> {
    engine: E,
    /// Held from the check to the end of the write, so that nobody else appends to the stream meanwhile.
    counts: Vec<Mutex<Counts>>,
}

impl<E: Engine> Native<E> {
    fn write(&self, append: Append) -> Result<()> {
        let lock = &self.counts[append.stream.0 as usize % LOCKS];
        let mut counts = lock.lock().unwrap_or_else(PoisonError::into_inner);
        counts.check(&self.engine, &append)?;
        self.engine.write(&[append])
    }
}

impl<E: Engine> Store for Native<E> {
    fn append(&self, append: Append) -> Pending<'_> {
        Box::pin(async move { self.write(append) })
    }

    fn reads(&self) -> &dyn Reads {
        &self.engine
    }

    fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

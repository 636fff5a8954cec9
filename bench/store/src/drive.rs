//! Concurrent writers: each awaits its acknowledgement before it appends again.

use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;
use tokio::sync::Barrier;

use crate::stats::percentile;
use crate::subject::{Mode, Store};
use crate::workload::{Append, Fill, Share};

/// Threads that run the tasks.
const RUNTIME_THREADS: usize = 2;
/// Writers that fill a store.
const FILLERS: u32 = 64;

/// What came of a span of appends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Events acknowledged in a second.
    pub per_second: f64,
    /// From the call to the acknowledgement, in the middle.
    pub p50_millis: f64,
    /// And of the slowest in a hundred.
    pub p99_millis: f64,
}

impl Measured {
    /// Of appends of `events` events that took so many microseconds each.
    pub fn new(micros: &[u32], events: u64, length: Duration) -> Self {
        let per_second = micros.len() as f64 * events as f64 / length.as_secs_f64();
        let millis: Vec<_> = micros.iter().map(|micros| f64::from(*micros) / 1e3).collect();
        Self { per_second, p50_millis: percentile(&millis, 50.0), p99_millis: percentile(&millis, 99.0) }
    }
}

/// How to append.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// How many append at the same time.
    pub writers: u32,
    /// How many events each appends at once.
    pub events: u64,
    /// Milliseconds before it counts.
    pub warmup_millis: u64,
    /// Milliseconds in which it counts.
    pub millis: u64,
}

/// A store that several writers have.
type Shared = Arc<Box<dyn Store>>;

/// What a writer does.
type Work<T> = std::pin::Pin<Box<dyn Future<Output = Result<T>> + Send>>;

/// Appends to a store that is empty, and closes it.
pub fn measure(store: Box<dyn Store>, mode: Mode, plan: Plan) -> Result<Measured> {
    let window = Arc::new(Window {
        barrier: Barrier::new(plan.writers as usize),
        begin: OnceLock::new(),
        warmup: Duration::from_millis(plan.warmup_millis),
        length: Duration::from_millis(plan.millis),
    });
    let writer = |store: Shared, writer| -> Work<_> {
        Box::pin(append(store, Share::new(writer, plan.writers), plan.events, Arc::clone(&window)))
    };
    let micros = run(store, mode, plan.writers, &writer)?.concat();
    ensure!(!micros.is_empty(), "nothing was acknowledged in time");
    Ok(Measured::new(&micros, plan.events, window.length))
}

/// Fills a store that is empty; it stays open.
pub fn fill(store: &Arc<Box<dyn Store>>, mode: Mode, fill: Fill) -> Result<()> {
    let writer =
        |store: Shared, writer| -> Work<()> { Box::pin(append_all(store, fill.appends(writer, FILLERS))) };
    run_shared(store, mode, FILLERS, &writer)?;
    Ok(())
}

/// When appends count.
#[derive(Debug)]
struct Window {
    barrier: Barrier,
    begin: OnceLock<Instant>,
    warmup: Duration,
    length: Duration,
}

impl Window {
    /// Waits until every writer has done something, so that none connects or opens anything later.
    async fn begin(&self) -> Instant {
        self.barrier.wait().await;
        *self.begin.get_or_init(|| Instant::now() + self.warmup)
    }
}

/// Microseconds of each append that was acknowledged in the window.
async fn append(store: Shared, mut share: Share, events: u64, window: Arc<Window>) -> Result<Vec<u32>> {
    let first = store.append(share.append(events)).await;
    // Whoever fails comes here too, for the others wait.
    let begin = window.begin().await;
    first?;
    let end = begin + window.length;
    let mut micros = Vec::new();
    loop {
        let append = share.append(events);
        let before = Instant::now();
        store.append(append).await?;
        let after = Instant::now();
        if after > end {
            return Ok(micros);
        }
        if after >= begin {
            micros.push((after - before).as_micros() as u32);
        }
    }
}

async fn append_all(store: Shared, appends: Box<dyn Iterator<Item = Append> + Send>) -> Result<()> {
    for append in appends {
        store.append(append).await?;
    }
    Ok(())
}

fn run<T: Send + 'static>(
    store: Box<dyn Store>,
    mode: Mode,
    writers: u32,
    work: &dyn Fn(Shared, u32) -> Work<T>,
) -> Result<Vec<T>> {
    let store = Arc::new(store);
    let done = run_shared(&store, mode, writers, work)?;
    Arc::into_inner(store).context("a writer still has the store")?.close()?;
    Ok(done)
}

fn run_shared<T: Send + 'static>(
    store: &Shared,
    mode: Mode,
    writers: u32,
    work: &dyn Fn(Shared, u32) -> Work<T>,
) -> Result<Vec<T>> {
    let works = (0..writers).map(|writer| work(Arc::clone(store), writer));
    if mode == Mode::Native { on_threads(works) } else { as_tasks(works) }
}

fn as_tasks<T: Send + 'static>(works: impl Iterator<Item = Work<T>>) -> Result<Vec<T>> {
    let runtime = Builder::new_multi_thread().worker_threads(RUNTIME_THREADS).enable_all().build()?;
    let tasks: Vec<_> = works.map(|work| runtime.spawn(work)).collect();
    runtime.block_on(async {
        let mut done = Vec::new();
        for task in tasks {
            done.push(task.await??);
        }
        Ok(done)
    })
}

fn on_threads<T: Send + 'static>(works: impl Iterator<Item = Work<T>>) -> Result<Vec<T>> {
    let spawn = |work| Ok(thread::Builder::new().name("writer".into()).spawn(move || block_on(work))?);
    let threads: Result<Vec<_>> = works.map(spawn).collect();
    threads?.into_iter().map(|thread| thread.join().ok().context("a writer has panicked")?).collect()
}

/// Waits on this thread alone: what is called may have a runtime of its own, and none may be within another.
fn block_on<T>(mut work: Work<T>) -> Result<T> {
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match work.as_mut().poll(&mut context) {
            Poll::Ready(done) => return done,
            Poll::Pending => thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

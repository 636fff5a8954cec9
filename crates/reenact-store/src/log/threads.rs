//! The log's threads: one commits what those who append do not commit themselves, one prepares segments, one writes
//! indexes, one merges runs.

use std::future::poll_fn;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Poll, Waker};
use std::thread::{self, JoinHandle};

use super::Inner;
use super::commit::Core;
use super::merge::{merge_step, write_index};
use super::read::let_others_go;

/// Appends in a block up to which those who append commit themselves. With more of them it costs less to wake the log's
/// thread than to let one of theirs wait for the disk: append-1, append-16 and append-256 of `cargo xtask bench log`.
const FEW_APPENDS: usize = 64;

/// A bell that is not missed: who waits for it is woken if it was rung since.
#[derive(Debug, Default)]
struct Bell {
    rung: AtomicBool,
    waiting: Mutex<()>,
    changed: Condvar,
}

impl Bell {
    fn ring(&self) {
        if !self.rung.swap(true, Ordering::SeqCst) {
            // Who is about to wait has looked already, or looks after us.
            let _waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.changed.notify_one();
        }
    }

    fn wait(&self) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while !self.rung.swap(false, Ordering::SeqCst) {
            waiting = self.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[derive(Debug, Default)]
struct Bells {
    commit: Bell,
    prepare: Bell,
    index: Bell,
    merge: Bell,
    stop: AtomicBool,
    /// How many were answered with the last block.
    company: AtomicUsize,
    /// The task that appended last.
    last: Mutex<Option<Waker>>,
}

/// What a thread does until it is stopped.
type Work = fn(&Inner, &Bells);

#[derive(Debug)]
pub(super) struct Threads {
    bells: Arc<Bells>,
    handles: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn start(inner: &Arc<Inner>) -> io::Result<Self> {
        let mut threads = Self { bells: Arc::default(), handles: Vec::new() };
        let works: [(&str, Work); 4] =
            [("log-commit", commit), ("log-prepare", prepare), ("log-index", index), ("log-merge", merge)];
        for (name, work) in works {
            let (inner, bells) = (Arc::clone(inner), Arc::clone(&threads.bells));
            let thread = thread::Builder::new().name(name.into()).spawn(move || run(work, &inner, &bells));
            match thread {
                Ok(handle) => threads.handles.push(handle),
                Err(error) => {
                    // The failure to start is told; those that run end as always.
                    let _ended = threads.stop();
                    return Err(error);
                }
            }
        }
        Ok(threads)
    }

    /// Ends the threads; an error if one has panicked.
    pub(super) fn stop(self) -> Result<(), ()> {
        self.bells.stop.store(true, Ordering::Release);
        for bell in [&self.bells.commit, &self.bells.prepare, &self.bells.index, &self.bells.merge] {
            bell.ring();
        }
        let joined = self.handles.into_iter().map(JoinHandle::join);
        if joined.filter(Result::is_err).count() > 0 { Err(()) } else { Ok(()) }
    }

    /// Whether few append at a time, so that it is fastest if they commit themselves.
    pub(super) fn are_few(&self) -> bool {
        self.bells.company.load(Ordering::Relaxed) <= FEW_APPENDS
    }

    /// Lets other tasks go first, unless the one that appended last appends again: what they append is then
    /// committed together with ours. A task that appends alone does not wait.
    pub(super) async fn let_others_go(&self) {
        if poll_fn(|context| Poll::Ready(self.bells.is_another(context.waker()))).await {
            let_others_go().await;
        }
    }

    /// Sees to it that what waits is committed although whoever handed it in is gone; unless it is forgotten.
    pub(super) fn ring_if_dropped(&self) -> RingIfDropped<'_> {
        RingIfDropped(&self.bells.commit)
    }

    /// Sees to it that what waits is committed: here and now if few append and nobody else is
    /// committing, or by the log's thread.
    pub(super) fn commit(&self, inner: &Inner) {
        let mut more = true;
        if self.are_few()
            && let Some(mut core) = try_core(inner)
        {
            let answered = core.commit();
            more = core.has_more();
            drop(core);
            self.bells.company.store(answered, Ordering::Relaxed);
            self.bells.call(inner);
            more |= inner.queue.len() > 0;
        }
        if more {
            self.bells.commit.ring();
        }
    }
}

#[derive(Debug)]
pub(super) struct RingIfDropped<'a>(&'a Bell);

impl Drop for RingIfDropped<'_> {
    fn drop(&mut self) {
        self.0.ring();
    }
}

/// The one that commits, if nobody has it.
fn try_core(inner: &Inner) -> Option<MutexGuard<'_, Core>> {
    match inner.core.try_lock() {
        Ok(core) => Some(core),
        // Who panicked has seen to it that all are refused.
        Err(TryLockError::Poisoned(core)) => Some(core.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl Bells {
    /// Whether this is another task than the one that appended last.
    fn is_another(&self, waker: &Waker) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let same = last.as_ref().is_some_and(|last| last.will_wake(waker));
        if !same {
            *last = Some(waker.clone());
        }
        !same
    }

    /// Whether what is done ahead of need is still of use.
    fn goes_on(&self, inner: &Inner) -> bool {
        !self.stop.load(Ordering::Acquire) && inner.shared.poison.get().is_none()
    }

    /// After a commit: wakes whom it gives something to do.
    fn call(&self, inner: &Inner) {
        let (half, sealed) = {
            let state = inner.shared.state();
            (inner.segments.is_wanted((state.active.segment, state.active.end)), !state.sealed.is_empty())
        };
        if half {
            self.prepare.ring();
        }
        if sealed {
            self.index.ring();
        }
    }
}

/// Works until the log is closed. After a panic nothing more is taken; the thread that commits goes on, to refuse
/// what still comes.
fn run(work: Work, inner: &Inner, bells: &Bells) {
    let mut panicked = None;
    while let Err(panic) = catch_unwind(AssertUnwindSafe(|| work(inner, bells))) {
        // What it left is used to read and to refuse, and nothing else.
        inner.shared.poison_by_panic();
        bells.commit.ring();
        panicked.get_or_insert(panic);
    }
    if let Some(panic) = panicked {
        resume_unwind(panic);
    }
}

fn commit(inner: &Inner, bells: &Bells) {
    loop {
        bells.commit.wait();
        loop {
            let answered = inner.core().commit();
            if answered == 0 {
                break;
            }
            bells.company.store(answered, Ordering::Relaxed);
            bells.call(inner);
            gather(inner, answered);
        }
        if bells.stop.load(Ordering::Acquire) {
            return;
        }
    }
}

/// Lets those who were answered append again before the next block is begun, for as long as they do.
fn gather(inner: &Inner, answered: usize) {
    let mut before = inner.queue.len();
    while before < answered {
        thread::yield_now();
        let now = inner.queue.len();
        if now <= before {
            return;
        }
        before = now;
    }
}

fn prepare(inner: &Inner, bells: &Bells) {
    while bells.goes_on(inner) {
        // A failure shows again, and is told, when the segment is needed.
        if !inner.prepare_step().unwrap_or(false) {
            bells.prepare.wait();
        }
    }
}

fn index(inner: &Inner, bells: &Bells) {
    while bells.goes_on(inner) {
        // What could not be written stays in memory, and is tried again after the next commit.
        if write_index(&inner.shared).unwrap_or(false) {
            bells.merge.ring();
        } else {
            bells.index.wait();
        }
    }
}

fn merge(inner: &Inner, bells: &Bells) {
    while bells.goes_on(inner) {
        // What could not be merged is tried again when there is more.
        if !merge_step(&inner.shared).unwrap_or(false) {
            bells.merge.wait();
        }
    }
}

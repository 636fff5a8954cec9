//! Doing to a store what a script says.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use reenact::bot::Random;
use reenact_store::clock::Clock;
use reenact_store::{
    AppendError, BoxFuture, EventId, EventKind, EventStore, ExpectedSequence, Head, NewEvent, Position,
    Receipt, Sequence, TruncateError,
};

use uuid::Uuid;

use super::{Action, Batch, Breach, Expect, Model, SeededClock, Sizes, Violation, Work};
use crate::sim_disk::{Fault, SimDisk};

/// A store that keeps its events on a disk, and that works only when it is told to.
pub trait Subject: fmt::Debug {
    /// How many partitions it has.
    const PARTITIONS: u32 = 1;

    /// What it is when it is open.
    type Store: EventStore + 'static;

    /// Opens what is on a disk.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open(&self, disk: &SimDisk, clock: Arc<dyn Clock>) -> Result<Self::Store, String>;

    /// Does a piece of work, if there is any.
    fn work(&self, store: &Self::Store, work: Work);

    /// Gives up the oldest events, none at or after a position; for a store that does so.
    ///
    /// # Errors
    /// It could not.
    fn retain(&self, _: &Self::Store, _: Position) -> Result<(), String> {
        Ok(())
    }

    /// Opens a reader of what a store has open; `None` for a store that has no readers beside it.
    ///
    /// # Errors
    /// It cannot be opened.
    fn open_beside(&self, _: &SimDisk) -> Result<Option<Box<dyn EventStore>>, String> {
        Ok(None)
    }
}

/// More than there are blocks in what a script lets wait.
const COMMITS_BEFORE_RETAINING: usize = 20;

/// An answer that is waited for.
struct Waiting {
    asked: Asked,
    answer: BoxFuture<'static, Answer>,
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    /// Which append; whether nobody asked for it before.
    Append {
        batch: usize,
        first_call: bool,
    },
    Truncate {
        stream: usize,
        before: Sequence,
    },
}

enum Answer {
    Append(Result<Receipt, AppendError>),
    Truncate(Result<Head, TruncateError>),
}

/// A store, what was asked of it, and what it answered.
pub struct Run<S: Subject> {
    subject: S,
    disk: SimDisk,
    clock: Arc<SeededClock>,
    /// `None` while it is closed.
    store: Option<Arc<S::Store>>,
    /// Reads beside it.
    beside: Option<Box<dyn EventStore>>,
    /// In the order in which they were asked.
    waiting: Vec<Waiting>,
    model: Model,
    /// Makes ids and payloads.
    random: Random,
    /// Whether it may show, once the store is opened again, that something was given up which could not be.
    retained_perhaps: bool,
    /// Whether the disk was asked to fail: then the store may refuse what it would not refuse otherwise.
    faults: bool,
}

impl<S: Subject> fmt::Debug for Run<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("subject", &self.subject)
            .field("model", &self.model)
            .finish_non_exhaustive()
    }
}

impl<S: Subject> Run<S> {
    /// A subject that is closed, on a disk on which it never was.
    pub fn new(subject: S, disk: SimDisk, sizes: Sizes, seed: u64) -> Self {
        Self::with(subject, disk, Model::new(sizes.streams, S::PARTITIONS), seed)
    }

    /// A subject that is closed, and of which something is known.
    pub fn with(subject: S, disk: SimDisk, model: Model, seed: u64) -> Self {
        let clock = Arc::new(SeededClock::new(seed));
        let (store, beside, waiting) = (None, None, Vec::new());
        let random = Random::new(seed);
        let (retained_perhaps, faults) = (false, false);
        Self { subject, disk, clock, store, beside, waiting, model, random, retained_perhaps, faults }
    }

    /// The disk of this life.
    pub fn disk(&self) -> &SimDisk {
        &self.disk
    }

    /// What is known of the store.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// The store, if it is open.
    pub fn store(&self) -> Option<&S::Store> {
        self.store.as_deref()
    }

    /// The disk is going to fail.
    pub fn fail(&mut self, fault: Fault) {
        self.faults = true;
        self.disk.fail(fault);
    }

    /// Opens the store and holds it against what must be there. Whether it is open: it may not be, if the
    /// machine stopped or the disk was asked to fail.
    ///
    /// # Errors
    /// It broke its word.
    pub fn open(&mut self) -> Result<bool, Violation> {
        let opened = self.subject.open(&self.disk, Arc::clone(&self.clock) as Arc<dyn Clock>);
        match opened.map_err(|error| Violation::new(Breach::Unreadable, error)) {
            Ok(store) => {
                let seen = self.model.see_all_after_opening(&store);
                self.store = Some(Arc::new(store));
                self.unless_disk(seen)?;
            }
            Err(error) => self.unless_disk(Err(error))?,
        }
        Ok(self.store.is_some())
    }

    /// Closes the store; nobody waits for an answer any more.
    pub fn close(&mut self) {
        self.waiting.clear();
        self.beside = None;
        self.store = None;
        self.retained_perhaps = false;
    }

    /// Cuts the power; the store is closed afterwards.
    pub fn crash(&mut self, random: &mut Random) {
        let disk = self.disk.crash(random);
        self.go_on_with(disk);
    }

    /// Kills the process; the store is closed afterwards.
    pub fn kill(&mut self) {
        let disk = self.disk.kill();
        self.go_on_with(disk);
    }

    fn go_on_with(&mut self, disk: SimDisk) {
        self.close();
        self.disk = disk;
        self.faults = false;
    }

    /// Looks at the store, which is closed, with a reader: what that shows must stay. Nothing of it is there to be
    /// read before the first event.
    ///
    /// # Errors
    /// It broke its word.
    pub fn look_beside(&mut self) -> Result<(), Violation> {
        if self.model.acknowledged() == 0 {
            return Ok(());
        }
        let seen = self.read_beside(true);
        self.beside = None;
        seen
    }

    /// Does what a script says, until the machine stops.
    ///
    /// # Errors
    /// The store broke its word.
    pub fn act_all(&mut self, script: impl IntoIterator<Item = Action>) -> Result<(), Violation> {
        for action in script {
            if self.disk.has_stopped() {
                break;
            }
            self.act(action)?;
        }
        Ok(())
    }

    /// Does one thing; nothing, but for opening, if the store is closed.
    ///
    /// # Errors
    /// The store broke its word.
    pub fn act(&mut self, action: Action) -> Result<(), Violation> {
        if action == Action::Reopen {
            self.close();
            return self.open().map(drop);
        }
        let Some(store) = self.store.clone() else { return Ok(()) };
        match action {
            Action::Append { stream, expect, payload_bytes } => {
                let expected = self.expected(stream, expect);
                let events = payload_bytes.into_iter().map(|bytes| self.event(bytes)).collect();
                let batch = self.model.hand_over(stream, expected, events);
                self.ask_to_append(&store, batch, true)
            }
            Action::Retry { nth } => self.retry(&store, nth),
            Action::Truncate { stream, before } => self.truncate(store, stream, before),
            Action::Listen => self.listen(),
            Action::GiveUp { nth } => {
                if !self.waiting.is_empty() {
                    self.waiting.remove((nth % self.waiting.len() as u64) as usize);
                }
                Ok(())
            }
            Action::Read { stream } => {
                // What was decided by now was decided about what was there then.
                self.listen()?;
                let seen = self.model.see(&*store, stream);
                self.unless_disk(seen)
            }
            Action::ReadBeside { anew } => self.read_beside(anew),
            Action::Retain { before } => self.retain(&store, before),
            Action::Work(work) => {
                self.subject.work(&store, work);
                Ok(())
            }
            Action::Reopen => Ok(()),
        }
    }

    /// Lets the store work until everything is answered, and holds all of it against what must be there.
    ///
    /// # Errors
    /// The store broke its word.
    pub fn settle(&mut self) -> Result<(), Violation> {
        for _ in 0..=self.waiting.len() {
            self.act(Action::Work(Work::Commit))?;
            self.act(Action::Work(Work::Prepare))?;
            self.listen()?;
        }
        let silent = !self.waiting.is_empty() && !self.disk.has_stopped();
        if silent {
            let asked: Vec<_> = self.waiting.iter().map(|waiting| waiting.asked).collect();
            return Err(Violation::new(Breach::Silence, format!("{asked:?}")));
        }
        self.see_all()
    }

    /// Holds everything against what must be there, if the store is open.
    ///
    /// # Errors
    /// The store broke its word.
    pub fn see_all(&mut self) -> Result<(), Violation> {
        match self.store.clone() {
            Some(store) => self.model.see_all(&*store),
            None => Ok(()),
        }
    }

    /// The disk does not fail any more, so that nothing is excused by it; for a store that is closed.
    pub fn forgive(&mut self) {
        self.faults = false;
    }

    fn expected(&mut self, stream: usize, expect: Expect) -> ExpectedSequence {
        let last = self.model.perhaps_last(stream);
        match expect {
            Expect::Any => ExpectedSequence::Any,
            Expect::Right => ExpectedSequence::after(last),
            Expect::NoStream => ExpectedSequence::NoStream,
            Expect::Wrong => {
                let beyond = last.map_or(0, |last| last.0 + 1) + self.random.below(3);
                ExpectedSequence::Exact(Sequence(beyond))
            }
        }
    }

    fn event(&mut self, payload_bytes: usize) -> NewEvent {
        let (high, low) = (self.random.bits(), self.random.bits());
        // The version and the variant that ids of events have.
        let high = high & !0xf000 | 0x7000;
        let low = low & !(0b11 << 62) | 0b10 << 62;
        let id = EventId::from_uuid(Uuid::from_u64_pair(high, low)).expect("a UUID of version 7");
        let payload: Vec<u8> = (0..payload_bytes.div_ceil(8))
            .flat_map(|_| self.random.bits().to_le_bytes())
            .take(payload_bytes)
            .collect();
        let kind = EventKind::new("Simulated").expect("a kind");
        NewEvent { id, ..NewEvent::new(kind, payload) }
    }

    fn retry(&mut self, store: &Arc<S::Store>, nth: u64) -> Result<(), Violation> {
        let count = self.model.batches().len();
        if count == 0 {
            return Ok(());
        }
        let batch = count - 1 - (nth % count as u64) as usize;
        let asks =
            |waiting: &Waiting| matches!(waiting.asked, Asked::Append { batch: other, .. } if other == batch);
        if self.waiting.iter().any(asks) || !self.model.may_hand_over_again(batch) {
            return Ok(());
        }
        let again = self.model.hand_over_again(batch);
        self.ask_to_append(store, again, again != batch)
    }

    fn ask_to_append(
        &mut self,
        store: &Arc<S::Store>,
        batch: usize,
        first_call: bool,
    ) -> Result<(), Violation> {
        let Batch { stream, expected, ref events, .. } = self.model.batches()[batch];
        let (store, events) = (Arc::clone(store), events.clone());
        let stream = self.model.stream(stream).clone();
        let answer = async move { Answer::Append(store.append(&stream, expected, events).await) };
        self.ask(Asked::Append { batch, first_call }, Box::pin(answer))
    }

    fn truncate(&mut self, store: Arc<S::Store>, stream: usize, before: u64) -> Result<(), Violation> {
        // Not beyond what is known, so that what is truncated is.
        let before = Sequence(before % (self.model.known(stream) + 1));
        self.model.ask_to_truncate(stream, before);
        let id = self.model.stream(stream).clone();
        let answer = async move { Answer::Truncate(store.truncate(&id, before).await) };
        self.ask(Asked::Truncate { stream, before }, Box::pin(answer))
    }

    /// A reader shows what is durable, and so nothing less than what was acknowledged, and what it has shown
    /// stays there.
    fn read_beside(&mut self, anew: bool) -> Result<(), Violation> {
        if anew || self.beside.is_none() {
            self.beside = match self.subject.open_beside(&self.disk) {
                Ok(beside) => beside,
                Err(error) => return self.unless_disk(Err(Violation::new(Breach::Unreadable, error))),
            };
        }
        self.listen()?;
        let seen = match self.beside.as_deref() {
            None => Ok(()),
            // A write that failed may be there all the same, and a reader may see it sooner than the store does.
            Some(beside) if self.faults => self.model.clone().see_all(beside),
            Some(beside) => self.model.see_all(beside),
        };
        self.unless_disk(seen.map_err(|violation| violation.at("read beside the store")))
    }

    fn retain(&mut self, store: &S::Store, before: u64) -> Result<(), Violation> {
        // What waits would find another store than the one to which it was handed over.
        for _ in 0..COMMITS_BEFORE_RETAINING {
            self.subject.work(store, Work::Commit);
        }
        self.listen()?;
        if !self.waiting.is_empty() {
            return Ok(());
        }
        // What nobody has seen yet could not be missed.
        let seen = self.model.see_all(store);
        if seen.is_err() {
            return self.unless_disk(seen);
        }
        let before = self.model.ask_to_retain(before);
        // It becomes unreadable to those who have it open.
        self.beside = None;
        match self.subject.retain(store, before) {
            Ok(()) => {
                let doubt = self.retained_perhaps;
                let seen = if doubt { self.model.see_all(store) } else { self.model.retained(store) };
                self.unless_disk(seen)
            }
            Err(error) => {
                self.retained_perhaps = true;
                self.unless_disk(Err(Violation::new(Breach::Refusal, error)))
            }
        }
    }

    fn ask(&mut self, asked: Asked, answer: BoxFuture<'static, Answer>) -> Result<(), Violation> {
        // What was decided by now was decided before this, which may be answered at once.
        self.listen()?;
        let mut waiting = Waiting { asked, answer };
        match waiting.poll() {
            Poll::Ready(answer) => self.take(asked, answer),
            Poll::Pending => {
                self.waiting.push(waiting);
                Ok(())
            }
        }
    }

    fn listen(&mut self) -> Result<(), Violation> {
        // In the order in which they were asked, as an answer may depend on those before it.
        for mut waiting in std::mem::take(&mut self.waiting) {
            match waiting.poll() {
                Poll::Ready(answer) => self.take(waiting.asked, answer)?,
                Poll::Pending => self.waiting.push(waiting),
            }
        }
        Ok(())
    }

    fn take(&mut self, asked: Asked, answer: Answer) -> Result<(), Violation> {
        match (asked, answer) {
            (Asked::Append { batch, .. }, Answer::Append(Ok(receipt))) => {
                self.model.acknowledge(batch, receipt)
            }
            (Asked::Append { batch, first_call }, Answer::Append(Err(error))) => {
                if !matches!(error, AppendError::WrongExpectedSequence { .. }) {
                    self.unless_disk(Err(Violation::new(Breach::Refusal, format!("{error}"))))?;
                }
                self.model.refuse(batch, &error, first_call)
            }
            (Asked::Truncate { stream, before }, Answer::Truncate(Ok(head))) => {
                self.model.truncated(stream, before, &head)
            }
            (Asked::Truncate { stream, before }, Answer::Truncate(Err(error))) => {
                if !matches!(error, TruncateError::BeyondEnd { .. }) {
                    self.unless_disk(Err(Violation::new(Breach::Refusal, format!("{error}"))))?;
                }
                self.model.not_truncated(stream, before, &error)
            }
            _ => unreachable!("an answer is to what was asked"),
        }
    }

    /// Lets pass what a disk that fails excuses: that something cannot be read, or is refused.
    fn unless_disk(&self, result: Result<(), Violation>) -> Result<(), Violation> {
        let excused = self.faults || self.disk.has_stopped();
        match result {
            Err(Violation { breach: Breach::Unreadable | Breach::Refusal, .. }) if excused => Ok(()),
            result => result,
        }
    }
}

impl Waiting {
    fn poll(&mut self) -> Poll<Answer> {
        self.answer.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }
}

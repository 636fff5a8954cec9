//! Many writers on a store, and a journal of what they were told. The writers are a process of their own, so that
//! the journal lies where no fault of theirs reaches it.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, PipeWriter, Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use reenact_store::{
    AppendError, Event, EventId, EventKind, EventStore, ExpectedSequence, NewEvent, Receipt, Sequence,
    StreamId,
};

use crate::store::{check_everything, stream};

const WRITERS: usize = 32;
const STREAMS: usize = 8;
const PAYLOAD_BYTES_MAX: usize = 512;
/// How long the writers may say nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// When writers say that events are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledging {
    /// When the store has said so.
    Stored,
    /// Before they are handed to the store, which is a lie: whoever looks for losses must find some.
    Attempted,
}

/// Appends from many writers at once to a few streams, and says on standard output what is attempted and what
/// is acknowledged. Each writer ends when it is refused.
///
/// # Panics
/// A writer panics.
pub async fn write_until_refused(store: Arc<dyn EventStore>, acknowledging: Acknowledging) {
    let write = |writer| tokio::spawn(write(Arc::clone(&store), writer, acknowledging));
    let writers: Vec<_> = (0..WRITERS).map(write).collect();
    for writer in writers {
        writer.await.expect("the writer ends");
    }
}

async fn write(store: Arc<dyn EventStore>, writer: usize, acknowledging: Acknowledging) {
    let stream = stream(&format!("s{}", writer % STREAMS));
    let exact = (writer / STREAMS).is_multiple_of(2);
    for n in writer.. {
        let events: Vec<_> = (0..=n % 3).map(|_| event_of(EventId::new())).collect();
        let ids = events.iter().fold(String::new(), |ids, event| ids + " " + &event.id.to_string());
        say(&format!("attempted {stream}{ids}"));
        if acknowledging == Acknowledging::Attempted {
            say(&format!("acknowledged {stream} -{ids}"));
        }
        match append(&*store, &stream, exact, events).await {
            Ok(_) if acknowledging == Acknowledging::Attempted => {}
            Ok(receipt) => say(&format!("acknowledged {stream} {}{ids}", receipt.first)),
            Err(error) => return say(&format!("refused {error}")),
        }
    }
}

/// One write, so that a process that is killed says a line as a whole or not at all.
fn say(line: &str) {
    io::stdout().write_all(format!("{line}\n").as_bytes()).expect("somebody takes it down");
}

/// An event whose id tells the rest of it.
fn event_of(id: EventId) -> NewEvent {
    let bytes = id.to_bytes();
    let length = usize::from(u16::from_le_bytes([bytes[14], bytes[15]])) % PAYLOAD_BYTES_MAX;
    let payload: Vec<_> = bytes.into_iter().cycle().take(length).collect();
    NewEvent { id, ..NewEvent::new(EventKind::new("Written").expect("a kind"), payload) }
}

async fn append(
    store: &dyn EventStore,
    stream: &StreamId,
    exact: bool,
    events: Vec<NewEvent>,
) -> Result<Receipt, AppendError> {
    if !exact {
        return store.append(stream, ExpectedSequence::Any, events).await;
    }
    let mut last = store.head(stream).await?.map(|head| head.sequence);
    loop {
        match store.append(stream, ExpectedSequence::after(last), events.clone()).await {
            Err(AppendError::WrongExpectedSequence { actual, .. }) => last = actual,
            answer => return answer,
        }
    }
}

/// A process that runs [`write_until_refused`], seen from outside. It is killed when this is dropped.
#[derive(Debug)]
pub struct WriterProcess {
    child: Child,
    /// Its standard output; `None` after the fault, so that there is an end of it.
    pipe: Option<PipeWriter>,
    lines: Receiver<String>,
}

/// What a fault says in the [`pipe`](WriterProcess::pipe) before it comes, if acknowledgements that come later are
/// none: a machine without power says nothing.
pub const LAST_LINE: &str = "cut";

impl WriterProcess {
    /// Starts the process.
    ///
    /// # Panics
    /// It does not start.
    pub fn start(mut command: Command) -> Self {
        let (reader, pipe) = io::pipe().expect("a pipe");
        let stdout = pipe.try_clone().expect("the pipe's end once more");
        let child = command.stdin(Stdio::null()).stdout(stdout).spawn().expect("a process");
        let (sender, lines) = mpsc::channel();
        // What is said is taken at once, so that writers never wait for whoever follows them.
        thread::spawn(move || whole_lines(reader).try_for_each(|line| sender.send(line)));
        Self { child, pipe: Some(pipe), lines }
    }

    /// The standard output of the writers, for a fault: what it says there stands in one order with what they say.
    pub fn pipe(&mut self) -> Stdio {
        self.pipe.take().map_or_else(Stdio::null, Stdio::from)
    }

    /// Takes down what the writers say. As soon as they have said so many acknowledgements, `fault` comes over
    /// them, and has to end them.
    ///
    /// # Panics
    /// Nothing is said for a long time, and they have not ended by a fault.
    pub fn follow(mut self, journal: &mut Journal, acknowledgements: u64, fault: impl FnOnce(&mut Self)) {
        journal.is_cut = false;
        let enough = journal.acknowledgements + acknowledgements;
        let mut fault = Some(fault);
        loop {
            if let Some(fault) = fault.take_if(|_| journal.acknowledgements >= enough) {
                fault(&mut self);
                self.pipe = None;
            }
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => journal.take_down(&line),
                Err(mpsc::RecvTimeoutError::Disconnected) => break,
                Err(mpsc::RecvTimeoutError::Timeout) => panic!("nothing more is said: {:?}", journal.refusal),
            }
        }
    }

    /// Kills the process, which can do nothing about it.
    ///
    /// # Panics
    /// The system refuses.
    pub fn kill(&mut self) {
        self.child.kill().expect("one's own child can be killed");
    }
}

impl Drop for WriterProcess {
    fn drop(&mut self) {
        // An error says that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines without their ends; what comes after the last end is none.
fn whole_lines(pipe: impl Read) -> impl Iterator<Item = String> {
    let mut reader = BufReader::new(pipe);
    std::iter::from_fn(move || {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        line.strip_suffix('\n').map(str::to_owned)
    })
}

/// What writers were told, and what was read since: all of it has to stay.
#[derive(Debug, Default)]
pub struct Journal {
    /// Events that were acknowledged.
    pub acknowledged: u64,
    /// Appends that were acknowledged.
    acknowledgements: u64,
    /// The events of each append.
    attempted: Vec<(StreamId, Vec<EventId>)>,
    /// Events that have to be there, and where, as far as that was said.
    promised: HashMap<EventId, Option<Sequence>>,
    /// What a writer was refused with.
    refusal: Option<String>,
    /// Whether [`LAST_LINE`] has come.
    is_cut: bool,
}

/// What a store has of what a [`Journal`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Events that are there.
    pub events: u64,
    /// Events that were acknowledged, or read before, and are not there; each is counted once.
    pub lost: u64,
}

impl Journal {
    /// Takes down a line of [`write_until_refused`]; what a test harness says is passed over.
    fn take_down(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            LAST_LINE => self.is_cut = true,
            "acknowledged" if self.is_cut => {}
            "attempted" => self.attempt(rest).expect("a stream, and ids"),
            "acknowledged" => self.acknowledge(rest).expect("a stream, a sequence, and ids"),
            "refused" => self.refusal = Some(rest.to_owned()),
            _ => {}
        }
    }

    fn attempt(&mut self, line: &str) -> Option<()> {
        let (stream, ids) = line.split_once(' ')?;
        self.attempted.push((StreamId::new(stream).ok()?, parse_ids(ids)?));
        Some(())
    }

    fn acknowledge(&mut self, line: &str) -> Option<()> {
        let mut words = line.splitn(3, ' ').skip(1);
        let (first, ids) = (words.next()?.parse().ok().map(Sequence), parse_ids(words.next()?)?);
        self.acknowledgements += 1;
        self.acknowledged += ids.len() as u64;
        let places = (0..).map(|n| first.map(|first| first.plus(n)));
        self.promised.extend(ids.into_iter().zip(places));
        Some(())
    }

    /// Holds a store against the journal, and takes down what it has: nobody who has read an event may miss it
    /// later.
    ///
    /// # Panics
    /// There is something twice, in part, elsewhere, or that nobody has written; or it is not true of every
    /// store.
    pub async fn check(&mut self, store: &dyn EventStore) -> Found {
        let events = check_everything(store).await;
        let mut places = HashMap::new();
        for event in &events {
            assert_eq!(event.to_new(), event_of(event.id), "an event that was written otherwise");
            assert!(places.insert(event.id, event).is_none(), "an event is there twice: {event:?}");
        }
        self.check_appends(&places);
        let promised = self.promised.len();
        self.promised.retain(|id, promised| {
            let Some(event) = places.get(id) else { return false };
            assert_eq!(promised.unwrap_or(event.sequence), event.sequence, "it is elsewhere: {event:?}");
            true
        });
        let lost = (promised - self.promised.len()) as u64;
        self.promised.extend(events.iter().map(|event| (event.id, Some(event.sequence))));
        Found { events: events.len() as u64, lost }
    }

    /// Each append is there as a whole or not at all, and there is nothing else.
    fn check_appends(&self, places: &HashMap<EventId, &Event>) {
        let mut there = 0;
        for (stream, ids) in &self.attempted {
            let Some(first) = places.get(&ids[0]) else {
                assert!(ids.iter().all(|id| !places.contains_key(id)), "{stream} has a part of {ids:?}");
                continue;
            };
            for (id, n) in ids.iter().zip(0..) {
                let place = places.get(id).map(|event| (&event.stream, event.sequence));
                assert_eq!(place, Some((stream, first.sequence.plus(n))), "{stream} has a part of {ids:?}");
            }
            there += ids.len();
        }
        assert_eq!(there, places.len(), "there are events that nobody has written");
    }
}

fn parse_ids(text: &str) -> Option<Vec<EventId>> {
    text.split(' ').map(|id| EventId::from_uuid(id.parse().ok()?)).collect()
}

#[cfg(test)]
mod tests {
    use reenact_store::MemoryStore;

    use super::*;

    /// Takes down `lines`, in which E, F and G are events of which the store has E and F, in one append to `s`.
    fn check(lines: &[&str]) -> Found {
        let ids = [EventId::new(), EventId::new(), EventId::new()];
        let mut journal = Journal::default();
        for line in lines {
            let spell = |line: String, (name, id): (&str, &EventId)| line.replace(name, &id.to_string());
            journal.take_down(&["E", "F", "G"].into_iter().zip(&ids).fold((*line).to_owned(), spell));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        runtime.block_on(async {
            let (store, stream) = (MemoryStore::new(1), stream("s"));
            let events = ids[..2].iter().copied().map(event_of).collect();
            store.append(&stream, ExpectedSequence::Any, events).await.expect("it is appended");
            let found = journal.check(&store).await;
            assert_eq!(journal.check(&store).await, Found { lost: 0, ..found }, "each loss is counted once");
            found
        })
    }

    #[test]
    fn what_was_acknowledged_and_is_not_there_is_lost() {
        let events = 2;
        assert_eq!(check(&["running 1 test", "attempted s E F", "attempted s G"]), Found { events, lost: 0 });
        let there = ["attempted s E F", "acknowledged s 0 E F", "attempted s G"];
        assert_eq!(check(&there), Found { events, lost: 0 });
        assert_eq!(check(&[&there[..], &["acknowledged s 2 G"]].concat()), Found { events, lost: 1 });
        assert_eq!(check(&[&there[..], &["acknowledged s - G"]].concat()), Found { events, lost: 1 });
        assert_eq!(check(&[&there[..], &["cut", "acknowledged s 2 G"]].concat()), Found { events, lost: 0 });
    }

    #[test]
    #[should_panic(expected = "elsewhere")]
    fn an_event_at_another_place_is_found() {
        check(&["attempted s E F", "acknowledged s 1 E F"]);
    }

    #[test]
    #[should_panic(expected = "has a part")]
    fn half_an_append_is_found() {
        check(&["attempted s E F G"]);
    }

    #[test]
    #[should_panic(expected = "nobody has written")]
    fn an_event_that_nobody_attempted_is_found() {
        check(&["attempted s E"]);
    }
}

//! Sessions in a store: their rules, resuming, and reading them back.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use reenact::format::block::InputBlock;
use reenact::session::{EndReason, SessionEnded, SessionPayload, SessionStarted, SimulationId};
use reenact::{Failure, Inputs, Mark, Recorder, StateHash, Tick, TickRate};
use reenact_store::session::{LoadError, SessionError, StoredInputs, WriteError, load};
use reenact_store::*;
use reenact_testkit::interposed::Interposed;
use reenact_testkit::pads::random_inputs;

fn started() -> SessionStarted {
    use reenact::input::{Column, InputSchema, Width};
    let columns = vec![Column::buttons("pad", Width::Bits8), Column::axis("aim", Width::Bits16)];
    SessionStarted {
        simulation: SimulationId::Native { name: "test".into(), build: "1".into() },
        game: "test".into(),
        seed: 7,
        config: vec![1, 2],
        disk: Vec::new(),
        rate: TickRate::HZ_60,
        schema: InputSchema::new(3, columns).unwrap(),
        hash_every: 10,
    }
}

fn inputs() -> Vec<Inputs> {
    random_inputs(&started().schema, 11, 100)
}

fn mark(kind: u32) -> Mark {
    Mark { kind, payload: vec![kind as u8] }
}

/// What a recorder gives for 100 ticks, a chunk each 6, a hash each 10 and a mark each 25.
fn payloads() -> Vec<SessionPayload> {
    let mut recorder = Recorder::new(started(), 6).unwrap();
    for inputs in inputs() {
        if recorder.wants_hash() {
            recorder.hash(StateHash([recorder.tick().0 as u8; 32]));
        }
        recorder.record(&inputs).unwrap();
        if recorder.tick().0.is_multiple_of(25) {
            recorder.mark(mark(recorder.tick().0)).unwrap();
        }
    }
    recorder.hash(StateHash([100; 32]));
    recorder.finish(EndReason::Stopped);
    std::iter::from_fn(|| recorder.poll()).collect()
}

fn memory() -> Arc<dyn EventStore> {
    Arc::new(MemoryStore::new(1))
}

async fn start(store: &Arc<dyn EventStore>) -> SessionWriter {
    SessionWriter::start(Arc::clone(store), SessionId::generate(), started(), None).await.unwrap()
}

/// A block of the ticks `first..end` in which nobody takes part.
fn idle(first: u32, end: u32) -> SessionPayload {
    let mut recorder = Recorder::new(started(), u32::MAX).unwrap();
    (0..end - first).for_each(|_| recorder.record(&Inputs::absent(&started().schema)).unwrap());
    recorder.finish(EndReason::Stopped);
    recorder.poll();
    let Some(SessionPayload::InputsRecorded(block)) = recorder.poll() else { panic!("a block") };
    // The second number of a block without rows is its first tick.
    let mut bytes = block.encode();
    bytes[1] = first as u8;
    SessionPayload::InputsRecorded(InputBlock::decode(&started().schema, &bytes).unwrap())
}

fn hashes(ticks: &[u32]) -> SessionPayload {
    SessionPayload::HashesRecorded(ticks.iter().map(|tick| (Tick(*tick), StateHash([0; 32]))).collect())
}

fn marked(tick: u32) -> SessionPayload {
    SessionPayload::Marked(Tick(tick), mark(1))
}

fn ended(last_tick: u32, reason: EndReason) -> SessionPayload {
    SessionPayload::Ended(SessionEnded { last_tick: Tick(last_tick), reason })
}

#[tokio::test]
async fn a_session_comes_back_as_it_was_recorded() {
    let (store, payloads) = (memory(), payloads());
    let trace = TraceContext::new([1; 16], [2; 8], 1).unwrap();
    let (id, trace) = (SessionId::generate(), Some(trace));
    let mut writer =
        SessionWriter::start(Arc::clone(&store), id.clone(), started(), trace.clone()).await.unwrap();
    for chunk in payloads[1..].chunks(3) {
        writer.append(chunk.to_vec()).await.unwrap();
    }
    let (session, read) = load(&*store, &id).await.unwrap();
    assert_eq!(read, payloads);
    assert_eq!((session.started(), session.tick()), (&started(), Tick(100)));
    assert_eq!(session.hashes().len(), 11);
    assert_eq!(session.hash_at(Tick(20)), Some(StateHash([20; 32])));
    assert_eq!(session.hash_at(Tick(21)), None);
    assert_eq!(session.marks_at_tick(), [mark(100)]);
    assert_eq!(session.ended().unwrap().reason, EndReason::Stopped);
    let events = reenact_testkit::store::check_everything(&*store).await;
    assert!(events.iter().all(|event| event.trace == trace));
    assert_eq!(session.last_sequence(), events.last().unwrap().sequence);
}

#[tokio::test]
async fn a_resumed_session_knows_what_is_there_and_goes_on() {
    let (store, payloads, inputs) = (memory(), payloads(), inputs());
    let mut writer = start(&store).await;
    let half = payloads.len() / 2;
    writer.append(payloads[1..half].to_vec()).await.unwrap();
    let id = writer.id().clone();
    drop(writer);

    let mut writer = SessionWriter::resume(Arc::clone(&store), id.clone(), None).await.unwrap();
    let tick = writer.session().tick();
    assert!(tick > Tick(40) && writer.session().ended().is_none());
    let mut stored = StoredInputs::new(Arc::clone(&store), id.clone(), writer.session().clone());
    for (at, expect) in (0..tick.0).zip(&inputs) {
        assert_eq!(stored.at(Tick(at)).await.unwrap().as_ref(), Some(expect), "tick {at}");
    }
    assert_eq!(stored.at(Tick(3)).await.unwrap().as_ref(), Some(&inputs[3]));
    assert_eq!(stored.at(tick).await.unwrap(), None);
    writer.append(payloads[half..].to_vec()).await.unwrap();
    assert_eq!(load(&*store, &id).await.unwrap().1, payloads);
}

#[tokio::test]
async fn the_rules_of_a_session() {
    let check = async |payloads: &[SessionPayload], expect: Option<SessionError>| {
        let store = memory();
        let mut writer = start(&store).await;
        let session = writer.session().clone();
        assert_eq!(session.check(payloads).err(), expect);
        match (writer.append(payloads.to_vec()).await, expect) {
            (Ok(_), None) => {}
            (Err(WriteError::Refused(error)), Some(expect)) => {
                assert_eq!(error, expect);
                let head = store.head(writer.id().stream()).await.unwrap();
                assert_eq!(head.unwrap().sequence, Sequence(0), "nothing was appended");
                writer.append(vec![idle(0, 1)]).await.unwrap();
            }
            (result, expect) => panic!("{result:?} where {expect:?} was expected"),
        }
    };
    let failed = || EndReason::Failed(Failure::Game { code: -1 });
    let tick = Tick;
    check(&[idle(0, 5), idle(5, 9), hashes(&[0, 9]), marked(3), marked(3), marked(9)], None).await;
    check(&[hashes(&[0]), marked(0), idle(0, 1), ended(1, EndReason::Over)], None).await;
    check(&[ended(0, EndReason::Stopped)], None).await;
    check(&[idle(0, 5), hashes(&[4]), ended(4, failed())], None).await;
    check(&[idle(0, 5), ended(5, failed())], None).await;
    check(&[SessionPayload::Started(started())], Some(SessionError::StartedTwice)).await;
    check(&[idle(1, 5)], Some(SessionError::Gap { actual: tick(1), expected: tick(0) })).await;
    let overlap = SessionError::Gap { actual: tick(4), expected: tick(5) };
    check(&[idle(0, 5), idle(4, 6)], Some(overlap)).await;
    let beyond = |what| SessionError::Beyond { what, tick: tick(6), end: tick(5) };
    check(&[idle(0, 5), hashes(&[5, 6])], Some(beyond("a hash"))).await;
    check(&[idle(0, 5), marked(6)], Some(beyond("a mark"))).await;
    let order = |what, tick_, last| SessionError::Order { what, tick: tick(tick_), last: tick(last) };
    check(&[idle(0, 5), hashes(&[3]), hashes(&[3])], Some(order("a hash", 3, 3))).await;
    check(&[idle(0, 5), marked(3), marked(2)], Some(order("a mark", 2, 3))).await;
    let end = |last, end| Some(SessionError::EndTick { last_tick: tick(last), end: tick(end) });
    check(&[idle(0, 5), ended(4, EndReason::Stopped)], end(4, 5)).await;
    check(&[idle(0, 5), ended(6, EndReason::Stopped)], end(6, 5)).await;
    check(&[idle(0, 5), ended(3, failed())], end(3, 5)).await;
    check(&[idle(0, 5), marked(5), ended(4, failed())], end(4, 5)).await;
    let after = SessionError::Ended { last_tick: tick(5) };
    check(&[idle(0, 5), ended(5, EndReason::Stopped), marked(5)], Some(after)).await;
    check(&[], Some(SessionError::Empty)).await;
}

#[tokio::test]
async fn inputs_of_another_schema_are_refused() {
    let mut other = started();
    other.schema = reenact::InputSchema::new(4, other.schema.columns().to_vec()).unwrap();
    let mut inputs = Inputs::absent(&other.schema);
    inputs.set(&other.schema, 3, &[1, 1]).unwrap();
    let mut recorder = Recorder::new(other, 1).unwrap();
    recorder.record(&inputs).unwrap();
    let block = recorder.poll().and_then(|_| recorder.poll()).unwrap();
    let error = start(&memory()).await.append(vec![block]).await.unwrap_err();
    assert!(matches!(error, WriteError::Refused(SessionError::Schema)), "{error}");
}

#[tokio::test]
async fn many_payloads_are_split_into_appends() {
    let store = memory();
    let mut writer = start(&store).await;
    let large = |_| SessionPayload::Marked(Tick(0), Mark { kind: 0, payload: vec![0; 60_000] });
    writer.append((0..20).map(large).collect()).await.unwrap();
    writer.append((0..1_500).map(|_| marked(0)).collect()).await.unwrap();
    assert_eq!(writer.session().last_sequence(), Sequence(1_520));
    assert_eq!(writer.session().marks_at_tick().len(), 1_520);
    load(&*store, writer.id()).await.unwrap();
}

#[tokio::test]
async fn a_session_has_one_writer() {
    let store = memory();
    let mut writer = start(&store).await;
    let mut other = SessionWriter::resume(Arc::clone(&store), writer.id().clone(), None).await.unwrap();
    other.append(vec![idle(0, 1)]).await.unwrap();
    let error = writer.append(vec![idle(0, 1)]).await.unwrap_err();
    let WriteError::Store(AppendError::WrongExpectedSequence { expected, actual, .. }) = error else {
        panic!("{error}")
    };
    assert_eq!((expected, actual), (ExpectedSequence::Exact(Sequence(0)), Some(Sequence(1))));
    assert_eq!(writer.session().tick(), Tick(0));
}

#[tokio::test]
async fn what_is_no_session_is_named() {
    let (store, id) = (memory(), SessionId::generate());
    let error = load(&*store, &id).await.unwrap_err();
    assert!(matches!(error, LoadError::Unknown { .. }), "{error}");
    let event = |kind: &str, payload: &'static str| NewEvent::new(EventKind::new(kind).unwrap(), payload);
    let check = async |events: Vec<NewEvent>, expect: &str| {
        let (store, id) = (memory(), SessionId::generate());
        store.append(id.stream(), ExpectedSequence::NoStream, events).await.unwrap();
        let error = load(&*store, &id).await.unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        let expect = expect.replace("ID", id.stream().as_str());
        assert_eq!(format!("{error}: {source}"), expect);
    };
    check(vec![session::to_event(&marked(0))], &not_started(0)).await;
    let begun = || session::to_event(&SessionPayload::Started(started()));
    check(vec![begun(), begun()], "event 1 of ID: a second start of the session").await;
    check(vec![begun(), event("Other", "")], "event 1 of ID: an event of the kind Other in a session").await;
    check(vec![begun(), event("Marked", "?")], "event 1 of ID: malformed Marked").await;
    check(vec![event("InputsRecorded", "?")], "event 0 of ID: inputs before the session's start").await;
}

fn not_started(sequence: u64) -> String {
    format!("event {sequence} of ID: a session that does not begin with its start")
}

/// What becomes of the answers to appends.
#[derive(Clone, Copy, Debug)]
enum Answers {
    Come,
    /// Each other one, the first included.
    GetLost {
        next: bool,
    },
    NeverCome,
}

/// A store that does what it should and does not always say so; and how a test says what becomes of answers.
fn deaf() -> (Arc<dyn EventStore>, Arc<Mutex<Answers>>) {
    let answers = Arc::new(Mutex::new(Answers::Come));
    let next = Arc::clone(&answers);
    let store = Interposed::before(memory(), move |appending| {
        let next = Arc::clone(&next);
        Box::pin(async move {
            let answer = appending.run().await;
            match next_answer(&next) {
                Answers::Come | Answers::GetLost { next: false } => answer,
                Answers::GetLost { next: true } => {
                    Err(AppendError::Unavailable { reason: "the answer was lost".into() })
                }
                Answers::NeverCome => std::future::pending().await,
            }
        })
    });
    (store, answers)
}

fn next_answer(answers: &Mutex<Answers>) -> Answers {
    let mut answers = answers.lock().unwrap();
    let answer = *answers;
    if let Answers::GetLost { next } = &mut *answers {
        *next = !*next;
    }
    answer
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_there_once() {
    for flushed in [true, false] {
        let (store, answers) = deaf();
        let mut writer = start(&store).await;
        *answers.lock().unwrap() = Answers::GetLost { next: true };
        let payloads = payloads();
        for chunk in payloads[1..].chunks(4) {
            if let Err(error) = writer.append(chunk.to_vec()).await {
                assert!(matches!(error, WriteError::Store(AppendError::Unavailable { .. })), "{error}");
                // Not at once: what comes next may be handed in behind what is not acknowledged.
                while flushed && writer.flush().await.is_err() {}
            }
        }
        while writer.flush().await.is_err() {}
        assert_eq!(load(&*store, writer.id()).await.unwrap().1, payloads);
    }
}

#[tokio::test]
async fn an_append_that_was_dropped_half_way_is_there_once() {
    let (store, answers) = deaf();
    let mut writer = start(&store).await;
    let payloads = payloads();
    for chunk in payloads[1..].chunks(4) {
        *answers.lock().unwrap() = Answers::NeverCome;
        let append = std::pin::pin!(writer.append(chunk.to_vec()));
        let polled = append.poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        *answers.lock().unwrap() = Answers::Come;
    }
    writer.flush().await.unwrap();
    assert_eq!(load(&*store, writer.id()).await.unwrap().1, payloads);
}

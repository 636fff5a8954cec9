//! The recorder never blocks, never records over a gap, and chunks change nothing.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use reenact::input::{Column, InputSchema, Inputs, Width};
use reenact::session::{EndReason, SessionPayload, SessionStarted};
use reenact::{Attachments, Mark, RecordError, Recorder, Replay, Simulation, Tick, replay_from_session};
use reenact_testkit::marbles::{Marbles, schema, started};
use reenact_testkit::pads::random_inputs;

fn payloads(chunk_ticks: u32, ticks: u32) -> Vec<SessionPayload> {
    let mut recorder = Recorder::new(started(3, 0), chunk_ticks).unwrap();
    let mut all = Vec::new();
    for inputs in random_inputs(&schema(), 3, ticks) {
        recorder.record(&inputs).unwrap();
        all.extend(std::iter::from_fn(|| recorder.poll()));
    }
    recorder.finish(EndReason::Stopped);
    all.extend(std::iter::from_fn(|| recorder.poll()));
    all
}

#[test]
fn any_split_into_chunks_gives_the_same_inputs() {
    let ticks = 3_000;
    for chunk_ticks in [1, 6, 100, u32::MAX] {
        let bytes = replay_from_session(payloads(chunk_ticks, ticks), &Attachments::default()).unwrap();
        let replay = Replay::decode(&bytes).unwrap();
        let mut reader = replay.inputs.reader();
        let all = random_inputs(&schema(), 3, ticks);
        for (tick, inputs) in all.iter().enumerate() {
            assert_eq!(reader.at(&replay.inputs, Tick(tick as u32)), Some(inputs), "tick {tick}");
        }
        for tick in [2_999, 0, 1_500, 1_499, 4] {
            assert_eq!(reader.at(&replay.inputs, Tick(tick)), Some(&all[tick as usize]), "tick {tick}");
        }
        assert_eq!(reader.at(&replay.inputs, Tick(ticks)), None);
    }
}

#[test]
fn a_chunk_comes_each_so_many_ticks() {
    let blocks = |payload: &SessionPayload| match payload {
        SessionPayload::InputsRecorded(block) => Some(block.end_tick()),
        _ => None,
    };
    let ends: Vec<_> = payloads(6, 20).iter().filter_map(blocks).collect();
    assert_eq!(ends, [Tick(6), Tick(12), Tick(18), Tick(20)]);
}

#[test]
fn a_full_buffer_ends_the_session_instead_of_skipping() {
    let mut recorder = Recorder::new(started(3, 0), 6).unwrap();
    let inputs = random_inputs(&schema(), 3, 1_000_000);
    let error = inputs.iter().find_map(|inputs| recorder.record(inputs).err()).unwrap();
    assert!(matches!(error, RecordError::Full { .. }), "{error}");
    let last_tick = recorder.tick();
    assert_eq!(recorder.record(&inputs[0]), Err(RecordError::Ended { last_tick }));
    let all: Vec<_> = std::iter::from_fn(|| recorder.poll()).collect();
    let Some(SessionPayload::Ended(ended)) = all.last() else { panic!("no end") };
    assert_eq!((ended.last_tick, &ended.reason), (last_tick, &EndReason::Truncated));
    let replay = Replay::decode(&replay_from_session(all, &Attachments::default()).unwrap()).unwrap();
    assert_eq!(replay.inputs.end_tick(), last_tick);
}

#[test]
fn inputs_of_another_schema_are_refused() {
    let other = InputSchema::new(1, vec![Column::axis("x", Width::Bits8)]).unwrap();
    let mut recorder = Recorder::new(started(3, 0), 6).unwrap();
    assert_eq!(recorder.record(&Inputs::absent(&other)), Err(RecordError::Schema));
}

#[test]
fn large_marks_are_handed_over_in_time() {
    let mut recorder = Recorder::new(started(3, 0), u32::MAX).unwrap();
    let mut marks = 0;
    for inputs in random_inputs(&schema(), 3, 500) {
        recorder.record(&inputs).unwrap();
        recorder.mark(Mark { kind: 1, payload: vec![7; 60_000] }).unwrap();
        let payloads = std::iter::from_fn(|| recorder.poll());
        marks += payloads.filter(|payload| matches!(payload, SessionPayload::Marked(..))).count();
    }
    assert!(marks > 490, "only {marks} marks of 500 were handed over");
}

#[test]
fn what_a_file_could_not_hold_is_refused_at_once() {
    let large = SessionStarted { config: vec![0; 65_537], ..started(3, 0) };
    let refused = Recorder::new(large, 6).map(|_| ()).unwrap_err();
    assert!(matches!(refused, RecordError::TooLarge { what: "config", actual: 65_537, .. }), "{refused}");
    let mut recorder = Recorder::new(started(3, 0), 6).unwrap();
    let mark = recorder.mark(Mark { kind: 1, payload: vec![0; 65_537] });
    assert!(matches!(mark, Err(RecordError::TooLarge { what: "mark", .. })));
}

#[test]
fn inputs_of_another_schema_do_not_reach_the_simulation() {
    let other = InputSchema::new(1, vec![Column::axis("x", Width::Bits8)]).unwrap();
    let mut recorder = Recorder::new(started(3, 1), 6).unwrap();
    let mut game = Marbles::new(3);
    let before = game.state_hash();
    assert_eq!(recorder.step(&mut game, &Inputs::absent(&other)), Err(RecordError::Schema));
    assert_eq!(game.state_hash(), before);
    recorder.step(&mut game, &Inputs::absent(&schema())).unwrap();
}

#[test]
fn a_session_goes_on_where_it_was_stored() {
    let ticks = 40;
    let all = random_inputs(&schema(), 3, ticks);
    let mut first = Recorder::new(started(3, 0), u32::MAX).unwrap();
    all[..17].iter().for_each(|inputs| first.record(inputs).unwrap());
    first.flush();
    let mut stored: Vec<_> = std::iter::from_fn(|| first.poll()).collect();
    let mut second = Recorder::resume(started(3, 0), u32::MAX, first.tick());
    all[17..].iter().for_each(|inputs| second.record(inputs).unwrap());
    second.finish(EndReason::Stopped);
    assert!(matches!(second.peek(), Some(SessionPayload::InputsRecorded(_))));
    stored.extend(std::iter::from_fn(|| second.poll()));
    let bytes = replay_from_session(stored, &Attachments::default()).unwrap();
    let replay = Replay::decode(&bytes).unwrap();
    let mut reader = replay.inputs.reader();
    for (tick, inputs) in all.iter().enumerate() {
        assert_eq!(reader.at(&replay.inputs, Tick(tick as u32)), Some(inputs), "tick {tick}");
    }
}

#[test]
fn a_chunk_holds_no_more_than_is_appended_at_once() {
    let mut recorder = Recorder::new(started(3, 0), u32::MAX).unwrap();
    let mut chunk = 0;
    for inputs in random_inputs(&schema(), 3, 500) {
        recorder.record(&inputs).unwrap();
        for _ in 0..256 {
            recorder.mark(Mark { kind: 1, payload: vec![7; 255] }).unwrap();
        }
        while let Some(payload) = recorder.poll() {
            chunk = if matches!(payload, SessionPayload::InputsRecorded(_)) { 1 } else { chunk + 1 };
            assert!(chunk <= 512, "{chunk} payloads");
        }
    }
}

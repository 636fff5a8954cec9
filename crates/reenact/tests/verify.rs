//! A verdict is verified, mismatch at a tick, or not verifiable; never a guess.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;

use reenact::input::Inputs;
use reenact::session::{EndReason, SessionPayload};
use reenact::verify::{Difference, Obstacle};
use reenact::{
    Attachments, Comparison, Failure, Outcome, Recorder, Replay, Simulation, Status, Tick, Trap, Verdict,
    Verifier, replay_from_session,
};
use reenact_testkit::marbles::{Marbles, replay, schema, started};
use reenact_testkit::pads::random_inputs;

const SEED: u64 = 11;

fn verdict(game: Marbles, replay: &Arc<Replay>) -> Verdict {
    let mut verifier = Verifier::new(game, Arc::clone(replay));
    std::iter::from_fn(|| Some(verifier.advance(100))).flatten().next().unwrap()
}

fn outcome(left: Marbles, right: Marbles, replay: &Arc<Replay>) -> Outcome {
    let mut comparison = Comparison::new(left, right, replay);
    std::iter::from_fn(|| Some(comparison.advance(100))).flatten().next().unwrap()
}

#[test]
fn the_same_game_is_verified_to_the_last_tick() {
    let replay = replay(Marbles::new(SEED), 1_003, 60, 600);
    assert_eq!(verdict(Marbles::new(SEED), &replay), Verdict::Verified { through: Tick(1_003), hashes: 18 });
}

#[test]
fn without_hashes_nothing_is_said() {
    let replay = replay(Marbles::new(SEED), 100, 0, 600);
    assert_eq!(verdict(Marbles::new(SEED), &replay), Verdict::NotVerifiable(Obstacle::NoHashes));
}

/// A file whose hashes are those of the game that was played, and whose inputs differ from it in one bit of
/// one tick; and the first tick at which hashes taken each tick differ. `None` where the bit changes nothing,
/// as a push against the greatest speed does.
fn flipped(tick: usize, hash_every: u32) -> Option<(Arc<Replay>, Tick)> {
    let mut inputs = random_inputs(&schema(), SEED, 600);
    let played = replay(Marbles::new(SEED), 600, 1, 0);
    let row = inputs[tick].get(0).map_or(vec![0, 0], |row| row.iter().map(|&value| value.into()).collect());
    inputs[tick].set(&schema(), 0, &[row[0] ^ 1, row[1]]).unwrap();

    let mut game = Marbles::new(SEED);
    let mut actual = vec![game.state_hash()];
    for (tick, inputs) in inputs.iter().enumerate() {
        game.step(Tick(tick as u32), inputs, &mut Vec::new()).unwrap();
        actual.push(game.state_hash());
    }
    let first = (0..=600).map(Tick).find(|tick| played.hashes[tick] != actual[tick.0 as usize])?;

    let mut recorder = Recorder::new(started(SEED, hash_every), 50).unwrap();
    for inputs in &inputs {
        recorder.record(inputs).unwrap();
    }
    recorder.finish(EndReason::Stopped);
    let mut payloads: Vec<_> = std::iter::from_fn(|| recorder.poll()).collect();
    let end = payloads.pop().unwrap();
    let cadence = played.hashes.iter().filter(|(tick, _)| tick.0.is_multiple_of(hash_every));
    payloads.push(SessionPayload::HashesRecorded(cadence.map(|(tick, hash)| (*tick, *hash)).collect()));
    payloads.push(end);
    let bytes = replay_from_session(payloads, &Attachments::default()).unwrap();
    Some((Arc::new(Replay::decode(&bytes).unwrap()), first))
}

#[test]
fn one_flipped_input_bit_is_named_at_its_first_tick() {
    for tick in [0, 123, 580] {
        let (replay, first) = (tick..600).find_map(|tick| flipped(tick, 1)).unwrap();
        let Verdict::Mismatch(mismatch) = verdict(Marbles::new(SEED), &replay) else {
            panic!("the flip at {tick} was not noticed");
        };
        assert_eq!((mismatch.tick, mismatch.agreed), (first, first.previous()));
    }
    // A flip may be forgotten by the next recorded hash: marbles that hit the wall at the same speed are the
    // same again.
    let lasting = |tick| {
        let (replay, first) = flipped(tick, 60)?;
        match verdict(Marbles::new(SEED), &replay) {
            Verdict::Mismatch(mismatch) => Some((mismatch, first)),
            _ => None,
        }
    };
    let (mismatch, first) = (123..600).find_map(lasting).unwrap();
    assert!(mismatch.agreed.unwrap() < first && first <= mismatch.tick, "{mismatch:?}");
    assert_eq!(mismatch.tick.0 - mismatch.agreed.unwrap().0, 60);
}

#[test]
fn another_build_diverges_with_the_field_named() {
    let replay = replay(Marbles::new(SEED), 600, 60, 0);
    let other = Marbles { push: 4, ..Marbles::new(SEED) };
    let Outcome::Diverged(divergence) = outcome(Marbles::new(SEED), other, &replay) else { panic!() };
    let (tick, fields) = divergence.fields.unwrap();
    assert_eq!(tick, divergence.tick);
    let names: Vec<_> = fields.iter().map(|field| &field.name[..]).collect();
    assert!(names.iter().any(|name| name.starts_with("speed[")), "{names:?}");
    assert!(!names.contains(&"random"), "{names:?}");
    let same = outcome(Marbles::new(SEED), Marbles::new(SEED), &replay);
    assert_eq!(same, Outcome::Same { through: Tick(600) });
}

#[test]
fn a_trap_is_a_verified_end_and_another_one_a_mismatch() {
    let trapping = |tick| Marbles { trap_at: Some(Tick(tick)), ..Marbles::new(SEED) };
    let replay = replay(trapping(77), 600, 10, 0);
    assert_eq!(replay.last_tick(), Tick(77));
    assert_eq!(replay.ended.reason, EndReason::Failed(Failure::Trap(Trap::Unreachable)));
    assert_eq!(verdict(trapping(77), &replay), Verdict::Verified { through: Tick(70), hashes: 8 });
    let Verdict::Mismatch(mismatch) = verdict(Marbles::new(SEED), &replay) else { panic!() };
    assert_eq!((mismatch.tick, mismatch.difference), (Tick(77), Difference::End));
    let Verdict::Mismatch(mismatch) = verdict(trapping(33), &replay) else { panic!() };
    assert_eq!(mismatch.difference, Difference::Failed(Failure::Trap(Trap::Unreachable)));
    let Outcome::Diverged(divergence) = outcome(trapping(33), trapping(50), &replay) else { panic!() };
    let parted = divergence.parted.unwrap();
    assert_eq!((divergence.tick, parted.tick, parted.right), (Tick(34), Tick(33), Ok(Status::Running)));
}

#[test]
fn a_limit_is_never_a_mismatch() {
    let limited = Marbles { limit_at: Some(Tick(77)), ..Marbles::new(SEED) };
    let honest = replay(Marbles::new(SEED), 600, 60, 0);
    assert!(matches!(verdict(limited.clone(), &honest), Verdict::NotVerifiable(Obstacle::Limit(_))));
    let recorded = replay(limited, 600, 60, 0);
    assert!(matches!(verdict(Marbles::new(SEED), &recorded), Verdict::NotVerifiable(Obstacle::Limit(_))));
}

#[test]
fn a_game_that_is_over_ends_its_session() {
    let over = || Marbles { over_at: Some(Tick(99)), ..Marbles::new(SEED) };
    let replay = replay(over(), 600, 60, 0);
    assert_eq!((replay.last_tick(), &replay.ended.reason), (Tick(100), &EndReason::Over));
    assert!(matches!(verdict(over(), &replay), Verdict::Verified { through: Tick(100), .. }));
    assert!(matches!(verdict(Marbles::new(SEED), &replay), Verdict::Mismatch(_)));
}

#[test]
fn absent_inputs_verify_too() {
    let mut recorder = Recorder::new(started(SEED, 1), 6).unwrap();
    let mut game = Marbles::new(SEED);
    for _ in 0..10 {
        recorder.step(&mut game, &Inputs::absent(&schema())).unwrap();
    }
    recorder.end(&mut game, EndReason::Stopped);
    let payloads: Vec<_> = std::iter::from_fn(|| recorder.poll()).collect();
    let bytes = replay_from_session(payloads, &Attachments::default()).unwrap();
    let replay = Arc::new(Replay::decode(&bytes).unwrap());
    assert_eq!(verdict(Marbles::new(SEED), &replay), Verdict::Verified { through: Tick(10), hashes: 11 });
}

/// The replay of the payloads of a session, after `change`.
fn forged(game: Marbles, change: impl Fn(&mut Vec<SessionPayload>)) -> Arc<Replay> {
    let mut recorder = Recorder::new(started(SEED, 10), 50).unwrap();
    let mut game = game;
    for inputs in random_inputs(&schema(), SEED, 200) {
        if recorder.step(&mut game, &inputs).is_err() {
            break;
        }
    }
    recorder.end(&mut game, EndReason::Stopped);
    let mut payloads: Vec<_> = std::iter::from_fn(|| recorder.poll()).collect();
    change(&mut payloads);
    let bytes = replay_from_session(payloads, &Attachments::default()).unwrap();
    Arc::new(Replay::decode(&bytes).unwrap())
}

#[test]
fn a_file_without_a_hash_that_its_session_took_is_not_verified() {
    for gone in [0, 10, 150, 200] {
        let replay = forged(Marbles::new(SEED), |payloads| {
            for payload in payloads {
                if let SessionPayload::HashesRecorded(hashes) = payload {
                    hashes.retain(|(tick, _)| *tick != Tick(gone));
                }
            }
        });
        let missing = Verdict::NotVerifiable(Obstacle::MissingHash(Tick(gone)));
        assert_eq!(verdict(Marbles::new(SEED), &replay), missing);
    }
}

#[test]
fn a_claimed_failure_without_its_inputs_is_not_verified() {
    let replay = forged(Marbles::new(SEED), |payloads| {
        let Some(SessionPayload::Ended(ended)) = payloads.last_mut() else { panic!("no end") };
        ended.reason = EndReason::Failed(Failure::Trap(Trap::Unreachable));
    });
    assert_eq!(verdict(Marbles::new(SEED), &replay), Verdict::NotVerifiable(Obstacle::MissingInputs));
}

#[test]
fn builds_that_do_not_get_far_enough_are_not_comparable() {
    let replay = replay(Marbles::new(SEED), 600, 60, 0);
    let trapping = Marbles { trap_at: Some(Tick(33)), ..Marbles::new(SEED) };
    let limited = Marbles { limit_at: Some(Tick(33)), ..Marbles::new(SEED) };
    for (left, right) in
        [(trapping.clone(), trapping), (Marbles::new(SEED), limited.clone()), (limited, Marbles::new(SEED))]
    {
        let outcome = outcome(left, right, &replay);
        assert!(matches!(outcome, Outcome::NotComparable { tick: Tick(33), .. }), "{outcome:?}");
    }
}

#[test]
fn a_build_that_is_over_sooner_diverges() {
    let replay = replay(Marbles::new(SEED), 600, 60, 0);
    let over = Marbles { over_at: Some(Tick(99)), ..Marbles::new(SEED) };
    let Outcome::Diverged(divergence) = outcome(Marbles::new(SEED), over, &replay) else { panic!() };
    let parted = divergence.parted.unwrap();
    assert_eq!((parted.tick, parted.left, parted.right), (Tick(99), Ok(Status::Running), Ok(Status::Over)));
}

#[test]
fn a_build_that_mends_the_failure_diverges_at_it() {
    let trapping = Marbles { trap_at: Some(Tick(77)), ..Marbles::new(SEED) };
    let replay = replay(trapping.clone(), 600, 60, 0);
    let Outcome::Diverged(divergence) = outcome(trapping.clone(), Marbles::new(SEED), &replay) else {
        panic!()
    };
    let parted = divergence.parted.unwrap();
    assert_eq!((parted.tick, parted.right), (Tick(77), Ok(Status::Running)));
    assert_eq!(outcome(trapping.clone(), trapping, &replay), Outcome::Same { through: Tick(77) });
}

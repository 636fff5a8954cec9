//! Any tick, from anywhere, is the tick that linear play shows.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;
use reenact::{Failure, Keyframe, Player, Rate, Replay, SeekError, Simulation, StateHash, Tick, Trap};
use reenact_testkit::contract::check_simulation;
use reenact_testkit::marbles::{Marbles, replay, schema};
use reenact_testkit::pads::random_inputs;

const SEED: u64 = 7;

fn linear(replay: &Arc<Replay>) -> Vec<StateHash> {
    let mut player = Player::new(Marbles::new(SEED), Arc::clone(replay));
    let mut hashes = vec![player.simulation().state_hash()];
    while player.step().unwrap().is_some() {
        hashes.push(player.simulation().state_hash());
    }
    hashes
}

#[test]
fn the_tiny_game_keeps_the_contract() {
    check_simulation(|| Marbles::new(SEED), &random_inputs(&schema(), SEED, 300), SEED);
}

proptest! {
    #[test]
    fn seek_equals_linear_play(ticks in prop::collection::vec(0_u32..=2_000, 1..40), every in prop::sample::select(vec![0, 1, 60, 600])) {
        let replay = replay(Marbles::new(SEED), 2_000, 60, every);
        let hashes = linear(&replay);
        let mut player = Player::new(Marbles::new(SEED), replay);
        for tick in ticks {
            player.seek(Tick(tick)).unwrap();
            prop_assert_eq!(player.playhead(), Tick(tick));
            prop_assert_eq!(player.simulation().state_hash(), hashes[tick as usize]);
        }
    }

    #[test]
    fn pauses_rates_and_steps_skip_and_repeat_nothing(moves in prop::collection::vec((0_u8..6, 1_u32..90), 1..60)) {
        let replay = replay(Marbles::new(SEED), 1_000, 60, 100);
        let hashes = linear(&replay);
        let mut player = Player::new(Marbles::new(SEED), replay);
        for (kind, amount) in moves {
            match kind {
                0 => player.play(),
                1 => player.pause(),
                2 => player.set_rate(Rate::from_permille(amount.cast_signed() * 100 - 4_000 ).unwrap_or(Rate::NORMAL)),
                3 => { player.step().unwrap(); }
                4 => { player.step_back().unwrap(); }
                _ => { player.advance(Duration::from_millis(amount.into())).unwrap(); }
            }
            prop_assert_eq!(player.simulation().state_hash(), hashes[player.playhead().0 as usize]);
        }
    }
}

#[test]
fn time_becomes_ticks_without_a_remainder_lost() {
    let mut player = Player::new(Marbles::new(SEED), replay(Marbles::new(SEED), 1_000, 60, 600));
    player.play();
    for _ in 0..1_000 {
        player.advance(Duration::from_millis(7)).unwrap();
    }
    assert_eq!(player.playhead(), Tick(7 * 60));
    player.set_rate(Rate::from_permille(-500).unwrap());
    for _ in 0..1_000 {
        player.advance(Duration::from_millis(4)).unwrap();
    }
    assert_eq!(player.playhead(), Tick(7 * 60 - 4 * 30));
}

#[test]
fn the_ends_of_the_time_line_pause() {
    let mut player = Player::new(Marbles::new(SEED), replay(Marbles::new(SEED), 30, 60, 600));
    player.play();
    let advance = player.advance(Duration::from_secs(9)).unwrap();
    assert_eq!((advance.ticks, advance.ended, player.playing()), (30, true, false));
    player.set_rate(Rate::from_permille(-1_000).unwrap());
    player.play();
    let advance = player.advance(Duration::from_secs(9)).unwrap();
    assert_eq!((advance.ticks, advance.ended, player.playhead()), (30, true, Tick::ZERO));
    let past = player.seek(Tick(31));
    assert_eq!(past, Err(SeekError::PastEnd { tick: Tick(31), last: Tick(30) }));
}

#[test]
fn marks_fire_while_playing_and_never_while_seeking() {
    let replay = replay(Marbles::new(SEED), 2_000, 60, 600);
    assert!(replay.marks.len() > 10, "the game marks too little for this test");
    let mut player = Player::new(Marbles::new(SEED), Arc::clone(&replay));
    player.play();
    player.set_rate(Rate::from_permille(16_000).unwrap());
    let mut marks = Vec::new();
    while player.playing() {
        marks.extend(player.advance(Duration::from_millis(16)).unwrap().marks);
    }
    assert_eq!(marks, replay.marks);
    player.seek(Tick(500)).unwrap();
    player.play();
    let back = player.advance(Duration::ZERO).unwrap();
    assert!(back.marks.is_empty());
}

#[test]
fn bad_keyframes_are_passed_over() {
    let mut replay = Arc::unwrap_or_clone(replay(Marbles::new(SEED), 2_000, 60, 300));
    let hashes = linear(&Arc::new(replay.clone()));
    // Of the right length, but another state: only the recorded hash tells.
    replay.keyframes[3] = Keyframe::new(Tick(900), &[1; 32]).unwrap();
    // Of another length.
    replay.keyframes[2] = Keyframe::new(Tick(600), &[1; 9]).unwrap();
    let mut player = Player::new(Marbles::new(SEED), Arc::new(replay));
    for tick in [1_000, 900, 650, 899] {
        player.seek(Tick(tick)).unwrap();
        assert_eq!(player.simulation().state_hash(), hashes[tick as usize]);
    }
}

#[test]
fn a_keyframe_without_a_hash_is_not_believed() {
    let mut replay = Arc::unwrap_or_clone(replay(Marbles::new(SEED), 2_000, 60, 300));
    let hashes = linear(&Arc::new(replay.clone()));
    replay.keyframes.push(Keyframe::new(Tick(1_930), &[1; 32]).unwrap());
    let mut player = Player::new(Marbles::new(SEED), Arc::new(replay));
    player.seek(Tick(1_950)).unwrap();
    assert_eq!(player.simulation().state_hash(), hashes[1_950]);
}

#[test]
fn a_failure_leaves_the_player_at_the_tick_before() {
    let replay = replay(Marbles::new(SEED), 1_000, 60, 100);
    let hashes = linear(&replay);
    let failing = Marbles { trap_at: Some(Tick(450)), ..Marbles::new(SEED) };
    let mut player = Player::new(failing, replay);
    let failed = Err(SeekError::Failed { tick: Tick(450), failure: Failure::Trap(Trap::Unreachable) });
    assert_eq!(player.seek(Tick(480)), failed);
    assert_eq!((player.playhead(), player.simulation().state_hash()), (Tick(450), hashes[450]));
    assert_eq!(player.step().map(|_| ()), failed);
    player.seek(Tick(20)).unwrap();
    assert_eq!(player.simulation().state_hash(), hashes[20]);
}

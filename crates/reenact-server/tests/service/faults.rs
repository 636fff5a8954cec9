//! What goes wrong while somebody records: each a word that programs can tell apart, and nothing
//! acknowledged is lost.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reenact::session::EndReason;
use reenact::{InputSchema, Inputs, Tick, Verdict};
use reenact_server::record::refusal::RefusalCode;
use reenact_server::{ClientError, RecorderClient};
use reenact_store::{AppendError, EventStore};
use reenact_testkit::interposed::Interposed;

use crate::support::{
    Game, acknowledged, fresh, get, opening, refusal, refused, replay_of, resume_of, start, start_with,
    verdict_of,
};

/// What a store's appends do, as long as a test wants.
#[derive(Debug, Default)]
struct Faults {
    stalled: AtomicBool,
    failure: Mutex<Option<AppendError>>,
}

/// A store with faults before `store`.
fn faulty(store: Arc<dyn EventStore>, faults: &Arc<Faults>) -> Arc<dyn EventStore> {
    let faults = Arc::clone(faults);
    Interposed::before(store, move |appending| {
        let faults = Arc::clone(&faults);
        Box::pin(async move {
            while faults.stalled.load(Ordering::Relaxed) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let failure = faults.failure.lock().unwrap().clone();
            match failure {
                Some(failure) => Err(failure),
                None => appending.run().await,
            }
        })
    })
}

/// Says 100,000 ticks as fast as the wire takes them, each with other inputs of four participants.
async fn flood(client: &mut RecorderClient, schema: &InputSchema) -> Result<(), ClientError> {
    let mut frame = Vec::new();
    for first in (0..100_000).step_by(1_000) {
        let mut message = vec![1];
        for tick in first..first + 1_000 {
            let mut inputs = Inputs::absent(schema);
            for who in 0..4 {
                inputs.set(schema, who, &[i64::from(tick) % 7, i64::from(tick) % 1_000, 0, 0]).unwrap();
            }
            inputs.write_frame(schema, Tick(tick), &mut frame);
            message.extend_from_slice(&frame);
        }
        client.send_message(message).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_recorder_that_is_faster_than_the_store_is_held_back() {
    let folder = tempfile::tempdir().unwrap();
    let faults: Arc<Faults> = Arc::default();
    let server = start_with(folder.path(), |store| faulty(store, &faults)).await;
    let game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    faults.stalled.store(true, Ordering::Relaxed);
    let again = Arc::clone(&faults);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(500)).await;
        again.stalled.store(false, Ordering::Relaxed);
    });
    flood(&mut client, game.module.input_schema()).await.unwrap();
    acknowledged(&mut client, Tick(100_000)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_stalls_sends_the_recorder_away_to_resume_before_a_gap() {
    let folder = tempfile::tempdir().unwrap();
    let faults: Arc<Faults> = Arc::default();
    let server = start_with(folder.path(), |store| faulty(store, &faults)).await;
    let game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    faults.stalled.store(true, Ordering::Relaxed);
    let flooded = flood(&mut client, game.module.input_schema()).await;
    let code = if flooded.is_ok() { refused(&mut client).await } else { refusal(flooded) };
    assert_eq!(code, RefusalCode::RecorderFull);
    faults.stalled.store(false, Ordering::Relaxed);
    let again = game.open(server.address, &resume_of(&client)).await.unwrap();
    // What had been read is stored, tick after tick, and the recorder has the rest.
    let there = again.acknowledged;
    assert!(there >= client.acknowledged && there > Tick(10_000) && there < Tick(100_000), "{there}");
    let replay = replay_of(server.address, &again.session).await;
    assert_eq!((replay.last_tick(), &replay.ended.reason), (there, &EndReason::Truncated));
    server.stop().await;
}

#[tokio::test]
async fn a_store_that_fails_is_told_apart_and_the_session_goes_on_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    for (failure, expect) in [
        (AppendError::Full { bytes: 1, reason: "the disk".into() }, RefusalCode::StoreFull),
        (AppendError::Unavailable { reason: "away".into() }, RefusalCode::StoreUnavailable),
        (AppendError::Poisoned { reason: "a write failed".into() }, RefusalCode::StorePoisoned),
    ] {
        let faults = Arc::default();
        let server = start_with(folder.path(), |store| faulty(store, &faults)).await;
        let mut game = Game::tour();
        let mut client = game.open(server.address, &opening()).await.unwrap();
        game.play(&mut client, 30).await.unwrap();
        acknowledged(&mut client, Tick(30)).await;
        *faults.failure.lock().unwrap() = Some(failure);
        let played = game.inputs.len();
        game.play(&mut client, 30).await.unwrap();
        assert_eq!(refused(&mut client).await, expect);
        assert_eq!(get(server.address, "/readyz").await.status, 503);
        *faults.failure.lock().unwrap() = None;
        let mut again = game.open(server.address, &resume_of(&client)).await.unwrap();
        assert_eq!(again.acknowledged, Tick(played as u32));
        for tick in played..game.inputs.len() {
            again.record(Tick(tick as u32), game.inputs[tick].clone()).await.unwrap();
        }
        game.end(again).await.unwrap();
        assert_eq!(get(server.address, "/readyz").await.status, 200);
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_keeps_what_it_has_heard() {
    let (folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    game.play(&mut client, 100).await.unwrap();
    acknowledged(&mut client, Tick(1)).await;
    let stopped = tokio::spawn(server.stop());
    assert_eq!(refused(&mut client).await, RefusalCode::ServerStopping);
    stopped.await.unwrap();
    let server = start(folder.path()).await;
    let mut again = game.open(server.address, &resume_of(&client)).await.unwrap();
    assert_eq!(again.acknowledged, Tick(100));
    game.play(&mut again, 20).await.unwrap();
    let session = again.session.clone();
    game.end(again).await.unwrap();
    let verdict = verdict_of(&game, replay_of(server.address, &session).await);
    assert_eq!(verdict, Verdict::Verified { through: Tick(120), hashes: 3 });
    server.stop().await;
}

#[tokio::test]
async fn what_is_no_message_is_refused_with_its_byte() {
    let (_folder, server) = fresh().await;
    let check = async |message: Vec<u8>, expect: RefusalCode| {
        let mut game = Game::tour();
        let mut client = game.open(server.address, &opening()).await.unwrap();
        game.play(&mut client, 10).await.unwrap();
        let session = client.session.clone();
        client.send_message(message).await.unwrap();
        assert_eq!(refused(&mut client).await, expect);
        assert!(matches!(client.answer().await, Err(ClientError::Closed)));
        // What came before is kept.
        let listed = get(server.address, &format!("/v1/sessions/{session}")).await.json();
        assert_eq!((&listed["state"], &listed["ticks"]), (&"interrupted".into(), &10.into()));
    };
    check(vec![], RefusalCode::Malformed).await;
    check(vec![9, 9], RefusalCode::Malformed).await;
    check(vec![1; 30], RefusalCode::Malformed).await;
    check(vec![1; 65_553], RefusalCode::MessageTooLarge).await;
    check(vec![1; 1_000_000], RefusalCode::MessageTooLarge).await;
    check([&[2, 99, 0, 0, 0][..], &[0; 32]].concat(), RefusalCode::TickGap).await;
    check(vec![3, 99, 0, 0, 0, 1, 0, 0, 0], RefusalCode::TickGap).await;
    server.stop().await;
}

#[tokio::test]
async fn a_tick_has_no_more_bytes_of_marks_than_a_game_may_emit() {
    let (_folder, server) = fresh().await;
    let game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    let mark = reenact::Mark { kind: 7, payload: vec![0; 32 << 10] };
    let mut said = Ok(());
    for _ in 0..3 {
        said = said.and(client.mark(Tick(0), &mark).await);
    }
    let code = if said.is_ok() { refused(&mut client).await } else { refusal(said) };
    assert_eq!(code, RefusalCode::TooLarge);
    let marks = get(server.address, &format!("/v1/sessions/{}/marks", client.session)).await.json();
    assert_eq!(marks["marks"].as_array().unwrap().len(), 2);
    server.stop().await;
}

#[tokio::test]
async fn a_failed_tick_is_recorded_with_its_inputs() {
    use reenact::{Failure, Trap};
    use reenact_server::record::protocol::End;
    let (_folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    game.play(&mut client, 25).await.unwrap();
    let session = client.session.clone();
    let inputs = game.inputs[3].clone();
    let end = End::Failed(Failure::Trap(Trap::Unreachable), Tick(25), inputs);
    assert_eq!(client.end(&end).await.unwrap(), Tick(25));
    let replay = replay_of(server.address, &session).await;
    assert_eq!((replay.last_tick(), replay.inputs.end_tick()), (Tick(25), Tick(26)));
    // This game does not fail there, and the verdict says so.
    assert!(matches!(verdict_of(&game, replay), Verdict::Mismatch(_)));
    server.stop().await;
}

//! Recording: what is said once is kept, what is said again is compared, and everything ends with a word.

use std::time::Duration;

use reenact::{Tick, Verdict};
use reenact_server::record::protocol::Opening;
use reenact_server::record::refusal::RefusalCode;

use crate::support::{
    Game, acknowledged, fresh, get, opening, refusal, refused, replay_of, resume_of, start, start_of,
    verdict_of,
};

#[tokio::test]
async fn what_is_recorded_is_listed_downloaded_and_verified() {
    let (_folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    let session = client.session.clone();
    game.play(&mut client, 300).await.unwrap();
    acknowledged(&mut client, Tick(300)).await;
    let live = get(server.address, &format!("/v1/sessions/{session}")).await.json();
    assert_eq!((&live["state"], &live["ticks"]), (&"recording".into(), &300.into()));
    game.play(&mut client, 77).await.unwrap();
    assert_eq!(game.end(client).await.unwrap(), Tick(377));
    let replay = replay_of(server.address, &session).await;
    assert!(replay.module.is_some() && !replay.marks.is_empty());
    let mut reader = replay.inputs.reader();
    for (tick, inputs) in game.inputs.iter().enumerate() {
        assert_eq!(reader.at(&replay.inputs, Tick(tick as u32)), Some(inputs), "tick {tick}");
    }
    assert_eq!(verdict_of(&game, replay), Verdict::Verified { through: Tick(377), hashes: 8 });
    server.stop().await;
}

#[tokio::test]
async fn keyframes_and_a_verdict_come_once_the_session_has_ended() {
    let (_folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    let address = format!("/v1/sessions/{}/keyframes", client.session);
    let session = client.session.clone();
    game.play(&mut client, 1_300).await.unwrap();
    let before = get(server.address, &address).await.json();
    assert_eq!((&before["verdict"], before["keyframes"].as_array().unwrap().len()), (&().into(), 0));
    game.end(client).await.unwrap();
    let list = async {
        loop {
            let list = get(server.address, &address).await.json();
            if !list["verdict"].is_null() {
                break list;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let list = tokio::time::timeout(Duration::from_secs(30), list).await.unwrap();
    assert_eq!(list["verdict"], serde_json::json!({"result": "verified", "ticks": 1_300, "hashes": 23}));
    let keyframes = list["keyframes"].as_array().unwrap();
    let ticks: Vec<_> = keyframes.iter().map(|keyframe| keyframe["tick"].as_u64().unwrap()).collect();
    assert_eq!(ticks, [0, 600, 1_200]);
    let replay = replay_of(server.address, &session).await;
    assert_eq!(replay.keyframes.len(), 3);
    for keyframe in keyframes {
        let state = keyframe["state"].as_str().unwrap();
        let blob = get(server.address, &format!("/v1/blobs/{state}")).await;
        assert_eq!(reenact::StateHash::of(&blob.body).to_string(), state);
        assert_eq!(replay.hashes[&Tick(keyframe["tick"].as_u64().unwrap() as u32)].to_string(), state);
    }
    server.stop().await;
}

#[tokio::test]
async fn a_recorder_that_lost_its_connection_resumes_where_the_server_is() {
    let (folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    game.play(&mut client, 130).await.unwrap();
    acknowledged(&mut client, Tick(130)).await;
    let (session, again) = (client.session.clone(), resume_of(&client));
    drop(client);
    // The server comes back as another process would.
    server.stop().await;
    let server = start(folder.path()).await;
    let listed = get(server.address, &format!("/v1/sessions/{session}")).await.json();
    assert_eq!((&listed["state"], &listed["ticks"]), (&"interrupted".into(), &130.into()));
    let mut client = game.open(server.address, &again).await.unwrap();
    assert_eq!(client.acknowledged, Tick(130));
    game.play(&mut client, 70).await.unwrap();
    game.end(client).await.unwrap();
    let verdict = verdict_of(&game, replay_of(server.address, &session).await);
    assert_eq!(verdict, Verdict::Verified { through: Tick(200), hashes: 5 });
    server.stop().await;
}

#[tokio::test]
async fn what_is_said_again_is_dropped_if_it_is_the_same_and_refused_if_not() {
    let (_folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    game.play(&mut client, 90).await.unwrap();
    acknowledged(&mut client, Tick(90)).await;
    let again = resume_of(&client);
    let mut client = game.open(server.address, &again).await.unwrap();
    for tick in 50..90 {
        client.record(Tick(tick), game.inputs[tick as usize].clone()).await.unwrap();
    }
    game.play(&mut client, 30).await.unwrap();
    acknowledged(&mut client, Tick(120)).await;
    let mut client = game.open(server.address, &again).await.unwrap();
    let mut other = game.inputs[60].clone();
    other.remove(0);
    let row = if game.inputs[60].get(0).is_some_and(|row| row[0] == 1) { 2 } else { 1 };
    other.set(game.module.input_schema(), 0, &[row, 0, 0, 0]).unwrap();
    client.record(Tick(60), other).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(refused(&mut client).await, RefusalCode::InputsDiffer);
    let mut client = game.open(server.address, &again).await.unwrap();
    client.hash(Tick(60), reenact::StateHash([1; 32])).await.unwrap();
    assert_eq!(refused(&mut client).await, RefusalCode::InputsDiffer);
    let mut client = game.open(server.address, &again).await.unwrap();
    client.record(Tick(121), game.inputs[0].clone()).await.unwrap();
    client.flush().await.unwrap();
    assert_eq!(refused(&mut client).await, RefusalCode::TickGap);
    let mut client = game.open(server.address, &again).await.unwrap();
    game.end_at(&mut client).await;
    assert_eq!(refusal(game.open(server.address, &again).await), RefusalCode::SessionEnded);
    server.stop().await;
}

#[tokio::test]
async fn a_session_has_one_recorder() {
    let (_folder, server) = fresh().await;
    let mut game = Game::tour();
    let mut first = game.open(server.address, &opening()).await.unwrap();
    game.play(&mut first, 40).await.unwrap();
    acknowledged(&mut first, Tick(40)).await;
    let Opening::Resume { session, key } = resume_of(&first) else { unreachable!() };
    let wrong = Opening::Resume { session: session.clone(), key: "0".repeat(64) };
    assert_eq!(refusal(game.open(server.address, &wrong).await), RefusalCode::WrongKey);
    let second = game.open(server.address, &Opening::Resume { session, key }).await.unwrap();
    assert_eq!(refused(&mut first).await, RefusalCode::Superseded);
    assert_eq!(second.acknowledged, Tick(40));
    server.stop().await;
}

#[tokio::test]
async fn resuming_gives_no_room_for_more_marks() {
    let (_folder, server) = fresh().await;
    let game = Game::tour();
    let mut client = game.open(server.address, &opening()).await.unwrap();
    client.record(Tick(0), reenact::Inputs::absent(game.module.input_schema())).await.unwrap();
    client.flush().await.unwrap();
    acknowledged(&mut client, Tick(1)).await;
    let mark = reenact::Mark { kind: 7, payload: vec![1] };
    // What is there already may be sent again; more than a tick may have is refused, resumed or not.
    for (marks, expect) in
        [(200, RefusalCode::Malformed), (256, RefusalCode::Malformed), (257, RefusalCode::TooLarge)]
    {
        client = game.open(server.address, &resume_of(&client)).await.unwrap();
        let mut said = Ok(());
        for _ in 0..marks {
            said = said.and(client.mark(Tick(1), &mark).await);
        }
        let said = match said {
            Ok(()) => client.send_message(vec![9]).await,
            refused => refused,
        };
        let code = if said.is_ok() { refused(&mut client).await } else { refusal(said) };
        assert_eq!(code, expect, "{marks}");
    }
    let marks = get(server.address, &format!("/v1/sessions/{}/marks", client.session)).await.json();
    assert_eq!(marks["marks"].as_array().unwrap().len(), 256);
    server.stop().await;
}

#[tokio::test]
async fn a_session_without_hashes_takes_none_and_a_tick_takes_one() {
    let (_folder, server) = fresh().await;
    let game = Game::tour();
    let Opening::Start { module, seed, config, disk, .. } = opening() else { unreachable!() };
    let without = Opening::Start { module, seed, config, disk, hash_every: 0 };
    let mut client = game.open(server.address, &without).await.unwrap();
    client.hash(Tick(0), reenact::StateHash([1; 32])).await.unwrap();
    assert_eq!(refused(&mut client).await, RefusalCode::Malformed);
    let mut client = game.open(server.address, &opening()).await.unwrap();
    client.hash(Tick(0), reenact::StateHash([1; 32])).await.unwrap();
    client.hash(Tick(0), reenact::StateHash([2; 32])).await.unwrap();
    assert_eq!(refused(&mut client).await, RefusalCode::InputsDiffer);
    server.stop().await;
}

#[tokio::test]
async fn what_cannot_begin_is_refused_by_name() {
    let (_folder, server) = fresh().await;
    let game = Game::tour();
    let check = async |opening: Opening, expect: RefusalCode| {
        assert_eq!(refusal(game.open(server.address, &opening).await), expect, "{opening:?}");
    };
    check(start_of(reenact::ModuleHash([7; 32])), RefusalCode::UnknownModule).await;
    let Opening::Start { module, seed, config, disk, hash_every } = opening() else { unreachable!() };
    let with = |seed: &str, config: &str, disk: &str| Opening::Start {
        module: module.clone(),
        seed: seed.into(),
        config: config.into(),
        disk: disk.into(),
        hash_every,
    };
    check(with("x", &config, &disk), RefusalCode::Malformed).await;
    check(with(&seed, "%", &disk), RefusalCode::Malformed).await;
    let large = "AAAA".repeat(400);
    check(with(&seed, &config, &large), RefusalCode::TooLarge).await;
    let huge = "AAAA".repeat(40_000);
    check(with(&seed, &huge, &disk), RefusalCode::MessageTooLarge).await;
    let unknown = Opening::Resume { session: "session-1".into(), key: String::new() };
    check(unknown, RefusalCode::UnknownSession).await;
    server.stop().await;
}

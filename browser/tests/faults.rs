//! What goes wrong around the page: it says what happened, what is kept and what to do, and loses nothing that was
//! acknowledged.

use std::fs;

use anyhow::{Context, Result, ensure};
use reenact_browser::server::game;
use reenact_browser::{Page, Recording, Reenact, scene};
use serde_json::json;

/// What the console says of connections to a server that is not there.
const CONNECTION: [&str; 2] = ["WebSocket connection to", "net::ERR_CONNECTION_REFUSED"];

fn expect_lost_connections(page: &mut Page) {
    for part in CONNECTION {
        page.expect_error(part);
    }
}

async fn start_arena(page: &Page, server: &Reenact) -> Result<String> {
    page.choose_game(server, &game("arena/arena.wasm")).await?;
    page.start_game().await
}

/// Ends the game, watches it and checks all of it.
async fn end_and_check(page: &Page, server: &Reenact, session: &str) -> Result<u64> {
    let ticks = page.end_game().await?;
    page.click("watch").await?;
    page.check_recording(server, session, ticks).await?;
    Ok(ticks)
}

/// The ticks of a session that the server has.
async fn kept(server: &Reenact, session: &str) -> Result<u64> {
    let document = server.get(&format!("v1/sessions/{session}")).await?;
    document["ticks"].as_u64().context("a session has ticks")
}

#[tokio::test]
async fn a_recording_goes_on_after_the_server_was_killed() -> Result<()> {
    scene(async |page, server| {
        expect_lost_connections(page);
        let session = start_arena(page, server).await?;
        page.play_on(60).await?;
        server.kill()?;
        let acknowledged = page.number("recording.acknowledged").await?;
        let notice = page.notice("connection_lost").await?;
        ensure!(
            notice.kept.contains(&acknowledged.to_string()),
            "{notice:?} does not name tick {acknowledged}"
        );
        page.play_on(30).await?;
        server.start_again().await?;
        let there = kept(server, &session).await?;
        ensure!(there >= acknowledged, "{acknowledged} ticks were acknowledged, and {there} are there");
        let resumed = "state.recording.connection === 'ready' && state.recording.notice === null";
        page.until("the recording to resume by itself", resumed).await?;
        page.play_on(30).await?;
        let ticks = end_and_check(page, server, &session).await?;
        ensure!(ticks > acknowledged + 60 && page.inputs(&session).await?.ticks() as u64 == ticks);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_that_stops_says_so_and_the_recording_resumes() -> Result<()> {
    scene(async |page, server| {
        expect_lost_connections(page);
        let session = start_arena(page, server).await?;
        server.stop().await?;
        page.notice("server_stopping").await?;
        page.play_on(30).await?;
        server.start_again().await?;
        page.until("the recording to resume by itself", "state.recording.connection === 'ready'").await?;
        end_and_check(page, server, &session).await.map(drop)
    })
    .await
}

#[tokio::test]
async fn a_full_buffer_holds_the_game_until_the_server_is_back() -> Result<()> {
    scene(async |page, server| {
        expect_lost_connections(page);
        // Half a minute of ticks passes sooner so.
        page.hurry(5).await?;
        let session = start_arena(page, server).await?;
        server.kill()?;
        let notice = page.notice("buffer_full").await?;
        ensure!(!notice.kept.is_empty(), "{notice:?} does not say what is kept");
        let held = page.number("tick").await?;
        let waiting = held - page.number("recording.acknowledged").await?;
        // The arena has 60 ticks a second.
        ensure!(waiting == 1_800, "{waiting} ticks wait");
        page.call(
            "await new Promise((frame) => requestAnimationFrame(() => requestAnimationFrame(frame)))",
            vec![],
        )
        .await?;
        ensure!(page.number("tick").await? == held, "the game goes on with a full buffer");

        server.start_again().await?;
        page.click("resume").await?;
        page.until("the message to go", "state.recording.notice === null").await?;
        page.play_on(60).await?;
        let ticks = end_and_check(page, server, &session).await?;
        ensure!(ticks > held);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_session_without_its_module_says_which_one_it_needs() -> Result<()> {
    scene(async |page, server| {
        // The page asks for what is not there, which the console notes.
        page.expect_error("the server responded with a status of");
        let module = game("arena/arena.wasm");
        let hash = server.upload(&module).await?;
        let recording = Recording { module: &module, seed: 1, ticks: 120, hash_every: 60, disk: None };
        let session = server.record(&recording).await?;
        server.stop().await?;
        let (folder, name) = hash.split_at(2);
        fs::remove_file(server.data().join("modules").join(folder).join(name))?;
        server.start_again().await?;

        page.open(&format!("#/session/{session}")).await?;
        let notice = page.notice("module_missing").await?;
        ensure!(notice.detail.contains(&hash), "{notice:?} does not name {hash}");
        server.upload(&module).await?;
        page.click("again").await?;
        page.until("the session to be open", "state.lastTick === 120").await?;
        let hashes = server.hashes(&session).await?;
        ensure!(page.hash_at(&session, 120).await? == hashes[2].1);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_newer_of_two_recorders_takes_over_and_the_older_is_told() -> Result<()> {
    scene(async |page, server| {
        page.tap_sockets().await?;
        let session = start_arena(page, server).await?;
        let second = "
            const { session, key } = globalThis.newestReady;
            const socket = new WebSocket(globalThis.newestSocket.url);
            await new Promise((done) => { socket.onopen = done; });
            socket.send(JSON.stringify({ type: 'resume', session, key }));
            return new Promise((done) => { socket.onmessage = ({ data }) => done(JSON.parse(data)); });";
        let ready = page.call(second, Vec::new()).await?;
        ensure!(
            ready["type"] == "ready" && ready["session"] == json!(session),
            "the second recorder hears {ready}"
        );
        let notice = page.notice("superseded").await?;
        ensure!(!notice.kept.is_empty(), "{notice:?} does not say what is kept");
        let ticks = kept(server, &session).await?;
        ensure!(ready["next_tick"] == json!(ticks), "{ticks} ticks are kept, and the second hears {ready}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_message_above_the_limit_ends_the_recording_with_a_word() -> Result<()> {
    scene(async |page, server| {
        page.tap_sockets().await?;
        let session = start_arena(page, server).await?;
        page.call("globalThis.newestSocket.send(new Uint8Array(70_000))", Vec::new()).await?;
        page.notice("message_too_large").await?;
        let acknowledged = page.number("recording.acknowledged").await?;
        ensure!(kept(server, &session).await? >= acknowledged);
        page.click("watch").await?;
        page.until(
            "what was recorded",
            &format!("state.view === 'watch' && state.lastTick >= {acknowledged}"),
        )
        .await
    })
    .await
}

#[tokio::test]
async fn what_is_not_here_is_said() -> Result<()> {
    scene(async |page, _| {
        page.expect_error("the server responded with a status of 404");
        let nothing = "0".repeat(64);
        for (path, code) in [
            ("#/session/session-01a203a1f8837311a0732bd65997ba13".to_owned(), "unknown_session"),
            (format!("#/play/{nothing}"), "unknown_module"),
            ("#/somewhere/else".to_owned(), "not_found"),
        ] {
            page.open(&path).await?;
            page.notice(code).await?;
            page.click("to-library").await?;
            page.until("the library", "state.view === 'library'").await?;
        }
        Ok(())
    })
    .await
}

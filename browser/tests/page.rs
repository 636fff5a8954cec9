//! The library, and the watch view: a recorded session plays, steps, seeks, and is computed in the browser exactly
//! as it was recorded.

use anyhow::{Result, ensure};
use reenact_browser::server::game;
use reenact_browser::{Page, Recording, Reenact, scene};
use serde_json::json;
use thirtyfour::Key;

/// How many ticks are compared in each session.
const COMPARED: usize = 20;

/// Records `ticks` ticks of a game with the hash of each.
async fn record(server: &Reenact, name: &str, ticks: u32) -> Result<String> {
    let module = game(name);
    server.upload(&module).await?;
    let recording = Recording { module: &module, seed: 7, ticks, hash_every: 1, disk: None };
    server.record(&recording).await
}

/// Ticks in an order that has nothing to do with time: steps of a generator of the range.
fn scattered(ticks: usize) -> impl Iterator<Item = usize> {
    (0..COMPARED).map(move |n| (n * 7_919 + 31) % (ticks + 1))
}

async fn compare_hashes(page: &Page, server: &Reenact, session: &str) -> Result<()> {
    let recorded = server.hashes(session).await?;
    for place in scattered(recorded.len() - 1) {
        let (tick, hash) = &recorded[place];
        let computed = page.hash_at(session, *tick).await?;
        ensure!(computed == *hash, "at tick {tick} {hash} was recorded, and the browser gives {computed}");
    }
    Ok(())
}

#[tokio::test]
async fn a_session_of_the_library_plays() -> Result<()> {
    scene(async |page, server| {
        let session = record(server, "arena/arena.wasm", 1_200).await?;
        page.open("").await?;
        page.click_on(&format!("[data-session=\"{session}\"] a")).await?;
        page.until("the session to be open", "state.view === 'watch' && state.lastTick === 1200").await?;
        ensure!(page.state().await?["session"] == json!(session));

        let before = page.picture().await?;
        page.click("play-pause").await?;
        page.until("the playhead to move", "state.playing && state.playhead > 30").await?;
        ensure!(page.picture().await? != before, "the session plays, and its picture stays as it is");

        page.click("play-pause").await?;
        page.until("it to stop", "!state.playing && state.seeking === null").await?;
        let stopped = page.number("playhead").await?;
        page.until(
            "its hash",
            "/^[0-9a-f]{64}$/.test(document.querySelector('[data-testid=state-hash]').innerText)",
        )
        .await?;
        ensure!(page.number("playhead").await? == stopped, "the playhead moves while it is paused");
        Ok(())
    })
    .await
}

/// Waits for the playhead to stand at a tick, and for its hash to be shown, which is the recorded one.
async fn stands_at(page: &Page, server: &Reenact, session: &str, tick: u32) -> Result<()> {
    page.until(format!("tick {tick}"), &format!("!state.playing && state.playhead === {tick}")).await?;
    let (_, hash) = &server.hashes(session).await?[tick as usize];
    let shown = format!("document.querySelector('[data-testid=state-hash]').innerText.trim() === '{hash}'");
    page.until(format!("the hash {hash} of tick {tick} to be shown"), &shown).await
}

#[tokio::test]
async fn buttons_step_and_seek() -> Result<()> {
    scene(async |page, server| {
        let session = record(server, "arena/arena.wasm", 600).await?;
        page.open(&format!("#/session/{session}?t=100")).await?;
        stands_at(page, server, &session, 100).await?;
        page.click("step-forward").await?;
        stands_at(page, server, &session, 101).await?;
        page.click("step-back").await?;
        stands_at(page, server, &session, 100).await?;
        page.click("step-back").await?;
        stands_at(page, server, &session, 99).await?;

        // The middle of the bar is the middle of the session, but for a pixel.
        page.click("scrub").await?;
        page.until("the middle", "Math.abs(state.playhead - 300) < 3").await?;
        let middle = u32::try_from(page.number("playhead").await?)?;
        stands_at(page, server, &session, middle).await?;
        ensure!(page.text("compared").await?.contains("all equal"));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn keys_play_step_and_seek() -> Result<()> {
    scene(async |page, server| {
        let session = record(server, "arena/arena.wasm", 600).await?;
        page.open(&format!("#/session/{session}?t=200")).await?;
        stands_at(page, server, &session, 200).await?;
        for (key, tick) in [('.', 201), (',', 200), ('5', 300), ('0', 0)] {
            page.press(key.to_string()).await?;
            stands_at(page, server, &session, tick).await?;
        }
        let [right, left, home, end] = [Key::Right, Key::Left, Key::Home, Key::End].map(char::from);
        for (key, tick) in [(right, 60), (right, 120), (left, 60), (end, 600), (home, 0)] {
            page.press(key.to_string()).await?;
            stands_at(page, server, &session, tick).await?;
        }
        page.press(" ").await?;
        page.until("it to play", "state.playing && state.playhead > 20").await?;
        page.press("j").await?;
        page.until("it to play backwards to the start", "!state.playing && state.playhead === 0").await
    })
    .await
}

#[tokio::test]
async fn states_in_the_browser_are_those_that_were_recorded() -> Result<()> {
    scene(async |page, server| {
        page.open("").await?;
        for (name, ticks) in [("arena/arena.wasm", 1_200), ("tour/tour.wasm", 1_200)] {
            let session = record(server, name, ticks).await?;
            ensure!(server.hashes(&session).await?.len() == ticks as usize + 1);
            compare_hashes(page, server, &session).await?;
            ensure!(page.state().await?["compared"]["mismatch"].is_null());
            ensure!(server.verdict(&session).await?["result"] == "verified");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_page_follows_the_system_in_light_and_dark_and_can_be_told_otherwise() -> Result<()> {
    scene(async |page, server| {
        let session = record(server, "tour/tour.wasm", 120).await?;
        for path in [String::new(), format!("#/session/{session}")] {
            page.browser.prefer("light").await?;
            page.open(&path).await?;
            ensure!(brightness(page).await? > 0.7, "{path} is not light");
            page.browser.prefer("dark").await?;
            ensure!(brightness(page).await? < 0.3, "{path} is not dark");
        }
        page.click("theme").await?;
        ensure!(brightness(page).await? > 0.7, "the page does not let itself be made light");
        page.open("").await?;
        ensure!(brightness(page).await? > 0.7, "the page forgets that it was made light");
        Ok(())
    })
    .await
}

/// How bright the page's ground is, from 0 to 1.
async fn brightness(page: &Page) -> Result<f64> {
    let script = "
        const canvas = new OffscreenCanvas(1, 1).getContext('2d');
        canvas.fillStyle = getComputedStyle(document.body).backgroundColor;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
        return (red + green + blue) / 765;";
    Ok(page.call(script, Vec::new()).await?.as_f64().unwrap_or(f64::NAN))
}

//! Games that are played in the page: what was recorded is what was played.

use anyhow::{Result, ensure};
use reenact_browser::scene;
use reenact_browser::server::game;
use thirtyfour::Key;

#[tokio::test]
async fn the_arena_against_bots_is_recorded_as_it_was_played() -> Result<()> {
    scene(async |page, server| {
        page.choose_game(server, &game("arena/arena.wasm")).await?;
        let session = page.start_game().await?;
        let [right, up] = [Key::Right, Key::Up].map(char::from);
        page.play_with(&[right], 30).await?;
        page.play_with(&[up, ' '], 30).await?;
        page.play_with(&['x'], 30).await?;
        let ticks = page.end_game().await?;
        page.click("watch").await?;
        page.check_recording(server, &session, ticks).await?;

        let inputs = page.inputs(&session).await?;
        ensure!(inputs.ticks() as u64 == ticks);
        ensure!(
            inputs.at_once(&[(0, &["up", "fire"])])?,
            "two keys that were held were not recorded at once"
        );
        let held: Vec<_> = inputs.held(0).into_iter().collect();
        ensure!(held == ["fire", "right", "up"], "{held:?} was recorded of the person");
        ensure!(!inputs.held(1).is_empty(), "the bots do nothing");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_cart_is_recorded_as_it_was_played() -> Result<()> {
    scene(async |page, server| {
        page.choose_game(server, &game("tour/tour.wasm")).await?;
        let session = page.start_game().await?;
        let [left, down] = [Key::Left, Key::Down].map(char::from);
        let before = page.picture().await?;
        page.play_with(&['x'], 20).await?;
        page.play_with(&[left], 30).await?;
        page.play_with(&[down, 'z'], 30).await?;
        ensure!(page.picture().await? != before, "the game goes on, and its picture stays as it is");
        let ticks = page.end_game().await?;
        page.click("watch").await?;
        page.check_recording(server, &session, ticks).await
    })
    .await
}

#[tokio::test]
async fn two_people_at_one_keyboard_are_two_participants() -> Result<()> {
    scene(async |page, server| {
        page.choose_game(server, &game("arena/arena.wasm")).await?;
        page.click("second-player").await?;
        let session = page.start_game().await?;
        let [left, enter] = [Key::Left, Key::Return].map(char::from);
        page.play_with(&[left, 'd'], 30).await?;
        page.play_with(&[enter, 'w'], 30).await?;
        let ticks = page.end_game().await?;
        page.click("watch").await?;
        page.check_recording(server, &session, ticks).await?;

        let inputs = page.inputs(&session).await?;
        ensure!(
            inputs.at_once(&[(0, &["left"]), (1, &["right"])])?,
            "the first keys of both are not there at once"
        );
        ensure!(
            inputs.at_once(&[(0, &["fire"]), (1, &["up"])])?,
            "the next keys of both are not there at once"
        );
        let held = [inputs.held(0), inputs.held(1)].map(|held| held.into_iter().collect::<Vec<_>>());
        ensure!(held == [["fire", "left"], ["right", "up"]], "{held:?} was recorded");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_pause_is_no_part_of_the_recording() -> Result<()> {
    scene(async |page, server| {
        page.choose_game(server, &game("arena/arena.wasm")).await?;
        let session = page.start_game().await?;
        page.click("pause").await?;
        page.until(
            "everything to be acknowledged",
            "state.phase === 'paused' && state.recording.acknowledged === state.tick",
        )
        .await?;
        let paused = page.number("tick").await?;
        page.click("go-on").await?;
        page.play_on(30).await?;
        let ticks = page.end_game().await?;
        ensure!(ticks >= paused + 30);
        page.click("watch").await?;
        page.check_recording(server, &session, ticks).await
    })
    .await
}

//! Playing a game in the page, as a person would.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::page::Page;
use crate::server::Reenact;

/// Keeps the page's sockets and what they were told last as `ready`, so that a test can speak in their place.
const WIRETAP: &str = "
    globalThis.WebSocket = class extends WebSocket {
        constructor(...args) {
            super(...args);
            globalThis.newestSocket = this;
            this.addEventListener('message', ({ data }) => {
                const message = JSON.parse(data);
                if (message.type === 'ready') globalThis.newestReady = message;
            });
        }
    };";

/// Lets the display's clock run `FACTOR` times as fast, and with it every game.
const HURRY: &str = "
    const request = globalThis.requestAnimationFrame.bind(globalThis);
    globalThis.requestAnimationFrame = (run) => request((now) => run(now * FACTOR));";

/// What participants did in a session, as the page's own decoder reads it.
const INPUTS: &str = "
    const { Inputs, Schema, decodeBlocks } = await import('/web/sim/inputs.js');
    const session = await (await fetch(`/v1/sessions/${args[0]}`)).json();
    const bytes = new Uint8Array(await (await fetch(`/v1/sessions/${args[0]}/inputs`)).arrayBuffer());
    const timeline = decodeBlocks(new Schema(session), bytes);
    const inputs = new Inputs(timeline.schema);
    const rows = [];
    for (let tick = 0; tick < timeline.endTick; tick += 1) {
        timeline.at(tick, inputs);
        rows.push(Array.from({ length: session.participants }, (_, participant) => inputs.get(participant)));
    }
    return { buttons: session.columns[0].buttons, rows };";

/// The inputs of a session: for each tick and participant its columns, or nothing while it was absent.
#[derive(Debug, Deserialize)]
pub struct SessionInputs {
    buttons: Vec<String>,
    rows: Vec<Vec<Option<Vec<i64>>>>,
}

impl SessionInputs {
    /// How many ticks there are.
    pub fn ticks(&self) -> usize {
        self.rows.len()
    }

    /// The buttons of the first column that a participant ever held.
    pub fn held(&self, participant: usize) -> BTreeSet<&str> {
        let rows = self.rows.iter().filter_map(|row| row[participant].as_ref());
        let pressed = rows.fold(0, |pressed, columns| pressed | columns[0]);
        let buttons = self.buttons.iter().enumerate();
        buttons.filter(|(bit, _)| pressed >> bit & 1 == 1).map(|(_, name)| name.as_str()).collect()
    }

    /// Whether at one tick every participant of `wanted` holds all of the buttons that stand with it.
    pub fn at_once(&self, wanted: &[(usize, &[&str])]) -> Result<bool> {
        let bit = |name: &&str| {
            let place = self.buttons.iter().position(|button| button == name);
            Ok(1 << place.with_context(|| format!("no button of {:?} is called {name}", self.buttons))?)
        };
        let mask = |names: &[&str]| names.iter().map(bit).sum::<Result<i64>>();
        let masks: Vec<_> = wanted
            .iter()
            .map(|(participant, names)| Ok((*participant, mask(names)?)))
            .collect::<Result<_>>()?;
        Ok(self.rows.iter().any(|row| {
            masks.iter().all(|(participant, mask)| {
                row[*participant].as_ref().is_some_and(|columns| columns[0] & mask == *mask)
            })
        }))
    }
}

impl Page {
    /// Opens a game that the library shows, and leaves it before its first tick.
    pub async fn choose_game(&self, server: &Reenact, module: &Path) -> Result<()> {
        let hash = server.upload(module).await?;
        self.open("").await?;
        self.click_on(&format!("[data-module=\"{hash}\"] [data-testid=play]")).await?;
        self.until("the game to be there", "state.phase === 'ready'").await
    }

    /// Starts the game, and waits until its first ticks are acknowledged; its session.
    pub async fn start_game(&self) -> Result<String> {
        self.click("start").await?;
        self.until("a recording that goes on", "state.playing && state.recording.acknowledged > 20").await?;
        let state = self.state().await?;
        Ok(state["session"].as_str().context("what is recorded is a session")?.to_owned())
    }

    /// Lets so many more ticks be played.
    pub async fn play_on(&self, ticks: u64) -> Result<()> {
        let tick = self.number("tick").await? + ticks;
        self.until(format!("tick {tick}"), &format!("state.tick >= {tick}")).await
    }

    /// Holds keys for so many ticks.
    pub async fn play_with(&self, keys: &[char], ticks: u64) -> Result<()> {
        self.hold(keys).await?;
        self.play_on(ticks).await?;
        self.release(keys).await
    }

    /// Ends the game, and waits until the whole recording is acknowledged; how many ticks it has.
    pub async fn end_game(&self) -> Result<u64> {
        self.click("end").await?;
        self.until("the end to be acknowledged", "state.phase === 'ended'").await?;
        self.number("tick").await
    }

    /// Keeps the page's sockets where scripts of a test find them, from the next page on.
    pub async fn tap_sockets(&self) -> Result<()> {
        self.run_before_every_page(WIRETAP).await
    }

    /// Lets games run so many times as fast, from the next page on.
    pub async fn hurry(&self, factor: u32) -> Result<()> {
        self.run_before_every_page(&HURRY.replace("FACTOR", &factor.to_string())).await
    }

    async fn run_before_every_page(&self, script: &str) -> Result<()> {
        let script = json!({ "source": script });
        self.browser.driver.cdp().send_raw("Page.addScriptToEvaluateOnNewDocument", script).await?;
        Ok(())
    }

    /// What participants did in a session.
    pub async fn inputs(&self, session: &str) -> Result<SessionInputs> {
        Ok(serde_json::from_value(self.call(INPUTS, vec![json!(session)]).await?)?)
    }

    /// Watches the session that was just played: every recorded hash is what the browser computes, the server has
    /// verified it, and so does the command with the downloaded replay.
    pub async fn check_recording(&self, server: &Reenact, session: &str, ticks: u64) -> Result<()> {
        let watched =
            format!("state.view === 'watch' && state.session === '{session}' && state.lastTick === {ticks}");
        self.until(format!("all {ticks} ticks to be there"), &watched).await?;
        let hashes = server.hashes(session).await?;
        ensure!(
            hashes.last().is_some_and(|(tick, _)| u64::from(*tick) == ticks),
            "the last state has no hash"
        );
        for (tick, hash) in &hashes {
            let computed = self.hash_at(session, *tick).await?;
            ensure!(
                computed == *hash,
                "at tick {tick} {hash} was recorded, and the browser gives {computed}"
            );
        }
        let verdict = server.verdict(session).await?;
        ensure!(verdict["result"] == "verified", "the server says {verdict}");
        let verified: Value = server.verify(session).await?;
        ensure!(verified["replays"][0]["verdict"] == "verified", "the command says {verified}");
        Ok(())
    }
}

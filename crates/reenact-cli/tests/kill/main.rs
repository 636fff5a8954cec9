//! The server is killed while several games are recorded, again and again: whatever it acknowledged is there, the
//! recorders go on, and in the end the sessions play.
//!
//! `REENACT_TORTURE_ROUNDS` says how often; `cargo xtask torture kill` sets it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod recorder;
mod server;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reenact::Replay;
use reenact::bot::Random;
use reenact::session::Limits;
use reenact_server::demo;
use reenact_wasm::{Engine, Module};
use tempfile::TempDir;
use tokio::task::{LocalSet, spawn_local};

use recorder::{Journal, Recorder};
use server::Server;

const KILLS_DEFAULT: u32 = 25;
/// Then the sessions end and others begin, so that many kills take no longer each than few.
const KILLS_PER_SESSION: u32 = 25;
const RECORDERS: u64 = 8;
const SEED: u64 = 0x6b69_6c6c;

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let kills = std::env::var("REENACT_TORTURE_ROUNDS").map_or(KILLS_DEFAULT, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    LocalSet::new().block_on(&runtime, run(kills));
}

async fn run(kills: u32) {
    let mut house = House::new();
    let (mut killed, mut ended) = (0, Vec::new());
    while killed < kills {
        house.start_recorders().await;
        for _ in 0..KILLS_PER_SESSION.min(kills - killed) {
            house.kill_and_resume().await;
            killed += 1;
        }
        let journals = house.end_recorders().await;
        ended.extend(journals.iter().map(|(session, journal)| (session.clone(), journal.tick())));
        if killed == kills {
            house.check_after_all(&ended, &journals);
        }
    }
    let Count { acknowledged, lost, sent_again } = house.count;
    println!(
        "{kills} kills, {acknowledged} ticks of {} sessions acknowledged before the last, {lost} lost; \
         {sent_again} unacknowledged ones sent again",
        ended.len()
    );
    assert_eq!(lost, 0);
}

/// Ticks of all sessions.
#[derive(Debug, Default)]
struct Count {
    acknowledged: u64,
    lost: u64,
    sent_again: u64,
}

/// A server, and the recorders that lose it.
struct House {
    folder: TempDir,
    server: Server,
    modules: Vec<Module>,
    recorders: Vec<Recorder>,
    random: Random,
    count: Count,
    /// What was acknowledged of sessions that have ended.
    acknowledged_before: u64,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), 0);
        let engine = Engine::new().unwrap();
        let admit = |bytes: &&[u8]| {
            server.request("POST", "/v1/modules", bytes);
            Module::admit(&engine, bytes, Limits::default()).unwrap()
        };
        let modules = demo::GAMES.iter().map(admit).collect();
        let (recorders, random, count) = (Vec::new(), Random::new(SEED), Count::default());
        Self { folder, server, modules, recorders, random, count, acknowledged_before: 0 }
    }

    async fn start_recorders(&mut self) {
        for n in 0..RECORDERS {
            let module = self.modules[n as usize % self.modules.len()].clone();
            self.recorders.push(Recorder::start(&self.server, module, self.random.bits()).await);
        }
    }

    /// Everybody plays; at some moment the server is killed. It starts again, and everybody goes on.
    async fn kill_and_resume(&mut self) {
        let playing: Vec<_> = self.recorders.drain(..).map(|recorder| spawn_local(recorder.play())).collect();
        tokio::time::sleep(Duration::from_millis(50 + self.random.below(400))).await;
        let port = self.server.address.port();
        self.server.kill();
        for recorder in playing {
            self.recorders.push(recorder.await.unwrap());
        }
        self.server = Server::start(self.folder.path(), port);
        assert!(self.server.events > 0);
        self.count.acknowledged = self.acknowledged_before;
        for recorder in &mut self.recorders {
            let kept = recorder.resume(&self.server).await;
            self.count.acknowledged += u64::from(kept.acknowledged);
            self.count.lost += u64::from(kept.lost);
            self.count.sent_again += u64::from(kept.sent_again);
        }
    }

    /// Ends all sessions: each is what was played.
    async fn end_recorders(&mut self) -> Vec<(String, Journal)> {
        let mut ended = Vec::new();
        self.acknowledged_before = self.count.acknowledged;
        for recorder in self.recorders.drain(..) {
            let (session, journal) = recorder.end().await;
            let file = self.server.get(&format!("/v1/sessions/{session}/replay"));
            journal.check(Replay::decode(&file).unwrap());
            ended.push((session, journal));
        }
        ended
    }

    /// All sessions are there and as long as they were; the last ones also as files, from the directory of a
    /// server that was killed.
    fn check_after_all(&mut self, ended: &[(String, u32)], last: &[(String, Journal)]) {
        for (session, ticks) in ended {
            let session = self.server.get(&format!("/v1/sessions/{session}"));
            let session: serde_json::Value = serde_json::from_slice(&session).unwrap();
            assert_eq!((&session["state"], &session["ticks"]), (&"ended".into(), &(*ticks).into()));
        }
        self.server.kill();
        for (session, journal) in last {
            journal.check(export(self.folder.path(), session));
        }
    }
}

fn export(data: &Path, session: &str) -> Replay {
    let file = data.join("exported.replay");
    let mut export = Command::new(env!("CARGO_BIN_EXE_reenact"));
    let output =
        export.args(["export-session", session, "--data"]).arg(data).arg("-o").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let replay = Replay::decode(&std::fs::read(&file).unwrap()).unwrap();
    std::fs::remove_file(file).unwrap();
    replay
}

//! A server in a folder of its own, and what tests ask of it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reenact::bot::Bot;
use reenact::session::Limits;
use reenact::{Inputs, ModuleHash, Replay, Simulation, Tick, Verdict, Verifier};
use reenact_server::record::protocol::{Answer, End, Opening};
use reenact_server::record::refusal::RefusalCode;
use reenact_server::{ClientError, DataDir, RecorderClient, Server, demo};
use reenact_store::EventStore;
use reenact_wasm::{Engine, Module, Setup, WasmSimulation};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// The sample game with one page of memory less to hash.
pub(crate) const TOUR: &[u8] = demo::GAMES[1];

/// A server that runs.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) data: DataDir,
    stop: oneshot::Sender<()>,
    done: JoinHandle<()>,
}

impl Running {
    /// Stops it and waits until its data directory is free.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.done.await.unwrap();
        drop(self.data);
    }
}

/// A server on the data directory `path`, with the sample games.
pub(crate) async fn start(path: &Path) -> Running {
    start_with(path, |store| store).await
}

/// As [`start`], on another store than the log: `change` is given the log.
pub(crate) async fn start_with(
    path: &Path,
    change: impl FnOnce(Arc<dyn EventStore>) -> Arc<dyn EventStore>,
) -> Running {
    let (mut data, _report) = DataDir::open(path).unwrap();
    demo::admit_games(&data.modules).unwrap();
    data.store = change(data.store);
    let server = Server::with_data(data.clone(), "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = server.address();
    let (stop, stopped) = oneshot::channel::<()>();
    let run = server.run(async { _ = stopped.await });
    let done = tokio::spawn(async { run.await.unwrap() });
    Running { address, data, stop, done }
}

pub(crate) async fn fresh() -> (TempDir, Running) {
    let folder = tempfile::tempdir().unwrap();
    let running = start(folder.path()).await;
    (folder, running)
}

/// A game that a test plays, and what it has done so far.
pub(crate) struct Game {
    pub(crate) module: Module,
    simulation: WasmSimulation,
    bot: Bot,
    /// By tick.
    pub(crate) inputs: Vec<Inputs>,
}

impl Game {
    pub(crate) fn tour() -> Self {
        let module = Module::admit(&Engine::new().unwrap(), TOUR, Limits::default()).unwrap();
        let simulation = module.simulation(&Setup::default()).unwrap();
        Self { module, simulation, bot: Bot::new(5), inputs: Vec::new() }
    }

    pub(crate) async fn open(
        &self,
        server: SocketAddr,
        opening: &Opening,
    ) -> Result<RecorderClient, ClientError> {
        RecorderClient::open(server, self.module.input_schema().clone(), opening).await
    }

    pub(crate) fn tick(&self) -> Tick {
        Tick(self.inputs.len() as u32)
    }

    /// Plays `ticks` ticks and records them, with marks, and a hash each 60 ticks.
    pub(crate) async fn play(&mut self, client: &mut RecorderClient, ticks: u32) -> Result<(), ClientError> {
        if self.inputs.is_empty() {
            client.hash(Tick::ZERO, self.simulation.state_hash()).await?;
        }
        for _ in 0..ticks {
            let schema = self.module.input_schema();
            let mut inputs = self.inputs.last().cloned().unwrap_or_else(|| Inputs::absent(schema));
            self.bot.act(schema, &mut inputs);
            let (tick, mut marks) = (self.tick(), Vec::new());
            self.simulation.step(tick, &inputs, &mut marks).unwrap();
            client.record(tick, inputs.clone()).await?;
            self.inputs.push(inputs);
            if self.tick().0.is_multiple_of(60) {
                client.hash(self.tick(), self.simulation.state_hash()).await?;
            }
            for mark in &marks {
                client.mark(self.tick(), mark).await?;
            }
        }
        client.flush().await
    }

    /// Ends the session where the recorder stands, and waits for the answer.
    pub(crate) async fn end_at(&mut self, client: &mut RecorderClient) {
        client.send_message(vec![4, 0]).await.unwrap();
        while !matches!(client.answer().await.unwrap(), Answer::Ended { .. }) {}
    }

    /// Ends the session, with the hash of its last state.
    pub(crate) async fn end(&mut self, mut client: RecorderClient) -> Result<Tick, ClientError> {
        client.hash(self.tick(), self.simulation.state_hash()).await?;
        client.end(&End::Stopped).await
    }
}

/// Starts a session of the game that tests play.
pub(crate) fn opening() -> Opening {
    start_of(ModuleHash::of(TOUR))
}

pub(crate) fn start_of(module: ModuleHash) -> Opening {
    Opening::Start {
        module: module.to_string(),
        seed: "0".into(),
        config: String::new(),
        disk: String::new(),
        hash_every: 60,
    }
}

pub(crate) fn resume_of(client: &RecorderClient) -> Opening {
    Opening::Resume { session: client.session.clone(), key: client.key.clone() }
}

/// Reads answers until everything before `tick` is acknowledged.
pub(crate) async fn acknowledged(client: &mut RecorderClient, tick: Tick) {
    while client.acknowledged < tick {
        let answer = tokio::time::timeout(Duration::from_secs(20), client.answer()).await.unwrap().unwrap();
        assert!(matches!(answer, Answer::Acknowledged { .. }), "{answer:?}");
    }
}

/// The code with which the server refuses.
pub(crate) fn refusal<T: std::fmt::Debug>(result: Result<T, ClientError>) -> RefusalCode {
    match result {
        Err(ClientError::Refused(refusal)) => {
            assert!(!refusal.detail.is_empty());
            refusal.code
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// The refusal that a recorder gets while it waits.
pub(crate) async fn refused(client: &mut RecorderClient) -> RefusalCode {
    loop {
        match tokio::time::timeout(Duration::from_secs(30), client.answer()).await.unwrap() {
            Ok(Answer::Acknowledged { .. }) => {}
            other => return refusal(other),
        }
    }
}

/// The replay of a session as a download gives it.
pub(crate) async fn replay_of(server: SocketAddr, session: &str) -> Replay {
    let response = get(server, &format!("/v1/sessions/{session}/replay")).await;
    assert_eq!(response.status, 200, "{}", response.text());
    Replay::decode(&response.body).unwrap()
}

pub(crate) fn verdict_of(game: &Game, replay: Replay) -> Verdict {
    let simulation = game.module.simulation_of(&replay.started).unwrap();
    Verifier::new(simulation, Arc::new(replay)).advance(u32::MAX).unwrap()
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Response {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

pub(crate) async fn get(server: SocketAddr, path: &str) -> Response {
    request(server, "GET", path, &[], b"").await
}

/// One request over one connection.
pub(crate) async fn request(
    server: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> Response {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let host = server.to_string();
    let length = body.len().to_string();
    let mut all = vec![("connection", "close"), ("content-length", &length), ("host", &host)];
    all.retain(|(name, _)| headers.iter().all(|(given, _)| given != name));
    let lines: Vec<_> =
        all.iter().chain(headers).map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("{method} {path} HTTP/1.1\r\n{}", lines.concat());
    stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
    // A server that refuses a large body need not read it.
    let _refused = stream.write_all(body).await;
    let mut bytes = Vec::new();
    let _reset = stream.read_to_end(&mut bytes).await;
    let split = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head and a body");
    let head = String::from_utf8(bytes[..split].to_vec()).unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, head, body: bytes[split + 4..].to_vec() }
}

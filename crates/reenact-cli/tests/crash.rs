//! The server is killed in the midst of a recording, again and again: whatever it acknowledged is there, the
//! recorder goes on, and in the end the session plays.
//!
//! `REENACT_TORTURE_ROUNDS` says how often; `cargo xtask torture demo` sets it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use reenact::bot::{Bot, Random};
use reenact::session::Limits;
use reenact::{Inputs, Mark, Replay, Simulation, StateHash, Tick, Verdict, Verifier};
use reenact_server::record::protocol::{Answer, End, Opening};
use reenact_server::{ClientError, RecorderClient, demo};
use reenact_wasm::{Engine, Module, Setup, WasmSimulation};

const ROUNDS_DEFAULT: u32 = 5;
const SEED: u64 = 0x6b69_6c6c;

/// The server as a process of its own.
struct Server {
    process: Child,
    address: SocketAddr,
    events: u64,
}

impl Server {
    fn start(data: &Path, port: u16) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_reenact"));
        command.args(["serve", "--json", "--port", &port.to_string(), "--data"]).arg(data);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let document: serde_json::Value = serde_json::from_str(&line).unwrap();
        let address = document["address"].as_str().unwrap();
        let address = address.trim_start_matches("http://").trim_end_matches('/').parse().unwrap();
        Self { process, address, events: document["events"].as_u64().unwrap() }
    }

    fn kill(mut self) {
        // SIGKILL: the process can do nothing about it.
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn request(&self, method: &str, path: &str, body: &[u8]) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let (host, length) = (self.address, body.len());
        let head = format!("host: {host}\r\nconnection: close\r\ncontent-length: {length}");
        write!(stream, "{method} {path} HTTP/1.1\r\n{head}\r\n\r\n").unwrap();
        stream.write_all(body).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        let end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        assert!(response.starts_with(b"HTTP/1.1 20"), "{}", String::from_utf8_lossy(&response[..end]));
        response.split_off(end + 4)
    }
}

/// A game, and everything that was ever recorded of it: what a recorder keeps until it is acknowledged, kept
/// for good, so that the server's memory can be held against it.
struct Journal {
    module: Module,
    simulation: WasmSimulation,
    bot: Bot,
    inputs: Vec<Inputs>,
    hashes: BTreeMap<u32, StateHash>,
    marks: BTreeMap<u32, Vec<Mark>>,
}

impl Journal {
    fn new() -> Self {
        let module = Module::admit(&Engine::new().unwrap(), demo::GAMES[1], Limits::default()).unwrap();
        let mut simulation = module.simulation(&Setup::default()).unwrap();
        let hashes = BTreeMap::from([(0, simulation.state_hash())]);
        let (inputs, marks) = (Vec::new(), BTreeMap::new());
        Self { module, simulation, bot: Bot::new(SEED), inputs, hashes, marks }
    }

    fn tick(&self) -> u32 {
        self.inputs.len() as u32
    }

    fn play_tick(&mut self) {
        let schema = self.module.input_schema();
        let mut inputs = self.inputs.last().cloned().unwrap_or_else(|| Inputs::absent(schema));
        self.bot.act(schema, &mut inputs);
        let mut marks = Vec::new();
        self.simulation.step(Tick(self.tick()), &inputs, &mut marks).unwrap();
        self.inputs.push(inputs);
        let tick = self.tick();
        self.marks.insert(tick, marks);
        if tick.is_multiple_of(60) {
            self.hashes.insert(tick, self.simulation.state_hash());
        }
    }

    /// Says what stands at `tick`: its hash and its marks.
    async fn say_state(&self, client: &mut RecorderClient, tick: u32) -> Result<(), ClientError> {
        if let Some(hash) = self.hashes.get(&tick) {
            client.hash(Tick(tick), *hash).await?;
        }
        for mark in self.marks.get(&tick).into_iter().flatten() {
            client.mark(Tick(tick), mark).await?;
        }
        Ok(())
    }

    async fn say_tick(&self, client: &mut RecorderClient, tick: u32) -> Result<(), ClientError> {
        client.record(Tick(tick), self.inputs[tick as usize].clone()).await?;
        self.say_state(client, tick + 1).await
    }

    /// Says again what is not acknowledged.
    async fn resend(&self, client: &mut RecorderClient) -> Result<(), ClientError> {
        let from = client.acknowledged.0;
        self.say_state(client, from).await?;
        for tick in from..self.tick() {
            self.say_tick(client, tick).await?;
        }
        client.flush().await
    }

    /// Plays and records until `until`, faster than people play; the connection may be lost meanwhile.
    async fn play(&mut self, client: &mut RecorderClient, until: Instant) -> Result<(), ClientError> {
        while Instant::now() < until {
            for _ in 0..5 {
                self.play_tick();
                self.say_tick(client, self.tick() - 1).await?;
            }
            client.flush().await?;
            while let Ok(answer) = tokio::time::timeout(Duration::from_millis(2), client.answer()).await {
                assert!(matches!(answer?, Answer::Acknowledged { .. }));
            }
        }
        Ok(())
    }

    fn check(&mut self, replay: Replay) {
        assert_eq!(replay.last_tick(), Tick(self.tick()));
        let mut reader = replay.inputs.reader();
        for (tick, inputs) in self.inputs.iter().enumerate() {
            assert_eq!(reader.at(&replay.inputs, Tick(tick as u32)), Some(inputs), "inputs of tick {tick}");
        }
        let marks: Vec<_> = self
            .marks
            .iter()
            .flat_map(|(tick, marks)| marks.iter().map(|mark| (Tick(*tick), mark.clone())))
            .collect();
        assert_eq!(replay.marks, marks);
        let (hashes, through) = (self.hashes.len(), replay.last_tick());
        let simulation = self.module.simulation_of(&replay.started).unwrap();
        let verdict = Verifier::new(simulation, replay.into()).advance(u32::MAX);
        assert_eq!(verdict, Some(Verdict::Verified { through, hashes }));
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_the_server_is_killed() {
    let rounds = std::env::var("REENACT_TORTURE_ROUNDS").map_or(ROUNDS_DEFAULT, |text| text.parse().unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(run(rounds));
}

async fn run(rounds: u32) {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::new();
    let schema = journal.module.input_schema().clone();
    let mut server = Server::start(folder.path(), 0);
    server.request("POST", "/v1/modules", demo::GAMES[1]);
    let opening = Opening::Start {
        module: journal.module.id().module.to_string(),
        seed: "0".into(),
        config: String::new(),
        disk: String::new(),
        hash_every: 60,
    };
    let mut client = RecorderClient::open(server.address, schema.clone(), &opening).await.unwrap();
    let resume = Opening::Resume { session: client.session.clone(), key: client.key.clone() };
    journal.say_state(&mut client, 0).await.unwrap();
    let mut random = Random::new(SEED);
    let (mut acknowledged, mut lost, mut in_flight) = (0, 0, 0);
    for round in 0..rounds {
        let until = Instant::now() + Duration::from_millis(150 + random.below(400));
        journal.play(&mut client, until).await.unwrap();
        let port = server.address.port();
        server.kill();
        // What was acknowledged before the kill may still lie in the socket.
        while let Ok(Ok(_)) = tokio::time::timeout(Duration::from_millis(200), client.answer()).await {}
        acknowledged = client.acknowledged.0;
        server = Server::start(folder.path(), port);
        assert!(server.events > 0);
        client = RecorderClient::open(server.address, schema.clone(), &resume).await.unwrap();
        let there = client.acknowledged.0;
        lost += acknowledged.saturating_sub(there);
        assert!(there <= journal.tick(), "round {round}: {there} ticks there, {} played", journal.tick());
        in_flight += journal.tick() - there;
        journal.resend(&mut client).await.unwrap();
    }
    println!(
        "{rounds} kills, {acknowledged} ticks acknowledged before the last, {lost} lost; {in_flight} unacknowledged ones sent again"
    );
    assert_eq!(lost, 0);
    let last = journal.tick();
    journal.hashes.insert(last, journal.simulation.state_hash());
    if !last.is_multiple_of(60) {
        client.hash(Tick(last), journal.hashes[&last]).await.unwrap();
    }
    let session = client.session.clone();
    assert_eq!(client.end(&End::Stopped).await.unwrap(), Tick(last));
    let file = server.request("GET", &format!("/v1/sessions/{session}/replay"), b"");
    journal.check(Replay::decode(&file).unwrap());
    server.kill();
    check_export(folder.path(), &session, &mut journal);
}

/// The same session, from the directory of a server that was killed.
fn check_export(data: &Path, session: &str, journal: &mut Journal) {
    let file = data.join("exported.replay");
    let mut export = Command::new(env!("CARGO_BIN_EXE_reenact"));
    let output =
        export.args(["export-session", session, "--data"]).arg(data).arg("-o").arg(&file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    journal.check(Replay::decode(&std::fs::read(&file).unwrap()).unwrap());
}

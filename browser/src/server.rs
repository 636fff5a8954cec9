//! `reenact serve` in a directory of its own, and the other verbs of the command.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use reqwest::Client;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempfile::TempDir;

use crate::deadline::{DEADLINE, until_within};
use crate::process::Process;

/// The command `reenact`: what `REENACT_BIN` names, or the one of the release build.
pub fn program() -> PathBuf {
    env::var_os("REENACT_BIN").map_or_else(|| target_dir().join("release/reenact"), PathBuf::from)
}

/// Where builds go: what cargo was told, or `target` in the main workspace.
pub fn target_dir() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("."));
    root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// The module `games/NAME`.
pub fn game(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../games").join(name)
}

/// What a program recorded on a server is to be.
#[derive(Clone, Debug)]
pub struct Recording<'a> {
    /// The game, which the server has already.
    pub module: &'a Path,
    /// The seed of the bot, and of the game.
    pub seed: u64,
    /// How many ticks.
    pub ticks: u32,
    /// A state hash every so many ticks.
    pub hash_every: u32,
    /// A file with the console's disk.
    pub disk: Option<&'a Path>,
}

/// A server on a free port of loopback. It is killed and its directory removed when this is dropped.
#[derive(Debug)]
pub struct Reenact {
    process: Option<Process>,
    /// Where it is; the same after it was started again.
    pub port: u16,
    /// What its first line says.
    pub document: Value,
    client: Client,
    home: TempDir,
}

impl Reenact {
    /// `reenact serve` with nothing in it.
    pub async fn start() -> Result<Self> {
        Self::start_verb("serve").await
    }

    /// `reenact demo`.
    pub async fn demo() -> Result<Self> {
        Self::start_verb("demo").await
    }

    async fn start_verb(verb: &str) -> Result<Self> {
        let client = Client::builder().timeout(DEADLINE).build()?;
        let home = tempfile::tempdir()?;
        let mut server = Self { process: None, port: 0, document: Value::Null, client, home };
        server.launch(verb).await?;
        Ok(server)
    }

    async fn launch(&mut self, verb: &str) -> Result<()> {
        let mut command = Command::new(program());
        command.arg(verb).arg("--data").arg(self.data());
        command.args(["--port", &self.port.to_string(), "--json"]);
        let mut process = Process::start(command, self.home.path(), "reenact")?;
        let document = |line: &str| serde_json::from_str::<Value>(line).ok();
        self.document = process.line("the server's address", document).await?;
        let address = self.document["address"].as_str().context("the server names its address")?;
        let port = address.trim_end_matches('/').rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        self.port = port.with_context(|| format!("{address} names a port"))?;
        self.process = Some(process);
        Ok(())
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// Its directory, for files that belong to it.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    /// The page.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// What it has said on standard error.
    pub fn complaints(&self) -> String {
        self.process.as_ref().map(Process::complaints).unwrap_or_default()
    }

    /// Ends it as a power cut would.
    pub fn kill(&mut self) -> Result<()> {
        self.process.take().context("the server runs")?.kill()
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(&mut self) -> Result<()> {
        let status = self.process.take().context("the server runs")?.stop().await?;
        ensure!(status.success(), "the server ends with {status}");
        Ok(())
    }

    /// Starts it again, on the same port and directory.
    pub async fn start_again(&mut self) -> Result<()> {
        ensure!(self.process.is_none(), "the server runs");
        self.launch("serve").await
    }

    /// A document.
    pub async fn get(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_slice(&self.get_bytes(path).await?)?)
    }

    /// Whatever lies there.
    pub async fn get_bytes(&self, path: &str) -> Result<Vec<u8>> {
        let address = format!("{}{}", self.address(), path.trim_start_matches('/'));
        let response = self.client.get(address).send().await?;
        let status = response.status();
        let body = response.bytes().await?;
        ensure!(status.is_success(), "GET {path}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(body.into())
    }

    /// Hands a module in: what the server says of it, its refusal included.
    pub async fn try_upload(&self, module: &Path) -> Result<Value> {
        let bytes = std::fs::read(module).with_context(|| format!("read {}", module.display()))?;
        let address = format!("{}v1/modules", self.address());
        let response = self.client.post(address).timeout(Duration::from_mins(2)).body(bytes).send().await?;
        Ok(response.json().await?)
    }

    /// Hands a module in; its hash.
    pub async fn upload(&self, module: &Path) -> Result<String> {
        let answer = self.try_upload(module).await?;
        let hash = answer["module"].as_str();
        Ok(hash.with_context(|| format!("{} is refused: {answer}", module.display()))?.to_owned())
    }

    /// Lets bots play, or random inputs, and records it here, with a recorder outside any browser; the session.
    pub async fn record(&self, recording: &Recording<'_>) -> Result<String> {
        let text = |number: u64| number.to_string();
        let (seed, ticks) = (text(recording.seed), text(recording.ticks.into()));
        let (every, to) = (text(recording.hash_every.into()), format!("127.0.0.1:{}", self.port));
        let options =
            ["--bot", &seed, "--ticks", &ticks, "--hash-every", &every, "--to", &to].map(OsStr::new);
        let disk = recording.disk.map(|disk| [OsStr::new("--disk"), disk.as_os_str()]);
        let args =
            options.into_iter().chain(disk.into_iter().flatten()).chain([recording.module.as_os_str()]);
        let document = command::<Value>("record", args).await?;
        Ok(document["session"].as_str().context("a session was recorded")?.to_owned())
    }

    /// The state hashes of a session, with their ticks.
    pub async fn hashes(&self, session: &str) -> Result<Vec<(u32, String)>> {
        let document = self.get(&format!("v1/sessions/{session}/hashes")).await?;
        Ok(serde_json::from_value(document["hashes"].clone())?)
    }

    /// What the server found when it played a session that has ended.
    pub async fn verdict(&self, session: &str) -> Result<Value> {
        self.verdict_within(session, DEADLINE).await
    }

    /// The same, of a session that takes long to play.
    pub async fn verdict_within(&self, session: &str, limit: Duration) -> Result<Value> {
        until_within(limit, "the server's verdict", async || {
            let mut document = self.get(&format!("v1/sessions/{session}/keyframes")).await?;
            Ok(Some(document["verdict"].take()).filter(|verdict| !verdict.is_null()))
        })
        .await
    }

    /// The replay of a session, in a file.
    pub async fn download(&self, session: &str) -> Result<PathBuf> {
        let path = self.home.path().join(format!("{session}.replay"));
        std::fs::write(&path, self.get_bytes(&format!("v1/sessions/{session}/replay")).await?)?;
        Ok(path)
    }

    /// Downloads a session and verifies it with the command; what that says. Anything but "verified" is an error.
    pub async fn verify(&self, session: &str) -> Result<Value> {
        let replay = self.download(session).await?;
        command("verify", [replay.as_os_str()]).await
    }
}

/// Runs a verb of the command, and gives the document that it prints.
pub async fn command<T: DeserializeOwned>(verb: &str, args: impl IntoIterator<Item = &OsStr>) -> Result<T> {
    let mut command = tokio::process::Command::new(program());
    let output = command.arg(verb).args(args).arg("--json").kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("start {}", program().display()))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = || format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    ensure!(output.status.success(), "reenact {verb} ends with {}:\n{}", output.status, said());
    serde_json::from_slice(&output.stdout).with_context(|| format!("reenact {verb} said\n{}", said()))
}

//! `reenact demo`, `serve` and `export-session` as people use them.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use reenact::Replay;
use serde_json::Value;

fn reenact() -> Command {
    Command::new(env!("CARGO_BIN_EXE_reenact"))
}

/// A server that runs, and what it said when it was ready.
struct Server {
    process: Child,
    document: Value,
}

impl Server {
    fn start(verb: &str, data: &Path) -> Self {
        let mut command = reenact();
        command.args([verb, "--json", "--port", "0", "--data"]).arg(data);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let document = serde_json::from_str(&line).unwrap();
        Self { process, document }
    }

    fn host(&self) -> &str {
        self.document["address"].as_str().unwrap().trim_start_matches("http://").trim_end_matches('/')
    }

    fn get(&self, path: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(self.host()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", self.host()).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        let end = response.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        assert!(response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response[..end]));
        response.split_off(end + 4)
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_slice(&self.get(path)).unwrap()
    }

    /// Asks it to stop, and gives what it said on standard error.
    fn stop(mut self) -> String {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let mut said = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!(self.process.wait().unwrap().code(), Some(0), "{said}");
        said
    }
}

#[test]
fn the_demo_shows_a_session_and_says_what_it_recovered_the_next_time() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start("demo", &data);
    let watch = server.document["watch"].as_str().unwrap().to_owned();
    assert!(String::from_utf8(server.get("/")).unwrap().contains("<!doctype html>"));
    let sessions = server.json("/v1/sessions");
    let session = &sessions["sessions"][0];
    let id = session["session"].as_str().unwrap();
    assert!(watch.ends_with(&format!("/#/session/{id}")), "{watch}");
    assert_eq!((&session["game"], &session["ticks"]), (&"Arena".into(), &7_200.into()));
    let deadline = Instant::now() + Duration::from_secs(30);
    let verdict = loop {
        let verdict = server.json(&format!("/v1/sessions/{id}/keyframes"))["verdict"].clone();
        if !verdict.is_null() || Instant::now() > deadline {
            break verdict;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(verdict["result"], "verified");
    assert_eq!(server.json("/v1/modules")["modules"].as_array().unwrap().len(), 2);
    let said = server.stop();
    assert!(said.contains("is new") && said.contains("everything acknowledged is kept"), "{said}");

    let server = Server::start("demo", &data);
    let document = &server.document;
    assert_eq!(
        (&document["sessions"], &document["modules"], &document["torn_bytes"]),
        (&1.into(), &2.into(), &0.into())
    );
    assert!(document["watch"].is_null() && document["events"].as_u64().unwrap() > 10);
    let events = document["events"].clone();
    let said = server.stop();
    assert!(said.contains(&format!("recovered {events} events of 1 session")), "{said}");
    assert!(said.contains("0 lost"), "{said}");
}

#[test]
fn a_session_is_exported_from_a_directory_that_nobody_serves() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let file = folder.path().join("a.replay");
    let server = Server::start("demo", &data);
    let id = server.json("/v1/sessions")["sessions"][0]["session"].as_str().unwrap().to_owned();
    let export = |session: &str, data: &Path| -> Output {
        let mut command = reenact();
        command.args(["export-session", session, "--data"]).arg(data).arg("-o").arg(&file);
        command.output().unwrap()
    };
    let check = |output: Output, code: i32, part: &str| {
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.contains(part), "{said}");
    };
    check(export(&id, &data), 125, "/v1/sessions/ID/replay");
    let second = reenact().args(["serve", "--port", "0", "--data"]).arg(&data).output().unwrap();
    check(second, 125, "in use");
    let port = server.host().rsplit_once(':').unwrap().1.to_owned();
    let other = folder.path().join("other");
    let taken = reenact().args(["serve", "--port", &port, "--data"]).arg(&other).output().unwrap();
    check(taken, 125, "failed to listen");
    let downloaded = server.get(&format!("/v1/sessions/{id}/replay"));
    server.stop();
    check(export(&id, &data), 0, "");
    assert_eq!(std::fs::read(&file).unwrap(), downloaded);
    assert_eq!(Replay::decode(&downloaded).unwrap().last_tick().0, 7_200);
    let verified = reenact().arg("verify").arg(&file).output().unwrap();
    check(verified, 0, "");
    check(export("session-1", &data), 2, "session-1");
    check(export("session-0190163d8694739bb81d4f4d5b6a7c8d", &data), 125, "there is no session-0190163d");
    check(export(&id, &folder.path().join("nothing")), 2, "is no data directory");
    assert!(!folder.path().join("nothing").exists());
}

//! `reenact log`: what its tools print, and with which code they end.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use reenact_store::{EventKind, EventLog, EventStore, ExpectedSequence, LogOptions, NewEvent, StreamId};
use serde_json::Value;

fn reenact() -> Command {
    Command::new(env!("CARGO_BIN_EXE_reenact"))
}

/// Runs `reenact log`; what it prints, and that it ends with `code`.
fn log(args: &[&str], code: i32) -> String {
    let output = reenact().arg("log").args(args).output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{args:?}: {stdout}{stderr}");
    stdout
}

/// As [`log`], as documents.
fn json(args: &[&str], code: i32) -> Vec<Value> {
    let printed = log(&[args, &["--json"]].concat(), code);
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn open(directory: &Path) -> EventLog {
    let options = LogOptions { segment_bytes: 64 << 10, ..LogOptions::default() };
    EventLog::open_with(directory, &options).unwrap()
}

fn append(log: &EventLog, stream: &str, payload: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let stream = StreamId::new(stream).unwrap();
    let event = NewEvent::new(EventKind::new("Noted").unwrap(), payload.to_owned());
    runtime.block_on(log.append(&stream, ExpectedSequence::Any, vec![event])).unwrap();
}

/// A server's data directory whose log has 60 events of three streams in several segments.
fn data() -> tempfile::TempDir {
    let data = tempfile::tempdir().unwrap();
    let log = open(&data.path().join("log"));
    (0..60).for_each(|n| append(&log, &format!("s{}", n % 3), &format!("note {n}")));
    data
}

#[test]
fn a_whole_log_is_counted_copied_and_verified() {
    let data = data();
    let (data, copy) = (data.path().to_str().unwrap(), data.path().join("copy"));
    let copy = copy.to_str().unwrap();
    let stats = &json(&["stats", data], 0)[0];
    assert_eq!(stats["schema"], "reenact.log-stats.v1");
    assert_eq!((&stats["events"], &stats["streams"]), (&60.into(), &3.into()));
    assert_eq!(stats["largest"][0]["events"], 20);
    let backup = &json(&["backup", data, copy], 0)[0];
    assert_eq!(backup["next_position"], 60);
    log(&["backup", data, copy], 2);
    log(&["backup", data, &format!("{copy}/mark")], 2);
    let inside = format!("{data}/log");
    // What somebody keeps in the directory of a log is not taken for the log that is named.
    log(&["backup", data, &format!("{copy}/log")], 0);
    for (directory, read) in [(data, &inside[..]), (&inside, &inside), (copy, copy)] {
        assert_eq!(json(&["stats", directory], 0)[0]["directory"], read);
        let verified = &json(&["verify", directory], 0)[0];
        assert_eq!(verified["directory"], read);
        assert_eq!((&verified["verdict"], &verified["events"]), (&"whole".into(), &60.into()));
    }
    assert!(log(&["verify", copy], 0).starts_with("verdict         whole\n"));
    assert!(log(&["stats", copy], 0).contains("\n             20 s"));
    let nothing = format!("{data}/nothing");
    for tool in ["verify", "stats", "tail"] {
        let refused = &json(&[tool, &nothing], 125)[0];
        assert_eq!(refused["error"], format!("there is no log in {nothing}"));
    }
    log(&["verify"], 2);
}

#[test]
fn damage_is_told_and_what_is_whole_is_salvaged() {
    let data = data();
    let path = data.path().join("log/00000001.segment");
    std::fs::File::options().write(true).open(path).unwrap().write_all_at(&[0; 4_096], 8_192).unwrap();
    let (new, data) = (data.path().join("new"), data.path().to_str().unwrap());
    let new = new.to_str().unwrap();
    let verified = &json(&["verify", data], 1)[0];
    assert_eq!(verified["verdict"], "damaged");
    // Damage is that, whoever comes upon it.
    assert_eq!(json(&["tail", data, "-n", "60"], 1).last().unwrap()["exit"], 1);
    let damage = &verified["damages"][0];
    assert_eq!((&damage["file"], &damage["offset"]), (&"00000001.segment".into(), &8_192.into()));
    assert_eq!(damage["nature"], "evidence");
    let salvaged = &json(&["salvage", data, new], 1)[0];
    assert_eq!(salvaged["lost"], 1);
    let number = |name: &str| salvaged[name].as_u64().unwrap();
    assert_eq!(number("kept") + number("rest"), 59);
    let rest = std::fs::read_to_string(salvaged["rest_file"].as_str().unwrap()).unwrap();
    let line: Value = serde_json::from_str(rest.lines().next().unwrap()).unwrap();
    assert_eq!(
        (line["kind"].as_str(), line["stream"] == salvaged["places"][0]["streams"][0]),
        (Some("Noted"), true)
    );
    assert_eq!(json(&["verify", new], 0)[0]["foreign"][0], "rest.jsonl");
    log(&["salvage", data, new], 2);
    std::fs::remove_file(format!("{data}/log/mark")).unwrap();
    for tool in ["verify", "stats", "tail"] {
        log(&[tool, data], 1);
    }
    log(&["backup", data, &format!("{new}3")], 1);
    assert_eq!(json(&["salvage", data, &format!("{new}2")], 1)[0]["lost"], 1);
}

#[test]
fn the_last_events_are_shown_and_those_that_come() {
    let data = data();
    let path = data.path().to_str().unwrap();
    let positions = |args: &[&str]| {
        let events = json(&[&["tail", path], args].concat(), 0);
        events.iter().map(|event| event["position"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(positions(&[]), (50..60).collect::<Vec<_>>());
    assert_eq!(positions(&["-n", "0"]), [0; 0]);
    assert_eq!(positions(&["-n", "1000"]).len(), 60);
    assert_eq!(positions(&["-n", "2", "--stream", "s1"]), [55, 58]);
    let none = reenact().args(["log", "tail", path, "--stream", "none"]).output().unwrap();
    assert!(none.status.success() && none.stdout.is_empty());
    assert_eq!(String::from_utf8_lossy(&none.stderr), "there is no stream none\n");
    let text = log(&["tail", path, "-n", "1"], 0);
    assert!(text.starts_with("59 ") && text.ends_with(" s2/19 Noted note 59\n"), "{text}");

    let log = open(&data.path().join("log"));
    let mut follow = reenact();
    follow.args(["log", "tail", path, "-n", "1", "--follow", "--json"]).stdout(Stdio::piped());
    let mut following = follow.spawn().unwrap();
    let (lines, (sender, received)) = (BufReader::new(following.stdout.take().unwrap()).lines(), channel());
    let reading = thread::spawn(move || lines.for_each(|line| sender.send(line.unwrap()).unwrap()));
    let next = || {
        let line = received.recv_timeout(Duration::from_mins(1)).unwrap();
        serde_json::from_str::<Value>(&line).unwrap()["payload"].clone()
    };
    assert_eq!(next(), "note 59");
    append(&log, "s9", "while somebody looks");
    assert_eq!(next(), "while somebody looks");
    following.kill().unwrap();
    following.wait().unwrap();
    reading.join().unwrap();
}

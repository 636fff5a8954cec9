//! The command as people use it: what it prints, what it writes, and with which code it ends.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

fn module(name: &str) -> PathBuf {
    PathBuf::from(format!("{}/../../games/{name}/{name}.wasm", env!("CARGO_MANIFEST_DIR")))
}

struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn reenact(args: &[&str]) -> Run {
    let output = Command::new(env!("CARGO_BIN_EXE_reenact")).args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let run = Run {
        code: output.status.code().expect("the command was not killed"),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    };
    assert!(!run.stderr.contains("panicked"), "{args:?}: {}", run.stderr);
    run
}

/// Runs with `--json` and gives the document.
fn json(args: &[&str], code: i32) -> Value {
    let run = reenact(&[args, &["--json"]].concat());
    assert_eq!(run.code, code, "{args:?}: {}{}", run.stdout, run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A folder with a recording of `name`.
fn recorded(name: &str, more: &[&str]) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.replay");
    let module = module(name);
    let args = ["record", path(&module), "--bot", "7", "--ticks", "400", "-o", path(&file)];
    let document = json(&[&args, more].concat(), 0);
    assert_eq!(document["schema"], "reenact.record.v1");
    assert_eq!(document["ticks"], 400);
    (folder, file)
}

#[test]
fn what_is_recorded_verifies_and_seeks_in_another_process() {
    for name in ["arena", "tour"] {
        let (folder, file) = recorded(name, &["--hash-every", "1"]);
        let verdict = json(&["verify", path(&file)], 0);
        assert_eq!(verdict["replays"][0]["verdict"], "verified");
        assert_eq!(verdict["replays"][0]["tick"], 400);
        let png = folder.path().join("t.png");
        let seek = json(&["seek", path(&file), "--tick", "333", "--png", path(&png)], 0);
        let frames = folder.path().join("frames");
        let span = ["--from", "330", "--to", "333"];
        let play = json(&[&["play", path(&file), "--frames", path(&frames)], &span[..]].concat(), 0);
        assert_eq!(play["state_hash"], seek["state_hash"]);
        assert_eq!(play["pictures"], 4);
        let picture = std::fs::read(&png).unwrap();
        assert_eq!(picture, std::fs::read(frames.join("0000000333.png")).unwrap());
        let inspect = json(&["inspect", path(&file)], 0);
        assert_eq!((&inspect["ticks"], &inspect["hashes"]), (&Value::from(400), &Value::from(401)));
    }
}

#[test]
fn text_says_the_same_as_json() {
    let (_folder, file) = recorded("tour", &[]);
    let verify = reenact(&["verify", path(&file)]);
    assert!(verify.stdout.contains(": verified: 8 hashes through tick 400"), "{}", verify.stdout);
    let inspect = reenact(&["inspect", path(&file)]);
    assert!(inspect.stdout.contains("wasm4 module, rewriter 1"), "{}", inspect.stdout);
}

#[test]
fn inputs_from_a_file_are_what_is_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let (script, file) = (folder.path().join("inputs.jsonl"), folder.path().join("a.replay"));
    std::fs::write(&script, "{\"tick\":0,\"pad\":[\"right\"]}\n{\"tick\":50,\"pad\":0}\n").unwrap();
    let (arena, inputs) = (module("arena"), path(&script).to_owned());
    let args = ["record", path(&arena), "--inputs", &inputs, "--ticks", "100", "-o", path(&file)];
    json(&args, 0);
    json(&["verify", path(&file)], 0);
    assert_eq!(json(&["inspect", path(&file)], 0)["input_rows"], 2);
    std::fs::write(&script, "{\"tick\":0,\"paddle\":1}\n").unwrap();
    let run = reenact(&args);
    assert_eq!(run.code, 125);
    assert!(run.stderr.contains("line 1: no input column \"paddle\""), "{}", run.stderr);
}

#[test]
fn without_hashes_nothing_can_be_said() {
    let (_folder, file) = recorded("tour", &["--hash-every", "0"]);
    let verdict = json(&["verify", path(&file)], 125);
    assert_eq!(verdict["replays"][0]["detail"], "the session records no hashes");
}

#[test]
fn a_module_beside_the_replay_must_be_its_own() {
    let (_folder, file) = recorded("arena", &["--without-module"]);
    let (arena, tour) = (module("arena"), module("tour"));
    for command in [&["verify", path(&file)][..], &["seek", path(&file), "--tick", "9"]] {
        let missing = reenact(command);
        assert_eq!(missing.code, 125);
        let said = format!("{}{}", missing.stdout, missing.stderr);
        assert!(said.contains("is missing; give it with --module"), "{said}");
        assert_eq!(reenact(&[command, &["--module", path(&arena)]].concat()).code, 0);
        let wrong = reenact(&[command, &["--module", path(&tour)]].concat());
        assert_eq!(wrong.code, 125);
        let said = format!("{}{}", wrong.stdout, wrong.stderr);
        assert!(said.contains("the session is of module"), "{said}");
    }
}

#[test]
fn another_build_is_told_apart() {
    let (folder, file) = recorded("arena", &[]);
    let (arena, tour) = (module("arena"), module("tour"));
    let same = json(&["verify", path(&file), "--against", path(&arena)], 0);
    assert_eq!(same["replays"][0]["verdict"], "same");
    assert_eq!(reenact(&["verify", path(&file), "--against", path(&tour)]).code, 125);
    // The weakest change there is to a picture of the arena: one byte of its read-only data.
    let mut other = std::fs::read(&arena).unwrap();
    let at = other.windows(5).position(|bytes| bytes == b"CORAL").unwrap();
    other[at] = b'K';
    let build = folder.path().join("other.wasm");
    std::fs::write(&build, other).unwrap();
    let diverged = json(&["verify", path(&file), "--against", path(&build)], 1);
    assert_eq!(diverged["replays"][0]["verdict"], "diverged");
    assert_eq!(diverged["replays"][0]["tick"], 0);
}

#[test]
fn one_bad_file_among_good_ones_decides() {
    let (folder, file) = recorded("tour", &[]);
    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, "no replay").unwrap();
    let verdict = json(&["verify", path(&file), path(&garbage)], 125);
    assert_eq!(verdict["replays"][0]["verdict"], "verified");
    assert_eq!(verdict["replays"][1]["verdict"], "not verifiable");
}

/// A garbage file, a truncated file, a newer format number: every command says which and ends with 125.
#[test]
fn bad_files_are_named_by_every_command() {
    let (folder, file) = recorded("tour", &[]);
    let good = std::fs::read(&file).unwrap();
    let mut newer = good.clone();
    newer[8] += 1;
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 0x10;
    let bad = [
        ("empty", Vec::new(), "not a replay file"),
        ("garbage", vec![0x5a; 5_000], "not a replay file"),
        ("truncated", good[..good.len() - 9].to_vec(), "the file is truncated"),
        ("newer", newer, "format version 2, where 1 is supported"),
        ("flipped", flipped, "checksum"),
    ];
    let (frames, arena) = (folder.path().join("frames"), module("arena"));
    for (name, bytes, reason) in bad {
        let file = folder.path().join(name);
        std::fs::write(&file, bytes).unwrap();
        let commands: [&[&str]; 6] = [
            &["verify", path(&file)],
            &["verify", path(&file), "--against", path(&arena)],
            &["inspect", path(&file)],
            &["seek", path(&file), "--tick", "1"],
            &["play", path(&file), "--frames", path(&frames)],
            &["record", path(&file), "--bot", "1", "--ticks", "9", "-o", path(&frames)],
        ];
        for command in commands {
            let run = reenact(command);
            let said = format!("{}{}", run.stdout, run.stderr);
            assert_eq!(run.code, 125, "{command:?}: {said}");
            let expected = if command[0] == "record" { "malformed module" } else { reason };
            assert!(said.contains(expected), "{command:?}: {said}");
        }
    }
}

#[test]
fn wrong_usage_is_2() {
    let (folder, file) = recorded("tour", &[]);
    let frames = folder.path().join("frames");
    let tour = module("tour");
    let commands: [&[&str]; 8] = [
        &[],
        &["verify"],
        &["seek", path(&file)],
        &["seek", path(&file), "--tick", "401"],
        &["seek", path(&file), "--tick", "4294967296"],
        &["play", path(&file), "--frames", path(&frames), "--from", "9", "--to", "8"],
        &["play", path(&file), "--frames", path(&frames), "--viewer", "4"],
        &["record", path(&tour), "--ticks", "9", "-o", path(&frames)],
    ];
    for command in commands {
        let run = reenact(command);
        assert_eq!(run.code, 2, "{command:?}: {}{}", run.stdout, run.stderr);
        let document = json(command, 2);
        assert_eq!(
            (&document["schema"], &document["exit"]),
            (&Value::from("reenact.error.v1"), &Value::from(2))
        );
    }
    assert_eq!(reenact(&["--help"]).code, 0);
}

#[test]
fn the_output_is_a_file_or_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let tour = module("tour");
    let missing = folder.path().join("no/such/folder/a.replay");
    for output in [folder.path(), &missing] {
        let run = reenact(&["record", path(&tour), "--bot", "1", "--ticks", "9", "-o", path(output)]);
        assert_eq!(run.code, 2, "{}", run.stderr);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    let (file, link) = (folder.path().join("a.replay"), folder.path().join("link"));
    std::fs::write(&file, "old").unwrap();
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    json(&["record", path(&tour), "--bot", "1", "--ticks", "9", "-o", path(&link)], 0);
    json(&["verify", path(&file)], 0);
    let mode = std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o640, "the mode of the file that was there");
    let run = reenact(&["record", path(&tour), "--bot", "1", "--ticks", "9", "-o", "/dev/null"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!Path::new("/dev/null").is_file());
}

#[test]
fn a_result_that_cannot_be_printed_is_not_fine() {
    let (_folder, file) = recorded("tour", &[]);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status =
        Command::new(env!("CARGO_BIN_EXE_reenact")).args(["inspect", path(&file)]).stdout(full).status();
    assert_eq!(status.unwrap().code(), Some(125));
}

#[test]
fn paths_that_are_no_text_are_no_trouble() {
    use std::os::unix::ffi::OsStrExt;
    let name = std::ffi::OsStr::from_bytes(b"\xff.replay");
    let output =
        Command::new(env!("CARGO_BIN_EXE_reenact")).args(["--json", "verify"]).arg(name).output().unwrap();
    assert_eq!(output.status.code(), Some(125));
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
}

/// Replays recorded by this version, to be verified by every later one, on every machine.
#[test]
fn golden_replays_verify() {
    for name in ["arena", "tour"] {
        let file =
            PathBuf::from(format!("{}/../../testdata/replays/{name}-1.replay", env!("CARGO_MANIFEST_DIR")));
        let verdict = json(&["verify", path(&file)], 0);
        assert_eq!(verdict["replays"][0]["verdict"], "verified", "{name}");
    }
}

//! `cargo xtask carts` and `cargo xtask bench`: programs of the workspaces `bench/` and `bench/store/`.

use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

use crate::shell::Shell;

/// Programs of the workspace of the stores that are measured beside ours.
const STORES: [&str; 2] = ["log", "damage"];
/// How long `RocksDB`, which is C++, may take to build.
const ROCKSDB_SECONDS_MAX: u32 = 600;
/// What `timeout` exits with when the time is up.
const TIMED_OUT: i32 = 124;

/// Runs the program `name` of `bench/` or `bench/store/` with `args`, from the caller's folder, so that paths are as
/// typed.
pub(crate) fn run(shell: &Shell, name: &str, args: &[OsString]) -> Result<ExitCode> {
    let mut cargo = if STORES.contains(&name) {
        stores(shell, name)?
    } else {
        cargo_run(shell, "bench", "reenact-bench", name, &[])?
    };
    let status = cargo.args(args).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// With `RocksDB`, or with the reason why it is not there.
fn stores(shell: &Shell, name: &str) -> Result<Command> {
    let program = |features| cargo_run(shell, "bench/store", "reenact-bench-store", name, features);
    let Some(obstacle) = rocksdb_obstacle(shell)? else { return program(&["rocksdb"]) };
    let mut cargo = program(&[])?;
    cargo.arg("--without-rocksdb").arg(obstacle);
    Ok(cargo)
}

/// Builds `RocksDB`, unless it is built; why it is not, if it is not. One that takes too long is tried once.
fn rocksdb_obstacle(shell: &Shell) -> Result<Option<String>> {
    let too_long = shell.target_dir().join("rocksdb-took-too-long");
    if let Ok(reason) = fs::read_to_string(&too_long) {
        return Ok(Some(reason));
    }
    shell.say("building the stores; RocksDB takes some minutes the first time");
    let seconds = ROCKSDB_SECONDS_MAX.to_string();
    // `timeout` ends the compilers that cargo has started as well.
    let mut build = shell.command("bench/store", "timeout", &["--kill-after=10", &seconds, "cargo", "build"]);
    build.args(["--release", "--features", "rocksdb", "--bins", "--target-dir"]).arg(shell.target_dir());
    let status = build.status().context("failed to start timeout")?;
    match status.code() {
        Some(0) => Ok(None),
        Some(TIMED_OUT) => {
            let minutes = ROCKSDB_SECONDS_MAX / 60;
            let reason =
                format!("not built within {minutes} minutes; remove {} to try again", too_long.display());
            fs::create_dir_all(shell.target_dir())?;
            fs::write(too_long, &reason)?;
            Ok(Some(reason))
        }
        _ => Ok(Some("it does not build".into())),
    }
}

/// How the program `name` of a workspace beside the main one is run; its arguments are still to come.
pub(crate) fn cargo_run(
    shell: &Shell,
    folder: &str,
    package: &str,
    name: &str,
    features: &[&str],
) -> Result<Command> {
    let manifest = shell.root.join(folder).join("Cargo.toml");
    ensure!(manifest.exists(), "there is no {}", manifest.display());
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--release", "--quiet", "--package", package, "--bin", name]);
    cargo.arg("--manifest-path").arg(manifest).args(["--features", &features.join(",")]);
    // What it shares with the main workspace is built once, as far as cargo finds it equal.
    cargo.arg("--target-dir").arg(shell.target_dir()).arg("--");
    Ok(cargo)
}

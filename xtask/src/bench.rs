//! `cargo xtask carts` and `cargo xtask bench`: programs of the workspace `bench/`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::shell::Shell;

/// Runs the program `name` of `bench/` with `args`, from the caller's folder, so that paths are as typed.
pub(crate) fn run(shell: &Shell, name: &str, args: &[OsString]) -> Result<ExitCode> {
    let status = cargo_run(shell, "bench", "reenact-bench", name)?.args(args).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// How the program `name` of a workspace beside the main one is run; its arguments are still to come.
pub(crate) fn cargo_run(shell: &Shell, folder: &str, package: &str, name: &str) -> Result<Command> {
    let manifest = shell.root.join(folder).join("Cargo.toml");
    ensure!(manifest.exists(), "there is no {}", manifest.display());
    let mut cargo = Command::new("cargo");
    cargo.args(["run", "--release", "--quiet", "--package", package, "--bin", name]);
    cargo.arg("--manifest-path").arg(manifest);
    // What it shares with the main workspace is built once, as far as cargo finds it equal.
    cargo.arg("--target-dir").arg(shell.target_dir()).arg("--");
    Ok(cargo)
}

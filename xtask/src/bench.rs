//! `cargo xtask carts` and `cargo xtask bench`: programs of the workspace `bench/`.

use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Result, ensure};

use crate::shell::Shell;

/// Runs the program `name` of `bench/` with `args`, from the caller's folder, so that paths are as typed.
pub(crate) fn run(shell: &Shell, name: &str, args: &[OsString]) -> Result<ExitCode> {
    let manifest = shell.root.join("bench/Cargo.toml");
    ensure!(manifest.exists(), "there is no {}", manifest.display());
    // The engine is the same as the main workspace's; its build is shared as far as cargo finds it equal.
    let status = Command::new("cargo")
        .args(["run", "--release", "--quiet", "--package", "reenact-bench", "--bin", name])
        .arg("--manifest-path")
        .arg(manifest)
        .arg("--target-dir")
        .arg(shell.target_dir())
        .arg("--")
        .args(args)
        .status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

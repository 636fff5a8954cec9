//! The workspace `browser/`: it drives a real Chromium against the command as it is built here.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, ensure};

use crate::bench;
use crate::count::Outcome;
use crate::parts::{Context, all, cargo_test_with};
use crate::shell::Shell;
use crate::tools::Tools;

/// Its folder, and its part of `cargo xtask test`.
pub(crate) const PART: &str = "browser";

/// Runs the program `name` of `browser/` with `args`, from the caller's folder.
pub(crate) fn run(shell: &Shell, name: &str, args: &[OsString]) -> Result<ExitCode> {
    let tools = Tools::load()?;
    tools.install(shell, &[PART]);
    let obstacle = tools.obstacle(PART);
    ensure!(obstacle.is_none(), "{}", obstacle.unwrap_or_default());
    let program = build_command(shell)?;
    let mut cargo = bench::cargo_run(shell, PART, "reenact-browser", name, &[])?;
    let status = cargo.env("REENACT_BIN", program).args(args).status()?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Its form and lints, and the tests in Chromium.
pub(crate) fn check(context: &Context<'_>) -> Result<Outcome> {
    let shell = context.shell;
    let cargo = |args: &[&str]| {
        let mut cargo = shell.command(PART, "cargo", args);
        cargo.env("CARGO_TARGET_DIR", shell.target_dir());
        cargo
    };
    let lint = cargo(&["clippy", "--release", "--all-targets", "--", "-D", "warnings"]);
    let mut outcome = all(shell, vec![cargo(&["fmt", "--check"]), lint])?;
    if let Some(reason) = context.tools.obstacle(PART) {
        outcome.add(Outcome::not_run("browser: tests in Chromium", reason));
        return Ok(outcome);
    }
    let mut test = cargo(&["test", "--release", "--no-fail-fast"]);
    test.env("REENACT_BIN", build_command(shell)?);
    outcome.add(cargo_test_with(shell, test)?);
    Ok(outcome)
}

/// The command `reenact`, built.
fn build_command(shell: &Shell) -> Result<PathBuf> {
    shell.run(&mut shell.command("", "cargo", &["build", "--release", "--package", "reenact-cli"]))?;
    Ok(shell.target_dir().join("release/reenact"))
}

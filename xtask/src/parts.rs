//! The parts of `cargo xtask test`.

use std::process::Command;

use anyhow::Result;

use crate::count::{Libtest, Nextest, Outcome};
use crate::shell::Shell;
use crate::tools::Tools;
use crate::{browser, edges, files, games, proto};

/// What the parts work with.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    pub(crate) shell: &'a Shell,
    pub(crate) tools: &'a Tools,
}

/// One part: what it is called, and what it does. An error is its failure.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) run: fn(&Context<'_>) -> Result<Outcome>,
}

/// The main workspace is built in the release profile alone, so that the engine is compiled once. This crate
/// is built already when it runs, in the profile of development, and what it needs in no other.
const HOUSE: [&str; 4] = ["--release", "--workspace", "--exclude", "xtask"];
const ITSELF: [&str; 2] = ["--package", "xtask"];
/// Only here: whether it can run is found out when it does, and not before.
const POWER_CUTS: [&str; 5] = ["--release", "--package", "reenact-store", "--test", "power_cut"];

/// All parts, in the order in which they run.
pub(crate) const PARTS: [Part; 12] = [
    Part { name: "format", run: format },
    Part { name: "clippy", run: clippy },
    Part { name: "docs", run: docs },
    Part { name: "edges", run: |context| Ok(verdict(&edges::violations(&context.shell.root)?)) },
    Part { name: "proto", run: |context| proto::run(&context.shell.root, true).map(|()| Outcome::passed()) },
    Part { name: "tests", run: tests },
    Part { name: "power", run: power },
    Part { name: "sdk", run: sdk },
    Part { name: "games", run: games },
    Part { name: "bench", run: bench },
    Part { name: browser::PART, run: browser::check },
    Part { name: "names", run: |context| Ok(verdict(&files::violations(&context.shell.root)?)) },
];

/// Workspaces of their own, whose code is written by the same rules.
const GUEST_WORKSPACES: [&str; 2] = ["sdk/rust", "games"];

fn verdict(violations: &[String]) -> Outcome {
    if violations.is_empty() { Outcome::passed() } else { Outcome::failed(violations.join("\n")) }
}

/// One check of several programs: all run, whatever the first ones say.
pub(crate) fn all(shell: &Shell, commands: Vec<Command>) -> Result<Outcome> {
    let mut succeeded = true;
    for mut command in commands {
        succeeded &= shell.stream(&mut command, |_| ())?;
    }
    Ok(if succeeded { Outcome::passed() } else { Outcome::failed("see its output above") })
}

fn has_workspace(shell: &Shell, folder: &str) -> bool {
    shell.root.join(folder).join("Cargo.toml").exists()
}

fn format(context: &Context<'_>) -> Result<Outcome> {
    let shell = context.shell;
    let guests = GUEST_WORKSPACES.into_iter().filter(|folder| has_workspace(shell, folder));
    let folders = std::iter::once("").chain(guests);
    all(shell, folders.map(|folder| shell.command(folder, "cargo", &["fmt", "--all", "--check"])).collect())
}

fn clippy(context: &Context<'_>) -> Result<Outcome> {
    let clippy = |targets: &[&str]| {
        let args = [&["clippy"], targets, &["--", "-D", "warnings"]].concat();
        context.shell.command("", "cargo", &args)
    };
    let all_of = |packages: &[&str]| clippy(&[packages, &["--all-targets"]].concat());
    let guest =
        |folder| context.shell.command(folder, "cargo", &["clippy", "--all-targets", "--", "-D", "warnings"]);
    let guests =
        GUEST_WORKSPACES.into_iter().filter(|folder| has_workspace(context.shell, folder)).map(guest);
    all(
        context.shell,
        [all_of(&HOUSE), clippy(&POWER_CUTS), all_of(&ITSELF)].into_iter().chain(guests).collect(),
    )
}

/// The workspace of benchmarks is in order, and its check of a folder of carts holds for our own cart.
fn bench(context: &Context<'_>) -> Result<Outcome> {
    let cargo = |args: &[&str]| {
        let mut cargo = context.shell.command("bench", "cargo", args);
        // What it shares with the main workspace is built already.
        cargo.env("CARGO_TARGET_DIR", context.shell.target_dir());
        cargo
    };
    let mut outcome = all(
        context.shell,
        vec![
            cargo(&["fmt", "--check"]),
            // The stores that are measured beside ours are not built: they take longer than all else together.
            context.shell.command("bench/store", "cargo", &["fmt", "--check"]),
            cargo(&["clippy", "--release", "--all-targets", "--", "-D", "warnings"]),
            cargo(&[
                "run",
                "--release",
                "--quiet",
                "--bin",
                "carts",
                "--",
                "../games/tour",
                "--ticks",
                "600",
            ]),
        ],
    )?;
    outcome.add(cargo_test_with(context.shell, cargo(&["test", "--release"]))?);
    Ok(outcome)
}

fn docs(context: &Context<'_>) -> Result<Outcome> {
    let mut doc = context.shell.command("", "cargo", &["doc", "--no-deps"]);
    doc.args(HOUSE).env("RUSTDOCFLAGS", "-D warnings");
    all(context.shell, vec![doc])
}

fn tests(context: &Context<'_>) -> Result<Outcome> {
    let mut outcome = cargo_test(context.shell, "", &[&ITSELF[..], &["--no-fail-fast"]].concat())?;
    if !context.tools.has("cargo-nextest") {
        outcome.add(cargo_test(context.shell, "", &[&HOUSE[..], &["--no-fail-fast"]].concat())?);
        return Ok(outcome);
    }
    let mut reader = Nextest::default();
    let mut nextest = context.shell.command("", "cargo", &["nextest", "run", "--no-fail-fast"]);
    nextest.args(HOUSE).args(["--final-status-level", "skip"]);
    let succeeded = context.shell.stream(&mut nextest, |line| reader.line(line))?;
    outcome.add(reader.finish(succeeded));
    // nextest does not run the examples in documentation.
    outcome.add(cargo_test(context.shell, "", &[&HOUSE[..], &["--doc", "--no-fail-fast"]].concat())?);
    Ok(outcome)
}

fn power(context: &Context<'_>) -> Result<Outcome> {
    match context.tools.obstacle("power") {
        Some(reason) => Ok(Outcome::not_run("power cuts", reason)),
        None => cargo_test(context.shell, "", &POWER_CUTS),
    }
}

fn cargo_test(shell: &Shell, folder: &str, args: &[&str]) -> Result<Outcome> {
    let mut test = shell.command(folder, "cargo", &["test"]);
    test.args(args);
    cargo_test_with(shell, test)
}

/// Runs a `cargo test` that is ready to run, and counts its tests.
pub(crate) fn cargo_test_with(shell: &Shell, mut test: Command) -> Result<Outcome> {
    let mut reader = Libtest::default();
    let succeeded = shell.stream(&mut test, |line| reader.line(line))?;
    Ok(reader.finish(succeeded))
}

fn sdk(context: &Context<'_>) -> Result<Outcome> {
    if !has_workspace(context.shell, "sdk/rust") {
        return Ok(Outcome::not_run("sdk", "there is no sdk/rust"));
    }
    let mut outcome = cargo_test(context.shell, "sdk/rust", &["--no-fail-fast"])?;
    outcome.add(match context.tools.obstacle("sdk") {
        Some(reason) => Outcome::not_run("sdk: build with the oldest compiler", reason),
        None => build_sdk(context)?,
    });
    Ok(outcome)
}

/// Builds the SDK for wasm with the oldest compiler it promises to work with.
fn build_sdk(context: &Context<'_>) -> Result<Outcome> {
    let out = context.shell.target_dir().join("sdk");
    std::fs::create_dir_all(&out)?;
    let args = ["--target", "wasm32-unknown-unknown", "--edition", "2021", "--crate-name", "reenact_guest"];
    let mut rustc = context.shell.command("", context.tools.command("rustc"), &args);
    rustc.args(["--crate-type", "rlib", "-C", "panic=abort", "-D", "warnings", "--out-dir"]);
    rustc.arg(out).arg("sdk/rust/src/lib.rs").env_remove("LD_LIBRARY_PATH");
    all(context.shell, vec![rustc])
}

fn games(context: &Context<'_>) -> Result<Outcome> {
    if !context.shell.root.join("games/build.toml").exists() {
        return Ok(Outcome::not_run("games", "there is no games/build.toml"));
    }
    let mut outcome = Outcome::default();
    if has_workspace(context.shell, "games") {
        outcome.add(cargo_test(context.shell, "games", &["--no-fail-fast"])?);
    }
    outcome.add(match context.tools.obstacle("games") {
        Some(reason) => Outcome::not_run("games: compare modules with their source", reason),
        None => match games::run(context.shell, true) {
            Ok(()) => Outcome::passed(),
            Err(error) => Outcome::failed(format!("{error:#}")),
        },
    });
    Ok(outcome)
}

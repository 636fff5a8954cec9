//! `cargo xtask torture`: tests that take a number of rounds, run with more of them than `cargo xtask test` does.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use serde_json::json;

use crate::shell::Shell;

#[derive(Debug, Args)]
pub(crate) struct TortureArgs {
    /// Which one
    name: Name,
    /// How often
    #[arg(long, default_value_t = 50)]
    rounds: u32,
    /// Write what came of it to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The server of the demo is killed while a game is recorded, started again, and asked for all it acknowledged
    Demo,
}

impl Name {
    /// The package and its test.
    fn test(self) -> [&'static str; 2] {
        match self {
            Self::Demo => ["reenact-cli", "crash"],
        }
    }
}

pub(crate) fn run(shell: &Shell, args: &TortureArgs) -> Result<ExitCode> {
    let [package, test] = args.name.test();
    let options = ["test", "--release", "--package", package, "--test", test, "--", "--nocapture"];
    let mut cargo = shell.command("", "cargo", &options);
    cargo.env("REENACT_TORTURE_ROUNDS", args.rounds.to_string());
    let begin = Instant::now();
    let mut lost = None;
    let passed = shell.stream(&mut cargo, |line| lost = lost.or_else(|| count_of_lost(line)))?;
    // A program that says nothing of its rounds has not run them.
    let passed = passed && lost.is_some();
    if let Some(path) = &args.json {
        let name = args.name.to_possible_value().map(|value| value.get_name().to_owned());
        let row = json!({
            "bench": "torture", "case": name, "subject": "reenact",
            "value": lost, "unit": "acknowledged ticks lost", "better": "lower",
            "rounds": args.rounds, "passed": passed, "seconds": begin.elapsed().as_secs_f64(),
        });
        let text = serde_json::to_string_pretty(&[row])? + "\n";
        std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))?;
    }
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The number before `lost` in the line with which a test tells of its rounds.
fn count_of_lost(line: &str) -> Option<u64> {
    let (before, _) = line.split_once(" lost")?;
    before.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_read_off_the_line_that_tells() {
        let check = |line, expect| assert_eq!(count_of_lost(line), expect, "{line}");
        check("50 kills, 2711 ticks acknowledged before the last, 0 lost; 33 sent again", Some(0));
        check("test nothing_acknowledged_is_lost ... ok", None);
        check("nothing is lost", None);
    }
}

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
    /// How often: unless told otherwise, 200 cuts, 500 kills or 1,000,000 simulated crashes
    #[arg(long)]
    rounds: Option<u32>,
    /// Write what came of it to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    /// The power is cut while many writers append to a log; only root on Linux can do that
    Power,
    /// The server is killed while several games are recorded, started again, and asked for all it acknowledged
    Kill,
    /// The power of a simulated disk is cut under a log, by a seed, and all it acknowledged is looked for
    Sim,
}

/// What is behind a name.
#[derive(Debug)]
struct Torture {
    package: &'static str,
    test: &'static str,
    rounds: u32,
    /// What is lost, if anything is.
    unit: &'static str,
}

impl Name {
    fn torture(self) -> Torture {
        let (package, test, rounds, unit) = match self {
            Self::Power => ("reenact-store", "power_cut", 200, "acknowledged events lost"),
            Self::Kill => ("reenact-cli", "kill", 500, "acknowledged ticks lost"),
            Self::Sim => ("reenact-store", "simulation", 1_000_000, "acknowledged appends lost"),
        };
        Torture { package, test, rounds, unit }
    }
}

pub(crate) fn run(shell: &Shell, args: &TortureArgs) -> Result<ExitCode> {
    let Torture { package, test, rounds, unit } = args.name.torture();
    let rounds = args.rounds.unwrap_or(rounds);
    let options = ["test", "--release", "--package", package, "--test", test, "--", "--nocapture"];
    let mut cargo = shell.command("", "cargo", &options);
    cargo.env("REENACT_TORTURE_ROUNDS", rounds.to_string());
    let begin = Instant::now();
    let mut lost = None;
    let passed = shell.stream(&mut cargo, |line| lost = lost.or_else(|| count_of_lost(line)))?;
    // A program that says nothing of its rounds has not run them.
    let passed = passed && lost.is_some();
    if let Some(path) = &args.json {
        let name = args.name.to_possible_value().map(|value| value.get_name().to_owned());
        let row = json!({
            "bench": "torture", "case": name, "subject": "reenact",
            "value": lost, "unit": unit, "better": "lower",
            "rounds": rounds, "passed": passed, "seconds": begin.elapsed().as_secs_f64(),
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
        check("20 cuts, 13424 events acknowledged before the last, 0 lost", Some(0));
        check("test nothing_acknowledged_is_lost ... ok", None);
        check("nothing is lost", None);
    }
}

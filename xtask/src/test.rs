//! `cargo xtask test`: runs every part, then says what ran, what failed and what did not run.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::count::{NotRun, Outcome};
use crate::parts::{Context, PARTS, Part};
use crate::shell::{Output, Shell};
use crate::tools::Tools;

/// What came of one part, and how long it took.
#[derive(Debug, Serialize)]
struct PartReport {
    part: &'static str,
    seconds: f64,
    #[serde(flatten)]
    outcome: Outcome,
}

/// What came of all of them.
#[derive(Debug, Serialize)]
struct Report {
    passed: u32,
    failed: u32,
    skipped: u32,
    parts: Vec<PartReport>,
}

/// Runs the parts named, or all of them; every one runs, even if one before it fails.
pub(crate) fn run(shell: &Shell, only: &[String]) -> Result<ExitCode> {
    let names: Vec<_> = PARTS.iter().map(|part| part.name).collect();
    for name in only {
        ensure!(names.contains(&name.as_str()), "there is no part {name}; there are {}", names.join(", "));
    }
    let chosen = |part: &&Part| only.is_empty() || only.iter().any(|name| name == part.name);
    let chosen: Vec<_> = PARTS.iter().filter(chosen).collect();
    let tools = Tools::load()?;
    tools.install(shell, &chosen.iter().map(|part| part.name).collect::<Vec<_>>());
    let context = Context { shell, tools: &tools };
    let report = Report::new(chosen.into_iter().map(|part| run_part(&context, part)).collect());
    if shell.output == Output::Stderr {
        println!("{}", serde_json::to_string_pretty(&report)?);
    }
    report.lines().iter().for_each(|line| shell.say(line));
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_part(context: &Context<'_>, part: &Part) -> PartReport {
    context.shell.say(&format!("\n== {}", part.name));
    let start = Instant::now();
    let outcome = (part.run)(context).unwrap_or_else(|error| Outcome::failed(format!("{error:#}")));
    PartReport { part: part.name, seconds: start.elapsed().as_secs_f64(), outcome }
}

impl PartReport {
    fn result(&self) -> &'static str {
        match &self.outcome {
            Outcome { failed: 1.., .. } => "failed",
            Outcome { passed: 0, .. } => "not run",
            _ => "passed",
        }
    }
}

impl Report {
    fn new(parts: Vec<PartReport>) -> Self {
        let passed = parts.iter().map(|part| part.outcome.passed).sum();
        let failed = parts.iter().map(|part| part.outcome.failed).sum();
        let skipped = parts.iter().map(|part| part.outcome.not_run.len() as u32).sum();
        Self { passed, failed, skipped, parts }
    }

    /// The table, what failed, what did not run, and as the last line the counts alone.
    fn lines(&self) -> Vec<String> {
        let mut lines =
            vec![String::new(), format!("{:<8} {:<8} {:>8} {:>6}", "part", "result", "seconds", "ran")];
        for part in &self.parts {
            let ran = part.outcome.passed + part.outcome.failed;
            lines.push(format!("{:<8} {:<8} {:>8.1} {ran:>6}", part.part, part.result(), part.seconds));
        }
        for part in &self.parts {
            let failures = part.outcome.failures.iter().flat_map(|failure| failure.lines());
            lines.extend(failures.map(|failure| format!("failed in {}: {failure}", part.part)));
        }
        for part in &self.parts {
            let line =
                |NotRun { name, reason }: &NotRun| format!("not run in {}: {name} ({reason})", part.part);
            lines.extend(part.outcome.not_run.iter().map(line));
        }
        lines.push(format!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_ends_with_the_counts_alone() {
        let part = |part, outcome| PartReport { part, seconds: 1.25, outcome };
        let mut sdk = Outcome::passed();
        sdk.add(Outcome::not_run("sdk: build", "rustc 1.63 is missing"));
        let report = Report::new(vec![
            part("format", Outcome::failed("a\nb")),
            part("sdk", sdk),
            part("games", Outcome::not_run("games", "there is no games/build.toml")),
        ]);
        let expect = "
part     result    seconds    ran
format   failed        1.2      1
sdk      passed        1.2      1
games    not run       1.2      0
failed in format: a
failed in format: b
not run in sdk: sdk: build (rustc 1.63 is missing)
not run in games: games (there is no games/build.toml)
1 passed, 1 failed, 2 skipped";
        assert_eq!(report.lines().join("\n"), expect);
    }
}

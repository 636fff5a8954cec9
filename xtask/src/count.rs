//! How many tests ran, read off what the test programs print.

use serde::Serialize;

/// What came of a part of the checks.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Outcome {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) not_run: Vec<NotRun>,
    /// Names of what failed, as far as they are known.
    pub(crate) failures: Vec<String>,
}

/// A test that did not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct NotRun {
    pub(crate) name: String,
    pub(crate) reason: String,
}

impl Outcome {
    /// One check that passed.
    pub(crate) fn passed() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    /// One check that failed.
    pub(crate) fn failed(why: impl Into<String>) -> Self {
        Self { failed: 1, failures: vec![why.into()], ..Self::default() }
    }

    /// One check that did not run.
    pub(crate) fn not_run(name: impl Into<String>, reason: impl Into<String>) -> Self {
        let not_run = vec![NotRun { name: name.into(), reason: reason.into() }];
        Self { not_run, ..Self::default() }
    }

    /// Takes over what came of another part.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.not_run.extend(other.not_run);
        self.failures.extend(other.failures);
    }

    fn add_not_run(&mut self, name: &str, reason: &str) {
        self.not_run.push(NotRun { name: name.to_owned(), reason: reason.to_owned() });
    }

    /// A program that failed without a failed test, such as one that does not compile, is a failure.
    pub(crate) fn close(mut self, program: &str, succeeded: bool) -> Self {
        if !succeeded && self.failed == 0 {
            self.add(Self::failed(format!("{program} failed before it had run its tests")));
        }
        self
    }
}

const IGNORED: &str = "ignored in its source";

/// Whether nextest counts a test of this status among those that passed.
fn passed_in_the_end(status: &str) -> bool {
    matches!(status, "PASS" | "SLOW" | "LEAK") || status.starts_with("FLAKY")
}

/// Reads the lines of `cargo nextest run --final-status-level skip`.
#[derive(Debug, Default)]
pub(crate) struct Nextest {
    outcome: Outcome,
    summarized: bool,
}

impl Nextest {
    pub(crate) fn line(&mut self, line: &str) {
        let Some((status, rest)) = line.trim_start().split_once(" [") else { return };
        if status == "Summary" {
            self.summary(rest);
        } else if self.summarized {
            // After the summary every test that is not just passed is named once more; what a failed test
            // printed, which might look alike, stands before it.
            let name = rest.split_once(") ").map_or(rest, |(_, name)| name);
            if status == "SKIP" {
                self.outcome.add_not_run(name, IGNORED);
            } else if !passed_in_the_end(status) {
                self.outcome.failures.push(name.to_owned());
            }
        }
    }

    /// The rest of `Summary [   0.134s] 3 tests run: 2 passed (1 slow), 1 failed, 2 skipped`.
    fn summary(&mut self, rest: &str) {
        let Some((_, counts)) = rest.split_once(" run: ") else { return };
        self.summarized = true;
        self.outcome = Outcome::default();
        let mut outside = String::new();
        let mut depth = 0;
        for letter in counts.chars() {
            match letter {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ if depth == 0 => outside.push(letter),
                _ => {}
            }
        }
        for part in outside.split(',') {
            let Some((count, what)) = part.trim().split_once(' ') else { continue };
            let count = count.parse().unwrap_or(0);
            match what.trim() {
                "passed" => self.outcome.passed += count,
                // These are named below the summary.
                "skipped" => {}
                _ => self.outcome.failed += count,
            }
        }
    }

    pub(crate) fn finish(self, succeeded: bool) -> Outcome {
        // Without a summary nothing is known to have run, whatever the program says of itself.
        self.outcome.close("cargo nextest", succeeded && self.summarized)
    }
}

/// Reads the lines of `cargo test`.
#[derive(Debug, Default)]
pub(crate) struct Libtest {
    outcome: Outcome,
    /// The last result of the test binary that runs: what a test prints may look like one too, but stands
    /// before it.
    last: Option<(u32, u32)>,
}

impl Libtest {
    pub(crate) fn line(&mut self, line: &str) {
        if let Some(counts) = line.strip_prefix("test result: ") {
            let count = |what: &str| {
                let part = counts.split([';', '.']).find_map(|part| part.trim().strip_suffix(what));
                part.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
            };
            self.last = Some((count("passed"), count("failed")));
        } else if line.starts_with("running ") {
            self.close_binary();
        } else if let Some((name, status)) =
            line.strip_prefix("test ").and_then(|line| line.rsplit_once(" ... "))
        {
            match status.split_once(", ").unwrap_or((status, IGNORED)) {
                ("ignored", reason) => self.outcome.add_not_run(name, reason),
                ("FAILED", _) => self.outcome.failures.push(name.to_owned()),
                _ => {}
            }
        }
    }

    fn close_binary(&mut self) {
        let (passed, failed) = self.last.take().unwrap_or_default();
        self.outcome.passed += passed;
        self.outcome.failed += failed;
    }

    pub(crate) fn finish(mut self, succeeded: bool) -> Outcome {
        self.close_binary();
        self.outcome.close("cargo test", succeeded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `expect` is the counts, then the names that failed, then those not run.
    fn check(outcome: &Outcome, expect: &str) {
        let Outcome { passed, failed, failures, not_run } = outcome;
        let not_run: Vec<_> = not_run.iter().map(|test| format!("{}: {}", test.name, test.reason)).collect();
        assert_eq!(format!("{passed} {failed} {failures:?} {not_run:?}"), expect);
    }

    fn nextest(text: &str, succeeded: bool) -> Outcome {
        let mut reader = Nextest::default();
        text.lines().for_each(|line| reader.line(line));
        reader.finish(succeeded)
    }

    fn libtest(text: &str, succeeded: bool) -> Outcome {
        let mut reader = Libtest::default();
        text.lines().for_each(|line| reader.line(line));
        reader.finish(succeeded)
    }

    #[test]
    fn nextest_is_read_from_its_summary_on() {
        let text = "
        FAIL [   0.129s] (3/5) nx bad
    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out
     Summary [   0.134s] 5 tests run: 2 passed (1 slow, 1 flaky), 1 failed, 1 timed out, 2 skipped
        SKIP [         ] (───) nx ign
        SKIP [         ] (───) nx ign::two
   FLAKY 2/3 [   0.129s] (4/5) nx shaky
        FAIL [   0.129s] (3/5) nx bad
     TIMEOUT [   0.129s] (5/5) nx slow
error: test run failed";
        let not_run = r#"["nx ign: ignored in its source", "nx ign::two: ignored in its source"]"#;
        check(&nextest(text, false), &format!(r#"2 2 ["nx bad", "nx slow"] {not_run}"#));
    }

    #[test]
    fn libtest_counts_each_binary_once_whatever_tests_print() {
        let text = "
running 5 tests
test good ... ok
test ign ... ignored, needs x
test bad ... FAILED
---- bad stdout ----
test result: ok. 7 passed; 0 failed; 0 ignored
test result: FAILED. 2 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 0.12s

running 2 tests
test src/lib.rs - (line 5) ... ignored
test src/lib.rs - (line 2) ... ok

test result: ok. 1 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s";
        let not_run = r#"["ign: needs x", "src/lib.rs - (line 5): ignored in its source"]"#;
        check(&libtest(text, false), &format!(r#"3 1 ["bad"] {not_run}"#));
    }

    #[test]
    fn a_program_that_runs_no_tests_is_a_failure_of_its_own() {
        let text = "error: could not compile `x`";
        check(&nextest(text, false), r#"0 1 ["cargo nextest failed before it had run its tests"] []"#);
        check(&libtest(text, false), r#"0 1 ["cargo test failed before it had run its tests"] []"#);
        check(&libtest("test result: ok. 3 passed; 0 failed; 0 ignored", true), "3 0 [] []");
    }
}

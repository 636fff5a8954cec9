//! Tests that not every machine can run. The harness of Rust's own tests knows before it runs whether a test is
//! ignored; this one finds out, and says why.

use std::env;
use std::panic::catch_unwind;
use std::process::ExitCode;

/// One test: its name, and what panics when it fails.
pub type Test = (&'static str, fn());

/// Runs the tests whose names contain one of the program's arguments, or all of them, and says of each what came
/// of it, in the words of `cargo test`. With an obstacle they are ignored, and the obstacle is the reason.
pub fn run(tests: &[Test], obstacle: Option<&str>) -> ExitCode {
    let words: Vec<_> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let chosen = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(word));
    let chosen: Vec<_> = tests.iter().filter(|(name, _)| chosen(name)).collect();
    if env::args().any(|word| word == "--list") {
        for (name, _) in chosen {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    println!("\nrunning {} tests", chosen.len());
    let (mut passed, mut failed, mut ignored) = (0, 0, 0);
    for (name, test) in chosen {
        if let Some(obstacle) = obstacle {
            println!("test {name} ... ignored, {obstacle}");
            ignored += 1;
        } else if catch_unwind(test).is_ok() {
            println!("test {name} ... ok");
            passed += 1;
        } else {
            println!("test {name} ... FAILED");
            failed += 1;
        }
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {verdict}. {passed} passed; {failed} failed; {ignored} ignored\n");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

//! Work in another process: what hangs is killed, what crashes is noticed, and nothing is shared.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::de::DeserializeOwned;

/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(10);
/// Bytes of a crashed child's last words that are kept.
const WORDS_BYTES_MAX: usize = 300;

/// What became of a child.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended<T> {
    /// It handed over its result.
    Done(T),
    /// It took longer than allowed and was killed.
    TimedOut,
    /// It ended without a result; its last words.
    Crashed(String),
}

/// Runs this program again with `args`. Its result is the JSON that it prints; files `name` in `folder` hold
/// what it prints, so that no pipe fills up.
pub fn run<T: DeserializeOwned>(
    args: &[&str],
    limit: Duration,
    folder: &Path,
    name: &str,
) -> Result<Ended<T>> {
    let (out, errors) = (folder.join(format!("{name}.out")), folder.join(format!("{name}.err")));
    let mut child = Command::new(std::env::current_exe()?)
        .args(args)
        .stdin(Stdio::null())
        .stdout(File::create(&out)?)
        .stderr(File::create(&errors)?)
        .spawn()
        .context("failed to start this program again")?;
    let Some(success) = wait(&mut child, limit)? else { return Ok(Ended::TimedOut) };
    let result = std::fs::read(&out)?;
    if success {
        return Ok(Ended::Done(serde_json::from_slice(&result).context("a child's result is no JSON")?));
    }
    Ok(Ended::Crashed(last_words(&String::from_utf8_lossy(&std::fs::read(&errors)?))))
}

/// Whether the child succeeded; `None` if it had to be killed.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<bool>> {
    let begin = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status.success()));
        }
        if begin.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

fn last_words(errors: &str) -> String {
    let line = errors.split_whitespace().collect::<Vec<_>>().join(" ");
    let start = line.len().saturating_sub(WORDS_BYTES_MAX);
    let start = (start..line.len()).find(|byte| line.is_char_boundary(*byte)).unwrap_or(0);
    line[start..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_the_last() {
        assert_eq!(last_words("a\n b "), "a b");
        let long = "é".repeat(400);
        assert!(long.ends_with(&last_words(&long)) && last_words(&long).len() <= WORDS_BYTES_MAX);
        assert_eq!(last_words(""), "");
    }
}

//! Work in another process: what hangs is killed, what crashes is noticed, and no store profits from another's
//! memory.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::de::DeserializeOwned;

use crate::task::Task;

/// How often a child is looked at.
const POLL: Duration = Duration::from_millis(5);
/// Bytes of a crashed child's last words that are kept.
const WORDS_BYTES_MAX: usize = 300;

/// What became of a child.
#[derive(Clone, Debug, PartialEq)]
pub enum Ended<T> {
    /// It handed over its result.
    Done(T),
    /// It said why it has none.
    Failed(String),
    /// It ended without a word of its own: a panic, an abort, a signal.
    Crashed(String),
    /// It took longer than allowed and was killed.
    TimedOut,
}

impl<T> Ended<T> {
    /// The result, or why there is none.
    pub fn result(self) -> Result<T> {
        match self {
            Self::Done(result) => Ok(result),
            Self::Failed(words) => bail!("failed: {words}"),
            Self::Crashed(words) => bail!("crashed: {words}"),
            Self::TimedOut => bail!("took too long"),
        }
    }
}

/// How this program is told that it is a child.
#[derive(Debug, Args)]
pub struct ChildArgs {
    #[arg(long, hide = true, requires = "result")]
    task: Option<String>,
    #[arg(long, hide = true)]
    result: Option<PathBuf>,
}

impl ChildArgs {
    /// Does what a child is to do; whether this is one.
    pub fn serve(&self) -> Result<bool> {
        let (Some(task), Some(path)) = (&self.task, &self.result) else { return Ok(false) };
        let task: Task = serde_json::from_str(task)?;
        let done = task.run().map_err(|error| format!("{error:#}"));
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, serde_json::to_vec(&done)?)?;
        fs::rename(unfinished, path)?;
        while task.ends_by_a_kill() {
            thread::park();
        }
        Ok(true)
    }
}

/// Does `task` in a process of its own, in which `folder` is for its result and its words.
pub fn run<T: DeserializeOwned>(task: &Task, limit: Duration, folder: &Path) -> Result<Ended<T>> {
    let (result, words) = (folder.join("child.json"), folder.join("child.log"));
    let log = File::create(&words)?;
    let _not_there = fs::remove_file(&result);
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--task", &serde_json::to_string(task)?, "--result"])
        .arg(&result)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("failed to start this program again")?;
    let ended = wait(&mut child, limit, task.ends_by_a_kill().then_some(result.as_path()));
    // A process that has ended is not there to be killed.
    let _gone = child.kill();
    child.wait()?;
    if !ended? {
        return Ok(Ended::TimedOut);
    }
    let Ok(result) = fs::read(&result) else {
        return Ok(Ended::Crashed(last_words(&String::from_utf8_lossy(&fs::read(&words)?))));
    };
    let result: Result<T, String> = serde_json::from_slice(&result).context("a child's result is no JSON")?;
    Ok(result.map_or_else(Ended::Failed, Ended::Done))
}

/// Whether the child ended in time, or its result was there.
fn wait(child: &mut Child, limit: Duration, result: Option<&Path>) -> Result<bool> {
    let begin = Instant::now();
    while begin.elapsed() < limit {
        if child.try_wait()?.is_some() || result.is_some_and(Path::exists) {
            return Ok(true);
        }
        thread::sleep(POLL);
    }
    Ok(false)
}

fn last_words(words: &str) -> String {
    let line = words.split_whitespace().collect::<Vec<_>>().join(" ");
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

//! Where tasks run, and how they run other programs.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::{env, thread};

use anyhow::{Context, Result, ensure};

/// Where people read along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Stdout,
    /// Standard output is kept for a result in JSON.
    Stderr,
}

/// The workspace, and where output goes.
#[derive(Debug)]
pub(crate) struct Shell {
    pub(crate) root: PathBuf,
    pub(crate) output: Output,
}

impl Shell {
    pub(crate) fn new(output: Output) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace");
        Self { root: root.to_path_buf(), output }
    }

    /// Where builds go: what cargo is told, or `target` in the workspace.
    pub(crate) fn target_dir(&self) -> PathBuf {
        self.root.join(env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
    }

    pub(crate) fn say(&self, line: &str) {
        match self.output {
            Output::Stdout => println!("{line}"),
            Output::Stderr => eprintln!("{line}"),
        }
    }

    /// A program that runs in the workspace's folder `folder`.
    pub(crate) fn command(&self, folder: &str, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).current_dir(self.root.join(folder));
        command
    }

    /// Runs `command`, shows what it prints and hands each line to `seen`; whether it succeeded.
    pub(crate) fn stream(&self, command: &mut Command, seen: impl FnMut(&str) + Send) -> Result<bool> {
        self.say(&format!("$ {}", spell(command)));
        let spawned = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = spawned.with_context(|| format!("failed to start {}", spell(command)))?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let seen = Mutex::new(seen);
        let forward = |pipe: Option<Box<dyn Read + Send>>| {
            for line in pipe.into_iter().flat_map(lines) {
                self.say(&line);
                seen.lock().unwrap_or_else(PoisonError::into_inner)(&line);
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| forward(stderr.map(|pipe| Box::new(pipe) as Box<_>)));
            forward(stdout.map(|pipe| Box::new(pipe) as Box<_>));
        });
        Ok(child.wait()?.success())
    }

    /// Runs `command` and shows what it prints; its failure is an error.
    pub(crate) fn run(&self, command: &mut Command) -> Result<()> {
        let succeeded = self.stream(command, |_| ())?;
        ensure!(succeeded, "failed: {}", spell(command));
        Ok(())
    }
}

/// Lines of whatever bytes a program prints; what is not text is replaced.
fn lines(pipe: impl Read) -> impl Iterator<Item = String> {
    let mut reader = BufReader::new(pipe);
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        // A pipe that breaks has ended: the program's exit code says the rest.
        let bytes = reader.read_until(b'\n', &mut line).unwrap_or(0);
        (bytes > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    })
}

/// A command as one would type it.
fn spell(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy()];
    words.extend(command.get_args().map(|arg| arg.to_string_lossy()));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_with_bad_bytes_replaced() {
        let text = lines(&b"a\r\n\n\xffb"[..]).collect::<Vec<_>>();
        assert_eq!(text, ["a", "", "\u{fffd}b"]);
    }

    #[test]
    fn what_a_program_prints_is_seen_and_its_failure_is_told() {
        let shell = Shell::new(Output::Stderr);
        let mut seen = Vec::new();
        let script = ["-c", "echo out; echo err >&2; exit 3"];
        let mut command = shell.command("", "sh", &script);
        assert!(!shell.stream(&mut command, |line| seen.push(line.to_owned())).unwrap());
        seen.sort();
        assert_eq!(seen, ["err", "out"]);
        let error = shell.run(&mut command).unwrap_err().to_string();
        assert!(error.starts_with("failed: sh -c"), "{error}");
    }
}

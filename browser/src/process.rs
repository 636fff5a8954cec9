//! Programs that end with whoever started them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use crate::deadline::until;

/// How long a killed process may take to be gone.
const GONE_MAX: Duration = Duration::from_secs(5);

/// A program that runs beside us. What it prints lies in files, so that it never waits for a reader. When this is
/// dropped, the program and whatever it started are killed.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts `command`; what it prints goes to the files `NAME.out` and `NAME.err` of `folder`.
    pub fn start(mut command: Command, folder: &Path, name: &str) -> Result<Self> {
        let [stdout, stderr] = ["out", "err"].map(|extension| folder.join(format!("{name}.{extension}")));
        let file = |path: &Path| File::create(path).with_context(|| format!("create {}", path.display()));
        command.stdin(Stdio::null()).stdout(file(&stdout)?).stderr(file(&stderr)?);
        let child = command.spawn().with_context(|| format!("start {}", command.get_program().display()))?;
        Ok(Self { child, stdout, stderr })
    }

    /// Waits for a line on standard output for which `pick` gives something.
    pub async fn line<T>(&mut self, what: &str, pick: impl Fn(&str) -> Option<T>) -> Result<T> {
        let found = until(what, async || {
            let text = said(&self.stdout);
            // The last line may be half there.
            let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
            if let Some(found) = whole.lines().find_map(&pick) {
                return Ok(Some(found));
            }
            let ended = self.child.try_wait()?;
            anyhow::ensure!(ended.is_none(), "the program has ended: {ended:?}");
            Ok(None)
        });
        let found = found.await;
        found.with_context(|| format!("it said\n{}{}", said(&self.stdout), said(&self.stderr)))
    }

    /// What it has printed on standard error.
    pub fn complaints(&self) -> String {
        said(&self.stderr)
    }

    /// Asks it to end, and waits until it has.
    pub async fn stop(mut self) -> Result<ExitStatus> {
        kill_process(pid_of(&self.child)?, Signal::TERM)?;
        until("a program that was asked to end", async || Ok(self.child.try_wait()?)).await
    }

    /// Ends it as a power cut would.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        let started = descendants(self.child.id());
        // Whoever has ended meanwhile cannot be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for pid in started.iter().filter_map(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let begin = Instant::now();
        while started.iter().any(|pid| Path::new(&format!("/proc/{pid}/exe")).exists())
            && begin.elapsed() < GONE_MAX
        {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// What lies in a file of output, as far as it is text.
fn said(path: &Path) -> String {
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn pid_of(child: &Child) -> Result<Pid> {
    Pid::from_raw(child.id().cast_signed()).context("a process has a number")
}

/// Every process that `ancestor` started, and those that they started.
fn descendants(ancestor: u32) -> Vec<u32> {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&one) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == one).map(|(pid, _)| *pid));
        next += 1;
    }
    found.split_off(1)
}

/// The parent of a process: the second field after its name, which may hold anything, in brackets.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_started_ends_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 1000 & echo started $!; wait"]);
        let mut process = Process::start(command, folder.path(), "sh").unwrap();
        let number = |line: &str| line.strip_prefix("started ")?.parse().ok();
        let sleeper: u32 = process.line("the number of the other one", number).await.unwrap();
        assert_eq!(descendants(process.child.id()), [sleeper]);
        drop(process);
        assert!(!Path::new(&format!("/proc/{sleeper}/exe")).exists());
    }
}

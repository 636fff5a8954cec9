//! What is done in a process of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::runtime::Builder;

use crate::damage::check;
use crate::drive::{Plan, fill, measure};
use crate::subject::{Mode, Reads, Store, Subject};
use crate::workload::{Append, Fill, Stream};

/// Streams whose ends are read, and to which an event is appended, before a process says how large it is.
const HEADS: u32 = 1_000;

/// Something to do, and where.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    /// The store's name.
    pub subject: String,
    /// How appends come to it.
    pub mode: Mode,
    /// Its folder, which is there.
    pub folder: PathBuf,
    /// What to do with it.
    pub work: Work,
}

/// What to do with a store.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Work {
    /// Writes blocks without any store; gives a [`Measured`](crate::drive::Measured).
    Limit(Plan),
    /// Appends to an empty store; gives a [`Measured`](crate::drive::Measured).
    Append(Plan),
    /// Fills an empty store and waits to be killed; gives the seconds that it took.
    Fill(Fill),
    /// Fills an empty store and closes it; gives the seconds that it took.
    FillAndClose(Fill),
    /// Opens a full store and asks where a stream ends; gives the milliseconds that it took.
    Reopen(Fill),
    /// Reads a full store; gives [`ReadRates`].
    Read(Fill),
    /// Opens a full store and uses it a little; gives [`Resident`].
    Resident(Fill),
    /// Compares everything with what was appended; gives a [`Finding`](crate::damage::Finding).
    Check(Fill),
}

/// Events read in a second, the second time that they are read.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReadRates {
    /// Of all events.
    pub all: f64,
    /// Of one long stream.
    pub stream: f64,
}

/// How much memory a process has, in MB.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resident {
    /// All that is resident, mapped files included.
    pub all: f64,
    /// Without mapped files.
    pub anonymous: f64,
    /// All that was, before the store was opened.
    pub before: f64,
}

impl Task {
    /// Whether the process waits to be killed when it is done.
    pub fn ends_by_a_kill(&self) -> bool {
        matches!(self.work, Work::Fill(_))
    }

    /// Does it, and gives its result as JSON.
    pub fn run(&self) -> Result<Value> {
        Ok(match self.work {
            Work::Limit(plan) => {
                let length = Duration::from_millis(plan.millis);
                let events = u64::from(plan.writers) * plan.events;
                serde_json::to_value(crate::disk::measure(&self.folder, events, length)?)?
            }
            Work::Append(plan) => serde_json::to_value(measure(self.open()?, self.mode, plan)?)?,
            Work::Fill(plan) => serde_json::to_value(self.fill(plan, true)?)?,
            Work::FillAndClose(plan) => serde_json::to_value(self.fill(plan, false)?)?,
            Work::Reopen(plan) => serde_json::to_value(self.reopen(plan)?)?,
            Work::Read(plan) => serde_json::to_value(self.read(plan)?)?,
            Work::Resident(plan) => serde_json::to_value(self.resident(plan)?)?,
            Work::Check(plan) => serde_json::to_value(check(|| self.open(), plan))?,
        })
    }

    fn open(&self) -> Result<Box<dyn Store>> {
        (Subject::named(&self.subject)?.open)(&self.folder, self.mode)
    }

    fn fill(&self, plan: Fill, keep_open: bool) -> Result<f64> {
        let store = Arc::new(self.open()?);
        let begin = Instant::now();
        fill(&store, self.mode, plan)?;
        let seconds = begin.elapsed().as_secs_f64();
        if keep_open {
            // Until the process is killed.
            std::mem::forget(store);
        } else {
            Arc::into_inner(store).context("a writer still has the store")?.close()?;
        }
        Ok(seconds)
    }

    fn reopen(&self, plan: Fill) -> Result<f64> {
        let begin = Instant::now();
        let store = self.open()?;
        let count = store.reads().count(Stream(1))?;
        let millis = begin.elapsed().as_secs_f64() * 1e3;
        ensure!(count == plan.count(Stream(1)), "{count} events are left of an acknowledged stream");
        store.close()?;
        Ok(millis)
    }

    fn read(&self, plan: Fill) -> Result<ReadRates> {
        let store = self.open()?;
        let reads = store.reads();
        let all = rate(plan.events, || count_all(reads))?;
        let stream = rate(plan.count(Stream(0)), || count_stream(reads))?;
        store.close()?;
        Ok(ReadRates { all, stream })
    }

    fn resident(&self, plan: Fill) -> Result<Resident> {
        let before = status_megabytes("VmRSS")?;
        let store = self.open()?;
        let runtime = Builder::new_current_thread().build()?;
        for stream in (0..HEADS).map(|n| Stream(n * (plan.streams / HEADS))) {
            let count = store.reads().count(stream)?;
            ensure!(count == plan.count(stream), "{count} events are left of an acknowledged stream");
            runtime.block_on(store.append(Append::of(stream, count, 1)))?;
        }
        let resident =
            Resident { all: status_megabytes("VmRSS")?, anonymous: status_megabytes("RssAnon")?, before };
        store.close()?;
        Ok(resident)
    }
}

/// How many a second the second time, when whatever is cached is cached.
fn rate(expected: u64, mut read: impl FnMut() -> Result<u64>) -> Result<f64> {
    let mut rate = f64::NAN;
    for _ in 0..2 {
        let begin = Instant::now();
        let events = read()?;
        rate = events as f64 / begin.elapsed().as_secs_f64();
        ensure!(events == expected, "{events} of {expected} events were read");
    }
    Ok(rate)
}

fn count_all(reads: &dyn Reads) -> Result<u64> {
    let mut seen = Seen::default();
    reads.read_all(&mut |event| seen.add(event.payload))?;
    Ok(seen.finish())
}

fn count_stream(reads: &dyn Reads) -> Result<u64> {
    let mut seen = Seen::default();
    reads.read_stream(Stream(0), &mut |event| seen.add(event.payload))?;
    Ok(seen.finish())
}

/// Counts events and touches their payloads.
#[derive(Debug, Default)]
struct Seen {
    events: u64,
    touched: u64,
}

impl Seen {
    fn add(&mut self, payload: &[u8]) {
        self.events += 1;
        self.touched += payload.last().map_or(0, |byte| u64::from(*byte));
    }

    fn finish(self) -> u64 {
        std::hint::black_box(self.touched);
        self.events
    }
}

fn status_megabytes(name: &str) -> Result<f64> {
    let status = fs::read_to_string(Path::new("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    let kilobytes =
        line.and_then(|line| line.trim().strip_suffix(" kB")).context("no such line in the status")?;
    Ok(kilobytes.trim().parse::<f64>()? * 1_024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever is built in keeps events, refuses what is not expected, and gives them back after it was closed.
    #[test]
    fn every_embedded_store_keeps_what_it_is_given() {
        let plan = Fill { events: 2_000, streams: 50 };
        for subject in crate::subject::SUBJECTS {
            if !subject.reads || (subject.obstacle)().is_some() {
                continue;
            }
            for mode in subject.modes {
                let folder = tempfile::tempdir().unwrap();
                let task = |work| Task {
                    subject: subject.name.into(),
                    mode: *mode,
                    folder: folder.path().to_owned(),
                    work,
                };
                task(Work::FillAndClose(plan)).run().unwrap();
                let finding = task(Work::Check(plan)).run().unwrap();
                assert_eq!(finding, serde_json::json!("Equal"), "{} {mode}", subject.name);
                let store = task(Work::Check(plan)).open().unwrap();
                let runtime = Builder::new_current_thread().build().unwrap();
                let stale = Append::of(Stream(3), plan.count(Stream(3)) - 1, 1);
                // The same events again are a retry to some; others are refused.
                let stale = Append { events: vec![crate::workload::NewEvent::at(Stream(99), 0)], ..stale };
                assert!(runtime.block_on(store.append(stale)).is_err(), "{} {mode}", subject.name);
                store.close().unwrap();
            }
        }
    }
}

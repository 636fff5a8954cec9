//! The event log beside other stores: durable appends, opening after a crash, reading, memory.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use reenact_bench_store::child::{ChildArgs, run};
use reenact_bench_store::damage::copy;
use reenact_bench_store::disk::block_bytes;
use reenact_bench_store::drive::{Measured, Plan};
use reenact_bench_store::report::{Better, table, write_json};
use reenact_bench_store::samples::{Case, LIMIT, Samples, mode_name};
use reenact_bench_store::subject::{Mode, SUBJECTS, Subject};
use reenact_bench_store::task::{ReadRates, Resident, Task, Work};
use reenact_bench_store::workload::Fill;
use serde::de::DeserializeOwned;
use tempfile::TempDir;

/// Name, writers, and events of each append.
const APPENDS: [(&str, u32, u64); 4] =
    [("append-1", 1, 1), ("append-16", 16, 1), ("append-256", 256, 1), ("bulk", 4, 512)];
/// How long a process may take that opens or appends for some seconds.
const SHORT: Duration = Duration::from_mins(2);
/// How long filling a store may take.
const LONG: Duration = Duration::from_mins(10);
/// A peer that fills a million events in this time is filled with five as well.
const FILL_SECONDS_QUICK: f64 = 15.0;

#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Fewer and shorter rounds, and smaller stores: five minutes at most
    #[arg(long)]
    quick: bool,
    /// Write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder for the stores, on the disk to measure [default: beside this program]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only these stores, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Why `RocksDB` is not built in
    #[arg(long, hide = true)]
    without_rocksdb: Option<String>,
    #[command(flatten)]
    child: ChildArgs,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    rounds: u32,
    peer_rounds: u32,
    warmup_millis: u64,
    millis: u64,
    reopens: u32,
    peer_reopens: u32,
    /// Millions of events in our stores.
    sizes: &'static [u64],
    /// And in those of peers; beyond the first only if filling is quick.
    peer_sizes: &'static [u64],
    /// After so many seconds no further measurement of a peer begins.
    seconds_max: u64,
}

const FULL: Scale = Scale {
    rounds: 5,
    peer_rounds: 3,
    warmup_millis: 500,
    millis: 3_000,
    reopens: 3,
    peer_reopens: 3,
    sizes: &[1, 5, 20],
    peer_sizes: &[1, 5],
    seconds_max: u64::MAX,
};

const QUICK: Scale = Scale {
    rounds: 3,
    peer_rounds: 1,
    warmup_millis: 200,
    millis: 1_000,
    reopens: 3,
    peer_reopens: 1,
    sizes: &[1, 5],
    peer_sizes: &[1],
    seconds_max: 225,
};

fn main() -> Result<()> {
    let args = Args::parse();
    if args.child.serve()? {
        return Ok(());
    }
    let scale = if args.quick { QUICK } else { FULL };
    println!("{}", introduction(scale));
    let (present, absent) = subjects(&args)?;
    let mut bench = Bench::new(scale, args.dir.as_deref(), steps(scale, &present))?;
    for round in 0..scale.rounds {
        for append in APPENDS {
            bench.limit(append);
            for subject in present.iter().filter(|subject| subject.is_ours() || round < scale.peer_rounds) {
                bench.appends(subject, append);
            }
        }
    }
    for subject in present.iter().filter(|subject| subject.reads) {
        bench.stores(subject);
    }
    bench.progress.finish_and_clear();
    print!("{}", bench.render(&absent));
    if let Some(path) = &args.json {
        write_json(path, &bench.samples.rows("log"))?;
    }
    let ours = bench.failures.iter().find(|(subject, _)| *subject == reenact_bench_store::subject::OURS);
    ensure!(ours.is_none(), "a measurement of our own failed");
    Ok(())
}

fn introduction(scale: Scale) -> String {
    let blocks = APPENDS.map(|(name, writers, events)| {
        format!("{} bytes for {name}", block_bytes(u64::from(writers) * events))
    });
    format!(
        "log: events with payloads of 100 bytes in 10,000 streams, each append expecting where its stream ends and \
         acknowledged when it is synced. append-N has N writers that append one event and wait, bulk four that append \
         512; {} rounds of {} s (peers {}), the median of them. Values are those of the better of two modes: `front` \
         (tasks wait for a thread that takes all that waits, writes it as one batch with one sync, and answers) and \
         `native` (a thread for each writer calls the store); `own` is a group commit that the store brings along. \
         reopen is the time to open a store whose process was killed after it was filled, and to find the end of a \
         stream; its files are in the page cache. read is the second pass. okaywal has neither index nor reads, so that it \
         does not count as a peer that one could take instead. `limit` is one block after the other \
         written past the page cache into a zeroed file, synced, one at a time: {}, as if all writers' events were \
         in it. Reading, and what a process holds, is not measured of servers.",
        scale.rounds,
        scale.millis as f64 / 1e3,
        scale.peer_rounds,
        blocks.join(", "),
    )
}

type Absent = Vec<(&'static str, String)>;

/// Those that are measured, and those that cannot be.
fn subjects(args: &Args) -> Result<(Vec<Subject>, Absent)> {
    args.only.iter().try_for_each(|name| Subject::named(name).map(drop))?;
    let chosen =
        |subject: &&Subject| args.only.is_empty() || args.only.iter().any(|name| name == subject.name);
    let (mut present, mut absent) = (Vec::new(), Vec::new());
    for subject in SUBJECTS.iter().filter(chosen) {
        match (subject.obstacle)() {
            None => present.push(*subject),
            Some(reason) if subject.name == "rocksdb" => {
                absent.push((subject.name, args.without_rocksdb.clone().unwrap_or(reason)));
            }
            Some(reason) => absent.push((subject.name, reason)),
        }
    }
    Ok((present, absent))
}

/// How many steps the progress has, at most.
fn steps(scale: Scale, subjects: &[Subject]) -> u64 {
    let steps = |subject: &Subject| {
        let ours = subject.is_ours();
        let (rounds, reopens, sizes) = if ours {
            (scale.rounds, scale.reopens, scale.sizes.len())
        } else {
            (scale.peer_rounds, scale.peer_reopens, scale.peer_sizes.len())
        };
        let stores = if subject.reads { sizes as u64 * (2 + u64::from(reopens)) } else { 0 };
        u64::from(rounds) * APPENDS.len() as u64 * subject.modes.len() as u64 + stores
    };
    u64::from(scale.rounds) * APPENDS.len() as u64 + subjects.iter().map(steps).sum::<u64>()
}

/// A measurement under way.
struct Bench {
    scale: Scale,
    begin: Instant,
    folder: TempDir,
    progress: ProgressBar,
    samples: Samples,
    failures: BTreeSet<(&'static str, String)>,
}

fn higher(name: &str) -> Case {
    Case { name: name.to_owned(), unit: "events/s", better: Better::Higher }
}

fn lower(name: &str, unit: &'static str) -> Case {
    Case { name: name.to_owned(), unit, better: Better::Lower }
}

impl Bench {
    fn new(scale: Scale, folder: Option<&Path>, steps: u64) -> Result<Self> {
        let program = std::env::current_exe()?;
        let folder = folder.or_else(|| program.parent()).context("this program lies nowhere")?;
        fs::create_dir_all(folder)?;
        let progress = ProgressBar::new(steps);
        progress.set_style(ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}")?);
        progress.enable_steady_tick(Duration::from_millis(200));
        let folder = tempfile::Builder::new().prefix("bench-log-").tempdir_in(folder)?;
        // A server that runs as another user has to come to its own folder.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
        Ok(Self {
            scale,
            begin: Instant::now(),
            folder,
            progress,
            samples: Samples::default(),
            failures: BTreeSet::new(),
        })
    }

    fn limit(&mut self, (name, writers, events): (&str, u32, u64)) {
        let work = Work::Limit(self.plan(writers, events));
        self.progress.set_message(format!("{name} {LIMIT}"));
        let measured = self.in_new_folder(LIMIT, Mode::Own, work);
        match measured {
            Ok(measured) => self.add(name, LIMIT, "", measured),
            Err(error) => self.fail(LIMIT, name, &error),
        }
        self.progress.inc(1);
    }

    fn appends(&mut self, subject: &Subject, (name, writers, events): (&str, u32, u64)) {
        for mode in subject.modes {
            if self.is_late(subject, &format!("{name} {mode}")) {
                return;
            }
            self.progress.set_message(format!("{name} {} {mode}", subject.name));
            let work = Work::Append(self.plan(writers, events));
            match self.in_new_folder(subject.name, *mode, work) {
                Ok(measured) => self.add(name, subject.name, mode_name(*mode), measured),
                Err(error) => self.fail(subject.name, &format!("{name} {mode}"), &error),
            }
            self.progress.inc(1);
        }
    }

    fn plan(&self, writers: u32, events: u64) -> Plan {
        Plan { writers, events, warmup_millis: self.scale.warmup_millis, millis: self.scale.millis }
    }

    fn add(&mut self, name: &str, subject: &'static str, mode: &'static str, measured: Measured) {
        self.samples.add(&higher(name), subject, mode, measured.per_second);
        self.samples.add(&lower(&format!("{name}-p99"), "ms"), subject, mode, measured.p99_millis);
    }

    fn fail(&mut self, subject: &'static str, what: &str, error: &anyhow::Error) {
        self.failures.insert((subject, format!("{what}: {error:#}")));
    }

    /// Whether there is no time left for a peer; if so that is noted.
    fn is_late(&mut self, subject: &Subject, what: &str) -> bool {
        let late = !subject.is_ours() && self.begin.elapsed().as_secs() > self.scale.seconds_max;
        if late {
            self.failures.insert((subject.name, format!("{what}: no time was left")));
        }
        late
    }

    /// Does `work` in a folder that is empty before and gone afterwards.
    fn in_new_folder<T: DeserializeOwned>(&self, subject: &str, mode: Mode, work: Work) -> Result<T> {
        let folder = self.folder.path().join("append");
        fs::create_dir(&folder)?;
        let done = self.child(subject, mode, &folder, work, SHORT);
        fs::remove_dir_all(folder)?;
        done
    }

    fn child<T: DeserializeOwned>(
        &self,
        subject: &str,
        mode: Mode,
        folder: &Path,
        work: Work,
        limit: Duration,
    ) -> Result<T> {
        let task = Task { subject: subject.to_owned(), mode, folder: folder.to_owned(), work };
        run(&task, limit, self.folder.path())?.result()
    }

    /// Everything that needs a full store.
    fn stores(&mut self, subject: &Subject) {
        let (sizes, reopens) = if subject.is_ours() {
            (self.scale.sizes, self.scale.reopens)
        } else {
            (self.scale.peer_sizes, self.scale.peer_reopens)
        };
        for millions in sizes {
            if self.is_late(subject, &format!("{millions} million events")) {
                return;
            }
            let folder = self.folder.path().join("full");
            let filled = fs::create_dir(&folder).map_err(Into::into);
            let filled = filled.and_then(|()| self.store(subject, &folder, *millions, reopens));
            let removed = fs::remove_dir_all(&folder).map_err(Into::into);
            match filled.and_then(|seconds| removed.map(|()| seconds)) {
                Ok(seconds) if subject.is_ours() || seconds < FILL_SECONDS_QUICK => {}
                Ok(_) => return,
                Err(error) => return self.fail(subject.name, &format!("{millions} million events"), &error),
            }
        }
    }

    /// Fills a store and measures it; the seconds that filling took.
    fn store(&mut self, subject: &Subject, folder: &Path, millions: u64, reopens: u32) -> Result<f64> {
        let (fill, mode) = (Fill::of(millions * 1_000_000), subject.mode());
        let step = |bench: &Self, what: &str| {
            bench.progress.inc(1);
            bench.progress.set_message(format!("{what} {millions}m {}", subject.name));
        };
        step(self, "fill");
        let seconds: f64 = self.child(subject.name, mode, folder, Work::Fill(fill), LONG)?;
        let reopen = lower(&format!("reopen-{millions}m"), "ms");
        self.samples.say(&reopen, subject.name, "fill_seconds", seconds);
        for _ in 0..reopens {
            step(self, "reopen");
            let killed = self.folder.path().join("killed");
            copy(folder, &killed)?;
            let millis = self.child(subject.name, mode, &killed, Work::Reopen(fill), LONG);
            fs::remove_dir_all(killed)?;
            self.samples.add(&reopen, subject.name, mode_name(mode), millis?);
        }
        match millions {
            1 => self.read(subject, folder, fill)?,
            5 => self.resident(subject, folder, fill)?,
            _ => {}
        }
        step(self, "done");
        Ok(seconds)
    }

    fn read(&mut self, subject: &Subject, folder: &Path, fill: Fill) -> Result<()> {
        self.progress.set_message(format!("read {}", subject.name));
        let rates: ReadRates = self.child(subject.name, subject.mode(), folder, Work::Read(fill), LONG)?;
        self.samples.add(&higher("read-all"), subject.name, mode_name(subject.mode()), rates.all);
        self.samples.add(&higher("read-stream"), subject.name, mode_name(subject.mode()), rates.stream);
        Ok(())
    }

    fn resident(&mut self, subject: &Subject, folder: &Path, fill: Fill) -> Result<()> {
        self.progress.set_message(format!("resident {}", subject.name));
        let resident: Resident =
            self.child(subject.name, subject.mode(), folder, Work::Resident(fill), LONG)?;
        let case = lower("resident-5m", "MB");
        self.samples.add(&case, subject.name, mode_name(subject.mode()), resident.all);
        self.samples.say(&case, subject.name, "anonymous", resident.anonymous);
        self.samples.say(&case, subject.name, "before_opening", resident.before);
        Ok(())
    }

    fn render(&self, absent: &Absent) -> String {
        let mut lines = self.samples.lines();
        let none = |subject: &str, what: &str| ["", subject, "", "-", what, "-"].map(str::to_owned).to_vec();
        lines
            .extend(absent.iter().map(|(subject, reason)| none(subject, &format!("not measured: {reason}"))));
        lines.extend(self.failures.iter().map(|(subject, what)| none(subject, &format!("failed: {what}"))));
        let all = table(&["case", "subject", "mode", "value", "unit", "reenact is"], &lines);
        let head = ["case", "reenact", "best embedded peer", "reenact is", "to the limit"];
        format!("{all}\n{}", table(&head, &self.samples.summary()))
    }
}

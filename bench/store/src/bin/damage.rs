//! What stores make of bits that are flipped in their files, and of files that are cut.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use reenact_bench_store::child::{ChildArgs, Ended, run};
use reenact_bench_store::damage::{Content, Damage, Finding, contents, copy};
use reenact_bench_store::report::{Better, Row, table, write_json};
use reenact_bench_store::subject::{SUBJECTS, Subject};
use reenact_bench_store::task::{Task, Work};
use reenact_bench_store::workload::{Fill, Random};
use serde::de::DeserializeOwned;
use serde_json::Map;
use tempfile::TempDir;

const FILL: Fill = Fill { events: 20_000, streams: 200 };
const SEED: u64 = 7;
/// How long opening and reading everything may take; whoever takes longer hangs, which is noticed.
const LIMIT: Duration = Duration::from_secs(30);

#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Fewer trials
    #[arg(long)]
    quick: bool,
    /// Write the rows to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Folder for the stores [default: beside this program]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// Only these stores, separated by commas
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Other places are damaged with another seed
    #[arg(long, default_value_t = SEED)]
    seed: u64,
    /// Name each trial that was not noticed
    #[arg(long)]
    verbose: bool,
    /// Why `RocksDB` is not built in
    #[arg(long, hide = true)]
    without_rocksdb: Option<String>,
    #[command(flatten)]
    child: ChildArgs,
}

/// What came of all trials of a kind.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    detected: u32,
    /// Of those: by a crash or a hang.
    crashed: u32,
    harmless: u32,
    lost: u32,
    lost_events_max: u64,
    wrong: u32,
}

type Tallies = BTreeMap<(&'static str, &'static str), Tally>;

fn main() -> Result<()> {
    let args = Args::parse();
    if args.child.serve()? {
        return Ok(());
    }
    println!(
        "damage: stores of {} events in {} streams, closed cleanly; then one random bit is flipped in the sectors of \
         its files that hold anything (flips), or a random file is cut at a random offset (cuts), at seed {}. Each \
         trial opens a damaged copy in a process of its own and reads all events, each stream and its end. It is \
         `detected` if anything fails, crashes or hangs, `harmless` if all is as it was appended, `silent-loss` if \
         events are missing and `wrong` if others are there, without any error.",
        FILL.events, FILL.streams, args.seed
    );
    let mut tallies = Tallies::new();
    for subject in SUBJECTS.iter().filter(|subject| subject.embedded && subject.reads) {
        if !args.only.is_empty() && args.only.iter().all(|name| name != subject.name) {
            continue;
        }
        if let Some(reason) = (subject.obstacle)() {
            let reason = args.without_rocksdb.clone().filter(|_| subject.name == "rocksdb").unwrap_or(reason);
            println!("without {}: {reason}", subject.name);
            continue;
        }
        let trials = Trials::new(subject, &args)?;
        for kind in ["flips", "cuts"] {
            tallies.insert((kind, subject.name), trials.run(kind, args.seed)?);
        }
    }
    println!(
        "without okaywal: it has no reads; without servers: only what is in the same process is damaged"
    );
    print!("{}", render(&tallies));
    args.json.map_or(Ok(()), |path| write_json(&path, &rows(&tallies)))
}

/// A store that is damaged again and again.
struct Trials {
    subject: Subject,
    folder: TempDir,
    contents: Vec<Content>,
    flips: u32,
    cuts: u32,
    verbose: bool,
}

impl Trials {
    fn new(subject: &Subject, args: &Args) -> Result<Self> {
        let program = std::env::current_exe()?;
        let folder = args.dir.as_deref().or_else(|| program.parent()).context("this program lies nowhere")?;
        fs::create_dir_all(folder)?;
        let folder = tempfile::Builder::new().prefix("bench-damage-").tempdir_in(folder)?;
        let (flips, cuts) = match (args.quick, subject.is_ours()) {
            (true, true) => (20, 10),
            (true, false) => (10, 6),
            (false, true) => (60, 30),
            (false, false) => (40, 30),
        };
        let mut trials =
            Self { subject: *subject, folder, contents: Vec::new(), flips, cuts, verbose: args.verbose };
        let whole = trials.whole();
        fs::create_dir(&whole)?;
        let _seconds: f64 = trials.child(&whole, Work::FillAndClose(FILL))?.result()?;
        trials.contents = contents(&whole)?;
        let finding = trials.look(&whole, None)?.0;
        anyhow::ensure!(finding == Finding::Equal, "{} is {finding:?} without damage", subject.name);
        Ok(trials)
    }

    fn whole(&self) -> PathBuf {
        self.folder.path().join("whole")
    }

    fn run(&self, kind: &str, seed: u64) -> Result<Tally> {
        let count = if kind == "flips" { self.flips } else { self.cuts };
        let progress = ProgressBar::new(count.into());
        progress.set_style(ProgressStyle::with_template("{elapsed_precise} {bar:30} {pos}/{len} {msg}")?);
        progress.set_message(format!("{kind} {}", self.subject.name));
        let (mut random, mut tally) = (Random::new(seed), Tally::default());
        for _ in 0..count {
            let damage = if kind == "flips" { Damage::flip } else { Damage::cut };
            let damage = damage(&self.contents, &mut random)?;
            let (finding, crashed) = self.look(&self.whole(), Some(&damage))?;
            if self.verbose && !matches!(finding, Finding::Detected(_)) {
                progress.suspend(|| println!("{}: {damage:?} is {finding:?}", self.subject.name));
            }
            tally.add(&finding, crashed);
            progress.inc(1);
        }
        progress.finish_and_clear();
        Ok(tally)
    }

    /// What a copy of a store looks like after `damage`, and whether that ended the process that looked.
    fn look(&self, whole: &Path, damage: Option<&Damage>) -> Result<(Finding, bool)> {
        let damaged = self.folder.path().join("damaged");
        copy(whole, &damaged)?;
        damage.map_or(Ok(()), |damage| damage.apply(&damaged))?;
        let ended = self.child(&damaged, Work::Check(FILL));
        fs::remove_dir_all(damaged)?;
        Ok(match ended? {
            Ended::Done(finding) => (finding, false),
            Ended::Failed(words) => (Finding::Detected(words), false),
            Ended::Crashed(words) => (Finding::Detected(words), true),
            Ended::TimedOut => (Finding::Detected("it hangs".into()), true),
        })
    }

    fn child<T: DeserializeOwned>(&self, folder: &Path, work: Work) -> Result<Ended<T>> {
        let (subject, mode) = (self.subject.name.to_owned(), self.subject.mode());
        run(&Task { subject, mode, folder: folder.to_owned(), work }, LIMIT, self.folder.path())
    }
}

impl Tally {
    fn add(&mut self, finding: &Finding, crashed: bool) {
        match finding {
            Finding::Detected(_) => self.detected += 1,
            Finding::Equal => self.harmless += 1,
            Finding::Lost(events) => {
                self.lost += 1;
                self.lost_events_max = self.lost_events_max.max(*events);
            }
            Finding::Wrong(_) => self.wrong += 1,
        }
        self.crashed += u32::from(crashed);
    }

    fn trials(&self) -> u32 {
        self.detected + self.harmless + self.lost + self.wrong
    }
}

fn rows(tallies: &Tallies) -> Vec<Row> {
    let mut rows = Vec::new();
    for ((kind, subject), tally) in tallies {
        for (class, value, better) in [
            ("detected", tally.detected, Better::Higher),
            ("harmless", tally.harmless, Better::Higher),
            ("silent-loss", tally.lost, Better::Lower),
            ("wrong", tally.wrong, Better::Lower),
        ] {
            let mut extra = Map::from_iter([("trials".to_owned(), tally.trials().into())]);
            match class {
                "detected" => drop(extra.insert("crashed".into(), tally.crashed.into())),
                "silent-loss" => drop(extra.insert("lost_events_max".into(), tally.lost_events_max.into())),
                _ => {}
            }
            rows.push(Row {
                bench: "damage",
                case: format!("{kind}-{class}"),
                subject: (*subject).to_owned(),
                value: value.into(),
                unit: "trials",
                better,
                extra,
            });
        }
    }
    rows
}

fn render(tallies: &Tallies) -> String {
    let line = |((kind, subject), tally): (&(&str, &str), &Tally)| {
        let counts = [tally.trials(), tally.detected, tally.crashed, tally.harmless, tally.lost, tally.wrong];
        let mut line = vec![(*kind).to_owned(), (*subject).to_owned()];
        line.extend(counts.iter().map(ToString::to_string));
        line.push(tally.lost_events_max.to_string());
        line
    };
    let head = [
        "damage",
        "subject",
        "trials",
        "detected",
        "by a crash",
        "harmless",
        "silent loss",
        "wrong",
        "most events lost",
    ];
    table(&head, &tallies.iter().map(line).collect::<Vec<_>>())
}

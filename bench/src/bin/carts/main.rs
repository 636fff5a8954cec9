//! Records, verifies and seeks every WASM-4 cart of a folder, on every engine, each step in a process of its
//! own, and says which carts do not replay exactly.

mod check;
mod record;
mod result;
mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use reenact::session::Limits;
use reenact_bench::carts::{Cart, in_folder};
use reenact_bench::child::{self, Ended};
use reenact_bench::report::write_json;

use check::{Checked, On};
use result::{CartResult, Check, Recorded};

#[derive(Debug, Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    child: Option<ChildTask>,
    #[command(flatten)]
    run: Option<RunArgs>,
}

#[derive(Args, Clone, Debug)]
struct RunArgs {
    /// Folder of carts, *.wasm
    folder: PathBuf,
    /// Ticks of each cart, 60 a second
    #[arg(long, default_value_t = 3_600)]
    ticks: u32,
    /// Carts at a time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Write a row for each cart to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only carts whose name contains this
    #[arg(long, default_value = "")]
    filter: String,
    /// Whether to verify on the other engines too
    #[arg(long, value_enum, default_value_t = Engines::All)]
    engines: Engines,
    /// Fuel of one tick
    #[arg(long, default_value_t = Limits::default().tick_fuel)]
    tick_fuel: u64,
    /// Fail unless so many carts load, run all ticks and replay exactly; all but those that trap by themselves
    /// unless given
    #[arg(long, value_name = "N")]
    at_least: Option<usize>,
    /// Seconds that each step of a cart may take
    #[arg(long, default_value_t = 600)]
    limit_seconds: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engines {
    /// The compiling engine, the same without optimisation, and an interpreter
    All,
    /// The compiling engine only
    None,
}

/// What this program does when it runs itself.
#[derive(Debug, Subcommand)]
#[command(hide = true)]
enum ChildTask {
    #[command(hide = true)]
    Record { cart: PathBuf, replay: PathBuf, ticks: u32, tick_fuel: u64 },
    #[command(hide = true)]
    Check { replay: PathBuf, recorded: PathBuf, on: On },
}

fn main() -> Result<ExitCode> {
    match Cli::parse() {
        Cli { child: Some(task), .. } => run_child(task).map(|()| ExitCode::SUCCESS),
        Cli { run: Some(args), .. } => run_all(&args),
        Cli { .. } => anyhow::bail!("a folder of carts is needed; see --help"),
    }
}

fn run_child(task: ChildTask) -> Result<()> {
    let json = match task {
        ChildTask::Record { cart, replay, ticks, tick_fuel } => {
            let limits = Limits { tick_fuel, ..Limits::default() };
            serde_json::to_string(&record::record(&cart, &replay, ticks, limits)?)?
        }
        ChildTask::Check { replay, recorded, on } => {
            let recorded: Recorded = serde_json::from_slice(&std::fs::read(recorded)?)?;
            serde_json::to_string(&check::check(&replay, &recorded, on)?)?
        }
    };
    println!("{json}");
    Ok(())
}

fn run_all(args: &RunArgs) -> Result<ExitCode> {
    let carts = in_folder(&args.folder, &args.filter)?;
    let seconds = f64::from(args.ticks) / 60.0;
    println!(
        "{} carts: {} ticks ({seconds} s) of seeded pads recorded with keyframes and hashes; in another process \
         decoded, verified and sought in at {} random ticks; verified {}. Speed is that of the linear \
         verification on one core.",
        carts.len(),
        args.ticks,
        check::SEEKS,
        if args.engines == Engines::All {
            "without the optimiser and on an interpreter, each in a process of its own"
        } else {
            "on no other engine"
        },
    );
    let scratch = Scratch::new()?;
    let mut results = run_jobs(args, &carts, &scratch.0)?;
    results.sort_by(|a, b| a.name.cmp(&b.name));
    print!("{}", summary::render(&results, args.ticks));
    if let Some(path) = &args.json {
        let rows: Vec<_> = results.iter().map(CartResult::row).collect();
        write_json(path, &rows)?;
    }
    let differ = results.iter().any(CartResult::differs);
    let good = summary::good(&results);
    let enough = good >= args.at_least.unwrap_or(results.len() - summary::trapped(&results));
    Ok(if differ || !enough || good == 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn run_jobs(args: &RunArgs, carts: &[Cart], scratch: &Path) -> Result<Vec<CartResult>> {
    let waiting = Mutex::new(carts.iter());
    let progress = ProgressBar::new(carts.len() as u64);
    progress.set_style(ProgressStyle::with_template("{pos}/{len} {elapsed} {wide_bar} {msg}")?);
    let work = || {
        let mut done = Vec::new();
        loop {
            let next = waiting.lock().expect("no other worker panics while it takes a cart").next();
            let Some(cart) = next else { return Ok(done) };
            let result = run_cart(args, cart, scratch).with_context(|| format!("failed at {}", cart.name))?;
            if progress.is_hidden() {
                eprintln!("{}", result.line());
            }
            progress.set_message(cart.name.clone());
            progress.inc(1);
            done.push(result);
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let mut results = Vec::new();
        for worker in workers {
            let done: Result<Vec<CartResult>> =
                worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            results.extend(done?);
        }
        Ok(results)
    })
}

/// One cart through all of its processes.
fn run_cart(args: &RunArgs, cart: &Cart, scratch: &Path) -> Result<CartResult> {
    let mut result = CartResult::new(cart);
    let limit = Duration::from_secs(args.limit_seconds);
    let file = |extension: &str| scratch.join(format!("{}.{extension}", cart.name));
    let text = |path: &Path| path.to_str().map(ToOwned::to_owned).context("a path that is not UTF-8");
    let (replay, recorded) = (text(&file("replay"))?, text(&file("recorded"))?);
    let (ticks, tick_fuel) = (args.ticks.to_string(), args.tick_fuel.to_string());
    let task = ["record", &text(&cart.path)?, &replay, &ticks, &tick_fuel];
    let name = format!("{}-record", cart.name);
    result.recorded = child::run(&task, limit, scratch, &name)?;
    let Ended::Done(Ok(record)) = &result.recorded else { return Ok(result) };
    std::fs::write(&recorded, serde_json::to_vec(record)?)?;
    let check = |on: On| -> Result<(Check, Option<Checked>)> {
        let name = format!("{}-{}", cart.name, on.name());
        let ended = child::run::<Checked>(&["check", &replay, &recorded, on.name()], limit, scratch, &name)?;
        Ok(match ended {
            Ended::Done(checked) => (checked.verify.clone(), Some(checked)),
            Ended::TimedOut => (Check::TimedOut { seconds: args.limit_seconds }, None),
            Ended::Crashed(words) => (Check::Crashed(words), None),
        })
    };
    (result.verify, result.linear) = check(On::Optimised)?;
    if args.engines == Engines::All {
        (result.unoptimised, _) = check(On::Unoptimised)?;
        (result.interpreter, result.interpreted) = check(On::Interpreter)?;
    }
    std::fs::remove_file(replay)?;
    Ok(result)
}

/// A folder that goes away with its contents.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("reenact-carts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| format!("failed to create {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left behind lies in the system's folder for that.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

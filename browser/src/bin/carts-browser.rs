//! Records each WASM-4 cart of a folder outside the browser, and says which ones do not have the same states in it:
//! played from the beginning, and sought in random order.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use reenact_browser::carts::{Cart, in_folder};
use reenact_browser::page::Checked;
use reenact_browser::report::{Better, Row, short, table, write_json};
use reenact_browser::server::command;
use reenact_browser::stats::median;
use reenact_browser::{Browser, Page, Recording, Reenact};
use serde_json::{Map, Value, json};

/// How many ticks of a cart are compared, each in two ways.
const COMPARED: usize = 20;
/// Stretches between two recorded hashes; more than are compared, so that there is something to draw from.
const STRETCHES: u32 = 30;
/// How long the server may take to verify a session: some carts are slower than real time.
const VERDICT_MAX: Duration = Duration::from_mins(10);

#[derive(Debug, Parser)]
#[command(version, about)]
struct Args {
    /// Folder of carts, *.wasm
    folder: PathBuf,
    /// Ticks of each cart, 60 a second
    #[arg(long, default_value_t = 600, value_parser = clap::value_parser!(u32).range(i64::from(STRETCHES)..))]
    ticks: u32,
    /// Carts at a time, each with a browser and a server of its own
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Write rows for each cart to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Only carts whose name contains this
    #[arg(long, default_value = "")]
    filter: String,
    /// Fail unless so many carts have the same states; all but those that are refused or trap unless given
    #[arg(long, value_name = "N")]
    at_least: Option<usize>,
}

/// What the comparison says of a cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Every compared state is the recorded one.
    Same,
    /// One is not.
    Differs,
    /// Something is in the way of an answer.
    Failed,
    /// The server does not take the cart.
    Refused,
    /// The cart fails by itself; up to there the states are the same.
    Trap,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Differs => "DIFFERS",
            Self::Failed => "FAILED",
            Self::Refused => "refused",
            Self::Trap => "trap",
        }
    }
}

/// A state that is not the recorded one.
#[derive(Debug)]
struct Difference(String);

impl Error for Difference {}

impl Display for Difference {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// How long a tick takes.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Micros {
    /// In the middle stretch.
    p50: f64,
    /// Over the whole session.
    mean: f64,
}

/// What is known of a cart.
#[derive(Debug)]
struct Outcome {
    name: String,
    verdict: Verdict,
    /// What is to be said besides.
    detail: String,
    ticks: u64,
    /// How many states were compared.
    compared: usize,
    browser: Option<Micros>,
    native_micros: Option<f64>,
}

impl Outcome {
    fn new(cart: &Cart, verdict: Verdict, detail: impl Into<String>) -> Self {
        let (name, detail) = (cart.name.clone(), detail.into());
        Self { name, verdict, detail, ticks: 0, compared: 0, browser: None, native_micros: None }
    }

    fn cells(&self) -> Vec<String> {
        let number = |value: Option<f64>| value.map_or("-".into(), short);
        vec![
            self.name.clone(),
            self.ticks.to_string(),
            self.compared.to_string(),
            self.verdict.word().into(),
            number(self.browser.map(|micros| micros.p50)),
            number(self.browser.map(|micros| micros.mean)),
            number(self.native_micros),
        ]
    }

    fn rows(&self) -> impl Iterator<Item = Row> + '_ {
        let measured =
            [("chromium", self.browser.map(|micros| micros.mean)), ("reenact", self.native_micros)];
        measured.into_iter().map(|(subject, micros)| Row {
            bench: "carts-browser",
            case: self.name.clone(),
            subject: subject.into(),
            value: micros.unwrap_or_default(),
            unit: "us a tick",
            better: Better::Lower,
            extra: self.extra(),
        })
    }

    fn extra(&self) -> Map<String, Value> {
        let extra = [
            ("result", json!(self.verdict.word())),
            ("detail", json!(self.detail)),
            ("ticks", json!(self.ticks)),
            ("compared", json!(self.compared)),
            ("browser_p50_micros", json!(self.browser.map(|micros| micros.p50))),
        ];
        extra.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

fn main() -> Result<ExitCode> {
    let args = Args::parse();
    let carts = in_folder(&args.folder, &args.filter)?;
    println!(
        "{} carts: {} ticks of seeded pads recorded outside the browser; in Chromium {COMPARED} states of each \
         compared while playing from the beginning, and as many by seeking in random order.",
        carts.len(),
        args.ticks,
    );
    let mut outcomes = run_jobs(&args, &carts)?;
    outcomes.sort_by(|a, b| a.name.cmp(&b.name));
    print(&outcomes);
    if let Some(path) = &args.json {
        let rows: Vec<_> = outcomes.iter().flat_map(Outcome::rows).collect();
        write_json(path, &rows)?;
    }
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let excused = count(Verdict::Refused) + count(Verdict::Trap);
    let enough = count(Verdict::Same) >= args.at_least.unwrap_or(outcomes.len() - excused).max(1);
    Ok(if enough && count(Verdict::Differs) == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(outcomes: &[Outcome]) {
    let head = ["cart", "ticks", "compared", "result", "browser p50 us", "browser mean us", "native mean us"];
    let rows: Vec<_> = outcomes.iter().map(Outcome::cells).collect();
    print!("{}", table(&head, &rows));
    println!();
    for outcome in outcomes.iter().filter(|outcome| !outcome.detail.is_empty()) {
        println!("{}: {}", outcome.name, outcome.detail);
    }
    let count = |verdict| outcomes.iter().filter(|outcome| outcome.verdict == verdict).count();
    let of = |pick: fn(&Outcome) -> Option<f64>| {
        let values: Vec<_> = outcomes.iter().filter_map(pick).collect();
        short(median(&values))
    };
    println!(
        "{} of {} carts the same, {} differ, {} failed, {} refused, {} trap by themselves; {} states compared; \
         median cart {} us a tick in the browser, {} outside",
        count(Verdict::Same),
        outcomes.len(),
        count(Verdict::Differs),
        count(Verdict::Failed),
        count(Verdict::Refused),
        count(Verdict::Trap),
        outcomes.iter().map(|outcome| outcome.compared).sum::<usize>(),
        of(|outcome| outcome.browser.map(|micros| micros.mean)),
        of(|outcome| outcome.native_micros),
    );
}

fn run_jobs(args: &Args, carts: &[Cart]) -> Result<Vec<Outcome>> {
    let waiting = Mutex::new(carts.iter());
    let progress = ProgressBar::new(carts.len() as u64);
    progress.set_style(ProgressStyle::with_template("{pos}/{len} {elapsed} {wide_bar} {msg}")?);
    let next = || waiting.lock().expect("no other job panics while it takes a cart").next();
    let work = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let mut done = Vec::new();
            let server = Reenact::start().await?;
            let mut page = Page::new(Browser::start().await?, server.address());
            while let Some(cart) = next() {
                let outcome = run_cart(args, cart, &server, &page).await;
                let outcome = match outcome {
                    Ok(outcome) => outcome,
                    Err(error) => {
                        // Whatever the cart did to the browser, the next one does not meet it.
                        page = Page::new(Browser::start().await?, server.address());
                        let differs = error.is::<Difference>();
                        let verdict = if differs { Verdict::Differs } else { Verdict::Failed };
                        Outcome::new(cart, verdict, format!("{error:#}"))
                    }
                };
                if progress.is_hidden() {
                    eprintln!("{}", outcome.cells().join(" "));
                }
                progress.set_message(cart.name.clone());
                progress.inc(1);
                done.push(outcome);
            }
            anyhow::Ok(done)
        })
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..args.jobs.max(1)).map(|_| scope.spawn(work)).collect();
        let mut outcomes = Vec::new();
        for worker in workers {
            outcomes.extend(worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(outcomes)
    })
}

async fn run_cart(args: &Args, cart: &Cart, server: &Reenact, page: &Page) -> Result<Outcome> {
    let admitted = server.try_upload(&cart.path).await?;
    if admitted["module"].is_null() {
        let detail = admitted["detail"].as_str().unwrap_or_default();
        return Ok(Outcome::new(cart, Verdict::Refused, detail));
    }
    let hash_every = args.ticks / STRETCHES;
    let recording =
        Recording { module: &cart.path, seed: cart.seed(), ticks: args.ticks, hash_every, disk: None };
    let session = server.record(&recording).await?;
    let document = server.get(&format!("v1/sessions/{session}")).await?;
    let mut outcome = Outcome::new(cart, Verdict::Same, "");
    outcome.ticks = document["ticks"].as_u64().context("a session has ticks")?;
    if document["end"]["reason"] == "failed" {
        outcome.verdict = Verdict::Trap;
        document["end"]["detail"].as_str().unwrap_or_default().clone_into(&mut outcome.detail);
    }
    let verdict = server.verdict_within(&session, VERDICT_MAX).await?;
    ensure!(verdict["result"] == "verified", Difference(format!("the server says {verdict}")));
    let samples = draw(server.hashes(&session).await?, cart.seed());
    outcome.browser = compare_linear(page, &session, &samples).await?;
    compare_by_seek(page, &session, &samples).await?;
    outcome.compared = 2 * samples.len();
    outcome.native_micros = Some(native_micros(cart, outcome.ticks, server.home()).await?);
    Ok(outcome)
}

/// Up to `COMPARED` of the hashes in random order, the last one among them.
fn draw(mut hashes: Vec<(u32, String)>, seed: u64) -> Vec<(u32, String)> {
    let last = hashes.pop();
    let mut random = seed;
    for place in (1..hashes.len()).rev() {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
        hashes.swap(place, ((random >> 33) % (place as u64 + 1)) as usize);
    }
    hashes.truncate(COMPARED - 1);
    let middle = hashes.len() / 2;
    if let Some(last) = last {
        hashes.insert(middle, last);
    }
    hashes
}

/// Plays the session once, and says how long its ticks took.
async fn compare_linear(page: &Page, session: &str, samples: &[(u32, String)]) -> Result<Option<Micros>> {
    let mut wanted = samples.to_vec();
    wanted.sort_unstable();
    let ticks: Vec<u32> = wanted.iter().map(|(tick, _)| *tick).collect();
    let checked = page.check(session, Some(&ticks)).await?;
    ensure!(checked.len() == wanted.len(), "the browser gives {} of {} hashes", checked.len(), wanted.len());
    for ((tick, hash), there) in wanted.iter().zip(&checked) {
        compare(*tick, hash, &there.hash, "playing")?;
    }
    Ok(micros_of(&checked))
}

fn micros_of(checked: &[Checked]) -> Option<Micros> {
    let last = checked.last()?.tick;
    let mut before = 0;
    let (mut stretches, mut total) = (Vec::new(), 0.0);
    for there in checked.iter().filter(|there| there.tick > 0) {
        stretches.push(there.micros_per_tick);
        total += there.micros_per_tick * f64::from(there.tick - before);
        before = there.tick;
    }
    (last > 0).then(|| Micros { p50: median(&stretches), mean: total / f64::from(last) })
}

/// Goes to each tick in the order in which they stand.
async fn compare_by_seek(page: &Page, session: &str, samples: &[(u32, String)]) -> Result<()> {
    page.open(&format!("#/session/{session}")).await?;
    for (tick, hash) in samples {
        compare(*tick, hash, &page.hash_at(session, *tick).await?, "seeking")?;
    }
    Ok(())
}

fn compare(tick: u32, recorded: &str, computed: &str, how: &str) -> Result<()> {
    if recorded != computed {
        let words = format!("{how} in the browser gives {computed} at tick {tick}, {recorded} was recorded");
        bail!(Difference(words));
    }
    Ok(())
}

/// The command plays the same once more, without hashes and keyframes.
async fn native_micros(cart: &Cart, ticks: u64, folder: &Path) -> Result<f64> {
    let file = folder.join("native.replay");
    let (seed, ticks) = (cart.seed().to_string(), ticks.max(1).to_string());
    let options =
        ["--bot", &seed, "--ticks", &ticks, "--hash-every", "0", "--keyframe-every", "0", "--output"];
    let args = options.iter().map(AsRef::as_ref).chain([file.as_os_str(), cart.path.as_os_str()]);
    let document: Value = command("record", args).await?;
    let seconds = document["seconds"].as_f64().context("the command says how long it took")?;
    let played = document["ticks"].as_f64().context("the command says how many ticks it played")?;
    Ok(seconds * 1e6 / played.max(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_that_of_all_ticks_however_long_a_stretch_is() {
        let at = |tick, micros_per_tick| Checked { tick, hash: String::new(), micros_per_tick };
        let checked = [at(0, 0.0), at(10, 2.0), at(20, 8.0), at(100, 1.0)];
        assert_eq!(micros_of(&checked), Some(Micros { p50: 2.0, mean: 1.8 }));
        assert_eq!(micros_of(&checked[..1]), None);
    }

    #[test]
    fn the_ticks_that_are_compared_are_all_different_and_the_last_is_among_them() {
        let hashes: Vec<_> = (0..=30).map(|tick| (tick * 20, format!("hash {tick}"))).collect();
        let drawn = draw(hashes.clone(), 7);
        assert_eq!(drawn.len(), COMPARED);
        assert!(drawn.contains(&hashes[30]) && !drawn.is_sorted());
        let mut ticks: Vec<_> = drawn.iter().map(|(tick, _)| *tick).collect();
        ticks.sort_unstable();
        ticks.dedup();
        assert_eq!(ticks.len(), COMPARED);
        assert_eq!(draw(hashes[..1].to_vec(), 7), hashes[..1]);
    }
}

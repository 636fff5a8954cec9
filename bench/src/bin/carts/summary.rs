//! All carts at a glance.

use reenact_bench::play::End;
use reenact_bench::report::{short, table};
use reenact_bench::stats::median;

use crate::result::CartResult;

const HEAD: [&str; 10] =
    ["cart", "ticks", "x real", "pictures", "hash", "verify", "seek", "noopt", "wasmi", "end"];
/// Digits of a hash that tell it from the others.
const HASH_DIGITS: usize = 16;

/// The table, what is out of the ordinary, and a last line that says it all.
pub(crate) fn render(results: &[CartResult], ticks: u32) -> String {
    let rows: Vec<_> = results.iter().map(cells).collect();
    let mut text = table(&HEAD, &rows);
    let anomalies = results.iter().flat_map(|result| {
        result.anomalies().into_iter().map(|anomaly| format!("{}: {anomaly}\n", result.name))
    });
    text.push('\n');
    text.extend(anomalies);
    text + &last_line(results, ticks)
}

fn cells(result: &CartResult) -> Vec<String> {
    let recorded = result.recording();
    let of = |show: &dyn Fn(&crate::result::Recorded) -> String| recorded.map_or("-".into(), show);
    let mut cells = vec![
        result.name.clone(),
        of(&|recorded| recorded.ticks.to_string()),
        result.speed().map_or("-".into(), short),
        of(&|recorded| recorded.pictures.to_string()),
        of(&|recorded| recorded.final_hash.1.chars().take(HASH_DIGITS).collect()),
    ];
    cells.extend(result.checks().iter().map(|(_, check)| check.word().to_owned()));
    // The table is for the eye: reasons stand below it in full.
    cells.push(result.end().chars().take(60).collect());
    cells
}

/// How many carts load, run all ticks, show more than one picture and replay exactly.
pub(crate) fn good(results: &[CartResult]) -> usize {
    results.iter().filter(|result| good_with(result, |end| *end == End::Completed)).count()
}

/// How many carts trap by themselves, and replay exactly up to there.
pub(crate) fn trapped(results: &[CartResult]) -> usize {
    results
        .iter()
        .filter(|result| result.exact() && ended_with(result, |end| matches!(end, End::Failed(_))))
        .count()
}

fn last_line(results: &[CartResult], ticks: u32) -> String {
    let good = good(results);
    let trapped = named(results, |end| matches!(end, End::Failed(_)), "trap by themselves");
    let limited = named(results, |end| matches!(end, End::Limit(_)), "meet a limit");
    // A session that ended early says little about the cart's speed.
    let completed = |result: &&CartResult| ended_with(result, |end| *end == End::Completed);
    let speeds = results.iter().filter(completed).filter_map(|r| Some((r.speed()?, r.name.as_str())));
    let mut speeds: Vec<_> = speeds.collect();
    speeds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let middle = median(&speeds.iter().map(|(speed, _)| *speed).collect::<Vec<_>>());
    let (slowest, name) = speeds.first().copied().unwrap_or((f64::NAN, "-"));
    format!(
        "{good} of {} carts load, run {ticks} ticks and replay exactly{trapped}{limited}; median {} x real time, \
         slowest {name} {} x\n",
        results.len(),
        short(middle),
        short(slowest),
    )
}

fn ended_with(result: &CartResult, end: impl Fn(&End) -> bool) -> bool {
    result.recording().is_some_and(|recorded| end(&recorded.end))
}

/// Whether the cart ended like this, replays exactly, and shows more than an empty console does.
fn good_with(result: &CartResult, end: impl Fn(&End) -> bool) -> bool {
    result.exact() && result.recording().is_some_and(|recorded| recorded.pictures > 1 && end(&recorded.end))
}

/// The carts that ended like this, in brackets; nothing if there are none.
fn named(results: &[CartResult], end: fn(&End) -> bool, what: &str) -> String {
    let ended = results.iter().filter(|result| ended_with(result, end));
    let name = |result: &CartResult| {
        let at = result.recording().map_or(0, |recorded| recorded.ticks);
        let differs = if result.differs() { ", and differs" } else { "" };
        format!("{} at {at}{differs}", result.name)
    };
    let names: Vec<_> = ended.map(name).collect();
    if names.is_empty() { String::new() } else { format!(" ({} {what}: {})", names.len(), names.join(", ")) }
}

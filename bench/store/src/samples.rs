//! Values that were measured, several times each, and what is told of them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::report::{Better, Row, short};
use crate::stats::median;
use crate::subject::{Mode, OURS, Subject};

/// Who stands for the disk without any store.
pub const LIMIT: &str = "limit";

/// What is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What its values count.
    pub unit: &'static str,
    /// Which way they get better.
    pub better: Better,
}

/// All values, by case in the order in which they came, by subject and by mode.
#[derive(Debug, Default)]
pub struct Samples {
    cases: Vec<Case>,
    values: BTreeMap<(usize, &'static str), BTreeMap<&'static str, Vec<f64>>>,
    extra: BTreeMap<(usize, &'static str), Map<String, Value>>,
}

/// The median of the best mode.
#[derive(Clone, Debug, PartialEq)]
pub struct Best {
    /// Whose it is.
    pub subject: &'static str,
    /// The mode.
    pub mode: &'static str,
    /// The median.
    pub value: f64,
}

impl Samples {
    /// Adds a value.
    pub fn add(&mut self, case: &Case, subject: &'static str, mode: &'static str, value: f64) {
        let case = self.place(case);
        self.values.entry((case, subject)).or_default().entry(mode).or_default().push(value);
    }

    /// Adds what else there is to say.
    pub fn say(&mut self, case: &Case, subject: &'static str, name: &str, value: impl Into<Value>) {
        let case = self.place(case);
        self.extra.entry((case, subject)).or_default().insert(name.to_owned(), value.into());
    }

    fn place(&mut self, case: &Case) -> usize {
        self.cases.iter().position(|other| other == case).unwrap_or_else(|| {
            self.cases.push(case.clone());
            self.cases.len() - 1
        })
    }

    fn best(&self, case: usize, subject: &'static str) -> Option<Best> {
        let medians = self.values.get(&(case, subject))?.iter().map(|(mode, values)| (*mode, median(values)));
        let worse_first = |a: &(&str, f64), b: &(&str, f64)| match self.cases[case].better {
            Better::Higher => a.1.total_cmp(&b.1),
            Better::Lower => b.1.total_cmp(&a.1),
        };
        medians.max_by(worse_first).map(|(mode, value)| Best { subject, mode, value })
    }

    /// The best of each subject in a case, ours first and the limit last, the others in order.
    fn bests(&self, case: usize) -> Vec<Best> {
        let subjects = self.values.keys().filter(|(other, _)| *other == case).map(|(_, subject)| *subject);
        let mut bests: Vec<_> = subjects.filter_map(|subject| self.best(case, subject)).collect();
        let better = self.cases[case].better;
        bests.sort_by(|a, b| {
            let values = match better {
                Better::Higher => b.value.total_cmp(&a.value),
                Better::Lower => a.value.total_cmp(&b.value),
            };
            let rank = |best: &Best| (best.subject != OURS, best.subject == LIMIT);
            rank(a).cmp(&rank(b)).then(values)
        });
        bests
    }

    /// Rows for machines.
    pub fn rows(&self, bench: &'static str) -> Vec<Row> {
        let mut rows = Vec::new();
        for (n, case) in self.cases.iter().enumerate() {
            for best in self.bests(n) {
                let mut extra = self.extra.get(&(n, best.subject)).cloned().unwrap_or_default();
                extra.insert("mode".into(), best.mode.into());
                extra.insert("values".into(), self.values[&(n, best.subject)].iter().map(rounds).collect());
                if let Some(version) = Subject::named(best.subject).ok().and_then(|subject| subject.version())
                {
                    extra.insert("version".into(), version.into());
                }
                rows.push(Row {
                    bench,
                    case: case.name.clone(),
                    subject: best.subject.to_owned(),
                    value: best.value,
                    unit: case.unit,
                    better: case.better,
                    extra,
                });
            }
        }
        rows
    }

    /// Rows for people: case, subject, mode, value, unit, and how many times better ours is.
    pub fn lines(&self) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        for (n, case) in self.cases.iter().enumerate() {
            let ours = self.best(n, OURS);
            for best in self.bests(n) {
                let times = ours.as_ref().map(|ours| times_better(case.better, ours.value, best.value));
                lines.push(vec![
                    case.name.clone(),
                    best.subject.to_owned(),
                    best.mode.to_owned(),
                    short(best.value),
                    case.unit.to_owned(),
                    times.map_or_else(|| "-".into(), ratio),
                ]);
            }
        }
        lines
    }

    /// Per case: ours, the best embedded peer that can be read, and how many times better ours is, and how much of the limit it is.
    pub fn summary(&self) -> Vec<Vec<String>> {
        let mut lines = Vec::new();
        for (n, case) in self.cases.iter().enumerate() {
            let Some(ours) = self.best(n, OURS) else { continue };
            let bests = self.bests(n);
            let embedded = |best: &&Best| {
                Subject::named(best.subject).is_ok_and(|s| s.embedded && s.reads && !s.is_ours())
            };
            let to = |other: &Best| ratio(times_better(case.better, ours.value, other.value));
            let none = || "-".to_owned();
            let peer = bests.iter().find(embedded);
            let limit = bests.iter().find(|best| best.subject == LIMIT);
            lines.push(vec![
                case.name.clone(),
                format!("{} {}", short(ours.value), case.unit),
                peer.map_or_else(none, |peer| {
                    format!("{} {}", peer.subject, peer.mode).trim_end().to_owned()
                }),
                peer.map_or_else(none, to),
                limit.map_or_else(none, to),
            ]);
        }
        lines
    }
}

fn rounds((mode, values): (&&str, &Vec<f64>)) -> (String, Value) {
    ((*mode).to_owned(), values.clone().into())
}

fn times_better(better: Better, ours: f64, other: f64) -> f64 {
    match better {
        Better::Higher => ours / other,
        Better::Lower => other / ours,
    }
}

/// Two digits that say something, however small.
fn ratio(times: f64) -> String {
    if times < 0.1 { format!("{times:.4} x") } else { format!("{times:.2} x") }
}

/// A mode's name in results.
pub fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Own => "own",
        Mode::Front => "front",
        Mode::Native => "native",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_mode_stands_for_a_peer_and_the_median_for_a_mode() {
        let mut samples = Samples::default();
        let case = Case { name: "append-1".into(), unit: "events/s", better: Better::Higher };
        for value in [90.0, 120.0, 60.0] {
            samples.add(&case, OURS, "own", value);
        }
        samples.add(&case, "fjall", "front", 30.0);
        samples.add(&case, "fjall", "native", 45.0);
        samples.add(&case, "redb", "front", 10.0);
        samples.add(&case, "postgres", "front", 80.0);
        samples.add(&case, "okaywal", "front", 70.0);
        samples.add(&case, LIMIT, "", 180.0);
        let cells = ["append-1", "90.0 events/s", "fjall native", "2.00 x", "0.50 x"];
        assert_eq!(samples.summary(), [cells.map(str::to_owned)]);
        let rows = samples.rows("log");
        let subjects: Vec<_> = rows.iter().map(|row| row.subject.as_str()).collect();
        assert_eq!(subjects, [OURS, "postgres", "okaywal", "fjall", "redb", LIMIT]);
        assert_eq!(rows[3].extra["values"].to_string(), r#"{"front":[30.0],"native":[45.0]}"#);
    }

    #[test]
    fn less_is_better_where_it_is() {
        let mut samples = Samples::default();
        let case = Case { name: "reopen-1m".into(), unit: "ms", better: Better::Lower };
        samples.add(&case, OURS, "own", 10.0);
        samples.add(&case, "fjall", "front", 25.0);
        assert_eq!(samples.summary()[0][3], "2.50 x");
    }
}

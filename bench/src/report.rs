//! Results: rows of JSON for machines, tables for people.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Map, Value};

/// Which way a value gets better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
}

/// One measured value.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The benchmark.
    pub bench: &'static str,
    /// What was done.
    pub case: String,
    /// Who did it: `reenact`, a peer, or a bound that nobody can beat.
    pub subject: String,
    /// The value.
    pub value: f64,
    /// What it counts.
    pub unit: &'static str,
    /// Which way it gets better.
    pub better: Better,
    /// Whatever else there is to say.
    #[serde(flatten)]
    pub extra: Map<String, Value>,
}

/// Writes rows as one list.
pub fn write_json(path: &Path, rows: &[Row]) -> Result<()> {
    let text = serde_json::to_string_pretty(rows)? + "\n";
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}

/// Lays out a table: numbers to the right, words to the left.
pub fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let head: Vec<String> = head.iter().map(ToString::to_string).collect();
    let all: Vec<&Vec<String>> = std::iter::once(&head).chain(rows).collect();
    let width = |column: usize| all.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let numeric = |column: usize| rows.iter().all(|row| is_number(&row[column]));
    let numeric: Vec<bool> = (0..head.len()).map(numeric).collect();
    let line = |row: &&Vec<String>| {
        let cell = |(n, cell): (usize, &String)| {
            let width = widths[n];
            if numeric[n] { format!("{cell:>width$}") } else { format!("{cell:<width$}") }
        };
        row.iter().enumerate().map(cell).collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
    };
    all.iter().map(line).collect()
}

fn is_number(cell: &str) -> bool {
    cell == "-" || cell.trim_end_matches([' ', 'x', '%']).parse::<f64>().is_ok()
}

/// A number with as many digits as say something.
pub fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_to_the_right() {
        let rows = [vec!["a".into(), short(1234.5)], vec!["long".into(), short(7.0)]];
        assert_eq!(table(&["name", "x"], &rows), "name     x\na     1234\nlong  7.00\n");
    }

    #[test]
    fn extra_fields_stand_beside_the_others() {
        let extra = Map::from_iter([("ticks".to_owned(), Value::from(60))]);
        let (case, subject) = ("c".into(), "s".into());
        let row = Row { bench: "b", case, subject, value: 1.5, unit: "ms", better: Better::Lower, extra };
        let text =
            r#"{"bench":"b","case":"c","subject":"s","value":1.5,"unit":"ms","better":"lower","ticks":60}"#;
        assert_eq!(serde_json::to_string(&row).unwrap(), text);
    }
}

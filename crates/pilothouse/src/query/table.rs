//! Series with one sample each, as a table: a column for each label, the value on the right.

use super::value::Series;
use super::{NAME, name_of, number};
use crate::terminal::{Look, Paint, clean, pad, pad_left};
use std::collections::BTreeSet;

/// Between columns.
const GAP: usize = 2;

pub(super) fn table(series: &[Series], look: Look) -> String {
    let value = |one: &Series| one.samples.last().map_or(f64::NAN, |(_, value)| *value);
    let labels: BTreeSet<&str> = series
        .iter()
        .flat_map(|one| one.labels.iter().map(|(name, _)| name.as_str()))
        .collect();
    let mut columns: Vec<Vec<String>> = labels
        .iter()
        .map(|label| {
            let title = if *label == NAME { "metric" } else { label };
            let of = |one: &Series| {
                let found = one.labels.iter().find(|(name, _)| name == label);
                clean(found.map_or("", |(_, value)| value.as_str()))
            };
            std::iter::once(title.to_owned())
                .chain(series.iter().map(of))
                .collect()
        })
        .collect();
    let width = |column: &Vec<String>| {
        column
            .iter()
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let numbers: Vec<String> = std::iter::once("value".to_owned())
        .chain(series.iter().map(|one| exact(value(one))))
        .collect();
    let total = columns.iter().map(|c| width(c) + GAP).sum::<usize>() + width(&numbers);
    if total > look.width {
        // Too many labels for a row: one column, and what does not fit follows.
        let names = series.iter().map(|one| clean(&name_of(one)));
        columns = vec![std::iter::once("series".to_owned()).chain(names).collect()];
    }
    let value_width = width(&numbers);
    let mut out = String::new();
    for (row, number) in numbers.iter().enumerate() {
        let mut line = String::new();
        for column in &columns {
            let room = width(column).min(look.width.saturating_sub(value_width + GAP));
            line.push_str(&pad(&column[row], room));
            line.push_str(&" ".repeat(GAP));
        }
        line.push_str(&pad_left(number, value_width));
        if row == 0 {
            line = look.paint(Paint::Bold, &line);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// Every digit of a whole number, five that count of another.
fn exact(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        number::trimmed(value, 0)
    } else {
        number::short(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look {
        width: 80,
        color: false,
        cut: false,
    };

    fn one(labels: &[(&str, &str)], value: f64) -> Series {
        let labels = labels
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        Series {
            labels: labels.collect(),
            samples: vec![(0, value)],
        }
    }

    #[test]
    fn tables() {
        let series = [
            one(&[("__name__", "up"), ("job", "mcp-server")], 1.0),
            one(&[("__name__", "up"), ("instance", "a:1")], 1_234_567.0),
            one(&[("__name__", "up"), ("job", "x\u{1b}y")], 0.25),
        ];
        let want = "\
metric  instance  job           value
up                mcp-server        1
up      a:1                   1234567
up                x\u{FFFD}y            0.25
";
        assert_eq!(table(&series, PLAIN), want);
        assert_eq!(table(&[one(&[], 3.0)], PLAIN), "value\n    3\n");
    }

    #[test]
    fn many_labels_become_one_column() {
        let long = "x".repeat(50);
        let series = [one(&[("a", &long), ("b", &long)], 2.0)];
        let want = format!(
            "series{}  value\n{{a=\"{long}\", b=\"{long}\"}}      2\n",
            " ".repeat(67)
        );
        assert_eq!(table(&series, PLAIN), want);
    }
}

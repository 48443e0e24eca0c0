//! Whose cost it is, as people read it.

use std::fmt::Write as _;

use super::{Attributed, Row, Sum, What};
use crate::bill::percent;
use crate::price::Money;

/// As Markdown.
///
/// - `rows_max`: rows that each table lists; the rest is one row.
#[must_use]
pub fn markdown(cost: &Attributed, rows_max: usize) -> String {
    let mut out = String::new();
    sums(&mut out, "server", &cost.servers, cost, rows_max);
    sums(&mut out, "client", &cost.clients, cost, rows_max);
    rows(&mut out, cost, rows_max);
    let currency = cell(&cost.currency);
    match cost.per_call {
        Some(amount) => {
            let _ = writeln!(
                out,
                "- A call cost {amount} {currency}; Pilothouse itself and what nobody used are not in it."
            );
        }
        None => out.push_str("- Nothing was called: there is no cost of a call.\n"),
    }
    if cost.has_placeholder_prices {
        out.push_str(
            "- CPU and memory are priced by placeholders (OpenCost's published defaults), which nobody pays: say your own in `cost`.\n",
        );
    }
    out.push_str("\n## Arithmetic\n\n");
    for line in &cost.arithmetic {
        let _ = writeln!(out, "- {}", cell(line));
    }
    out
}

fn sums(out: &mut String, title: &str, sums: &[Sum], cost: &Attributed, rows_max: usize) {
    if sums.is_empty() {
        return;
    }
    let _ = write!(
        out,
        "## By {title}\n\n| {title} | calls | {} | of the total |\n| --- | ---: | ---: | ---: |\n",
        cell(&cost.currency)
    );
    let mut line = |name: &str, calls: u64, amount: Money| {
        let share = percent(amount.permille_of(cost.total));
        let _ = writeln!(out, "| {name} | {calls} | {amount} | {share} |");
    };
    let (listed, rest) = sums.split_at(sums.len().min(rows_max));
    for sum in listed {
        line(&named(&sum.name), sum.calls, sum.amount);
    }
    if !rest.is_empty() {
        line(
            &format!("{} more", rest.len()),
            rest.iter().map(|sum| sum.calls).sum(),
            rest.iter().map(|sum| sum.amount).sum(),
        );
    }
    out.push('\n');
}

fn rows(out: &mut String, cost: &Attributed, rows_max: usize) {
    let _ = write!(
        out,
        "## Rows\n\n| for | server | tool | client | calls | {} | by |\n| --- | --- | --- | --- | ---: | ---: | --- |\n",
        cell(&cost.currency)
    );
    let (listed, rest) = cost.rows.split_at(cost.rows.len().min(rows_max));
    for row in listed {
        let (what, by) = words(row.what);
        let _ = writeln!(
            out,
            "| {what} | {} | {} | {} | {} | {} | {by} |",
            cell(&row.server),
            cell(&row.tool),
            client(row),
            row.calls,
            row.amount
        );
    }
    if !rest.is_empty() {
        let amount: Money = rest.iter().map(|row| row.amount).sum();
        let calls: u64 = rest.iter().map(|row| row.calls).sum();
        let _ = writeln!(out, "| {} more | | | | {calls} | {amount} | |", rest.len());
    }
    let _ = write!(
        out,
        "| Total | | | | {} | {} | |\n\n",
        cost.calls, cost.total
    );
}

/// What a row is for, and what it was shared out by.
fn words(what: What) -> (&'static str, &'static str) {
    match what {
        What::Measured => (
            "calls",
            "CPU s and memory of the server, then time in flight",
        ),
        What::InFlight => ("calls", "time in flight: the server is not measured"),
        What::Uncalled => ("a server without calls", "CPU s and memory"),
        What::Own => ("Pilothouse itself", "CPU s and memory"),
        What::Unshared => ("fixed, and nobody called", ""),
        What::Idle => ("idle: paid for and not used", ""),
    }
}

fn client(row: &Row) -> String {
    match row.what {
        What::Measured | What::InFlight => named(&row.client),
        What::Uncalled | What::Own | What::Unshared | What::Idle => String::new(),
    }
}

fn named(name: &str) -> String {
    if name.is_empty() {
        "(without a name)".to_owned()
    } else {
        cell(name)
    }
}

fn cell(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('|', "\\|")
        .replace(['\n', '\r'], " ")
}

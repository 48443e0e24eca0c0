//! A settled bill as people read it.

use std::fmt::Write as _;

use crate::bill::Settled;
use crate::price::Money;

/// As Markdown.
#[must_use]
pub fn markdown(bill: &Settled) -> String {
    let cell = |text: &str| {
        text.replace('\\', "\\\\")
            .replace('|', "\\|")
            .replace(['\n', '\r'], " ")
    };
    let mut out = format!(
        "# Cost in {} ({})\n\n",
        cell(&bill.month),
        cell(&bill.currency)
    );
    for table in tables(bill) {
        if table.rows.is_empty() {
            continue;
        }
        let _ = writeln!(out, "## {}\n", table.title);
        let _ = writeln!(out, "| {} |", table.head.join(" | "));
        let line: Vec<_> = (0..table.head.len())
            .map(|n| if n < table.texts { "---" } else { "---:" })
            .collect();
        let _ = writeln!(out, "| {} |", line.join(" | "));
        for row in &table.rows {
            let cells: Vec<_> = row.iter().map(|text| cell(text)).collect();
            let _ = writeln!(out, "| {} |", cells.join(" | "));
        }
        out.push('\n');
    }
    for note in notes(bill) {
        let _ = writeln!(out, "- {}", cell(&note));
    }
    out.push_str("\n## Arithmetic\n\n");
    for line in &bill.arithmetic {
        let _ = writeln!(out, "- {}", cell(line));
    }
    out
}

/// As a page without anything from elsewhere.
#[must_use]
pub fn html(bill: &Settled) -> String {
    let title = format!(
        "Cost in {} ({})",
        escaped(&bill.month),
        escaped(&bill.currency)
    );
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n<style>body{{font-family:sans-serif;max-width:70em;margin:2em auto}}table{{border-collapse:collapse}}td,th{{padding:.3em .8em;border-bottom:1px solid #ccc;text-align:right}}.t{{text-align:left}}</style>\n<h1>{title}</h1>\n"
    );
    for table in tables(bill) {
        if table.rows.is_empty() {
            continue;
        }
        let _ = writeln!(out, "<h2>{}</h2>\n<table>", table.title);
        let line = |kind: &str, cells: &[String]| {
            let cells = cells.iter().enumerate().map(|(n, text)| {
                let class = if n < table.texts { " class=\"t\"" } else { "" };
                format!("<{kind}{class}>{}</{kind}>", escaped(text))
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let head: Vec<String> = table.head.iter().map(|&text| text.to_owned()).collect();
        out.push_str(&line("th", &head));
        for row in &table.rows {
            out.push_str(&line("td", row));
        }
        out.push_str("</table>\n");
    }
    let list = |title: &str, lines: &[String]| {
        let items = lines
            .iter()
            .map(|line| format!("<li>{}</li>\n", escaped(line)));
        format!(
            "<h2>{title}</h2>\n<ul>\n{}</ul>\n",
            items.collect::<String>()
        )
    };
    out.push_str(&list("To know", &notes(bill)));
    out.push_str(&list("Arithmetic", &bill.arithmetic));
    out.push_str("</html>\n");
    out
}

struct Table {
    title: &'static str,
    head: Vec<&'static str>,
    /// Columns that are texts; the others are numbers.
    texts: usize,
    rows: Vec<Vec<String>>,
}

fn tables(bill: &Settled) -> [Table; 2] {
    let or = |money: Option<Money>| money.map_or_else(|| "–".to_owned(), |m| m.to_string());
    let mut rows: Vec<Vec<String>> = bill
        .rows
        .iter()
        .map(|row| {
            vec![
                row.name.clone(),
                or(row.before),
                row.amount.to_string(),
                percent(row.permille_of_total),
                row.used_percent
                    .map_or_else(|| "–".to_owned(), |used| format!("{used} %")),
                or(row.room),
                (row.amount - row.rest).to_string(),
                row.rest.to_string(),
            ]
        })
        .collect();
    rows.push(vec![
        "Total".to_owned(),
        or(bill.before),
        bill.total.to_string(),
        percent(bill.total.permille_of(bill.total)),
        "–".to_owned(),
        "–".to_owned(),
        bill.saved.to_string(),
        bill.rest.to_string(),
    ]);
    let of_rows = Table {
        title: "Rows",
        head: vec![
            "row",
            "month before",
            "amount",
            "of the total",
            "used",
            "room",
            "saved",
            "remains",
        ],
        texts: 1,
        rows,
    };
    let step = |(nth, step): (usize, &crate::bill::Step)| {
        vec![
            (nth + 1).to_string(),
            step.name.clone(),
            step.row.clone(),
            step.saves.to_string(),
            percent(step.permille_of_row),
            percent(step.permille_of_rest),
            percent(step.permille_of_total),
            step.leaves.to_string(),
        ]
    };
    let of_steps = Table {
        title: "Measures, one after the other",
        head: vec![
            "",
            "measure",
            "row",
            "saves",
            "of the row as it was",
            "of what was left of it",
            "of the total",
            "leaves of the row",
        ],
        texts: 3,
        rows: bill.steps.iter().enumerate().map(step).collect(),
    };
    [of_rows, of_steps]
}

fn notes(bill: &Settled) -> Vec<String> {
    let mut notes = vec![format!(
        "{} − {} = {} {} remain; saved are {} of the total. In another order measures of one row save other amounts.",
        bill.total,
        bill.saved,
        bill.rest,
        bill.currency,
        percent(bill.saved_permille_of_total)
    )];
    if bill.saved_with_fewer_nodes > Money::ZERO {
        notes.push(format!(
            "{} of it is saved only when nodes go: smaller or fewer pods on as many nodes cost what they did.",
            bill.saved_with_fewer_nodes
        ));
    }
    if bill.has_placeholder_prices {
        notes.push(
            "Pods are priced by placeholders (OpenCost's published defaults), which nobody pays: say your own `prices`.".to_owned(),
        );
    }
    match &bill.sla {
        Some(sla) => notes.push(format!("{}: {} before, {} after.", sla.promise, sla.before, sla.after)),
        None => notes.push("Nothing is said here of the service level before and after: a saving that costs it is none.".to_owned()),
    }
    notes
}

/// Thousandths as percent with one place.
pub(crate) fn percent(permille: Option<i64>) -> String {
    match permille {
        None => "–".to_owned(),
        Some(share) => {
            let sign = if share < 0 { "-" } else { "" };
            let share = share.unsigned_abs();
            format!("{sign}{}.{} %", share / 10, share % 10)
        }
    }
}

pub(super) fn permille(share: u64) -> String {
    percent(i64::try_from(share).ok())
}

/// Thousandths of something that is counted.
pub(super) fn count(milli: u64) -> String {
    let text = format!("{}.{:03}", milli / 1000, milli % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

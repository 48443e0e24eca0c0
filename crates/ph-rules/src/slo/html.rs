//! A report as one HTML page, without anything from elsewhere.

use super::markdown::{cells, made, what};
use super::report::{Report, ReportRow};
use super::row::Verdict;
use super::words::{count, percent, rough};

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:#1b1f24;background:#fff}\
table{border-collapse:collapse;width:100%;margin:1rem 0;font-variant-numeric:tabular-nums}\
th,td{text-align:left;padding:.35rem .6rem;border-bottom:1px solid #d0d7de;vertical-align:top}\
.met{color:#1a7f37}.at_risk{color:#9a6700}.violated{color:#cf222e}.insufficient_data{color:#57606a}\
@media (prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}th,td{border-color:#30363d}\
.met{color:#3fb950}.at_risk{color:#d29922}.violated{color:#f85149}.insufficient_data{color:#8b949e}}";

/// The report as one HTML page.
#[must_use]
pub fn html(report: &Report) -> String {
    let title = format!("Service levels in {}", escaped(&report.month));
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{}</p>\n",
        escaped(&made(report))
    );
    if report.slos.is_empty() {
        out.push_str("<p>No objectives are configured.</p>\n");
    } else {
        let head = [
            "objective",
            "promised",
            "good",
            "events",
            "bad",
            "budget left",
            "seen",
            "verdict",
        ];
        let rows = report
            .slos
            .iter()
            .map(|row| (Some(row.month.verdict), cells(&row.month).to_vec()));
        table(&mut out, &head, rows);
    }
    for row in &report.slos {
        section(&mut out, row);
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn section(out: &mut String, row: &ReportRow) {
    let (name, promise) = (escaped(&row.month.name), escaped(&row.month.promise));
    out.push_str(&format!("<h2>{name}</h2>\n<p>{promise}."));
    for source in &row.month.sources {
        let (valid, bad) = (count(source.events.valid()), count(source.events.bad));
        out.push_str(&format!(" {}: {valid}, bad {bad}.", what(&source.source)));
    }
    out.push_str("</p>\n");
    let rows = row.days.iter().map(|day| {
        let cells = vec![
            day.day.clone(),
            day.good_percent.map_or_else(|| "–".to_owned(), percent),
            count(day.events.valid()),
            count(day.events.bad),
            rough(day.seen_ms),
        ];
        (None, cells)
    });
    table(out, &["day", "good", "events", "bad", "seen"], rows);
}

/// The last cell of a row with a verdict has its colour.
fn table(
    out: &mut String,
    head: &[&str],
    rows: impl Iterator<Item = (Option<Verdict>, Vec<String>)>,
) {
    out.push_str("<table>\n<thead><tr>");
    for name in head {
        out.push_str(&format!("<th scope=\"col\">{name}</th>"));
    }
    out.push_str("</tr></thead>\n<tbody>\n");
    for (verdict, cells) in rows {
        out.push_str("<tr>");
        let last = cells.len().saturating_sub(1);
        for (nth, cell) in cells.iter().enumerate() {
            let class = verdict.filter(|_| nth == last).map_or("", class);
            out.push_str(&format!("<td{class}>{}</td>", escaped(cell)));
        }
        out.push_str("</tr>\n");
    }
    out.push_str("</tbody>\n</table>\n");
}

fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Met => " class=\"met\"",
        Verdict::AtRisk => " class=\"at_risk\"",
        Verdict::Violated => " class=\"violated\"",
        Verdict::InsufficientData => " class=\"insufficient_data\"",
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

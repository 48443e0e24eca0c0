//! The screens below the first one: calls, and one call with its trace.

use super::figures::{NONE, duration};
use super::grid::{self, Column};
use super::page::{Cells, Page, Row, Target, USUAL};
use crate::terminal::{Look, Paint, clean};
use ph_store::trace::Trace;
use serde_json::Value as Json;

const CALLS: [Column; 7] = [
    grid::text("TIME", 0),
    grid::number("TOOK", 1),
    grid::text("CALL", 0),
    grid::text("OUTCOME", 2),
    grid::text("SERVER", 4),
    grid::text("CLIENT", 3),
    grid::text("ERROR", 5),
];
/// What is said of a call, in this order, where it is known.
const FIELDS: [&str; 12] = [
    "server",
    "replica",
    "method",
    "tool",
    "target",
    "client",
    "principal",
    "session",
    "outcome",
    "blame",
    "error",
    "params",
];
/// Lines of one field.
const LINES_MAX: usize = 6;

/// What went wrong, in the place of what was asked for.
pub(super) fn problem(why: &str, look: Look) -> Vec<Row> {
    let mut page = Page::new(look, "");
    page.line(Paint::Warn, &clean(why));
    page.rows
}

/// Calls, or whatever a query has found.
pub(super) fn calls(records: &[Json], look: Look) -> Vec<Row> {
    let mut page = Page::new(look, "");
    if records.is_empty() {
        page.line(Paint::Faint, "Nothing matches. `/` changes the query.");
    } else {
        page.table(&CALLS, records.iter().map(cells).collect());
    }
    page.rows
}

fn cells(record: &Json) -> Cells {
    let text = |key: &str| record[key].as_str().map(clean).unwrap_or_default();
    let paint = match record["level"].as_str() {
        Some("error") => Paint::Bad,
        Some("warn") => Paint::Warn,
        _ => USUAL,
    };
    let first = |keys: &[&str]| {
        let known = keys.iter().map(|key| text(key));
        known
            .into_iter()
            .find(|text| !text.is_empty())
            .unwrap_or_default()
    };
    let timestamp = text("timestamp");
    let took = record["duration"].as_f64();
    let cells = vec![
        timestamp.get(11..19).unwrap_or(&timestamp).to_owned(),
        took.map_or_else(|| NONE.to_owned(), |ms| duration(Some(ms / 1e3))),
        first(&["tool", "target", "method", "name", "message"]),
        first(&["outcome", "event", "kind"]),
        first(&["server", "service"]),
        first(&["principal", "client"]),
        text("error"),
    ];
    let is_id = |id: &&str| !id.is_empty() && id.bytes().all(|b| b.is_ascii_hexdigit());
    let target = record["trace_id"]
        .as_str()
        .filter(is_id)
        .map(|id| Target::Trace {
            id: id.to_owned(),
            call: record.clone(),
        });
    (paint, cells, target)
}

/// What was recorded of a call.
pub(super) fn call(record: &Json, look: Look) -> Vec<Row> {
    let mut page = Page::new(look, "");
    let time = record["timestamp"].as_str().map(clean).unwrap_or_default();
    let took = duration(record["duration"].as_f64().map(|ms| ms / 1e3));
    let status = record["status"].as_u64();
    let status = status.map_or_else(String::new, |status| format!("  status {status}"));
    page.line(Paint::Bold, &format!("{time}  {took}{status}"));
    let width = FIELDS.iter().map(|name| name.len()).max().unwrap_or(0);
    for name in FIELDS {
        let text = match &record[name] {
            Json::Null => continue,
            Json::String(text) => clean(text),
            other => clean(&other.to_string()),
        };
        let room = look.width.saturating_sub(width + 2).max(8);
        for (nth, piece) in folded(&text, room).into_iter().enumerate() {
            let name = if nth == 0 { name } else { "" };
            let paint = if name == "error" { Paint::Bad } else { USUAL };
            page.line(paint, &format!("{name:<width$}  {piece}"));
        }
    }
    page.rows.push(Row::plain(String::new()));
    page.rows
}

/// A text in lines of at most `room` cells, the last of them cut.
fn folded(text: &str, room: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() && lines.len() + 1 < LINES_MAX {
        let fits = grid::fitting(rest, room);
        // One letter that is wider than the room.
        let at = if fits == 0 {
            rest.chars().next().map_or(0, char::len_utf8)
        } else {
            fits
        };
        let (line, behind) = rest.split_at(at);
        lines.push(line.to_owned());
        rest = behind;
    }
    if !rest.is_empty() {
        lines.push(grid::cut(rest, room));
    }
    lines
}

/// The tree of a trace.
pub(super) fn trace(trace: &Trace, id: &str, fold: bool, look: Look) -> Vec<Row> {
    let text = crate::trace::tree(trace, id, fold, look);
    text.lines()
        .map(|line| Row::plain(line.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const LOOK: Look = Look {
        width: 30,
        color: false,
        cut: true,
    };

    #[test]
    fn a_call_in_lines() {
        let record = json!({"timestamp": "2026-11-22T17:00:00Z", "duration": 2500.0, "status": 200,
            "tool": "search\u{1b}[31m", "params": "x".repeat(60)});
        let lines: Vec<String> = call(&record, LOOK)
            .into_iter()
            .map(|row| row.text)
            .collect();
        assert_eq!(lines[0], "2026-11-22T17:00:00Z  2.5 s  …");
        assert_eq!(lines[1], "tool       search\u{FFFD}[31m");
        assert_eq!(lines[2], format!("params     {}", "x".repeat(19)));
        assert_eq!(lines[5], format!("           {}", "x".repeat(3)));
    }

    #[test]
    fn long_texts_are_cut() {
        let lines = folded(&"検索".repeat(4_000), 7);
        assert_eq!(lines.len(), LINES_MAX);
        assert_eq!(lines[0], "検索検");
        assert!(lines[5].ends_with('…'));
        assert!(folded("", 7).is_empty());
        assert_eq!(folded("検", 1).concat(), "検");
    }
}

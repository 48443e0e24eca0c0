//! A tree of spans with its times, for people.

use crate::ask::time_of_day;
use crate::logs::milliseconds;
use crate::terminal::{Look, Paint, clean, cut, pad, pad_left};
use ph_store::trace::{Note, Place, Row, Span, SpanKind, Trace};

/// Lines beside one span; more are counted.
const NOTES_MAX: usize = 5;
/// Of the two columns of times.
const TIME: usize = 10;
/// Names are no narrower than this, however deep they lie.
const NAME_MIN: usize = 20;

/// - `id`: of the trace.
/// - `fold`: identical siblings are one row.
pub(crate) fn tree(trace: &Trace, id: &str, fold: bool, look: Look) -> String {
    let parents = parents(trace);
    let rows: Vec<(Row, String)> = trace
        .rows(fold)
        .into_iter()
        .map(|row| {
            let name = name(trace, &parents, &row);
            (row, name)
        })
        .collect();
    let mut out = head(trace, id, look);
    let name_width = name_width(&rows, look);
    let title = format!(
        "{}{}{}",
        pad("", name_width),
        pad_left("total", TIME),
        pad_left("self", TIME)
    );
    out.push_str(&look.paint(Paint::Bold, &title));
    out.push('\n');
    for (row, name) in &rows {
        show_row(&mut out, trace, (row, name), name_width, look);
    }
    if !trace.loose_notes.is_empty() {
        out.push_str("lines of the trace that name no span here:\n");
        show_notes(&mut out, trace, &trace.loose_notes, "  ", look);
    }
    remarks(&mut out, trace);
    out
}

fn head(trace: &Trace, id: &str, look: Look) -> String {
    let (start, end) = trace.bounds_ns().unwrap_or_default();
    let ms = i64::try_from(start / 1_000_000).unwrap_or(i64::MAX);
    let duration = milliseconds((end - start) as f64 / 1e6);
    let spans = trace.spans.len();
    let failed = trace.spans.iter().filter(|span| span.is_failed).count();
    let mut text = format!(
        "{}  {}\n",
        look.paint(Paint::Bold, &format!("trace {id}")),
        duration
    );
    text.push_str(&format!(
        "{} UTC, {}",
        time_of_day(ms),
        count(spans, "span")
    ));
    if failed > 0 {
        text.push_str(&look.paint(Paint::Bad, &format!(", {failed} failed")));
    }
    text.push_str("\n\n");
    text
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Lines and corners that lead to a row.
fn guides(row: &Row) -> String {
    let mut text = String::new();
    for (nth, is_last) in row.is_last.iter().enumerate().skip(1) {
        let is_own = nth + 1 == row.is_last.len();
        text.push_str(match (is_own, is_last) {
            (true, true) => "└─ ",
            (true, false) => "├─ ",
            (false, true) => "   ",
            (false, false) => "│  ",
        });
    }
    text
}

/// Lines that lead past what stands beneath a row.
fn guides_below(row: &Row, has_children: bool) -> String {
    let mut text: String = row
        .is_last
        .iter()
        .skip(1)
        .map(|is_last| if *is_last { "   " } else { "│  " })
        .collect();
    text.push_str(if has_children { "│  " } else { "   " });
    text
}

/// `fs.stat × 1000 (2100 ms)`, `tools/call search [files]`.
fn name(trace: &Trace, parents: &[Option<usize>], row: &Row) -> String {
    let Some(at) = row.spans.first().copied() else {
        return String::new();
    };
    let first = &trace.spans[at];
    let mut text = clean(&first.name);
    if row.count > 1 {
        text = format!("{text} × {} ({})", row.count, folded_total(row.total_ns));
    }
    let by = match (first.is_own, first.kind, &first.server) {
        (true, SpanKind::Client, _) => Some("to the server".to_owned()),
        (true, _, server) => server.as_deref().map(clean),
        (false, ..) => {
            // A name is only said where it changes.
            let above = parents[at].map(|parent| &trace.spans[parent].service);
            (above != Some(&first.service) && !first.service.is_empty())
                .then(|| clean(&first.service))
        }
    };
    match by {
        Some(by) => format!("{text} [{by}]"),
        None => text,
    }
}

/// Whole milliseconds, unless that would be none.
fn folded_total(ns: u64) -> String {
    if ns >= 10_000_000 {
        format!("{} ms", (ns + 500_000) / 1_000_000)
    } else {
        milliseconds(ns as f64 / 1e6)
    }
}

/// The place of what is above each span.
fn parents(trace: &Trace) -> Vec<Option<usize>> {
    let mut parents = vec![None; trace.spans.len()];
    for (at, span) in trace.spans.iter().enumerate() {
        for child in &span.children {
            parents[*child] = Some(at);
        }
    }
    parents
}

fn name_width(rows: &[(Row, String)], look: Look) -> usize {
    let widest = rows
        .iter()
        .map(|(row, name)| guides(row).chars().count() + name.chars().count())
        .max()
        .unwrap_or(0);
    widest
        .min(look.width.saturating_sub(2 * TIME))
        .max(NAME_MIN)
}

fn show_row(
    out: &mut String,
    trace: &Trace,
    (row, name): (&Row, &str),
    name_width: usize,
    look: Look,
) {
    let guides = guides(row);
    let room = name_width.saturating_sub(guides.chars().count()).max(8);
    let name = pad(&cut(name, room), room);
    let first = row.spans.first().map(|at| &trace.spans[*at]);
    let is_failed = first.is_some_and(|span| span.is_failed);
    let name = match (is_failed, row.is_longest_self) {
        (true, _) => look.paint(Paint::Bad, &name),
        (false, true) => look.paint(Paint::Warn, &name),
        (false, false) => name,
    };
    let time = |ns: u64| pad_left(&milliseconds(ns as f64 / 1e6), TIME);
    out.push_str(&format!(
        "{guides}{name}{}{}",
        time(row.total_ns),
        time(row.self_ns)
    ));
    out.push('\n');
    let has_children = row
        .spans
        .iter()
        .any(|at| !trace.spans[*at].children.is_empty())
        && row.hidden == 0;
    let below = guides_below(row, has_children);
    for remark in row_remarks(row, first, look) {
        out.push_str(&format!("{below}{remark}\n"));
    }
    let notes: Vec<usize> = row
        .spans
        .iter()
        .flat_map(|at| trace.spans[*at].notes.iter().copied())
        .collect();
    show_notes(out, trace, &notes, &below, look);
}

/// What is to be said of a row, beneath it.
fn row_remarks(row: &Row, first: Option<&Span>, look: Look) -> Vec<String> {
    let mut remarks = Vec::new();
    if row.is_longest_self {
        let waited = if row.critical_ns.saturating_mul(2) < row.self_ns {
            ", but little of it was waited for"
        } else {
            ""
        };
        remarks.push(look.paint(Paint::Warn, &format!("^ longest self time{waited}")));
    }
    if let Some(span) = first {
        let mut ending = String::new();
        if span.is_failed || span.status.is_some_and(|status| status != 200) {
            let status = span
                .status
                .map_or_else(String::new, |status| format!(" {status}"));
            ending = format!("! {}{status}", clean(&span.outcome));
        }
        if let Some(error) = span.error.as_deref().filter(|_| span.is_failed) {
            ending = format!("{ending}: {}", clean(error));
        }
        if !ending.is_empty() {
            remarks.push(look.paint(
                Paint::Bad,
                &if look.cut {
                    cut(&ending, look.width)
                } else {
                    ending
                },
            ));
        }
        match span.place {
            Place::Orphan => remarks.push("(the span above it is missing)".to_owned()),
            Place::Cut => remarks.push("(it is said to be beneath itself)".to_owned()),
            Place::Root | Place::Child => {}
        }
    }
    if row.hidden > 0 {
        remarks.push(format!(
            "… {} below, too deep to show",
            count(row.hidden, "span")
        ));
    }
    remarks
}

fn show_notes(out: &mut String, trace: &Trace, notes: &[usize], indent: &str, look: Look) {
    let start = trace.bounds_ns().unwrap_or_default().0;
    for note in notes.iter().take(NOTES_MAX).map(|at| &trace.notes[*at]) {
        let line = format!("{indent}{}", note_line(note, start));
        let line = if look.cut {
            cut(&line, look.width)
        } else {
            line
        };
        out.push_str(&look.paint(Paint::Faint, &line));
        out.push('\n');
    }
    if notes.len() > NOTES_MAX {
        out.push_str(&format!(
            "{indent}… {} more\n",
            count(notes.len() - NOTES_MAX, "line")
        ));
    }
}

/// `+12.3 ms stderr info: opened the index`
fn note_line(note: &Note, start_ns: u64) -> String {
    let after = note.at_ns as f64 - start_ns as f64;
    let sign = if after < 0.0 { '-' } else { '+' };
    format!(
        "{sign}{} {} {}: {}",
        milliseconds(after.abs() / 1e6),
        note.kind,
        note.level,
        clean(&note.message)
    )
}

fn remarks(out: &mut String, trace: &Trace) {
    let omitted = trace.omitted;
    if omitted.spans > 0 {
        out.push_str(&format!(
            "{} more are not shown\n",
            count(omitted.spans, "span")
        ));
    }
    if omitted.notes > 0 {
        out.push_str(&format!(
            "{} more are not shown\n",
            count(omitted.notes, "line")
        ));
    }
    if omitted.duplicates > 0 {
        out.push_str(&format!(
            "{} came twice\n",
            count(omitted.duplicates, "span")
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOK: Look = Look {
        width: 80,
        color: false,
        cut: false,
    };

    fn span(id: &str, parent: &str, name: &str, start_us: u64, duration_us: u64) -> String {
        format!(
            r#"{{"timestamp":"x","kind":"span","span_id":"{id}","parent_span_id":"{parent}","service":"workbench","name":"{name}","start":"2026-11-22T17:00:{:02}.{:06}Z","duration":{}.{:03},"outcome":"unset"}}"#,
            start_us / 1_000_000,
            start_us % 1_000_000,
            duration_us / 1000,
            duration_us % 1000
        )
    }

    #[test]
    fn a_tree() {
        let mut lines = vec![
            r#"{"timestamp":"2026-11-22T17:00:02.500000Z","level":"warn","kind":"call","trace_id":"t","span_id":"a","server":"files","method":"tools/call","tool":"searchFiles","status":200,"outcome":"tool_error","duration":2500.000,"upstream_span_id":"b","upstream_start_ms":0.2,"upstream_ms":2499.5,"error":"no such directory"}"#.to_owned(),
            r#"{"timestamp":"2026-11-22T17:00:01.000000Z","level":"info","kind":"stderr","message":"walking /etc","span_id":"a","server":"files"}"#.to_owned(),
            r#"{"timestamp":"2026-11-22T17:00:01.000000Z","level":"warn","kind":"log","message":"loose","service":"workbench"}"#.to_owned(),
            span("s", "b", "tools/call searchFiles", 500, 2_498_000),
            span("r", "s", "fs.readdir", 600, 3_210),
            span("m", "s", "filter.match", 2_200_000, 250),
            span("o", "gone", "late", 2_300_000, 1_000),
        ];
        lines.extend(
            (0..1000).map(|n| span(&format!("t{n}"), "s", "fs.stat", 10_000 + n * 2_100, 2_100)),
        );
        let trace = Trace::build(lines.iter().map(|line| line.as_bytes()));
        let want = "\
trace 0af7651916cd43dd8448eb211c80319c  2500 ms
11-22 17:00:00.000 UTC, 1006 spans, 2 failed

                                              total      self
tools/call searchFiles [files]              2500 ms   0.50 ms
│  ! tool_error 200: no such directory
│  +1000 ms stderr info: walking /etc
└─ tools/call searchFiles [to the server]   2500 ms   1.50 ms
   │  ! tool_error
   └─ tools/call searchFiles [workbench]    2498 ms    395 ms
      ├─ fs.readdir                         3.21 ms   3.21 ms
      ├─ fs.stat × 1000 (2100 ms)           2100 ms   2100 ms
      │     ^ longest self time
      └─ filter.match                       0.25 ms   0.25 ms
late [workbench]                            1.00 ms   1.00 ms
   (the span above it is missing)
lines of the trace that name no span here:
  +1000 ms log warn: loose
";
        let got = tree(&trace, "0af7651916cd43dd8448eb211c80319c", true, LOOK);
        assert_eq!(got, want, "\n{got}");
        assert!(got.lines().all(|line| line.chars().count() <= 80));
    }
}

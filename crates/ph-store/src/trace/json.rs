//! A trace as JSON, the same from the API and from the command line.

use super::build::Trace;
use super::fold::Row;
use super::span::{Note, Place, Span};
use serde_json::{Value, json};

impl Trace {
    /// The tree as JSON: `spans` (flat, each with its parent), `rows` (as they are shown, folded) and `notes`. Times
    /// are milliseconds since the start of the trace.
    ///
    /// - `trace_id`: 32 hex digits.
    pub fn to_json(&self, trace_id: &str) -> Value {
        let (start_ns, end_ns) = self.bounds_ns().unwrap_or_default();
        let spans = self.spans.iter().map(|span| self.span_json(span, start_ns));
        let rows = self.rows(true);
        let rows = rows.iter().map(|row| self.row_json(row));
        let notes = self.notes.iter().map(|note| note_json(note, start_ns));
        json!({
            "version": 1,
            "trace_id": trace_id,
            "start_unix_ns": start_ns.to_string(),
            "duration": ms(end_ns - start_ns),
            "spans": spans.collect::<Vec<_>>(),
            "rows": rows.collect::<Vec<_>>(),
            "notes": notes.collect::<Vec<_>>(),
            "omitted": {
                "spans": self.omitted.spans,
                "notes": self.omitted.notes,
                "duplicates": self.omitted.duplicates,
            },
        })
    }

    fn span_json(&self, span: &Span, start_ns: u64) -> Value {
        let mut json = json!({
            "span_id": span.id,
            "name": span.name,
            "service": span.service,
            "kind": span.kind.as_label(),
            "start": ms(span.start_ns.saturating_sub(start_ns)),
            "duration": ms(span.duration_ns),
            "self": ms(span.self_ns),
            "critical": ms(span.critical_ns),
            "outcome": span.outcome,
            "failed": span.is_failed,
            "place": place(span.place),
        });
        let optional = [
            ("parent_span_id", span.parent.clone().map(Value::from)),
            ("server", span.server.clone().map(Value::from)),
            ("status", span.status.map(Value::from)),
            ("error", span.error.clone().map(Value::from)),
        ];
        for (key, value) in optional {
            if let Some(value) = value {
                json[key] = value;
            }
        }
        json
    }

    fn row_json(&self, row: &Row) -> Value {
        let first = row.spans.first().map(|at| &self.spans[*at]);
        json!({
            "depth": row.depth,
            "name": first.map(|span| span.name.as_str()),
            "service": first.map(|span| span.service.as_str()),
            "count": row.count,
            "total": ms(row.total_ns),
            "self": ms(row.self_ns),
            "critical": ms(row.critical_ns),
            "waited_for": row.is_critical,
            "longest_self": row.is_longest_self,
            "failed": first.is_some_and(|span| span.is_failed),
            "span_id": first.map(|span| span.id.as_str()),
        })
    }
}

fn note_json(note: &Note, start_ns: u64) -> Value {
    let at_ns = i128::from(note.at_ns) - i128::from(start_ns);
    let mut json = json!({
        "at": at_ns as f64 / 1e6,
        "level": note.level,
        "kind": note.kind,
        "source": note.source,
        "message": note.message,
    });
    if let Some(span_id) = &note.span_id {
        json["span_id"] = span_id.as_str().into();
    }
    json
}

fn place(place: Place) -> &'static str {
    match place {
        Place::Root => "root",
        Place::Child => "child",
        Place::Orphan => "orphan",
        Place::Cut => "cut",
    }
}

/// With the precision of the lines.
fn ms(ns: u64) -> f64 {
    (ns as f64 / 1e3).round() / 1e3
}

//! A record as one line for people.

use crate::terminal::{Look, Paint, clean, cut};
use serde_json::Value as Json;

/// `11-22 17:47:08.135 error 0af76519 files: tools/call search: timeout 504 2500 ms: it took too long`
pub(super) fn line(json: &str, look: Look) -> String {
    let Ok(record) = serde_json::from_str::<Json>(json) else {
        return format!("{}\n", clean(json));
    };
    let text = |key: &str| record[key].as_str().map(clean).unwrap_or_default();
    // RFC 3339 in UTC: the year is known, microseconds are not read.
    let timestamp = text("timestamp");
    let time = timestamp.get(5..23).unwrap_or(&timestamp).replace('T', " ");
    let level = text("level");
    let trace = text("trace_id");
    let trace = trace.get(..8).unwrap_or("-       ").to_owned();
    let source = match text("server") {
        server if server.is_empty() => text("service"),
        server => server,
    };
    let source = if source.is_empty() {
        "pilothouse".to_owned()
    } else {
        source
    };
    let said = match text("kind").as_str() {
        "call" => call(&record),
        "span" => span(&record),
        "event" => format!("{}{}", text("message"), details(&record)),
        kind => format!("[{kind}] {}", text("message")),
    };
    let head = format!("{time} {level:<5} {trace} {source}: ");
    let room = look.width.saturating_sub(head.chars().count()).max(20);
    let said = if look.cut { cut(&said, room) } else { said };
    let paint = match level.as_str() {
        "error" => Paint::Bad,
        "warn" => Paint::Warn,
        _ => Paint::Faint,
    };
    let is_quiet = paint == Paint::Faint;
    format!(
        "{} {} {} {source}: {}\n",
        look.paint(Paint::Faint, &time),
        look.paint(paint, &format!("{level:<5}")),
        look.paint(Paint::Faint, &trace),
        if is_quiet {
            said
        } else {
            look.paint(paint, &said)
        },
    )
}

fn call(record: &Json) -> String {
    let text = |key: &str| record[key].as_str().map(clean).unwrap_or_default();
    let mut said = text("method");
    for key in ["tool", "target"] {
        let name = text(key);
        if !name.is_empty() {
            said = format!("{said} {name}");
        }
    }
    said = format!(
        "{said}: {} {}{}",
        text("outcome"),
        record["status"],
        duration(record)
    );
    let error = text("error");
    if !error.is_empty() {
        said = format!("{said}: {error}");
    }
    let params = text("params");
    if !params.is_empty() {
        said = format!("{said} {params}");
    }
    said
}

fn span(record: &Json) -> String {
    let text = |key: &str| record[key].as_str().map(clean).unwrap_or_default();
    let mut said = format!("[span] {}{}", text("name"), duration(record));
    if text("outcome") == "error" {
        said = format!("{said}: error {}", text("error"));
    }
    said
}

/// What an event has beside its message: the fields that say what happened.
fn details(record: &Json) -> String {
    const KEYS: [&str; 8] = [
        "reason",
        "exit",
        "result",
        "replica",
        "pid",
        "status",
        "backoff_ms",
        "error",
    ];
    let values = KEYS.iter().filter_map(|key| match &record[*key] {
        Json::Null => None,
        Json::String(text) => Some(format!(" {key}={}", clean(text))),
        other => Some(format!(" {key}={other}")),
    });
    values.collect()
}

fn duration(record: &Json) -> String {
    record["duration"]
        .as_f64()
        .map_or_else(String::new, |ms| format!(" {}", milliseconds(ms)))
}

/// Three digits that count, always in milliseconds: numbers below one another are compared.
pub(crate) fn milliseconds(ms: f64) -> String {
    if ms >= 99.95 {
        format!("{ms:.0} ms")
    } else if ms >= 9.995 {
        format!("{ms:.1} ms")
    } else {
        format!("{ms:.2} ms")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        #[track_caller]
        fn check(json: &str, want: &str) {
            let look = Look {
                width: 80,
                color: false,
                cut: false,
            };
            assert_eq!(line(json, look).trim_end(), want);
        }
        check(
            r#"{"timestamp":"2026-11-22T17:47:08.135802Z","level":"error","kind":"call","message":"m","trace_id":"0af7651916cd43dd8448eb211c80319c","server":"files","method":"tools/call","tool":"search","status":504,"outcome":"timeout","duration":2500.25,"error":"too\nlate"}"#,
            "11-22 17:47:08.135 error 0af76519 files: tools/call search: timeout 504 2500 ms: too⏎late",
        );
        check(
            r#"{"timestamp":"2026-11-22T17:47:08.135802Z","level":"info","kind":"stderr","message":"a\u001b[31m","server":"files"}"#,
            "11-22 17:47:08.135 info  -        files: [stderr] a\u{FFFD}[31m",
        );
        check(
            r#"{"timestamp":"2026-11-22T17:47:08.135802Z","level":"warn","kind":"event","message":"child is started again","event":"restart","server":"files","replica":"1","reason":"exit","backoff_ms":250}"#,
            "11-22 17:47:08.135 warn  -        files: child is started again reason=exit replica=1 backoff_ms=250",
        );
        check(
            r#"{"timestamp":"2026-11-22T17:47:08.100000000Z","level":"error","kind":"span","name":"fs.stat","service":"workbench","outcome":"error","error":"gone","duration":0.3121}"#,
            "11-22 17:47:08.100 error -        workbench: [span] fs.stat 0.31 ms: error gone",
        );
        check("no json", "no json");
    }

    #[test]
    fn a_terminal_cuts() {
        let look = Look {
            width: 60,
            color: true,
            cut: true,
        };
        let json = format!(
            r#"{{"timestamp":"2026-11-22T17:47:08.135Z","level":"warn","kind":"log","message":"{}"}}"#,
            "x".repeat(200)
        );
        let got = line(&json, look);
        assert!(
            got.contains("x…\u{1b}[0m") && got.contains("\u{1b}[33mwarn"),
            "{got}"
        );
    }
}

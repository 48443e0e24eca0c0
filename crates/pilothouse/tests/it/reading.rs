//! The commands that read what was kept: beside no daemon, from the directory alone.

use ph_base::trace::TraceId;
use ph_promql::Labels;
use ph_store::RealDisk;
use ph_store::logs::{Entry, Kind, Level, LogOptions, LogStore};
use ph_store::series::{NewSample, Scrape, SeriesOptions, SeriesStore};
use serde_json::Value;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use tempfile::TempDir;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
/// 2026-11-22T17:00:00Z.
const NOON_NS: u64 = 1_795_366_800_000_000_000;

/// A program that reads a directory, its output not on a terminal.
fn command(data: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
    command.args(args).arg("--data-dir").arg(data);
    command
        .env_remove("COLUMNS")
        .env_remove("XDG_STATE_HOME")
        .stdin(Stdio::null());
    command
}

#[track_caller]
fn run(data: &Path, args: &[&str]) -> Output {
    command(data, args).output().unwrap()
}

/// What a command prints, when it ends with this code.
#[track_caller]
fn stdout(data: &Path, args: &[&str], code: i32) -> String {
    let output = run(data, args);
    let talk = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {talk}");
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn stderr(data: &Path, args: &[&str], code: i32) -> String {
    let output = run(data, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
    String::from_utf8(output.stderr).unwrap()
}

/// A call of the second minute: every tenth is slow, looks for `/etc` and fails.
fn call(nth: u64) -> (u64, String) {
    let is_slow = nth.is_multiple_of(10);
    let end_ns = NOON_NS + nth * 1_000_000_000;
    let (pattern, duration, status, outcome) = if is_slow {
        ("/etc/**", 2_500 + nth, 504, "timeout")
    } else {
        ("*.rs", 10, 200, "ok")
    };
    let trace = if nth == 50 {
        TRACE.to_owned()
    } else {
        format!("{:032x}", nth + 1)
    };
    let json = format!(
        r#"{{"timestamp":"2026-11-22T17:{:02}:{:02}.000000Z","level":"{}","kind":"call","message":"tools/call search: {outcome}","trace_id":"{trace}","span_id":"aaaaaaaaaaaaaaaa","server":"files","method":"tools/call","tool":"search","params":"{{\"arguments\":{{\"pattern\":\"{pattern}\"}}}}","status":{status},"outcome":"{outcome}","duration":{duration}.000,"upstream_span_id":"bbbbbbbbbbbbbbbb","upstream_start_ms":1.000,"upstream_ms":{}.000}}"#,
        nth / 60,
        nth % 60,
        if is_slow { "error" } else { "info" },
        duration - 2,
    );
    (end_ns, json)
}

fn span(id: &str, name: &str, start_ms: u64, duration_ms: u64) -> String {
    // The slow call of second 50 began at 47.450.
    let time = |ms: u64| {
        format!(
            "2026-11-22T17:00:{:02}.{:03}000000Z",
            (47_450 + ms) / 1_000,
            (47_450 + ms) % 1_000
        )
    };
    format!(
        r#"{{"timestamp":"{}","level":"info","kind":"span","message":"{name}","trace_id":"{TRACE}","span_id":"{id}","parent_span_id":"bbbbbbbbbbbbbbbb","service":"workbench","name":"{name}","span_kind":"internal","start":"{}","duration":{duration_ms}.000,"outcome":"unset"}}"#,
        time(start_ms + duration_ms),
        time(start_ms),
    )
}

/// A directory as a daemon leaves it.
fn kept() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let store = dir.path().join("store");
    let (mut logs, _) = LogStore::open(
        Arc::new(RealDisk),
        &store.join("logs"),
        LogOptions::default(),
    )
    .unwrap();
    let mut keep = |kind: Kind, level: Level, time_unix_ns: u64, json: &str| {
        let record: Value = serde_json::from_str(json).unwrap();
        let text = |key: &str| record[key].as_str().unwrap_or("").to_owned();
        let (server, method, tool, outcome) = (
            text("server"),
            text("method"),
            text("tool"),
            text("outcome"),
        );
        let entry = Entry {
            kind,
            level,
            time_unix_ns,
            duration_ns: record["duration"].as_f64().map(|ms| (ms * 1e6) as u64),
            status: record["status"]
                .as_u64()
                .and_then(|s| s.try_into().ok())
                .unwrap_or(0),
            trace_id: TraceId::parse(&text("trace_id")),
            server: &server,
            method: &method,
            tool: &tool,
            outcome: &outcome,
            json: json.as_bytes(),
        };
        logs.append(&entry).unwrap();
    };
    for nth in 0..100 {
        let (end_ns, json) = call(nth);
        let level = if nth.is_multiple_of(10) {
            Level::Error
        } else {
            Level::Info
        };
        keep(Kind::Call, level, end_ns, &json);
    }
    for nth in 0..20 {
        let json = span(&format!("{nth:016x}"), "fs.stat", 100 + 100 * nth, 100);
        keep(Kind::Span, Level::Info, NOON_NS + 50_000_000_000, &json);
    }
    let line = format!(
        r#"{{"timestamp":"2026-11-22T17:00:48.000000Z","level":"info","kind":"stderr","message":"walking \u001b[31m/etc","trace_id":"{TRACE}","span_id":"aaaaaaaaaaaaaaaa","server":"files"}}"#
    );
    keep(Kind::Stderr, Level::Info, NOON_NS + 50_000_000_000, &line);
    logs.close();
    let (mut series, _) = SeriesStore::open(
        Arc::new(RealDisk),
        &store.join("series"),
        SeriesOptions::default(),
    )
    .unwrap();
    for nth in 0..41_i64 {
        let t_ms = (NOON_NS / 1_000_000) as i64 + nth * 15_000;
        let sample = |tool: &str, v: f64| {
            let labels = [("__name__", "calls_total"), ("tool", tool)];
            NewSample::from((Labels::from_pairs(labels), v))
        };
        let samples = [
            sample("read", (nth * 30) as f64),
            sample("search", (nth * 15) as f64),
        ];
        series
            .scrape(&Scrape {
                t_ms,
                target: "test",
                samples: &samples,
                exemplars: &[],
                metadata: &[],
            })
            .unwrap();
    }
    series.close().unwrap();
    dir
}

#[test]
fn records_are_found_and_shown() {
    let dir = kept();
    let found = stdout(dir.path(), &["logs", "duration>=2.58s"], 0);
    let want = "\
11-22 17:01:20.000 error 00000000 files: tools/call search: timeout 504 2580 ms {\"arguments\":{\"pattern\":\"/etc/**\"}}
11-22 17:01:30.000 error 00000000 files: tools/call search: timeout 504 2590 ms {\"arguments\":{\"pattern\":\"/etc/**\"}}
";
    assert_eq!(found, want);
    let slowest = stdout(
        dir.path(),
        &[
            "logs",
            "kind=call",
            "--sort",
            "-duration",
            "--limit",
            "2",
            "--json",
        ],
        0,
    );
    let durations: Vec<f64> = slowest
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["duration"]
                .as_f64()
                .unwrap()
        })
        .collect();
    assert_eq!(durations, [2_590.0, 2_580.0]);
    let stderr_line = stdout(dir.path(), &["logs", "kind=stderr"], 0);
    assert_eq!(
        stderr_line,
        "11-22 17:00:48.000 info  0af76519 files: [stderr] walking \u{FFFD}[31m/etc\n"
    );
    // Negation may begin a query.
    let count = |args: &[&str]| stdout(dir.path(), args, 0).lines().count();
    assert_eq!(count(&["logs", "-outcome=ok kind=call"]), 10);
    assert_eq!(
        count(&[
            "logs",
            "kind=call",
            "--since",
            "2026-11-22T17:01:00Z",
            "--until",
            "2026-11-22T17:01:09.5Z"
        ]),
        10
    );
    // Nothing found is an answer.
    let output = run(dir.path(), &["logs", "tool=nothing"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
}

#[test]
fn what_slow_calls_have_in_common() {
    let dir = kept();
    let want = "\
params.pattern  records  share  of others  more often
/etc/**              10   100%         0%   only here
10 records match, beside 90 other calls
";
    assert_eq!(
        stdout(
            dir.path(),
            &[
                "logs",
                "duration>=2s",
                "--top",
                "params.pattern",
                "--limit",
                "5"
            ],
            0
        ),
        want
    );
    let want = "\
params.pattern  calls  share  failed
*.rs               90    90%      0%
/etc/**            10    10%    100%
100 calls, 10 of them failed
";
    assert_eq!(
        stdout(dir.path(), &["logs", "--top", "params.pattern"], 0),
        want
    );
}

#[test]
fn a_trace_is_shown_as_a_tree() {
    let dir = kept();
    let want = "\
trace 0af7651916cd43dd8448eb211c80319c  2550 ms
11-22 17:00:47.450 UTC, 22 spans, 2 failed

                                       total      self
tools/call search [files]            2550 ms   2.00 ms
│  ! timeout 504
│  +550 ms stderr info: walking \u{FFFD}[31m/etc
└─ tools/call search [to the server] 2548 ms    548 ms
   │  ! timeout
   └─ fs.stat × 20 (2000 ms) [workbench]   2000 ms   2000 ms
         ^ longest self time
";
    let got = stdout(dir.path(), &["trace", TRACE], 0);
    let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    assert_eq!(squeezed(&got), squeezed(want), "\n{got}");
    assert!(
        got.lines().all(|line| line.chars().count() <= 80),
        "\n{got}"
    );
    assert_eq!(stdout(dir.path(), &["trace", "0af7"], 0), got);
    let slowest = stdout(dir.path(), &["trace", "--slowest", "duration<2551ms"], 0);
    assert_eq!(slowest, got);
    let json: Value =
        serde_json::from_str(&stdout(dir.path(), &["trace", TRACE, "--json"], 0)).unwrap();
    assert_eq!(json["spans"].as_array().unwrap().len(), 22);
    assert_eq!(json["rows"][2]["count"], 20);
    assert_eq!(
        stdout(dir.path(), &["trace", TRACE, "--unfold"], 0)
            .matches("fs.stat")
            .count(),
        20
    );
}

#[test]
fn numbers_are_a_table_or_a_chart() {
    let dir = kept();
    let want = "\
tool    value
read        2
search      1
";
    let query = "sum by (tool) (rate(calls_total[1m]))";
    let time = "2026-11-22T17:05:00Z";
    assert_eq!(
        stdout(dir.path(), &["query", query, "--time", time], 0),
        want
    );
    let range = [
        "query",
        query,
        "--since",
        "2026-11-22T17:02:00Z",
        "--until",
        "2026-11-22T17:10:00Z",
    ];
    let chart = stdout(dir.path(), &range, 0);
    let legend: Vec<&str> = chart.lines().rev().take(3).collect();
    assert_eq!(
        legend,
        [
            "  + {tool=\"search\"}    1    1     1",
            "  * {tool=\"read\"}      2    2     2",
            "                     min  max  last"
        ],
        "\n{chart}"
    );
    assert!(
        chart.contains("17:02")
            && chart.contains("17:10")
            && chart.contains("UTC, a point every 15s"),
        "\n{chart}"
    );
    assert!(chart.lines().all(|line| line.chars().count() <= 80) && !chart.contains('\u{1b}'));
    let json: Value = serde_json::from_str(&stdout(
        dir.path(),
        &["query", "calls_total", "--time", time, "--json"],
        0,
    ))
    .unwrap();
    assert_eq!(json["status"], "success");
    assert_eq!(json["data"]["result"][0]["value"][1], "600");
}

#[test]
fn what_is_wrong_is_said() {
    let dir = kept();
    let said = stderr(dir.path(), &["logs", "tol=search"], 2);
    assert!(
        said.starts_with(
            "error: unknown field `tol`\n  tol=search\n  ^^^ expected one of server, tool,"
        ),
        "{said}"
    );
    assert!(said.ends_with("hint: did you mean `tool`?\n"), "{said}");
    let said = stderr(dir.path(), &["logs", "--top", "parms.x"], 2);
    assert!(said.contains("unknown field `parms.x`"), "{said}");
    let said = stderr(dir.path(), &["query", "sum(rate(x[5m])"], 2);
    assert!(
        said.starts_with("error: ") && said.contains("\n  sum(rate(x[5m])\n"),
        "{said}"
    );
    let said = stderr(dir.path(), &["trace", "nothex"], 2);
    assert!(said.contains("is no trace id"), "{said}");
    let said = stderr(dir.path(), &["trace", &"f".repeat(32)], 2);
    assert!(said.starts_with("error: "), "{said}");
    let said = stderr(dir.path(), &["logs", "--follow"], 2);
    assert!(said.contains("no daemon runs"), "{said}");
    let said = stderr(dir.path(), &["logs", "--since", "yesterday"], 2);
    assert!(said.contains("`yesterday` is no time"), "{said}");
    // Who can look at nothing has found nothing out.
    let empty = tempfile::tempdir().unwrap();
    for args in [
        ["logs", "x"],
        ["query", "up"],
        ["trace", TRACE],
        ["store", "stats"],
    ] {
        let said = stderr(empty.path(), &args, 3);
        assert!(said.contains("holds no records"), "{args:?}: {said}");
    }
}

/// Who has read enough closes the pipe; that is no failure.
#[test]
fn a_closed_pipe_is_quiet() {
    let dir = kept();
    let mut child = command(dir.path(), &["logs", "--limit", "1000", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 1];
    let mut out = child.stdout.take().unwrap();
    out.read_exact(&mut first).unwrap();
    drop(out);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn how_much_is_kept() {
    let dir = kept();
    let stats: Value =
        serde_json::from_str(&stdout(dir.path(), &["store", "stats", "--json"], 0)).unwrap();
    assert_eq!(stats["logs"]["records"], 121);
    let table = stdout(dir.path(), &["store", "stats"], 0);
    assert!(
        table.starts_with("records") && table.contains(" 121\n"),
        "{table}"
    );
}

/// As for `run`: in a directory with a configuration no flag is needed.
#[test]
fn what_the_configuration_here_says_is_where_it_is_looked_for() {
    let kept = kept();
    let here = tempfile::tempdir().unwrap();
    let yaml = format!(
        "data_dir: {}\nservers: {{a: {{command: x}}}}\n",
        kept.path().display()
    );
    std::fs::write(here.path().join("pilothouse.yaml"), yaml).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["store", "stats"])
        .current_dir(here.path())
        .output()
        .unwrap();
    let table = String::from_utf8_lossy(&output.stdout);
    assert!(table.contains(" 121\n"), "{output:?}");
}

#[test]
fn a_flipped_bit_is_named_and_the_rest_stays_readable() {
    let dir = kept();
    let whole = stdout(dir.path(), &["store", "check"], 0);
    assert!(
        whole.starts_with("121 records, 82 samples, ") && whole.ends_with(": all is well\n"),
        "{whole}"
    );
    let logs = dir.path().join("store/logs");
    let mut files: Vec<_> = std::fs::read_dir(&logs)
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.sort_by_key(|path| std::fs::metadata(path).unwrap().len());
    let largest = files.last().unwrap();
    let mut bytes = std::fs::read(largest).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(largest, bytes).unwrap();
    let name = largest.file_name().unwrap().to_str().unwrap();
    let found = stdout(dir.path(), &["store", "check"], 1);
    assert!(
        found.contains(name) && found.contains("lost: logs/"),
        "{found}"
    );
    let json: Value =
        serde_json::from_str(&stdout(dir.path(), &["store", "check", "--json"], 1)).unwrap();
    assert_eq!(json["whole"], false);
    stdout(dir.path(), &["store", "repair"], 0);
    let left = stdout(dir.path(), &["logs", "--json", "--limit", "1000"], 0)
        .lines()
        .count();
    assert!((1..121).contains(&left), "{left}");
    let said = stderr(&dir.path().join("gone"), &["store", "check"], 3);
    assert!(said.contains("holds no records"), "{said}");
}

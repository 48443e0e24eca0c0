use super::*;
use proptest::prelude::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A time of day with milliseconds, as lines have it.
fn at(ms: u64) -> String {
    format!("2026-11-22T17:00:{:02}.{:03}Z", ms / 1000, ms % 1000)
}

fn call(start: u64, duration: u64, sent: bool) -> String {
    let upstream = if sent {
        format!(
            r#","upstream_span_id":"cccccccccccccccc","upstream_start_ms":2,"upstream_ms":{}"#,
            duration - 4
        )
    } else {
        String::new()
    };
    format!(
        r#"{{"timestamp":"{}","level":"info","kind":"call","message":"m","trace_id":"{TRACE}","span_id":"aaaaaaaaaaaaaaaa","parent_span_id":"9999999999999999","server":"files","method":"tools/call","tool":"searchFiles","status":200,"outcome":"ok","duration":{duration}.000{upstream}}}"#,
        at(start + duration)
    )
}

fn span(id: &str, parent: &str, name: &str, start: u64, duration: u64) -> String {
    format!(
        r#"{{"timestamp":"{}","level":"info","kind":"span","message":"{name}","trace_id":"{TRACE}","span_id":"{id}","parent_span_id":"{parent}","service":"workbench","name":"{name}","span_kind":"internal","start":"{}","duration":{duration}.0,"outcome":"unset"}}"#,
        at(start + duration),
        at(start)
    )
}

fn build(lines: &[String]) -> Trace {
    Trace::build(lines.iter().map(|line| line.as_bytes()))
}

/// The rows as an outline: depth, name, count, total and own milliseconds, marks.
fn outline(trace: &Trace) -> Vec<String> {
    let rows = trace.rows(true);
    let line = |row: &Row| {
        let span = &trace.spans[row.spans[0]];
        let odd = match span.place {
            Place::Orphan => " orphan",
            Place::Cut => " cut",
            Place::Root | Place::Child => "",
        };
        format!(
            "{}{} x{} {}/{}{}{}{odd}",
            "  ".repeat(row.depth),
            span.name,
            row.count,
            row.total_ns / 1_000_000,
            row.self_ns / 1_000_000,
            if row.is_longest_self { " longest" } else { "" },
            if row.is_critical { " waited" } else { "" },
        )
    };
    rows.iter().map(line).collect()
}

#[test]
fn a_search_through_a_thousand_files() {
    let mut lines = vec![span("s", "cccccccccccccccc", "search", 3, 2_990)];
    lines.extend((0..1000).map(|n| span(&format!("t{n}"), "s", "fs.stat", 10 + 2 * n, 2)));
    lines.extend((0..2).map(|n| span(&format!("d{n}"), "s", "fs.readdir", 2_100 + 50 * n, 50)));
    lines.push(span("m", "s", "filter.match", 2_300, 100));
    // The call ends, and is written, last.
    lines.push(call(0, 3_000, true));
    let trace = build(&lines);
    assert_eq!(
        outline(&trace),
        [
            "tools/call searchFiles x1 3000/4 waited",
            "  tools/call searchFiles x1 2996/6 waited",
            "    search x1 2990/790 waited",
            "      fs.stat x1000 2000/2000 longest waited",
            "      fs.readdir x1 50/50 waited",
            "      fs.readdir x1 50/50 waited",
            "      filter.match x1 100/100 waited",
        ]
    );
    assert_eq!(
        trace.spans[0].place,
        Place::Root,
        "its parent is the client's"
    );
    assert_eq!(trace.rows(false).len(), 1006);
    assert_eq!(
        trace.bounds_ns().map(|(a, b)| (b - a) / 1_000_000),
        Some(3_000)
    );
}

/// Spans that stand for many steps overlap: what counts is how long they were busy.
#[test]
fn steps_that_are_told_as_one_span() {
    let folded = |id: &str, name: &str, start, duration, count: u64, busy: u64| {
        let attributes = format!(r#","attributes":{{"count":{count},"busy_ms":{busy}}}}}"#);
        let line = span(id, "s", name, start, duration);
        format!("{}{attributes}", line.strip_suffix('}').unwrap())
    };
    let lines = [
        span("s", "cccccccccccccccc", "search", 3, 2_990),
        folded("m", "filter.match", 10, 2_980, 10_000, 30),
        folded("t", "fs.stat", 12, 2_970, 10_000, 2_900),
        call(0, 3_000, true),
    ];
    let trace = build(&lines);
    assert_eq!(
        outline(&trace),
        [
            "tools/call searchFiles x1 3000/4 waited",
            "  tools/call searchFiles x1 2996/6 waited",
            "    search x1 2990/82 waited",
            "      filter.match x10000 2980/30 waited",
            "      fs.stat x10000 2970/2900 longest waited",
        ]
    );
    let stat = trace
        .spans
        .iter()
        .find(|span| span.name == "fs.stat")
        .unwrap();
    assert!(stat.critical_ns > 2_800_000_000, "{}", stat.critical_ns);
}

#[test]
fn without_a_call() {
    let trace = build(&[
        span("b", "a", "below", 10, 10),
        span("a", "", "top", 0, 100),
    ]);
    assert_eq!(
        outline(&trace),
        ["top x1 100/90 longest waited", "  below x1 10/10 waited"]
    );
    assert_eq!(build(&[]), Trace::default());
    assert_eq!(
        build(&["no json".to_owned(), "{}".to_owned()]),
        Trace::default()
    );
}

#[test]
fn what_is_missing_shows() {
    let trace = build(&[
        call(0, 100, false),
        span("x", "gone", "lost", 20, 10),
        span("y", "x", "below", 21, 5),
    ]);
    assert_eq!(
        outline(&trace),
        [
            "tools/call searchFiles x1 100/100 longest waited",
            "lost x1 10/5 waited orphan",
            "  below x1 5/5 waited",
        ]
    );
}

#[test]
fn circles_are_cut_at_the_earliest() {
    let trace = build(&[
        span("a", "c", "a", 10, 50),
        span("b", "a", "b", 5, 50),
        span("c", "b", "c", 20, 50),
        span("d", "c", "d", 21, 50),
        span("self", "self", "self", 90, 1),
    ]);
    assert_eq!(
        outline(&trace)
            .iter()
            .map(|l| l.split(" x1").next().unwrap_or(""))
            .collect::<Vec<_>>(),
        ["b", "  c", "    a", "    d", "self"]
    );
    assert_eq!(trace.spans[0].place, Place::Cut);
}

#[test]
fn what_comes_twice_is_there_once() {
    let ours_by_an_exporter = span("aaaaaaaaaaaaaaaa", "", "tools/call", 0, 100);
    let twice = span("b", "aaaaaaaaaaaaaaaa", "work", 10, 20);
    let trace = build(&[
        ours_by_an_exporter,
        twice.clone(),
        twice,
        call(0, 100, false),
    ]);
    assert_eq!(
        outline(&trace),
        [
            "tools/call searchFiles x1 100/80 longest waited",
            "  work x1 20/20 waited"
        ]
    );
    assert_eq!(trace.omitted.duplicates, 2);
}

/// Two at once: the one that ended last was waited for, the other was not.
#[test]
fn what_the_whole_waited_for() {
    let trace = build(&[
        span("r", "", "root", 0, 100),
        span("a", "r", "long", 10, 80),
        span("b", "r", "short", 20, 30),
        span("c", "r", "outlives", 95, 50),
    ]);
    let of = |name: &str| trace.spans.iter().find(|s| s.name == name).expect(name);
    let critical = |name: &str| of(name).critical_ns / 1_000_000;
    assert_eq!(
        (critical("root"), critical("long"), critical("short")),
        (15, 80, 0)
    );
    assert!(!of("short").is_critical && of("outlives").is_critical);
    // Own time: 100 less 10 to 90 and 95 to 100.
    assert_eq!(of("root").self_ns / 1_000_000, 15);
}

#[test]
fn lines_stand_beside_their_span() {
    let note = |ms: u64, span: &str, text: &str| {
        format!(
            r#"{{"timestamp":"{}","level":"warn","kind":"stderr","message":"{text}","trace_id":"{TRACE}"{span},"server":"files"}}"#,
            at(ms)
        )
    };
    let trace = build(&[
        note(60, r#","span_id":"aaaaaaaaaaaaaaaa""#, "second"),
        note(50, r#","span_id":"aaaaaaaaaaaaaaaa""#, "first"),
        note(70, "", "loose"),
        note(80, r#","span_id":"gone""#, "of no span"),
        call(0, 100, false),
    ]);
    let texts = |places: &[usize]| -> Vec<&str> {
        places
            .iter()
            .map(|at| trace.notes[*at].message.as_str())
            .collect()
    };
    assert_eq!(texts(&trace.spans[0].notes), ["first", "second"]);
    assert_eq!(texts(&trace.loose_notes), ["loose", "of no span"]);
}

#[test]
fn bounds() {
    let mut lines: Vec<String> = (0..Trace::SPANS_MAX + 5)
        .map(|n| {
            span(
                &n.to_string(),
                &n.wrapping_sub(1).to_string(),
                "deep",
                0,
                10,
            )
        })
        .collect();
    lines.extend((0..Trace::NOTES_MAX + 3).map(|_| {
        format!(
            r#"{{"timestamp":"{}","kind":"log","level":"info","message":"x"}}"#,
            at(1)
        )
    }));
    let trace = build(&lines);
    assert_eq!((trace.omitted.spans, trace.omitted.notes), (5, 3));
    assert_eq!(trace.spans.len(), Trace::SPANS_MAX);
    let rows = trace.rows(true);
    assert!(rows.len() <= 48, "{}", rows.len());
    assert_eq!(rows.last().map(|row| row.hidden), Some(1));
}

#[test]
fn as_json() {
    let trace = build(&[
        call(0, 100, true),
        span("b", "cccccccccccccccc", "work", 10, 20),
    ]);
    let json = trace.to_json(TRACE);
    assert_eq!(json["trace_id"], TRACE);
    assert_eq!(json["duration"], 100.0);
    assert_eq!(json["spans"][0]["status"], 200);
    assert_eq!(json["spans"][0]["parent_span_id"], "9999999999999999");
    assert_eq!(json["spans"][2]["self"], 20.0);
    assert_eq!(json["rows"][1]["depth"], 1);
    assert_eq!(json["rows"][1]["longest_self"], true);
}

/// Any spans, with few ids, so that they meet.
fn any_spans() -> impl Strategy<Value = Vec<String>> {
    let one = (0..12_u8, 0..12_u8, 0..3_u8, 0..50_u64, 0..50_u64);
    proptest::collection::vec(one, 0..24).prop_map(|all| {
        let line = |(id, parent, name, start, duration): (u8, u8, u8, u64, u64)| {
            span(
                &format!("{id}"),
                &format!("{parent}"),
                &format!("n{name}"),
                start,
                duration,
            )
        };
        all.into_iter().map(line).collect()
    })
}

proptest! {
    /// Every span is in exactly one row, whatever is missing, doubled or circular.
    #[test]
    fn nothing_is_lost_and_nothing_is_twice(lines in any_spans(), fold: bool) {
        let trace = build(&lines);
        prop_assert_eq!(trace.spans.len() + trace.omitted.duplicates, lines.len());
        let mut shown: Vec<usize> = trace.rows(fold).into_iter().flat_map(|row| row.spans).collect();
        shown.sort_unstable();
        prop_assert_eq!(shown, (0..trace.spans.len()).collect::<Vec<_>>());
        let longest = trace.rows(fold).iter().filter(|row| row.is_longest_self).count();
        prop_assert!(longest <= 1);
    }

    /// Nothing is waited for longer than it took, and the waits beneath a root add up to it.
    #[test]
    fn waits_add_up(lines in any_spans()) {
        let trace = build(&lines);
        for span in &trace.spans {
            prop_assert!(span.self_ns <= span.duration_ns);
            prop_assert!(span.critical_ns <= span.duration_ns);
        }
        for root in &trace.roots {
            let mut below = vec![*root];
            let mut sum = 0;
            while let Some(at) = below.pop() {
                sum += trace.spans[at].critical_ns;
                below.extend(&trace.spans[at].children);
            }
            // At each of its moments something was waited for. Children that began before it count from their
            // own start, so it can be more.
            prop_assert!(sum >= trace.spans[*root].duration_ns);
        }
    }

    #[test]
    fn no_line_panics(lines: Vec<Vec<u8>>) {
        let trace = Trace::build(lines.iter().map(Vec::as_slice));
        let _ = (trace.rows(true), trace.to_json(TRACE));
    }
}

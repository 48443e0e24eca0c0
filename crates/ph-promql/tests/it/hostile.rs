//! Texts that nobody means well.

use ph_promql::{Limits, instant, parse};
use proptest::prelude::*;

use crate::source::Seconds;

/// Parses, and evaluates what can be.
fn survive(text: &str) {
    match parse(text) {
        Ok(query) => {
            let limits = Limits {
                samples_max: 10_000,
                ..Limits::default()
            };
            let _ = instant(&Seconds::new(2, 30), &query, 30_000, &limits);
            assert!(!query.pretty().is_empty());
        }
        Err(error) => assert!(error.position <= text.len(), "{text}: {error:?}"),
    }
}

#[test]
fn depth_is_bounded_on_a_small_stack() {
    let nested = |open: &str, close: &str, times: usize| {
        format!("{}calls_total{}", open.repeat(times), close.repeat(times))
    };
    let texts = [
        nested("(", ")", 190),
        nested("(", ")", 100_000),
        nested("-", "", 1_000),
        nested("abs(", ")", 190),
        nested("sum(", ")", 190),
        nested("max_over_time(", "[1m:10s])", 60),
        nested("sum by (tool) (1 + ", ")", 150),
        format!("1{}", " + calls_total".repeat(1_500)),
        format!("1{}", " ^ 2".repeat(1_500)),
        nested("", "[5m:1m]", 100),
    ];
    for text in texts {
        // The smallest stack that anybody gives: that of a thread of a test, and of tokio's.
        let thread = std::thread::Builder::new().stack_size(2 << 20);
        thread
            .spawn(move || survive(&text))
            .unwrap()
            .join()
            .unwrap();
    }
}

#[test]
fn patterns_are_bounded() {
    let big = "calls_total{tool=~'(((x{100}){100}){100}){100}'}";
    assert!(parse(big).unwrap_err().text.contains("too big"));
    let many = vec!["calls_total{tool=~'a.*'}"; 101].join(" or ");
    assert!(
        parse(&many)
            .unwrap_err()
            .text
            .contains("100 regular expressions")
    );
}

#[test]
fn what_prometheus_refuses_is_refused() {
    for text in [
        "",
        "1 +",
        "sum(",
        "sum()",
        "sum(1)",
        "sum(calls_total, 1)",
        "topk(calls_total)",
        "rate(calls_total)",
        "rate(sum(calls_total))",
        "calls_total[5m",
        "calls_total[5m] + 1",
        "calls_total[5m][5m]",
        "calls_total offset",
        "calls_total offset 5m offset 5m",
        "calls_total @ inf",
        "{}",
        "{__name__=~'.*'}",
        "calls_total{tool=1}",
        "calls_total{tool='a' or tool='b'}",
        "calls_total{tool=~'('}",
        "calls_total and 1",
        "calls_total + bool 1",
        "1 == 1",
        "'a' + 1",
        "-'a'",
        "label_replace(calls_total, 'a', 'b')",
        "histogram_quantile(calls_total, 1)",
        "exp(Inf)",
        "ln(0)",
        "calls_total + on (tool) group_left (tool) calls_total",
        "calls_total and on (tool) group_left calls_total",
        "sum by (1) (calls_total)",
        "absent(calls_total[5m])",
        "1[5m:1m]",
        "time",
        "time()()",
        "foo bar",
    ] {
        // `time` alone is the name of a metric.
        let refused = parse(text).is_err();
        assert_eq!(refused, text != "time", "{text}");
    }
}

proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,60}") {
        survive(&text);
    }

    #[test]
    fn any_words_are_survived(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..24)
    ) {
        survive(&words.join(" "));
    }
}

const WORDS: &[&str] = &[
    "calls_total",
    "sum",
    "rate",
    "topk",
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "bool",
    "(",
    ")",
    "{",
    "}",
    "[",
    "]",
    "[5m]",
    "[1h:5m]",
    "offset",
    "@",
    "1",
    "-1",
    "5m",
    "1e400",
    "0x1f",
    "inf",
    "nan",
    "+",
    "-",
    "*",
    "/",
    "%",
    "^",
    "==",
    "!=",
    "<",
    ">=",
    "=~",
    "!~",
    "and",
    "or",
    "unless",
    "atan2",
    "'a'",
    "\"\\xff\"",
    "`.*`",
    ",",
    ":",
    "start()",
    "end()",
    "time()",
    "tool",
    "count_values",
    "quantile",
    "histogram_quantile",
    "label_replace",
    "absent",
    "#",
    "anchored",
];

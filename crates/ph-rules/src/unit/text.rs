//! The fields of a test file.

use std::time::Duration;

use ph_base::diagnostic::{Diagnostic, Problem};
use ph_plan::document::{self, Node};
use ph_promql::{Labels, Query};

use super::{Seen, metric, values};
use crate::file::Reader;

/// A test file.
pub(super) struct Tests {
    pub(super) rule_files: Vec<String>,
    pub(super) evaluation_interval: Duration,
    pub(super) group_eval_order: Vec<String>,
    pub(super) tests: Vec<Test>,
}

/// Series, and what is to be seen after them.
#[derive(Default)]
pub(super) struct Test {
    pub(super) name: String,
    pub(super) interval: Option<Duration>,
    pub(super) series: Vec<(Labels, Vec<Option<f64>>)>,
    pub(super) alerts: Vec<AlertTest>,
    pub(super) expressions: Vec<ExpressionTest>,
    pub(super) external_labels: Labels,
    pub(super) external_url: String,
}

pub(super) struct AlertTest {
    pub(super) line: usize,
    pub(super) at: Duration,
    pub(super) name: String,
    pub(super) expected: Vec<Seen>,
}

pub(super) struct ExpressionTest {
    pub(super) line: usize,
    pub(super) at: Duration,
    pub(super) query: Query,
    pub(super) expected: Vec<Seen>,
}

pub(super) fn read(text: &str) -> Result<Tests, Vec<Diagnostic>> {
    let root = document::read(text)?;
    let mut reader = Reader::new(text);
    let tests = tests(&root, &mut reader);
    reader.finish(tests)
}

const FIELDS: [&str; 4] = [
    "rule_files",
    "evaluation_interval",
    "group_eval_order",
    "tests",
];

fn tests(root: &Node, reader: &mut Reader<'_>) -> Tests {
    let mut tests = Tests {
        rule_files: Vec::new(),
        evaluation_interval: Duration::ZERO,
        group_eval_order: Vec::new(),
        tests: Vec::new(),
    };
    for entry in reader.fields(root, &FIELDS).unwrap_or_default() {
        let value = &entry.value;
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "rule_files" => tests.rule_files = reader.each(value, Reader::string),
            "evaluation_interval" => {
                tests.evaluation_interval = reader.duration(value).unwrap_or_default();
            }
            "group_eval_order" => tests.group_eval_order = reader.each(value, Reader::string),
            "tests" => {
                let mut nth = 0;
                tests.tests = reader.each(value, |reader, node| {
                    nth += 1;
                    test(node, nth, reader)
                });
            }
            _ => {}
        });
    }
    if tests.evaluation_interval.is_zero() {
        tests.evaluation_interval = Duration::from_secs(60);
    }
    tests
}

const TEST_FIELDS: [&str; 7] = [
    "name",
    "interval",
    "input_series",
    "alert_rule_test",
    "promql_expr_test",
    "external_labels",
    "external_url",
];

fn test(node: &Node, nth: usize, reader: &mut Reader<'_>) -> Option<Test> {
    let mut test = Test {
        name: format!("test {nth}"),
        ..Test::default()
    };
    for entry in reader.fields(node, &TEST_FIELDS)? {
        let value = &entry.value;
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "name" => {
                let name = reader.string(value).filter(|name| !name.is_empty());
                test.name = name.unwrap_or_else(|| test.name.clone());
            }
            "interval" => test.interval = reader.duration(value).filter(|d| !d.is_zero()),
            "input_series" => {
                test.series = reader.each(value, |reader, node| series(node, reader));
            }
            "alert_rule_test" => {
                test.alerts = reader.each(value, |reader, node| alert_test(node, reader));
            }
            "promql_expr_test" => {
                test.expressions = reader.each(value, |reader, node| expression_test(node, reader));
            }
            "external_labels" => test.external_labels = labels(value, reader),
            "external_url" => test.external_url = reader.string(value).unwrap_or_default(),
            _ => {}
        });
    }
    Some(test)
}

fn series(node: &Node, reader: &mut Reader<'_>) -> Option<(Labels, Vec<Option<f64>>)> {
    let entries = reader.fields(node, &["series", "values"])?;
    let (mut labels, mut samples) = (None, None);
    for entry in entries {
        let value = &entry.value;
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "series" => labels = parsed(value, reader, metric::parse),
            "values" => samples = parsed(value, reader, values::parse),
            _ => {}
        });
    }
    if !entries.iter().any(|entry| entry.key == "series") {
        reader.missing(node, &["series"]);
    }
    Some((labels?, samples.unwrap_or_default()))
}

/// A text in a notation of its own; what is wrong is reported where it stands.
fn parsed<T>(
    node: &Node,
    reader: &mut Reader<'_>,
    parse: impl Fn(&str) -> Result<T, metric::Wrong>,
) -> Option<T> {
    let text = reader.string(node)?;
    match parse(&text) {
        Ok(value) => Some(value),
        Err((at, message)) => {
            let place = reader.place(node, at);
            reader.report(place, Problem::Expression { message }, None);
            None
        }
    }
}

fn labels(node: &Node, reader: &mut Reader<'_>) -> Labels {
    let mut pairs = Vec::new();
    for entry in reader.entries(node).unwrap_or_default() {
        let value = reader.within(&entry.key, |reader| reader.string(&entry.value));
        pairs.extend(value.map(|value| (entry.key.clone(), value)));
    }
    Labels::from_pairs(pairs)
}

fn alert_test(node: &Node, reader: &mut Reader<'_>) -> Option<AlertTest> {
    let entries = reader.fields(node, &["eval_time", "alertname", "exp_alerts"])?;
    let mut test = AlertTest {
        line: reader.line(node.at.start),
        at: Duration::ZERO,
        name: String::new(),
        expected: Vec::new(),
    };
    for entry in entries {
        let value = &entry.value;
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "eval_time" => test.at = reader.duration(value).unwrap_or_default(),
            "alertname" => test.name = reader.string(value).unwrap_or_default(),
            "exp_alerts" => {
                test.expected = reader.each(value, |reader, node| expected_alert(node, reader));
            }
            _ => {}
        });
    }
    if test.name.is_empty() {
        reader.missing(node, &["alertname"]);
    }
    for seen in &mut test.expected {
        seen.labels = seen.labels.with("alertname", &test.name);
    }
    Some(test)
}

fn expected_alert(node: &Node, reader: &mut Reader<'_>) -> Option<Seen> {
    let mut seen = Seen {
        labels: Labels::default(),
        annotations: Labels::default(),
        value: None,
    };
    for entry in reader.fields(node, &["exp_labels", "exp_annotations"])? {
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "exp_labels" => seen.labels = labels(&entry.value, reader),
            "exp_annotations" => seen.annotations = labels(&entry.value, reader),
            _ => {}
        });
    }
    Some(seen)
}

fn expression_test(node: &Node, reader: &mut Reader<'_>) -> Option<ExpressionTest> {
    let entries = reader.fields(node, &["expr", "eval_time", "exp_samples"])?;
    let (mut at, mut query, mut expected) = (Duration::ZERO, None, Vec::new());
    for entry in entries {
        let value = &entry.value;
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "expr" => query = reader.query(value),
            "eval_time" => at = reader.duration(value).unwrap_or_default(),
            "exp_samples" => {
                expected = reader.each(value, |reader, node| expected_sample(node, reader));
            }
            _ => {}
        });
    }
    if !entries.iter().any(|entry| entry.key == "expr") {
        reader.missing(node, &["expr"]);
    }
    Some(ExpressionTest {
        line: reader.line(node.at.start),
        at,
        query: query?,
        expected,
    })
}

fn expected_sample(node: &Node, reader: &mut Reader<'_>) -> Option<Seen> {
    let mut seen = Seen {
        labels: Labels::default(),
        annotations: Labels::default(),
        value: Some(0.0),
    };
    for entry in reader.fields(node, &["labels", "value"])? {
        let value = &entry.value;
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "labels" => {
                let labels = parsed(value, reader, metric::parse);
                seen.labels = labels.unwrap_or_default();
            }
            "value" => seen.value = number(value, reader),
            _ => {}
        });
    }
    Some(seen)
}

/// A float as YAML writes it.
fn number(node: &Node, reader: &mut Reader<'_>) -> Option<f64> {
    let text = reader.string(node)?;
    let parsed = match text.trim_start_matches('+') {
        ".inf" | ".Inf" | ".INF" => Some(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => Some(f64::NEG_INFINITY),
        ".nan" | ".NaN" | ".NAN" => Some(f64::NAN),
        written => written.parse().ok(),
    };
    if parsed.is_none() {
        reader.bad(node.at.clone(), &text, "a number");
    }
    parsed
}

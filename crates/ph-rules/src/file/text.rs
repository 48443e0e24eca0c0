//! The fields of a rule file.

use std::collections::BTreeMap;
use std::time::Duration;

use ph_base::diagnostic::Problem;
use ph_plan::document::{Entry, Node};
use ph_promql::{Labels, METRIC_NAME, Query, ValueType};

use super::reader::Reader;
use super::{Group, Rule, RuleKind};
use crate::template::Template;

pub(super) fn groups(root: &Node, reader: &mut Reader<'_>) -> Vec<Group> {
    let Some(entries) = reader.fields(root, &["groups"]) else {
        return Vec::new();
    };
    let mut first_lines: BTreeMap<String, usize> = BTreeMap::new();
    entries
        .iter()
        .filter(|entry| entry.key == "groups")
        .flat_map(|entry| {
            reader.within("groups", |reader| {
                reader.each(&entry.value, |reader, node| {
                    group(node, reader, &mut first_lines)
                })
            })
        })
        .collect()
}

const GROUP_FIELDS: [&str; 6] = [
    "name",
    "interval",
    "limit",
    "query_offset",
    "labels",
    "rules",
];

fn group(
    node: &Node,
    reader: &mut Reader<'_>,
    first_lines: &mut BTreeMap<String, usize>,
) -> Option<Group> {
    let entries = reader.fields(node, &GROUP_FIELDS)?;
    let mut group = Group {
        name: String::new(),
        interval: None,
        limit: 0,
        query_offset: None,
        labels: Labels::default(),
        rules: Vec::new(),
    };
    let mut own = Vec::new();
    for entry in entries {
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "name" => {
                group.name = reader.string(&entry.value).unwrap_or_default();
                named_once(&group.name, entry, reader, first_lines);
            }
            "interval" => {
                let interval = reader.duration(&entry.value);
                group.interval = interval.filter(|interval| !interval.is_zero());
            }
            "limit" => group.limit = reader.count(&entry.value).unwrap_or_default(),
            "query_offset" => group.query_offset = reader.duration(&entry.value),
            "labels" => own = labels(&entry.value, reader),
            _ => {}
        });
    }
    if group.name.is_empty() {
        reader.missing(node, &["name"]);
    }
    group.labels = Labels::from_pairs(
        own.iter()
            .map(|(name, value, _)| (name.as_str(), value.as_str())),
    );
    // Last, as the rules are given the labels of the group, wherever those stand.
    for entry in entries.iter().filter(|entry| entry.key == "rules") {
        group.rules = reader.within("rules", |reader| {
            reader.each(&entry.value, |reader, node| rule(node, &own, reader))
        });
    }
    Some(group)
}

fn named_once(
    name: &str,
    entry: &Entry,
    reader: &mut Reader<'_>,
    first_lines: &mut BTreeMap<String, usize>,
) {
    let at = entry.value.at.clone();
    let line = reader.line(at.start);
    let first_line = *first_lines.entry(name.to_owned()).or_insert(line);
    if first_line != line && !name.is_empty() {
        let key = name.to_owned();
        reader.report(at, Problem::Duplicate { key, first_line }, None);
    }
}

const RULE_FIELDS: [&str; 7] = [
    "record",
    "alert",
    "expr",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
];

/// What stands in one rule, before it is known which kind it is.
#[derive(Default)]
struct Written<'n> {
    record: Option<(&'n Entry, String)>,
    alert: Option<(&'n Entry, String)>,
    expr: Option<Query>,
    hold: Duration,
    keep_firing_for: Duration,
    labels: Vec<Pair<'n>>,
    annotations: Vec<Pair<'n>>,
}

/// A name, its value, and where the value stands.
type Pair<'n> = (String, String, &'n Node);

fn rule(node: &Node, of_group: &[Pair<'_>], reader: &mut Reader<'_>) -> Option<Rule> {
    let entries = reader.fields(node, &RULE_FIELDS)?;
    let mut written = Written::default();
    for entry in entries {
        let value = &entry.value;
        reader.within(&entry.key, |reader| match entry.key.as_str() {
            "record" => written.record = name(entry, reader),
            "alert" => written.alert = name(entry, reader),
            "expr" => written.expr = expression(value, reader),
            "for" => written.hold = reader.duration(value).unwrap_or_default(),
            "keep_firing_for" => {
                written.keep_firing_for = reader.duration(value).unwrap_or_default();
            }
            "labels" => written.labels = labels(value, reader),
            "annotations" => written.annotations = pairs(value, reader, LABEL, is_label_name),
            _ => {}
        });
    }
    if !entries
        .iter()
        .any(|entry| entry.key == "expr" && !entry.value.is_null())
    {
        reader.missing(node, &["expr"]);
    }
    let line = reader.line(node.at.start);
    let kind = match (&written.record, &written.alert) {
        (Some((record, _)), Some(_)) => {
            let at = record.key_at.clone();
            let (got, with) = ("record", "alert");
            reader.report(at, Problem::Conflict { got, with }, None);
            None
        }
        (None, None) => {
            reader.missing(node, &["alert", "record"]);
            None
        }
        (Some((_, metric)), None) => recorded(metric, entries, &written, reader),
        (None, Some((_, name))) => Some(RuleKind::Alert {
            name: name.clone(),
            hold: written.hold,
            keep_firing_for: written.keep_firing_for,
            annotations: reader.within("annotations", |reader| {
                templates(&written.annotations, reader)
            }),
        }),
    };
    let all = merged(of_group, &written.labels);
    let labels = match &kind {
        Some(RuleKind::Alert { .. }) => reader.within("labels", |reader| templates(&all, reader)),
        _ => all
            .iter()
            .map(|(name, value, _)| (name.clone(), Template::literal(value)))
            .collect(),
    };
    Some(Rule {
        expr: written.expr?,
        labels,
        kind: kind?,
        line,
    })
}

fn name<'n>(entry: &'n Entry, reader: &mut Reader<'_>) -> Option<(&'n Entry, String)> {
    let name = reader.string(&entry.value)?;
    (!name.is_empty()).then_some((entry, name))
}

/// An expression whose value can be written or alerted upon.
fn expression(node: &Node, reader: &mut Reader<'_>) -> Option<Query> {
    if node.is_null() {
        return None;
    }
    let query = reader.query(node)?;
    match query.value_type() {
        ValueType::Vector | ValueType::Scalar => Some(query),
        other => {
            let message = format!(
                "a rule needs an instant vector or a scalar, and this gives a {}",
                other.name()
            );
            let at = reader.place(node, 0..query.text().len());
            reader.report(at, Problem::Expression { message }, None);
            None
        }
    }
}

/// A recording rule has neither times nor annotations.
fn recorded(
    metric: &str,
    entries: &[Entry],
    written: &Written<'_>,
    reader: &mut Reader<'_>,
) -> Option<RuleKind> {
    let set = [
        ("for", !written.hold.is_zero()),
        ("keep_firing_for", !written.keep_firing_for.is_zero()),
        ("annotations", !written.annotations.is_empty()),
    ];
    for (field, _) in set.into_iter().filter(|(_, is_set)| *is_set) {
        if let Some(entry) = entries.iter().find(|entry| entry.key == field) {
            let (got, with) = (field, "record");
            reader.report(entry.key_at.clone(), Problem::Conflict { got, with }, None);
        }
    }
    if is_label_name(&metric.replace(':', "_")) {
        return Some(RuleKind::Record {
            metric: metric.to_owned(),
        });
    }
    if let Some((entry, _)) = &written.record {
        reader.within("record", |reader| {
            let expected = "a metric name: letters, digits, `_` and `:`";
            reader.bad(entry.value.at.clone(), metric, expected);
        });
    }
    None
}

const LABEL: &str = "a name of letters, digits and `_`";

fn labels<'n>(node: &'n Node, reader: &mut Reader<'_>) -> Vec<Pair<'n>> {
    let expected = "a label name: letters, digits and `_`, not `__name__`";
    pairs(node, reader, expected, |name| {
        is_label_name(name) && name != METRIC_NAME
    })
}

fn pairs<'n>(
    node: &'n Node,
    reader: &mut Reader<'_>,
    expected: &'static str,
    is_name: impl Fn(&str) -> bool,
) -> Vec<Pair<'n>> {
    let mut pairs = Vec::new();
    for entry in reader.entries(node).unwrap_or_default() {
        if !is_name(&entry.key) {
            reader.bad(entry.key_at.clone(), &entry.key, expected);
        }
        let value = reader.within(&entry.key, |reader| reader.string(&entry.value));
        pairs.extend(value.map(|value| (entry.key.clone(), value, &entry.value)));
    }
    pairs
}

/// The labels of the group with those of the rule over them, by name.
fn merged<'n>(of_group: &[Pair<'n>], own: &[Pair<'n>]) -> Vec<Pair<'n>> {
    let all = of_group.iter().chain(own);
    let by_name: BTreeMap<&String, &Pair<'n>> = all.map(|pair| (&pair.0, pair)).collect();
    by_name.into_values().cloned().collect()
}

fn templates(pairs: &[Pair<'_>], reader: &mut Reader<'_>) -> Vec<(String, Template)> {
    let mut templates = Vec::with_capacity(pairs.len());
    for (name, value, node) in pairs {
        match Template::parse(value) {
            Ok(template) => templates.push((name.clone(), template)),
            Err(failed) => {
                let at = reader.place(node, failed.at);
                let message = failed.text;
                reader.within(name, |reader| {
                    reader.report(at, Problem::Template { message }, None);
                });
            }
        }
    }
    templates.sort_by(|one, other| one.0.cmp(&other.0));
    templates
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
fn is_label_name(name: &str) -> bool {
    name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic())
        && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric())
}

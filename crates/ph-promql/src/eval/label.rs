//! Functions that change labels, or make them.

use super::column::{Assembly, Column, Grid};
use super::engine::Engine;
use crate::error::EvalError;
use crate::labels::{Labels, METRIC_NAME};
use crate::matcher::{MatchOp, Matcher, anchored};
use crate::query::node::{Kind, Node, RangeOf, Text};

impl Engine<'_> {
    /// `label_replace(v, dst, replacement, src, pattern)`
    pub(super) fn label_replace(
        &self,
        args: &[Node],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let [vector, target, replacement, source, pattern] = args else {
            return Ok(Vec::new());
        };
        let (target, replacement) = (text(target), text(replacement));
        let (source, pattern) = (text(source), text(pattern));
        let regex = anchored(&pattern.value).map_err(|_| {
            let pattern = &pattern.value;
            EvalError::Data(format!(
                "invalid regular expression in label_replace(): {pattern}"
            ))
        })?;
        check_name(target, "destination", "label_replace")?;
        let mut out = Assembly::default();
        for column in self.vector(vector, grid)? {
            self.work(grid.count)?;
            let value = column.labels.get(&source.value).unwrap_or_default();
            let Some(captures) = regex.captures(value) else {
                out.add(column)?;
                continue;
            };
            let mut made = String::new();
            captures.expand(&replacement.value, &mut made);
            let labels = column.labels.with(&target.value, &made);
            out.add(relabelled(column, labels, target))?;
        }
        Ok(out.finish())
    }

    /// `label_join(v, dst, separator, src…)`
    pub(super) fn label_join(&self, args: &[Node], grid: Grid) -> Result<Vec<Column>, EvalError> {
        let [vector, target, separator, sources @ ..] = args else {
            return Ok(Vec::new());
        };
        let (target, separator) = (text(target), text(separator));
        for source in sources {
            check_name(text(source), "source", "label_join")?;
        }
        check_name(target, "destination", "label_join")?;
        let mut out = Assembly::default();
        for column in self.vector(vector, grid)? {
            self.work(grid.count)?;
            let values: Vec<&str> = sources
                .iter()
                .map(|source| column.labels.get(&text(source).value).unwrap_or_default())
                .collect();
            let joined = values.join(&separator.value);
            let labels = column.labels.with(&target.value, &joined);
            out.add(relabelled(column, labels, target))?;
        }
        Ok(out.finish())
    }
}

/// A name that is given anew is there to stay.
fn relabelled(column: Column, labels: Labels, target: &Text) -> Column {
    let named = target.value == METRIC_NAME;
    Column {
        labels,
        drop_name: column.drop_name && !named,
        values: column.values,
    }
}

fn text(node: &Node) -> &Text {
    const NONE: &Text = &Text {
        value: String::new(),
        written: String::new(),
        is_utf8: true,
    };
    match &node.kind {
        Kind::Text(text) => text,
        _ => NONE,
    }
}

fn check_name(name: &Text, side: &str, function: &str) -> Result<(), EvalError> {
    if name.is_utf8 && !name.value.is_empty() {
        return Ok(());
    }
    let name = &name.value;
    Err(EvalError::Data(format!(
        "invalid {side} label name in {function}(): {name}"
    )))
}

/// The labels that `absent` gives: those that the selector says a series would have.
pub(super) fn absent_labels(node: &Node) -> Labels {
    let matchers: &[Matcher] = match &node.kind {
        Kind::Select(selector) => &selector.matchers,
        Kind::Range(range) => match &range.of {
            RangeOf::Series(matchers) => matchers,
            RangeOf::Subquery { .. } => &[],
        },
        _ => &[],
    };
    let mut labels = Labels::default();
    let mut known: Vec<&str> = Vec::new();
    for matcher in matchers {
        let name = matcher.name();
        if name == METRIC_NAME {
            continue;
        }
        if matcher.op() == MatchOp::Eq && !known.contains(&name) {
            labels = labels.with(name, matcher.value());
            known.push(name);
        } else {
            labels = labels.with(name, "");
        }
    }
    labels
}

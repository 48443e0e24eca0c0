//! Walks the tree of a text: keeps the path, reports problems with their places. Also for test files.

use std::ops::Range;
use std::time::Duration;

use ph_base::diagnostic::{Diagnostic, Problem, nearest};
use ph_plan::document::{self, Data, Entry, Node};
use ph_promql::{ParseError, Query};

use crate::duration;

/// Problems that are kept; the rest is only counted.
const PROBLEMS_MAX: usize = 100;

pub(crate) struct Reader<'t> {
    text: &'t str,
    /// Where each line ends, so that a rule's line costs no walk through the text.
    line_ends: Vec<usize>,
    path: Vec<String>,
    problems: Vec<Diagnostic>,
    hidden: usize,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(text: &'t str) -> Self {
        Self {
            text,
            line_ends: text.match_indices('\n').map(|(at, _)| at).collect(),
            path: Vec::new(),
            problems: Vec::new(),
            hidden: 0,
        }
    }

    /// The value, if nothing was wrong.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, Vec<Diagnostic>> {
        if self.problems.is_empty() {
            return Ok(value);
        }
        self.problems.sort_by_key(|found| found.at.start);
        if self.hidden > 0 {
            let at = self.problems.last().map_or(0..0, |last| last.at.clone());
            let hidden = self.hidden;
            self.problems.push(Diagnostic {
                at,
                path: String::new(),
                problem: Problem::More { hidden },
                hint: None,
            });
        }
        Err(self.problems)
    }

    pub(crate) fn report(&mut self, at: Range<usize>, problem: Problem, hint: Option<String>) {
        if self.problems.len() >= PROBLEMS_MAX {
            self.hidden += 1;
            return;
        }
        self.problems.push(Diagnostic {
            at,
            path: self.path.concat(),
            problem,
            hint,
        });
    }

    pub(crate) fn bad(&mut self, at: Range<usize>, got: &str, expected: &str) {
        let problem = Problem::BadValue {
            got: got.to_owned(),
            expected: expected.to_owned(),
        };
        self.report(at, problem, None);
    }

    /// Reads what stands below a key.
    pub(crate) fn within<T>(&mut self, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let dot = if self.path.is_empty() { "" } else { "." };
        self.path.push(format!("{dot}{key}"));
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reads each item of a list.
    pub(crate) fn each<T>(
        &mut self,
        node: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Vec<T> {
        let items = match &node.data {
            Data::List(items) => items.as_slice(),
            _ if node.is_null() => &[],
            _ => {
                self.wrong_type(node, "a list");
                &[]
            }
        };
        let mut values = Vec::with_capacity(items.len());
        for (nth, item) in items.iter().enumerate() {
            self.path.push(format!("[{nth}]"));
            values.extend(read(self, item));
            self.path.pop();
        }
        values
    }

    /// The entries of a mapping with these keys; others are reported.
    pub(crate) fn fields<'n>(
        &mut self,
        node: &'n Node,
        allowed: &[&'static str],
    ) -> Option<&'n [Entry]> {
        let entries = self.entries(node)?;
        for entry in entries {
            if !allowed.contains(&entry.key.as_str()) {
                let problem = Problem::UnknownField {
                    got: entry.key.clone(),
                    allowed: allowed.to_vec(),
                };
                let hint = nearest(&entry.key, allowed);
                let hint = hint.map(|near| format!("did you mean `{near}`?"));
                self.report(entry.key_at.clone(), problem, hint);
            }
        }
        Some(entries)
    }

    pub(crate) fn entries<'n>(&mut self, node: &'n Node) -> Option<&'n [Entry]> {
        match &node.data {
            Data::Map(entries) => Some(entries),
            _ if node.is_null() => Some(&[]),
            _ => {
                self.wrong_type(node, "a mapping");
                None
            }
        }
    }

    /// A text; a number or a truth value is taken as it is written.
    pub(crate) fn string(&mut self, node: &Node) -> Option<String> {
        match &node.data {
            Data::Scalar(_) if node.is_null() => Some(String::new()),
            Data::Scalar(scalar) => Some(scalar.text.clone()),
            _ => {
                self.wrong_type(node, "a string");
                None
            }
        }
    }

    pub(crate) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let text = self.string(node)?;
        if node.is_null() {
            return Some(Duration::ZERO);
        }
        let parsed = duration::parse(&text);
        if parsed.is_none() {
            self.bad(node.at.clone(), &text, DURATION);
        }
        parsed
    }

    /// A whole number that is not negative.
    pub(crate) fn count(&mut self, node: &Node) -> Option<usize> {
        let text = self.string(node)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            self.bad(node.at.clone(), &text, "a whole number, 0 or more");
        }
        parsed
    }

    /// An expression; what is wrong is reported where it stands in the text.
    pub(crate) fn query(&mut self, node: &Node) -> Option<Query> {
        let text = self.string(node)?;
        match ph_promql::parse(&text) {
            Ok(query) => Some(query),
            Err(failed) => {
                let ParseError {
                    text: said,
                    position,
                    unsupported,
                    ..
                } = failed;
                let end = text[position.min(text.len())..]
                    .chars()
                    .next()
                    .map_or(position, |c| position + c.len_utf8());
                let at = document::place(self.text, node, position..end);
                let message = if unsupported {
                    format!("not supported: {said}")
                } else {
                    said
                };
                self.report(at, Problem::Expression { message }, None);
                None
            }
        }
    }

    /// The place of a piece of a value in the text.
    pub(crate) fn place(&self, node: &Node, piece: Range<usize>) -> Range<usize> {
        document::place(self.text, node, piece)
    }

    pub(crate) fn missing(&mut self, node: &Node, fields: &'static [&'static str]) {
        let at = node.at.start..node.at.start;
        self.report(at, Problem::MissingField { fields }, None);
    }

    pub(crate) fn line(&self, at: usize) -> usize {
        self.line_ends.partition_point(|end| *end < at) + 1
    }

    pub(crate) fn wrong_type(&mut self, node: &Node, expected: &'static str) {
        let got = node.kind();
        self.report(node.at.clone(), Problem::WrongType { expected, got }, None);
    }
}

const DURATION: &str = "a duration such as `30s`, `5m` or `1h30m`";

//! `promtool test rules`, with our engine: a test file feeds series, lets the rules run, and says what is
//! to be seen when.
//!
//! Not taken: native histograms, and patterns in `rule_files`.

mod memory;
mod metric;
mod play;
mod text;
mod values;

use std::time::Duration;

use ph_base::diagnostic::Diagnostic;
use ph_promql::Labels;

pub use self::memory::Memory;

use crate::{RuleFile, file};

/// What became of one expectation of a test file.
#[derive(Clone, Debug)]
pub struct CaseResult {
    /// The name of the test, or its place among the tests.
    pub test: String,
    /// The line of the expectation, counted from 1.
    pub line: usize,
    /// What was looked at.
    pub subject: Subject,
    /// When, from the beginning of the series.
    pub at: Duration,
    /// What should be seen, in order.
    pub expected: Vec<Seen>,
    /// What was seen, in order.
    pub got: Vec<Seen>,
    /// Why nothing could be seen.
    pub error: Option<String>,
}

/// What a test looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Firing alerts of this name.
    Alert(String),
    /// The value of this expression.
    Expression(String),
    /// The evaluation of this rule, which failed.
    Rule(String),
}

/// An alert that fires, or an element of an expression's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The labels.
    pub labels: Labels,
    /// Of an alert.
    pub annotations: Labels,
    /// Of an element.
    pub value: Option<f64>,
}

/// A test file that cannot be run.
#[derive(Clone, Debug)]
pub enum Unusable {
    /// Something in it is wrong.
    TestFile(Vec<Diagnostic>),
    /// Something in a rule file that it names is wrong.
    RuleFile {
        /// The name as the test file has it.
        name: String,
        /// The text of that file.
        text: String,
        /// What is wrong with it.
        problems: Vec<Diagnostic>,
    },
    /// A rule file that it names cannot be read.
    Unreadable {
        /// The name as the test file has it.
        name: String,
        /// Why.
        reason: String,
    },
}

impl CaseResult {
    /// Whether what was seen is what should be.
    #[must_use]
    pub fn is_ok(&self) -> bool {
        self.error.is_none() && self.expected == self.got
    }
}

/// Runs the tests of a file. A rule that fails to evaluate ends its test, as with `promtool`.
///
/// - `read`: the text of a rule file by the name that the test file has for it.
///
/// # Errors
/// When the test file or a rule file that it names cannot be used.
pub fn run(
    text: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<Vec<CaseResult>, Unusable> {
    let tests = text::read(text).map_err(Unusable::TestFile)?;
    let mut files = Vec::new();
    for name in &tests.rule_files {
        files.push(rule_file(name, read)?);
    }
    let results = tests
        .tests
        .iter()
        .flat_map(|test| play::play(test, &tests, &files));
    Ok(results.collect())
}

fn rule_file(
    name: &str,
    read: &dyn Fn(&str) -> Result<String, String>,
) -> Result<RuleFile, Unusable> {
    let text = read(name).map_err(|reason| Unusable::Unreadable {
        name: name.to_owned(),
        reason,
    })?;
    file::read(name, &text).map_err(|problems| Unusable::RuleFile {
        name: name.to_owned(),
        text,
        problems,
    })
}

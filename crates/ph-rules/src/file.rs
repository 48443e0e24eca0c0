//! Rule files of Prometheus, read with the place of everything that is wrong.

mod reader;
mod text;

use std::time::Duration;

use ph_base::diagnostic::Diagnostic;
use ph_plan::document;
use ph_promql::{Labels, Query};

pub(crate) use self::reader::Reader;
use crate::template::Template;

/// The rules of one file.
#[derive(Clone, Debug)]
pub struct RuleFile {
    /// The file's name, as it was given.
    pub name: String,
    /// In the order of the file; each name once.
    pub groups: Vec<Group>,
}

/// Rules that are evaluated together, one after the other.
#[derive(Clone, Debug)]
pub struct Group {
    /// The name.
    pub name: String,
    /// How often; none for the default.
    pub interval: Option<Duration>,
    /// How many alerts or series one rule may give; 0 for any number.
    pub limit: usize,
    /// How far back expressions are evaluated.
    pub query_offset: Option<Duration>,
    /// As written; the rules have them among theirs already.
    pub labels: Labels,
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The expression: it gives a vector or a scalar.
    pub expr: Query,
    /// Labels to set, by name, those of the group among them. Of a recording rule they are taken as
    /// they are.
    pub labels: Vec<(String, Template)>,
    /// What becomes of its value.
    pub kind: RuleKind,
    /// The line in the file, counted from 1.
    pub line: usize,
}

/// What becomes of a rule's value.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleKind {
    /// Samples of a metric of this name.
    Record {
        /// The name.
        metric: String,
    },
    /// Alerts.
    Alert {
        /// `alertname`.
        name: String,
        /// `for`: how long an element is pending before it fires.
        hold: Duration,
        /// How long it goes on firing without an element.
        keep_firing_for: Duration,
        /// Annotations by name.
        annotations: Vec<(String, Template)>,
    },
}

impl Rule {
    /// The name of the metric or of the alert.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.kind {
            RuleKind::Record { metric } => metric,
            RuleKind::Alert { name, .. } => name,
        }
    }

    /// Whether the other one is the same rule in another version of a file, so that it goes on with
    /// its state: of the same kind, name and labels, as Prometheus has it. Expression, `for` and
    /// annotations may have changed.
    #[must_use]
    pub fn continues(&self, other: &Self) -> bool {
        std::mem::discriminant(&self.kind) == std::mem::discriminant(&other.kind)
            && self.name() == other.name()
            && self.labels == other.labels
    }
}

/// Reads a rule file.
///
/// - `name`: of the file, as it is shown.
///
/// # Errors
/// Everything that is wrong with it, at most a hundred problems: not YAML, unknown fields, values of the
/// wrong kind, expressions and templates that are wrong or not supported, each with its place.
pub fn read(name: &str, text: &str) -> Result<RuleFile, Vec<Diagnostic>> {
    let root = document::read(text)?;
    let mut reader = Reader::new(text);
    let groups = text::groups(&root, &mut reader);
    reader.finish(RuleFile {
        name: name.to_owned(),
        groups,
    })
}

//! Texts of labels and annotations: the part of Go's `text/template` that alert rules use.
//!
//! Taken: text, `{{ }}` with trim marks and comments, `$labels.x`, `$externalLabels.x`, `$externalURL`,
//! `$value` and the same from the dot, own variables, pipelines, parentheses, `if`/`else`/`with`, `printf`
//! and its kin, comparisons, and Prometheus's functions on numbers and texts. Refused where it stands:
//! everything that asks queries (`query`, `first`, …), `range`, `template`, `define` and `block`.

mod call;
mod format;
mod humanize;
mod lex;
mod parse;
mod run;

use std::fmt;
use std::ops::Range;

use ph_promql::Labels;

pub(crate) use self::call::link;
use self::parse::Node;

/// A text that was read and can be expanded again and again.
#[derive(Clone)]
pub struct Template {
    text: String,
    nodes: Vec<Node>,
}

/// What a template can speak of.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// `$labels`: of the element, the metric's name included.
    pub labels: &'a Labels,
    /// `$value`.
    pub value: f64,
    /// `$externalLabels`.
    pub external_labels: &'a Labels,
    /// `$externalURL`.
    pub external_url: &'a str,
}

/// A text that is no template, or one that is not supported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct TemplateError {
    /// The bytes of the text that are wrong.
    pub at: Range<usize>,
    /// What is wrong with them.
    pub text: String,
}

/// Why a template gave no text for one element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ExpandError(pub String);

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// The first place that is wrong or not supported.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        Ok(Self {
            text: text.to_owned(),
            nodes: parse::parse(text)?,
        })
    }

    /// A text in which nothing is expanded.
    #[must_use]
    pub fn literal(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            nodes: vec![Node::Text(text.to_owned())],
        }
    }

    /// The text as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text for one element.
    ///
    /// # Errors
    /// A function that does not take what it is given, and a text of more than 64 KiB.
    pub fn expand(&self, scope: &Scope<'_>) -> Result<String, ExpandError> {
        match self.nodes.as_slice() {
            [] => Ok(String::new()),
            [Node::Text(text)] => Ok(text.clone()),
            nodes => run::run(nodes, scope),
        }
    }

    /// The text for one element, or the error in the words in which it is shown in its place.
    #[must_use]
    pub fn expand_or_say(&self, scope: &Scope<'_>) -> String {
        self.expand(scope)
            .unwrap_or_else(|error| format!("<error expanding template: {error}>"))
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_tuple("Template").field(&self.text).finish()
    }
}

//! Names of sinks, of jobs, and of labels of scraped metrics.

use crate::mapping::{Key, name};

/// The job of Pilothouse's own metrics.
const OWN_JOB: &str = "mcp-server";

name!(
    /// The name of a job: the `job` label of what is scraped.
    JobName,
    "a mapping of scraped jobs by name",
    "a job name: 1 to 64 letters, digits, `.`, `_` or `-`, and not `mcp-server`",
    r"[A-Za-z0-9._-]{1,64}",
    '.' | '_' | '-', except OWN_JOB
);

name!(
    /// The name of a sink; also the name of the file that remembers how far it is.
    SinkName,
    "a mapping of sinks by name",
    "a sink name: 1 to 64 letters, digits, `_` or `-`",
    r"[A-Za-z0-9_-]{1,64}",
    '_' | '-'
);

/// The name of a label that a configuration may add.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LabelName(String);

impl LabelName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Key for LabelName {
    const MAPPING: &'static str = "a mapping of labels by name";
    const EXPECTED: &'static str = "a label name: letters, digits and `_`, not beginning with a digit or `__`, and not `job` or `instance`";
    const PATTERN: &'static str = "[A-Za-z_][A-Za-z0-9_]*";

    fn parse(text: &str) -> Option<Self> {
        let fits = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
            && !text.starts_with("__")
            && text.len() <= 128;
        (fits && !["job", "instance"].contains(&text)).then(|| Self(text.to_owned()))
    }

    fn refuse_value(value: &str) -> Option<&'static str> {
        (value.len() > 1024).then_some("at most 1024 bytes")
    }

    fn as_str(&self) -> &str {
        &self.0
    }
}

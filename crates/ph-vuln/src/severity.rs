//! How bad: a score where there is one, else a word, else unknown.

/// The severity of an advisory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Severity {
    /// 0.0 to 10.0; for a word without a score the least of its class.
    pub score: f64,
    /// What the score is from.
    pub from: SeverityFrom,
}

/// What a score stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeverityFrom {
    /// The highest of the record's CVSS vectors.
    Cvss,
    /// The database's own word (LOW 0.1, MODERATE 4.0, HIGH 7.0, CRITICAL 9.0).
    Word,
    /// A known-malicious package: 10.0.
    Malicious,
    /// Nothing is said: counted as 7.0 until somebody has assessed it.
    Unknown,
}

/// The classes of CVSS v3 and v4, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Class {
    /// 0.0.
    None,
    /// Below 4.0.
    Low,
    /// Below 7.0.
    Medium,
    /// Below 9.0.
    High,
    /// 9.0 and above.
    Critical,
}

impl Severity {
    /// The class of the score.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.score {
            s if s >= 9.0 => Class::Critical,
            s if s >= 7.0 => Class::High,
            s if s >= 4.0 => Class::Medium,
            s if s > 0.0 => Class::Low,
            _ => Class::None,
        }
    }
}

impl Class {
    /// The word in labels, tables and `--fail-on`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

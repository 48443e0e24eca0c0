//! What can be wrong with a query, and what Prometheus calls it.

use crate::limits::Interrupt;
use crate::source::SourceError;

/// The `errorType` of Prometheus's API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorType {
    /// The query or its parameters.
    BadData,
    /// The query cannot be answered on this data.
    Execution,
    /// Its time is over.
    Timeout,
    /// Nobody waits for it any more.
    Canceled,
    /// The data could not be read.
    Internal,
}

impl ErrorType {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadData => "bad_data",
            Self::Execution => "execution",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Internal => "internal",
        }
    }
}

/// A text that is no query. Always [`ErrorType::BadData`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {}{text}", if *.unsupported { "not supported: " } else { "parse error: " })]
pub struct ParseError {
    /// What is wrong.
    pub text: String,
    /// Where, in bytes from the start.
    pub position: usize,
    /// Where, counted from 1.
    pub line: usize,
    /// Where in the line, in characters, counted from 1.
    pub column: usize,
    /// Prometheus knows it, this engine does not; `text` names the construct.
    pub unsupported: bool,
}

impl ParseError {
    pub(crate) fn at(query: &str, position: usize, text: impl Into<String>) -> Self {
        let (line, column) = line_and_column(query, position);
        Self {
            text: text.into(),
            position,
            line,
            column,
            unsupported: false,
        }
    }

    pub(crate) fn unsupported_at(query: &str, position: usize, what: impl Into<String>) -> Self {
        Self {
            unsupported: true,
            ..Self::at(query, position, what)
        }
    }
}

/// Line and column of a byte, both counted from 1, the column in characters.
pub(crate) fn line_and_column(text: &str, position: usize) -> (usize, usize) {
    let before = text.get(..position).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// A parameter of the evaluation: times and steps.
    #[error("{0}")]
    BadParameter(String),
    /// The data does not fit the query, such as two series with the same labels.
    #[error("{0}")]
    Data(String),
    /// Known to Prometheus, not to us.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// More samples than one query may hold.
    #[error(
        "query processing would load too many samples into memory in query execution: more than {max}; \
         narrow its labels, its time or its step"
    )]
    TooManySamples {
        /// The bound.
        max: usize,
    },
    /// Stopped from outside.
    #[error(transparent)]
    Interrupted(#[from] Interrupt),
    /// The source failed.
    #[error(transparent)]
    Source(SourceError),
}

impl From<SourceError> for EvalError {
    fn from(error: SourceError) -> Self {
        match error {
            SourceError::TooManySamples { max } => Self::TooManySamples { max },
            SourceError::Interrupted(interrupt) => Self::Interrupted(interrupt),
            SourceError::Unsupported(what) => Self::Unsupported(what),
            other => Self::Source(other),
        }
    }
}

impl EvalError {
    /// What Prometheus calls it.
    pub fn error_type(&self) -> ErrorType {
        match self {
            Self::BadParameter(_) => ErrorType::BadData,
            Self::Data(_) | Self::Unsupported(_) | Self::TooManySamples { .. } => {
                ErrorType::Execution
            }
            Self::Interrupted(Interrupt::Timeout) => ErrorType::Timeout,
            Self::Interrupted(Interrupt::Canceled) => ErrorType::Canceled,
            Self::Source(SourceError::TooManySeries { .. }) => ErrorType::Execution,
            Self::Source(_) => ErrorType::Internal,
        }
    }
}

/// How much an annotation weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The answer is probably not what was meant.
    Warning,
    /// The answer may be not what was meant.
    Info,
}

/// A remark on an answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Annotation {
    /// How much it weighs.
    pub severity: Severity,
    /// What it says, as Prometheus says it: `PromQL warning: …`, `PromQL info: …`.
    pub text: String,
}

//! Where the value of an expression comes from.

use ph_promql::{Labels, Query};

/// Answers expressions: the own evaluator over the store, or another Prometheus.
pub trait Ask {
    /// The value of `query` at a time (Unix milliseconds): a vector's elements, or the one number of a
    /// scalar without labels.
    ///
    /// # Errors
    /// Why there is no answer; the rule keeps its state then.
    fn instant(&mut self, query: &Query, at_ms: i64) -> Result<Vec<(Labels, f64)>, AskError>;

    /// Takes what a rule wrote at this tick (markers of staleness among them); later rules of the same
    /// tick see it.
    fn written(&mut self, at_ms: i64, samples: &[(Labels, f64)]);
}

/// An expression without an answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct AskError(pub String);

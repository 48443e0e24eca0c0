//! Samples, series and what a query answers.

use crate::error::Annotation;
use crate::labels::Labels;

/// The bits of the sample that says: the series ends here. No arithmetic makes it, as it is a signalling NaN.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// Whether a value is the marker of a series' end.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// Unix time in milliseconds.
    pub t_ms: i64,
    /// The value.
    pub v: f64,
}

/// Labels and their samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The labels, the metric's name included.
    pub labels: Labels,
    /// Ascending by time, each time once. A source gives markers of staleness with them; an answer has none.
    pub samples: Vec<Sample>,
}

/// What an expression is worth.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// One number, at the time of the query.
    Scalar(Sample),
    /// A string, at the time of the query (Unix milliseconds).
    String(i64, String),
    /// One sample for each series, at the time of the query.
    Vector(Vec<(Labels, Sample)>),
    /// Samples over time for each series: a range query, or an instant query of `x[5m]`.
    Matrix(Vec<Series>),
}

/// A value, and what there is to say about how it was come by.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value.
    pub value: Value,
    /// Each text once, warnings first; at most ten of each severity.
    pub annotations: Vec<Annotation>,
}

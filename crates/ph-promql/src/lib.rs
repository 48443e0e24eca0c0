//! PromQL as Prometheus 3 answers it, on floats and classic histograms, over any [`SeriesSource`].
//!
//! Layer 1: no async, no I/O, no clock; `now` is an argument. HTTP parameters are `ph-api`'s, files are
//! `ph-store`'s. What is not supported fails with an error that names the construct.

mod error;
mod eval;
mod labels;
mod limits;
mod matcher;
mod query;
mod series;
mod source;

pub use error::{Annotation, ErrorType, EvalError, ParseError, Severity};
pub use eval::{instant, range};
pub use labels::{Labels, METRIC_NAME};
pub use limits::{Interrupt, Limits};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use query::{Query, ValueType, parse};
pub use series::{Answer, STALE_NAN_BITS, Sample, Series, Value, is_stale};
pub use source::{Select, SeriesSource, SourceError};

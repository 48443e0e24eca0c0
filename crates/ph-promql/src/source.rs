//! Where series come from.

use crate::matcher::Matcher;
use crate::series::Series;

/// One selector's wish. The times cover all steps, the range, the offset and the lookback already.
#[derive(Clone, Copy, Debug)]
pub struct Select<'a> {
    /// All must match. A label that is not there has the empty value.
    pub matchers: &'a [Matcher],
    /// The first time wanted, inclusive, Unix milliseconds.
    pub from_ms: i64,
    /// The last time wanted, inclusive, Unix milliseconds.
    pub to_ms: i64,
    /// The range of `x[5m]`; none for an instant selector. A hint.
    pub range_ms: Option<i64>,
    /// How far apart the times are at which the selector looks back, the last being `to_ms`; none when it does
    /// so once, as with `@`. A hint: what no such look finds may be left out.
    pub step_ms: Option<i64>,
    /// The function of which `x[5m]` is the argument; none for an instant selector. A hint.
    pub function: Option<&'a str>,
    /// How far apart samples may be that stand for all, milliseconds; 0: all are wanted. A hint:
    /// [`Limits::resolution_ms`](crate::Limits::resolution_ms).
    pub resolution_ms: i64,
    /// At most so many samples may be given; with more, [`SourceError::TooManySamples`].
    pub samples_max: usize,
    /// At most so many series may be given; with more, [`SourceError::TooManySeries`].
    pub series_max: usize,
}

/// Whatever can be asked for series.
pub trait SeriesSource {
    /// The series that match, each set of labels once, in any order; samples ascending, between the two
    /// times of the wish (more is allowed), with markers of staleness. A series without samples may be given.
    ///
    /// # Errors
    /// When the wish is beyond its bounds, or cannot be read.
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError>;
}

/// Why a source has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// More samples than the wish allows.
    #[error("the selector matches more than {max} samples: narrow its labels or its time")]
    TooManySamples {
        /// The bound.
        max: usize,
    },
    /// More series than the wish allows.
    #[error("the selector matches more than {max} series: narrow its labels")]
    TooManySeries {
        /// The bound.
        max: usize,
    },
    /// The caller's check said stop.
    #[error(transparent)]
    Interrupted(#[from] crate::limits::Interrupt),
    /// The source holds what this engine has no value for, such as native histograms.
    #[error("not supported: {0}")]
    Unsupported(String),
    /// The data could not be read.
    #[error("cannot read series: {0}")]
    Read(String),
}

//! The functions this engine has, and those it names as not supported.

use crate::query::ValueType::{self, Matrix, Scalar, String as Text, Vector};

/// A function with everything that differs between kinds of evaluation.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Func {
    /// Over the samples of a range.
    Over(Over),
    /// One value to one value; the metric's name goes.
    Map(fn(f64) -> f64),
    /// One value and scalars to one value; the metric's name goes.
    Clamp,
    ClampMin,
    ClampMax,
    Round,
    /// A part of the time that a value, or the evaluation, stands for.
    Date(DatePart),
    Absent,
    AbsentOverTime,
    HistogramQuantile,
    HistogramFraction,
    LabelJoin,
    LabelReplace,
    Pi,
    Scalar,
    Sort {
        descending: bool,
    },
    Time,
    Timestamp,
    Vector,
}

/// What becomes of the samples of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Over {
    Avg,
    Changes,
    Count,
    Delta,
    Deriv,
    First,
    Idelta,
    Increase,
    Irate,
    Last,
    Max,
    Min,
    PredictLinear,
    Present,
    Quantile,
    Rate,
    Resets,
    Stddev,
    Stdvar,
    Sum,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DatePart {
    DayOfMonth,
    DayOfWeek,
    DayOfYear,
    DaysInMonth,
    Hour,
    Minute,
    Month,
    Year,
}

/// A function's arguments, its result and what it does.
pub(crate) struct Signature {
    pub(crate) func: Func,
    /// The last is repeated without end in `label_join`.
    pub(crate) args: &'static [ValueType],
    /// So many of the last ones may be left out.
    pub(crate) optional: usize,
    pub(crate) repeats: bool,
    pub(crate) gives: ValueType,
}

/// What a name stands for.
pub(crate) enum Found {
    Known(Signature),
    /// Behind a feature flag of Prometheus.
    Experimental,
    /// Of use with native histograms only.
    NativeHistogram,
    Unknown,
}

pub(crate) fn find(name: &str) -> Found {
    let known = |func, args, gives| {
        Found::Known(Signature {
            func,
            args,
            optional: 0,
            repeats: false,
            gives,
        })
    };
    let map = |f: fn(f64) -> f64| known(Func::Map(f), &[Vector], Vector);
    let over = |over| known(Func::Over(over), &[Matrix], Vector);
    let date = |part| {
        Found::Known(Signature {
            func: Func::Date(part),
            args: &[Vector],
            optional: 1,
            repeats: false,
            gives: Vector,
        })
    };
    match name {
        "abs" => map(f64::abs),
        "absent" => known(Func::Absent, &[Vector], Vector),
        "absent_over_time" => known(Func::AbsentOverTime, &[Matrix], Vector),
        "acos" => map(f64::acos),
        "acosh" => map(f64::acosh),
        "asin" => map(f64::asin),
        "asinh" => map(f64::asinh),
        "atan" => map(f64::atan),
        "atanh" => map(f64::atanh),
        "avg_over_time" => over(Over::Avg),
        "ceil" => map(f64::ceil),
        "changes" => over(Over::Changes),
        "clamp" => known(Func::Clamp, &[Vector, Scalar, Scalar], Vector),
        "clamp_max" => known(Func::ClampMax, &[Vector, Scalar], Vector),
        "clamp_min" => known(Func::ClampMin, &[Vector, Scalar], Vector),
        "cos" => map(f64::cos),
        "cosh" => map(f64::cosh),
        "count_over_time" => over(Over::Count),
        "day_of_month" => date(DatePart::DayOfMonth),
        "day_of_week" => date(DatePart::DayOfWeek),
        "day_of_year" => date(DatePart::DayOfYear),
        "days_in_month" => date(DatePart::DaysInMonth),
        "deg" => map(|v| v * 180.0 / std::f64::consts::PI),
        "delta" => over(Over::Delta),
        "deriv" => over(Over::Deriv),
        "exp" => map(f64::exp),
        "first_over_time" => over(Over::First),
        "floor" => map(f64::floor),
        "histogram_fraction" => known(Func::HistogramFraction, &[Scalar, Scalar, Vector], Vector),
        "histogram_quantile" => known(Func::HistogramQuantile, &[Scalar, Vector], Vector),
        "hour" => date(DatePart::Hour),
        "idelta" => over(Over::Idelta),
        "increase" => over(Over::Increase),
        "irate" => over(Over::Irate),
        "label_join" => Found::Known(Signature {
            func: Func::LabelJoin,
            args: &[Vector, Text, Text, Text],
            optional: 1,
            repeats: true,
            gives: Vector,
        }),
        "label_replace" => known(
            Func::LabelReplace,
            &[Vector, Text, Text, Text, Text],
            Vector,
        ),
        "last_over_time" => over(Over::Last),
        "ln" => map(f64::ln),
        "log10" => map(f64::log10),
        "log2" => map(f64::log2),
        "max_over_time" => over(Over::Max),
        "min_over_time" => over(Over::Min),
        "minute" => date(DatePart::Minute),
        "month" => date(DatePart::Month),
        "pi" => known(Func::Pi, &[], Scalar),
        "predict_linear" => known(Func::Over(Over::PredictLinear), &[Matrix, Scalar], Vector),
        "present_over_time" => over(Over::Present),
        "quantile_over_time" => known(Func::Over(Over::Quantile), &[Scalar, Matrix], Vector),
        "rad" => map(|v| v * std::f64::consts::PI / 180.0),
        "rate" => over(Over::Rate),
        "resets" => over(Over::Resets),
        "round" => Found::Known(Signature {
            func: Func::Round,
            args: &[Vector, Scalar],
            optional: 1,
            repeats: false,
            gives: Vector,
        }),
        "scalar" => known(Func::Scalar, &[Vector], Scalar),
        "sgn" => map(|v| {
            if v > 0.0 {
                1.0
            } else if v < 0.0 {
                -1.0
            } else {
                v
            }
        }),
        "sin" => map(f64::sin),
        "sinh" => map(f64::sinh),
        "sort" => known(Func::Sort { descending: false }, &[Vector], Vector),
        "sort_desc" => known(Func::Sort { descending: true }, &[Vector], Vector),
        "sqrt" => map(f64::sqrt),
        "stddev_over_time" => over(Over::Stddev),
        "stdvar_over_time" => over(Over::Stdvar),
        "sum_over_time" => over(Over::Sum),
        "tan" => map(f64::tan),
        "tanh" => map(f64::tanh),
        "time" => known(Func::Time, &[], Scalar),
        "timestamp" => known(Func::Timestamp, &[Vector], Vector),
        "vector" => known(Func::Vector, &[Scalar], Vector),
        "year" => date(DatePart::Year),
        "histogram_avg" | "histogram_count" | "histogram_stddev" | "histogram_stdvar"
        | "histogram_sum" => Found::NativeHistogram,
        "double_exponential_smoothing"
        | "end"
        | "histogram_quantiles"
        | "info"
        | "integral"
        | "mad_over_time"
        | "max_of"
        | "min_of"
        | "range"
        | "sort_by_label"
        | "sort_by_label_desc"
        | "start"
        | "start_timestamp"
        | "step"
        | "ts_of_first_over_time"
        | "ts_of_last_over_time"
        | "ts_of_max_over_time"
        | "ts_of_min_over_time" => Found::Experimental,
        _ => Found::Unknown,
    }
}

//! Evaluation: a whole range at once, column by column. A column is one series with a value, or none, for
//! each step; an instant query is a range of one step.

mod aggregate;
mod binary;
mod call;
mod column;
mod date;
mod engine;
mod histogram;
mod label;
mod matching;
mod number;
mod over;
mod rank;
mod select;

use self::column::{Column, Grid, is_present};
use self::engine::Engine;
use crate::error::EvalError;
use crate::labels::Labels;
use crate::limits::Limits;
use crate::query::node::Kind;
use crate::query::{Query, TIME_MS_MAX, ValueType};
use crate::series::{Answer, Sample, Series, Value};
use crate::source::SeriesSource;

/// What a query is worth at one time (Unix milliseconds).
///
/// # Errors
/// When the data does not fit the query, when it would take more than `limits` allow, when it is stopped,
/// and when the source fails.
pub fn instant(
    source: &dyn SeriesSource,
    query: &Query,
    t_ms: i64,
    limits: &Limits<'_>,
) -> Result<Answer, EvalError> {
    check_time("time", t_ms)?;
    let grid = Grid {
        start_ms: t_ms,
        step_ms: 1,
        count: 1,
    };
    let engine = Engine::new(source, limits, grid);
    let node = query.node();
    let value = match (&node.kind, node.gives) {
        (Kind::Text(text), _) => Value::String(t_ms, text.value.clone()),
        (Kind::Range(range), _) => Value::Matrix(engine.range_vector(range, grid)?),
        (_, ValueType::Scalar) => {
            let values = engine.scalar(node, grid)?;
            let v = values.first().copied().unwrap_or(f64::NAN);
            Value::Scalar(Sample { t_ms, v })
        }
        _ => {
            let columns = engine.vector(node, grid)?;
            let columns = engine.settled(columns)?;
            let element = |column: Column| {
                let v = column.values.first().copied()?;
                is_present(v).then_some((column.labels, Sample { t_ms, v }))
            };
            Value::Vector(columns.into_iter().filter_map(element).collect())
        }
    };
    Ok(Answer {
        value,
        annotations: engine.into_annotations(),
    })
}

/// What a query is worth at each step from `start_ms` to `end_ms`, both inclusive: a matrix, sorted by labels.
///
/// # Errors
/// As [`instant`]; also for a step that is not positive, for more steps than `limits` allow, and for a
/// query that gives neither a scalar nor an instant vector.
pub fn range(
    source: &dyn SeriesSource,
    query: &Query,
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    limits: &Limits<'_>,
) -> Result<Answer, EvalError> {
    let node = query.node();
    if !matches!(node.gives, ValueType::Scalar | ValueType::Vector) {
        return Err(EvalError::BadParameter(format!(
            "invalid expression type \"{}\" for range query, must be Scalar or instant Vector",
            node.gives.name()
        )));
    }
    let grid = checked_grid(start_ms, end_ms, step_ms, limits)?;
    let engine = Engine::new(source, limits, grid);
    let mut series: Vec<Series> = if node.gives == ValueType::Scalar {
        let values = engine.scalar(node, grid)?;
        vec![Column::new(Labels::default(), values).into_series(grid)]
    } else {
        let columns = engine.settled(engine.vector(node, grid)?)?;
        columns
            .into_iter()
            .map(|column| column.into_series(grid))
            .collect()
    };
    series.retain(|one| !one.samples.is_empty());
    series.sort_by(|one, other| one.labels.cmp(&other.labels));
    Ok(Answer {
        value: Value::Matrix(series),
        annotations: engine.into_annotations(),
    })
}

fn checked_grid(
    start_ms: i64,
    end_ms: i64,
    step_ms: i64,
    limits: &Limits<'_>,
) -> Result<Grid, EvalError> {
    check_time("start", start_ms)?;
    check_time("end", end_ms)?;
    if end_ms < start_ms {
        let text = "end timestamp must not be before start time";
        return Err(EvalError::BadParameter(text.to_owned()));
    }
    if step_ms <= 0 {
        let text = "zero or negative query resolution step widths are not accepted. \
                    Try a positive integer";
        return Err(EvalError::BadParameter(text.to_owned()));
    }
    let count = usize::try_from((end_ms - start_ms) / step_ms + 1).unwrap_or(usize::MAX);
    if count > limits.steps_max {
        return Err(EvalError::BadParameter(format!(
            "exceeded maximum resolution of {} points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
            limits.steps_max
        )));
    }
    Ok(Grid {
        start_ms,
        step_ms,
        count,
    })
}

fn check_time(name: &str, t_ms: i64) -> Result<(), EvalError> {
    if (-TIME_MS_MAX..=TIME_MS_MAX).contains(&t_ms) {
        return Ok(());
    }
    Err(EvalError::BadParameter(format!(
        "invalid parameter \"{name}\": out of range"
    )))
}

//! `query` and `query_range`.

use super::encode::{self, success};
use super::error::PromError;
use super::query::{cut_remark, no_duration, numbers, parsed, read, required_time, time, timeout};
use super::series::limit;
use super::time::duration_ms;
use crate::clock;
use crate::params::{FormError, Params};
use crate::reply;
use crate::sources::{Numbers, Shared};
use crate::work::Stop;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use ph_promql::{Answer, EvalError, Interrupt, Limits};

/// Most steps of a range query: Prometheus's bound.
const STEPS_MAX: usize = 11_000;

type Form = Result<Params, FormError>;
type Reply = Result<Response, PromError>;

/// `/api/v1/query`
pub(crate) async fn instant(State(shared): State<Shared>, form: Form) -> Reply {
    let params = read(form)?;
    let query = parsed(&params)?;
    let t_ms = time(&params, "time")?.unwrap_or_else(clock::unix_ms);
    evaluate(shared, &params, move |numbers, limits| {
        ph_promql::instant(numbers, &query, t_ms, limits)
    })
    .await
}

/// `/api/v1/query_range`
pub(crate) async fn range(State(shared): State<Shared>, form: Form) -> Reply {
    let params = read(form)?;
    let start = required_time(&params, "start")?;
    let end = required_time(&params, "end")?;
    if end < start {
        return Err(PromError::parameter(
            "end",
            "end timestamp must not be before start time",
        ));
    }
    let step = params.get("step").unwrap_or_default();
    let step = duration_ms(step).ok_or_else(|| no_duration("step", step))?;
    if step <= 0 {
        return Err(PromError::parameter(
            "step",
            "zero or negative query resolution step widths are not accepted. Try a positive integer",
        ));
    }
    if usize::try_from((end - start) / step).unwrap_or(usize::MAX) > STEPS_MAX {
        return Err(PromError::bad_data(
            "exceeded maximum resolution of 11,000 points per timeseries. \
             Try decreasing the query resolution (?step=XX)",
        ));
    }
    let query = parsed(&params)?;
    evaluate(shared, &params, move |numbers, limits| {
        ph_promql::range(numbers, &query, start, end, step, limits)
    })
    .await
}

/// Runs an evaluation off the connection's thread, within its bounds.
async fn evaluate(
    shared: Shared,
    params: &Params,
    run: impl FnOnce(&dyn Numbers, &Limits<'_>) -> Result<Answer, EvalError> + Send + 'static,
) -> Reply {
    let time = timeout(params)?;
    let series_max = limit(params, "limit")?;
    let lookback = match params.get("lookback_delta") {
        None => None,
        Some(text) => Some(
            duration_ms(text)
                .filter(|ms| *ms > 0)
                .ok_or_else(|| no_duration("lookback_delta", text))?,
        ),
    };
    let resolution_ms = match params.get("max_source_resolution") {
        None => 0,
        Some(text) => duration_ms(text)
            .filter(|ms| *ms >= 0)
            .ok_or_else(|| no_duration("max_source_resolution", text))?,
    };
    let numbers = numbers(&shared)?;
    let job = move |stop: &Stop| {
        let check = || -> Result<(), Interrupt> { stop.check() };
        let mut limits = Limits {
            check: Some(&check),
            // Both ends count.
            steps_max: STEPS_MAX + 1,
            resolution_ms,
            ..Limits::default()
        };
        if let Some(lookback) = lookback {
            limits.lookback_ms = lookback;
        }
        let answer = run(numbers.as_ref(), &limits)?;
        finished(answer, series_max)
    };
    let body = shared.queries.run(time, job).await??;
    Ok(reply::json(StatusCode::OK, body))
}

fn finished(answer: Answer, series_max: Option<usize>) -> Result<String, PromError> {
    let Answer {
        value,
        mut annotations,
    } = answer;
    let (data, cut) = encode::value(&value, series_max)?;
    if cut {
        annotations.insert(0, cut_remark());
    }
    Ok(success(&data, &annotations))
}

//! `series`, `labels`, `label/NAME/values` and `query_exemplars`.

use super::encode::{bounded, comma, json_text, labels as write_labels, number, seconds, success};
use super::error::PromError;
use super::query::{cut_remark, numbers, read, time, timeout};
use crate::clock;
use crate::params::{FormError, Params};
use crate::reply;
use crate::sources::Shared;
use axum::extract::{Path, State};
use axum::response::Response;
use http::StatusCode;
use ph_promql::{Annotation, Labels, Matcher};
use std::collections::BTreeSet;

/// Most series that one of these requests looks at.
const SERIES_MAX: usize = 100_000;
/// Most exemplars of an answer.
const EXEMPLARS_MAX: usize = 10_000;
/// How far back `series` and `labels` look by themselves: half a day keeps them quick.
const LOOK_BACK_MS: i64 = 12 * 3_600_000;

type Form = Result<Params, FormError>;
type Reply = Result<Response, PromError>;

/// `/api/v1/series`
pub(crate) async fn series(State(shared): State<Shared>, form: Form) -> Reply {
    let params = read(form)?;
    if params.all("match[]").next().is_none() {
        return Err(PromError::bad_data("no match[] parameter provided"));
    }
    answer(shared, &params, |sets, limit| {
        let mut data = String::from("[");
        for (i, set) in sets.iter().take(limit).enumerate() {
            comma(&mut data, i);
            write_labels(&mut data, set);
            bounded(&data)?;
        }
        data.push(']');
        Ok((data, sets.len() > limit))
    })
    .await
}

/// `/api/v1/labels`
pub(crate) async fn labels(State(shared): State<Shared>, form: Form) -> Reply {
    let params = read(form)?;
    answer(shared, &params, |sets, limit| {
        let names = sets.iter().flat_map(|set| set.iter().map(|(name, _)| name));
        texts(&names.collect(), limit)
    })
    .await
}

/// `/api/v1/label/NAME/values`
pub(crate) async fn label_values(
    State(shared): State<Shared>,
    Path(name): Path<String>,
    form: Form,
) -> Reply {
    let params = read(form)?;
    if name.is_empty() {
        return Err(PromError::bad_data("invalid label name: \"\""));
    }
    answer(shared, &params, move |sets, limit| {
        let values = sets.iter().filter_map(|set| set.get(&name));
        texts(&values.collect(), limit)
    })
    .await
}

/// `/api/v1/query_exemplars`
pub(crate) async fn exemplars(State(shared): State<Shared>, form: Form) -> Reply {
    let params = read(form)?;
    let query = ph_promql::parse(params.get("query").unwrap_or_default())?;
    let selectors = query.selectors();
    let (from, to) = times(&params)?;
    let numbers = numbers(&shared)?;
    let job = move |_: &crate::work::Stop| {
        let found = numbers.exemplars(&selectors, from, to, EXEMPLARS_MAX)?;
        let mut data = String::from("[");
        for (i, (set, exemplars)) in found.iter().enumerate() {
            comma(&mut data, i);
            data.push_str("{\"seriesLabels\":");
            write_labels(&mut data, set);
            data.push_str(",\"exemplars\":[");
            for (i, exemplar) in exemplars.iter().enumerate() {
                comma(&mut data, i);
                data.push_str("{\"labels\":");
                write_labels(&mut data, &exemplar.labels);
                data.push_str(",\"value\":\"");
                number(&mut data, exemplar.value);
                data.push_str("\",\"timestamp\":");
                seconds(&mut data, exemplar.t_ms);
                data.push('}');
            }
            data.push_str("]}");
            bounded(&data)?;
        }
        data.push(']');
        Ok::<_, PromError>(success(&data, &[]))
    };
    let body = shared.queries.run(timeout(&params)?, job).await??;
    Ok(reply::json(StatusCode::OK, body))
}

/// Finds the label sets that are asked for, and lets `write` make JSON of them.
async fn answer(
    shared: Shared,
    params: &Params,
    write: impl FnOnce(&[Labels], usize) -> Result<(String, bool), PromError> + Send + 'static,
) -> Reply {
    let selectors = selectors(params)?;
    let (from, to) = times(params)?;
    let limit = limit(params, "limit")?.unwrap_or(usize::MAX);
    let numbers = numbers(&shared)?;
    let job = move |_: &crate::work::Stop| {
        let sets = numbers.label_sets(&selectors, from, to, SERIES_MAX)?;
        let (data, cut) = write(&sets, limit)?;
        let remarks: Vec<Annotation> = cut.then(cut_remark).into_iter().collect();
        Ok::<_, PromError>(success(&data, &remarks))
    };
    let body = shared.queries.run(timeout(params)?, job).await??;
    Ok(reply::json(StatusCode::OK, body))
}

fn texts(texts: &BTreeSet<&str>, limit: usize) -> Result<(String, bool), PromError> {
    let mut data = String::from("[");
    for (i, text) in texts.iter().take(limit).enumerate() {
        comma(&mut data, i);
        json_text(&mut data, text);
        bounded(&data)?;
    }
    data.push(']');
    Ok((data, texts.len() > limit))
}

/// The selectors of `match[]`.
pub(crate) fn selectors(params: &Params) -> Result<Vec<Vec<Matcher>>, PromError> {
    let mut out = Vec::new();
    for text in params.all("match[]") {
        let query = ph_promql::parse(text).map_err(|e| PromError::parameter("match[]", e))?;
        if !query.is_selector() {
            return Err(PromError::parameter(
                "match[]",
                "expected a series selector",
            ));
        }
        out.extend(query.selectors());
    }
    Ok(out)
}

fn times(params: &Params) -> Result<(i64, i64), PromError> {
    let to = time(params, "end")?.unwrap_or_else(clock::unix_ms);
    let from = time(params, "start")?.unwrap_or(to - LOOK_BACK_MS);
    if to < from {
        return Err(PromError::parameter(
            "end",
            "end timestamp must not be before start timestamp",
        ));
    }
    Ok((from, to))
}

/// The limit called `name`; 0 is none.
pub(crate) fn limit(params: &Params, name: &str) -> Result<Option<usize>, PromError> {
    let Some(text) = params.get(name) else {
        return Ok(None);
    };
    let limit: usize = text
        .parse()
        .map_err(|_| PromError::parameter(name, "limit must be a number, 0 or more"))?;
    Ok((limit > 0).then_some(limit))
}

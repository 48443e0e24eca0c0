//! What the endpoints of logs and traces have in common.

use crate::clock;
use crate::endpoint::{Kind, Param};
use crate::params::Params;
use crate::prometheus::{duration_ms, time_ms};
use crate::reply::ApiError;
use crate::sources::Shared;
use crate::work::{NotDone, Stop};
use http::StatusCode;
use ph_store::logs::{Budget, LogReader, StoreError};
use ph_store::query::{Field, Filter, QueryError};
use std::time::Duration;

pub(crate) const QUERY: Param = Param::text(
    "query",
    "What records must be like: `tool=search duration>=2s \"permission denied\"`. All of them by default.",
);
pub(crate) const SINCE: Param = Param::text("since", "How far back: `15m`, `7d`. Not with `from`.");
pub(crate) const FROM: Param = Param::text("from", "No earlier than: Unix seconds or RFC 3339.");
pub(crate) const TO: Param = Param::text("to", "No later than: Unix seconds or RFC 3339.");

/// Longest time a search may take, its wait for a turn included.
const SEARCH_TIME_MAX: Duration = Duration::from_secs(10);
/// Most bytes of records in an answer.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Refuses parameters that the endpoint does not know: a misspelt one would be a wrong answer.
pub(crate) fn only(params: &Params, known: &[Param]) -> Result<(), ApiError> {
    let is_known = |name: &str| known.iter().any(|param| param.name == name);
    let Some(unknown) = params.names().find(|name| !is_known(name)) else {
        return Ok(());
    };
    let names: Vec<_> = known
        .iter()
        .filter(|param| param.kind != Kind::InPath)
        .map(|param| format!("`{}`", param.name))
        .collect();
    let hint = if names.is_empty() {
        "this path takes no parameters".to_owned()
    } else {
        format!("there are {}", names.join(", "))
    };
    Err(ApiError::bad_request(format!("unknown parameter `{}`", shortened(unknown))).hint(hint))
}

/// `query`, read.
pub(crate) fn filter(text: &str) -> Result<Filter, ApiError> {
    ph_store::query::parse(text).map_err(|error| no_query(text, error))
}

fn no_query(text: &str, error: QueryError) -> ApiError {
    let column = error.column(text);
    let said = ApiError::bad_request(format!("query, column {column}: {}", error.message));
    let hint = error.hint.or(error.expected);
    if error.message.starts_with("unknown field") {
        return said.hint(with_fields(hint));
    }
    match hint {
        Some(hint) => said.hint(hint),
        None => said,
    }
}

/// `field`, read.
pub(crate) fn field(name: &str) -> Result<Field, ApiError> {
    Field::parse(name).map_err(|near| {
        let near = near.map(|near| format!("did you mean `{near}`?"));
        ApiError::bad_request(format!("unknown field `{}`", shortened(name)))
            .hint(with_fields(near))
    })
}

/// A hint, and the fields there are.
fn with_fields(hint: Option<String>) -> String {
    let known: Vec<_> = Field::names().collect();
    let known = format!("there are {}", known.join(", "));
    hint.map_or(known.clone(), |hint| format!("{hint} {known}"))
}

/// From when to when, in nanoseconds since 1970.
pub(crate) fn times(params: &Params) -> Result<(u64, u64), ApiError> {
    let from = match (params.get("since"), params.get("from")) {
        (Some(_), Some(_)) => {
            return Err(
                ApiError::bad_request("`since` and `from` are two ways to say one thing")
                    .hint("give one of them"),
            );
        }
        (Some(since), None) => {
            let ms = duration_ms(since).filter(|ms| *ms >= 0).ok_or_else(|| {
                ApiError::bad_request("`since` is no duration").hint("such as `15m`, `2h`, `7d`")
            })?;
            ns(clock::unix_ms().saturating_sub(ms))
        }
        (None, from) => from.map_or(Ok(0), |text| time("from", text))?,
    };
    let to = params
        .get("to")
        .map_or(Ok(u64::MAX), |text| time("to", text))?;
    if to < from {
        return Err(ApiError::bad_request("`to` is before `from`"));
    }
    Ok((from, to))
}

fn time(name: &str, text: &str) -> Result<u64, ApiError> {
    time_ms(text).map(ns).ok_or_else(|| {
        ApiError::bad_request(format!("`{name}` is no time"))
            .hint("Unix seconds, or RFC 3339 such as 2026-11-22T18:00:00Z")
    })
}

fn ns(ms: i64) -> u64 {
    u64::try_from(ms).unwrap_or(0).saturating_mul(1_000_000)
}

/// `limit`, as `known` describes it.
pub(crate) fn limit(params: &Params, known: &[Param]) -> Result<usize, ApiError> {
    number(params, known, "limit")
        .map_err(|error| error.hint("ask for the next page with `cursor`, or narrow the query"))
}

/// The number `name`, as `known` describes it.
pub(crate) fn number(params: &Params, known: &[Param], name: &str) -> Result<usize, ApiError> {
    let bounds = known.iter().find_map(|param| match param.kind {
        Kind::Number { default, max } if param.name == name => Some((default, max)),
        _ => None,
    });
    let (default, max) = bounds.unwrap_or((100, 1000));
    let number = params
        .get(name)
        .map_or(Some(default), |text| text.parse().ok());
    match number {
        Some(number) if number <= max => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        _ => Err(ApiError::bad_request(format!(
            "`{name}` is no whole number up to {max}"
        ))),
    }
}

/// The reader of records.
pub(crate) fn logs(shared: &Shared) -> Result<LogReader, ApiError> {
    shared.sources.logs.clone().ok_or_else(|| {
        ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "nothing is kept: the store is switched off",
        )
        .hint("set `store.enabled: true`")
    })
}

/// Runs a search off the connection's thread.
pub(crate) async fn search<T: Send + 'static>(
    shared: &Shared,
    job: impl FnOnce(LogReader, Budget) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, ApiError> {
    let reader = logs(shared)?;
    let job = move |stop: &Stop| {
        let budget = Budget {
            wall: stop.time_left(),
            bytes: ANSWER_BYTES_MAX,
            ..Budget::default()
        };
        job(reader, budget)
    };
    let done = shared.queries.run(SEARCH_TIME_MAX, job).await;
    match done {
        Ok(found) => found.map_err(|error| unreadable(&error)),
        Err(NotDone::Queue) => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many queries run at once",
        )
        .hint("try again")),
        Err(NotDone::Lost) => Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the search was lost",
        )),
    }
}

/// The chain of causes, with the name of the file.
fn unreadable(error: &StoreError) -> ApiError {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, text)
        .hint("`pilothouse store check` says what is damaged")
}

/// What to say when not everything was looked at.
pub(crate) fn incomplete(complete: bool, scanned: u64, total: u64) -> Option<String> {
    (!complete).then(|| {
        format!(
            "only {scanned} of {total} records were looked at: narrow the time (`since`) or the query, \
             or ask for less (`limit`)"
        )
    })
}

/// Of what a client sent, as much as it needs to know it again.
fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(60).collect()
}

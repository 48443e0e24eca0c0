//! `logs`, `logs/top` and `logs/histogram`.

use super::request::{self, FROM, QUERY, SINCE, TO};
use crate::clock;
use crate::endpoint::{Kind, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::extract::State;
use axum::response::Response;
use ph_store::logs::{Budget, Cursor, Hit, Order, Search};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::value::RawValue;

/// The words of `order`, the default first.
const ORDERS: &[&str] = &["newest", "oldest", "slowest"];

pub(crate) const SEARCH: &[Param] = &[
    QUERY,
    SINCE,
    FROM,
    TO,
    Param::of("order", Kind::OneOf(ORDERS), "Which come first."),
    Param::of(
        "limit",
        Kind::Number {
            default: 100,
            max: 1000,
        },
        "Records of a page.",
    ),
    Param::text(
        "cursor",
        "`next` of the page before, with all else the same.",
    ),
];

/// How much those who count may read.
const LINES_MAX: Param = Param::of(
    "lines_max",
    Kind::Number {
        default: 1_000_000_000,
        max: 1_000_000_000,
    },
    "Lines that are read at most; up to 512 are read together. None is read for what columns tell (`server`, `method`, \
     `tool`, `outcome`, `kind`, `level`, `status`, `duration`). Where more would have to be, only the newest are counted.",
);

pub(crate) const TOP: &[Param] = &[
    Param::of(
        "field",
        Kind::RequiredText,
        "The field: `tool`, `error`, `params.pattern`.",
    ),
    QUERY,
    SINCE,
    FROM,
    TO,
    Param::of(
        "limit",
        Kind::Number {
            default: 20,
            max: 1000,
        },
        "Values.",
    ),
    LINES_MAX,
];

pub(crate) const HISTOGRAM: &[Param] = &[
    QUERY,
    SINCE,
    FROM,
    TO,
    Param::of(
        "bars",
        Kind::Number {
            default: 60,
            max: 2000,
        },
        "Stretches of time.",
    ),
    LINES_MAX,
];

/// A page of records.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Records<'a> {
    /// In the order that was asked for, as they are stored: `docs/logs.md` has their fields.
    #[schemars(with = "Vec<serde_json::Map<String, serde_json::Value>>")]
    records: Vec<&'a RawValue>,
    /// Records that were decided on.
    scanned: u64,
    /// Records within the time that was asked for.
    total: u64,
    /// `false`: time ran out, so some that fit may be missing.
    complete: bool,
    /// The `cursor` of the next page, when there may be one.
    next: Option<String>,
    /// What to narrow, when it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// How often the values of a field occur.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Top {
    /// The field.
    field: String,
    /// The most frequent first.
    values: Vec<TopValue>,
    /// Records with other values than these.
    others: u64,
    /// Records without the field.
    without: u64,
    /// Records that were decided on.
    scanned: u64,
    /// Records within the time that was asked for.
    total: u64,
    /// `false`: time or `lines_max` ran out first, and only the newest records were counted.
    complete: bool,
    /// When it is not complete: what is not earlier than this was counted, all of it. In Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_from: Option<f64>,
    /// What to narrow, when it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// One value.
#[derive(Serialize, JsonSchema)]
pub(crate) struct TopValue {
    /// As text.
    value: String,
    /// Records that have it.
    count: u64,
    /// The longest duration among them, in milliseconds.
    duration_max: Option<f64>,
}

/// How many records there are over time.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Histogram {
    /// Beginning of the first stretch, in Unix seconds.
    from: f64,
    /// End of the last one, in Unix seconds.
    to: f64,
    /// Stretches of the same length, the earliest first.
    bars: Vec<Bar>,
    /// Records that were decided on.
    scanned: u64,
    /// Records within the time that was asked for.
    total: u64,
    /// `false`: time or `lines_max` ran out first, and only the newest records were counted.
    complete: bool,
    /// When it is not complete: what is not earlier than this was counted, all of it. In Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    complete_from: Option<f64>,
    /// What to narrow, when it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// The records of one stretch.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Bar {
    /// How many.
    records: u64,
    /// Of these, those of the level `error`.
    errors: u64,
}

/// `GET /api/pilothouse/logs`
pub(crate) async fn search(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, SEARCH)?;
    let filter = request::filter(params.get("query").unwrap_or_default())?;
    let (from_unix_ns, to_unix_ns) = request::times(&params)?;
    let limit = request::limit(&params, SEARCH)?;
    let order = order(params.get("order"))?;
    let after: Option<Cursor> = match params.get("cursor") {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            ApiError::bad_request("`cursor` is none").hint("it is `next` of the page before")
        })?),
    };
    let found = request::search(&shared, move |reader, budget| {
        reader.search(&Search {
            filter: &filter,
            from_unix_ns,
            to_unix_ns,
            order,
            limit,
            after,
            budget,
        })
    })
    .await?;
    reply::value(&Records {
        records: raw(&found.hits),
        scanned: found.scanned,
        total: found.total,
        complete: found.complete,
        next: found.next.map(|cursor| cursor.to_string()),
        hint: request::incomplete(found.complete, found.scanned, found.total),
    })
}

/// `GET /api/pilothouse/logs/top`
pub(crate) async fn top(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, TOP)?;
    let Some(name) = params.get("field").map(str::to_owned) else {
        return Err(ApiError::bad_request("`field` is missing").hint("such as `tool` or `error`"));
    };
    let field = request::field(&name)?;
    let filter = request::filter(params.get("query").unwrap_or_default())?;
    let (from_unix_ns, to_unix_ns) = request::times(&params)?;
    let limit = request::limit(&params, TOP)?;
    let lines_max = lines_max(&params, TOP)?;
    let top = request::search(&shared, move |reader, budget| {
        let search = Search {
            from_unix_ns,
            to_unix_ns,
            limit,
            budget: Budget {
                records: lines_max,
                ..budget
            },
            ..Search::new(&filter)
        };
        reader.top(&search, &field)
    })
    .await?;
    let value = |value: ph_store::logs::TopValue| TopValue {
        value: value.value,
        count: value.records,
        duration_max: value.duration_ns_max.map(ms),
    };
    reply::value(&Top {
        field: name,
        values: top.values.into_iter().map(value).collect(),
        others: top.others,
        without: top.without,
        scanned: top.scanned,
        total: top.total,
        complete: top.complete,
        complete_from: top.complete_from_unix_ns.map(seconds_after),
        hint: request::incomplete(top.complete, top.scanned, top.total),
    })
}

/// `GET /api/pilothouse/logs/histogram`
pub(crate) async fn histogram(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, HISTOGRAM)?;
    let filter = request::filter(params.get("query").unwrap_or_default())?;
    let (from_unix_ns, to_unix_ns) = request::times(&params)?;
    if from_unix_ns == 0 {
        return Err(ApiError::bad_request("from when on?").hint("give `since` or `from`"));
    }
    let now_ns = u64::try_from(clock::unix_ms()).unwrap_or(0) * 1_000_000;
    let to_unix_ns = to_unix_ns.min(now_ns).max(from_unix_ns);
    let bars = request::number(&params, HISTOGRAM, "bars")?;
    let lines_max = lines_max(&params, HISTOGRAM)?;
    let found = request::search(&shared, move |reader, budget| {
        let search = Search {
            from_unix_ns,
            to_unix_ns,
            budget: Budget {
                records: lines_max,
                ..budget
            },
            ..Search::new(&filter)
        };
        reader.histogram(&search, bars)
    })
    .await?;
    let seconds = |ns: u64| (ns / 1_000_000) as f64 / 1_000.0;
    let bars = found.bars.iter().map(|bar| Bar {
        records: bar.records,
        errors: bar.errors,
    });
    reply::value(&Histogram {
        from: seconds(from_unix_ns),
        to: seconds(to_unix_ns),
        bars: bars.collect(),
        scanned: found.scanned,
        total: found.total,
        complete: found.complete,
        complete_from: found.complete_from_unix_ns.map(seconds_after),
        hint: request::incomplete(found.complete, found.scanned, found.total),
    })
}

fn lines_max(params: &Params, known: &[Param]) -> Result<u64, ApiError> {
    request::number(params, known, LINES_MAX.name).map(|lines| lines as u64)
}

/// Unix seconds with three decimals, not before the moment.
fn seconds_after(ns: u64) -> f64 {
    ns.div_ceil(1_000_000) as f64 / 1_000.0
}

fn order(text: Option<&str>) -> Result<Order, ApiError> {
    match text {
        None | Some("newest") => Ok(Order::Newest),
        Some("oldest") => Ok(Order::Oldest),
        Some("slowest") => Ok(Order::Slowest),
        Some(_) => {
            Err(ApiError::bad_request("unknown `order`").hint("`newest`, `oldest` or `slowest`"))
        }
    }
}

/// The records as they are stored. What is no JSON was never one of ours, and is left out.
pub(crate) fn raw(hits: &[Hit]) -> Vec<&RawValue> {
    hits.iter()
        .filter_map(|hit| serde_json::from_slice(&hit.json).ok())
        .collect()
}

/// Milliseconds with three decimals.
pub(crate) fn ms(ns: u64) -> f64 {
    (ns / 1_000) as f64 / 1_000.0
}

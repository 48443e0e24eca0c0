//! `logs/tally`.

use super::request::{self, FROM, QUERY, SINCE, TO};
use crate::endpoint::{Kind, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use axum::extract::State;
use axum::response::Response;
use ph_store::logs::Search;
use ph_store::query::Field;
use schemars::JsonSchema;
use serde::Serialize;

pub(crate) const TALLY: &[Param] = &[
    Param::of(
        "by",
        Kind::RequiredText,
        "Fields whose values records are put together by, with commas between: `server,tool,client`.",
    ),
    Param::text(
        "sum",
        "Fields whose numbers are summed up, with commas between: `upstream_ms,response_bytes`.",
    ),
    QUERY,
    SINCE,
    FROM,
    TO,
];

/// Fields of either list, at most.
const FIELDS_MAX: usize = 8;

/// Records, put together by the values of some fields.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Tally {
    /// The fields that they are put together by.
    by: Vec<String>,
    /// The fields that are summed up.
    sum: Vec<String>,
    /// By their values, in order. Beyond 5000 groups those that come are put together as `other`.
    groups: Vec<Group>,
    /// Records that were decided on.
    scanned: u64,
    /// Records within the time that was asked for.
    total: u64,
    /// `false`: time ran out first.
    complete: bool,
    /// What to narrow, when it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Records with the same values.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Group {
    /// The value of each field of `by`; `null` where the records have none.
    values: Vec<Option<String>>,
    /// How many.
    count: u64,
    /// Length of their lines, in bytes.
    bytes: u64,
    /// Of each field of `sum`, in thousandths of what the lines have.
    sums_milli: Vec<u64>,
}

/// `GET /api/pilothouse/logs/tally`
pub(crate) async fn tally(
    State(shared): State<Shared>,
    params: Params,
) -> Result<Response, ApiError> {
    request::only(&params, TALLY)?;
    let (by, fields) = fields("by", params.get("by").unwrap_or_default())?;
    if by.is_empty() {
        return Err(ApiError::bad_request("`by` is missing").hint("such as `server,tool,client`"));
    }
    let (sum, summed) = self::fields("sum", params.get("sum").unwrap_or_default())?;
    let filter = request::filter(params.get("query").unwrap_or_default())?;
    let (from_unix_ns, to_unix_ns) = request::times(&params)?;
    let tally = request::search(&shared, move |reader, budget| {
        let search = Search {
            from_unix_ns,
            to_unix_ns,
            budget,
            ..Search::new(&filter)
        };
        reader.tally(&search, &fields, &summed)
    })
    .await?;
    let group = |group: ph_store::logs::TallyGroup| Group {
        values: group.values,
        count: group.records,
        bytes: group.bytes,
        sums_milli: group.sums_milli,
    };
    reply::value(&Tally {
        by,
        sum,
        groups: tally.groups.into_iter().map(group).collect(),
        scanned: tally.scanned,
        total: tally.total,
        complete: tally.complete,
        hint: request::incomplete(tally.complete, tally.scanned, tally.total),
    })
}

/// A list of fields: their names, and themselves.
fn fields(name: &str, text: &str) -> Result<(Vec<String>, Vec<Field>), ApiError> {
    let names: Vec<String> = text
        .split(',')
        .map(|name| name.trim().to_owned())
        .filter(|name| !name.is_empty())
        .collect();
    if names.len() > FIELDS_MAX {
        return Err(ApiError::bad_request(format!(
            "`{name}` has more than {FIELDS_MAX} fields"
        )));
    }
    let fields = names
        .iter()
        .map(|name| request::field(name))
        .collect::<Result<_, _>>()?;
    Ok((names, fields))
}

//! `cost`: the bill, whose cost it was, what servers are to ask for, and loads against autoscalers.
//!
//! What the command line prints and what is answered here is computed by the same functions (`ph-ledger`, `ph-cost`). They read
//! what was recorded by asking this API, so a question here is several questions within.

mod answers;
mod form;
mod inside;
mod replay;

use super::request;
use crate::clock;
use crate::endpoint::{Answer, Endpoint, Methods, Param};
use crate::params::Params;
use crate::reply::{self, ApiError};
use crate::sources::Shared;
use crate::work::{NotDone, Stop};
use answers::{CostBill, CostShares, CostSizes, Nothing};
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use form::Form;
use http::StatusCode;
use inside::Inside;
use ph_cost::attribution::attribute;
use ph_cost::bill::{Measure, settle};
use ph_ledger::{Grain, Past, Period, Recorded, sized};
use ph_plan::Plan;
use ph_rules::slo::Month;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that an answer may take, its wait for a turn included.
const TIME_MAX: Duration = Duration::from_secs(30);

/// The endpoints of this module.
pub(super) fn endpoints() -> Vec<Endpoint> {
    let read = |path, summary, params, answer, route| Endpoint {
        path,
        methods: Methods::Get,
        summary,
        params,
        answer,
        route,
    };
    vec![
        read(
            "/api/pilothouse/cost/bill",
            "The bill of a month, made of what was recorded, and what measures take off it.",
            BILL,
            Answer::json::<CostBill>(),
            get(bill),
        ),
        read(
            "/api/pilothouse/cost/shares",
            "Whose cost it was: by server, tool and client.",
            SHARES,
            Answer::json::<CostShares>(),
            get(shares),
        ),
        read(
            "/api/pilothouse/cost/sizes",
            "What servers are to ask for, from what their processes used, replayed over that time.",
            SIZES,
            Answer::json::<CostSizes>(),
            get(sizes),
        ),
        read(
            "/api/pilothouse/cost/replay",
            "The load of a server against settings of an autoscaler: as it is, as it is proposed, and the cheapest that is found.",
            replay::PARAMS,
            Answer::json::<answers::CostReplay>(),
            get(replay::replay),
        ),
    ]
}

const BILL: &[Param] = &[
    Param::text("month", "`2026-11`, in UTC; this month by default."),
    Param::of(
        "measure",
        crate::endpoint::Kind::Texts,
        "What is to be done about it, in this order: JSON, as `measures` of a bill.",
    ),
    form::CPU_HOUR,
    form::GIB_HOUR,
];
const SHARES: &[Param] = &[form::SINCE, form::CPU_HOUR, form::GIB_HOUR];
const SIZES: &[Param] = &[
    form::SERVER,
    form::SINCE,
    Param::text(
        "step",
        "Distance of two samples, `15s` to `1h`; by the time that is looked at, `1m` at least.",
    ),
    Param::text(
        "cpu_request",
        "CPU request of today, as in a manifest: `500m`.",
    ),
    Param::text("cpu_limit", "CPU limit of today."),
    Param::text("memory_request", "Memory request of today: `512Mi`."),
    Param::text("memory_limit", "Memory limit of today."),
    Param::text(
        "hpa_cpu",
        "`averageUtilization` of the autoscaler on CPU, in percent.",
    ),
    Param::text("hpa_min", "`minReplicas`; 2 by default."),
    Param::text("hpa_max", "`maxReplicas`; 10 by default."),
    form::CPU_HOUR,
    form::GIB_HOUR,
];

/// Measures of a bill, at most.
const MEASURES_MAX: usize = 32;
/// Longest time that is looked at, in seconds.
const SIZES_S_MAX: i64 = 90 * 86_400;
/// Samples of a series that are looked at here; the command line takes more.
const SAMPLES_MAX: i64 = 45_000;

async fn bill(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, BILL)?;
    let form = Form(&params);
    let now_ms = clock::unix_ms();
    let month = match params.get("month") {
        None => Month::of(now_ms),
        Some(text) => Month::parse(text)
            .filter(|month| month.begin_ms() < now_ms)
            .ok_or_else(|| {
                ApiError::bad_request("expected a month that has begun, such as `2026-11`")
                    .field("month")
            })?,
    };
    let measures = measures(&params)?;
    let (plan, priced) = form.prices(&shared)?;
    let answer = run(&shared, move |inside, _| {
        let period = |month: Month| Period {
            name: month.to_string(),
            begin_ms: month.begin_ms(),
            end_ms: month.end_ms(),
        };
        let both = (&period(Month::of(month.begin_ms() - 1)), &period(month));
        let made = ph_ledger::bill(inside, &plan, &priced.source, both, measures, now_ms)?;
        let settled = settle(&made.bill)
            .map_err(|problem| ApiError::bad_request(problem.to_string()).field("measure"))?;
        Ok(CostBill {
            bill: settled,
            is_over: month.end_ms() <= now_ms,
            notes: made.notes,
            how: made.arithmetic,
            priced,
        })
    });
    reply::value(&answer.await?)
}

/// What is to be done about it. What is wrong with one is said with its number.
fn measures(params: &Params) -> Result<Vec<Measure>, ApiError> {
    let texts: Vec<&str> = params.all("measure").collect();
    if texts.len() > MEASURES_MAX {
        let text = format!("there are more than {MEASURES_MAX} measures");
        return Err(ApiError::bad_request(text).field("measure"));
    }
    let read = |(nth, text): (usize, &&str)| {
        serde_json::from_str(text).map_err(|error| {
            ApiError::bad_request(format!("measure {}: {error}", nth + 1))
                .hint("such as {\"name\": \"smaller\", \"row\": \"CPU and memory\", \"saves\": {\"permille_of_row\": 200}}")
                .field("measure")
        })
    };
    texts.iter().enumerate().map(read).collect()
}

async fn shares(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, SHARES)?;
    let form = Form(&params);
    let (from_ms, to_ms) = form.since("1d")?;
    let (plan, priced) = form.prices(&shared)?;
    let answer = run(&shared, move |inside, _| {
        let Recorded { input, notes } = Past { from_ms, to_ms }.recorded(inside, &plan)?;
        let shares = attribute(&input).map_err(|problem| {
            ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, problem.to_string())
        })?;
        Ok(CostShares {
            shares,
            notes,
            priced,
        })
    });
    reply::value(&answer.await?)
}

async fn sizes(State(shared): State<Shared>, params: Params) -> Result<Response, ApiError> {
    request::only(&params, SIZES)?;
    let form = Form(&params);
    let (from_ms, to_ms) = form.since("7d")?;
    let span_s = (to_ms - from_ms) / 1_000;
    if span_s > SIZES_S_MAX {
        return Err(ApiError::bad_request("at most `90d` are looked at").field("since"));
    }
    let step_s = match form.seconds("step")? {
        Some(step_s) => step_s,
        None => (span_s / SAMPLES_MAX + 1).clamp(60, 3_600),
    };
    if !(15..=3_600).contains(&step_s) || span_s / step_s > SAMPLES_MAX {
        let least = (span_s / SAMPLES_MAX + 1).max(15);
        let text = format!("expected a step from {least}s to 1h for this time");
        return Err(ApiError::bad_request(text).field("step"));
    }
    let what_if = form.what_if()?;
    let name = params.get("server").map(ToOwned::to_owned);
    let since = form.since_text("7d").to_owned();
    let (plan, priced) = form.prices(&shared)?;
    let without = priced.clone();
    let answer = run(&shared, move |inside, _| {
        let grain = Grain::new(from_ms, to_ms, step_s)?;
        let observed = ph_ledger::servers(inside, grain, name.as_deref())?;
        let load = |server: &str| {
            let load = ph_ledger::load(inside, server, (from_ms, to_ms), &since);
            load.map_err(|error| error.to_string())
        };
        let sized = observed
            .into_iter()
            .map(|one| sized(&what_if, &plan, &priced.source, one, &load));
        Ok(CostSizes {
            nothing: None,
            servers: sized.collect(),
            step_s,
            priced,
        })
    });
    reply::value(&or_nothing(answer.await, |nothing| CostSizes {
        nothing: Some(nothing),
        servers: Vec::new(),
        step_s,
        priced: without,
    })?)
}

/// Runs `job` off the connection's thread when it is its turn, with somebody who answers questions of this API.
async fn run<T: Send + 'static>(
    shared: &Shared,
    job: impl FnOnce(&Inside, &Stop) -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let unavailable = |why: &str| ApiError::new(StatusCode::SERVICE_UNAVAILABLE, why);
    let asker = Inside::new(shared);
    let job = move |stop: &Stop| job(&asker.until(stop), stop);
    match shared.costing.run(TIME_MAX, job).await {
        Ok(done) => done,
        Err(NotDone::Queue) => {
            Err(unavailable("too many questions of cost are being answered").hint("try again"))
        }
        Err(NotDone::Lost) => Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the answer was lost",
        )),
    }
}

/// What was recorded may not answer a question that made sense: that is an answer, too.
fn or_nothing<T>(
    answer: Result<T, ApiError>,
    empty: impl FnOnce(Nothing) -> T,
) -> Result<T, ApiError> {
    answer.or_else(|error| match error.unanswered() {
        Some((why, hint)) => Ok(empty(Nothing { why, hint })),
        None => Err(error),
    })
}

/// The plan that runs.
fn plan(shared: &Shared) -> Arc<Plan> {
    let known = shared.sources.configurations.as_ref();
    known.map_or_else(Arc::default, |known| known.plan())
}

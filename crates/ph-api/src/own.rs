//! Our own API: logs, traces, servers, service levels, what changes, the store and the sinks.
//!
//! Everything is bounded; what ran into a bound says so, and says what to narrow.

mod blocks;
mod configuration;
mod cost;
mod follow;
mod keys;
mod live;
mod logs;
mod me;
mod request;
mod servers;
mod slos;
mod status;
mod tally;
mod tools;
mod traces;
mod vulnerabilities;

use crate::endpoint::{Answer, Endpoint, Methods};
use axum::routing::get;

/// The endpoints of this module.
pub(crate) fn endpoints() -> Vec<Endpoint> {
    let read = |path, summary, params, answer, route| Endpoint {
        path,
        methods: Methods::Get,
        summary,
        params,
        answer,
        route,
    };
    let mut all = vec![
        read(
            "/api/pilothouse/logs",
            "Records that fit a query, a page at a time.",
            logs::SEARCH,
            Answer::json::<logs::Records>(),
            get(logs::search),
        ),
        read(
            "/api/pilothouse/logs/follow",
            "Records that fit a query, as they come: an event stream whose ids are the records' numbers.",
            follow::FOLLOW,
            Answer::Other("text/event-stream"),
            get(follow::follow),
        ),
        read(
            "/api/pilothouse/logs/top",
            "Which values a field has in the records that fit, the most frequent first.",
            logs::TOP,
            Answer::json::<logs::Top>(),
            get(logs::top),
        ),
        read(
            "/api/pilothouse/logs/histogram",
            "How many records fit a query over time.",
            logs::HISTOGRAM,
            Answer::json::<logs::Histogram>(),
            get(logs::histogram),
        ),
        read(
            "/api/pilothouse/logs/tally",
            "How many of the records that fit have which values together, and what their numbers sum up to.",
            tally::TALLY,
            Answer::json::<tally::Tally>(),
            get(tally::tally),
        ),
        read(
            "/api/pilothouse/traces/slowest",
            "The traces of the slowest calls; streams left out.",
            traces::SLOWEST,
            Answer::json::<traces::Slowest>(),
            get(traces::slowest),
        ),
        read(
            "/api/pilothouse/traces/{trace_id}",
            "One trace: its records, and the tree that is made of them.",
            traces::TRACE,
            Answer::json::<traces::OneTrace>(),
            get(traces::trace),
        ),
        read(
            "/api/pilothouse/slos",
            "How every service level stands: events, what of the budget is left, how fast it burns.",
            slos::TABLE,
            Answer::json::<slos::Slos>(),
            get(slos::table),
        ),
        read(
            "/api/pilothouse/slos/report",
            "The service levels of a month, day by day; as JSON, Markdown or HTML.",
            slos::REPORT,
            Answer::json::<slos::ReportAnswer>(),
            get(slos::report),
        ),
        read(
            "/api/pilothouse/live",
            "What changes, as it changes: an event stream of servers, alerts, events and new numbers.",
            &[],
            Answer::Other("text/event-stream"),
            get(live::live),
        ),
        read(
            "/api/pilothouse/me",
            "Who asks, with which role.",
            &[],
            Answer::json::<me::Me>(),
            get(me::me),
        ),
        read(
            "/api/pilothouse/store",
            "How much is kept.",
            &[],
            Answer::json::<status::Store>(),
            get(status::store),
        ),
        read(
            "/api/pilothouse/sinks",
            "How the sinks are doing.",
            &[],
            Answer::json::<status::Sinks>(),
            get(status::sinks),
        ),
    ];
    all.extend(blocks::endpoints());
    all.extend(configuration::endpoints());
    all.extend(cost::endpoints());
    all.extend(keys::endpoints());
    all.extend(tools::endpoints());
    all.extend(servers::endpoints());
    all.extend(vulnerabilities::endpoints());
    all
}

//! How long calls took and what CPU they cost, as it was recorded.

use crate::{Ask, Params, seconds};
use ph_cost::replay::{Scenario, Service};
use ph_record::catalogue;
use serde::Serialize;

/// Fewer calls say nothing of a mean.
const CALLS_MIN: f64 = 100.0;

/// What was recorded of a server; what was not is `None`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Seen {
    /// Mean time of an answer, waiting included.
    pub service_s: Option<f64>,
    /// CPU of all its processes over its calls.
    pub cpu_s_per_call: Option<f64>,
    /// The most calls at once in one process; there may have been more between two samples.
    pub at_once: Option<f64>,
    /// Where each is from.
    pub evidence: Vec<String>,
}

/// Asks for the numbers of `server` between two times, Unix milliseconds.
///
/// # Errors
/// Those of whoever is asked.
pub fn seen<A: Ask>(api: &A, server: &str, from_ms: i64, to_ms: i64) -> Result<Seen, A::Error> {
    let of = format!(
        "{{server=\"{}\"}}",
        server.replace('\\', "\\\\").replace('"', "\\\"")
    );
    let span = format!("[{}s]", ((to_ms - from_ms) / 1_000).max(60));
    let ask = |query: &str| number(api, query, to_ms);
    let sum = |counter: &str| ask(&format!("sum(increase({counter}{of}{span}))"));
    let calls = sum("mcp_response_duration_seconds_count")?.unwrap_or(0.0);
    let mut seen = Seen::default();
    if calls < CALLS_MIN {
        seen.evidence.push(format!(
            "{calls:.0} calls were recorded, fewer than {CALLS_MIN:.0}: their time and CPU are not taken from them"
        ));
        return Ok(seen);
    }
    if let Some(total_s) = sum("mcp_response_duration_seconds_sum")?.filter(|s| *s > 0.0) {
        let mean_s = total_s / calls;
        seen.service_s = Some(mean_s);
        seen.evidence.push(format!(
            "a call takes {:.2} ms: {total_s:.1} s of {calls:.0} calls, waiting included",
            mean_s * 1_000.0
        ));
    }
    match sum(catalogue::CPU_SECONDS.name)?.filter(|s| *s > 0.0) {
        Some(cpu_s) => {
            let each_s = cpu_s / calls;
            seen.cpu_s_per_call = Some(each_s);
            seen.evidence.push(format!(
                "a call costs {:.3} ms of CPU: {cpu_s:.1} s of CPU / {calls:.0} calls, what was used between them included",
                each_s * 1_000.0
            ));
        }
        None => seen
            .evidence
            .push("no CPU was measured of it: it is not a child of ours".to_owned()),
    }
    let most = |gauge: &str| ask(&format!("max(max_over_time({gauge}{of}{span}))"));
    if let Some(in_flight) = most(catalogue::CALLS_IN_FLIGHT.name)? {
        let processes = most(catalogue::CHILDREN.name)?.unwrap_or(1.0).max(1.0);
        let at_once = (in_flight / processes).ceil();
        seen.at_once = Some(at_once);
        seen.evidence.push(format!(
            "at most {in_flight:.0} calls at once were seen in {processes:.0} processes, {at_once:.0} in each; between samples there may have been more"
        ));
    }
    Ok(seen)
}

fn number<A: Ask>(api: &A, query: &str, at_ms: i64) -> Result<Option<f64>, A::Error> {
    let params = Params::new()
        .with("query", query)
        .with("time", seconds(at_ms));
    let body = api.json("/api/v1/query", &params)?;
    let text = body["data"]["result"][0]["value"][1].as_str();
    let value = text.and_then(|text| text.parse::<f64>().ok());
    Ok(value.filter(|value| value.is_finite() && *value >= 0.0))
}

/// What was recorded, and for the rest what is taken for granted. Calls that were seen at once are the least that a pod can
/// do: they are taken only where they are more than what is taken for granted.
#[must_use]
pub fn service_of(seen: &Seen) -> Service {
    let granted = Scenario::default().service;
    let at_once = seen.at_once.map_or(0, |calls| calls as i64);
    Service {
        service_s: seen.service_s.unwrap_or(granted.service_s),
        concurrency: granted.concurrency.max(at_once),
        cpu_s_per_call: seen.cpu_s_per_call.unwrap_or(granted.cpu_s_per_call),
        timeout_s: granted.timeout_s,
    }
}

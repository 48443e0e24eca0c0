//! The load of a server, as it was recorded.

use crate::{Ask, Params, Refused, Seen, seconds, seen};
use ph_cost::arrivals::Arrivals;

/// Steps of what was recorded: as near as samples are, and no more points than the API gives.
const STEP_S: i64 = 15;
const POINTS_MAX: i64 = 10_000;

/// A load, and how it came about.
#[derive(Clone, Debug)]
pub struct Load {
    /// When calls came.
    pub arrivals: Arrivals,
    /// How that came about.
    pub evidence: Vec<String>,
    /// What the calls took, where they were recorded here.
    pub seen: Seen,
}

/// Calls of a server, by the counter that every call adds to.
///
/// - `since`: the beginning as it is to be shown.
///
/// # Errors
/// Those of whoever is asked; where nothing was recorded, or no call came.
pub fn load<A: Ask>(
    api: &A,
    server: &str,
    (from_ms, to_ms): (i64, i64),
    since: &str,
) -> Result<Load, A::Error> {
    let span_s = (to_ms - from_ms) / 1_000;
    let step_s = ((span_s + POINTS_MAX - 1) / POINTS_MAX).max(STEP_S);
    // A whole number of the distance of samples.
    let step_s = (step_s + STEP_S - 1) / STEP_S * STEP_S;
    let quoted = server.replace('\\', "\\\\").replace('"', "\\\"");
    // A window of two steps has two samples even where one is late; half of it is a step's.
    let query = format!(
        "sum(rate(mcp_requests_total{{server=\"{quoted}\"}}[{}s])) * {step_s}",
        2 * step_s
    );
    let params = Params::new()
        .with("query", &query)
        .with("start", seconds(from_ms))
        .with("end", seconds(to_ms))
        .with("step", step_s);
    let body = api.json("/api/v1/query_range", &params)?;
    let points = body["data"]["result"][0]["values"].as_array();
    let points = points.filter(|points| points.len() > 1).ok_or_else(|| Refused {
        error: format!("nothing was recorded of calls of `{server}` since {since}"),
        hint: Some("is this its name? `pilothouse query 'count by (server) (mcp_requests_total)'` lists those that have calls".into()),
    })?;
    let mut read = Vec::with_capacity(points.len());
    for point in points {
        let at = point[0].as_f64();
        let calls = point[1].as_str().and_then(|text| text.parse::<f64>().ok());
        let calls = calls.filter(|calls| calls.is_finite() && *calls >= 0.0);
        let (Some(at), Some(calls)) = (at, calls) else {
            let text = format!("what was recorded has a point that is no number: {point}");
            return Err(Refused::new(text).into());
        };
        read.push((at as i64, calls));
    }
    let first = read[0].0;
    let last = read[read.len() - 1].0;
    let place = |at: i64| usize::try_from((at - first) / step_s).unwrap_or(0);
    let steps = place(last) + 1;
    let mut counts = vec![0.0; steps];
    for (at, calls) in &read {
        // A time that lies before the first, which no answer has, would count as the first.
        counts[place(*at).min(steps - 1)] += calls;
    }
    let mut evidence = vec![format!(
        "{} points of `{query}`, steps of {step_s} s",
        read.len()
    )];
    let missing = steps - read.len().min(steps);
    if missing > 0 {
        evidence.push(format!(
            "{missing} of {steps} steps have no sample, and count as no calls: was Pilothouse running?"
        ));
    }
    let arrivals = Arrivals {
        start_s: Some(first),
        step_s,
        counts,
    };
    if arrivals.calls() <= 0.0 {
        let text =
            format!("`{server}` had no call since {since}: zero traffic says nothing of scaling");
        return Err(Refused::new(text).into());
    }
    let seen = seen(api, server, from_ms, to_ms)?;
    Ok(Load {
        arrivals,
        evidence,
        seen,
    })
}

//! The load: of a file, or as it was recorded.

use super::SimulateArgs;
use super::service::{Seen, seen};
use crate::ask::{Api, Params, Refused, Within, seconds};
use anyhow::{Context, Result, anyhow, bail};
use ph_cost::arrivals::{Arrivals, read};
use std::path::Path;

/// Larger files are refused.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// Steps of what was recorded: as near as samples are, and no more points than the API gives.
const STEP_S: i64 = 15;
const POINTS_MAX: i64 = 10_000;

/// A load, and how it came about.
pub(in crate::cost) struct Load {
    pub(in crate::cost) arrivals: Arrivals,
    pub(in crate::cost) evidence: Vec<String>,
    /// What the calls took, where they were recorded here.
    pub(in crate::cost) seen: Seen,
}

pub(super) fn load(args: &SimulateArgs) -> Result<Load> {
    let mut load = match (&args.arrivals, &args.server) {
        (Some(path), _) => of_file(path)?,
        (None, Some(server)) => recorded(&Api::find(&args.place)?, server, &args.since)?,
        (None, None) => bail!("give `--arrivals FILE` or `--server NAME`"),
    };
    let factor = match (args.scale, args.peak) {
        (Some(factor), _) => Some(factor),
        (None, Some(peak)) => Some(peak / load.arrivals.peak_rate()),
        (None, None) => None,
    };
    if let Some(factor) = factor {
        if !factor.is_finite() || factor <= 0.0 {
            bail!("a load cannot be scaled by {factor}: expected a number above 0");
        }
        load.arrivals = load.arrivals.scaled(factor);
        load.evidence.push(format!(
            "every call counts as {factor:.4}: not what came, only when"
        ));
    }
    Ok(load)
}

fn of_file(path: &Path) -> Result<Load> {
    let shown = path.display();
    let about = || format!("cannot read `{shown}`");
    let length = std::fs::metadata(path).with_context(about)?.len();
    if length > FILE_BYTES_MAX {
        bail!("`{shown}` has {length} bytes; {FILE_BYTES_MAX} are the most");
    }
    let bytes = std::fs::read(path).with_context(about)?;
    let read = read(&bytes).map_err(|error| anyhow!("{shown}:{error}"))?;
    Ok(Load {
        arrivals: read.arrivals,
        evidence: read.evidence,
        seen: Seen::default(),
    })
}

/// Calls of a server, by the counter that every call adds to.
pub(in crate::cost) fn recorded(api: &Api, server: &str, since: &str) -> Result<Load> {
    let within = Within::of(Some(since), Some("now"))?;
    let (from_ms, to_ms) = (within.from_ms.unwrap_or(0), within.to_ms.unwrap_or(0));
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
            bail!("what was recorded has a point that is no number: {point}");
        };
        read.push((at as i64, calls));
    }
    let first = read[0].0;
    let last = read[read.len() - 1].0;
    let steps = usize::try_from((last - first) / step_s)? + 1;
    let mut counts = vec![0.0; steps];
    for (at, calls) in &read {
        counts[usize::try_from((at - first) / step_s)?] += calls;
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
        bail!("`{server}` had no call since {since}: zero traffic says nothing of scaling");
    }
    let seen = seen(api, server, from_ms, to_ms)?;
    Ok(Load {
        arrivals,
        evidence,
        seen,
    })
}

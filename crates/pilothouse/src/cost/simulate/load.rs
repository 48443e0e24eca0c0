//! The load: of a file, or as it was recorded.

use super::SimulateArgs;
use crate::ask::{Api, Within};
use anyhow::{Context, Result, anyhow, bail};
use ph_cost::arrivals::read;
use ph_ledger::{Load, Seen};
use std::path::Path;

/// Larger files are refused.
const FILE_BYTES_MAX: u64 = 1 << 30;
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

/// Calls of a server, as they were recorded since then.
pub(in crate::cost) fn recorded(api: &Api, server: &str, since: &str) -> Result<Load> {
    let within = Within::of(Some(since), Some("now"))?;
    let times = (within.from_ms.unwrap_or(0), within.to_ms.unwrap_or(0));
    ph_ledger::load(api, server, times, since)
}

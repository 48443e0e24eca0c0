//! Replicas that are wanted → those that `behavior` allows, or the rule without it.

use anyhow::{Result, anyhow};
use ph_cost::hpa::behavior::{Bounds, limit_legacy};
use ph_cost::hpa::{Behavior, Change, Changes, Limited, Policy, Rules, Select};
use serde_json::Value;

use super::Outcome;
use super::fields::{Case, int};

const NOW_S: i64 = 100_000;

pub(super) fn judge(case: &Case<'_>) -> Result<Outcome> {
    // Upstream runs those that have it alone, or not at all.
    if case.get(&["testThis"]).is_some() {
        return Ok(Outcome::NotRun("upstream skips it (`testThis`)".to_owned()));
    }
    let bounds = Bounds {
        min: case.need(&["specMinReplicas", "minReplicas"])?,
        max: case.need(&["specMaxReplicas", "maxReplicas"])?,
    };
    let behavior = behavior(case)?;
    let changes = Changes {
        up: changes(case, "scaleUpEvents")?,
        down: changes(case, "scaleDownEvents")?,
    };
    let current = case.need(&["currentReplicas"])?;
    let desired = case.need(&["prenormalizedDesiredReplicas", "desiredReplicas"])?;
    let got = behavior.limit(&changes, current, desired, bounds, NOW_S);
    compare(got, case, &["expectedReplicas"])
}

pub(super) fn judge_legacy(case: &Case<'_>) -> Result<Outcome> {
    let bounds = Bounds {
        min: case.need(&["hpaMinReplicas", "specMinReplicas"])?,
        max: case.need(&["hpaMaxReplicas", "specMaxReplicas"])?,
    };
    let current = case.need(&["currentReplicas"])?;
    let desired = case.need(&["expectedDesiredReplicas", "prenormalizedDesiredReplicas"])?;
    let got = limit_legacy(current, desired, bounds);
    compare(got, case, &["expectedConvertedDesiredReplicas"])
}

fn compare(got: Limited, case: &Case<'_>, want: &[&str]) -> Result<Outcome> {
    let want = case.need(want)?;
    let mut differences = Vec::new();
    if got.replicas != want {
        differences.push(format!("{} replicas, expected {want}", got.replicas));
    }
    let reason = format!("{:?}", got.reason);
    if let Some(want) = case.get(&["expectedCondition"]).and_then(Value::as_str)
        && reason != want
    {
        differences.push(format!("{reason}, expected {want}"));
    }
    Ok(Outcome::of(&differences))
}

/// Both directions, filled in where the case says nothing.
pub(super) fn behavior(case: &Case<'_>) -> Result<Behavior> {
    Ok(Behavior {
        up: rules(case.inner(&["scaleUpRules", "scaleUp"]), Rules::up())?,
        down: rules(case.inner(&["scaleDownRules", "scaleDown"]), Rules::down())?,
    })
}

fn rules(given: Option<Case<'_>>, default: Rules) -> Result<Rules> {
    let Some(given) = given else {
        return Ok(default);
    };
    let mut policies = Vec::new();
    let pods = given.int(&["pods"])?;
    let percent = given.int(&["percent"])?;
    if let Some(value) = pods.filter(|value| *value != 0) {
        policies.push(Policy::pods(value, given.need(&["podsPeriod"])?));
    }
    if let Some(value) = percent.filter(|value| *value != 0) {
        policies.push(Policy::percent(value, given.need(&["percentPeriod"])?));
    }
    if pods.is_none() && percent.is_none() {
        policies = default.policies;
    }
    let select = match given.get(&["selectPolicy"]).and_then(Value::as_str) {
        None | Some("Max" | "MaxChange") => Select::Max,
        Some("Min" | "MinChange") => Select::Min,
        Some("Disabled") => Select::Disabled,
        Some(other) => return Err(anyhow!("no selectPolicy `{other}` is known")),
    };
    let window = &["stabilizationWindow", "stabilizationWindowSeconds"];
    Ok(Rules {
        window_s: given.int(window)?.unwrap_or(default.window_s),
        select,
        policies,
        tolerance: given.float(&["tolerance"])?,
    })
}

/// Changes in the middle of equal parts of a period; the first is the oldest.
fn changes(case: &Case<'_>, name: &str) -> Result<Vec<Change>> {
    let Some(events) = case.inner(&[name]) else {
        return Ok(Vec::new());
    };
    let period = events.need(&["period"])? as f64;
    let empty = Vec::new();
    let uniform = events.list(&["uniform_changes"]).unwrap_or(&empty);
    let part = period / uniform.len().max(1) as f64;
    let changes = uniform.iter().enumerate().map(|(nth, replicas)| {
        let age_s = period - part * (nth + 1) as f64 + part / 2.0;
        Ok(Change {
            replicas: int(replicas)?,
            at_s: NOW_S - age_s as i64,
        })
    });
    changes.collect()
}

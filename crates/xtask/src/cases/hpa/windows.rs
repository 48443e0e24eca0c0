//! Replicas that are wanted → those that the windows of stabilisation allow.

use anyhow::{Result, anyhow};
use ph_cost::hpa::behavior::stabilise_legacy;
use ph_cost::hpa::{Behavior, DOWNSCALE_WINDOW_S, Recommendation, Recommendations};
use serde_json::Value;

use super::Outcome;
use super::fields::{Case, int};
use super::limits;

/// In thousandths of a second: upstream's clock goes on between the making of a case and its run, so what is as old as a
/// window is a little older.
const NOW_MS: i64 = 1_000_000_001;

pub(super) fn judge(case: &Case<'_>) -> Result<Outcome> {
    let behavior = behavior(case)?;
    let desired = case.need(&["prenormalizedDesiredReplicas", "desiredReplicas"])?;
    let want = case.need(&["expectedStabilizedReplicas", "expectedReplicas"])?;
    let mut history =
        Recommendations(recommendations(case, &["recommendations"])?.unwrap_or_default());
    let got = match behavior {
        Some(behavior) => {
            let current = case.need(&["currentReplicas"])?;
            behavior.stabilise(&mut history, current, desired, NOW_MS)
        }
        None => stabilise_legacy(&mut history, desired, DOWNSCALE_WINDOW_S * 1_000, NOW_MS),
    };
    let mut differences = Vec::new();
    if got != want {
        differences.push(format!("{got} replicas, expected {want}"));
    }
    let length = history.0.len() as i64;
    if let Some(want) = case.int(&["expectedLogLength"])?
        && length != want
    {
        differences.push(format!("{length} are remembered, expected {want}"));
    }
    if let Some(mut want) = recommendations(case, &["expectedRecommendations"])? {
        let order = |list: &mut Vec<Recommendation>| {
            list.sort_by_key(|recommendation| {
                (recommendation.at_s / 1_000, recommendation.replicas)
            });
        };
        let mut got = history.0;
        order(&mut want);
        order(&mut got);
        let text = |list: &[Recommendation]| {
            let each = list.iter().map(|r| (r.replicas, (NOW_MS - r.at_s) / 1_000));
            format!("{:?}", each.collect::<Vec<_>>())
        };
        if text(&want) != text(&got) {
            differences.push(format!(
                "remembered (replicas, age) {}, expected {}",
                text(&got),
                text(&want)
            ));
        }
    }
    Ok(Outcome::of(&differences))
}

/// What the case says of windows; `None` if it is about the rule without `behavior`.
fn behavior(case: &Case<'_>) -> Result<Option<Behavior>> {
    let up = case.int(&[
        "scaleUpStabilizationWindowSeconds",
        "scaleUpStabilizationWindow",
        "upStabilizationWindowSeconds",
    ])?;
    let down = case.int(&[
        "scaleDownStabilizationWindowSeconds",
        "scaleDownStabilizationWindow",
        "downStabilizationWindowSeconds",
    ])?;
    let has_rules = case.get(&["scaleUpRules", "scaleUp"]).is_some()
        || case.get(&["scaleDownRules", "scaleDown"]).is_some();
    if up.is_none() && down.is_none() && !has_rules && case.get(&["currentReplicas"]).is_none() {
        return Ok(None);
    }
    let mut behavior = limits::behavior(case)?;
    behavior.up.window_s = up.unwrap_or(behavior.up.window_s) * 1_000;
    behavior.down.window_s = down.unwrap_or(behavior.down.window_s) * 1_000;
    Ok(Some(behavior))
}

/// `[replicas, age]`, or an object with both.
fn recommendations(case: &Case<'_>, names: &[&str]) -> Result<Option<Vec<Recommendation>>> {
    let Some(list) = case.list(names) else {
        return Ok(None);
    };
    let read = list.iter().map(|entry| {
        let (replicas, age) = match entry.as_array().map(Vec::as_slice) {
            Some([replicas, age]) => (int(replicas)?, age),
            Some(_) => return Err(anyhow!("{entry} is no recommendation")),
            None => {
                let entry = Case::of(entry);
                let replicas = entry.need(&["recommendation", "replicas", "value"])?;
                let age = entry.get(&[
                    "age_s",
                    "age_seconds",
                    "seconds_ago",
                    "ageSeconds",
                    "age",
                    "secondsAgo",
                    "timestamp",
                    "timestamp_s",
                    "at_s",
                    "offset",
                    "offset_s",
                ]);
                (
                    replicas,
                    age.ok_or_else(|| anyhow!("a recommendation has no age"))?,
                )
            }
        };
        Ok(Recommendation {
            replicas,
            at_s: NOW_MS - 1 - age_ms(age)?,
        })
    });
    read.collect::<Result<Vec<_>>>().map(Some)
}

/// Seconds ago, whichever way round, or a duration of Go (`-1m30s`).
fn age_ms(value: &Value) -> Result<i64> {
    if let Some(seconds) = value.as_f64() {
        return Ok((seconds.abs() * 1_000.0) as i64);
    }
    let unreadable = || anyhow!("{value} is no age");
    let text = value
        .as_str()
        .ok_or_else(unreadable)?
        .trim_start_matches('-');
    let (mut total, mut number) = (0.0, String::new());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter.is_ascii_digit() || letter == '.' {
            number.push(letter);
            continue;
        }
        let amount: f64 = number.parse().map_err(|_| unreadable())?;
        number.clear();
        total += amount
            * match letter {
                'h' => 3_600_000.0,
                'm' if letters.next_if_eq(&'s').is_some() => 1.0,
                'm' => 60_000.0,
                's' => 1_000.0,
                _ => return Err(unreadable()),
            };
    }
    if !number.is_empty() {
        total += number.parse::<f64>().map_err(|_| unreadable())? * 1_000.0;
    }
    Ok(total as i64)
}

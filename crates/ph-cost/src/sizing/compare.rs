//! All policies side by side, on what was recorded.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    History, Judged, Outcome, Policy, Recommendation, Refusal, Resources, Samples, Tuning, Verdict,
    judge, ours, recommend, verdict,
};

/// A history that is worth less cannot be cut in two halves that say something.
const WORTH_DAYS_MIN: f64 = 4.0;

/// What each policy recommends, and what would have come of it over the recorded period.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SizingComparison")]
pub struct Comparison {
    /// What there was to go by.
    pub history: History,
    /// Ours first. What is asked for today is there if anything is.
    pub rows: Vec<Compared>,
    /// Which is dominated, and which to take: of what each recommends by the first half of the history alone, replayed over
    /// the second. Over the time that it was made of, whoever leaves least room would always win. `None` where the
    /// history is too short to be cut; then ours is taken, which is widened for that.
    pub verdict: Option<Verdict>,
    /// What to take: CPU of one policy and memory of one, as the verdict says.
    pub take: Resources,
}

/// A policy in a comparison.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "SizingRow")]
pub struct Compared {
    /// What it says, and why.
    pub recommendation: Recommendation,
    /// What would have come of it.
    pub outcome: Outcome,
}

/// Compares all policies.
///
/// # Errors
///
/// A [`Refusal`], as of [`recommend`].
pub fn compare(samples: &Samples, current: Resources) -> Result<Comparison, Refusal> {
    let rows = Policy::ALL
        .iter()
        .filter(|policy| **policy != Policy::Current || current != Resources::default())
        .map(|policy| {
            let recommendation = recommend(*policy, samples, current)?;
            let outcome = judge(samples, &recommendation.resources);
            Ok(Compared {
                recommendation,
                outcome,
            })
        })
        .collect::<Result<Vec<_>, Refusal>>()?;
    let verdict = halves(samples, current)?;
    let of = |policy: Policy| {
        let found = rows.iter().find(|row| row.recommendation.policy == policy);
        found.map_or_else(Resources::default, |row| row.recommendation.resources)
    };
    let take = |of: fn(&Verdict) -> Policy| verdict.as_ref().map_or(Policy::Ours, of);
    let (cpu, memory) = (of(take(|v| v.cpu)), of(take(|v| v.memory)));
    Ok(Comparison {
        history: History::of(samples)?,
        take: Resources {
            cpu_request_milli: cpu.cpu_request_milli,
            cpu_limit_milli: cpu.cpu_limit_milli,
            memory_request_bytes: memory.memory_request_bytes,
            memory_limit_bytes: memory.memory_limit_bytes,
        },
        rows,
        verdict,
    })
}

/// Recommends by the first half, judges on the second.
fn halves(samples: &Samples, current: Resources) -> Result<Option<Verdict>, Refusal> {
    let whole = History::of(samples)?;
    if whole.worth_days < WORTH_DAYS_MIN {
        return Ok(None);
    }
    let (known, rest) = samples.halves();
    let judged: Result<Vec<Judged>, Refusal> = Policy::ALL
        .iter()
        .map(|policy| {
            let resources = match policy {
                Policy::Ours => of_half(&known, &whole, current)?,
                _ => recommend(*policy, &known, current)?.resources,
            };
            Ok(Judged {
                policy: *policy,
                outcome: judge(&rest, &resources),
            })
        })
        .collect();
    // A half of its own may be refused: a pod that is new, or gone. Then nothing is compared.
    Ok(judged.ok().map(|judged| verdict(&judged)))
}

/// Ours, widened only as the whole history would have it: what is judged is what is recommended.
fn of_half(known: &Samples, whole: &History, current: Resources) -> Result<Resources, Refusal> {
    let history = History {
        confidence: whole.confidence,
        worth_days: whole.worth_days,
        ..History::of(known)?
    };
    Ok(ours::recommend(known, history, current, &Tuning::default()).resources)
}

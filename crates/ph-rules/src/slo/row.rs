//! How one objective stands.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How one objective stands at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SloRow {
    /// Its name.
    pub name: String,
    /// `availability`, `latency`, `error_rate` or `throughput`.
    pub objective: String,
    /// What it is of and what it asks for, in words.
    pub promise: String,
    /// Percent of the events that have to be good.
    pub target_percent: f64,
    /// `30d`, or `month`.
    pub window: String,
    /// Beginning of the window, Unix milliseconds.
    pub from_ms: i64,
    /// The moment of this row, Unix milliseconds.
    pub at_ms: i64,
    /// End of the window, Unix milliseconds: of a month it may be to come.
    pub to_ms: i64,
    /// Milliseconds of the window in which events could be seen.
    pub seen_ms: i64,
    /// When they last could, Unix milliseconds.
    pub last_seen_ms: Option<i64>,
    /// Percent of the events that were good; none without events.
    pub good_percent: Option<f64>,
    /// Events of the window, all sources together.
    pub events: Counts,
    /// The same by source: `demand` (calls) and `probe` (health checks).
    pub sources: Vec<SourceCounts>,
    /// What may still fail.
    pub budget: Budget,
    /// How fast the budget burns, over several times up to now; the shortest first.
    pub burn: Vec<Burn>,
    /// When the budget is used up if it goes on as over the last hours, Unix milliseconds; none when it lasts.
    pub exhausted_at_ms: Option<i64>,
    /// What that comes to.
    pub verdict: Verdict,
    /// Why; none when it is met.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Why>,
    /// The same in words, with numbers.
    pub reason: String,
}

/// Events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Good ones.
    pub good: u64,
    /// Bad ones.
    pub bad: u64,
}

impl Counts {
    /// All of them.
    #[must_use]
    pub fn valid(self) -> u64 {
        self.good + self.bad
    }

    /// Percent of them that are good; none without events.
    #[must_use]
    pub fn good_percent(self) -> Option<f64> {
        (self.valid() > 0).then(|| self.good as f64 / self.valid() as f64 * 100.0)
    }
}

/// Events of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SourceCounts {
    /// `demand` or `probe`.
    pub source: String,
    /// Its events.
    pub events: Counts,
}

/// What may still fail. What is left is negative once more has failed than may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Budget {
    /// Bad events that the events so far allow.
    pub allowed_events: f64,
    /// Of these, what is left.
    pub left_events: f64,
    /// The same in percent; none without events.
    pub left_percent: Option<f64>,
    /// Minutes of the whole window that may be bad.
    pub allowed_minutes: f64,
    /// Of these, what is left; none without events.
    pub left_minutes: Option<f64>,
}

/// How fast the budget burns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Burn {
    /// Over which time, up to now: `1h`.
    pub window: String,
    /// 1: as fast as the budget allows; 2: it lasts half as long as the window. None without events.
    pub rate: Option<f64>,
    /// The events.
    pub events: Counts,
}

/// What is to be said of an objective.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// As promised.
    Met,
    /// As promised, but soon no more if it goes on.
    AtRisk,
    /// Less than promised.
    Violated,
    /// Nobody can tell.
    InsufficientData,
}

/// Why a verdict is not `met`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Nothing was seen in the window.
    NothingSeen,
    /// There were no events.
    NoEvents,
    /// There were fewer events than a verdict needs.
    FewEvents,
    /// More has failed than may.
    Overspent,
    /// Too little of the window was seen.
    SeenBriefly,
    /// The last time that anything was seen is too long ago.
    Stale,
    /// The budget burns too fast over a long and a short time.
    Burning,
    /// Little of the budget is left.
    LittleLeft,
    /// The budget is used up soon if it goes on.
    UsedUpSoon,
}

impl Verdict {
    /// In words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::AtRisk => "at risk",
            Self::Violated => "violated",
            Self::InsufficientData => "insufficient data",
        }
    }
}

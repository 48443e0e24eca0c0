//! What a container should ask for, from what it used: [`recommend`] by each [`Policy`], [`judge()`] by a replay of what was
//! recorded, [`verdict`] over all of them.
//!
//! A recommendation carries what it was made of, as numbers and as lines of arithmetic. What cannot be known is a
//! [`Refusal`], never a guess.

mod baseline;
mod compare;
mod coupling;
mod csv;
mod history;
mod judge;
mod leak;
mod ours;
mod pairs;
mod quantity;
mod samples;
mod seen;
mod verdict;
mod vpa;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use compare::{Compared, Comparison, compare};
pub use coupling::{Coupling, CpuHpa, Paired, couple};
pub use csv::CsvError;
pub use history::{Confidence, History, Refusal};
pub use judge::{Outcome, Slot, judge, slots};
pub use leak::Leak;
pub use ours::Tuning;
pub use pairs::{Pair, Pairing, pairs};
pub use quantity::{NoQuantity, cpu_of, cpu_text, memory_of, memory_text};
pub use samples::{PodSamples, Point, Resources, Samples};
pub use verdict::{Judged, Verdict, verdict};

/// Whose arithmetic it is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[schemars(rename = "SizingPolicy")]
#[serde(rename_all = "snake_case")]
pub enum Policy {
    /// What this project recommends.
    Ours,
    /// What is asked for today.
    Current,
    /// The target of the Vertical Pod Autoscaler.
    Vpa,
    /// KRR's strategy `simple`.
    KrrSimple,
    /// KRR's strategy `simple_limit`.
    KrrSimpleLimit,
    /// The most that was seen and a quarter more, as request and as limit.
    MaxPlus,
}

impl Policy {
    /// Every policy, ours first.
    pub const ALL: [Self; 6] = [
        Self::Ours,
        Self::Current,
        Self::Vpa,
        Self::KrrSimple,
        Self::KrrSimpleLimit,
        Self::MaxPlus,
    ];

    /// As it is written in tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "pilothouse",
            Self::Current => "current",
            Self::Vpa => "vpa",
            Self::KrrSimple => "krr simple",
            Self::KrrSimpleLimit => "krr simple_limit",
            Self::MaxPlus => "max+25 %",
        }
    }
}

/// What a policy makes of the recorded use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// Whose arithmetic it is.
    pub policy: Policy,
    /// What to ask for.
    pub resources: Resources,
    /// What it was made of.
    pub history: History,
    /// The bounds between which the policy itself would leave things as they are, where it has such bounds.
    pub bounds: Option<Bounds>,
    /// Memory that grows from one start to the next, in pods that are named.
    pub leaks: Vec<Leak>,
    /// How each number came about, one line each.
    pub arithmetic: Vec<String>,
    /// What whoever applies it should know.
    pub warnings: Vec<String>,
}

/// A range of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// Below this the container gets too little.
    pub lower: Resources,
    /// Above this it gets more than it needs.
    pub upper: Resources,
}

/// What a policy recommends.
///
/// # Errors
///
/// A [`Refusal`] where the series do not allow it: too short, missing, not numbers, negative, or all zero.
pub fn recommend(
    policy: Policy,
    samples: &Samples,
    current: Resources,
) -> Result<Recommendation, Refusal> {
    let history = History::of(samples)?;
    Ok(match policy {
        Policy::Ours => ours::recommend(samples, history, current, &Tuning::default()),
        Policy::Current => baseline::current(history, current),
        Policy::Vpa => vpa::recommend(samples, history, current),
        Policy::KrrSimple => baseline::krr(policy, samples, history),
        Policy::KrrSimpleLimit => baseline::krr(policy, samples, history),
        Policy::MaxPlus => baseline::max_plus(samples, history),
    })
}

/// What we recommend with other constants than our own: for tuning.
///
/// # Errors
///
/// As [`recommend`].
pub fn recommend_tuned(samples: &Samples, tuning: &Tuning) -> Result<Recommendation, Refusal> {
    let nothing = Resources::default();
    Ok(ours::recommend(
        samples,
        History::of(samples)?,
        nothing,
        tuning,
    ))
}

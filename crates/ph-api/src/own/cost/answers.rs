//! What is answered.

use ph_cost::attribution::Attributed;
use ph_cost::bill::Settled;
use ph_cost::replay::Outcome;
use ph_ledger::Sized;
use schemars::JsonSchema;
use serde::Serialize;

/// What things are priced by.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Priced {
    /// As in `USD`.
    pub(super) currency: String,
    /// A core for an hour.
    pub(super) cpu_hour: String,
    /// A GiB of memory for an hour.
    pub(super) gib_hour: String,
    /// Nobody pays these prices: neither the configuration nor the question has any.
    pub(super) is_placeholder: bool,
    /// Where they stand, as a clause.
    #[serde(skip)]
    pub(super) source: String,
}

/// Why there is no answer, although the question made sense.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(crate) struct Nothing {
    /// What is missing.
    pub(crate) why: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// The bill of a month.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CostBill {
    /// After its measures, with all sums made.
    pub(super) bill: Settled,
    /// The month is over; else all amounts are those of its time so far.
    pub(super) is_over: bool,
    /// What is to be known of how it was recorded.
    pub(super) notes: Vec<String>,
    /// How the amounts of the rows came about.
    pub(super) how: Vec<String>,
    /// What it is priced by.
    pub(super) priced: Priced,
}

/// Whose cost it was.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CostShares {
    /// By server, tool and client.
    pub(super) shares: Attributed,
    /// What is to be known of how it was recorded.
    pub(super) notes: Vec<String>,
    /// What it is priced by.
    pub(super) priced: Priced,
}

/// What servers are to ask for.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CostSizes {
    /// Why there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nothing: Option<Nothing>,
    /// By name.
    pub(super) servers: Vec<Sized>,
    /// Distance of two samples, in seconds.
    pub(super) step_s: i64,
    /// What it is priced by.
    pub(super) priced: Priced,
}

/// A load, and what would have answered it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct CostReplay {
    /// Why nothing could be replayed; all lists are empty then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) nothing: Option<Nothing>,
    /// When it begins, in Unix seconds.
    pub(super) from_s: i64,
    /// Seconds between two points of what is drawn.
    pub(super) step_s: i64,
    /// Calls per second, the mean of each step.
    pub(super) load: Vec<f64>,
    /// As it is; as it is proposed, if it is; the cheapest that was found, if it was looked for.
    pub(super) settings: Vec<ReplayedSetting>,
    /// How the load came about, and what a call takes.
    pub(super) evidence: Vec<String>,
    /// Why what was found is recommended, or not.
    pub(super) reasons: Vec<String>,
    /// What it is priced by.
    pub(super) priced: Priced,
}

/// One setting over the load.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReplayedSetting {
    /// `today`, `proposed` or `found`.
    pub(super) which: &'static str,
    /// What it is, in words.
    pub(super) name: String,
    /// Replicas, the most in each step. It ends early where there were more changes than are kept.
    pub(super) replicas: Vec<i64>,
    /// What it would have come to; its changes are those that are drawn.
    pub(super) outcome: Outcome,
    /// The cost of a month at this rate, as an amount.
    pub(super) month: String,
    /// It is recommended: it keeps the objective on both halves of the load and costs least.
    pub(super) is_recommended: bool,
}

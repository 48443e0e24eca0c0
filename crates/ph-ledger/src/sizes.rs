//! What servers are to ask for, from what was recorded of them.

mod price;
mod recorded;

pub use price::Price;
pub use recorded::{Grain, Series, instant, quoted, range, risen, servers, without_newcomers};

use crate::{Load, service_of};
use ph_cost::price::Prices;
use ph_cost::replay::{PodPrice, Scenario};
use ph_cost::sizing::{self, Comparison, Coupling, CpuHpa, Pairing, Refusal, Resources, Samples};
use ph_plan::Plan;
use schemars::JsonSchema;
use serde::Serialize;

/// What somebody says of today.
#[derive(Clone, Copy, Debug, Default)]
pub struct WhatIf {
    /// What is asked for today, where it is said.
    pub asked: Resources,
    /// The autoscaler on CPU, where there is one.
    pub hpa: Option<CpuHpa>,
}

/// A container, with what was recorded of it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Its name.
    pub name: String,
    /// Where that was recorded.
    pub source: String,
    /// What was used.
    pub samples: Samples,
    /// What it asks for today, where that is known.
    pub current: Resources,
    /// It is a server of ours, whose calls are recorded under its name.
    pub is_own: bool,
}

/// A container, with what is to be said of it.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Sized {
    /// Its name.
    pub name: String,
    /// Where that was recorded.
    pub source: String,
    /// What it asks for today, where that is known.
    pub current: Resources,
    #[serde(flatten)]
    /// What is to be said of it.
    pub said: Said,
}

#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
/// What is to be said of a container.
pub enum Said {
    /// Too little is known of it.
    Refused {
        /// Why.
        refused: Refusal,
        /// The same in words.
        why: String,
    },
    /// What it is to ask for.
    Compared(Box<Compared>),
}

/// What a container is to ask for.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Compared {
    /// What each policy says, and what would have come of it.
    pub comparison: Comparison,
    /// The target of the autoscaler for the new request, if there is one.
    pub hpa: Option<Coupling>,
    /// What the request costs in a month.
    pub price: Price,
    /// The same over the calls that came, where they were recorded.
    pub calls: Option<Calls>,
}

/// Requests and autoscaler, over recorded calls.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Calls {
    /// What would have been.
    Replayed {
        /// How the load came about.
        evidence: Vec<String>,
        /// Resources and targets together.
        pairing: Pairing,
    },
    /// Why not.
    Not(String),
}

/// Says what a container is to ask for.
///
/// - `source`: where prices stand, as a clause.
/// - `load`: the calls of a server in the same time, or why they are not known.
#[must_use]
pub fn sized(
    what_if: &WhatIf,
    plan: &Plan,
    source: &str,
    observed: Observed,
    load: &dyn Fn(&str) -> Result<Load, String>,
) -> Sized {
    let (asked, known) = (&what_if.asked, observed.current);
    let current = Resources {
        cpu_request_milli: asked.cpu_request_milli.or(known.cpu_request_milli),
        cpu_limit_milli: asked.cpu_limit_milli.or(known.cpu_limit_milli),
        memory_request_bytes: asked.memory_request_bytes.or(known.memory_request_bytes),
        memory_limit_bytes: asked.memory_limit_bytes.or(known.memory_limit_bytes),
    };
    let said = match sizing::compare(&observed.samples, current) {
        Err(refused) => Said::Refused {
            why: refused.to_string(),
            refused,
        },
        Ok(comparison) => {
            let hpa = coupling(what_if, &observed.samples, current, &comparison);
            let calls = hpa
                .as_ref()
                .filter(|_| observed.is_own)
                .and_then(|coupling| {
                    let load = load(&observed.name);
                    load.and_then(|load| {
                        over_calls(what_if, plan, load, current, &comparison, coupling)
                    })
                    .unwrap_or_else(|why| Some(Calls::Not(why)))
                });
            Said::Compared(Box::new(Compared {
                price: Price::of(plan, source, current, comparison.take),
                comparison,
                hpa,
                calls,
            }))
        }
    };
    Sized {
        name: observed.name,
        source: observed.source,
        current,
        said,
    }
}

fn coupling(
    what_if: &WhatIf,
    samples: &Samples,
    current: Resources,
    comparison: &Comparison,
) -> Option<Coupling> {
    let old_milli = current.cpu_request_milli?;
    let new_milli = comparison.take.cpu_request_milli?;
    sizing::couple(samples, what_if.hpa?, old_milli, new_milli)
}

/// The HPA with the resources of today and with those to take, over the calls of the same time.
fn over_calls(
    what_if: &WhatIf,
    plan: &Plan,
    load: Load,
    current: Resources,
    comparison: &Comparison,
    coupling: &Coupling,
) -> Result<Option<Calls>, String> {
    let Some(hpa) = what_if.hpa else {
        return Ok(None);
    };
    let scenario = Scenario {
        service: service_of(&load.seen),
        price: pod_price(&plan.cost.prices()),
        ..Scenario::default()
    };
    let both = (current, comparison.take);
    let paired = sizing::pairs(
        &load.arrivals,
        &scenario,
        hpa,
        both,
        coupling.target_percent,
    );
    let paired = paired.map_err(|problem| problem.to_string())?;
    let mut evidence = load.evidence;
    evidence.extend(load.seen.evidence);
    Ok(paired.map(|pairing| Calls::Replayed { evidence, pairing }))
}

/// What a pod is priced by where an autoscaler is replayed.
#[must_use]
pub fn pod_price(prices: &Prices) -> PodPrice {
    PodPrice {
        cpu_hour_micro: prices.cpu_hour.micro(),
        gib_hour_micro: prices.gib_hour.micro(),
    }
}

//! What requests cost in a month.

use ph_cost::price::Money;
use ph_cost::sizing::Resources;
use ph_plan::Plan;
use schemars::JsonSchema;
use serde::Serialize;

/// A pod for a month, by what it requests.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct Price {
    /// As in `USD`.
    pub currency: String,
    /// Whether nobody pays these prices.
    pub is_placeholder: bool,
    /// Where prices stand, as a clause.
    pub source: String,
    /// As it is today; `None` where nothing is requested, or where that is not known.
    pub current: Option<Money>,
    /// As it is to be taken.
    pub take: Option<Money>,
}

impl Price {
    pub(super) fn of(plan: &Plan, source: &str, current: Resources, take: Resources) -> Self {
        let cost = &plan.cost;
        let prices = cost.prices();
        let pod = |resources: Resources| {
            let (cpu, memory) = (
                resources.cpu_request_milli?,
                resources.memory_request_bytes?,
            );
            prices.pods(1_000, cpu, memory).map(|(amount, _)| amount)
        };
        Self {
            currency: cost.currency.as_str().to_owned(),
            is_placeholder: prices.is_placeholder,
            source: source.to_owned(),
            current: pod(current),
            take: pod(take),
        }
    }

    /// For people.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let take = self.take?;
        let today = match self.current {
            Some(today) if today > take => format!(
                ", {today} today: {} less, once there are fewer nodes",
                today - take
            ),
            Some(today) => format!(", {today} today"),
            None => String::new(),
        };
        Some(format!(
            "price: {take} {} a month for what a pod requests{today} (prices {})",
            self.currency, self.source
        ))
    }
}

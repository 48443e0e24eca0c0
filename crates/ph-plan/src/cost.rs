//! What things cost: the price sheet behind `pilothouse cost`.

use std::collections::BTreeMap;

use ph_base::diagnostic::Problem;
use ph_cost::price::{Money, Prices};
use serde_json::{Value as Json, json};

use crate::mapping::{MapItem, name};
use crate::node::Node;
use crate::plan::Plan;
use crate::reader::Reader;
use crate::section::section;
use crate::units::ByteSize;
use crate::value::{REFERENCE, STRING, Value, anchored, not_as_expected};

section! {
    /// What things cost, for `pilothouse cost`. Without prices for CPU and memory those that OpenCost publishes stand
    /// in, in USD, and everything that is made of them says that nobody pays them.
    pub struct Cost {
        /// Currency of all amounts here, as three capital letters.
        currency: Currency = Currency::usd();
        /// Price of one core for one hour.
        cpu_hour: Option<Money> = None;
        /// Price of one GiB of memory for one hour.
        gib_hour: Option<Money> = None;
        /// Hours of a month, where a price per hour becomes one per month.
        hours_per_month: u32 = 730, in 1..=744;
        /// Price of one GB (10^9 bytes) of storage for one month, by class. `hot` and `warm` are what logs are priced by;
        /// the own store is `hot`.
        storage_gb_month: BTreeMap<CostName, Money> = BTreeMap::new();
        /// Price of one GB (10^9 bytes) that calls carry, questions and answers together.
        transfer_gb: Option<Money> = None;
        /// What is paid in a month whatever is used, by name, such as `database` and `load-balancer`.
        fixed: BTreeMap<CostName, Money> = BTreeMap::new();
        /// Cores that are paid for, whatever is used of them. What nobody used is a row of its own.
        capacity_cores: Option<f64> = None, in 0.001..=1_000_000.0;
        /// Memory that is paid for, whatever is used of it.
        capacity_memory: Option<ByteSize> = None, in ByteSize::mib(1)..=ByteSize::gib(1 << 20);
    }
}

impl Cost {
    /// Prices of CPU and memory: those that are given, or the placeholder.
    #[must_use]
    pub fn prices(&self) -> Prices {
        let placeholder = Prices::default();
        Prices {
            cpu_hour: self.cpu_hour.unwrap_or(placeholder.cpu_hour),
            gib_hour: self.gib_hour.unwrap_or(placeholder.gib_hour),
            hours_per_month: self.hours_per_month,
            is_placeholder: self.cpu_hour.is_none() || self.gib_hour.is_none(),
        }
    }
}

name!(
    /// The name of a class of storage, or of a row of the bill.
    CostName,
    "a mapping of amounts by name",
    "a name: 1 to 64 letters, digits, `.`, `_` or `-`",
    r"[A-Za-z0-9._-]{1,64}",
    '.' | '_' | '-'
);

/// Amounts by name of a plan, at most.
const NAMES_MAX: usize = 64;

impl MapItem for Money {}

impl Value for Money {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, AMOUNT)?;
        let text = resolved.text.as_str();
        if !resolved.plain || (node.kind() == STRING && !is_decimal(text)) {
            return not_as_expected(node, &resolved, AMOUNT, reader);
        }
        let got = resolved.text.written().to_owned();
        let problem = match Self::parse(text) {
            Ok(amount) if amount >= Self::ZERO => return Some(amount),
            Err(_) if !is_decimal(text) || places(text) > PLACES_MAX => Problem::BadValue {
                got,
                expected: DECIMAL.to_owned(),
            },
            Ok(_) | Err(_) => Problem::OutOfRange {
                got,
                min: "0".to_owned(),
                max: WHOLE_MAX.to_string(),
            },
        };
        reader.report(resolved.at, problem);
        None
    }

    fn schema(_limits: &()) -> Json {
        json!({
            "type": ["number", "string"],
            "minimum": 0,
            "maximum": WHOLE_MAX,
            "pattern": anchored(REFERENCE),
        })
    }

    fn show(&self) -> Json {
        let text = self.to_string();
        serde_json::from_str(&text).unwrap_or_else(|_| text.into())
    }
}

const AMOUNT: &str = "a number";
const DECIMAL: &str = "a decimal number such as `0.031611`, with at most 6 places";
const WHOLE_MAX: i64 = Money::MAX.micro() / 1_000_000;
const PLACES_MAX: usize = 6;

fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits.matches('.').count() <= 1
        && !digits.ends_with('.')
}

fn places(text: &str) -> usize {
    text.split_once('.').map_or(0, |(_, places)| places.len())
}

/// A currency by its three letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Currency(String);

impl Currency {
    fn usd() -> Self {
        Self(USD.to_owned())
    }

    /// The three letters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

const USD: &str = "USD";
const CURRENCY: &str = "three capital letters such as `USD`";

impl Value for Currency {
    type Limits = ();
    const ANY: () = ();

    fn read(node: &Node, _limits: &(), reader: &mut Reader<'_>) -> Option<Self> {
        let resolved = reader.resolved(node, STRING)?;
        let text = resolved.text.as_str();
        if text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()) {
            return Some(Self(text.to_owned()));
        }
        not_as_expected(node, &resolved, CURRENCY, reader)
    }

    fn schema(_limits: &()) -> Json {
        json!({"type": "string", "pattern": anchored(&format!("[A-Z]{{3}}|{REFERENCE}"))})
    }

    fn show(&self) -> Json {
        self.0.as_str().into()
    }
}

/// Too many amounts, and placeholders in a currency that they are not in.
pub(crate) fn check_cost(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("cost").filter(|_| !reader.has_error()) else {
        return;
    };
    let cost = &plan.cost;
    reader.within(block, |reader| {
        for (key, names) in [
            ("storage_gb_month", cost.storage_gb_month.len()),
            ("fixed", cost.fixed.len()),
        ] {
            if let Some(entry) = block.value.entry(key).filter(|_| names > NAMES_MAX) {
                let (what, max) = ("amounts by name", NAMES_MAX);
                reader.report(&entry.key_at, Problem::TooLarge { what, max });
            }
        }
        if let Some(entry) = block.value.entry("currency")
            && cost.currency.as_str() != USD
        {
            for (price, fields) in [
                (cost.cpu_hour, &["cpu_hour"] as &[&str]),
                (cost.gib_hour, &["gib_hour"]),
            ] {
                if price.is_none() {
                    let hint = "the prices that would stand in are in USD".to_owned();
                    reader.report_with(&entry.key_at, Problem::MissingField { fields }, Some(hint));
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_that_are_not_given_are_placeholders() {
        let mut cost = Cost::default();
        assert!(cost.prices().is_placeholder);
        cost.cpu_hour = Some(Money::ZERO);
        assert!(cost.prices().is_placeholder);
        cost.gib_hour = Some(Money::from_micro(5));
        let prices = cost.prices();
        assert!(!prices.is_placeholder);
        assert_eq!((prices.cpu_hour, prices.gib_hour.micro()), (Money::ZERO, 5));
    }
}

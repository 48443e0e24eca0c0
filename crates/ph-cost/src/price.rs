//! What things cost: money as whole numbers, and the prices of what is used.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Add, Sub};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Money in millionths of a unit of some currency: sums of it are exact. Written as a decimal text, `"880.00"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Money {
    micro: i64,
}

/// A text that is no amount.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{got}` is no amount: a decimal number such as 450 or 0.031611 is meant, with at most 6 places and up to {}",
    Money::MAX
)]
pub struct NoMoney {
    /// What was said.
    pub got: String,
}

const MICRO: i64 = 1_000_000;

impl Money {
    /// Nothing.
    pub const ZERO: Self = Self { micro: 0 };

    /// The largest amount that is taken: a billion, so that a thousand of them can be added.
    pub const MAX: Self = Self {
        micro: 1_000_000_000 * MICRO,
    };

    /// Millionths of a unit.
    #[must_use]
    pub const fn from_micro(micro: i64) -> Self {
        Self { micro }
    }

    /// Millionths of a unit.
    #[must_use]
    pub const fn micro(self) -> i64 {
        self.micro
    }

    /// Reads a decimal number. Below nothing is allowed: whether it makes sense, the place says.
    ///
    /// # Errors
    /// [`NoMoney`] for anything else, `NaN` and exponents among it.
    pub fn parse(text: &str) -> Result<Self, NoMoney> {
        let no = || NoMoney {
            got: text.chars().take(40).collect(),
        };
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if !is_number(whole) || !is_number(places) || places.len() > 6 || whole.len() > 10 {
            return Err(no());
        }
        let whole: i64 = whole.parse().map_err(|_| no())?;
        let places: i64 = format!("{places:0<6}").parse().map_err(|_| no())?;
        let micro = whole * MICRO + places;
        if micro > Self::MAX.micro {
            return Err(no());
        }
        Ok(Self {
            micro: if is_negative { -micro } else { micro },
        })
    }

    /// `self × numerator ÷ denominator`, rounded to the nearest millionth, halves away from zero; `None` for a
    /// denominator of 0, and where the result is beyond all bounds.
    #[must_use]
    pub fn times(self, numerator: u64, denominator: u64) -> Option<Self> {
        let denominator = i128::from(denominator);
        if denominator == 0 {
            return None;
        }
        let product = i128::from(self.micro) * i128::from(numerator);
        let half = denominator / 2 * product.signum();
        let micro = i64::try_from((product + half) / denominator).ok()?;
        Some(Self { micro })
    }

    /// Splits it by `weights`: each part is within a millionth of its share, and the parts sum to the whole.
    ///
    /// - returns: one part for each weight, nothing for a weight of 0; `None` where all weights are 0.
    #[must_use]
    pub fn shares(self, weights: &[u64]) -> Option<Vec<Self>> {
        let total: u128 = weights.iter().map(|weight| u128::from(*weight)).sum();
        if total == 0 {
            return None;
        }
        let whole = u128::from(self.micro.unsigned_abs());
        let mut floors = Vec::with_capacity(weights.len());
        let mut rests: Vec<(u128, usize)> = Vec::with_capacity(weights.len());
        let mut given = 0;
        for (nth, weight) in weights.iter().enumerate() {
            // Below 2^63 × 2^64.
            let product = whole * u128::from(*weight);
            floors.push(product / total);
            given += product / total;
            rests.push((product % total, nth));
        }
        rests.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        // Fewer than there are weights whose rest is not 0.
        let missing = usize::try_from(whole - given).unwrap_or(0);
        for (_, nth) in rests.iter().take(missing) {
            floors[*nth] += 1;
        }
        let part = |micro: u128| {
            let micro = i64::try_from(micro).unwrap_or(i64::MAX);
            Self {
                micro: micro * self.micro.signum(),
            }
        };
        Some(floors.into_iter().map(part).collect())
    }

    /// The share of `total`, in thousandths, rounded; `None` where `total` is nothing.
    #[must_use]
    pub fn permille_of(self, total: Self) -> Option<i64> {
        if total.micro == 0 {
            return None;
        }
        let product = i128::from(self.micro) * 1000;
        let total = i128::from(total.micro);
        let half = total.abs() / 2 * product.signum() * total.signum();
        i64::try_from((product + half) / total).ok()
    }
}

impl Add for Money {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            micro: self.micro.saturating_add(other.micro),
        }
    }
}

impl Sub for Money {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            micro: self.micro.saturating_sub(other.micro),
        }
    }
}

impl std::iter::Sum for Money {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::ZERO, Add::add)
    }
}

/// With two places, or as many as are needed.
impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.micro < 0 { "-" } else { "" };
        let micro = self.micro.unsigned_abs();
        let places = format!("{:06}", micro % MICRO as u64);
        let kept = places.trim_end_matches('0').len().max(2);
        write!(f, "{sign}{}.{}", micro / MICRO as u64, &places[..kept])
    }
}

/// A text, as it is serialised.
impl JsonSchema for Money {
    fn schema_name() -> Cow<'static, str> {
        "Money".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        generator.subschema_for::<String>()
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// A number or a text: `450`, `0.5`, `"0.031611"`.
impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(from)?;
        let text = match &value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// What use costs, by hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prices {
    /// One core for one hour.
    pub cpu_hour: Money,
    /// One GiB of memory for one hour.
    pub gib_hour: Money,
    /// Hours of a month.
    #[serde(default = "hours_per_month")]
    pub hours_per_month: u32,
    /// Whether these are the ones below, which nobody pays: a report says so.
    #[serde(default)]
    pub is_placeholder: bool,
}

fn hours_per_month() -> u32 {
    730
}

/// The defaults that OpenCost publishes: a placeholder for what somebody really pays. Theirs is for 10^9 bytes of memory,
/// ours for 2^30.
impl Default for Prices {
    fn default() -> Self {
        Self {
            cpu_hour: Money::from_micro(31_611),
            gib_hour: Money::from_micro(4_549),
            hours_per_month: hours_per_month(),
            is_placeholder: true,
        }
    }
}

impl Prices {
    /// What `pods` cost in a month, by what they request.
    ///
    /// - `pods_milli`: thousandths of a pod, since averages are not whole.
    /// - returns: the amount, and how it came about; `None` beyond all bounds.
    #[must_use]
    pub fn pods(
        &self,
        pods_milli: u64,
        cpu_milli: u64,
        memory_bytes: u64,
    ) -> Option<(Money, String)> {
        const GIB: u64 = 1 << 30;
        let hours = u64::from(self.hours_per_month);
        let cpu = self.cpu_hour.times(cpu_milli, 1000)?;
        let memory = self.gib_hour.times(memory_bytes, GIB)?;
        let of_one = (cpu + memory).times(hours, 1)?;
        let amount = of_one.times(pods_milli, 1000)?;
        let how = format!(
            "{}.{:03} pods × ({cpu_milli}m × {} + {memory_bytes} B ÷ 2^30 × {}) × {hours} h = {amount}",
            pods_milli / 1000,
            pods_milli % 1000,
            self.cpu_hour,
            self.gib_hour,
        );
        Some((amount, how))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, want) in [
            ("450", "450.00"),
            ("0.031611", "0.031611"),
            ("-1.5", "-1.50"),
            ("0", "0.00"),
            ("1000000000", "1000000000.00"),
        ] {
            assert_eq!(Money::parse(text).expect(text).to_string(), want);
        }
        for bad in [
            "",
            "-",
            ".",
            "1.",
            ".5",
            "1e3",
            "NaN",
            "inf",
            "1,5",
            "+1",
            "0.0000001",
            "1000000001",
            "99999999999",
            "١",
        ] {
            assert!(Money::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_share_of_nothing_is_none() {
        assert_eq!(Money::from_micro(1).permille_of(Money::ZERO), None);
        assert_eq!(Money::from_micro(1).times(1, 0), None);
    }

    #[test]
    fn five_pods_of_the_placeholder_prices() {
        let prices = Prices::default();
        let (amount, how) = prices.pods(5000, 500, 512 << 20).expect("within bounds");
        // (0.0158055 + 0.0022745) × 730 × 5, by millionths: 0.015806 + 0.002275.
        assert_eq!(amount.to_string(), "65.99565");
        assert!(how.ends_with("= 65.99565"), "{how}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(micro in -1_000_000_000_000_000_i64..=1_000_000_000_000_000) {
            let money = Money::from_micro(micro);
            prop_assert_eq!(Money::parse(&money.to_string()), Ok(money));
        }

        #[test]
        fn shares_sum_to_the_whole(
            micro in -1_000_000_000_000_000_i64..=1_000_000_000_000_000,
            weights in proptest::collection::vec(proptest::num::u64::ANY, 0..20),
        ) {
            let money = Money::from_micro(micro);
            let total: u128 = weights.iter().map(|w| u128::from(*w)).sum();
            match money.shares(&weights) {
                None => prop_assert_eq!(total, 0),
                Some(parts) => {
                    prop_assert_eq!(parts.iter().copied().sum::<Money>(), money);
                    for (part, weight) in parts.iter().zip(&weights) {
                        prop_assert!(*weight > 0 || part.micro == 0);
                        let exact = micro as f64 * (*weight as f64 / total as f64);
                        let off = (part.micro as f64 - exact).abs();
                        prop_assert!(off <= 1.0 + exact.abs() * 1e-12, "{} for {}", part.micro, exact);
                    }
                }
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,20}") {
            let _ = Money::parse(&text);
        }
    }
}

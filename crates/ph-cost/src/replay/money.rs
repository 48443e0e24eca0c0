//! What a pod costs.

use serde::Serialize;

/// Prices of what a pod requests, in millionths of the currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PodPrice {
    /// One core for an hour.
    pub cpu_hour_micro: i64,
    /// One GiB of memory for an hour.
    pub gib_hour_micro: i64,
}

impl Default for PodPrice {
    /// Placeholders: OpenCost's public defaults in USD, of memory for 2^30 bytes.
    fn default() -> Self {
        Self {
            cpu_hour_micro: 31_611,
            gib_hour_micro: 4_549,
        }
    }
}

/// `1.234567` of millionths, with as many places as it needs and at least two.
#[must_use]
pub fn usd_text(micro: i64) -> String {
    let sign = if micro < 0 { "-" } else { "" };
    let micro = micro.unsigned_abs();
    let text = format!("{:06}", micro % 1_000_000);
    let places = text.trim_end_matches('0').len().max(2);
    format!("{sign}{}.{}", micro / 1_000_000, &text[..places])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts() {
        let texts = [0, 5, 1_500_000, -2_250_001].map(usd_text);
        assert_eq!(texts, ["0.00", "0.000005", "1.50", "-2.250001"]);
    }
}

//! Numbers of any length: dates and hashes stand in versions, and no integer type holds them all.

use std::cmp::Ordering;

/// Decimal digits without leading zeros; empty is zero.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Numeral(Box<str>);

impl Numeral {
    /// - `digits`: ASCII digits only.
    pub(super) fn of(digits: &str) -> Self {
        Self(digits.trim_start_matches('0').into())
    }
}

impl Ord for Numeral {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.0.len(), &self.0).cmp(&(other.0.len(), &other.0))
    }
}

impl PartialOrd for Numeral {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// The digits at the beginning of a text, and the rest.
pub(super) fn digits(text: &str) -> (&str, &str) {
    let end = text.bytes().take_while(u8::is_ascii_digit).count();
    text.split_at(end)
}

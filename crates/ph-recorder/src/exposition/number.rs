//! How values and bucket bounds are written.

use std::fmt;

/// A sample's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    /// A count.
    Int(u64),
    /// A level that may be negative.
    Signed(i64),
    /// Any number.
    Float(f64),
    /// Nanoseconds, written as seconds to the last digit.
    Nanos(u64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Int(value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::Signed(value)
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Int(value) => write!(f, "{value}"),
            Self::Signed(value) => write!(f, "{value}"),
            Self::Float(value) => write!(f, "{value}"),
            Self::Nanos(ns) => {
                let (seconds, rest) = (ns / NS_PER_S, ns % NS_PER_S);
                let rest = format!("{rest:09}");
                match rest.trim_end_matches('0') {
                    "" => write!(f, "{seconds}"),
                    rest => write!(f, "{seconds}.{rest}"),
                }
            }
        }
    }
}

impl Number {
    /// The number that its text reads back as.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a sample is a double, here and in whatever scrapes the text"
    )]
    pub(crate) fn as_f64(self) -> f64 {
        match self {
            Self::Int(value) => value as f64,
            Self::Signed(value) => value as f64,
            Self::Float(value) => value,
            Self::Nanos(ns) => ns as f64 / 1e9,
        }
    }
}

const NS_PER_S: u64 = 1_000_000_000;

/// A bucket bound in the one form that Prometheus keeps: it rewrites any other on the way in, and a
/// rule that matches `le` as text would then match here and not there.
///
/// - shape: shortest digits that read back, a `.0` where neither point nor exponent stands, an
///   exponent of two digits below 1e-4 and from 1e6 on.
/// - source: Prometheus `model/textparse`, `normalizeFloatsInLabelValues`, which is OpenMetrics'
///   canonical form of numbers.
pub(crate) fn bound(value: f64) -> String {
    if value.abs() < 1e-4 || value.abs() >= 1e6 {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent
            .strip_prefix('-')
            .map_or(('+', exponent), |e| ('-', e));
        return format!("{digits}e{sign}{exponent:0>2}");
    }
    format!("{value:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_canonical() {
        let written: Vec<_> = [
            1.0,
            0.1,
            0.00025,
            0.0001,
            0.000_01,
            0.000_025,
            300.0,
            1_048_576.0,
        ]
        .map(bound)
        .into();
        assert_eq!(
            written,
            [
                "1.0",
                "0.1",
                "0.00025",
                "0.0001",
                "1e-05",
                "2.5e-05",
                "300.0",
                "1.048576e+06"
            ]
        );
    }

    #[test]
    fn nanoseconds_are_exact() {
        let written = |ns| Number::Nanos(ns).to_string();
        assert_eq!(written(0), "0");
        assert_eq!(written(1), "0.000000001");
        assert_eq!(written(1_500_000_000), "1.5");
        assert_eq!(written(u64::MAX), "18446744073.709551615");
    }
}

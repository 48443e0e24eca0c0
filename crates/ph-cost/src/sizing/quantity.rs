//! Units as people write them, and quantiles.

use super::Point;

pub(super) const MIB: f64 = 1024.0 * 1024.0;

/// Up to the next 10m, and at least `floor`.
pub(super) fn cpu_up(milli: f64, floor: u64) -> u64 {
    (((milli / 10.0).ceil() * 10.0) as u64).max(floor)
}

/// Up to the next 16Mi, and at least `floor`.
pub(super) fn memory_up(bytes: f64, floor: u64) -> u64 {
    let step = 16.0 * MIB;
    (((bytes / step).ceil() * step) as u64).max(floor)
}

/// CPU as it is written in a manifest: `250m`, `2`.
#[must_use]
pub fn cpu_text(milli: u64) -> String {
    if milli > 0 && milli.is_multiple_of(1000) {
        (milli / 1000).to_string()
    } else {
        format!("{milli}m")
    }
}

/// Memory as it is written in a manifest: the largest unit that says it exactly, `1Gi`, `272Mi`, `100M`, else bytes.
#[must_use]
pub fn memory_text(bytes: u64) -> String {
    const UNITS: [(u64, &str); 6] = [
        (1 << 40, "Ti"),
        (1 << 30, "Gi"),
        (1 << 20, "Mi"),
        (1_000_000_000, "G"),
        (1_000_000, "M"),
        (1 << 10, "Ki"),
    ];
    UNITS
        .iter()
        .find(|(unit, _)| bytes > 0 && bytes.is_multiple_of(*unit))
        .map_or_else(
            || bytes.to_string(),
            |(unit, name)| format!("{}{name}", bytes / unit),
        )
}

/// A text that is no quantity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no quantity: expected CPU such as `250m` or `1.5`, memory such as `256Mi`, `1Gi` or `500M`"
)]
pub struct NoQuantity(pub String);

/// Thousandths of a core of `250m` or `1.5`.
///
/// # Errors
///
/// Anything else, and what is 0, negative or beyond 10,000 cores.
pub fn cpu_of(text: &str) -> Result<u64, NoQuantity> {
    match text.strip_suffix('m') {
        Some(milli) => whole(milli, 1.0, 1e7),
        None => whole(text, 1000.0, 1e7),
    }
    .ok_or_else(|| NoQuantity(text.to_owned()))
}

/// Bytes of `256Mi`, `500M` or `1048576`.
///
/// # Errors
///
/// Anything else, and what is 0, negative or beyond 1 PiB.
pub fn memory_of(text: &str) -> Result<u64, NoQuantity> {
    const UNITS: [(&str, f64); 8] = [
        ("Ki", 1024.0),
        ("Mi", MIB),
        ("Gi", 1024.0 * MIB),
        ("Ti", 1024.0 * 1024.0 * MIB),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let found = UNITS
        .iter()
        .find_map(|(unit, bytes)| text.strip_suffix(unit).map(|number| (number, *bytes)));
    let (number, bytes) = found.unwrap_or((text, 1.0));
    whole(number, bytes, 1_125_899_906_842_624.0).ok_or_else(|| NoQuantity(text.to_owned()))
}

fn whole(number: &str, unit: f64, most: f64) -> Option<u64> {
    let is_plain = number
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    let value = number.parse::<f64>().ok().filter(|_| is_plain)? * unit;
    (value >= 1.0 && value <= most).then_some(value.ceil() as u64)
}

/// In lines of arithmetic: one decimal of a MiB.
pub(super) fn mib(bytes: f64) -> String {
    format!("{:.1}Mi", bytes / MIB)
}

/// The values of points, in ascending order.
pub(super) fn sorted<'a>(points: impl IntoIterator<Item = &'a Point>) -> Vec<f64> {
    let mut values: Vec<f64> = points.into_iter().map(|point| point.value).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// The quantile of ascending values, interpolated as `quantile_over_time` of Prometheus does. 0 of no values.
pub(super) fn quantile(ascending: &[f64], q: f64) -> f64 {
    let Some(last) = ascending.len().checked_sub(1) else {
        return 0.0;
    };
    let rank = q.clamp(0.0, 1.0) * last as f64;
    let below = rank.floor() as usize;
    let above = (below + 1).min(last);
    ascending[below] + (ascending[above] - ascending[below]) * rank.fract()
}

pub(super) fn highest<'a>(points: impl IntoIterator<Item = &'a Point>) -> f64 {
    points
        .into_iter()
        .map(|point| point.value)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_those_that_people_write() {
        assert_eq!(cpu_text(250), "250m");
        assert_eq!(cpu_text(2000), "2");
        assert_eq!(cpu_text(0), "0m");
        assert_eq!(memory_text(256 << 20), "256Mi");
        assert_eq!(memory_text(1 << 30), "1Gi");
        assert_eq!(memory_text(100_000_000), "100M");
        assert_eq!(memory_text(1001), "1001");
        assert_eq!(cpu_up(241.0, 10), 250);
        assert_eq!(cpu_up(0.4, 10), 10);
        assert_eq!(memory_text(memory_up(257.0 * MIB, 0)), "272Mi");
    }

    #[test]
    fn quantities_are_read_and_written_alike() {
        for text in ["250m", "2", "10m"] {
            assert_eq!(cpu_text(cpu_of(text).unwrap()), text);
        }
        for text in ["256Mi", "1Gi", "100M", "1001"] {
            assert_eq!(memory_text(memory_of(text).unwrap()), text);
        }
        assert_eq!(cpu_of("1.5"), Ok(1500));
        for text in ["", "m", "-1", "1e3", "0", "inf", "NaN", "1Mi", "1 m"] {
            assert!(cpu_of(text).is_err(), "{text}");
        }
        for text in ["", "Mi", "-1Mi", "1m", "0", "9999Ti", "1MB"] {
            assert!(memory_of(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quantiles_are_interpolated_between_ranks() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}

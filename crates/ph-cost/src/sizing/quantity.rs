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
    fn quantiles_are_interpolated_between_ranks() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&values, 0.0), 1.0);
        assert_eq!(quantile(&[], 0.5), 0.0);
    }
}

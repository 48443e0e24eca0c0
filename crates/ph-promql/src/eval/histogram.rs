//! Quantiles and fractions of classic histograms: series of cumulative counts, with the upper bound of each
//! bucket in the label `le`.

use std::collections::HashMap;

use super::column::{Assembly, Column, Grid, is_present};
use super::engine::Engine;
use crate::error::EvalError;
use crate::labels::Labels;
use crate::query::node::{Node, Place};

const BOUND: &str = "le";
/// Counts that differ by no more are the same: sums of rates are not exact.
const TOLERANCE: f64 = 1e-12;

#[derive(Clone, Copy, Debug, PartialEq)]
struct Bucket {
    upper: f64,
    count: f64,
}

/// The series of one histogram.
struct Histogram {
    labels: Labels,
    /// Upper bound and column, ascending by bound.
    buckets: Vec<(f64, usize)>,
}

impl Engine<'_> {
    pub(super) fn histogram_quantile(
        &self,
        args: &[Node],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let [q, vector] = args else {
            return Ok(Vec::new());
        };
        let quantiles = self.scalar(q, grid)?;
        quantiles
            .iter()
            .for_each(|quantile| self.warn_of_quantile(*quantile, q.place));
        self.each_histogram(vector, grid, |step, buckets| {
            let (value, forced) = quantile(quantiles[step], buckets);
            if forced {
                let text = "input to histogram_quantile needed to be fixed for monotonicity (see \
                            https://prometheus.io/docs/prometheus/latest/querying/functions/\
                            #histogram_quantile)";
                self.inform(text, vector.place);
            }
            value
        })
    }

    pub(super) fn histogram_fraction(
        &self,
        args: &[Node],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let [lower, upper, vector] = args else {
            return Ok(Vec::new());
        };
        let lower = self.scalar(lower, grid)?;
        let upper = self.scalar(upper, grid)?;
        self.each_histogram(vector, grid, |step, buckets| {
            fraction(lower[step], upper[step], buckets)
        })
    }

    fn each_histogram(
        &self,
        vector: &Node,
        grid: Grid,
        f: impl Fn(usize, &mut Vec<Bucket>) -> f64,
    ) -> Result<Vec<Column>, EvalError> {
        let columns = self.vector(vector, grid)?;
        let mut out = Assembly::default();
        let mut buckets = Vec::new();
        for histogram in self.histograms(&columns, vector.place) {
            self.work(histogram.buckets.len().saturating_mul(grid.count))?;
            let mut values = grid.absent();
            for (step, cell) in values.iter_mut().enumerate() {
                buckets.clear();
                for (upper, column) in &histogram.buckets {
                    let count = columns[*column].values[step];
                    if is_present(count) {
                        buckets.push(Bucket {
                            upper: *upper,
                            count,
                        });
                    }
                }
                if !buckets.is_empty() {
                    *cell = f(step, &mut buckets);
                }
            }
            out.add(self.without_name(Column::new(histogram.labels, values)))?;
        }
        Ok(out.finish())
    }

    fn histograms(&self, columns: &[Column], place: Place) -> Vec<Histogram> {
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut found: Vec<Histogram> = Vec::new();
        for (i, column) in columns.iter().enumerate() {
            let bound = column.labels.get(BOUND).unwrap_or_default();
            let Some(upper) = parse_bound(bound) else {
                let name = column.labels.metric_name().unwrap_or_default();
                let text = format!(
                    "bucket label \"le\" is missing or has a malformed value of \"{bound}\" \
                     for metric name \"{name}\""
                );
                self.warn(&text, place);
                continue;
            };
            let labels = column.labels.filtered(|name| name != BOUND);
            let at = *index.entry(labels).or_insert_with_key(|labels| {
                found.push(Histogram {
                    labels: labels.clone(),
                    buckets: Vec::new(),
                });
                found.len() - 1
            });
            found[at].buckets.push((upper, i));
        }
        for histogram in &mut found {
            histogram
                .buckets
                .sort_by(|one, other| one.0.total_cmp(&other.0));
        }
        found
    }
}

/// A bound as Go reads a number, as far as bounds go.
fn parse_bound(text: &str) -> Option<f64> {
    let plain = text.strip_prefix(['+', '-']).unwrap_or(text);
    let known = ["inf", "infinity", "nan"];
    let is_word = known.iter().any(|word| plain.eq_ignore_ascii_case(word));
    if !is_word && !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok()
}

/// The φ-quantile, and whether counts had to be raised because they went down.
fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, bool) {
    if q.is_nan() {
        return (f64::NAN, false);
    }
    if q < 0.0 {
        return (f64::NEG_INFINITY, false);
    }
    if q > 1.0 {
        return (f64::INFINITY, false);
    }
    if buckets
        .last()
        .is_none_or(|last| last.upper != f64::INFINITY)
    {
        return (f64::NAN, false);
    }
    join_equal_bounds(buckets);
    let forced = make_monotonic(buckets);
    let [first, .., before_last, last] = &buckets[..] else {
        return match &buckets[..] {
            [first, last] if last.count != 0.0 => (two_buckets(q, *first, last.count), forced),
            _ => (f64::NAN, false),
        };
    };
    if last.count == 0.0 || last.count.is_nan() {
        return (f64::NAN, false);
    }
    let (first, before_last) = (*first, *before_last);
    let rank = q * last.count;
    let finite = buckets.len() - 1;
    let at = buckets[..finite].partition_point(|bucket| bucket.count < rank);
    if at == finite {
        return (before_last.upper, forced);
    }
    if at == 0 && first.upper <= 0.0 {
        return (first.upper, forced);
    }
    let (start, below) = match at.checked_sub(1) {
        Some(i) => (buckets[i].upper, buckets[i].count),
        None => (0.0, 0.0),
    };
    let inside = (rank - below) / (buckets[at].count - below);
    (start + (buckets[at].upper - start) * inside, forced)
}

/// One finite bucket and the infinite one.
fn two_buckets(q: f64, first: Bucket, total: f64) -> f64 {
    let rank = q * total;
    if total.is_nan() {
        return f64::NAN;
    }
    if first.count < rank || first.upper <= 0.0 {
        return first.upper;
    }
    first.upper * (rank / first.count)
}

/// The part of the observations between two values.
fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if buckets
        .last()
        .is_none_or(|last| last.upper != f64::INFINITY)
    {
        return f64::NAN;
    }
    join_equal_bounds(buckets);
    let total = buckets.last().map_or(0.0, |last| last.count);
    if total == 0.0 || total.is_nan() || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    (rank_of(upper, buckets).min(total) - rank_of(lower, buckets).min(total)) / total
}

/// How many observations are below a value, spread evenly in its bucket.
fn rank_of(value: f64, buckets: &[Bucket]) -> f64 {
    let mut below = 0.0;
    for (i, bucket) in buckets.iter().enumerate() {
        let start = match i.checked_sub(1) {
            Some(before) => buckets[before].upper,
            None if bucket.upper > 0.0 => 0.0,
            None => f64::NEG_INFINITY,
        };
        if start >= value {
            return below;
        }
        if bucket.upper > value && start == f64::NEG_INFINITY {
            // Nothing can be spread over a bucket without an end: as if all of it were below.
            return bucket.count;
        }
        if bucket.upper > value {
            return below + (bucket.count - below) * (value - start) / (bucket.upper - start);
        }
        below = bucket.count;
    }
    below
}

fn join_equal_bounds(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|next, kept| {
        let same = next.upper == kept.upper;
        if same {
            kept.count += next.count;
        }
        same
    });
}

/// Cumulative counts never go down. Whether one did by more than rounding.
fn make_monotonic(buckets: &mut [Bucket]) -> bool {
    let mut forced = false;
    let Some(mut before) = buckets.first().map(|bucket| bucket.count) else {
        return false;
    };
    for bucket in &mut buckets[1..] {
        if bucket.count == before {
            continue;
        }
        if nearly_equal(bucket.count, before) {
            bucket.count = before;
        } else if bucket.count < before {
            bucket.count = before;
            forced = true;
        } else {
            before = bucket.count;
        }
    }
    forced
}

fn nearly_equal(one: f64, other: f64) -> bool {
    let (sum, difference) = (one.abs() + other.abs(), (one - other).abs());
    if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(pairs: &[(f64, f64)]) -> Vec<Bucket> {
        let bucket = |(upper, count): &(f64, f64)| Bucket {
            upper: *upper,
            count: *count,
        };
        pairs.iter().map(bucket).collect()
    }

    #[test]
    fn quantiles_of_buckets() {
        let all = [(1.0, 2.0), (2.0, 4.0), (f64::INFINITY, 8.0)];
        let at = |q| quantile(q, &mut buckets(&all));
        assert_eq!(at(0.25), (1.0, false));
        assert_eq!(at(0.375), (1.5, false));
        assert_eq!(at(1.0), (2.0, false));
        assert_eq!(at(1.1), (f64::INFINITY, false));
        assert!(quantile(0.5, &mut buckets(&all[..2])).0.is_nan());
        assert!(quantile(0.5, &mut buckets(&all[2..])).0.is_nan());
        let two = [(4.0, 4.0), (f64::INFINITY, 8.0)];
        assert_eq!(quantile(0.25, &mut buckets(&two)), (2.0, false));
        assert_eq!(quantile(0.75, &mut buckets(&two)), (4.0, false));
    }

    #[test]
    fn counts_that_go_down_are_raised_and_said() {
        let down = [(1.0, 4.0), (2.0, 3.0), (f64::INFINITY, 8.0)];
        assert_eq!(quantile(0.5, &mut buckets(&down)), (1.0, true));
        let rounded = [(1.0, 4.0), (2.0, 4.0 - 1e-13), (f64::INFINITY, 4.0)];
        assert_eq!(quantile(1.0, &mut buckets(&rounded)), (1.0, false));
    }

    #[test]
    fn fractions_of_buckets() {
        let all = [(1.0, 2.0), (2.0, 4.0), (f64::INFINITY, 8.0)];
        let between = |lower, upper| fraction(lower, upper, &mut buckets(&all));
        assert_eq!(between(0.0, 1.0), 0.25);
        assert_eq!(between(0.5, 1.5), 0.25);
        assert_eq!(between(f64::NEG_INFINITY, f64::INFINITY), 1.0);
        assert_eq!(between(2.0, 1.0), 0.0);
    }
}

//! A counter over a time, as events: resets are put right, and it is known when it was seen.

use ph_promql::{Labels, Sample, Series, is_stale};

/// Two samples further apart have a gap between them: as far as PromQL looks back.
const GAP_MS: i64 = 5 * 60_000;

/// The job under which Pilothouse keeps its own numbers. What follows the end of such a series is counted
/// by a new process, from 0.
const OWN_JOB: &str = "mcp-server";

/// The events of one counter, added up.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    /// Ascending times, each with the events until then.
    marks: Vec<(i64, f64)>,
    /// When it was seen: ascending, apart.
    pub(crate) seen: Vec<(i64, i64)>,
}

impl Counter {
    /// - `is_new`: the series begins with its first sample, so that this is counted from 0; else it was
    ///   there before the first sample that could be read.
    pub(crate) fn of(series: &Series, is_new: bool) -> Self {
        let is_own = series.labels.get("job") == Some(OWN_JOB);
        let mut counter = Self::default();
        let mut last: Option<Sample> = None;
        let mut ended = false;
        let mut total = 0.0;
        for sample in &series.samples {
            if !sample.v.is_finite() {
                ended |= is_stale(sample.v);
                continue;
            }
            total += match last {
                None if is_new => sample.v,
                None => 0.0,
                Some(last) if sample.v < last.v || (ended && is_own) => sample.v,
                Some(last) => sample.v - last.v,
            };
            counter.marks.push((sample.t_ms, total));
            counter.see(sample.t_ms, ended);
            last = Some(*sample);
            ended = false;
        }
        counter
    }

    fn see(&mut self, at_ms: i64, ended: bool) {
        match self.seen.last_mut() {
            Some((_, end)) if !ended && at_ms - *end <= GAP_MS => *end = at_ms,
            _ => self.seen.push((at_ms, at_ms)),
        }
    }

    /// Events after `from_ms`, until `to_ms`.
    pub(crate) fn within(&self, from_ms: i64, to_ms: i64) -> f64 {
        self.until(to_ms) - self.until(from_ms)
    }

    fn until(&self, at_ms: i64) -> f64 {
        let end = self.marks.partition_point(|(mark, _)| *mark <= at_ms);
        end.checked_sub(1).map_or(0.0, |last| self.marks[last].1)
    }
}

/// The earliest sample of all.
pub(crate) fn earliest(series: &[Series]) -> Option<i64> {
    series
        .iter()
        .filter_map(|one| Some(one.samples.first()?.t_ms))
        .min()
}

/// The value of a label, or nothing.
pub(crate) fn label<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(name).unwrap_or_default()
}

/// The union of spans of time, ascending and apart.
pub(crate) fn union(mut spans: Vec<(i64, i64)>) -> Vec<(i64, i64)> {
    spans.sort_unstable();
    let mut all: Vec<(i64, i64)> = Vec::new();
    for (from, to) in spans {
        match all.last_mut() {
            Some((_, end)) if from <= *end => *end = (*end).max(to),
            _ => all.push((from, to)),
        }
    }
    all
}

/// Milliseconds of the spans that lie between two times.
pub(crate) fn length_within(spans: &[(i64, i64)], from_ms: i64, to_ms: i64) -> i64 {
    let inside = |&(from, to): &(i64, i64)| (to.min(to_ms) - from.max(from_ms)).max(0);
    spans.iter().map(inside).sum()
}

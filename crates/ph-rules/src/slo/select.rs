//! The series of one objective.

use super::counter::{Counter, earliest, label, union};
use super::row::{Counts, SourceCounts};
use ph_promql::{METRIC_NAME, MatchOp, Matcher, Select, Series, SeriesSource, SourceError};
use ph_record::catalogue;

/// Before the first moment that is asked for, as far as PromQL looks back: the sample that counts there.
const BEFORE_MS: i64 = 5 * 60_000;

/// Samples of one objective: a counter in each of four combinations over 90 days at 5 s, twice over.
const SAMPLES_MAX: usize = 14_000_000;
/// Series of one objective: four in each process that counts it.
const SERIES_MAX: usize = 4_000;

/// The events of one objective, in all processes that counted it.
#[derive(Debug, Default)]
pub(crate) struct Events {
    /// Source, good, and the counter.
    counters: Vec<(String, bool, Counter)>,
    /// When they were seen.
    pub(crate) seen: Vec<(i64, i64)>,
}

impl Events {
    /// Reads what is needed to answer for any time between the two.
    pub(crate) fn read(
        slo: &str,
        source: &dyn SeriesSource,
        from_ms: i64,
        to_ms: i64,
    ) -> Result<Self, SourceError> {
        let matcher = |name: &str, value: &str| {
            Matcher::new(name, MatchOp::Eq, value)
                .map_err(|error| SourceError::Read(error.to_string()))
        };
        let matchers = [
            matcher(METRIC_NAME, catalogue::SLO_EVENTS.name)?,
            matcher("slo", slo)?,
        ];
        let from_ms = from_ms - BEFORE_MS;
        let series = source.select(&Select {
            matchers: &matchers,
            from_ms,
            to_ms,
            range_ms: Some(to_ms - from_ms),
            step_ms: None,
            // Increases are what is computed here, so a rollup that keeps them will do.
            function: Some("increase"),
            resolution_ms: 0,
            samples_max: SAMPLES_MAX,
            series_max: SERIES_MAX,
        })?;
        Ok(Self::of(&series))
    }

    fn of(series: &[Series]) -> Self {
        let first = earliest(series);
        let counter = |one: &Series| {
            // One that begins while others are there already is new: it counts from 0. What is there from
            // the first moment on may have counted before.
            let is_new = one.samples.first().map(|sample| sample.t_ms) > first;
            let source = label(&one.labels, "source").to_owned();
            let good = label(&one.labels, "result") == "good";
            (source, good, Counter::of(one, is_new))
        };
        let counters: Vec<_> = series.iter().map(counter).collect();
        let seen = counters
            .iter()
            .flat_map(|(_, _, one)| one.seen.iter().copied());
        Self {
            seen: union(seen.collect()),
            counters,
        }
    }

    /// Events after `from_ms`, until `to_ms`, by source.
    pub(crate) fn by_source(&self, from_ms: i64, to_ms: i64) -> Vec<SourceCounts> {
        let mut sources: Vec<&str> = self.counters.iter().map(|(s, _, _)| s.as_str()).collect();
        sources.sort_unstable();
        sources.dedup();
        let of = |source: &str| SourceCounts {
            source: source.to_owned(),
            events: self.sum(|one| one == source, from_ms, to_ms),
        };
        sources.into_iter().map(of).collect()
    }

    /// The same for all sources together.
    pub(crate) fn within(&self, from_ms: i64, to_ms: i64) -> Counts {
        self.sum(|_| true, from_ms, to_ms)
    }

    fn sum(&self, wanted: impl Fn(&str) -> bool, from_ms: i64, to_ms: i64) -> Counts {
        let sum = |want_good: bool| {
            let fits =
                |(source, good, _): &&(String, bool, Counter)| *good == want_good && wanted(source);
            let counted = self.counters.iter().filter(fits);
            let counted: f64 = counted.map(|(_, _, one)| one.within(from_ms, to_ms)).sum();
            // Counts are whole; a sum of floats may lie beside one by a hair.
            counted.round() as u64
        };
        Counts {
            good: sum(true),
            bad: sum(false),
        }
    }
}

//! Selectors: what a source gives, laid on the steps of a query.

use super::column::{ABSENT, Assembly, Column, Grid, is_present};
use super::engine::Engine;
use crate::error::EvalError;
use crate::matcher::Matcher;
use crate::query::node::{At, Range, RangeOf, Selector, Shift};
use crate::series::{Sample, Series, is_stale};
use crate::source::Select;

/// A subquery has no more steps, so that one of `[10y:1ms]` does not take all memory for a number.
const SUBQUERY_STEPS_MAX: i64 = 5_000_000;

/// The times that a selector looks back from, one for each step.
#[derive(Clone, Copy)]
pub(super) struct References {
    fixed_ms: Option<i64>,
    offset_ms: i64,
}

impl References {
    pub(super) fn at(self, t_ms: i64) -> i64 {
        self.fixed_ms.unwrap_or(t_ms) - self.offset_ms
    }

    /// The distance of the times, if there are several.
    fn step_ms(self, grid: Grid) -> Option<i64> {
        (grid.count > 1 && self.fixed_ms.is_none()).then_some(grid.step_ms)
    }
}

/// A range vector: for each step the samples of `(end - range, end]`.
pub(super) struct Windows {
    /// Without markers of staleness.
    pub(super) series: Vec<Series>,
    pub(super) references: References,
    pub(super) range_ms: i64,
}

impl Windows {
    /// Whether the window of the first step is that of all.
    pub(super) fn are_fixed(&self) -> bool {
        self.references.fixed_ms.is_some()
    }
}

impl Engine<'_> {
    pub(super) fn references(&self, shift: Shift) -> References {
        References {
            fixed_ms: shift.at.map(|at| match at {
                At::Start => self.query.start_ms,
                At::End => self.query.end_ms(),
                At::Ms(t_ms) => t_ms,
            }),
            offset_ms: shift.offset_ms,
        }
    }

    /// For each step the newest sample that is not older than the lookback.
    pub(super) fn select(&self, selector: &Selector, grid: Grid) -> Result<Vec<Column>, EvalError> {
        self.newest(selector, grid, |sample| sample.v)
    }

    /// As [`Self::select`], with the times of the samples in seconds instead of their values.
    pub(super) fn select_times(
        &self,
        selector: &Selector,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let mut out = Assembly::default();
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds are far below 2^52"
        )]
        let columns = self.newest(selector, grid, |sample| sample.t_ms as f64 / 1000.0)?;
        for column in columns {
            out.add(self.without_name(column))?;
        }
        Ok(out.finish())
    }

    fn newest(
        &self,
        selector: &Selector,
        grid: Grid,
        value: impl Fn(&Sample) -> f64,
    ) -> Result<Vec<Column>, EvalError> {
        let references = self.references(selector.shift);
        let lookback_ms = self.limits.lookback_ms;
        let first_ms = references.at(grid.start_ms) - lookback_ms + 1;
        let last_ms = references.at(grid.end_ms());
        let series = self.read(&Select {
            from_ms: first_ms,
            to_ms: last_ms,
            step_ms: references.step_ms(grid),
            ..self.wish(&selector.matchers)
        })?;
        let mut columns = Vec::with_capacity(series.len());
        for one in series {
            self.work(one.samples.len() + grid.count)?;
            let mut values = grid.absent();
            let mut next = 0;
            for (cell, t_ms) in values.iter_mut().zip(grid.times_ms()) {
                let reference_ms = references.at(t_ms);
                while one
                    .samples
                    .get(next)
                    .is_some_and(|s| s.t_ms <= reference_ms)
                {
                    next += 1;
                }
                let newest = next.checked_sub(1).map(|i| &one.samples[i]);
                *cell = match newest {
                    Some(sample)
                        if sample.t_ms > reference_ms - lookback_ms && !is_stale(sample.v) =>
                    {
                        value(sample)
                    }
                    _ => ABSENT,
                };
            }
            if values.iter().any(|value| is_present(*value)) {
                self.hold(grid.count)?;
                columns.push(Column::new(one.labels, values));
            }
        }
        Ok(columns)
    }

    /// The samples that a range vector ranges over.
    pub(super) fn windows(
        &self,
        range: &Range,
        function: Option<&str>,
        grid: Grid,
    ) -> Result<Windows, EvalError> {
        let references = self.references(range.shift);
        let first_ms = references.at(grid.start_ms) - range.range_ms;
        let last_ms = references.at(grid.end_ms());
        let mut series = match &range.of {
            RangeOf::Series(matchers) => self.read(&Select {
                from_ms: first_ms + 1,
                to_ms: last_ms,
                range_ms: Some(range.range_ms),
                step_ms: references.step_ms(grid),
                function,
                ..self.wish(matchers)
            })?,
            RangeOf::Subquery { node, step_ms } => {
                let step_ms = step_ms.unwrap_or(self.limits.subquery_step_ms).max(1);
                // The first multiple of the step in the range, which is open on the left.
                let mut start_ms = first_ms / step_ms * step_ms;
                if start_ms <= first_ms {
                    start_ms += step_ms;
                }
                let steps = (last_ms - start_ms).div_euclid(step_ms) + 1;
                if steps > SUBQUERY_STEPS_MAX {
                    return Err(EvalError::Data(format!(
                        "a subquery would have {steps} steps, which is more than \
                         {SUBQUERY_STEPS_MAX}: make its step longer or its range shorter"
                    )));
                }
                let count = usize::try_from(steps).unwrap_or_default();
                let inner = Grid {
                    start_ms,
                    step_ms,
                    count,
                };
                self.hold(count)?;
                if count == 0 {
                    Vec::new()
                } else {
                    let columns = self.settled(self.vector(node, inner)?)?;
                    columns
                        .into_iter()
                        .map(|column| column.into_series(inner))
                        .collect()
                }
            }
        };
        for one in &mut series {
            one.samples.retain(|sample| !is_stale(sample.v));
        }
        Ok(Windows {
            series,
            references,
            range_ms: range.range_ms,
        })
    }

    /// The value of an instant query of a range vector.
    pub(super) fn range_vector(&self, range: &Range, grid: Grid) -> Result<Vec<Series>, EvalError> {
        let windows = self.windows(range, None, grid)?;
        let end_ms = windows.references.at(grid.start_ms);
        let mut series = windows.series;
        for one in &mut series {
            let inside = |t_ms: i64| t_ms > end_ms - windows.range_ms && t_ms <= end_ms;
            one.samples.retain(|sample| inside(sample.t_ms));
        }
        series.retain(|one| !one.samples.is_empty());
        series.sort_by(|one, other| one.labels.cmp(&other.labels));
        Ok(series)
    }

    /// A wish without times.
    fn wish<'w>(&self, matchers: &'w [Matcher]) -> Select<'w> {
        Select {
            matchers,
            from_ms: 0,
            to_ms: 0,
            range_ms: None,
            step_ms: None,
            function: None,
            resolution_ms: self.limits.resolution_ms,
            samples_max: self.room(),
            series_max: self.limits.series_max,
        }
    }

    fn read(&self, wish: &Select<'_>) -> Result<Vec<Series>, EvalError> {
        self.work(0)?;
        let mut series = self.source.select(wish)?;
        self.hold(series.iter().map(|one| one.samples.len()).sum())?;
        // So that what depends on an order (`topk` of equal values, rounding of sums) is the same each time.
        series.sort_by(|one, other| one.labels.cmp(&other.labels));
        Ok(series)
    }
}

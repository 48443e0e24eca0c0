//! Functions over the samples of a range, with a window that slides along each series once.

use std::collections::HashSet;

use super::column::{ABSENT, Column, Grid, is_present, same_labels};
use super::engine::Engine;
use super::number::{Mean, Sum, quantile};
use super::select::Windows;
use crate::error::EvalError;
use crate::labels::Labels;
use crate::query::func::Over;
use crate::query::node::{Kind, Node, Range};
use crate::series::Sample;

/// What a function knows of the range besides its samples.
#[derive(Clone, Copy)]
struct Window {
    /// The open left end.
    start_ms: i64,
    end_ms: i64,
    /// The time of evaluation.
    now_ms: i64,
    /// The scalar argument, if there is one.
    param: f64,
}

impl Engine<'_> {
    pub(super) fn over(
        &self,
        over: Over,
        name: &str,
        args: &[Node],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let mut params = vec![0.0; grid.count];
        let mut found: Option<(&Range, &Node)> = None;
        for arg in args {
            match &arg.kind {
                Kind::Range(range) => found = Some((range, arg)),
                _ => params = self.scalar(arg, grid)?,
            }
        }
        let Some((range, arg)) = found else {
            return Ok(Vec::new());
        };
        if over == Over::Quantile {
            params
                .iter()
                .for_each(|q| self.warn_of_quantile(*q, args[0].place));
        }
        let windows = self.windows(range, Some(name), grid)?;
        if matches!(over, Over::Rate | Over::Increase) {
            self.remark_on_gauges(&windows, arg);
        }
        let uses_now = over == Over::PredictLinear;
        let mut values = Vec::new();
        match over {
            Over::Rate => self.slide(windows, grid, &params, uses_now, |s, w| {
                rate(s, w, true, true)
            }),
            Over::Increase => self.slide(windows, grid, &params, uses_now, |s, w| {
                rate(s, w, true, false)
            }),
            Over::Delta => self.slide(windows, grid, &params, uses_now, |s, w| {
                rate(s, w, false, false)
            }),
            Over::Irate => self.slide(windows, grid, &params, uses_now, |s, _| last_two(s, true)),
            Over::Idelta => self.slide(windows, grid, &params, uses_now, |s, _| last_two(s, false)),
            Over::Avg => self.slide(windows, grid, &params, uses_now, |s, _| Some(mean(s))),
            Over::Sum => self.slide(windows, grid, &params, uses_now, |s, _| Some(sum(s))),
            Over::Count => self.slide(windows, grid, &params, uses_now, |s, _| Some(count(s))),
            Over::Present => self.slide(windows, grid, &params, uses_now, |_, _| Some(1.0)),
            Over::First => self.slide(windows, grid, &params, uses_now, |s, _| {
                s.first().map(|s| s.v)
            }),
            Over::Last => self.slide(windows, grid, &params, uses_now, |s, _| {
                s.last().map(|s| s.v)
            }),
            Over::Max => self.slide(windows, grid, &params, uses_now, |s, _| {
                best(s, |v, best| v > best)
            }),
            Over::Min => self.slide(windows, grid, &params, uses_now, |s, _| {
                best(s, |v, best| v < best)
            }),
            Over::Changes => self.slide(windows, grid, &params, uses_now, |s, _| Some(changes(s))),
            Over::Resets => self.slide(windows, grid, &params, uses_now, |s, _| Some(resets(s))),
            Over::Stdvar => self.slide(windows, grid, &params, uses_now, |s, _| Some(variance(s))),
            Over::Stddev => self.slide(windows, grid, &params, uses_now, |s, _| {
                Some(variance(s).sqrt())
            }),
            Over::Deriv => self.slide(windows, grid, &params, uses_now, |s, _| {
                Some(trend(s, s.first()?.t_ms)?.0)
            }),
            Over::PredictLinear => self.slide(windows, grid, &params, uses_now, |s, w| {
                let (slope, intercept) = trend(s, w.now_ms)?;
                Some(slope * w.param + intercept)
            }),
            Over::Quantile => self.slide(windows, grid, &params, uses_now, move |s, w| {
                values.clear();
                values.extend(s.iter().map(|sample| sample.v));
                Some(quantile(w.param, &mut values))
            }),
        }
        .and_then(|columns| self.named(columns, name))
    }

    /// One where a range has no sample at all.
    pub(super) fn absent_over_time(
        &self,
        range: &Range,
        labels: Labels,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let windows = self.windows(range, Some("absent_over_time"), grid)?;
        let params = vec![0.0; grid.count];
        let present = self.slide(windows, grid, &params, false, |_, _| Some(1.0))?;
        let mut values = vec![1.0; grid.count];
        for column in present {
            for (value, seen) in values.iter_mut().zip(column.values) {
                if is_present(seen) {
                    *value = ABSENT;
                }
            }
        }
        let any = values.iter().any(|value| is_present(*value));
        Ok(if any {
            vec![Column::new(labels, values)]
        } else {
            Vec::new()
        })
    }

    /// `last_over_time` and `first_over_time` act like an offset and keep the name; all others drop it.
    fn named(&self, mut columns: Vec<Column>, name: &str) -> Result<Vec<Column>, EvalError> {
        if matches!(name, "last_over_time" | "first_over_time") {
            return Ok(columns);
        }
        if self.limits.delayed_name_removal {
            columns
                .iter_mut()
                .for_each(|column| column.drop_name = true);
            return Ok(columns);
        }
        let mut seen = HashSet::with_capacity(columns.len());
        for column in &mut columns {
            column.labels = column.labels.without_name();
            if !seen.insert(column.labels.clone()) {
                return Err(same_labels());
            }
        }
        Ok(columns)
    }

    fn slide(
        &self,
        windows: Windows,
        grid: Grid,
        params: &[f64],
        uses_now: bool,
        mut f: impl FnMut(&[Sample], &Window) -> Option<f64>,
    ) -> Result<Vec<Column>, EvalError> {
        // With `@` all windows are the same, and so are the values if the argument is.
        let same = params
            .windows(2)
            .all(|two| two[0].to_bits() == two[1].to_bits());
        let once = windows.are_fixed() && same && !uses_now;
        let mut columns = Vec::with_capacity(windows.series.len());
        for series in windows.series {
            let samples = &series.samples[..];
            let mut values = grid.absent();
            let (mut from, mut to) = (0, 0);
            let mut any = false;
            for ((cell, now_ms), param) in values.iter_mut().zip(grid.times_ms()).zip(params) {
                let end_ms = windows.references.at(now_ms);
                let start_ms = end_ms - windows.range_ms;
                while samples.get(to).is_some_and(|sample| sample.t_ms <= end_ms) {
                    to += 1;
                }
                while from < to && samples[from].t_ms <= start_ms {
                    from += 1;
                }
                if from == to {
                    continue;
                }
                self.work(to - from)?;
                let window = Window {
                    start_ms,
                    end_ms,
                    now_ms,
                    param: *param,
                };
                if let Some(value) = f(&samples[from..to], &window) {
                    *cell = value;
                    any = true;
                }
                if once {
                    break;
                }
            }
            if once {
                let first = values[0];
                values.fill(first);
            }
            if any {
                self.hold(grid.count)?;
                columns.push(Column::new(series.labels, values));
            }
        }
        Ok(columns)
    }

    fn remark_on_gauges(&self, windows: &Windows, arg: &Node) {
        const COUNTERS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];
        let mut last = None;
        for series in windows.series.iter().filter(|one| one.samples.len() > 1) {
            let name = series.labels.metric_name();
            let Some(name) = name.filter(|name| Some(*name) != last) else {
                continue;
            };
            last = Some(name);
            if !COUNTERS.iter().any(|suffix| name.ends_with(suffix)) {
                let text = format!(
                    "metric might not be a counter, name does not end in \
                     _total/_sum/_count/_bucket: \"{name}\""
                );
                self.inform(&text, arg.place);
            }
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds are far below 2^52"
)]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of samples is far below 2^52"
)]
fn count(samples: &[Sample]) -> f64 {
    samples.len() as f64
}

/// How much the values went up, carried to the ends of the range where samples lie close enough to them.
fn rate(samples: &[Sample], window: &Window, counter: bool, per_second: bool) -> Option<f64> {
    let [first, .., last] = samples else {
        return None;
    };
    let mut increase = last.v - first.v;
    if counter {
        for pair in samples.windows(2) {
            if pair[1].v < pair[0].v {
                increase += pair[0].v;
            }
        }
    }
    let sampled = seconds(last.t_ms - first.t_ms);
    let between = sampled / (count(samples) - 1.0);
    // A series whose samples end further away than this from an end of the range began or ended there.
    let close = between * 1.1;
    let carried = |distance: f64| {
        if distance >= close {
            between / 2.0
        } else {
            distance
        }
    };
    let mut to_start = carried(seconds(first.t_ms - window.start_ms));
    let to_end = carried(seconds(window.end_ms - last.t_ms));
    if counter && increase > 0.0 && first.v >= 0.0 {
        // A counter was never below zero.
        let to_zero = sampled * (first.v / increase);
        if to_zero < to_start {
            to_start = to_zero;
        }
    }
    let mut factor = (sampled + to_start + to_end) / sampled;
    if per_second {
        factor /= seconds(window.end_ms - window.start_ms);
    }
    Some(increase * factor)
}

fn last_two(samples: &[Sample], rate: bool) -> Option<f64> {
    let [.., before, last] = samples else {
        return None;
    };
    if !rate {
        return Some(last.v - before.v);
    }
    let increase = if last.v < before.v {
        last.v
    } else {
        last.v - before.v
    };
    Some(increase / seconds(last.t_ms - before.t_ms))
}

fn mean(samples: &[Sample]) -> f64 {
    let mut mean = Mean::of(samples[0].v);
    samples[1..].iter().for_each(|sample| mean.add(sample.v));
    mean.value()
}

fn sum(samples: &[Sample]) -> f64 {
    let mut sum = Sum::default();
    samples.iter().for_each(|sample| sum.add(sample.v));
    sum.total()
}

fn best(samples: &[Sample], better: impl Fn(f64, f64) -> bool) -> Option<f64> {
    let first = samples.first()?.v;
    Some(samples.iter().fold(first, |best, sample| {
        if better(sample.v, best) || best.is_nan() {
            sample.v
        } else {
            best
        }
    }))
}

fn changes(samples: &[Sample]) -> f64 {
    let is_change = |one: f64, other: f64| one != other && !(one.is_nan() && other.is_nan());
    pairs(samples, is_change)
}

fn resets(samples: &[Sample]) -> f64 {
    pairs(samples, |before, after| after < before)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a count of samples is far below 2^52"
)]
fn pairs(samples: &[Sample], is: impl Fn(f64, f64) -> bool) -> f64 {
    let found = samples.windows(2).filter(|pair| is(pair[0].v, pair[1].v));
    found.count() as f64
}

fn variance(samples: &[Sample]) -> f64 {
    let (mut count, mut mean, mut squares) = (0.0, Sum::default(), Sum::default());
    for sample in samples {
        count += 1.0;
        let delta = sample.v - (mean.sum + mean.lost);
        mean.add(delta / count);
        squares.add(delta * (sample.v - (mean.sum + mean.lost)));
    }
    (squares.sum + squares.lost) / count
}

/// The least-squares line through the samples: its slope per second, and its value at a time.
fn trend(samples: &[Sample], at_ms: i64) -> Option<(f64, f64)> {
    if samples.len() < 2 {
        return None;
    }
    let first = samples[0].v;
    if samples.iter().all(|sample| sample.v == first) {
        return Some(if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        });
    }
    let (mut x_sum, mut y_sum) = (Sum::default(), Sum::default());
    let (mut xy_sum, mut xx_sum) = (Sum::default(), Sum::default());
    for sample in samples {
        let x = seconds(sample.t_ms - at_ms);
        x_sum.add(x);
        y_sum.add(sample.v);
        xy_sum.add(x * sample.v);
        xx_sum.add(x * x);
    }
    let n = count(samples);
    let plain = |sum: Sum| sum.sum + sum.lost;
    let (x, y, xy, xx) = (plain(x_sum), plain(y_sum), plain(xy_sum), plain(xx_sum));
    let slope = (xy - x * y / n) / (xx - x * x / n);
    Some((slope, y / n - slope * x / n))
}

//! Functions on instant vectors and scalars.

use super::column::{ABSENT, Assembly, Column, Grid, is_present};
use super::date;
use super::engine::Engine;
use super::label::absent_labels;
use crate::error::EvalError;
use crate::labels::Labels;
use crate::query::func::{DatePart, Func};
use crate::query::node::{Kind, Node, Place};

impl Engine<'_> {
    pub(super) fn call(
        &self,
        func: Func,
        name: &str,
        args: &[Node],
        place: Place,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        match (func, args) {
            (Func::Over(over), _) => self.over(over, name, args, grid),
            (Func::Map(f), [vector]) => {
                let columns = self.vector(vector, grid)?;
                self.without_names(columns, |_, value| f(value))
            }
            (Func::Clamp, [vector, min, max]) => {
                let min = self.scalar(min, grid)?;
                let max = self.scalar(max, grid)?;
                self.clamp(vector, &min, &max, grid)
            }
            (Func::ClampMin, [vector, min]) => {
                let min = self.scalar(min, grid)?;
                self.clamp(vector, &min, &vec![f64::INFINITY; grid.count], grid)
            }
            (Func::ClampMax, [vector, max]) => {
                let max = self.scalar(max, grid)?;
                self.clamp(vector, &vec![f64::NEG_INFINITY; grid.count], &max, grid)
            }
            (Func::Round, [vector, nearest @ ..]) => {
                let nearest = match nearest.first() {
                    Some(nearest) => self.scalar(nearest, grid)?,
                    None => vec![1.0; grid.count],
                };
                let columns = self.vector(vector, grid)?;
                self.without_names(columns, |step, value| {
                    let inverse = 1.0 / nearest[step];
                    (value * inverse + 0.5).floor() / inverse
                })
            }
            (Func::Date(part), _) => self.date(part, args.first(), grid),
            (Func::Absent, [vector]) => self.absent(vector, grid),
            (Func::AbsentOverTime, [arg]) => match &arg.kind {
                Kind::Range(range) => self.absent_over_time(range, absent_labels(arg), grid),
                _ => Ok(Vec::new()),
            },
            (Func::HistogramQuantile, _) => self.histogram_quantile(args, grid),
            (Func::HistogramFraction, _) => self.histogram_fraction(args, grid),
            (Func::LabelJoin, _) => self.label_join(args, grid),
            (Func::LabelReplace, _) => self.label_replace(args, grid),
            (Func::Sort { descending }, [vector]) => {
                let columns = self.vector(vector, grid)?;
                Ok(self.sorted(columns, descending, place, grid))
            }
            (Func::Timestamp, [vector]) => self.timestamp(vector, grid),
            (Func::Vector, [scalar]) => {
                let values = self.scalar(scalar, grid)?;
                Ok(vec![Column::new(Labels::default(), values)])
            }
            _ => Ok(Vec::new()),
        }
    }

    pub(super) fn scalar_call(
        &self,
        func: Func,
        args: &[Node],
        grid: Grid,
    ) -> Result<Vec<f64>, EvalError> {
        match (func, args) {
            (Func::Pi, _) => Ok(vec![std::f64::consts::PI; grid.count]),
            (Func::Time, _) => Ok(times(grid)),
            (Func::Scalar, [vector]) => {
                let columns = self.vector(vector, grid)?;
                let only = |step| {
                    let mut all = Self::at_step(&columns, step);
                    match (all.next(), all.next()) {
                        (Some((_, value)), None) => value,
                        _ => f64::NAN,
                    }
                };
                Ok((0..grid.count).map(only).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    fn clamp(
        &self,
        vector: &Node,
        min: &[f64],
        max: &[f64],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let columns = self.vector(vector, grid)?;
        let columns = self.without_names(columns, |step, value| {
            if max[step] < min[step] {
                return ABSENT;
            }
            greater(min[step], lesser(max[step], value))
        })?;
        Ok(columns)
    }

    fn date(
        &self,
        part: DatePart,
        vector: Option<&Node>,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let Some(vector) = vector else {
            let values = times(grid).into_iter();
            let values = values.map(|seconds| date::part(part, seconds)).collect();
            return Ok(vec![Column::new(Labels::default(), values)]);
        };
        let columns = self.vector(vector, grid)?;
        self.without_names(columns, |_, value| date::part(part, value))
    }

    fn absent(&self, vector: &Node, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let columns = self.vector(vector, grid)?;
        let one = |step| match Self::at_step(&columns, step).next() {
            Some(_) => ABSENT,
            None => 1.0,
        };
        let values: Vec<f64> = (0..grid.count).map(one).collect();
        if !values.iter().any(|value| is_present(*value)) {
            return Ok(Vec::new());
        }
        let labels = absent_labels(vector);
        Ok(vec![Column::new(labels, values)])
    }

    /// The time of the sample that a selector finds; of anything else the time of evaluation.
    fn timestamp(&self, vector: &Node, grid: Grid) -> Result<Vec<Column>, EvalError> {
        if let Kind::Select(selector) = &vector.kind {
            return self.select_times(selector, grid);
        }
        let times = times(grid);
        let mut out = Assembly::default();
        for mut column in self.vector(vector, grid)? {
            column.map(|step, _| times[step]);
            out.add(self.without_name(column))?;
        }
        Ok(out.finish())
    }
}

/// The times of evaluation in seconds.
#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds are far below 2^52"
)]
fn times(grid: Grid) -> Vec<f64> {
    grid.times_ms().map(|t_ms| t_ms as f64 / 1000.0).collect()
}

/// NaN if either is, unlike [`f64::max`].
fn greater(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() {
        return f64::NAN;
    }
    one.max(other)
}

fn lesser(one: f64, other: f64) -> f64 {
    if one.is_nan() || other.is_nan() {
        return f64::NAN;
    }
    one.min(other)
}

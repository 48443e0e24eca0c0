//! Aggregations that make one series of each group.

use std::collections::HashMap;

use super::column::{ABSENT, Column, Grid, is_present};
use super::engine::{Engine, group_labels};
use super::number::{Mean, Sum, quantile, shown};
use crate::error::EvalError;
use crate::labels::Labels;
use crate::query::node::{Aggregate, AggregateOp, Kind};

/// The groups of an aggregation, and which column is in which.
pub(super) struct Groups {
    pub(super) labels: Vec<Labels>,
    /// Whether any series of the group is to lose its name.
    drop_name: Vec<bool>,
    pub(super) of_column: Vec<usize>,
}

impl Groups {
    pub(super) fn new(columns: &[Column], aggregate: &Aggregate) -> Self {
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut labels = Vec::new();
        let of_column: Vec<usize> = columns
            .iter()
            .map(|column| {
                let key = group_labels(&column.labels, aggregate.without, &aggregate.labels);
                *index.entry(key).or_insert_with_key(|key| {
                    labels.push(key.clone());
                    labels.len() - 1
                })
            })
            .collect();
        let mut drop_name = vec![false; labels.len()];
        for (column, group) in columns.iter().zip(&of_column) {
            drop_name[*group] |= column.drop_name;
        }
        Self {
            labels,
            drop_name,
            of_column,
        }
    }
}

impl Engine<'_> {
    pub(super) fn aggregate(
        &self,
        aggregate: &Aggregate,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        use AggregateOp as Op;
        let params = match &aggregate.param {
            Some(param) if aggregate.op != Op::CountValues => self.scalar(param, grid)?,
            _ => Vec::new(),
        };
        if aggregate.op == Op::CountValues {
            return self.count_values(aggregate, grid);
        }
        let columns = self.vector(&aggregate.of, grid)?;
        if matches!(aggregate.op, Op::Topk | Op::Bottomk) {
            return self.ranked(aggregate, &params, columns, grid);
        }
        let groups = Groups::new(&columns, aggregate);
        self.hold(groups.labels.len().saturating_mul(grid.count))?;
        match aggregate.op {
            Op::Sum => self.fold(
                &columns,
                groups,
                grid,
                Sum::of,
                |sum, value| sum.add(value),
                // An infinite sum has lost nothing.
                |sum| sum.sum + sum.lost,
            ),
            Op::Avg => self.fold(&columns, groups, grid, Mean::of, Mean::add, Mean::value),
            Op::Count => self.fold(&columns, groups, grid, |_| 1.0, |n, _| *n += 1.0, |n| n),
            Op::Group => self.fold(&columns, groups, grid, |_| 1.0, |_, _| {}, |one| one),
            Op::Max => self.fold(
                &columns,
                groups,
                grid,
                |value| value,
                |max, value| {
                    if *max < value || max.is_nan() {
                        *max = value;
                    }
                },
                |max| max,
            ),
            Op::Min => self.fold(
                &columns,
                groups,
                grid,
                |value| value,
                |min, value| {
                    if *min > value || min.is_nan() {
                        *min = value;
                    }
                },
                |min| min,
            ),
            Op::Stdvar => self.fold(
                &columns,
                groups,
                grid,
                Spread::of,
                Spread::add,
                Spread::variance,
            ),
            Op::Stddev => self.fold(&columns, groups, grid, Spread::of, Spread::add, |spread| {
                spread.variance().sqrt()
            }),
            Op::Quantile => {
                if let Some(param) = &aggregate.param {
                    params
                        .iter()
                        .for_each(|q| self.warn_of_quantile(*q, param.place));
                }
                self.quantiles(&columns, groups, &params, grid)
            }
            Op::CountValues | Op::Topk | Op::Bottomk => Ok(Vec::new()),
        }
    }

    /// Column by column, each value into the accumulator of its group and step.
    fn fold<A: Copy>(
        &self,
        columns: &[Column],
        groups: Groups,
        grid: Grid,
        first: impl Fn(f64) -> A,
        add: impl Fn(&mut A, f64),
        value: impl Fn(A) -> f64,
    ) -> Result<Vec<Column>, EvalError> {
        let mut cells: Vec<Vec<Option<A>>> = vec![vec![None; grid.count]; groups.labels.len()];
        for (column, group) in columns.iter().zip(groups.of_column) {
            self.work(grid.count)?;
            for (cell, sample) in cells[group].iter_mut().zip(&column.values) {
                if is_present(*sample) {
                    match cell {
                        Some(accumulator) => add(accumulator, *sample),
                        None => *cell = Some(first(*sample)),
                    }
                }
            }
        }
        let drop_name = groups.drop_name;
        let finished = |row: Vec<Option<A>>| {
            let values = row.into_iter().map(|cell| cell.map_or(ABSENT, &value));
            values.collect()
        };
        Ok(groups
            .labels
            .into_iter()
            .zip(cells)
            .zip(drop_name)
            .map(|((labels, row), drop_name)| Column {
                labels,
                drop_name,
                values: finished(row),
            })
            .collect())
    }

    fn quantiles(
        &self,
        columns: &[Column],
        groups: Groups,
        params: &[f64],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let mut out: Vec<Vec<f64>> = vec![grid.absent(); groups.labels.len()];
        let mut values: Vec<Vec<f64>> = vec![Vec::new(); groups.labels.len()];
        for (step, q) in params.iter().enumerate() {
            self.work(columns.len())?;
            values.iter_mut().for_each(Vec::clear);
            for (column, value) in Self::at_step(columns, step) {
                values[groups.of_column[column]].push(value);
            }
            for (row, values) in out.iter_mut().zip(&mut values) {
                if !values.is_empty() {
                    row[step] = quantile(*q, values);
                }
            }
        }
        let columns = groups.labels.into_iter().zip(out);
        Ok(columns
            .zip(groups.drop_name)
            .map(|((labels, values), drop_name)| Column {
                labels,
                drop_name,
                values,
            })
            .collect())
    }

    /// How often each value occurs in a group, the value as a label.
    fn count_values(&self, aggregate: &Aggregate, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let Some(Kind::Text(label)) = aggregate.param.as_ref().map(|param| &param.kind) else {
            return Ok(Vec::new());
        };
        if !label.is_utf8 || label.value.is_empty() {
            let text = format!("invalid label name {}", label.written);
            return Err(EvalError::Data(text));
        }
        let columns = self.vector(&aggregate.of, grid)?;
        let mut names = aggregate.labels.clone();
        if !aggregate.without {
            names.push(label.value.clone());
        }
        let mut index: HashMap<Labels, usize> = HashMap::new();
        let mut out: Vec<Column> = Vec::new();
        for column in &columns {
            let mut last: Option<(u64, usize)> = None;
            for (step, value) in column.values.iter().enumerate() {
                if !is_present(*value) {
                    continue;
                }
                let bits = value.to_bits();
                let at = match last {
                    Some((same, at)) if same == bits => at,
                    _ => {
                        self.work(column.labels.len())?;
                        let valued = column.labels.with(&label.value, &shown(*value));
                        let key = group_labels(&valued, aggregate.without, &names);
                        let next = out.len();
                        let at = *index.entry(key.clone()).or_insert(next);
                        if at == next {
                            self.hold(grid.count)?;
                            let values = grid.absent();
                            out.push(Column::new(key, values));
                        }
                        at
                    }
                };
                last = Some((bits, at));
                let cell = &mut out[at].values[step];
                *cell = if is_present(*cell) { *cell + 1.0 } else { 1.0 };
            }
        }
        Ok(out)
    }
}

/// Variance by Welford.
#[derive(Clone, Copy)]
struct Spread {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Spread {
    fn of(first: f64) -> Self {
        Self {
            count: 1.0,
            mean: first,
            squares: if first.is_finite() { 0.0 } else { f64::NAN },
        }
    }

    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let delta = value - self.mean;
        self.mean += delta / self.count;
        self.squares += delta * (value - self.mean);
    }

    fn variance(self) -> f64 {
        self.squares / self.count
    }
}

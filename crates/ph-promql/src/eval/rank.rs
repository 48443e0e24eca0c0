//! Aggregations that choose, and orders.

use std::cmp::Ordering;

use super::aggregate::Groups;
use super::column::{Column, Grid, is_present};
use super::engine::Engine;
use crate::error::EvalError;
use crate::query::node::{Aggregate, AggregateOp, Place};

impl Engine<'_> {
    /// `topk` and `bottomk`: at each step the columns with the k greatest or smallest values of each group.
    /// In an instant query the answer is in their order.
    pub(super) fn ranked(
        &self,
        aggregate: &Aggregate,
        params: &[f64],
        columns: Vec<Column>,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        check_params(params)?;
        let descending = aggregate.op == AggregateOp::Topk;
        let groups = Groups::new(&columns, aggregate);
        let mut members: Vec<Vec<(usize, f64)>> = vec![Vec::new(); groups.labels.len()];
        let mut order: Vec<usize> = Vec::new();
        let mut out: Vec<Vec<f64>> = Vec::new();
        self.hold(columns.len().saturating_mul(grid.count))?;
        out.resize_with(columns.len(), || grid.absent());
        for (step, k) in params.iter().enumerate() {
            self.work(columns.len())?;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a negative number becomes zero, a large one the largest"
            )]
            let k = *k as usize;
            if k == 0 {
                continue;
            }
            members.iter_mut().for_each(Vec::clear);
            for (column, value) in Self::at_step(&columns, step) {
                members[groups.of_column[column]].push((column, value));
            }
            for group in &mut members {
                group.sort_by(|one, other| by_value(one.1, other.1, descending));
                for (column, value) in group.iter().take(k) {
                    out[*column][step] = *value;
                    if grid.count == 1 {
                        order.push(*column);
                    }
                }
            }
        }
        let mut chosen: Vec<Option<Column>> = columns
            .into_iter()
            .zip(out)
            .map(|(column, values)| {
                let any = values.iter().any(|value| is_present(*value));
                any.then_some(Column { values, ..column })
            })
            .collect();
        if grid.count == 1 {
            return Ok(order
                .into_iter()
                .filter_map(|at| chosen[at].take())
                .collect());
        }
        Ok(chosen.into_iter().flatten().collect())
    }

    /// `sort` and `sort_desc`, which say nothing about a range: that is always sorted by labels.
    pub(super) fn sorted(
        &self,
        mut columns: Vec<Column>,
        descending: bool,
        place: Place,
        grid: Grid,
    ) -> Vec<Column> {
        if self.query.count > 1 {
            let text = "sort is ineffective for range queries since results are always \
                        ordered by labels";
            self.warn(text, place);
        }
        if grid.count == 1 {
            columns.sort_by(|one, other| by_value(one.values[0], other.values[0], descending));
        }
        columns
    }
}

/// NaN is last whatever the direction.
fn by_value(one: f64, other: f64, descending: bool) -> Ordering {
    match (one.is_nan(), other.is_nan()) {
        (false, false) => {
            let order = one.partial_cmp(&other).unwrap_or(Ordering::Equal);
            if descending { order.reverse() } else { order }
        }
        (one, other) => one.cmp(&other),
    }
}

fn check_params(params: &[f64]) -> Result<(), EvalError> {
    const BIGGEST: f64 = 9_223_372_036_854_775_807.0;
    if params.iter().any(|k| k.is_nan()) {
        return Err(EvalError::Data("Parameter value is NaN".to_owned()));
    }
    match params.iter().find(|k| k.abs() >= BIGGEST) {
        Some(k) if *k > 0.0 => Err(EvalError::Data(format!("Scalar value {k} overflows int64"))),
        Some(k) if params.iter().any(|k| *k >= 1.0) => Err(EvalError::Data(format!(
            "Scalar value {k} underflows int64"
        ))),
        _ => Ok(()),
    }
}

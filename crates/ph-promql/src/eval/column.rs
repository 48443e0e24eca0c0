//! Values on the steps of a query.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::error::EvalError;
use crate::labels::Labels;
use crate::series::{STALE_NAN_BITS, Sample, Series};

/// What stands where a series has no value. A marker of staleness is never a value, and arithmetic never
/// makes one, so it is free for this.
pub(super) const ABSENT: f64 = f64::from_bits(STALE_NAN_BITS);

pub(super) fn is_present(value: f64) -> bool {
    value.to_bits() != STALE_NAN_BITS
}

/// The times of evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grid {
    pub(super) start_ms: i64,
    pub(super) step_ms: i64,
    pub(super) count: usize,
}

impl Grid {
    pub(super) fn times_ms(self) -> impl Iterator<Item = i64> {
        let step_ms = self.step_ms;
        (0..self.count).scan(self.start_ms, move |next, _| {
            let t_ms = *next;
            *next = next.wrapping_add(step_ms);
            Some(t_ms)
        })
    }

    /// The last time. There is at least one step.
    pub(super) fn end_ms(self) -> i64 {
        let steps = i64::try_from(self.count.saturating_sub(1)).unwrap_or(i64::MAX);
        self.start_ms
            .saturating_add(self.step_ms.saturating_mul(steps))
    }

    pub(super) fn absent(self) -> Vec<f64> {
        vec![ABSENT; self.count]
    }
}

/// A series on a grid: as many values as the grid has steps, at least one of them present.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) labels: Labels,
    /// The name is to go, but not before the end.
    pub(super) drop_name: bool,
    pub(super) values: Vec<f64>,
}

impl Column {
    pub(super) fn new(labels: Labels, values: Vec<f64>) -> Self {
        Self {
            labels,
            drop_name: false,
            values,
        }
    }

    pub(super) fn into_series(self, grid: Grid) -> Series {
        let cells = grid.times_ms().zip(self.values);
        Series {
            labels: self.labels,
            samples: cells
                .filter(|(_, v)| is_present(*v))
                .map(|(t_ms, v)| Sample { t_ms, v })
                .collect(),
        }
    }

    /// Each value made into another; absent ones stay so.
    pub(super) fn map(&mut self, mut f: impl FnMut(usize, f64) -> f64) {
        for (step, value) in self.values.iter_mut().enumerate() {
            if is_present(*value) {
                *value = f(step, *value);
            }
        }
    }
}

/// Columns under their labels. Two series that come to have the same labels are one, if they never have a
/// value at the same step; else that is an error.
#[derive(Default)]
pub(super) struct Assembly {
    columns: Vec<Column>,
    index: HashMap<Labels, usize>,
}

impl Assembly {
    pub(super) fn add(&mut self, column: Column) -> Result<(), EvalError> {
        let at = match self.index.entry(column.labels.clone()) {
            Entry::Vacant(entry) => {
                entry.insert(self.columns.len());
                self.columns.push(column);
                return Ok(());
            }
            Entry::Occupied(entry) => *entry.get(),
        };
        let into = &mut self.columns[at];
        into.drop_name |= column.drop_name;
        for (into, value) in into.values.iter_mut().zip(column.values) {
            if is_present(value) {
                if is_present(*into) {
                    return Err(same_labels());
                }
                *into = value;
            }
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Vec<Column> {
        self.columns
            .retain(|column| column.values.iter().any(|value| is_present(*value)));
        self.columns
    }
}

pub(super) fn same_labels() -> EvalError {
    EvalError::Data("vector cannot contain metrics with the same labelset".to_owned())
}

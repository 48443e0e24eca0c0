//! Operations on two sides, of which at most one is a vector, and the choice of how to match two.

use super::column::{ABSENT, Assembly, Column, Grid};
use super::engine::Engine;
use crate::error::EvalError;
use crate::query::ValueType;
use crate::query::node::{Binary, Op};

impl Engine<'_> {
    pub(super) fn binary(&self, binary: &Binary, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let scalar = |value_type| value_type == ValueType::Scalar;
        match (scalar(binary.left.gives), scalar(binary.right.gives)) {
            (false, true) => {
                let columns = self.vector(&binary.left, grid)?;
                let scalars = self.scalar(&binary.right, grid)?;
                self.with_scalar(binary, columns, &scalars, false)
            }
            (true, false) => {
                let scalars = self.scalar(&binary.left, grid)?;
                let columns = self.vector(&binary.right, grid)?;
                self.with_scalar(binary, columns, &scalars, true)
            }
            _ => {
                let left = self.vector(&binary.left, grid)?;
                let right = self.vector(&binary.right, grid)?;
                if binary.op.is_set() {
                    self.set_operation(binary, left, right, grid)
                } else {
                    self.matched(binary, &left, &right, grid)
                }
            }
        }
    }

    fn with_scalar(
        &self,
        binary: &Binary,
        columns: Vec<Column>,
        scalars: &[f64],
        scalar_is_left: bool,
    ) -> Result<Vec<Column>, EvalError> {
        let op = binary.op;
        let sides = |value: f64, scalar: f64| {
            if scalar_is_left {
                (scalar, value)
            } else {
                (value, scalar)
            }
        };
        let keeps_name = op.is_comparison() && !binary.is_bool;
        let mut out = Assembly::default();
        for mut column in columns {
            self.work(column.values.len())?;
            column.map(|step, value| {
                let (left, right) = sides(value, scalars[step]);
                elementwise(op, left, right, binary.is_bool, value)
            });
            out.add(if keeps_name {
                column
            } else {
                self.without_name(column)
            })?;
        }
        Ok(out.finish())
    }
}

/// The value of an operation on two values. A comparison without `bool` lets `kept` through, or nothing.
pub(super) fn elementwise(op: Op, left: f64, right: f64, is_bool: bool, kept: f64) -> f64 {
    if !op.is_comparison() || is_bool {
        return op.apply(left, right);
    }
    if op.holds(left, right) { kept } else { ABSENT }
}

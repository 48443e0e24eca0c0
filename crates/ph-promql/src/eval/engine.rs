//! One evaluation: its source, its limits and what there is to remark.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use super::column::{Assembly, Column, Grid, is_present};
use crate::error::{Annotation, EvalError, Severity};
use crate::labels::Labels;
use crate::limits::Limits;
use crate::query::node::{Kind, Node, Place};
use crate::source::SeriesSource;

/// After so many samples at the latest the caller is asked whether to go on.
const CHECK_SAMPLES: usize = 50_000;
/// Of each severity no more are kept.
const ANNOTATIONS_MAX: usize = 10;

pub(super) struct Engine<'a> {
    pub(super) source: &'a dyn SeriesSource,
    pub(super) limits: Limits<'a>,
    /// The steps of the whole query, for `@ start()` and `@ end()`.
    pub(super) query: Grid,
    used: Cell<usize>,
    unchecked: Cell<usize>,
    annotations: RefCell<BTreeSet<Annotation>>,
}

impl<'a> Engine<'a> {
    pub(super) fn new(source: &'a dyn SeriesSource, limits: &Limits<'a>, query: Grid) -> Self {
        Self {
            source,
            limits: *limits,
            query,
            used: Cell::new(0),
            // So that the first work asks at once.
            unchecked: Cell::new(CHECK_SAMPLES),
            annotations: RefCell::default(),
        }
    }

    /// The columns of an expression that gives an instant vector.
    pub(super) fn vector(&self, node: &Node, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let before = self.used.get();
        let columns = match &node.kind {
            Kind::Select(selector) => self.select(selector, grid)?,
            Kind::Neg(inner) => self.negated(inner, grid)?,
            Kind::Binary(binary) => self.binary(binary, grid)?,
            Kind::Aggregate(aggregate) => self.aggregate(aggregate, grid)?,
            Kind::Call(func, name, args) => self.call(*func, name, args, node.place, grid)?,
            Kind::Number(_) | Kind::Text(_) | Kind::Range(_) => Vec::new(),
        };
        // What was held on the way here is no longer.
        self.used.set(before);
        self.hold(columns.len().saturating_mul(grid.count))?;
        Ok(columns)
    }

    /// The values of an expression that gives a scalar: one for each step.
    pub(super) fn scalar(&self, node: &Node, grid: Grid) -> Result<Vec<f64>, EvalError> {
        let before = self.used.get();
        self.hold(grid.count)?;
        let values = match &node.kind {
            Kind::Number(number) => vec![*number; grid.count],
            Kind::Neg(inner) => {
                let mut values = self.scalar(inner, grid)?;
                values.iter_mut().for_each(|value| *value = -*value);
                values
            }
            Kind::Binary(binary) => {
                let mut values = self.scalar(&binary.left, grid)?;
                let right = self.scalar(&binary.right, grid)?;
                for (left, right) in values.iter_mut().zip(right) {
                    *left = binary.op.apply(*left, right);
                }
                values
            }
            Kind::Call(func, _, args) => self.scalar_call(*func, args, grid)?,
            _ => Vec::new(),
        };
        self.used.set(before);
        self.hold(grid.count)?;
        Ok(values)
    }

    fn negated(&self, inner: &Node, grid: Grid) -> Result<Vec<Column>, EvalError> {
        let columns = self.vector(inner, grid)?;
        self.without_names(columns, |_, value| -value)
    }

    /// Each value made into another, and the names gone.
    pub(super) fn without_names(
        &self,
        columns: Vec<Column>,
        f: impl Fn(usize, f64) -> f64,
    ) -> Result<Vec<Column>, EvalError> {
        let mut out = Assembly::default();
        for mut column in columns {
            self.work(column.values.len())?;
            column.map(&f);
            out.add(self.without_name(column))?;
        }
        Ok(out.finish())
    }

    /// Drops the name, or notes that it is to be dropped.
    pub(super) fn without_name(&self, mut column: Column) -> Column {
        if self.limits.delayed_name_removal {
            column.drop_name = true;
        } else {
            column.labels = column.labels.without_name();
        }
        column
    }

    /// Drops the names that were to be dropped.
    pub(super) fn settled(&self, columns: Vec<Column>) -> Result<Vec<Column>, EvalError> {
        if !columns.iter().any(|column| column.drop_name) {
            return Ok(columns);
        }
        let mut out = Assembly::default();
        for mut column in columns {
            if column.drop_name {
                column.labels = column.labels.without_name();
                column.drop_name = false;
            }
            out.add(column)?;
        }
        Ok(out.finish())
    }

    /// For each step the values that are present there, in the order of the columns.
    pub(super) fn at_step<'c>(
        columns: &'c [Column],
        step: usize,
    ) -> impl Iterator<Item = (usize, f64)> + 'c {
        columns
            .iter()
            .enumerate()
            .map(move |(i, column)| (i, column.values[step]))
            .filter(|(_, value)| is_present(*value))
    }

    /// More samples are in memory now.
    pub(super) fn hold(&self, samples: usize) -> Result<(), EvalError> {
        let used = self.used.get().saturating_add(samples);
        self.used.set(used);
        let max = self.limits.samples_max;
        if used > max {
            return Err(EvalError::TooManySamples { max });
        }
        Ok(())
    }

    /// So many more samples may be in memory.
    pub(super) fn room(&self) -> usize {
        self.limits.samples_max.saturating_sub(self.used.get())
    }

    /// Samples are worked on: now and then the caller is asked whether to go on.
    pub(super) fn work(&self, samples: usize) -> Result<(), EvalError> {
        let unchecked = self.unchecked.get().saturating_add(samples + 1);
        if unchecked < CHECK_SAMPLES {
            self.unchecked.set(unchecked);
            return Ok(());
        }
        self.unchecked.set(0);
        match self.limits.check {
            Some(check) => Ok(check()?),
            None => Ok(()),
        }
    }

    pub(super) fn warn(&self, text: &str, place: Place) {
        self.annotate(Severity::Warning, format!("PromQL warning: {text} {place}"));
    }

    pub(super) fn inform(&self, text: &str, place: Place) {
        self.annotate(Severity::Info, format!("PromQL info: {text} {place}"));
    }

    /// A quantile that is none gives infinities and NaN, and that is seldom meant.
    pub(super) fn warn_of_quantile(&self, quantile: f64, place: Place) {
        if !(0.0..=1.0).contains(&quantile) {
            let shown = super::number::shown(quantile);
            let text = format!("quantile value should be between 0 and 1, got {shown}");
            self.warn(&text, place);
        }
    }

    fn annotate(&self, severity: Severity, text: String) {
        let mut annotations = self.annotations.borrow_mut();
        let same = annotations.iter().filter(|one| one.severity == severity);
        if same.count() < ANNOTATIONS_MAX {
            annotations.insert(Annotation { severity, text });
        }
    }

    pub(super) fn into_annotations(self) -> Vec<Annotation> {
        self.annotations.into_inner().into_iter().collect()
    }
}

/// The key of the group that a series belongs to.
pub(super) fn group_labels(labels: &Labels, without: bool, names: &[String]) -> Labels {
    let is_named = |name: &str| names.iter().any(|one| one == name);
    if without {
        labels.filtered(|name| name != crate::labels::METRIC_NAME && !is_named(name))
    } else {
        labels.filtered(is_named)
    }
}

//! Operations on two vectors: which series belong together, and what becomes of them.

use std::collections::HashMap;

use super::binary::elementwise;
use super::column::{Assembly, Column, Grid, is_present};
use super::engine::Engine;
use crate::error::EvalError;
use crate::labels::Labels;
use crate::query::node::{Binary, Matching, Op};

/// The columns of both sides that have the same key, by their indices.
#[derive(Default)]
struct Match {
    many: Vec<usize>,
    one: Vec<usize>,
}

/// Both sides of an operation; `many` is the left one but for `group_right`.
struct Sides<'a> {
    binary: &'a Binary,
    many: &'a [Column],
    one: &'a [Column],
    swapped: bool,
}

impl Engine<'_> {
    /// `and`, `or` and `unless`.
    pub(super) fn set_operation(
        &self,
        binary: &Binary,
        mut left: Vec<Column>,
        mut right: Vec<Column>,
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let matches = matches_of(&binary.matching, &left, &right);
        self.hold(matches.len().saturating_mul(grid.count / 8 + 1))?;
        for found in &matches {
            self.work((found.many.len() + found.one.len()).saturating_mul(grid.count))?;
            match binary.op {
                Op::Or => {
                    let seen = seen(&left, &found.many, grid);
                    found
                        .one
                        .iter()
                        .for_each(|at| keep(&mut right[*at], &seen, false));
                }
                op => {
                    let seen = seen(&right, &found.one, grid);
                    let wanted = op == Op::And;
                    found
                        .many
                        .iter()
                        .for_each(|at| keep(&mut left[*at], &seen, wanted));
                }
            }
        }
        let mut out = Assembly::default();
        let right = if binary.op == Op::Or {
            right
        } else {
            Vec::new()
        };
        for column in left.into_iter().chain(right) {
            out.add(column)?;
        }
        Ok(out.finish())
    }

    /// Arithmetic and comparisons between series with the same key.
    pub(super) fn matched(
        &self,
        binary: &Binary,
        left: &[Column],
        right: &[Column],
        grid: Grid,
    ) -> Result<Vec<Column>, EvalError> {
        let swapped = binary
            .matching
            .group
            .as_ref()
            .is_some_and(|group| !group.many_is_left);
        let (many, one) = if swapped {
            (right, left)
        } else {
            (left, right)
        };
        let sides = Sides {
            binary,
            many,
            one,
            swapped,
        };
        // With nothing on one side at a step, nothing is matched and nothing can be wrong.
        let any_many = seen(many, &(0..many.len()).collect::<Vec<_>>(), grid);
        let mut out = Assembly::default();
        for found in matches_of(&binary.matching, many, one) {
            self.work((found.many.len() + found.one.len()).saturating_mul(grid.count))?;
            self.hold(found.many.len().saturating_mul(grid.count))?;
            match (&found.many[..], &found.one[..]) {
                ([], [] | [_]) | (_, []) => {}
                ([many], [one]) => sides.pair(*many, *one, &mut out)?,
                (_, [one]) => sides.many_to_one(&found.many, *one, grid, &mut out)?,
                _ => self.many_to_many(&sides, &found, &any_many, grid, &mut out)?,
            }
        }
        Ok(out.finish())
    }

    /// Several series on the side of one: right as long as they take turns.
    fn many_to_many(
        &self,
        sides: &Sides<'_>,
        found: &Match,
        any_many: &[bool],
        grid: Grid,
        out: &mut Assembly,
    ) -> Result<(), EvalError> {
        let mut owner: Vec<Option<usize>> = vec![None; grid.count];
        for at in &found.one {
            for (step, value) in sides.one[*at].values.iter().enumerate() {
                if !is_present(*value) || !any_many[step] {
                    continue;
                }
                if let Some(before) = owner[step].replace(*at) {
                    return Err(sides.duplicate(before, *at));
                }
            }
        }
        for at in &found.one {
            self.work(found.many.len().saturating_mul(grid.count))?;
            sides.many_to_one(&found.many, *at, grid, out)?;
        }
        Ok(())
    }
}

impl Sides<'_> {
    /// The usual case: one series on each side.
    fn pair(&self, many: usize, one: usize, out: &mut Assembly) -> Result<(), EvalError> {
        let (many, one) = (&self.many[many], &self.one[one]);
        let values = many.values.iter().zip(&one.values);
        let values = values.map(|(many, one)| self.value(*many, *one)).collect();
        out.add(self.column(many, self.labels(&many.labels, &one.labels), values))
    }

    fn many_to_one(
        &self,
        many: &[usize],
        one: usize,
        grid: Grid,
        out: &mut Assembly,
    ) -> Result<(), EvalError> {
        let explicit = self.binary.matching.group.is_some();
        let one = &self.one[one];
        // What has been matched at each step: anything, or the labels that resulted.
        let mut taken = vec![false; grid.count];
        let mut by_labels: HashMap<Labels, Vec<bool>> = HashMap::new();
        for at in many {
            let many = &self.many[*at];
            let labels = self.labels(&many.labels, &one.labels);
            let taken = if explicit {
                by_labels
                    .entry(labels.clone())
                    .or_insert_with(|| vec![false; grid.count])
            } else {
                &mut taken
            };
            let mut values = grid.absent();
            for (step, cell) in values.iter_mut().enumerate() {
                let (many, one) = (many.values[step], one.values[step]);
                if !is_present(many) || !is_present(one) {
                    continue;
                }
                if std::mem::replace(&mut taken[step], true) {
                    return Err(EvalError::Data(if explicit {
                        "multiple matches for labels: grouping labels must ensure unique matches"
                            .to_owned()
                    } else {
                        "multiple matches for labels: many-to-one matching must be explicit \
                         (group_left/group_right)"
                            .to_owned()
                    }));
                }
                *cell = self.value(many, one);
            }
            out.add(self.column(many, labels, values))?;
        }
        Ok(())
    }

    fn value(&self, many: f64, one: f64) -> f64 {
        if !is_present(many) || !is_present(one) {
            return super::column::ABSENT;
        }
        let (left, right) = if self.swapped {
            (one, many)
        } else {
            (many, one)
        };
        elementwise(self.binary.op, left, right, self.binary.is_bool, left)
    }

    fn column(&self, many: &Column, labels: Labels, values: Vec<f64>) -> Column {
        let keeps_name = self.binary.op.is_comparison() && !self.binary.is_bool;
        Column {
            labels,
            drop_name: many.drop_name && keeps_name,
            values,
        }
    }

    fn labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.binary.matching;
        let mut labels = many.clone();
        if !self.binary.op.is_comparison() {
            labels = labels.without_name();
        }
        match &matching.group {
            None => {
                let is_named = |name: &str| matching.labels.iter().any(|one| one == name);
                labels = labels.filtered(|name| is_named(name) == matching.on);
            }
            Some(group) => {
                for name in &group.include {
                    labels = labels.with(name, one.get(name).unwrap_or_default());
                }
            }
        }
        if self.binary.is_bool {
            labels = labels.without_name();
        }
        labels
    }

    fn duplicate(&self, before: usize, again: usize) -> EvalError {
        let mut both = [&self.one[before].labels, &self.one[again].labels];
        both.sort();
        EvalError::Data(format!(
            "found duplicate series for the match group {} on the {} hand-side of the operation: \
             [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            in_full(&self.binary.matching.key(both[0])),
            if self.swapped { "left" } else { "right" },
            in_full(both[0]),
            in_full(both[1]),
        ))
    }
}

/// All labels in braces, the metric's name like any other.
fn in_full(labels: &Labels) -> String {
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| format!("{name}={value:?}"))
        .collect();
    format!("{{{}}}", pairs.join(", "))
}

/// At which steps any of these columns has a value.
fn seen(columns: &[Column], which: &[usize], grid: Grid) -> Vec<bool> {
    let mut seen = vec![false; grid.count];
    for at in which {
        for (seen, value) in seen.iter_mut().zip(&columns[*at].values) {
            *seen |= is_present(*value);
        }
    }
    seen
}

/// Keeps the values at the steps that are seen, or at those that are not.
fn keep(column: &mut Column, seen: &[bool], wanted: bool) {
    for (value, seen) in column.values.iter_mut().zip(seen) {
        if *seen != wanted {
            *value = super::column::ABSENT;
        }
    }
}

fn matches_of(matching: &Matching, many: &[Column], one: &[Column]) -> Vec<Match> {
    let mut index: HashMap<Labels, usize> = HashMap::with_capacity(many.len());
    let mut found: Vec<Match> = Vec::with_capacity(many.len());
    let mut of = |column: &Column, found: &mut Vec<Match>| {
        *index
            .entry(matching.key(&column.labels))
            .or_insert_with(|| {
                found.push(Match::default());
                found.len() - 1
            })
    };
    for (i, column) in many.iter().enumerate() {
        let at = of(column, &mut found);
        found[at].many.push(i);
    }
    for (i, column) in one.iter().enumerate() {
        let at = of(column, &mut found);
        found[at].one.push(i);
    }
    found
}

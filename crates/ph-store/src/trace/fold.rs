//! A trace as rows to show: from the top down, what is the same side by side folded into one.

use super::build::Trace;
use super::span::{Place, Span, SpanKind};
use std::collections::HashMap;

/// A row: one span, or several of the same name beneath the same row.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// Places of the spans in [`Trace::spans`], by start; at least one.
    pub spans: Vec<usize>,
    /// How deep it lies; 0 at the top.
    pub depth: usize,
    /// For each level down to its own: nothing follows on that level.
    pub is_last: Vec<bool>,
    /// How many steps they are: each counts as many as it stands for.
    pub count: u64,
    /// The durations of all of them, in nanoseconds.
    pub total_ns: u64,
    /// Their own times, in nanoseconds.
    pub self_ns: u64,
    /// Of these, what the whole waited for.
    pub critical_ns: u64,
    /// `true` when the whole waited for one of them, or for something beneath.
    pub is_critical: bool,
    /// `true` for the row with the longest own time, when there is more than one row.
    pub is_longest_self: bool,
    /// Rows beneath it that are too deep to show.
    pub hidden: usize,
}

/// So many of the same are one row.
const FOLD_MIN: usize = 3;
/// Deeper rows are not shown, but counted.
const DEPTH_MAX: usize = 48;

/// Spans that are to be a row, and how deep they lie.
struct Group {
    spans: Vec<usize>,
    depth: usize,
    is_last: Vec<bool>,
}

impl Trace {
    /// The rows.
    ///
    /// - `fold`: what is the same side by side becomes one row.
    pub fn rows(&self, fold: bool) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        // The next one lies on top.
        let mut open = self.groups(&self.roots, &Group::top(), fold);
        open.reverse();
        while let Some(group) = open.pop() {
            let children = self.children_of(&group.spans);
            let mut row = self.row(&group);
            if group.depth + 1 < DEPTH_MAX {
                let mut below = self.groups(&children, &group, fold);
                below.reverse();
                open.append(&mut below);
            } else {
                row.hidden = children.len();
            }
            rows.push(row);
        }
        mark_longest(&mut rows);
        rows
    }

    fn children_of(&self, spans: &[usize]) -> Vec<usize> {
        let mut children: Vec<usize> = spans
            .iter()
            .flat_map(|at| self.spans[*at].children.iter().copied())
            .collect();
        // Places are in the order of starts.
        children.sort_unstable();
        children
    }

    /// Puts spans into groups, in the order of the first of each.
    fn groups(&self, spans: &[usize], above: &Group, fold: bool) -> Vec<Group> {
        let mut together: Vec<Vec<usize>> = Vec::new();
        let mut by_key = HashMap::new();
        for at in spans {
            let nth = *by_key.entry(key(&self.spans[*at])).or_insert_with(|| {
                together.push(Vec::new());
                together.len() - 1
            });
            together[nth].push(*at);
        }
        let mut apart: Vec<Vec<usize>> = Vec::new();
        for group in together {
            if fold && group.len() >= FOLD_MIN {
                apart.push(group);
            } else {
                apart.extend(group.into_iter().map(|at| vec![at]));
            }
        }
        apart.sort_by_key(|group| group.first().copied());
        let count = apart.len();
        let below = |(nth, spans): (usize, Vec<usize>)| Group {
            spans,
            depth: above.is_last.len(),
            is_last: above
                .is_last
                .iter()
                .copied()
                .chain([nth + 1 == count])
                .collect(),
        };
        apart.into_iter().enumerate().map(below).collect()
    }

    fn row(&self, group: &Group) -> Row {
        let sum = |of: fn(&Span) -> u64| {
            let times = group.spans.iter().map(|at| of(&self.spans[*at]));
            times.fold(0_u64, u64::saturating_add)
        };
        Row {
            count: sum(|span| span.count),
            total_ns: sum(|span| span.duration_ns),
            self_ns: sum(|span| span.self_ns),
            critical_ns: sum(|span| span.critical_ns),
            is_critical: group.spans.iter().any(|at| self.spans[*at].is_critical),
            is_longest_self: false,
            hidden: 0,
            spans: group.spans.clone(),
            depth: group.depth,
            is_last: group.is_last.clone(),
        }
    }
}

impl Group {
    /// What the roots lie beneath.
    fn top() -> Self {
        Self {
            spans: Vec::new(),
            depth: 0,
            is_last: Vec::new(),
        }
    }
}

/// What makes spans the same.
fn key(span: &Span) -> (&str, &str, SpanKind, bool, bool) {
    let is_odd = matches!(span.place, Place::Orphan | Place::Cut);
    (&span.name, &span.service, span.kind, span.is_failed, is_odd)
}

fn mark_longest(rows: &mut [Row]) {
    if rows.len() < 2 {
        return;
    }
    // The first of several.
    let longest = rows.iter_mut().rev().max_by_key(|row| row.self_ns);
    if let Some(row) = longest.filter(|row| row.self_ns > 0) {
        row.is_longest_self = true;
    }
}

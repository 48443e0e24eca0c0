//! Which values of a field records have in common.

use super::super::columns::NO_DURATION;
use super::super::evaluate::{Table as _, YES};
use super::super::opened::{Block, OpenBlock, Trouble};
use super::super::{Damage, Kind, Level};
use super::{Candidate, Progress, Search, required, rows};
use crate::query::{Field, Known};
use std::borrow::Cow;
use std::collections::HashMap;

/// How often the values of a field occur.
#[derive(Clone, Debug, Default)]
pub struct Top {
    /// The most frequent first.
    pub values: Vec<TopValue>,
    /// Records whose value did not make it into the list.
    pub others: u64,
    /// Records without the field.
    pub without: u64,
    /// Records that were decided on.
    pub scanned: u64,
    /// Records within the asked time.
    pub total: u64,
    /// `false`: the budget ended first.
    pub complete: bool,
    /// What could not be read; at most 100 places.
    pub damaged: Vec<Damage>,
}

/// A value and how often it occurs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopValue {
    /// The value as a text.
    pub value: String,
    /// Records that have it.
    pub records: u64,
    /// The longest duration among them.
    pub duration_ns_max: Option<u64>,
}

/// Different values that are counted apart.
const TOP_VALUES_MAX: usize = 10_000;

pub(crate) fn top(blocks: &[Block], search: &Search<'_>, field: &Field) -> Top {
    let mut progress = Progress::new(blocks, search.budget);
    let mut counts: HashMap<String, (u64, Option<u64>)> = HashMap::new();
    let mut top = Top::default();
    for block in blocks {
        if !progress.goes_on() {
            break;
        }
        let opened = block.open(required(search.filter));
        let rows = rows(&opened, search, &mut progress);
        for candidate in progress.readable(rows).unwrap_or_default() {
            let counted = count(&opened, &candidate, search, field, &mut progress);
            let Some(Some((value, duration))) = progress.readable(counted) else {
                continue;
            };
            let Some(value) = value else {
                top.without += 1;
                continue;
            };
            if counts.len() == TOP_VALUES_MAX && !counts.contains_key(&value) {
                top.others += 1;
                continue;
            }
            let (records, longest) = counts.entry(value).or_default();
            *records += 1;
            *longest = (*longest).max(duration);
        }
    }
    let mut values: Vec<TopValue> = counts
        .into_iter()
        .map(|(value, (records, duration_ns_max))| TopValue {
            value,
            records,
            duration_ns_max,
        })
        .collect();
    values.sort_unstable_by(|a, b| (b.records, &a.value).cmp(&(a.records, &b.value)));
    for rest in values.drain(search.limit.min(values.len())..) {
        top.others += rest.records;
    }
    top.values = values;
    (top.scanned, top.total, top.complete) = (progress.scanned, progress.total, progress.complete);
    top.damaged = progress.damaged;
    top
}

/// A record's value of a field, and its duration.
type Counted = (Option<String>, Option<u64>);

/// `None` when the record does not fit, or the budget is used up.
fn count(
    opened: &OpenBlock<'_>,
    candidate: &Candidate,
    search: &Search<'_>,
    field: &Field,
    progress: &mut Progress,
) -> Result<Option<Counted>, Trouble> {
    let row = candidate.row;
    let duration = opened.durations()?[row];
    let duration = (duration != NO_DURATION).then_some(duration);
    let from_columns = value_in_columns(opened, row, field)?;
    if let (YES, Some(value)) = (candidate.verdict, from_columns) {
        return Ok(Some((value, duration)));
    }
    if progress.read.is_multiple_of(256) && !progress.goes_on() {
        return Ok(None);
    }
    progress.read += 1;
    let mut json = Vec::new();
    if !opened.fits(row, search.filter, &mut json)? {
        return Ok(None);
    }
    Ok(Some((field.value(&json).map(Cow::into_owned), duration)))
}

/// A field's value by its column: `None` when the column does not have it, `Some(None)` when the record does not.
fn value_in_columns(
    opened: &OpenBlock<'_>,
    row: usize,
    field: &Field,
) -> Result<Option<Option<String>>, Trouble> {
    let Field::Known(known) = field else {
        return Ok(None);
    };
    let name = |column: usize| {
        let id = opened.names(column)?[row];
        let name = opened.block.name(id);
        Ok(name.map(|name| (!name.is_empty()).then(|| name.to_owned())))
    };
    match known {
        Known::Server => name(0),
        Known::Method => name(1),
        Known::Tool => name(2),
        Known::Outcome => name(3),
        Known::Kind => {
            let kind = Kind::from_byte(opened.kinds()?[row]);
            Ok(Some(kind.map(|kind| kind.as_label().to_owned())))
        }
        Known::Level => {
            let level = Level::from_byte(opened.levels()?[row]);
            Ok(Some(level.map(|level| level.as_label().to_owned())))
        }
        Known::Status => {
            let status = opened.statuses()?[row];
            Ok(Some((status != 0).then(|| status.to_string())))
        }
        _ => Ok(None),
    }
}

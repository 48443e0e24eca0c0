//! Records counted and summed up by the values that they have in common.

use super::super::Damage;
use super::super::evaluate::YES;
use super::super::opened::{Block, OpenBlock, Trouble};
use super::{Candidate, Progress, Search, required, rows};
use crate::query::Field;
use std::borrow::Cow;
use std::collections::HashMap;

/// How many records have which values together, and what some of their numbers sum up to.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// By their values, in order.
    pub groups: Vec<TallyGroup>,
    /// Records that were decided on.
    pub scanned: u64,
    /// Records within the asked time.
    pub total: u64,
    /// `false`: the budget ended first.
    pub complete: bool,
    /// What could not be read; at most 100 places.
    pub damaged: Vec<Damage>,
}

/// Records with the same values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TallyGroup {
    /// The value of each field that was asked for, `None` where records do not have it. Beyond [`GROUPS_MAX`] groups all
    /// but the first are [`OTHER`], beyond twice as many all.
    pub values: Vec<Option<String>>,
    /// How many.
    pub records: u64,
    /// Length of their lines.
    pub bytes: u64,
    /// Of each field that was to be summed up, in thousandths; what is no number counts as 0.
    pub sums_milli: Vec<u64>,
}

/// Different values that are counted apart.
pub const GROUPS_MAX: usize = 5_000;

/// What stands for all values for which there is no room.
pub const OTHER: &str = "other";

type Sums = (u64, u64, Vec<u64>);

pub(crate) fn tally(blocks: &[Block], search: &Search<'_>, by: &[Field], sums: &[Field]) -> Tally {
    let mut progress = Progress::new(blocks, search.budget);
    let mut groups: HashMap<Vec<Option<String>>, Sums> = HashMap::new();
    for block in blocks {
        if !progress.goes_on() {
            break;
        }
        let opened = block.open(required(search.filter));
        let rows = rows(&opened, search, &mut progress);
        for candidate in progress.readable(rows).unwrap_or_default() {
            if progress.read.is_multiple_of(256) && !progress.goes_on() {
                break;
            }
            progress.read += 1;
            let json = line(&opened, &candidate, search);
            let Some(Some(json)) = progress.readable(json) else {
                continue;
            };
            let mut values: Vec<Option<String>> = by
                .iter()
                .map(|field| field.value(&json).map(Cow::into_owned))
                .collect();
            fold(&mut values, &groups);
            let (records, bytes, totals) = groups
                .entry(values)
                .or_insert_with(|| (0, 0, vec![0; sums.len()]));
            *records += 1;
            *bytes += json.len() as u64;
            for (total, field) in totals.iter_mut().zip(sums) {
                let milli = field.value(&json).and_then(|text| milli(&text));
                *total = total.saturating_add(milli.unwrap_or(0));
            }
        }
    }
    let mut groups: Vec<TallyGroup> = groups
        .into_iter()
        .map(|(values, (records, bytes, sums_milli))| TallyGroup {
            values,
            records,
            bytes,
            sums_milli,
        })
        .collect();
    groups.sort_unstable_by(|a, b| a.values.cmp(&b.values));
    Tally {
        groups,
        scanned: progress.scanned.min(progress.total),
        total: progress.total,
        complete: progress.complete,
        damaged: progress.damaged,
    }
}

/// Puts values together for which there is no room: first all but the first of them, and where that is not few, too, all.
fn fold(values: &mut [Option<String>], groups: &HashMap<Vec<Option<String>>, Sums>) {
    for (room, from) in [(GROUPS_MAX, 1), (2 * GROUPS_MAX, 0)] {
        if groups.len() >= room && !groups.contains_key(&*values) {
            for value in values.iter_mut().skip(from) {
                *value = Some(OTHER.to_owned());
            }
        }
    }
}

/// The line of a record, if it fits.
fn line(
    opened: &OpenBlock<'_>,
    candidate: &Candidate,
    search: &Search<'_>,
) -> Result<Option<Vec<u8>>, Trouble> {
    if candidate.verdict == YES {
        return opened.json(candidate.row).map(Some);
    }
    let mut json = Vec::new();
    let fits = opened.fits(candidate.row, search.filter, &mut json)?;
    Ok(fits.then_some(json))
}

/// A decimal number in thousandths, without floating point: what is finer is cut off.
fn milli(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let places: String = places.chars().chain("000".chars()).take(3).collect();
    let places: u64 = places.parse().ok()?;
    whole
        .parse::<u64>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(places)
}

#[cfg(test)]
mod tests {
    use super::{GROUPS_MAX, OTHER, Sums, fold, milli};
    use std::collections::HashMap;

    #[test]
    fn groups_for_which_there_is_no_room_are_put_together() {
        let group =
            |first: &str, second: &str| vec![Some(first.to_owned()), Some(second.to_owned())];
        let mut groups: HashMap<Vec<Option<String>>, Sums> = HashMap::new();
        let mut put = |mut values: Vec<Option<String>>| {
            fold(&mut values, &groups);
            groups.entry(values.clone()).or_default();
            values
        };
        for nth in 0..GROUPS_MAX {
            put(group("a", &nth.to_string()));
        }
        assert_eq!(put(group("a", "7")), group("a", "7"));
        assert_eq!(put(group("a", "new")), group("a", OTHER));
        for nth in 0..2 * GROUPS_MAX {
            put(group(&nth.to_string(), "x"));
        }
        assert_eq!(put(group("new", "x")), group(OTHER, OTHER));
        assert_eq!(groups.len(), 2 * GROUPS_MAX + 1);
    }

    #[test]
    fn numbers_of_lines_in_thousandths() {
        for (text, want) in [
            ("0", Some(0)),
            ("12.5", Some(12_500)),
            ("0.0019", Some(1)),
            ("18446744073709551615", None),
            ("-1", None),
            ("1e3", None),
            ("1.-5", None),
            ("", None),
        ] {
            assert_eq!(milli(text), want, "{text}");
        }
    }
}

//! How many records that fit there are over time.

use super::super::evaluate::{Table as _, YES};
use super::super::opened::{Block, OpenBlock, Trouble};
use super::super::{Damage, Level};
use super::{Candidate, Progress, Search, required, rows};

/// Records over time, in stretches of the same length.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// One for each stretch, the earliest first.
    pub bars: Vec<Bar>,
    /// Records that were decided on.
    pub scanned: u64,
    /// Records within the asked time.
    pub total: u64,
    /// `false`: the budget ended first.
    pub complete: bool,
    /// What could not be read; at most 100 places.
    pub damaged: Vec<Damage>,
}

/// The records of one stretch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// How many.
    pub records: u64,
    /// Of these, those of the level `error` or worse.
    pub errors: u64,
}

/// Most stretches.
pub(crate) const BARS_MAX: usize = 2_000;

/// - `bars`: how many stretches there are between the two times of `search`, which has both.
pub(crate) fn histogram(blocks: &[Block], search: &Search<'_>, bars: usize) -> Histogram {
    let bars = bars.clamp(1, BARS_MAX);
    let mut progress = Progress::new(blocks, search.budget);
    let mut found = Histogram {
        bars: vec![Bar::default(); bars],
        ..Histogram::default()
    };
    let long = search.to_unix_ns.saturating_sub(search.from_unix_ns).max(1);
    for block in blocks {
        if !progress.goes_on() {
            break;
        }
        let opened = block.open(required(search.filter));
        let rows = rows(&opened, search, &mut progress);
        for candidate in progress.readable(rows).unwrap_or_default() {
            let looked = look(&opened, &candidate, search, &mut progress);
            let Some(Some((time, is_error))) = progress.readable(looked) else {
                continue;
            };
            let after = u128::from(time.saturating_sub(search.from_unix_ns));
            let at = after * bars as u128 / u128::from(long);
            let bar = &mut found.bars[usize::try_from(at).unwrap_or(usize::MAX).min(bars - 1)];
            bar.records += 1;
            bar.errors += u64::from(is_error);
        }
    }
    (found.scanned, found.total) = (progress.scanned, progress.total);
    (found.complete, found.damaged) = (progress.complete, progress.damaged);
    found
}

/// When the record was, and whether it is an error; `None` when it does not fit, or the budget is used up.
fn look(
    opened: &OpenBlock<'_>,
    candidate: &Candidate,
    search: &Search<'_>,
    progress: &mut Progress,
) -> Result<Option<(u64, bool)>, Trouble> {
    let row = candidate.row;
    let level = Level::from_byte(opened.levels()?[row]);
    let seen = (
        opened.times()?[row],
        level.is_some_and(|level| level >= Level::Error),
    );
    if candidate.verdict == YES {
        return Ok(Some(seen));
    }
    if progress.read.is_multiple_of(256) && !progress.goes_on() {
        return Ok(None);
    }
    progress.read += 1;
    let mut json = Vec::new();
    Ok(opened.fits(row, search.filter, &mut json)?.then_some(seen))
}

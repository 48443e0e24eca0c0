//! How many records that fit there are over time.

use super::super::evaluate::{Table as _, YES};
use super::super::opened::{Block, OpenBlock};
use super::super::{Damage, Level};
use super::walk::{Fitting, walk};
use super::{Progress, Search};

/// Records over time, in stretches of the same length.
#[derive(Clone, Debug, Default)]
pub struct Histogram {
    /// One for each stretch, the earliest first.
    pub bars: Vec<Bar>,
    /// Records that were decided on.
    pub scanned: u64,
    /// Records within the asked time.
    pub total: u64,
    /// `false`: the budget ended first, and only the newest were counted.
    pub complete: bool,
    /// Then what is not earlier than this was counted, all of it.
    pub complete_from_unix_ns: Option<u64>,
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
    let mut count = |time: u64, level: u8| {
        let after = u128::from(time.saturating_sub(search.from_unix_ns));
        let at = after * bars as u128 / u128::from(long);
        let bar = &mut found.bars[usize::try_from(at).unwrap_or(usize::MAX).min(bars - 1)];
        bar.records += 1;
        bar.errors += u64::from(Level::from_byte(level) >= Some(Level::Error));
    };
    let look = |opened: &OpenBlock<'_>, rows: &[Fitting], progress: &mut Progress| {
        if rows.is_empty() {
            return Ok(0);
        }
        let (times, levels) = (opened.times()?, opened.levels()?);
        for (nth, Fitting { row, verdict }) in rows.iter().copied().enumerate() {
            if verdict != YES {
                if !progress.reads(opened.lines_to_read(row)) {
                    return Ok(nth);
                }
                let fits = opened.with_fitting(row, search.filter, |_| ());
                if progress.readable(fits).flatten().is_none() {
                    continue;
                }
            }
            count(times[row], levels[row]);
        }
        Ok(rows.len())
    };
    found.complete_from_unix_ns = walk(blocks, search, &mut progress, look);
    (found.scanned, found.total) = (progress.scanned, progress.total);
    (found.complete, found.damaged) = (progress.complete, progress.damaged);
    found
}

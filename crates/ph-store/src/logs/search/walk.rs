//! Everything that may fit, the newest first, for those who count it and give nothing back.

use super::super::evaluate::{NO, Node, Verdict};
use super::super::opened::{Block, OpenBlock, Trouble};
use super::{Progress, Search, required};

/// A record that may fit.
#[derive(Clone, Copy)]
pub(super) struct Fitting {
    pub(super) row: usize,
    pub(super) verdict: Verdict,
}

/// Gives the records that may fit to `look`, block by block, the newest first by their numbers.
///
/// `look` says how many of the records of a block it decided on: all, unless [`Progress::reads`] forbade it to go on.
/// Returned is the time from which on everything was decided on, when that is not all. A block of which a column cannot be
/// read is noted and passed over.
pub(super) fn walk(
    blocks: &[Block],
    search: &Search<'_>,
    progress: &mut Progress,
    mut look: impl FnMut(&OpenBlock<'_>, &[Fitting], &mut Progress) -> Result<usize, Trouble>,
) -> Option<u64> {
    for (at, block) in blocks.iter().enumerate().rev() {
        let older = blocks[..at].iter().map(|block| block.zone().time_max_ns);
        if progress.is_late() {
            return older.chain([block.zone().time_max_ns]).max().map(after);
        }
        let opened = block.open(required(search.filter));
        progress.scanned += block.zone().records as u64;
        let looked = fitting(&opened, search).and_then(|rows| {
            let decided = look(&opened, &rows, progress)?;
            Ok(rows.get(decided).map(|first| first.row))
        });
        if let Some(Some(undecided)) = progress.readable(looked) {
            progress.scanned -= undecided as u64 + 1;
            let times = opened.times().map(|times| &times[..=undecided]);
            let times = progress.readable(times).unwrap_or_default();
            let latest = times.iter().copied().max();
            // Without its times the whole block counts as undecided.
            let latest = latest.unwrap_or(block.zone().time_max_ns);
            return older.chain([latest]).max().map(after);
        }
    }
    None
}

fn after(time_ns: u64) -> u64 {
    time_ns.saturating_add(1)
}

/// The records of a block that may fit, the newest first.
fn fitting(opened: &OpenBlock<'_>, search: &Search<'_>) -> Result<Vec<Fitting>, Trouble> {
    let zone = opened.block.zone();
    let node = Node::new(search.filter, opened.block.names());
    if !search.reaches(zone) || node.of_zone(zone) == NO {
        return Ok(Vec::new());
    }
    let verdicts = node.verdicts(opened)?;
    if verdicts.iter().all(|verdict| *verdict == NO) {
        return Ok(Vec::new());
    }
    let asked = search.from_unix_ns..=search.to_unix_ns;
    // Nearly always the whole block is within the time, or out of it.
    let is_within = asked.contains(&zone.time_min_ns) && asked.contains(&zone.time_max_ns);
    let times = if is_within { &[] } else { opened.times()? };
    let rows = verdicts.into_iter().enumerate().rev();
    let fits = |(row, verdict): (usize, Verdict)| {
        let is_in_time = times.get(row).is_none_or(|time| asked.contains(time));
        (verdict != NO && is_in_time).then_some(Fitting { row, verdict })
    };
    Ok(rows.filter_map(fits).collect())
}

//! Records in the order of their numbers.

use super::super::evaluate::{NO, Node, Verdict, YES};
use super::super::opened::{Block, OpenBlock, Trouble};
use super::super::{Batch, Hit, Seq};
use super::{Budget, Progress, required};
use crate::query::Filter;

/// `blocks`: by their numbers.
pub(crate) fn follow(
    blocks: &[Block],
    from: Seq,
    until: Seq,
    filter: &Filter,
    entries_max: usize,
    bytes_max: usize,
) -> Batch {
    let mut batch = Batch {
        next: from.max(Seq(1)),
        ..Batch::default()
    };
    let mut progress = Progress::new(blocks, Budget::default());
    let mut bytes = 0;
    for block in blocks {
        let opened = block.open(required(filter));
        let node = Node::new(filter, block.names());
        let columns = (|| Ok((node.verdicts(&opened)?, opened.seqs()?)))();
        // What cannot be read is missed: the next block shows by how much.
        let Some((verdicts, seqs)) = progress.readable(columns) else {
            continue;
        };
        let start = seqs.partition_point(|seq| *seq < batch.next.0);
        for (row, verdict) in verdicts.into_iter().enumerate().skip(start) {
            let seq = seqs[row];
            if seq > until.0 {
                return batch;
            }
            let hit = wanted(&opened, row, verdict, filter);
            match progress.readable(hit) {
                Some(Some(hit)) => {
                    bytes += hit.json.len();
                    let is_full = batch.entries.len() >= entries_max || bytes > bytes_max;
                    if is_full && !batch.entries.is_empty() {
                        return batch;
                    }
                    batch.entries.push(hit);
                }
                Some(None) => {}
                None => batch.missed += 1,
            }
            batch.missed += seq.saturating_sub(batch.next.0);
            batch.next = Seq(seq).next();
        }
    }
    batch
}

fn wanted(
    opened: &OpenBlock<'_>,
    row: usize,
    verdict: Verdict,
    filter: &Filter,
) -> Result<Option<Hit>, Trouble> {
    let mut json = Vec::new();
    match verdict {
        NO => return Ok(None),
        YES => json = opened.json(row)?,
        _ if !opened.fits(row, filter, &mut json)? => return Ok(None),
        _ => {}
    }
    Ok(Some(Hit {
        json,
        ..opened.hit(row)?
    }))
}

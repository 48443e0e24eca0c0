//! A limit for the tool that was flooded.

use super::flood::FLOODER;
use super::{Show, seconds, until};
use crate::demo::book::NotAsTold;
use anyhow::Result;

/// Refusals that are waited for.
const REFUSED_MIN: u64 = 8;
/// What passes of the flood while that many are refused: a burst of ten, what the time allows, and what was due before.
const PASSED_MAX: u64 = 20;

pub(super) async fn limited(show: &mut Show<'_>) -> Result<()> {
    show.book.scene("So that it cannot happen again: a limit")?;
    show.book.say("pilothouse.yaml gets: limits: {search: {tools: [searchFiles], rate: 10/min}}; it is read anew by itself.")?;
    let before = show.steady();
    show.stage
        .configure("limits: {search: {tools: [searchFiles], rate: 10/min}}\n")?;
    let patience = show.pace.patience;
    let flood = |show: &Show<'_>| show.flooding.as_ref().map(|caller| caller.tally());
    let first = until("a refused call", patience, async || {
        Ok(flood(show).filter(|tally| tally.refused > 0))
    })
    .await?;
    show.book
        .mark("searchFiles is limited to 10 calls a minute for each client");
    let tally = until("refused calls", patience, async || {
        Ok(flood(show).filter(|tally| tally.refused >= first.refused + REFUSED_MIN))
    })
    .await?;
    let since = tally.since(&first);
    show.shown(&["logs", "status=429", "--limit", "3"]).await?;
    let said = tally.refusal.clone().unwrap_or_default();
    show.book.claim(
        since.done <= PASSED_MAX && said.contains("retry after") && said.contains(FLOODER),
        "the flood is refused, and told why",
        &said,
    )?;
    let steady = show.steady().since(&before);
    if steady.done == 0 {
        return Err(NotAsTold("the assistants got no answers meanwhile".to_owned()).into());
    }
    show.book.claim(
        steady.failed == 0 && steady.refused == 0,
        "the assistants do not notice",
        &format!(
            "{} calls, {} refused, 95 % within {}{}",
            steady.done,
            steady.refused,
            seconds(steady.quantile(0.95)),
            steady.failures()
        ),
    )?;
    show.flooding = None;
    show.book.mark("the flood ends");
    Ok(())
}

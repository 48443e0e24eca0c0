//! A client floods the server: the alert, what is behind it, and more processes.

use super::{GOOD_S, Show, seconds, until};
use crate::demo::book::NotAsTold;
use crate::demo::clients::{Call, Caller};
use crate::demo::stage::FILES;
use anyhow::Result;
use serde_json::{Value, json};
use std::time::Duration;

/// Who does it.
pub(super) const FLOODER: &str = "batch-job";
/// Four calls a second: with those of the assistants three times what there was.
const GAP: Duration = Duration::from_millis(250);
const ALERT: &str = "SlowResponseTime";
/// What the alert fires above.
const THRESHOLD_S: f64 = 2.0;

pub(super) async fn rises(show: &mut Show<'_>) -> Result<()> {
    show.book.scene("Traffic becomes three times what it was")?;
    show.book.say(&format!(
        "A client `{FLOODER}` begins to list all {FILES} files, four times a second."
    ))?;
    let search = Call::new(
        "searchFiles",
        &json!({"pattern": "**/*", "maxResults": 10_000}),
    );
    let caller = Caller::start(&show.way, FLOODER, GAP, vec![search]).await?;
    show.flooding = Some(caller);
    show.book.mark("the flood begins");
    let patience = show.pace.patience;
    let alert = until("the alert", patience, async || {
        Ok(show.firing().await?.into_iter().find(is_it))
    })
    .await?;
    show.shown(&["alerts"]).await?;
    let said = alert["annotations"]["description"]
        .as_str()
        .unwrap_or_default();
    let value = alert["value"]
        .as_f64()
        .or_else(|| alert["value"].as_str()?.parse().ok());
    show.book.claim(
        value.is_some_and(|value| value > THRESHOLD_S) && said.contains("the threshold is 2"),
        &format!("{ALERT} fires"),
        said,
    )
}

pub(super) async fn looked_into(show: &mut Show<'_>) -> Result<()> {
    show.book.scene("What is slow, and why")?;
    let window = show.pace.window.as_secs();
    let by_tool = format!(
        "topk(3, histogram_quantile(0.95, sum by (tool, le) (rate(mcp_response_duration_seconds_bucket[{window}s]))))"
    );
    show.shown(&["query", &by_tool]).await?;
    let slowest = show.program.json(&["query", &by_tool]).await?;
    let tool = slowest["data"]["result"][0]["metric"]["tool"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    show.book.claim(
        tool == "searchFiles",
        "the slowest tool is searchFiles",
        &tool,
    )?;

    let slow = "tool=searchFiles duration>=2s";
    show.shown(&["logs", slow, "--limit", "5"]).await?;
    let said = show.shown(&["logs", slow, "--top", "client"]).await?;
    let who = said
        .out
        .lines()
        .find(|line| line.contains(FLOODER))
        .unwrap_or_default();
    show.book.claim(
        !who.is_empty(),
        "most slow calls are of one client",
        who.trim(),
    )?;

    // A span of a call that has just ended may still be on its way.
    let patience = show.pace.patience;
    let tree = until(
        "a trace with the steps of the server",
        patience,
        async || {
            let tree = show.program.json(&["trace", "--slowest", slow]).await?;
            let is_whole = rows(&tree).any(|row| row["name"] == "fs.stat");
            Ok(is_whole.then_some(tree))
        },
    )
    .await?;
    show.shown(&["trace", "--slowest", slow]).await?;
    let bottleneck = rows(&tree)
        .find(|row| row["longest_self"] == true)
        .cloned()
        .unwrap_or_default();
    show.book.claim(
        bottleneck["name"] == "fs.stat",
        "the time goes into looking at files",
        &format!(
            "{} × {}: {} of {} ms",
            bottleneck["name"].as_str().unwrap_or("?"),
            bottleneck["count"],
            bottleneck["self"],
            tree["duration"]
        ),
    )
}

fn is_it(alert: &Value) -> bool {
    alert["labels"]["alertname"] == ALERT
}

fn rows(tree: &Value) -> impl Iterator<Item = &Value> {
    tree["rows"].as_array().into_iter().flatten()
}

/// How many processes of the only server are ready.
pub(super) fn ready(servers: &Value) -> usize {
    let replicas = servers["servers"][0]["replicas"].as_array();
    replicas
        .into_iter()
        .flatten()
        .filter(|replica| replica["state"] == "ready")
        .count()
}

pub(super) async fn scaled(show: &mut Show<'_>) -> Result<()> {
    show.book.scene("More processes")?;
    show.shown(&["scale", "files", "5"]).await?;
    let patience = show.pace.patience;
    until("five processes that are ready", patience, async || {
        let servers = show.program.json(&["servers"]).await?;
        Ok((ready(&servers) == 5).then_some(()))
    })
    .await?;
    show.shown(&["servers"]).await?;
    show.book.mark("five processes instead of two");
    let window = show.pace.window.as_secs();
    let of_searches = format!(
        "histogram_quantile(0.95, sum by (le) (rate(mcp_response_duration_seconds_bucket{{tool=\"searchFiles\"}}[{window}s])))"
    );
    // While calls of before still wait, the first answers of the new processes are not all there is.
    let p95 = until(
        "the end of the alert, and 95 % of the searches within a second",
        patience,
        async || {
            let is_over = !show.firing().await?.iter().any(is_it);
            let p95 = show.number(&of_searches).await?;
            Ok(p95.filter(|p95| is_over && *p95 < GOOD_S))
        },
    )
    .await?;
    let fast = seconds(Some(Duration::from_secs_f64(p95)));
    show.book
        .claim(true, "95 % of the searches are answered within", &fast)?;
    show.shown(&["alerts"]).await?;
    let Some(flood) = &show.flooding else {
        return Err(NotAsTold("nobody floods".to_owned()).into());
    };
    let (flood, steady) = (flood.tally(), show.steady());
    show.book.claim(
        flood.failed == 0 && steady.failed == 0,
        "the alert is resolved, and no call was lost",
        &format!(
            "{} calls of {FLOODER} and {} of the assistants answered{}{}",
            flood.done,
            steady.done,
            flood.failures(),
            steady.failures()
        ),
    )
}

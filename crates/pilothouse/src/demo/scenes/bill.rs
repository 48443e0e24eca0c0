//! What the incident used up: money, and error budgets.

use super::Show;
use super::flood::FLOODER;
use crate::demo::stage::{CPU_HOUR, GIB_HOUR};
use anyhow::Result;
use serde_json::Value;

pub(super) async fn made(show: &mut Show<'_>) -> Result<()> {
    show.book.scene("What it cost")?;
    show.book.say(&format!(
        "The prices are examples: {CPU_HOUR} EUR for a core and {GIB_HOUR} EUR for a GiB of memory, each for an hour. Whose cost it is \
         comes from what the processes used and from the recorded calls."
    ))?;
    money(show).await?;
    budgets(show).await
}

async fn money(show: &mut Show<'_>) -> Result<()> {
    let since = show.so_far();
    let question = ["cost", "attribution", "--since", &since];
    show.shown(&[&question[..], &["--top", "6"]].concat())
        .await?;
    let said = show
        .program
        .run(&[&question[..], &["--format", "json"]].concat())
        .await?;
    let cost: Value = serde_json::from_str(&said.out).unwrap_or_default();
    let amount = |of: &Value| {
        of.as_str()
            .and_then(|text| text.parse::<f64>().ok())
            .or(of.as_f64())
    };
    let clients = cost["clients"].as_array().cloned().unwrap_or_default();
    let dearest = clients.first().cloned().unwrap_or_default();
    let name = dearest["name"].as_str().unwrap_or("nobody").to_owned();
    let (its, total) = (amount(&dearest["amount"]), amount(&cost["total"]));
    let share = its.zip(total).map(|(its, total)| 100.0 * its / total);
    show.book.claim(
        name.starts_with(FLOODER) && share.is_some_and(|share| share > 0.0 && share <= 100.0),
        "the dearest client is the one that flooded",
        &format!(
            "{name}, {:.0} % of {} EUR",
            share.unwrap_or_default(),
            cost["total"]
                .as_str()
                .map_or_else(|| cost["total"].to_string(), str::to_owned)
        ),
    )
}

async fn budgets(show: &mut Show<'_>) -> Result<()> {
    show.shown(&["slo"]).await?;
    let answer = show.program.json(&["slo"]).await?;
    let rows = answer["slos"].as_array().cloned().unwrap_or_default();
    let left = |row: &Value| row["budget"]["left_percent"].as_f64();
    let least = rows
        .iter()
        .filter_map(|row| Some((left(row)?, row["name"].as_str()?)))
        .min_by(|a, b| a.0.total_cmp(&b.0));
    let (percent, name) = least.unwrap_or((100.0, "none"));
    show.book.claim(
        percent < 100.0,
        "the incident has spent error budget",
        &format!("of {name} {percent:.0} % are left"),
    )
}

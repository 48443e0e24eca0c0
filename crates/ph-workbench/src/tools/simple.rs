//! The tools that do nothing but answer, wait or fail.

use std::time::Duration;

use rmcp::schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Answer, Scope, ToolError};

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Echo {
    /// The text to answer with.
    text: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Echoed {
    text: String,
}

pub(super) fn echo(Echo { text }: Echo) -> Answer {
    Answer::new(text.clone(), &Echoed { text })
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Sleep {
    /// How long to wait, in milliseconds; more than 60000 is 60000.
    ms: u64,
}

#[derive(Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(rename_all = "camelCase")]
pub(super) struct Slept {
    /// How long was waited, in milliseconds.
    ms: u64,
    /// Whether more was asked for.
    capped: bool,
}

const SLEEP_MS_MAX: u64 = 60_000;

/// Progress comes at the start and then ten times, within these bounds.
const PROGRESS_PERIOD_MIN: Duration = Duration::from_millis(100);
const PROGRESS_PERIOD_MAX: Duration = Duration::from_secs(1);

pub(super) async fn sleep(Sleep { ms: asked }: Sleep, scope: Scope) -> Result<Answer, ToolError> {
    let ms = asked.min(SLEEP_MS_MAX);
    let (began, total) = (Instant::now(), Duration::from_millis(ms));
    let period = (total / 10).clamp(PROGRESS_PERIOD_MIN, PROGRESS_PERIOD_MAX);
    let mut done = Duration::ZERO;
    report(&scope, done, ms).await;
    while done < total {
        done = (done + period).min(total);
        let waited = scope
            .cancel
            .run_until_cancelled(tokio::time::sleep_until(began + done));
        waited.await.ok_or(ToolError::Cancelled)?;
        report(&scope, done, ms).await;
    }
    let capped = if asked > ms {
        format!(" (asked for {asked}, the most is {ms})")
    } else {
        String::new()
    };
    Ok(Answer::new(
        format!("slept {ms} ms{capped}"),
        &Slept {
            ms,
            capped: asked > ms,
        },
    ))
}

async fn report(scope: &Scope, done: Duration, total_ms: u64) {
    if let Some(progress) = &scope.progress {
        let done_ms = done.as_millis();
        let text = format!("{done_ms} of {total_ms} ms");
        progress.report(done_ms as f64, total_ms as f64, text).await;
    }
}

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Fail {
    /// The error to fail with.
    message: String,
}

pub(super) fn fail(Fail { message }: Fail) -> ToolError {
    ToolError::Asked(message)
}

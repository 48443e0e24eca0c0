//! Which time is asked about.

use crate::ask::{Refused, Within};
use anyhow::Result;
use clap::Args;
use ph_ledger::Past;
use ph_rules::slo::Month;

const MS_PER_S: i64 = 1_000;

/// Which time.
#[derive(Args)]
pub(super) struct PastArgs {
    /// How far back, or since when [default: 1d].
    #[arg(long, value_name = "AGO|TIME", conflicts_with = "month")]
    pub(super) since: Option<String>,
    /// A month in UTC, as far as it is over.
    #[arg(long, value_name = "YYYY-MM")]
    pub(super) month: Option<String>,
}

impl PastArgs {
    pub(super) fn read(&self) -> Result<Past> {
        let now_ms = crate::ask::read_time("now")?;
        let past = match &self.month {
            Some(text) => {
                let month = month(text)?;
                Past {
                    from_ms: month.begin_ms(),
                    to_ms: month.end_ms().min(now_ms),
                }
            }
            None => {
                let since = self.since.as_deref().unwrap_or("1d");
                let within = Within::of(Some(since), Some("now"))?;
                Past {
                    from_ms: within.from_ms.unwrap_or(0),
                    to_ms: within.to_ms.unwrap_or(now_ms),
                }
            }
        };
        if past.to_ms - past.from_ms < MS_PER_S {
            return Err(Refused {
                error: "this time has not yet begun: nothing was used in it".to_owned(),
                hint: Some("such as `--since 7d` or `--month 2026-11`".to_owned()),
            }
            .into());
        }
        Ok(past)
    }
}

/// # Errors
/// What is no month.
pub(super) fn month(text: &str) -> Result<Month> {
    Month::parse(text).ok_or_else(|| {
        Refused {
            error: format!("`{text}` is no month"),
            hint: Some("such as `2026-11`".to_owned()),
        }
        .into()
    })
}

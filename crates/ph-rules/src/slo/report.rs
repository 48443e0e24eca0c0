//! The report of a month: how each objective stood, day by day.

use super::calendar::{DAY_MS, Month, day_text};
use super::counter::length_within;
use super::row::{Counts, SloRow};
use super::select::Events;
use super::table::row;
use ph_plan::{Slo, SloName};
use ph_promql::{SeriesSource, SourceError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How every objective stood in a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// `2026-11`, in UTC.
    pub month: String,
    /// When it was made, Unix milliseconds.
    pub at_ms: i64,
    /// The month is over.
    pub is_complete: bool,
    /// By name.
    pub slos: Vec<ReportRow>,
}

/// How one objective stood in a month.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReportRow {
    /// The whole month, whatever the window of the objective is.
    pub month: SloRow,
    /// Its days so far.
    pub days: Vec<Day>,
}

/// How one objective stood on a day.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Day {
    /// `2026-11-22`, in UTC.
    pub day: String,
    /// Its events.
    pub events: Counts,
    /// Percent of them that were good; none without events.
    pub good_percent: Option<f64>,
    /// Milliseconds of the day in which events could be seen.
    pub seen_ms: i64,
}

/// The report of `month`, as far as it has come.
///
/// - `source`: has `mcp_slo_events_total`.
///
/// # Errors
/// When the source cannot be read; there is no report of what could.
pub fn report(
    slos: &BTreeMap<SloName, Slo>,
    source: &dyn SeriesSource,
    month: Month,
    now_ms: i64,
) -> Result<Report, SourceError> {
    let (from_ms, to_ms) = (month.begin_ms(), month.end_ms());
    let at_ms = now_ms.clamp(from_ms, to_ms);
    let rows = slos.iter().map(|(name, slo)| {
        let events = Events::read(name.as_str(), source, from_ms, at_ms)?;
        let mut month = row(name, slo, &events, (from_ms, to_ms), at_ms, false);
        month.window = "month".to_owned();
        let starts = (0..).map(|nth| from_ms + nth * DAY_MS);
        let days = starts.take_while(|start| *start < at_ms);
        Ok::<_, SourceError>(ReportRow {
            month,
            days: days.map(|start| day(&events, start, at_ms)).collect(),
        })
    });
    Ok(Report {
        month: month.to_string(),
        at_ms: now_ms,
        is_complete: now_ms >= to_ms,
        slos: rows.collect::<Result<_, _>>()?,
    })
}

fn day(events: &Events, start_ms: i64, at_ms: i64) -> Day {
    let end_ms = (start_ms + DAY_MS).min(at_ms);
    let counts = events.within(start_ms, end_ms);
    Day {
        day: day_text(start_ms),
        events: counts,
        good_percent: counts.good_percent(),
        seen_ms: length_within(&events.seen, start_ms, end_ms),
    }
}

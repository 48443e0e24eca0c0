//! What alerts were before a restart, from `ALERTS_FOR_STATE`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ph_promql::Labels;

use super::Settings;
use crate::duration::millis;
use crate::{Ask, AskError};

/// Ticks that may use it: Prometheus restores after the second.
const TICKS: usize = 2;

/// The step at which the past is looked at.
const STEP_MS: i64 = 60_000;

/// A series that is not there this long after its last sample was ended by a marker. Less than the
/// 5 minutes for which a sample counts.
const ENDED_AFTER_MS: i64 = 4 * 60_000;

/// Rows of `ALERTS_FOR_STATE`, for the first ticks after a restart.
#[derive(Debug, Default)]
pub(super) struct Restored {
    rows: BTreeMap<Labels, Row>,
    ticks: usize,
}

/// The last sample of an alert that was active when we went down.
#[derive(Clone, Copy, Debug)]
struct Row {
    down_at_ms: i64,
    active_at_ms: i64,
}

impl Restored {
    /// Asks for the rows of one alert name.
    pub(super) fn learn(
        &mut self,
        alert: &str,
        at_ms: i64,
        settings: &Settings,
        ask: &mut dyn Ask,
    ) -> Result<(), AskError> {
        let selector = format!("ALERTS_FOR_STATE{{alertname={}}}", quoted(alert));
        let last = last_samples(&selector, at_ms, settings.for_outage_tolerance, ask)?;
        let times: BTreeSet<i64> = last.values().copied().collect();
        for down_at_ms in times {
            let looked_at_ms = (down_at_ms + ENDED_AFTER_MS).min(at_ms);
            for (labels, since) in ask.instant(&query(&selector)?, looked_at_ms)? {
                if last.get(&labels) == Some(&down_at_ms) {
                    #[expect(clippy::cast_possible_truncation, reason = "seconds; saturates")]
                    let active_at_ms = (since as i64).saturating_mul(1_000);
                    let row = Row {
                        down_at_ms,
                        active_at_ms,
                    };
                    self.rows.insert(labels, row);
                }
            }
        }
        Ok(())
    }

    /// Since when an alert that begins now is active, if it was before.
    pub(super) fn active_at(
        &self,
        for_state: &Labels,
        at_ms: i64,
        hold: Duration,
        settings: &Settings,
    ) -> Option<i64> {
        let row = self.rows.get(for_state)?;
        let hold_ms = millis(hold);
        let left_ms = hold_ms - (row.down_at_ms - row.active_at_ms);
        let grace_ms = millis(settings.for_grace_period);
        Some(if left_ms <= 0 {
            row.active_at_ms
        } else if left_ms < grace_ms {
            at_ms + grace_ms - hold_ms
        } else {
            // The time in which nobody looked does not count.
            row.active_at_ms + (at_ms - row.down_at_ms)
        })
    }

    pub(super) fn used(&mut self) {
        self.ticks += 1;
        if self.ticks >= TICKS {
            self.rows.clear();
        }
    }

    pub(super) fn adopt(&mut self, old: Self) {
        if self.rows.is_empty() {
            *self = old;
        }
    }
}

/// When each series of a selector had its last sample.
fn last_samples(
    selector: &str,
    at_ms: i64,
    tolerance: Duration,
    ask: &mut dyn Ask,
) -> Result<BTreeMap<Labels, i64>, AskError> {
    let range_ms = millis(tolerance).max(STEP_MS);
    let past = format!("max_over_time(timestamp({selector})[{range_ms}ms:{STEP_MS}ms])");
    let now = format!("timestamp({selector})");
    let mut last = BTreeMap::new();
    for text in [past, now] {
        for (labels, seconds) in ask.instant(&query(&text)?, at_ms)? {
            // Functions take the name away.
            let labels = labels.with(ph_promql::METRIC_NAME, "ALERTS_FOR_STATE");
            #[expect(clippy::cast_possible_truncation, reason = "saturates")]
            let t_ms = (seconds * 1_000.0).round() as i64;
            if at_ms - t_ms <= millis(tolerance) {
                let known = last.entry(labels).or_insert(t_ms);
                *known = t_ms.max(*known);
            }
        }
    }
    Ok(last)
}

fn query(text: &str) -> Result<ph_promql::Query, AskError> {
    ph_promql::parse(text).map_err(|error| AskError(error.to_string()))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

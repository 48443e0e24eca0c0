//! The table of all objectives, as they stand now.

use super::calendar::Month;
use super::counter::length_within;
use super::row::{Budget, Burn, Counts, SloRow, Verdict, Why};
use super::select::Events;
use super::words;
use ph_plan::{Objective, Slo, SloName, ToolErrors, Window};
use ph_promql::{SeriesSource, SourceError};
use std::collections::BTreeMap;
use std::fmt::Write;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The pairs of times over which burning is watched, for a window of 30 days: long, short, and from which
/// rate on. Two of them page, two are tickets.
pub(crate) const PAIRS: [(i64, i64, f64); 4] = [
    (HOUR_MS, 5 * MINUTE_MS, 14.4),
    (6 * HOUR_MS, 30 * MINUTE_MS, 6.0),
    (DAY_MS, 2 * HOUR_MS, 3.0),
    (3 * DAY_MS, 6 * HOUR_MS, 1.0),
];

/// `PAIRS` for a window of so many days: in whole minutes, and none so short that a few samples decide.
pub(crate) fn pairs(days: u32) -> [(i64, i64, f64); 4] {
    PAIRS.map(|(long, short, rate)| {
        let scaled = |ms: i64, least: i64| match days {
            28..=31 => ms,
            days => (ms * i64::from(days) / 30 / MINUTE_MS * MINUTE_MS).max(least),
        };
        (scaled(long, 5 * MINUTE_MS), scaled(short, MINUTE_MS), rate)
    })
}

/// How each objective stands at `now_ms`, by name.
///
/// - `source`: has `mcp_slo_events_total`.
///
/// # Errors
/// When the source cannot be read; there is no table of what could.
pub fn table(
    slos: &BTreeMap<SloName, Slo>,
    source: &dyn SeriesSource,
    now_ms: i64,
) -> Result<Vec<SloRow>, SourceError> {
    let rows = slos.iter().map(|(name, slo)| {
        let (from_ms, to_ms) = match slo.window {
            Window::Days(days) => (now_ms - i64::from(days) * DAY_MS, now_ms),
            Window::Month => (Month::of(now_ms).begin_ms(), Month::of(now_ms).end_ms()),
        };
        // The longest time over which burning is watched may be longer than the month so far.
        let read_from = from_ms.min(now_ms - pairs(slo.window.days())[3].0);
        let events = Events::read(name.as_str(), source, read_from, now_ms)?;
        Ok(row(name, slo, &events, (from_ms, to_ms), now_ms, true))
    });
    rows.collect()
}

/// The row of one objective over the window `(from, to)`.
///
/// - `at_ms`: the moment of the row; when it is not now, nothing is said of what burns.
pub(crate) fn row(
    name: &SloName,
    slo: &Slo,
    events: &Events,
    (from_ms, to_ms): (i64, i64),
    at_ms: i64,
    is_now: bool,
) -> SloRow {
    let counts = events.within(from_ms, at_ms);
    let budget = budget(slo, counts, to_ms - from_ms);
    let mut row = SloRow {
        name: name.as_str().to_owned(),
        objective: slo.objective.as_str().to_owned(),
        promise: promise(slo),
        target_percent: slo.target_percent(),
        window: slo.window.to_string(),
        from_ms,
        at_ms,
        to_ms,
        seen_ms: length_within(&events.seen, from_ms, at_ms),
        last_seen_ms: events.seen.last().map(|(_, end)| *end),
        good_percent: counts.good_percent(),
        events: counts,
        sources: events.by_source(from_ms, at_ms),
        exhausted_at_ms: is_now
            .then(|| exhausted_at(slo, &budget, events, (from_ms, to_ms), at_ms))
            .flatten(),
        burn: if is_now {
            burns(slo, events, at_ms)
        } else {
            Vec::new()
        },
        budget,
        verdict: Verdict::InsufficientData,
        why: None,
        reason: String::new(),
    };
    (row.verdict, row.why) = judge(slo, &row, is_now);
    row.reason = row
        .why
        .map(|why| reason(slo, &row, why))
        .unwrap_or_default();
    row
}

/// Share of the events that may be bad.
pub(crate) fn allowed(slo: &Slo) -> f64 {
    // Whole millionths: 100 - 99.9 is no exact number.
    ((100.0 - slo.target_percent()) * 1e6).round() / 1e8
}

fn budget(slo: &Slo, counts: Counts, window_ms: i64) -> Budget {
    let allowed_events = counts.valid() as f64 * allowed(slo);
    let left_events = allowed_events - counts.bad as f64;
    let left = (counts.valid() > 0).then(|| left_events / allowed_events);
    let allowed_minutes = window_ms as f64 / MINUTE_MS as f64 * allowed(slo);
    Budget {
        allowed_events,
        left_events,
        left_percent: left.map(|left| left * 100.0),
        allowed_minutes,
        left_minutes: left.map(|left| left * allowed_minutes),
    }
}

fn rate(slo: &Slo, counts: Counts) -> Option<f64> {
    let valid = counts.valid() as f64;
    (valid > 0.0).then(|| counts.bad as f64 / valid / allowed(slo))
}

fn burns(slo: &Slo, events: &Events, at_ms: i64) -> Vec<Burn> {
    let pairs = pairs(slo.window.days());
    let mut lengths: Vec<i64> = pairs
        .iter()
        .flat_map(|(long, short, _)| [*long, *short])
        .collect();
    lengths.sort_unstable();
    lengths.dedup();
    let of = |length: i64| {
        let events = events.within(at_ms - length, at_ms);
        Burn {
            window: words::span(length),
            rate: rate(slo, events),
            events,
        }
    };
    lengths.into_iter().map(of).collect()
}

/// When nothing is left if it goes on as over the second long window (6 hours of 30 days).
fn exhausted_at(
    slo: &Slo,
    budget: &Budget,
    events: &Events,
    (from_ms, to_ms): (i64, i64),
    at_ms: i64,
) -> Option<i64> {
    let left = budget.left_percent? / 100.0;
    if left <= 0.0 {
        return Some(at_ms);
    }
    let recent = events.within(at_ms - pairs(slo.window.days())[1].0, at_ms);
    if recent.valid() < u64::from(slo.min_events) {
        return None;
    }
    // Up to 1 a rolling window forgets as fast as it burns.
    let rate = rate(slo, recent).filter(|rate| *rate > 1.0)?;
    let at = at_ms.saturating_add((left * (to_ms - from_ms) as f64 / rate) as i64);
    (slo.window != Window::Month || at < to_ms).then_some(at)
}

/// Seen for less than this, or less than a hundredth of the window, nothing is called met.
const SEEN_LEAST_MS: i64 = HOUR_MS;
/// Not seen for longer than this, there is no `now`.
const STALE_MS: i64 = 5 * MINUTE_MS;
/// With less left, in percent, an objective is at risk.
const LEFT_LEAST: f64 = 10.0;

/// - `is_now`: what burns now counts, and that it is seen; a time that is over is judged by its events alone.
fn judge(slo: &Slo, row: &SloRow, is_now: bool) -> (Verdict, Option<Why>) {
    let blind = |why| (Verdict::InsufficientData, Some(why));
    let at_risk = |why| (Verdict::AtRisk, Some(why));
    let valid = row.events.valid();
    if valid < needed(slo) {
        return blind(match (row.last_seen_ms, valid) {
            (None, _) => Why::NothingSeen,
            (_, 0) => Why::NoEvents,
            _ => Why::FewEvents,
        });
    }
    if row.budget.left_events < 0.0 {
        return (Verdict::Violated, Some(Why::Overspent));
    }
    let window_ms = row.to_ms - row.from_ms;
    if row.seen_ms < SEEN_LEAST_MS.max(window_ms / 100) {
        return blind(Why::SeenBriefly);
    }
    if !is_now {
        return (Verdict::Met, None);
    }
    if stale_ms(row) > STALE_MS {
        return blind(Why::Stale);
    }
    if burning(slo, row).is_some() {
        return at_risk(Why::Burning);
    }
    let left = row.budget.left_percent;
    if left.is_some_and(|left| left < LEFT_LEAST) {
        return at_risk(Why::LittleLeft);
    }
    match row.exhausted_at_ms {
        Some(at) if at - row.at_ms < window_ms / 10 => at_risk(Why::UsedUpSoon),
        _ => (Verdict::Met, None),
    }
}

/// In words, with the numbers of the row.
fn reason(slo: &Slo, row: &SloRow, why: Why) -> String {
    let for_long = words::rough;
    match why {
        Why::NothingSeen => "nothing was seen".to_owned(),
        Why::NoEvents => "no events".to_owned(),
        Why::FewEvents => format!(
            "{} of the {} events that a verdict needs",
            row.events.valid(),
            needed(slo)
        ),
        Why::Overspent => "more has failed than may".to_owned(),
        Why::SeenBriefly => format!("seen for {} only", for_long(row.seen_ms)),
        Why::Stale => format!("not seen for {}", for_long(stale_ms(row))),
        Why::Burning => {
            let (rate, window) = burning(slo, row).unwrap_or_default();
            format!("the budget burns {rate:.1} times too fast over {window}")
        }
        Why::LittleLeft => "little of the budget is left".to_owned(),
        Why::UsedUpSoon => {
            let at = row.exhausted_at_ms.unwrap_or(row.at_ms);
            format!("used up in {}", for_long(at - row.at_ms))
        }
    }
}

/// Events that a verdict needs.
fn needed(slo: &Slo) -> u64 {
    u64::from(slo.min_events).max(1)
}

/// For how long nothing was seen, milliseconds.
fn stale_ms(row: &SloRow) -> i64 {
    let window_ms = row.to_ms - row.from_ms;
    row.last_seen_ms.map_or(window_ms, |seen| row.at_ms - seen)
}

/// Rate and length of the first pair of times over both of which the budget burns too fast.
fn burning(slo: &Slo, row: &SloRow) -> Option<(f64, String)> {
    let of = |length: i64| {
        let window = words::span(length);
        row.burn.iter().find(|burn| burn.window == window)
    };
    let too_fast = |(long, short, factor): (i64, i64, f64)| {
        let (long, short) = (of(long)?, of(short)?);
        let enough = long.events.valid() >= u64::from(slo.min_events);
        let burns = enough && long.rate? > factor && short.rate? > factor;
        burns.then(|| (long.rate.unwrap_or_default(), long.window.clone()))
    };
    pairs(slo.window.days()).into_iter().find_map(too_fast)
}

/// What is promised, in words.
pub(crate) fn promise(slo: &Slo) -> String {
    let target = slo.target_percent();
    let mut text = match slo.objective {
        Objective::Availability => format!("{target} % available"),
        Objective::Latency => {
            let within = words::span(i64::try_from(slo.threshold.as_millis()).unwrap_or(i64::MAX));
            format!("{target} % of calls within {within}")
        }
        Objective::ErrorRate => {
            let errors = match slo.tool_errors {
                ToolErrors::Good => "server error",
                ToolErrors::Bad => "server or tool error",
            };
            format!("{target} % of calls without {errors}")
        }
        Objective::Throughput => format!(
            "{} calls/s served in {target} % of the times they are asked for",
            slo.rate
        ),
    };
    let chosen = [
        ("server", slo.server.as_ref().map(|name| name.as_str())),
        ("tool", slo.tool.as_ref().map(|glob| glob.as_str())),
        ("client", slo.client.as_ref().map(|glob| glob.as_str())),
    ];
    for (what, name) in chosen {
        if let Some(name) = name {
            // Writing to a string cannot fail.
            let _ = write!(text, ", {what} {name}");
        }
    }
    text
}

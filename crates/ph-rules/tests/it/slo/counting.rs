//! The table against a count over the raw events.

use super::plan;
use ph_promql::{
    Labels, METRIC_NAME, STALE_NAN_BITS, Sample, Select, Series, SeriesSource, SourceError,
};
use ph_rules::slo::{Counts, Month, SloRow, Verdict, report, table};
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const INTERVAL: i64 = 15_000;
/// 2026-11-22T00:00:00Z.
pub(crate) const NOW: i64 = 1_795_305_600_000;

/// Series as a store gives them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stored(pub(crate) Vec<Series>);

impl SeriesSource for Stored {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let fits = |series: &&Series| {
            wish.matchers.iter().all(|matcher| {
                matcher.matches(series.labels.get(matcher.name()).unwrap_or_default())
            })
        };
        let cut = |series: &Series| Series {
            labels: series.labels.clone(),
            samples: series
                .samples
                .iter()
                .copied()
                .filter(|sample| (wish.from_ms..=wish.to_ms).contains(&sample.t_ms))
                .collect(),
        };
        Ok(self.0.iter().filter(fits).map(cut).collect())
    }
}

pub(crate) fn labels(slo: &str, source: &str, result: &str) -> Labels {
    Labels::from_pairs([
        (METRIC_NAME, "mcp_slo_events_total"),
        ("slo", slo),
        ("source", source),
        ("result", result),
        ("job", "mcp-server"),
        ("instance", "127.0.0.1:3000"),
    ])
}

/// One life of a process.
#[derive(Clone, Debug)]
struct Life {
    from: i64,
    to: i64,
    /// It was stopped: its last numbers were kept, and their end marked. Else it was killed.
    stopped: bool,
    /// Events: when, and whether good.
    events: Vec<(i64, bool)>,
}

impl Life {
    /// When samples are taken: at the start, at each multiple of the interval, and when it is stopped.
    fn samples(&self) -> Vec<i64> {
        let first = (self.from / INTERVAL + 1) * INTERVAL;
        let regular = (0..)
            .map(|nth| first + nth * INTERVAL)
            .take_while(|at| *at < self.to);
        let last = self.stopped.then_some(self.to);
        std::iter::once(self.from)
            .chain(regular)
            .chain(last)
            .collect()
    }

    fn series(&self, good: bool) -> Vec<Sample> {
        let count = |at: i64| {
            let until = self
                .events
                .iter()
                .filter(|(when, is)| *is == good && *when <= at);
            until.count() as f64
        };
        let mut samples: Vec<Sample> = self
            .samples()
            .into_iter()
            .map(|t_ms| Sample {
                t_ms,
                v: count(t_ms),
            })
            .collect();
        if self.stopped {
            samples.push(Sample {
                t_ms: self.to + 1,
                v: f64::from_bits(STALE_NAN_BITS),
            });
        }
        samples
    }

    /// Events that were written down, with the moment at which they were.
    fn written(&self) -> Vec<(i64, bool)> {
        let samples = self.samples();
        let at = |when: i64| samples.iter().copied().find(|sample| *sample >= when);
        self.events
            .iter()
            .filter_map(|(when, good)| Some((at(*when)?, *good)))
            .collect()
    }
}

/// Lives one after the other, with pauses, over some days before `NOW`.
fn lives() -> impl Strategy<Value = Vec<Life>> {
    let life = (
        1..40 * HOUR,
        1..20 * HOUR,
        any::<bool>(),
        prop::collection::vec((0.0..1.0_f64, prop::bool::weighted(0.9)), 0..60),
    );
    prop::collection::vec(life, 1..6).prop_map(|parts| {
        let mut at = NOW - 9 * DAY;
        let mut lives = Vec::new();
        for (length, pause, stopped, events) in parts {
            let (from, to) = (at, at + length + INTERVAL);
            let events = events.into_iter().map(|(share, good)| {
                // After its first sample, before its end.
                (from + 1 + (share * (to - from - 2) as f64) as i64, good)
            });
            let mut events: Vec<_> = events.collect();
            events.sort_unstable();
            lives.push(Life {
                from,
                to,
                stopped,
                events,
            });
            at = to + 2 + pause;
        }
        lives
    })
}

fn stored(lives: &[Life]) -> Stored {
    let of = |good: bool| Series {
        labels: labels("x", "demand", if good { "good" } else { "bad" }),
        samples: lives.iter().flat_map(|life| life.series(good)).collect(),
    };
    Stored(vec![of(true), of(false)])
}

fn counted(lives: &[Life], from: i64, to: i64) -> Counts {
    let written = lives.iter().flat_map(Life::written);
    let within: Vec<_> = written.filter(|(at, _)| *at > from && *at <= to).collect();
    let count = |want: bool| within.iter().filter(|(_, good)| *good == want).count() as u64;
    Counts {
        good: count(true),
        bad: count(false),
    }
}

fn row(slos: &str, source: &Stored, now: i64) -> SloRow {
    let rows = table(&plan(slos).slos_in_force(), source, now).unwrap();
    assert_eq!(rows.len(), 1);
    rows.into_iter().next().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Restarts, kills and gaps: the table and every day of the report say what was counted event by event.
    #[test]
    fn every_event_that_was_written_down_is_counted_once(lives in lives(), back in 0..3 * DAY) {
        let source = stored(&lives);
        let now = NOW - back;
        for days in [1, 3, 30] {
            let row = row(&format!("slos: {{x: {{objective: error_rate, window: {days}d}}}}"), &source, now);
            let want = counted(&lives, now - days * DAY, now);
            prop_assert_eq!(row.events, want, "{} days", days);
        }
        let month = Month::parse("2026-11").unwrap();
        let slos = plan("slos: {x: {objective: error_rate}}").slos_in_force();
        let report = report(&slos, &source, month, now).unwrap();
        let days = &report.slos[0].days;
        let mut start = month.begin_ms();
        for day in days {
            prop_assert_eq!(day.events, counted(&lives, start, (start + DAY).min(now)), "{}", &day.day);
            start += DAY;
        }
        prop_assert!(start >= now.min(month.end_ms()) && start - now < DAY);
        let sum: u64 = days.iter().map(|day| day.events.valid()).sum();
        prop_assert_eq!(report.slos[0].month.events.valid(), sum);
    }

    /// What was seen is when samples followed one another.
    #[test]
    fn what_was_seen_is_the_time_of_lives(lives in lives()) {
        let row = row("slos: {x: {objective: error_rate, window: 30d}}", &stored(&lives), NOW);
        let mut want = 0;
        for (nth, life) in lives.iter().enumerate() {
            let samples = life.samples();
            want += samples.last().unwrap().min(&NOW) - life.from.min(NOW);
            // After a kill nobody knows of a short pause.
            if let Some(next) = lives.get(nth + 1).filter(|_| !life.stopped) {
                let pause = next.from - samples.last().unwrap();
                if pause <= 5 * MINUTE {
                    want += pause;
                }
            }
        }
        // Samples of the last interval may lie after now.
        prop_assert!((row.seen_ms - want).abs() <= INTERVAL, "{} for {}", row.seen_ms, want);
    }
}

/// A counter that goes up by so many each minute over the last `minutes`, until `end`.
fn steady(slo: &str, minutes: i64, end: i64, good: f64, bad: f64) -> Stored {
    let of = |result: &str, each: f64| Series {
        labels: labels(slo, "demand", result),
        samples: (0..=minutes)
            .map(|nth| Sample {
                t_ms: end - (minutes - nth) * MINUTE,
                v: nth as f64 * each,
            })
            .collect(),
    };
    Stored(vec![of("good", good), of("bad", bad)])
}

const ERRORS: &str = "slos: {x: {objective: error_rate}}";

#[test]
fn nothing_is_green_without_data() {
    let empty = row(ERRORS, &Stored::default(), NOW);
    assert_eq!(
        (empty.verdict, empty.reason.as_str()),
        (Verdict::InsufficientData, "nothing was seen")
    );
    assert_eq!(
        (empty.good_percent, empty.budget.left_percent),
        (None, None)
    );
    let idle = row(ERRORS, &steady("x", 10 * 24 * 60, NOW, 0.0, 0.0), NOW);
    assert_eq!(
        (idle.verdict, idle.reason.as_str()),
        (Verdict::InsufficientData, "no events")
    );
    let few = row(ERRORS, &steady("x", 49, NOW, 1.0, 0.0), NOW);
    assert_eq!(few.reason, "49 of the 50 events that a verdict needs");
    let short = row(ERRORS, &steady("x", 60, NOW, 10.0, 0.0), NOW);
    assert_eq!(
        (short.verdict, short.reason.as_str()),
        (Verdict::InsufficientData, "seen for 60 minutes only")
    );
    let gone = row(
        ERRORS,
        &steady("x", 10 * 24 * 60, NOW - HOUR, 1.0, 0.0),
        NOW,
    );
    assert_eq!(
        (gone.verdict, gone.reason.as_str()),
        (Verdict::InsufficientData, "not seen for 60 minutes")
    );
}

#[test]
fn verdicts_and_budgets() {
    let ten_days = 10 * 24 * 60;
    let met = row(ERRORS, &steady("x", ten_days, NOW, 999.0, 1.0), NOW);
    assert_eq!((met.verdict, met.reason.as_str()), (Verdict::Met, ""));
    assert_eq!(met.seen_ms, 10 * DAY);
    assert_eq!(
        met.events,
        Counts {
            good: 999 * 14_400,
            bad: 14_400
        }
    );
    assert_eq!(met.budget.allowed_events, 144_000.0);
    assert_eq!(met.budget.left_events, 129_600.0);
    assert!((met.budget.left_percent.unwrap() - 90.0).abs() < 1e-9);
    assert!((met.budget.allowed_minutes - 432.0).abs() < 1e-9);
    assert!((met.budget.left_minutes.unwrap() - 388.8).abs() < 1e-9);
    let rates: Vec<_> = met.burn.iter().map(|burn| burn.window.as_str()).collect();
    assert_eq!(rates, ["5m", "30m", "1h", "2h", "6h", "1d", "3d"]);
    assert!(
        met.burn
            .iter()
            .all(|burn| (burn.rate.unwrap() - 0.1).abs() < 1e-9)
    );
    assert_eq!(met.exhausted_at_ms, None);

    let violated = row(ERRORS, &steady("x", ten_days, NOW, 98.0, 2.0), NOW);
    assert_eq!(violated.verdict, Verdict::Violated);
    assert_eq!(violated.exhausted_at_ms, Some(NOW));
    assert!((violated.budget.left_percent.unwrap() + 100.0).abs() < 1e-9);
}

#[test]
fn what_burns_too_fast_is_at_risk_and_says_until_when() {
    // Ten quiet days, then an hour in which a fifth fails: 20 times too fast.
    let mut source = steady("x", 10 * 24 * 60, NOW - HOUR, 100.0, 0.0);
    for (series, each) in source.0.iter_mut().zip([80.0, 20.0]) {
        let last = *series.samples.last().unwrap();
        series.samples.extend((1..=60).map(|nth| Sample {
            t_ms: last.t_ms + nth * MINUTE,
            v: last.v + nth as f64 * each,
        }));
    }
    let row = row(ERRORS, &source, NOW);
    assert_eq!(row.verdict, Verdict::AtRisk, "{}", row.reason);
    assert_eq!(row.reason, "the budget burns 20.0 times too fast over 1h");
    let six_hours = row.burn.iter().find(|burn| burn.window == "6h").unwrap();
    let rate = six_hours.rate.unwrap();
    assert!((rate - 20.0 / 6.0).abs() < 0.01, "{rate}");
    let left = row.budget.left_percent.unwrap() / 100.0;
    let want = NOW + (left * 30.0 * DAY as f64 / rate) as i64;
    assert_eq!(row.exhausted_at_ms, Some(want));
}

/// What a series had before it could first be read is not of this window.
#[test]
fn what_was_counted_before_the_first_sample_is_not_counted() {
    let mut source = steady("x", 100, NOW, 10.0, 0.0);
    for series in &mut source.0 {
        for sample in &mut series.samples {
            sample.v += 1e6;
        }
    }
    // But a series that comes later is new, as when a process begins elsewhere.
    source.0.push(Series {
        labels: labels("x", "probe", "good"),
        samples: (0..50)
            .map(|nth| Sample {
                t_ms: NOW - (49 - nth) * MINUTE,
                v: 7.0 + nth as f64,
            })
            .collect(),
    });
    let row = row(ERRORS, &source, NOW);
    let by_source: Vec<_> = row
        .sources
        .iter()
        .map(|one| (one.source.as_str(), one.events.good))
        .collect();
    assert_eq!(by_source, [("demand", 1_000), ("probe", 56)]);
}

#[test]
fn a_month_begins_with_its_first_day() {
    let row = row(
        "slos: {x: {objective: error_rate, window: month}}",
        &steady("x", 40 * 24 * 60, NOW, 1.0, 0.0),
        NOW,
    );
    assert_eq!(
        (row.from_ms, row.to_ms),
        (Month::of(NOW).begin_ms(), Month::of(NOW).end_ms())
    );
    assert_eq!(row.events.good, 21 * 24 * 60);
    assert_eq!(row.seen_ms, 21 * DAY);
}

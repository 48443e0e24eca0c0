//! Rollups give the answers that all samples give.

use super::{DAY_START_MS, HOUR_MS, STEP_MS, open, options, scrape, series};
use ph_promql::{MatchOp, Matcher, Sample, Select, SeriesSource};
use ph_store::disk::FaultyDisk;
use ph_store::series::{SeriesReader, SeriesStore};

const HOURS: i64 = 50;

/// A counter that is reset now and then, for two days, in blocks.
fn store() -> SeriesStore {
    let mut store = open(&FaultyDisk::new(1), options());
    let mut value = 0.0;
    let mut random = 7u64;
    for n in 0..HOURS * 240 {
        random = random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        value = if random >> 55 == 0 {
            1.0
        } else {
            value + (random >> 60) as f64
        };
        let now = DAY_START_MS + n * STEP_MS;
        scrape(&mut store, now, "x", &[(series("m_total", "a"), value)]);
        if n % 240 == 0 {
            store.tick(now).unwrap();
        }
    }
    store
}

fn samples(reader: &SeriesReader, wish: &Select<'_>) -> Vec<Sample> {
    reader.select(wish).unwrap().remove(0).samples
}

/// Sum of increases from the first to the last sample in `(at - range, at]`, and these two.
fn window(samples: &[Sample], at: i64, range: i64) -> Option<(Sample, Sample, f64)> {
    let inside: Vec<Sample> = samples
        .iter()
        .copied()
        .filter(|sample| sample.t_ms > at - range && sample.t_ms <= at)
        .collect();
    let increase = inside
        .windows(2)
        .map(|pair| {
            if pair[1].v < pair[0].v {
                pair[1].v
            } else {
                pair[1].v - pair[0].v
            }
        })
        .sum();
    Some((*inside.first()?, *inside.last()?, increase))
}

fn matchers() -> [Matcher; 1] {
    [Matcher::new("__name__", MatchOp::Eq, "m_total").unwrap()]
}

#[test]
fn windows_of_counters_are_those_of_all_samples() {
    let store = store();
    let reader = store.reader();
    let matchers = matchers();
    let end = DAY_START_MS + (HOURS - 3) * HOUR_MS;
    for (range_hours, step_minutes, steps, odd) in [
        (1, 60, 40, 0),
        (6, 97, 25, 1234),
        (24, 60, 12, 7),
        (40, 0, 1, 59_999),
        (2, 180, 10, 0),
    ] {
        let (range, step) = (range_hours * HOUR_MS, step_minutes * 60_000 + odd / 10);
        let first = end + odd - step * (steps - 1);
        let wish = Select {
            matchers: &matchers,
            from_ms: first - range,
            to_ms: end + odd,
            range_ms: Some(range),
            step_ms: (steps > 1).then_some(step),
            function: Some("increase"),
            resolution_ms: 0,
            samples_max: usize::MAX,
            series_max: usize::MAX,
        };
        let every = Select {
            function: Some("count_over_time"),
            ..wish
        };
        let (thin, every) = (samples(&reader, &wish), samples(&reader, &every));
        assert!(
            thin.len() * 10 < every.len() * 9,
            "{} of {}",
            thin.len(),
            every.len()
        );
        for n in 0..steps {
            let at = first + n * step;
            assert_eq!(
                window(&thin, at, range),
                window(&every, at, range),
                "{range_hours} h at {at}"
            );
        }
    }
}

#[test]
fn lookups_at_whole_minutes_are_those_of_all_samples() {
    let store = store();
    let reader = store.reader();
    let matchers = matchers();
    let (first, step, steps) = (DAY_START_MS + HOUR_MS, 300_000, 500);
    let wish = Select {
        matchers: &matchers,
        from_ms: first - 300_000,
        to_ms: first + step * (steps - 1),
        range_ms: None,
        step_ms: Some(step),
        function: None,
        resolution_ms: 0,
        samples_max: usize::MAX,
        series_max: usize::MAX,
    };
    // Not on minutes: all samples.
    let every = Select {
        step_ms: Some(step + 1),
        ..wish
    };
    let (thin, every) = (samples(&reader, &wish), samples(&reader, &every));
    assert!(
        thin.len() * 3 < every.len(),
        "{} of {}",
        thin.len(),
        every.len()
    );
    for n in 0..steps {
        let at = first + n * step;
        let find = |samples: &[Sample]| samples.iter().rev().find(|s| s.t_ms <= at).copied();
        assert_eq!(find(&thin), find(&every));
    }
}

#[test]
fn with_a_resolution_of_a_minute_windows_are_those_between_whole_minutes() {
    let store = store();
    let reader = store.reader();
    let matchers = matchers();
    let (minute, step) = (60_000, 300_000);
    // So that the last sample before a window's steps is in it.
    let range = step + minute;
    let (first, steps) = (DAY_START_MS + 2 * HOUR_MS, 500);
    let every = Select {
        matchers: &matchers,
        from_ms: first - range,
        to_ms: first + step * (steps - 1),
        range_ms: Some(range),
        step_ms: Some(step),
        function: Some("rate"),
        resolution_ms: 0,
        samples_max: usize::MAX,
        series_max: usize::MAX,
    };
    let wish = Select {
        resolution_ms: minute,
        ..every
    };
    let (thin, every) = (samples(&reader, &wish), samples(&reader, &every));
    assert!(
        thin.len() * 3 < every.len(),
        "{} of {}",
        thin.len(),
        every.len()
    );
    for n in 0..steps {
        let at = first + n * step;
        let (begin, end, increase) = window(&thin, at, range).unwrap();
        let found = |t_ms: i64| every.iter().rfind(|sample| sample.t_ms <= t_ms).copied();
        assert_eq!(Some(end), found(at), "at {at}");
        // A decrease keeps the samples beside it, which may be earlier ones.
        let mark = found(at - step).unwrap();
        assert!(begin.t_ms <= mark.t_ms, "at {at}");
        let all: Vec<Sample> = every
            .iter()
            .copied()
            .filter(|sample| sample.t_ms >= begin.t_ms)
            .collect();
        let whole = window(&all, at, range).unwrap();
        assert_eq!((begin, end, increase), whole, "at {at}");
    }
}

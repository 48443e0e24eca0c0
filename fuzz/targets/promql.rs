//! PromQL: any text is a query or an error with its place, and any query has an answer or an error, on small
//! data and in bounded work. An answer is well formed, and an instant query gives what a range gives there.
#![no_main]

use std::cell::Cell;

use libfuzzer_sys::fuzz_target;
use ph_promql::{
    Interrupt, Labels, Limits, STALE_NAN_BITS, Sample, Select, Series, SeriesSource, SourceError,
    Value, instant, is_stale, parse, range,
};

const STEP_MS: i64 = 15_000;
const SAMPLES: u16 = 40;
const SAMPLES_MAX: usize = 100_000;
/// How often a query may ask whether to go on before it is told to stop.
const CHECKS_MAX: usize = 200;

struct Small;

impl SeriesSource for Small {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        assert!(wish.samples_max <= SAMPLES_MAX);
        let all = (0..6u16).map(series).filter(|series| {
            let value = |name: &str| series.labels.get(name).unwrap_or_default();
            wish.matchers
                .iter()
                .all(|one| one.matches(value(one.name())))
        });
        Ok(all.collect())
    }
}

fn series(number: u16) -> Series {
    let labels = Labels::from_pairs([
        (
            "__name__",
            ["a", "b_bucket"][usize::from(number % 2)].to_owned(),
        ),
        ("le", ["", "1", "+Inf"][usize::from(number % 3)].to_owned()),
        ("n", (number / 2).to_string()),
    ]);
    let value = |i: u16| match (i + number) % 13 {
        0 => f64::from_bits(STALE_NAN_BITS),
        1 if number == 4 => f64::NAN,
        2 if number == 5 => f64::INFINITY,
        n => f64::from(n) * f64::from(i) - f64::from(number),
    };
    let samples = (0..SAMPLES).map(|i| Sample {
        t_ms: i64::from(i) * STEP_MS,
        v: value(i),
    });
    Series {
        labels,
        samples: samples.collect(),
    }
}

fuzz_target!(|text: &str| {
    let query = match parse(text) {
        Ok(query) => query,
        Err(error) => {
            assert!(error.position <= text.len() && error.line >= 1 && error.column >= 1);
            assert!(!error.text.is_empty());
            return;
        }
    };
    let asked = Cell::new(0);
    let check = || {
        asked.set(asked.get() + 1);
        if asked.get() > CHECKS_MAX {
            return Err(Interrupt::Timeout);
        }
        Ok(())
    };
    let limits = Limits {
        samples_max: SAMPLES_MAX,
        check: Some(&check),
        ..Limits::default()
    };
    let at_ms = 300_000;
    let once = instant(&Small, &query, at_ms, &limits);
    let ranged = range(
        &Small,
        &query,
        at_ms - STEP_MS,
        at_ms + STEP_MS,
        STEP_MS,
        &limits,
    );
    for answer in [&once, &ranged] {
        match answer {
            Ok(answer) => well_formed(&answer.value),
            Err(error) => {
                assert!(!error.to_string().is_empty() && !error.error_type().as_str().is_empty())
            }
        }
    }
    if let (Ok(once), Ok(ranged)) = (once, ranged)
        && let (Value::Vector(elements), Value::Matrix(series)) = (once.value, ranged.value)
        // These ask for the ends of the query, which are others.
        && !text.to_lowercase().contains("start") && !text.to_lowercase().contains("end")
        // Which of equal values is chosen may differ where NaN has no order.
        && !text.to_lowercase().contains("topk") && !text.to_lowercase().contains("bottomk")
    {
        same(&elements, &series, at_ms);
    }
});

fn well_formed(value: &Value) {
    match value {
        Value::Scalar(sample) => assert!(!is_stale(sample.v)),
        Value::String(..) => {}
        Value::Vector(elements) => {
            let mut labels: Vec<&Labels> = elements.iter().map(|(labels, _)| labels).collect();
            labels.sort();
            assert!(
                labels.windows(2).all(|two| two[0] != two[1]),
                "labels twice"
            );
            assert!(elements.iter().all(|(_, sample)| !is_stale(sample.v)));
        }
        Value::Matrix(series) => {
            assert!(series.windows(2).all(|two| two[0].labels < two[1].labels));
            for one in series {
                assert!(!one.samples.is_empty());
                assert!(one.samples.windows(2).all(|two| two[0].t_ms < two[1].t_ms));
                assert!(one.samples.iter().all(|sample| !is_stale(sample.v)));
            }
        }
    }
}

fn same(elements: &[(Labels, Sample)], series: &[Series], at_ms: i64) {
    let at = |one: &Series| {
        one.samples
            .iter()
            .find(|sample| sample.t_ms == at_ms)
            .map(|s| s.v)
    };
    let ranged = series.iter().filter(|one| at(one).is_some()).count();
    assert_eq!(
        elements.len(),
        ranged,
        "an instant has other series than a range"
    );
    for (labels, sample) in elements {
        let found = series.iter().find(|one| one.labels == *labels).and_then(at);
        let same = found.is_some_and(|v| v == sample.v || (v.is_nan() && sample.v.is_nan()));
        assert!(same, "{labels}: {} at once, {found:?} in a range", sample.v);
    }
}

//! What a query may take, and what it is told when it would take more.

use std::cell::Cell;

use ph_promql::{ErrorType, EvalError, Interrupt, Limits, Value, instant, parse, range};

use crate::source::Seconds;

fn over_range(
    source: &Seconds,
    text: &str,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
    limits: &Limits<'_>,
) -> Result<usize, EvalError> {
    let query = parse(text).expect("a test asks what can be read");
    let answer = range(source, &query, start_ms, end_ms, step_ms, limits)?;
    match answer.value {
        Value::Matrix(series) => Ok(series.iter().map(|one| one.samples.len()).sum()),
        other => panic!("a range gives {other:?}"),
    }
}

#[test]
fn steps_are_bounded_and_checked() {
    let source = Seconds::new(1, 10);
    let ask = |times| over_range(&source, "calls_total", times, &Limits::default());
    assert_eq!(ask((0, 10_999, 1)), Ok(10_999 + 1));
    for times in [
        (0, 11_000, 1),
        (10, 0, 1),
        (0, 10, 0),
        (0, 10, -1),
        (i64::MIN, 0, 1),
    ] {
        let error = ask(times).unwrap_err();
        assert_eq!(error.error_type(), ErrorType::BadData, "{times:?}: {error}");
    }
    let text = ask((0, 11_000, 1)).unwrap_err().to_string();
    assert!(text.starts_with("exceeded maximum resolution of 11000 points per timeseries"));
}

#[test]
fn samples_are_bounded_read_and_computed() {
    let source = Seconds::new(10, 600);
    let limits = Limits {
        samples_max: 5_000,
        ..Limits::default()
    };
    // 6,000 to read.
    let read = over_range(
        &source,
        "rate(calls_total[1m])",
        (0, 600_000, 60_000),
        &limits,
    );
    assert_eq!(read, Err(EvalError::TooManySamples { max: 5_000 }));
    // 1,000 to read, 6,000 to compute.
    let computed = over_range(&source, "calls_total @ 99", (0, 600_000, 1_000), &limits);
    assert_eq!(computed, Err(EvalError::TooManySamples { max: 5_000 }));
    assert_eq!(computed.unwrap_err().error_type(), ErrorType::Execution);
    // A subquery with many steps and no series.
    let query = parse("sum_over_time(vector(1)[1d:1s])").unwrap();
    let steps = instant(&source, &query, 0, &limits);
    assert_eq!(steps, Err(EvalError::TooManySamples { max: 5_000 }));
    // What one part held is free for the next.
    let parts = ["calls_total"; 8].join(" or ");
    let freed = over_range(&source, &parts, (60_000, 80_000, 1_000), &limits);
    assert_eq!(freed, Ok(210));
}

#[test]
fn series_are_bounded() {
    let limits = Limits {
        series_max: 9,
        ..Limits::default()
    };
    let error = over_range(&Seconds::new(10, 1), "calls_total", (0, 1, 1), &limits).unwrap_err();
    assert_eq!(error.error_type(), ErrorType::Execution);
    assert!(error.to_string().contains("more than 9 series"), "{error}");
}

#[test]
fn the_caller_can_stop_a_query() {
    let source = Seconds::new(5, 3_600);
    for (interrupt, error_type) in [
        (Interrupt::Timeout, ErrorType::Timeout),
        (Interrupt::Canceled, ErrorType::Canceled),
    ] {
        let asked = Cell::new(0);
        let check = || {
            asked.set(asked.get() + 1);
            if asked.get() < 5 {
                Ok(())
            } else {
                Err(interrupt)
            }
        };
        let limits = Limits {
            check: Some(&check),
            ..Limits::default()
        };
        let text = "avg_over_time(calls_total[30m])";
        let error = over_range(&source, text, (0, 3_600_000, 1_000), &limits).unwrap_err();
        assert_eq!(error, EvalError::Interrupted(interrupt));
        assert_eq!(error.error_type(), error_type);
        // It is asked before anything is read, and then in the midst of the work.
        assert_eq!(asked.get(), 5);
    }
}

#[test]
fn each_selector_is_read_once_and_for_its_times() {
    let source = Seconds::new(1, 3_600);
    let text =
        "rate(calls_total[5m] offset 1m) + calls_total @ 100 + max_over_time(calls_total[10m:1m])";
    over_range(
        &source,
        text,
        (1_000_000, 2_000_000, 10_000),
        &Limits::default(),
    )
    .unwrap();
    let mut wishes = source.wishes.into_inner();
    wishes.sort_unstable();
    // Ranges and the lookback are open on the left, so the first millisecond wanted is the next one.
    let wanted = [
        (100_000 - 300_000 + 1, 100_000),
        // From the first whole minute in the range on, less the lookback.
        (420_000 - 300_000 + 1, 1_980_000),
        (640_001, 1_940_000),
    ];
    assert_eq!(wishes, wanted);
}

#[test]
fn a_source_is_told_what_its_samples_are_for() {
    let ask = |text: &str| {
        let source = Seconds::new(1, 60);
        over_range(&source, text, (0, 60_000, 20_000), &Limits::default()).unwrap();
        source.hints.into_inner()
    };
    let some = |name: &str| Some(name.to_owned());
    assert_eq!(ask("sum(calls_total)"), [(None, Some(20_000), None)]);
    let rate = (Some(30_000), Some(20_000), some("rate"));
    assert_eq!(ask("sum(rate(calls_total[30s]))"), [rate]);
    // What is fixed is looked at once.
    assert_eq!(ask("calls_total @ 30"), [(None, None, None)]);
    let fixed = (Some(30_000), None, some("changes"));
    assert_eq!(ask("changes(calls_total[30s] @ end())"), [fixed]);
    // In a subquery the steps are those of the subquery.
    assert_eq!(
        ask("max_over_time(calls_total[30s:5s])"),
        [(None, Some(5_000), None)]
    );
    let absent = (Some(30_000), Some(20_000), some("absent_over_time"));
    assert_eq!(ask("absent_over_time(calls_total[30s])"), [absent]);
}

#[test]
fn only_scalars_and_vectors_have_a_range() {
    let source = Seconds::new(1, 1);
    for text in ["calls_total[5m]", "'text'"] {
        let error = over_range(&source, text, (0, 1, 1), &Limits::default()).unwrap_err();
        assert_eq!(error.error_type(), ErrorType::BadData, "{text}: {error}");
    }
}

#[test]
fn each_type_has_its_value() {
    let source = Seconds::new(2, 60);
    let ask = |text: &str| {
        let query = parse(text).unwrap();
        instant(&source, &query, 30_500, &Limits::default())
            .unwrap()
            .value
    };
    assert!(
        matches!(ask("1 + 1"), Value::Scalar(sample) if sample.v == 2.0 && sample.t_ms == 30_500)
    );
    assert!(matches!(ask("'a'"), Value::String(30_500, text) if text == "a"));
    assert!(matches!(ask("calls_total"), Value::Vector(all) if all.len() == 2));
    let Value::Matrix(series) = ask("calls_total[10s]") else {
        panic!("a range vector is a matrix");
    };
    // 21 … 30 s: the samples have their own times.
    assert_eq!(series[0].samples.len(), 10);
    assert_eq!(series[0].samples[0].t_ms, 21_000);
}

//! Asks one query and compares what comes with what should.

use ph_promql::{
    Annotation, Answer, EvalError, Labels, Limits, ParseError, Query, Sample, Series, Severity,
    Value as Answered, instant, parse, range,
};

use super::memory::Memory;
use super::script::{Eval, Expect, Text};
use super::series::{Line, Value, parse_line};

/// How far a value may be from the expected one, relative to both, as in Prometheus's own tests.
const TOLERANCE: f64 = 1e-6;
const MINUTE_MS: i64 = 60_000;

/// What became of a case.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Outcome {
    Passed,
    Failed(String),
    /// Not supported, and said so.
    Skipped(String),
}

enum Error {
    Unsupported(String),
    Failed(String),
}

pub(super) fn check(eval: &Eval, memory: &Memory) -> Outcome {
    if eval.results.iter().any(|line| line.contains("{{")) {
        return Outcome::Skipped("native histograms expected".to_owned());
    }
    let answered = ask(eval, memory);
    let result = match (answered, &eval.expect.fail) {
        (Err(Error::Unsupported(what)), _) => return Outcome::Skipped(what),
        (Err(Error::Failed(said)), Some(wanted)) => match reads_as(&said, wanted) {
            true => Ok(()),
            false => Err(format!("fails with `{said}`, which should be {wanted:?}")),
        },
        (Err(Error::Failed(said)), None) => Err(format!("fails with `{said}`")),
        (Ok(_), Some(_)) => Err("should fail".to_owned()),
        (Ok((query, answer)), None) => compare(eval, &answer)
            .and_then(|()| check_remarks(&eval.expect, &answer.annotations))
            .and_then(|()| same_as_range(eval, &query, &answer, memory)),
    };
    match result {
        Ok(()) => Outcome::Passed,
        Err(reason) => Outcome::Failed(reason),
    }
}

fn ask(eval: &Eval, memory: &Memory) -> Result<(Query, Answer), Error> {
    let query = parse(&eval.query)?;
    let answer = match eval.range {
        Some((end_ms, step_ms)) => {
            range(memory, &query, eval.start_ms, end_ms, step_ms, &limits())?
        }
        None => instant(memory, &query, eval.start_ms, &limits())?,
    };
    Ok((query, answer))
}

/// Prometheus's own tests run with this flag.
fn limits() -> Limits<'static> {
    Limits {
        delayed_name_removal: true,
        ..Limits::default()
    }
}

impl From<ParseError> for Error {
    fn from(error: ParseError) -> Self {
        if error.unsupported {
            Self::Unsupported(error.text)
        } else {
            Self::Failed(error.to_string())
        }
    }
}

impl From<EvalError> for Error {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Unsupported(what) => Self::Unsupported(what),
            other => Self::Failed(other.to_string()),
        }
    }
}

fn reads_as(said: &str, wanted: &Text) -> bool {
    match wanted {
        Text::Any => true,
        Text::Is(message) => said == message,
        Text::Matches(pattern) => {
            regex::Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(said))
        }
    }
}

fn compare(eval: &Eval, answer: &Answer) -> Result<(), String> {
    match &answer.value {
        Answered::String(_, text) => match &eval.expect.string {
            Some(wanted) if wanted == text => Ok(()),
            wanted => Err(format!("gives the string {text:?} instead of {wanted:?}")),
        },
        Answered::Scalar(sample) => match &eval.results[..] {
            [number] if number.parse().is_ok_and(|wanted| nearly(sample.v, wanted)) => Ok(()),
            wanted => Err(format!("gives {} instead of {wanted:?}", sample.v)),
        },
        Answered::Vector(elements) => {
            let given: Vec<Series> = elements
                .iter()
                .map(|(labels, sample)| Series {
                    labels: labels.clone(),
                    samples: vec![*sample],
                })
                .collect();
            let wanted = wanted(eval, eval.start_ms, 1)?;
            same_series(&given, &wanted, eval.expect.ordered)
        }
        Answered::Matrix(given) => {
            let (start_ms, step_ms) = match (eval.expect.matrix, eval.range) {
                (Some(times), _) => times,
                (None, Some((_, step_ms))) => (eval.start_ms, step_ms),
                (None, None) => return Err("gives a matrix".to_owned()),
            };
            same_series(given, &wanted(eval, start_ms, step_ms)?, false)
        }
    }
}

fn wanted(eval: &Eval, start_ms: i64, step_ms: i64) -> Result<Vec<Series>, String> {
    let series = |line: &String| -> Result<Series, String> {
        let line: Line = parse_line(line).map_err(|error| format!("{error:#}"))?;
        let times = (0i64..).map(|i| start_ms + i * step_ms);
        let samples = times
            .zip(&line.values)
            .filter_map(|(t_ms, value)| match value {
                Value::Float(v) => Some(Sample { t_ms, v: *v }),
                _ => None,
            });
        Ok(Series {
            labels: line.labels,
            samples: samples.collect(),
        })
    };
    eval.results.iter().map(series).collect()
}

fn same_series(given: &[Series], wanted: &[Series], ordered: bool) -> Result<(), String> {
    let wanted: Vec<&Series> = wanted
        .iter()
        .filter(|one| !one.samples.is_empty())
        .collect();
    let labels = |series: &Series| series.labels.to_string();
    for (i, want) in wanted.iter().enumerate() {
        let at = given.iter().position(|give| give.labels == want.labels);
        let Some(at) = at else {
            let all: Vec<String> = given.iter().map(labels).collect();
            return Err(format!("lacks {}; gives {}", want.labels, all.join(" ")));
        };
        if ordered && at != i {
            return Err(format!(
                "gives {} as number {at} instead of {i}",
                want.labels
            ));
        }
        same_samples(&given[at], want)?;
    }
    let is_wanted = |give: &&Series| wanted.iter().any(|want| want.labels == give.labels);
    match given.iter().find(|give| !is_wanted(give)) {
        Some(extra) => Err(format!("gives {}, which should not be there", extra.labels)),
        None if given.len() != wanted.len() => Err("gives a series twice".to_owned()),
        None => Ok(()),
    }
}

fn same_samples(given: &Series, wanted: &Series) -> Result<(), String> {
    let pairs = given.samples.iter().zip(&wanted.samples);
    let same = |give: &Sample, want: &Sample| give.t_ms == want.t_ms && nearly(give.v, want.v);
    let all = pairs.clone().all(|(give, want)| same(give, want));
    if all && given.samples.len() == wanted.samples.len() {
        return Ok(());
    }
    let shown = |samples: &[Sample]| {
        let all: Vec<String> = samples
            .iter()
            .map(|sample| format!("{}@{}", sample.v, sample.t_ms / 1000))
            .collect();
        all.join(" ")
    };
    Err(format!(
        "gives {} [{}] instead of [{}]",
        given.labels,
        shown(&given.samples),
        shown(&wanted.samples)
    ))
}

/// An instant query gives what a range query gives at that time.
fn same_as_range(
    eval: &Eval,
    query: &Query,
    answer: &Answer,
    memory: &Memory,
) -> Result<(), String> {
    // `ordered` is about orders only, which a range does not have.
    let Answered::Vector(elements) = &answer.value else {
        return Ok(());
    };
    if eval.expect.ordered || eval.query.contains("start()") || eval.query.contains("end()") {
        return Ok(());
    }
    let (start_ms, end_ms) = (eval.start_ms - MINUTE_MS, eval.start_ms + MINUTE_MS);
    let ranged = range(memory, query, start_ms, end_ms, MINUTE_MS, &limits());
    let ranged = match ranged.map(|answer| answer.value) {
        Ok(Answered::Matrix(series)) => series,
        // At another time of the range the query may rightly fail.
        _ => return Ok(()),
    };
    let at_time = |series: &Series| -> Option<(Labels, f64)> {
        let sample = series
            .samples
            .iter()
            .find(|one| one.t_ms == eval.start_ms)?;
        Some((series.labels.clone(), sample.v))
    };
    let mut found: Vec<(Labels, f64)> = ranged.iter().filter_map(at_time).collect();
    let mut wanted: Vec<(Labels, f64)> = elements
        .iter()
        .map(|(labels, sample)| (labels.clone(), sample.v))
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    wanted.sort_by(|one, other| one.0.cmp(&other.0));
    let same =
        |(one, other): (&(Labels, f64), &(Labels, f64))| one.0 == other.0 && nearly(one.1, other.1);
    if found.len() == wanted.len() && found.iter().zip(&wanted).all(same) {
        return Ok(());
    }
    Err(format!(
        "a range query gives {found:?} instead of {wanted:?}"
    ))
}

fn check_remarks(expect: &Expect, given: &[Annotation]) -> Result<(), String> {
    for remark in &expect.remarks {
        let of_kind = given
            .iter()
            .filter(|one| (one.severity == Severity::Warning) == remark.is_warning);
        let texts: Vec<&str> = of_kind.map(|one| one.text.as_str()).collect();
        match &remark.wanted {
            None if texts.is_empty() => {}
            Some(wanted) if texts.iter().any(|text| reads_as(text, wanted)) => {}
            None => return Err(format!("remarks {texts:?}, and should not")),
            Some(wanted) => return Err(format!("remarks {texts:?} instead of {wanted:?}")),
        }
    }
    Ok(())
}

fn nearly(one: f64, other: f64) -> bool {
    if one == other || (one.is_nan() && other.is_nan()) {
        return true;
    }
    let (sum, difference) = (one.abs() + other.abs(), (one - other).abs());
    if one == 0.0 || other == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < TOLERANCE * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < TOLERANCE
}

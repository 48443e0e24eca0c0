//! `cargo xtask cases ask SERIES QUERIES`: answers queries over given series, for tests that compare the
//! answers with somebody else's. Both files and the answer are JSON, one value in a line.
//!
//! Series: `{"labels": {…}, "samples": [[unix ms, "value"], …]}`. Queries: `{"query", "start", "end"?, "step"?}`
//! in Unix milliseconds. Answers: `{"series": […]}`, `{"error": "…"}` or `{"unsupported": "…"}`.

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use ph_promql::{
    EvalError, Labels, Limits, Sample, Select, Series, SeriesSource, SourceError,
    Value as Answered, instant, parse, range,
};
use serde_json::{Value, json};

/// Answers all queries of a file on stdout.
pub(super) fn answer(series: &Path, queries: &Path) -> Result<()> {
    let source = Given(
        lines(series)?
            .iter()
            .map(read_series)
            .collect::<Result<_>>()?,
    );
    let mut out = std::io::stdout().lock();
    for query in lines(queries)? {
        let answer = match ask(&source, &query) {
            Ok(series) => json!({ "series": series }),
            Err(Said::Unsupported(what)) => json!({ "unsupported": what }),
            Err(Said::Error(what)) => json!({ "error": what }),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn lines(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines()
        .map(|line| serde_json::from_str(line).with_context(|| line.to_owned()))
        .collect()
}

fn read_series(value: &Value) -> Result<Series> {
    let labels = value["labels"].as_object().context("no labels")?;
    let pairs = labels
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str().unwrap_or_default()));
    let samples = value["samples"].as_array().context("no samples")?;
    let sample = |pair: &Value| -> Result<Sample> {
        let v = pair[1].as_str().context("no value")?;
        Ok(Sample {
            t_ms: pair[0].as_i64().context("no time")?,
            v: v.parse().with_context(|| v.to_owned())?,
        })
    };
    Ok(Series {
        labels: Labels::from_pairs(pairs),
        samples: samples.iter().map(sample).collect::<Result<_>>()?,
    })
}

struct Given(Vec<Series>);

impl SeriesSource for Given {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let matches = |series: &&Series| {
            let value = |name: &str| series.labels.get(name).unwrap_or_default();
            wish.matchers
                .iter()
                .all(|one| one.matches(value(one.name())))
        };
        Ok(self.0.iter().filter(matches).cloned().collect())
    }
}

enum Said {
    Unsupported(String),
    Error(String),
}

impl From<EvalError> for Said {
    fn from(error: EvalError) -> Self {
        match error {
            EvalError::Unsupported(what) => Self::Unsupported(what),
            other => Self::Error(other.to_string()),
        }
    }
}

fn ask(source: &Given, wish: &Value) -> Result<Vec<Value>, Said> {
    let text = wish["query"].as_str().unwrap_or_default();
    let query = parse(text).map_err(|error| {
        if error.unsupported {
            Said::Unsupported(error.text)
        } else {
            Said::Error(error.to_string())
        }
    })?;
    let time = |name: &str| wish[name].as_i64();
    let start_ms = time("start").unwrap_or_default();
    let limits = Limits::default();
    let answer = match (time("end"), time("step")) {
        (Some(end_ms), Some(step_ms)) => range(source, &query, start_ms, end_ms, step_ms, &limits)?,
        _ => instant(source, &query, start_ms, &limits)?,
    };
    Ok(match answer.value {
        Answered::Scalar(sample) => vec![shown(&Labels::default(), &[sample])],
        Answered::String(..) => Vec::new(),
        Answered::Vector(elements) => elements
            .iter()
            .map(|(labels, sample)| shown(labels, &[*sample]))
            .collect(),
        Answered::Matrix(series) => series
            .iter()
            .map(|one| shown(&one.labels, &one.samples))
            .collect(),
    })
}

fn shown(labels: &Labels, samples: &[Sample]) -> Value {
    let labels: serde_json::Map<String, Value> = labels
        .iter()
        .map(|(name, value)| (name.to_owned(), value.into()))
        .collect();
    let samples: Vec<Value> = samples
        .iter()
        .map(|sample| json!([sample.t_ms, sample.v.to_string()]))
        .collect();
    json!({ "labels": labels, "samples": samples })
}

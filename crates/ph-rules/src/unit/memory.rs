//! Series in memory, and the asker over them: what a test file feeds, and what rules wrote.

use std::collections::BTreeMap;

use ph_promql::{
    Labels, Limits, METRIC_NAME, Query, Sample, Select, Series, SeriesSource, SourceError, Value,
};

use crate::{Ask, AskError};

/// Series in memory. For tests of rules, and for trying rules on a past that was read before.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// By metric name, so that a selector need not ask every series.
    metrics: BTreeMap<String, BTreeMap<Labels, Vec<Sample>>>,
    subquery_step_ms: Option<i64>,
}

impl Memory {
    /// The step of subqueries that name none, milliseconds; 1 minute without.
    pub fn set_subquery_step(&mut self, step_ms: i64) {
        self.subquery_step_ms = Some(step_ms.max(1));
    }

    /// Adds a sample. One that is not later than the last of its series is left out, as a store does.
    ///
    /// - returns: whether it was taken.
    pub fn add(&mut self, labels: &Labels, sample: Sample) -> bool {
        let name = labels.metric_name().unwrap_or_default().to_owned();
        let series = self.metrics.entry(name).or_default();
        let samples = series.entry(labels.clone()).or_default();
        let is_later = samples.last().is_none_or(|last| last.t_ms < sample.t_ms);
        if is_later {
            samples.push(sample);
        }
        is_later
    }

    fn limits(&self) -> Limits<'static> {
        let limits = Limits::default();
        let subquery_step_ms = self.subquery_step_ms.unwrap_or(limits.subquery_step_ms);
        Limits {
            subquery_step_ms,
            ..limits
        }
    }
}

impl SeriesSource for Memory {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let name = wish.matchers.iter().find(|m| m.name() == METRIC_NAME);
        let mut found = Vec::new();
        for (metric, all) in &self.metrics {
            if name.is_some_and(|matcher| !matcher.matches(metric)) {
                continue;
            }
            for (labels, samples) in all {
                let fits =
                    |m: &ph_promql::Matcher| m.matches(labels.get(m.name()).unwrap_or_default());
                if !wish.matchers.iter().all(fits) {
                    continue;
                }
                let from = samples.partition_point(|sample| sample.t_ms < wish.from_ms);
                let to = samples.partition_point(|sample| sample.t_ms <= wish.to_ms);
                if from < to {
                    found.push(Series {
                        labels: labels.clone(),
                        samples: samples[from..to].to_vec(),
                    });
                }
            }
        }
        Ok(found)
    }
}

impl Ask for Memory {
    fn instant(&mut self, query: &Query, at_ms: i64) -> Result<Vec<(Labels, f64)>, AskError> {
        let answer = ph_promql::instant(self, query, at_ms, &self.limits())
            .map_err(|error| AskError(error.to_string()))?;
        match answer.value {
            Value::Vector(elements) => {
                let element = |(labels, sample): (Labels, Sample)| (labels, sample.v);
                Ok(elements.into_iter().map(element).collect())
            }
            Value::Scalar(sample) => Ok(vec![(Labels::default(), sample.v)]),
            Value::String(..) | Value::Matrix(_) => {
                Err(AskError("rule result is not a vector or scalar".to_owned()))
            }
        }
    }

    fn written(&mut self, at_ms: i64, samples: &[(Labels, f64)]) {
        for (labels, v) in samples {
            self.add(labels, Sample { t_ms: at_ms, v: *v });
        }
    }
}

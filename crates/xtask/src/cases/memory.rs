//! Series in memory, for the engine to ask.

use std::collections::BTreeMap;

use ph_promql::{Labels, METRIC_NAME, Sample, Select, Series, SeriesSource, SourceError};

use super::script::Load;
use super::series::Value;

#[derive(Default)]
pub(super) struct Memory {
    series: BTreeMap<Labels, Stored>,
}

#[derive(Default)]
struct Stored {
    samples: BTreeMap<i64, Value>,
}

impl Memory {
    pub(super) fn load(&mut self, load: &Load) -> Result<(), String> {
        for line in &load.lines {
            let line = line.as_ref().map_err(|error| format!("{error:#}"))?;
            let times = (0..).step_by(usize::try_from(load.step_ms).unwrap_or(1).max(1));
            let stored = self.series.entry(line.labels.clone()).or_default();
            for (t_ms, value) in times.zip(&line.values) {
                if *value != Value::None {
                    stored.samples.insert(t_ms, *value);
                }
            }
            if load.makes_native {
                self.add_native(&line.labels, load.step_ms, line.values.len());
            }
        }
        Ok(())
    }

    /// The native histogram that is made of a classic one.
    fn add_native(&mut self, labels: &Labels, step_ms: i64, count: usize) {
        let name = labels.metric_name().unwrap_or_default();
        let Some(name) = name.strip_suffix("_bucket") else {
            return;
        };
        let labels = labels.with("le", "").with(METRIC_NAME, name);
        let stored = self.series.entry(labels).or_default();
        for i in 0..count {
            let t_ms = step_ms.saturating_mul(i64::try_from(i).unwrap_or(i64::MAX));
            stored.samples.insert(t_ms, Value::Native);
        }
    }
}

impl SeriesSource for Memory {
    fn select(&self, wish: &Select<'_>) -> Result<Vec<Series>, SourceError> {
        let mut found = Vec::new();
        let mut count = 0;
        for (labels, stored) in &self.series {
            let value = |name: &str| labels.get(name).unwrap_or_default();
            if !wish
                .matchers
                .iter()
                .all(|one| one.matches(value(one.name())))
            {
                continue;
            }
            let mut samples = Vec::new();
            if wish.from_ms <= wish.to_ms {
                for (t_ms, value) in stored.samples.range(wish.from_ms..=wish.to_ms) {
                    match value {
                        Value::Float(v) => samples.push(Sample { t_ms: *t_ms, v: *v }),
                        Value::Native => {
                            return Err(SourceError::Unsupported("native histograms".to_owned()));
                        }
                        Value::None => {}
                    }
                }
            }
            count += samples.len();
            if count > wish.samples_max {
                let max = wish.samples_max;
                return Err(SourceError::TooManySamples { max });
            }
            if found.len() == wish.series_max {
                let max = wish.series_max;
                return Err(SourceError::TooManySeries { max });
            }
            found.push(Series {
                labels: labels.clone(),
                samples,
            });
        }
        Ok(found)
    }
}

//! Numbers that others keep, shown with our own.

use super::Number;
use super::page::Page;
use ph_record::catalogue::{self, Metric};
use ph_record::{Reading, SampleSource};
use std::sync::Arc;

/// One series of a source, until all sources were asked.
struct Taken {
    metric: &'static Metric,
    values: Vec<String>,
    value: Value,
}

enum Value {
    One(f64),
    Histogram(Vec<u64>, f64),
}

/// Series of all sources, family by family, in the order of the catalogue; what is not in the
/// catalogue, or has other labels than there, is left out.
pub(super) fn sources(page: &mut Page<'_>, sources: &[Arc<dyn SampleSource>]) {
    let mut families: Vec<Vec<Taken>> = Vec::new();
    families.resize_with(catalogue::ALL.len(), Vec::new);
    let mut last = (usize::MAX, "");
    for source in sources {
        source.samples(&mut |metric, values, reading| {
            if last.1 != metric.name {
                let at = catalogue::ALL.iter().position(|m| m.name == metric.name);
                last = (at.unwrap_or(usize::MAX), metric.name);
            }
            let Some(family) = families.get_mut(last.0) else {
                return;
            };
            let fits = match reading {
                Reading::Value(_) => metric.buckets.is_empty(),
                Reading::Histogram { buckets, .. } => buckets.len() == metric.buckets.len() + 1,
            };
            if fits && values.len() == metric.labels.len() {
                family.push(Taken {
                    metric,
                    values: values.iter().map(|v| (*v).to_owned()).collect(),
                    value: match reading {
                        Reading::Value(value) => Value::One(value),
                        Reading::Histogram { buckets, sum } => {
                            Value::Histogram(buckets.to_vec(), sum)
                        }
                    },
                });
            }
        });
    }
    for taken in &families {
        let Some(first) = taken.first() else {
            continue;
        };
        let mut family = page.family(first.metric);
        for Taken { values, value, .. } in taken {
            let values: Vec<&str> = values.iter().map(String::as_str).collect();
            match value {
                Value::One(value) => family.sample(&values, *value),
                Value::Histogram(buckets, sum) => {
                    family.histogram(&values, buckets, Number::Float(*sum), &[]);
                }
            }
        }
    }
}

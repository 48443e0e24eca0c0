//! What metrics are: type, help and unit, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

/// Names that metadata is kept of. More are left out.
const METRICS_MAX: usize = 10_000;

/// What a target says of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMetadata {
    /// The metric's name, for a histogram without `_bucket`.
    pub metric: Arc<str>,
    /// `counter`, `gauge`, `histogram`, `summary`, `info`, `stateset`, `unknown`.
    pub kind: Arc<str>,
    /// One sentence.
    pub help: Arc<str>,
    /// Unit, may be empty.
    pub unit: Arc<str>,
}

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// `counter`, `gauge`, `histogram`, `summary`, `info`, `stateset`, `unknown`.
    pub kind: Arc<str>,
    /// One sentence.
    pub help: Arc<str>,
    /// Unit, may be empty.
    pub unit: Arc<str>,
}

/// The last that was said of each metric.
#[derive(Debug, Default)]
pub(super) struct Table(BTreeMap<Arc<str>, Metadata>);

impl Table {
    /// Whether it was news.
    pub(super) fn put(&mut self, new: &NewMetadata) -> bool {
        if !self.is_news(new) {
            return false;
        }
        let metadata = Metadata {
            kind: new.kind.clone(),
            help: new.help.clone(),
            unit: new.unit.clone(),
        };
        self.0.insert(new.metric.clone(), metadata);
        true
    }

    pub(super) fn is_news(&self, new: &NewMetadata) -> bool {
        match self.0.get(&new.metric) {
            Some(old) => old.kind != new.kind || old.help != new.help || old.unit != new.unit,
            None => self.0.len() < METRICS_MAX,
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &Metadata)> {
        self.0.iter()
    }

    pub(super) fn all(&self) -> Vec<NewMetadata> {
        self.iter()
            .map(|(metric, metadata)| NewMetadata {
                metric: metric.clone(),
                kind: metadata.kind.clone(),
                help: metadata.help.clone(),
                unit: metadata.unit.clone(),
            })
            .collect()
    }
}

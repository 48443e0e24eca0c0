//! Our own numbers as samples: the same series, in the same words, as a scrape of `/metrics` gives.

use crate::exposition::{Number, Output, Scrape, Series, give};
use crate::registry::Exemplar;
use ph_promql::{Labels, METRIC_NAME};
use ph_record::catalogue::{self, Kind, Metric};
use ph_store::series::{NewExemplar, NewMetadata, NewSample};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

/// The job of our own numbers.
const JOB: &str = "mcp-server";
/// Label sets that are remembered; beyond it they are made anew.
const KNOWN_MAX: usize = 65_536;

/// Makes samples, and remembers label sets from one time to the next.
pub(crate) struct Sampler {
    instance: Arc<str>,
    known: HashMap<u64, Labels>,
    words: HashSet<Arc<str>>,
    /// Exemplars up to here were handed over.
    exemplars_until_ns: u64,
}

/// What was taken at one time.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) samples: Vec<NewSample>,
    pub(crate) exemplars: Vec<NewExemplar>,
    pub(crate) metadata: Vec<NewMetadata>,
}

impl Sampler {
    /// - `instance`: where the data listener is.
    pub(crate) fn new(instance: &str) -> Self {
        Self {
            instance: instance.into(),
            known: HashMap::new(),
            words: HashSet::new(),
            exemplars_until_ns: 0,
        }
    }

    /// The name under which the store knows us as a target.
    pub(crate) fn target(&self) -> String {
        format!("{JOB}/{}", self.instance)
    }

    /// Everything that the scrape shows, `up` before it.
    pub(crate) fn take(&mut self, scrape: &Scrape<'_>) -> Taken {
        if self.known.len() > KNOWN_MAX {
            self.known.clear();
            self.words.clear();
        }
        let mut taking = Taking {
            newest_ns: self.exemplars_until_ns,
            sampler: self,
            taken: Taken::default(),
        };
        taking.up();
        give(scrape, &mut taking);
        let Taking {
            taken, newest_ns, ..
        } = taking;
        self.exemplars_until_ns = newest_ns;
        taken
    }

    fn labels(&mut self, series: &Series<'_>) -> Labels {
        let mut hasher = DefaultHasher::new();
        (series.metric.name, series.suffix, series.values, series.le).hash(&mut hasher);
        let key = hasher.finish();
        if let Some(labels) = self.known.get(&key)
            && series
                .labels()
                .all(|(name, value)| labels.get(name).unwrap_or("") == value)
            && labels
                .metric_name()
                .and_then(|name| name.strip_prefix(series.metric.name))
                == Some(series.suffix)
        {
            return labels.clone();
        }
        let name = format!("{}{}", series.metric.name, series.suffix);
        let mut pairs = vec![
            (self.word(METRIC_NAME), self.word(&name)),
            (self.word("job"), self.word(JOB)),
            (self.word("instance"), Arc::clone(&self.instance)),
        ];
        for (name, value) in series.labels() {
            pairs.push((self.word(name), self.word(value)));
        }
        let labels = Labels::from_pairs(pairs);
        self.known.insert(key, labels.clone());
        labels
    }

    /// One copy of a text for all label sets.
    fn word(&mut self, text: &str) -> Arc<str> {
        if let Some(word) = self.words.get(text) {
            return Arc::clone(word);
        }
        let word: Arc<str> = text.into();
        self.words.insert(Arc::clone(&word));
        word
    }
}

struct Taking<'a> {
    sampler: &'a mut Sampler,
    taken: Taken,
    newest_ns: u64,
}

impl Taking<'_> {
    fn up(&mut self) {
        let labels = Labels::from_pairs([
            (METRIC_NAME, "up"),
            ("job", JOB),
            ("instance", &*self.sampler.instance),
        ]);
        self.taken.samples.push(NewSample {
            labels,
            v: 1.0,
            t_ms: None,
        });
    }
}

impl Output for Taking<'_> {
    fn family(&mut self, metric: &'static Metric) {
        if is_kept(metric) {
            let kind = match metric.kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
                Kind::Histogram => "histogram",
            };
            self.taken.metadata.push(NewMetadata {
                metric: self.sampler.word(metric.name),
                kind: self.sampler.word(kind),
                help: self.sampler.word(metric.help),
                unit: self.sampler.word(""),
            });
        }
    }

    fn sample(&mut self, series: &Series<'_>, value: Number, exemplar: Option<&Exemplar>) {
        if !is_kept(series.metric) {
            return;
        }
        let labels = self.sampler.labels(series);
        if let Some(exemplar) = exemplar.filter(|e| e.at_unix_ns > self.sampler.exemplars_until_ns)
        {
            self.newest_ns = self.newest_ns.max(exemplar.at_unix_ns);
            self.taken.exemplars.push(NewExemplar {
                series: labels.clone(),
                labels: Labels::from_pairs([
                    ("trace_id", exemplar.trace_id.to_string()),
                    ("span_id", exemplar.span_id.to_string()),
                ]),
                v: Number::Nanos(exemplar.value_ns).as_f64(),
                t_ms: i64::try_from(exemplar.at_unix_ns / 1_000_000).unwrap_or(i64::MAX),
            });
        }
        self.taken.samples.push(NewSample {
            labels,
            v: value.as_f64(),
            t_ms: None,
        });
    }
}

/// The OTel histogram says the same as `mcp_response_duration_seconds` in other words.
fn is_kept(metric: &Metric) -> bool {
    metric.name != catalogue::OTEL_OPERATION_SECONDS.name
}

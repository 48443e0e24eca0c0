//! Metrics to an OpenTelemetry collector, each interval.
//!
//! There is no offset here: counters and histograms are cumulative, so the next export makes good
//! what an export that failed did not bring. What is lost is resolution, and that is counted.

use crate::counts::{Counts, Totals};
use ph_otlp::encode::Source;
use ph_otlp::metrics::{Batch, Kind, Metric, Point, Value};
use ph_otlp::{Attribute, Collector};
use ph_record::catalogue;
use ph_record::{Reading, SampleSource};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle as Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Where metrics go.
#[derive(Clone, Debug)]
pub struct MetricsSettings {
    /// The sink's name.
    pub name: String,
    /// The collector.
    pub collector: ph_otlp::Settings,
    /// `service.name`.
    pub service: String,
    /// Our version.
    pub version: String,
    /// Time between two exports.
    pub interval: Duration,
    /// Since when counters count, Unix time in nanoseconds.
    pub start_unix_ns: u64,
}

/// A running export of metrics.
pub struct MetricsPush {
    name: String,
    counts: Arc<Counts>,
    end: CancellationToken,
    task: JoinHandle<()>,
}

impl MetricsPush {
    /// Starts exporting what `source` reads.
    ///
    /// # Errors
    /// When the authorities that the collector's certificate is checked by cannot be read.
    pub fn start(
        settings: MetricsSettings,
        source: Arc<dyn SampleSource>,
        complain: Arc<dyn Fn(&str) + Send + Sync>,
        runtime: &Runtime,
    ) -> io::Result<Self> {
        let collector = settings
            .collector
            .clone()
            .for_signal(ph_otlp::Signal::Metrics);
        let collector = Collector::new(collector)?;
        let (counts, end) = (Arc::new(Counts::default()), CancellationToken::new());
        let name = settings.name.clone();
        let pusher = Pusher {
            ours: Source::new(&settings.service, &settings.version, &[], "pilothouse"),
            settings,
            collector,
            source,
            counts: Arc::clone(&counts),
            complain,
        };
        let task = runtime.spawn(pusher.run(end.clone()));
        Ok(Self {
            name,
            counts,
            end,
            task,
        })
    }

    /// The sink's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Exports so far: `delivered` of them, and `retries` that were made good by a later one.
    pub fn totals(&self) -> Totals {
        self.counts.totals()
    }

    /// Exports once more, in at most `limit`, and ends.
    pub async fn stop(self, limit: Duration) {
        self.end.cancel();
        let mut task = self.task;
        if tokio::time::timeout(limit, &mut task).await.is_err() {
            task.abort();
        }
    }
}

struct Pusher {
    settings: MetricsSettings,
    ours: Source,
    collector: Collector,
    source: Arc<dyn SampleSource>,
    counts: Arc<Counts>,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Pusher {
    async fn run(mut self, end: CancellationToken) {
        let mut ticks = tokio::time::interval(self.settings.interval);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let last = tokio::select! {
                _ = ticks.tick() => false,
                () = end.cancelled() => true,
            };
            self.export().await;
            if last {
                return;
            }
        }
    }

    async fn export(&mut self) {
        let request = self.request();
        match self.collector.send(&request).await {
            Ok(accepted) => {
                let failure = (accepted.rejected > 0).then_some(accepted.message);
                self.counts.delivered.fetch_add(1, Relaxed);
                self.note(true, failure);
            }
            Err(error) => {
                self.counts.retries.fetch_add(1, Relaxed);
                self.note(false, Some(error.to_string()));
            }
        }
    }

    fn request(&self) -> Vec<u8> {
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let unix_ns = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let mut batch = Batch::default();
        let mut family: Option<Metric<'static>> = None;
        self.source.samples(&mut |metric, labels, reading| {
            if family
                .as_ref()
                .is_none_or(|family| family.name != metric.name)
            {
                family.take().iter().for_each(|family| batch.push(family));
                family = Some(family_of(metric, self.settings.start_unix_ns, unix_ns));
            }
            if let Some(family) = &mut family {
                family.points.push(point(metric, labels, reading));
            }
        });
        family.iter().for_each(|family| batch.push(family));
        batch.finish(&self.ours)
    }

    /// Says only what is new.
    fn note(&self, up: bool, failure: Option<String>) {
        let before = self.counts.failure();
        if let Some(text) = &failure
            && before.is_none()
        {
            (self.complain)(&format!("sink `{}`: {text}", self.settings.name));
        }
        self.counts.up.store(up, Relaxed);
        self.counts.set_failure(failure);
    }
}

fn family_of(
    metric: &'static catalogue::Metric,
    start_unix_ns: u64,
    unix_ns: u64,
) -> Metric<'static> {
    Metric {
        name: metric.name,
        help: metric.help,
        unit: unit(metric.name),
        kind: match metric.kind {
            catalogue::Kind::Counter => Kind::Counter,
            catalogue::Kind::Gauge => Kind::Gauge,
            catalogue::Kind::Histogram => Kind::Histogram,
        },
        start_unix_ns,
        unix_ns,
        points: Vec::new(),
    }
}

/// UCUM, from the name's own unit.
fn unit(name: &str) -> &'static str {
    let name = name.strip_suffix("_total").unwrap_or(name);
    if name.ends_with("_seconds") {
        "s"
    } else if name.ends_with("_bytes") {
        "By"
    } else {
        ""
    }
}

fn point(metric: &'static catalogue::Metric, labels: &[&str], reading: Reading<'_>) -> Point {
    let attributes = metric
        .labels
        .iter()
        .zip(labels)
        .map(|(name, value)| -> Attribute { ((*name).into(), (*value).to_owned().into()) })
        .collect();
    let value = match reading {
        Reading::Value(number) => Value::Number(number),
        Reading::Histogram { buckets, sum } => Value::Histogram {
            bounds: metric.buckets.to_vec(),
            counts: buckets.to_vec(),
            sum,
        },
    };
    Point { attributes, value }
}

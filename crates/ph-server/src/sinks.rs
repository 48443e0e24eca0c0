//! The plan's sinks, running.

use crate::start_error::StartError;
use ph_api::SinkStatus;
use ph_plan::{Elasticsearch, OtlpProtocol, OtlpSink, Plan, RecordKind, Secret};
use ph_record::{Reading, SampleSource, catalogue};
use ph_sinks::{
    Auth, ElasticSettings, Feed, Handle, MetricsPush, MetricsSettings, OtlpSettings, Signal, Sink,
    SinkSettings, StoreFeed, Target, Totals, WhenFull,
};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Handle as Runtime;

/// Everything that passes records or metrics on.
pub(crate) struct Sinks {
    feed: StoreFeed,
    /// Where offsets are kept.
    dir: PathBuf,
    metrics: Arc<dyn SampleSource>,
    version: String,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
    start_unix_ns: u64,
    running: Mutex<BTreeMap<String, Running>>,
}

struct Running {
    kind: &'static str,
    task: Task,
}

enum Task {
    Records(Handle),
    Metrics(MetricsPush),
}

/// What sinks need.
pub(crate) struct Parts {
    pub(crate) feed: StoreFeed,
    pub(crate) dir: PathBuf,
    /// All of our own numbers.
    pub(crate) metrics: Arc<dyn SampleSource>,
    pub(crate) version: String,
    pub(crate) complain: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Sinks {
    pub(crate) fn new(parts: Parts) -> Self {
        Self {
            feed: parts.feed,
            dir: parts.dir,
            metrics: parts.metrics,
            version: parts.version,
            complain: parts.complain,
            start_unix_ns: now_unix_ns(),
            running: Mutex::default(),
        }
    }

    /// Runs the sinks of `plan`, and no other. Those that ran are stopped first, for at most `limit`:
    /// what they have not sent is sent by those that come.
    ///
    /// # Errors
    /// When a sink cannot start; the sinks before it run.
    pub(crate) async fn apply(&self, plan: &Plan, limit: Duration) -> Result<(), StartError> {
        self.stop(limit).await;
        for (name, sink) in &plan.sinks {
            let name = name.as_str();
            if let Some(elastic) = &sink.elasticsearch {
                let target = Target::Elastic(Box::new(elastic_settings(elastic, sink.timeout)));
                self.start_records(name.to_owned(), "elasticsearch", sink, target)?;
            }
            if let Some(otlp) = &sink.otlp {
                self.start_otlp(name, sink, otlp)?;
            }
        }
        Ok(())
    }

    fn start_otlp(
        &self,
        name: &str,
        sink: &ph_plan::Sink,
        otlp: &OtlpSink,
    ) -> Result<(), StartError> {
        let collector = collector(name, otlp, sink.timeout)?;
        let target = |signal| {
            Target::Otlp(Box::new(OtlpSettings {
                collector: collector.clone(),
                signal,
                service: otlp.service_name.as_str().to_owned(),
                version: self.version.clone(),
            }))
        };
        if otlp.logs {
            self.start_records(format!("{name}-logs"), "otlp", sink, target(Signal::Logs))?;
        }
        if otlp.traces {
            let signal = Signal::Traces {
                ratio: otlp.sample_ratio,
                slow: otlp.slow,
            };
            self.start_records(format!("{name}-traces"), "otlp", sink, target(signal))?;
        }
        if otlp.metrics {
            let name = format!("{name}-metrics");
            let settings = MetricsSettings {
                name: name.clone(),
                collector: collector.clone(),
                service: otlp.service_name.as_str().to_owned(),
                version: self.version.clone(),
                interval: otlp.metrics_interval,
                start_unix_ns: self.start_unix_ns,
            };
            let metrics = Arc::clone(&self.metrics);
            let complain = Arc::clone(&self.complain);
            let push = MetricsPush::start(settings, metrics, complain, &Runtime::current())
                .map_err(|source| ph_sinks::SinkError::Collector {
                    sink: name.clone(),
                    source,
                })?;
            self.running().insert(
                name,
                Running {
                    kind: "otlp",
                    task: Task::Metrics(push),
                },
            );
        }
        Ok(())
    }

    fn start_records(
        &self,
        name: String,
        kind: &'static str,
        sink: &ph_plan::Sink,
        target: Target,
    ) -> Result<(), StartError> {
        let settings = SinkSettings {
            name: name.clone(),
            target,
            when_full: match sink.when_full {
                ph_plan::WhenFull::Block => WhenFull::Block,
                ph_plan::WhenFull::DropOldest => WhenFull::DropOldest,
                ph_plan::WhenFull::DropNewest => WhenFull::DropNewest,
            },
            lag_bytes_max: sink.lag_bytes_max.bytes(),
            batch_entries_max: crate::settings::count(sink.batch_entries),
            batch_bytes_max: sink.batch_bytes.as_usize(),
            batch_delay: sink.batch_delay,
            kinds: sink
                .kinds
                .iter()
                .map(|kind| kind_label(*kind).to_owned())
                .collect(),
        };
        let feed: Arc<dyn Feed> = Arc::new(self.feed.clone());
        let complain = Arc::clone(&self.complain);
        let handle = Sink::start(settings, feed, &self.dir, complain, &Runtime::current())?;
        self.running().insert(
            name,
            Running {
                kind,
                task: Task::Records(handle),
            },
        );
        Ok(())
    }

    /// Lets every sink send what is there for at most `limit`, and ends them.
    pub(crate) async fn stop(&self, limit: Duration) {
        let running = std::mem::take(&mut *self.running());
        let mut ending = tokio::task::JoinSet::new();
        for running in running.into_values() {
            ending.spawn(async move {
                match running.task {
                    Task::Records(handle) => handle.stop(limit).await,
                    Task::Metrics(push) => push.stop(limit).await,
                }
            });
        }
        ending.join_all().await;
    }

    /// Changed whole: a panic elsewhere leaves it in order.
    fn running(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn totals(&self) -> Vec<(String, &'static str, Totals)> {
        let running = self.running();
        let totals = |task: &Task| match task {
            Task::Records(handle) => handle.counts().totals(),
            Task::Metrics(push) => push.totals(),
        };
        running
            .iter()
            .map(|(name, running)| (name.clone(), running.kind, totals(&running.task)))
            .collect()
    }
}

impl SampleSource for Sinks {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        let all = self.totals();
        let now = now_unix_ns();
        for (sink, _, totals) in &all {
            let results = [
                ("delivered", totals.delivered),
                ("rejected", totals.rejected),
                ("dropped_lag", totals.dropped_lag),
                ("dropped_retention", totals.dropped_retention),
            ];
            for (result, count) in results {
                out(
                    &catalogue::SINK_ENTRIES,
                    &[sink, result],
                    Reading::Value(count as f64),
                );
            }
        }
        type Read = fn(&Totals, u64) -> f64;
        let gauges: [(&'static catalogue::Metric, Read); 4] = [
            (&catalogue::SINK_RETRIES, |totals, _| totals.retries as f64),
            (&catalogue::SINK_LAG_ENTRIES, |totals, _| {
                totals.lag_entries as f64
            }),
            (&catalogue::SINK_LAG_SECONDS, lag_seconds),
            (&catalogue::SINK_UP, |totals, _| {
                f64::from(u8::from(totals.up))
            }),
        ];
        for (metric, read) in gauges {
            for (sink, _, totals) in &all {
                out(metric, &[sink], Reading::Value(read(totals, now)));
            }
        }
    }
}

impl ph_api::Sinks for Sinks {
    fn sinks(&self) -> Vec<SinkStatus> {
        let now = now_unix_ns();
        let status = |(name, kind, totals): (String, &'static str, Totals)| SinkStatus {
            name,
            kind: kind.to_owned(),
            up: totals.up,
            delivered: totals.delivered,
            rejected: totals.rejected,
            dropped: totals.dropped_lag + totals.dropped_retention,
            retries: totals.retries,
            lag_entries: totals.lag_entries,
            lag_seconds: lag_seconds(&totals, now),
        };
        self.totals().into_iter().map(status).collect()
    }
}

/// As the store calls it.
fn kind_label(kind: RecordKind) -> &'static str {
    match kind {
        RecordKind::Call => "call",
        RecordKind::Stderr => "stderr",
        RecordKind::Event => "event",
        RecordKind::File => "file",
        RecordKind::Span => "span",
        RecordKind::Log => "log",
    }
}

fn lag_seconds(totals: &Totals, now_unix_ns: u64) -> f64 {
    totals.oldest_unix_ns.map_or(0.0, |oldest| {
        now_unix_ns.saturating_sub(oldest) as f64 / 1e9
    })
}

fn elastic_settings(elastic: &Elasticsearch, timeout: Duration) -> ElasticSettings {
    let text = |secret: &Option<Secret>| secret.as_ref().map(|s| s.expose().to_owned());
    let auth = match (text(&elastic.api_key), &elastic.username) {
        (Some(key), _) => Auth::ApiKey(key),
        (None, Some(username)) => Auth::Basic {
            username: username.as_str().to_owned(),
            password: text(&elastic.password).unwrap_or_default(),
        },
        (None, None) => Auth::None,
    };
    let mut headers = http::HeaderMap::new();
    for (name, value) in &elastic.headers {
        // A value that no header can have is refused when the plan is read.
        if let Ok(mut value) = http::HeaderValue::from_str(value.expose()) {
            value.set_sensitive(true);
            headers.insert(name.header_name().clone(), value);
        }
    }
    ElasticSettings {
        url: elastic
            .url
            .as_ref()
            .map(|url| url.as_str().to_owned())
            .unwrap_or_default(),
        data_stream: elastic.data_stream.as_str().to_owned(),
        auth,
        headers,
        ca_file: elastic
            .ca_file
            .as_ref()
            .map(|path| path.as_path().to_owned()),
        template: elastic.template,
        timeout,
    }
}

fn collector(
    name: &str,
    otlp: &OtlpSink,
    timeout: Duration,
) -> Result<ph_otlp::Settings, ph_otlp::SettingsError> {
    let protocol = match otlp.protocol {
        OtlpProtocol::HttpProtobuf => ph_otlp::Protocol::HttpProtobuf,
        OtlpProtocol::Grpc => ph_otlp::Protocol::Grpc,
    };
    let setting = format!("sinks.{name}.otlp.endpoint");
    let endpoint = otlp
        .endpoint
        .as_ref()
        .map(|url| url.as_str())
        .unwrap_or_default();
    let mut settings = ph_otlp::Settings::at(&setting, endpoint, protocol)?
        .with_timeout(timeout)
        .with_service_name(otlp.service_name.as_str());
    for (name, secret) in &otlp.headers {
        if let Ok(value) = http::HeaderValue::from_str(secret.expose()) {
            settings = settings.with_header(name.header_name().clone(), value);
        }
    }
    if let Some(path) = &otlp.ca_file {
        settings = settings.with_certificate_file(&path.as_path().to_string_lossy());
    }
    Ok(settings)
}

fn now_unix_ns() -> u64 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

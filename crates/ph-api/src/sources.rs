//! What the API reads from and writes to, given by whoever assembles it.

use crate::admission::Admission;
use crate::alertmanager::Alertmanager;
use crate::blocks::Blocks;
use crate::configuration::Configurations;
use crate::keys::Keys;
use crate::otlp::{Ingested, SpanMetrics};
use crate::servers::Servers;
use crate::tools::ToolBooks;
use crate::vulnerabilities::Cases;
use crate::work::Gate;
use bytes::Bytes;
use http::StatusCode;
use ph_plan::{Slo, SloName};
use ph_promql::{Labels, Matcher, SeriesSource, SourceError};
use ph_record::Redactor;
use ph_rules::GroupStatus;
use ph_store::logs::LogReader;
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Everything the API needs.
pub struct Sources {
    /// The history of numbers; none while the store is switched off.
    pub numbers: Option<Arc<dyn Numbers>>,
    /// The records; none while the store is switched off.
    pub logs: Option<LogReader>,
    /// The sinks; none when there are none.
    pub sinks: Option<Arc<dyn Sinks>>,
    /// Holds alerts and silences; none where nobody does.
    pub alertmanager: Option<Arc<dyn Alertmanager>>,
    /// The service level objectives.
    pub objectives: Arc<dyn Objectives>,
    /// Takes what comes in by OTLP; none while the store is switched off.
    pub intake: Option<Arc<dyn Intake>>,
    /// Counts what comes in by OTLP. The recorder shows it: [`ph_record::SampleSource`].
    pub spans: Arc<SpanMetrics>,
    /// The rules that are evaluated here, and who is asked instead; none while nothing is kept.
    pub evaluation: Option<Arc<dyn Evaluation>>,
    /// Knows the tools of servers; none where nobody does.
    pub tools: Option<Arc<dyn ToolBooks>>,
    /// Holds the API keys; none where nobody does.
    pub keys: Option<Arc<dyn Keys>>,
    /// Refuses clients for what was abnormal; none where nobody does.
    pub blocks: Option<Arc<dyn Blocks>>,
    /// Runs the servers; none where nobody does.
    pub servers: Option<Arc<dyn Servers>>,
    /// Holds the cases of vulnerabilities; none where nobody does.
    pub cases: Option<Arc<dyn Cases>>,
    /// Knows what was configured, and who changed what; none where nobody does.
    pub configurations: Option<Arc<dyn Configurations>>,
    /// Takes secrets out of what comes in by OTLP.
    pub redactor: Redactor,
    /// Who may ask, and where changes are written down.
    pub admission: Arc<dyn Admission>,
    /// Version of the binary.
    pub version: String,
    /// Ends queries that run, and answers that have no end of their own.
    pub end: CancellationToken,
}

/// What the handlers share.
pub(crate) type Shared = Arc<Inner>;

pub(crate) struct Inner {
    pub(crate) sources: Sources,
    /// Queries and searches.
    pub(crate) queries: Gate,
    /// Reckoning of costs, which itself asks questions.
    pub(crate) costing: Gate,
    /// Decoding of what comes in.
    pub(crate) decoding: Gate,
    /// Clients that follow.
    pub(crate) followers: Arc<Semaphore>,
}

/// Queries and searches that run at once; others wait.
const QUERIES_MAX: usize = 8;
/// Questions of cost that are reckoned at once; others wait. Fewer than [`QUERIES_MAX`], of which each needs one at a time.
const COSTING_MAX: usize = 2;
/// Requests of OTLP that are decoded at once; others are told to come again.
const DECODING_MAX: usize = 4;
/// Clients that follow at once; others are refused.
const FOLLOWERS_MAX: usize = 32;

impl Inner {
    pub(crate) fn new(sources: Sources) -> Shared {
        let end = || sources.end.clone();
        Arc::new(Self {
            queries: Gate::new(QUERIES_MAX, end()),
            costing: Gate::new(COSTING_MAX, end()),
            decoding: Gate::new(DECODING_MAX, end()),
            followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)),
            sources,
        })
    }
}

/// A history of numbers that can be searched by its labels, too.
pub trait Numbers: SeriesSource + Send + Sync {
    /// The labels of every series that one of `selectors` matches, all of them when there is none, and
    /// that may have a sample between the two times (Unix milliseconds, inclusive).
    ///
    /// # Errors
    /// When there are more than `series_max`, or they cannot be read.
    fn label_sets(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        series_max: usize,
    ) -> Result<Vec<Labels>, SourceError>;

    /// What is known of the metrics that were scraped.
    fn metadata(&self) -> Vec<Metadata>;

    /// How much there is.
    fn stats(&self) -> NumbersStats;

    /// Exemplars of the series that one of `selectors` matches, between the two times.
    ///
    /// # Errors
    /// When they cannot be read.
    fn exemplars(
        &self,
        selectors: &[Vec<Matcher>],
        from_ms: i64,
        to_ms: i64,
        exemplars_max: usize,
    ) -> Result<Vec<(Labels, Vec<Exemplar>)>, SourceError>;
}

/// What is known of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metadata {
    /// Name of the family.
    pub metric: String,
    /// `counter`, `gauge`, `histogram`, …
    pub kind: String,
    /// What it says.
    pub help: String,
    /// Its unit, when that is told.
    pub unit: String,
}

/// One observation that a number was made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// `trace_id`, `span_id`.
    pub labels: Labels,
    /// What was observed.
    pub value: f64,
    /// When, in Unix milliseconds.
    pub t_ms: i64,
}

/// Takes records that came in.
pub trait Intake: Send + Sync {
    /// Queues `entry` for the store and does not wait; `false` when there is no room.
    fn offer(&self, entry: Ingested) -> bool;
}

/// Knows the rules that are evaluated here, and who is asked instead.
pub trait Evaluation: Send + Sync {
    /// How all groups are doing, in the order in which they are evaluated. May wait for a moment.
    fn groups(&self) -> Vec<GroupStatus>;

    /// Whether rules are evaluated here at all.
    fn evaluates_here(&self) -> bool;

    /// Where alerts are sent: addresses of the API of Alertmanagers.
    fn alertmanagers(&self) -> Vec<String>;

    /// Another Prometheus that is asked for numbers instead of the own store, and for rules when none are
    /// evaluated here.
    fn remote(&self) -> Option<Arc<dyn Elsewhere>>;
}

/// Another Prometheus.
pub trait Elsewhere: Send + Sync {
    /// Where it is.
    fn url(&self) -> String;

    /// Its answer: status and body, or why there is none.
    ///
    /// - `target`: path and query.
    /// - `form`: what a form holds; empty for a GET.
    fn ask(&self, target: String, form: Bytes) -> Asking;

    /// Its samples. Selecting them blocks: it is for threads that may.
    fn series(&self) -> Arc<dyn SeriesSource + Send + Sync>;
}

/// An answer on its way.
pub type Asking = Pin<Box<dyn Future<Output = Result<(StatusCode, Vec<u8>), String>> + Send>>;

/// Knows the service level objectives.
pub trait Objectives: Send + Sync {
    /// Those that hold now, by name.
    fn slos(&self) -> BTreeMap<SloName, Slo>;

    /// The numbers that they are judged by, when these are not the own ones. Reading them blocks.
    fn elsewhere(&self) -> Option<Arc<dyn SeriesSource + Send + Sync>>;
}

/// Knows the sinks.
pub trait Sinks: Send + Sync {
    /// How each of them is doing.
    fn sinks(&self) -> Vec<SinkStatus>;
}

/// How a sink is doing.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SinkStatus {
    /// Its name in the configuration.
    pub name: String,
    /// `elasticsearch` or `otlp`.
    pub kind: String,
    /// Its last try succeeded.
    pub up: bool,
    /// Entries that the other side has taken.
    pub delivered: u64,
    /// Entries that it refused for good.
    pub rejected: u64,
    /// Entries that were given up.
    pub dropped: u64,
    /// Tries that failed and were repeated.
    pub retries: u64,
    /// Entries that wait.
    pub lag_entries: u64,
    /// Age of the oldest of them, in seconds.
    pub lag_seconds: f64,
}

/// How many numbers are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct NumbersStats {
    /// Series that are written to now.
    pub series: u64,
    /// Samples of all files.
    pub samples: u64,
    /// Bytes of all files.
    pub bytes: u64,
    /// Files of the past.
    pub blocks: u64,
}

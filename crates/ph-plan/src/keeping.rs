//! What is kept, where it can be asked for, and what else is measured and passed on.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use crate::checked::{FilePath, HeaderKey, HostName};
use crate::choices::{AdminAuth, Fsync, LogLevel, OtlpProtocol, RecordKind, WhenFull};
use crate::labels::LabelName;
use crate::listeners::Tls;
use crate::mapping::MapItem;
use crate::plan::{hours, minutes, ms, secs};
use crate::section::section;
use crate::text::{Endpoint, Secret, Text};
use crate::units::ByteSize;

section! {
    /// The admin listener: `/metrics`, the Prometheus-compatible API, the API of the record, and
    /// OTLP from servers that trace themselves.
    pub struct Admin {
        /// Whether there is one.
        enabled: bool = true;
        /// Its address. Without it 127.0.0.1 and the port after that of `listen`; port 0 lets the operating
        /// system choose. One beyond loopback needs `auth: keys` or certificates of clients.
        listen: Option<SocketAddr> = None;
        /// Who may use it: `local` whoever reaches it, `keys` holders of a key with a role
        /// (`pilothouse keys create --role viewer NAME`).
        auth: AdminAuth = AdminAuth::Local;
        /// TLS of this listener.
        tls: Option<Tls> = None;
        /// Further `Host` names that are accepted besides the loopback names, without port.
        allowed_hosts: Vec<HostName> = Vec::new();
    }
}

section! {
    /// The record that is kept in the data directory: calls, log lines, spans and metrics.
    pub struct Store {
        /// Whether anything is kept.
        enabled: bool = true;
        /// Least level of the lines that are kept. Spans and metrics are kept whatever it is.
        level: LogLevel = LogLevel::Info;
        /// Age after which what is kept is removed.
        retention: Duration = hours(24 * 30), in hours(1)..=hours(24 * 3650);
        /// Bytes of all that is kept; beyond it the oldest is removed.
        bytes: ByteSize = ByteSize::gib(10), in ByteSize::mib(16)..=ByteSize::gib(64 * 1024);
        /// When what was kept is safe on the disk: `interval` once a second, `always` with each
        /// batch, `os` whenever the operating system likes.
        fsync: Fsync = Fsync::Interval;
        /// Records that wait for the disk; beyond it they are dropped and counted.
        queue_bytes: ByteSize = ByteSize::mib(16), in ByteSize::kib(64)..=ByteSize::gib(1);
        /// Time between two samples of Pilothouse's own metrics.
        sample_interval: Duration = secs(15), in ms(100)..=minutes(10);
        /// Metric series at the same time; the others are counted, not kept.
        series_max: u32 = 20_000, in 100..=10_000_000;
    }
}

section! {
    /// Further Prometheus targets whose metrics are kept, as one job.
    pub struct Scrape {
        /// Addresses of the pages of metrics, at least one. Host and port become the label
        /// `instance`.
        urls: Vec<Endpoint> = Vec::new();
        /// Time between two scrapes.
        interval: Duration = secs(15), in ms(100)..=hours(1);
        /// Time for one scrape; not longer than `interval`.
        timeout: Duration = secs(10), in ms(10)..=hours(1);
        /// Labels added to every series.
        labels: BTreeMap<LabelName, Text> = BTreeMap::new();
        /// Headers of every request. Values may be `${NAME}` or `file:PATH`.
        headers: BTreeMap<HeaderKey, Secret> = BTreeMap::new();
        /// PEM file of the certificate authorities trusted instead of the system's.
        ca_file: Option<FilePath> = None;
        /// Samples of one page; a page with more is not kept, and its target counts as down.
        samples_max: u32 = 10_000, in 1..=1_000_000;
    }
}

impl MapItem for Scrape {}

impl MapItem for Text {
    fn exposed(&self) -> Option<&str> {
        Some(self.as_str())
    }
}

section! {
    /// Where what is kept is passed on to: either `elasticsearch` or `otlp`.
    pub struct Sink {
        /// Elasticsearch or OpenSearch.
        elasticsearch: Option<Elasticsearch> = None;
        /// A collector that takes OTLP.
        otlp: Option<OtlpSink> = None;
        /// Kinds of records that are passed on; none given: all of them.
        kinds: Vec<RecordKind> = Vec::new();
        /// What gives way when records wait in more bytes than `lag_bytes_max`.
        when_full: WhenFull = WhenFull::DropOldest;
        /// Bytes of records that may wait; the store is where they wait.
        lag_bytes_max: ByteSize = ByteSize::gib(1), in ByteSize::mib(1)..=ByteSize::gib(64 * 1024);
        /// Records of one request.
        batch_entries: u32 = 1_000, in 1..=100_000;
        /// Bytes of one request.
        batch_bytes: ByteSize = ByteSize::mib(4), in ByteSize::kib(64)..=ByteSize::mib(100);
        /// Longest time that a record waits for others to be sent with it.
        batch_delay: Duration = secs(1), in ms(10)..=minutes(5);
        /// Time for one request.
        timeout: Duration = secs(30), in ms(100)..=minutes(10);
    }
}

impl MapItem for Sink {}

section! {
    /// Elasticsearch or OpenSearch: records as documents of a data stream.
    pub struct Elasticsearch {
        /// Its address; needed.
        url: Option<Endpoint> = None;
        /// The data stream.
        data_stream: Text = Text::from("mcp-logs");
        /// Whether the template of the data stream is put there.
        template: bool = true;
        /// Name of the user, with `password`.
        username: Option<Text> = None;
        /// Password of the user. May be `${NAME}` or `file:PATH`.
        password: Option<Secret> = None;
        /// An API key, instead of a user. May be `${NAME}` or `file:PATH`.
        api_key: Option<Secret> = None;
        /// Further headers of every request. Values may be `${NAME}` or `file:PATH`.
        headers: BTreeMap<HeaderKey, Secret> = BTreeMap::new();
        /// PEM file of the certificate authorities trusted instead of the system's.
        ca_file: Option<FilePath> = None;
    }
}

section! {
    /// A collector that takes OTLP.
    pub struct OtlpSink {
        /// Its base address, as in `http://127.0.0.1:4318`; needed.
        endpoint: Option<Endpoint> = None;
        /// How to send.
        protocol: OtlpProtocol = OtlpProtocol::HttpProtobuf;
        /// Headers of every request. Values may be `${NAME}` or `file:PATH`.
        headers: BTreeMap<HeaderKey, Secret> = BTreeMap::new();
        /// PEM file of the certificate authorities trusted instead of the system's.
        ca_file: Option<FilePath> = None;
        /// The `service.name` of what is sent.
        service_name: Text = Text::from("pilothouse");
        /// Whether log records are sent.
        logs: bool = true;
        /// Whether spans are sent.
        traces: bool = true;
        /// Whether metrics are sent.
        metrics: bool = false;
        /// Time between two exports of metrics.
        metrics_interval: Duration = minutes(1), in secs(1)..=hours(1);
        /// Share of the traces that are sent without another reason. Failed and slow calls, and those
        /// that their caller sampled, always are.
        sample_ratio: f64 = 1.0, in 0.0..=1.0;
        /// A call that takes longer is slow.
        slow: Duration = secs(1), in ms(1)..=hours(1);
    }
}

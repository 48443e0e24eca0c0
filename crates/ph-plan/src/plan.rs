//! What Pilothouse is to do, as plain data: every field checked, every default filled in.

use core::net::{Ipv4Addr, SocketAddr};
use std::collections::BTreeMap;
use std::time::Duration;

use ph_base::ServerName;

use crate::access::Access;
use crate::anomalies::Anomalies;
use crate::auth::Auth;
use crate::checked::{FilePath, HeaderKey, HostName, KeyPart, Origin};
use crate::choices::{Exposure, LogLevel, OtlpProtocol};
use crate::clients::Clients;
use crate::cost::Cost;
use crate::keeping::{Admin, Scrape, Sink, Store};
use crate::labels::{JobName, SinkName};
use crate::listeners::Tls;
use crate::notify::Notify;
use crate::pins::{PinMode, Pins};
use crate::rate_limits::{LimitName, RateLimit};
use crate::redaction::Redaction;
use crate::redis::Redis;
use crate::rules::Rules;
use crate::section::section;
use crate::server::Server;
use crate::slos::{Slo, SloName};
use crate::text::{Endpoint, Secret, Text};
use crate::units::ByteSize;
use crate::vuln::Vuln;

section! {
    /// The whole configuration of one Pilothouse process.
    pub struct Plan {
        /// Address of the data listener. Port 0 lets the operating system choose.
        listen: SocketAddr = SocketAddr::from((Ipv4Addr::LOCALHOST, 3000));
        /// TLS of the data listener.
        tls: Option<Tls> = None;
        /// Directory of logs and records. Without it the state directory of the user is taken
        /// (`$XDG_STATE_HOME/pilothouse`).
        data_dir: Option<FilePath> = None;
        /// Further `Host` names that are accepted besides the loopback names, without port.
        allowed_hosts: Vec<HostName> = Vec::new();
        /// Further `Origin` values that are accepted besides loopback ones: scheme, host, port.
        allowed_origins: Vec<Origin> = Vec::new();
        /// Who checks the caller's identity: nobody, a mesh or proxy in front, or Pilothouse itself. A
        /// listener beyond loopback needs one of the last two.
        auth: Auth = Auth::None;
        /// Whether the data listener also serves `/metrics`; `auto` means while it is loopback.
        metrics_on_data_listener: Exposure = Exposure::Auto;
        /// The MCP servers by name; the name is the path (`/NAME/mcp`) and a metric label.
        servers: BTreeMap<ServerName, Server> = BTreeMap::new();
        /// Who may see and call what. Without it everybody may have everything.
        access: Option<Access> = None;
        /// Limits on calls, by name.
        limits: BTreeMap<LimitName, RateLimit> = BTreeMap::new();
        /// Where limits are shared with other processes; without it each process has its own.
        redis: Option<Redis> = None;
        /// Who a client is, for limits.
        clients: Clients = Clients::default();
        /// Abnormal patterns of access; not watched for without it.
        anomalies: Option<Anomalies> = None;
        /// What is done when a server's tools are no longer what they were.
        pins: Pins = Pins::default();
        /// Bounds on client sessions, for the whole process.
        sessions: Sessions = Sessions::default();
        /// Bounds on child processes, for the whole process.
        children: Children = Children::default();
        /// Bounds on the HTTP side towards clients.
        http: Http = Http::default();
        /// Log lines: one JSON object per call.
        log: Log = Log::default();
        /// What is taken out of everything that is logged, kept, exported or shown.
        redaction: Redaction = Redaction::default();
        /// What `/metrics` says beside what it always says, and who is asked about the past.
        metrics: Metrics = Metrics::default();
        /// The admin listener.
        admin: Admin = Admin::default();
        /// The record that is kept in the data directory.
        store: Store = Store::default();
        /// Further Prometheus targets whose metrics are kept, by job.
        scrape: BTreeMap<JobName, Scrape> = BTreeMap::new();
        /// Where what is kept is passed on to, by name.
        sinks: BTreeMap<SinkName, Sink> = BTreeMap::new();
        /// Rules: what is computed from the metrics, and when somebody is to be told.
        rules: Rules = Rules::default();
        /// Who is told of alerts.
        notify: Notify = Notify::default();
        /// Service level objectives by name. Without this key there are four, over all servers
        /// together: `availability` (99.5 %), `latency` (95 % of calls within 1 s), `error-rate`
        /// (99 % of calls without a server error) and `throughput` (100 calls/s while demanded).
        /// `slos: {}` means none.
        slos: Option<BTreeMap<SloName, Slo>> = None;
        /// Vulnerabilities of what servers are made of.
        vuln: Vuln = Vuln::default();
        /// What things cost, for `pilothouse cost`.
        cost: Cost = Cost::default();
        /// Export of spans by OTLP, as calls end.
        otlp: Otlp = Otlp::default();
        /// How long each step of stopping may take.
        stop: Stop = Stop::default();
    }
}

section! {
    /// Bounds on client sessions, for the whole process.
    pub struct Sessions {
        /// A session without a call or an open stream for this long is ended (404 afterwards).
        idle: Duration = minutes(30), in secs(1)..=hours(24 * 7);
        /// Sessions at the same time; beyond it a new one is refused with 503.
        max: u32 = 1024, in 1..=1_000_000;
    }
}

section! {
    /// Bounds on child processes, for the whole process.
    pub struct Children {
        /// Children at the same time, spare ones included; beyond it 503.
        max: u32 = 64, in 1..=65_536;
    }
}

section! {
    /// Bounds on the HTTP side towards clients.
    pub struct Http {
        /// Largest request body; beyond it 413.
        request_bytes_max: ByteSize = ByteSize::mib(4), in ByteSize::kib(1)..=ByteSize::gib(1);
        /// Largest request head (request line and headers); beyond it 431.
        head_bytes_max: ByteSize = ByteSize::kib(64), in ByteSize::kib(8)..=ByteSize::mib(1);
        /// Most headers of a request; beyond it 431.
        headers_max: u32 = 100, in 16..=1000;
        /// Time for a TLS handshake and for a request head to arrive; beyond it the connection is closed.
        head_timeout: Duration = secs(30), in ms(10)..=hours(1);
        /// Time for a request body to arrive; beyond it 408.
        body_timeout: Duration = secs(30), in ms(10)..=hours(1);
        /// Time in which a client takes nothing of what it is sent; beyond it the connection is closed.
        write_timeout: Duration = secs(30), in ms(10)..=hours(1);
        /// Quiet time of an event stream after which a comment is sent to keep it open.
        keep_alive_comment: Duration = secs(15), in secs(1)..=hours(1);
        /// Client connections at the same time; further ones wait to be accepted.
        connections_max: u32 = 4096, in 1..=1_000_000;
        /// Of these, connections of one address (of a /64 network of IPv6); further ones are closed at once. Those of
        /// `clients.trusted_proxies` have no such bound.
        connections_per_peer_max: u32 = 1024, in 1..=1_000_000;
        /// Requests at the same time on one connection of HTTP/2.
        h2_streams_max: u32 = 256, in 1..=10_000;
    }
}

section! {
    /// What `/metrics` says beside what it always says, and who is asked about the past.
    pub struct Metrics {
        /// Whether `mcp_server_operation_duration_seconds` is among them: durations under the names
        /// of OpenTelemetry's conventions.
        otel_operation: bool = false;
        /// Address of a Prometheus that is asked instead of the own store: for the state of rules,
        /// for alerts, and for service level objectives. It evaluates the rules then.
        query: Option<Endpoint> = None;
    }
}

section! {
    /// Log lines: one JSON object per call.
    pub struct Log {
        /// Least level that is written. The variable `LOG_LEVEL` goes before it.
        level: LogLevel = LogLevel::Info;
        /// Whether `combined.log` and `error.log` are written in the data directory.
        files: bool = true;
        /// Whether the same lines go to standard output.
        stdout: bool = false;
        /// Size at which a file is rotated.
        rotate_bytes: ByteSize = ByteSize::mib(100), in ByteSize::kib(64)..=ByteSize::gib(64);
        /// Age at which a file is rotated.
        rotate_age: Duration = hours(24), in minutes(1)..=hours(24 * 365);
        /// Rotated files that are kept.
        keep_files: u32 = 14, in 0..=10_000;
        /// Bytes of rotated files that are kept, per log.
        keep_bytes: ByteSize = ByteSize::gib(2), in ByteSize::kib(64)..=ByteSize::gib(64 * 1024);
        /// Whether rotated files are compressed with zstd.
        compress: bool = true;
        /// Whether the parameters of calls are logged, redacted by key and cut.
        params: bool = false;
        /// Bytes of parameters that are logged per call.
        params_bytes_max: ByteSize = ByteSize::kib(4), in ByteSize::new(16)..=ByteSize::mib(1);
        /// Older name of `redaction.keys`, taken instead of it where it is set.
        redact_keys: Option<Vec<KeyPart>> = None;
    }
}

section! {
    /// Export of spans by OTLP. Without an endpoint, here or in `OTEL_EXPORTER_OTLP_ENDPOINT`,
    /// nothing is exported.
    pub struct Otlp {
        /// Where to send spans: the base address, as in `http://127.0.0.1:4318`.
        endpoint: Option<Endpoint> = None;
        /// How to send them.
        protocol: OtlpProtocol = OtlpProtocol::HttpProtobuf;
        /// Headers of every export request. Values may be `${NAME}` or `file:PATH`.
        headers: BTreeMap<HeaderKey, Secret> = BTreeMap::new();
        /// The `service.name` of Pilothouse's own spans.
        service_name: Text = Text::from("pilothouse");
        /// Share of the calls without a sampled parent whose spans are kept. Failed and slow
        /// calls are always kept.
        sample_ratio: f64 = 1.0, in 0.0..=1.0;
        /// A call that takes longer is slow, and its spans are always kept.
        slow: Duration = secs(1), in ms(1)..=hours(1);
        /// Spans that wait for export; beyond it they are dropped and counted.
        queue_max: u32 = 8192, in 1..=1_000_000;
        /// Time for one export request.
        timeout: Duration = secs(10), in ms(10)..=minutes(5);
        /// Whether tool arguments and results are put on spans.
        arguments: bool = false;
    }
}

section! {
    /// How long each step of stopping may take.
    pub struct Stop {
        /// Time between `/readyz` saying no and the listener closing.
        lame_duck: Duration = Duration::ZERO, in Duration::ZERO..=minutes(10);
        /// Time for calls in flight to end before they are cut.
        drain: Duration = secs(30), in Duration::ZERO..=hours(1);
        /// Time for records to reach files and the collector.
        flush: Duration = secs(5), in Duration::ZERO..=minutes(10);
    }
}

impl Plan {
    /// Whether the data listener serves `/metrics`.
    #[must_use]
    pub fn serves_metrics_on_data_listener(&self) -> bool {
        match self.metrics_on_data_listener {
            Exposure::Auto => self.listen.ip().is_loopback(),
            Exposure::Always => true,
            Exposure::Never => false,
        }
    }

    /// Where the admin listener is to be, if there is to be one: loopback and the port after the
    /// data listener's, unless the plan says otherwise.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        let next = |port: u16| match port {
            0 => 0,
            port => port.checked_add(1).unwrap_or(port - 1),
        };
        let beside = SocketAddr::from((Ipv4Addr::LOCALHOST, next(self.listen.port())));
        self.admin
            .enabled
            .then(|| self.admin.listen.unwrap_or(beside))
    }

    /// Where people reach us, for links and for what is sent: `notify.external_url`, else the address of
    /// the admin listener, without a slash at the end.
    #[must_use]
    pub fn external_url(&self) -> String {
        match &self.notify.external_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => {
                let scheme = if self.admin.tls.is_some() {
                    "https"
                } else {
                    "http"
                };
                let address = self.admin_address().unwrap_or(self.listen);
                format!("{scheme}://{address}")
            }
        }
    }

    /// What is done about tools of a server that are no longer what they were.
    #[must_use]
    pub fn pin_mode(&self, server: &Server) -> PinMode {
        server.pins.unwrap_or(self.pins.mode)
    }

    /// The server behind `/mcp`: the only one there is.
    #[must_use]
    pub fn only_server(&self) -> Option<(&ServerName, &Server)> {
        let mut servers = self.servers.iter();
        servers.next().filter(|_| servers.next().is_none())
    }
}

pub(crate) const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

pub(crate) const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

pub(crate) const fn minutes(count: u64) -> Duration {
    Duration::from_secs(count * 60)
}

pub(crate) const fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

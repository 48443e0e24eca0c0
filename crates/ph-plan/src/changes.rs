//! What a reload has to do: the difference of two plans, as a list.

use ph_base::ServerName;
use serde_json::Value as Json;
use std::fmt;

use crate::plan::Plan;
use crate::server::{Server, Stdio, Upstream};
use crate::value::Value;

/// One thing that a reload has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A server to start.
    ServerAdded(ServerName),
    /// A server to drain and to answer with 404.
    ServerRemoved(ServerName),
    /// A server that is reached in another way (command, environment, address, headers): new
    /// children or connections, the old ones drain.
    UpstreamChanged(ServerName),
    /// How many children there are, how they are shared, restarted and ended; for the next child.
    SupervisionChanged(ServerName),
    /// Timeouts and limits: from the next call.
    LimitsChanged(ServerName),
    /// Probes: from the next one.
    HealthChanged(ServerName),
    /// The data listener has to be bound anew.
    ListenChanged,
    /// Who may call: accepted hosts and origins, authentication, rules of access, TLS, where `/metrics` is served.
    AccessChanged,
    /// Bounds on HTTP heads, bodies and connections: from the next request.
    HttpChanged,
    /// Limits on calls, and who counts as one client: from the next call.
    RateLimitsChanged,
    /// What is abnormal, and what follows: from the next call.
    AnomaliesChanged,
    /// What is done about tools that are no longer what they were: from the next list and call.
    PinsChanged,
    /// Bounds on sessions and children of the whole process.
    BoundsChanged,
    /// Levels, files and redaction of log lines.
    LogChanged,
    /// Which metrics there are.
    MetricsChanged,
    /// Export of spans.
    OtlpChanged,
    /// The admin listener has to be bound anew or closed, or asks for something else of whoever comes.
    AdminChanged,
    /// What is kept and for how long. Switching the store on or off needs a restart.
    StoreChanged,
    /// What is scraped.
    ScrapeChanged,
    /// Where records are passed on to.
    SinksChanged,
    /// Which rules are evaluated, and how.
    RulesChanged,
    /// Who is told of alerts, and how.
    NotifyChanged,
    /// Service level objectives.
    SlosChanged,
    /// Where advisories come from, how often servers are scanned, where their source is, and deadlines: from the
    /// next update, scan and start.
    VulnChanged,
    /// What things cost: for the next question and, where a rule counts cost, from its next evaluation.
    CostChanged,
    /// Log files of a server's tools.
    LogFilesChanged(ServerName),
    /// How long stopping may take.
    StopChanged,
    /// The data directory: it has one owner from start to end, so this needs a restart.
    DataDirNeedsRestart,
}

impl Change {
    /// Changes of which an operator is told; of further ones only how many they are.
    const LISTED_MAX: usize = 12;

    /// As one text: `server `files`: what runs; limits`. Empty for none.
    #[must_use]
    pub fn list(changes: &[Self]) -> String {
        let listed = changes.iter().take(Self::LISTED_MAX);
        let mut said: Vec<String> = listed.map(ToString::to_string).collect();
        if let more @ 1.. = changes.len().saturating_sub(Self::LISTED_MAX) {
            said.push(format!("{more} more"));
        }
        said.join("; ")
    }
}

/// As an operator is told of it: the keys of the configuration that differ.
impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = match self {
            Self::ServerAdded(name) => return write!(f, "server `{name}`: new"),
            Self::ServerRemoved(name) => return write!(f, "server `{name}`: gone"),
            Self::UpstreamChanged(name) => return write!(f, "server `{name}`: what runs"),
            Self::SupervisionChanged(name) => return write!(f, "server `{name}`: its children"),
            Self::LimitsChanged(name) => return write!(f, "server `{name}`: timeouts, limits"),
            Self::HealthChanged(name) => return write!(f, "server `{name}`: health"),
            Self::LogFilesChanged(name) => return write!(f, "server `{name}`: log_files"),
            Self::ListenChanged => "listen",
            Self::AccessChanged => "access",
            Self::HttpChanged => "http",
            Self::RateLimitsChanged => "limits",
            Self::AnomaliesChanged => "anomalies",
            Self::PinsChanged => "pins",
            Self::BoundsChanged => "sessions, children",
            Self::LogChanged => "log",
            Self::MetricsChanged => "metrics",
            Self::OtlpChanged => "otlp",
            Self::AdminChanged => "admin",
            Self::StoreChanged => "store",
            Self::ScrapeChanged => "scrape",
            Self::SinksChanged => "sinks",
            Self::RulesChanged => "rules",
            Self::NotifyChanged => "notify",
            Self::SlosChanged => "slos",
            Self::VulnChanged => "vuln",
            Self::CostChanged => "cost",
            Self::StopChanged => "stop",
            Self::DataDirNeedsRestart => "data_dir",
        };
        f.write_str(whole)
    }
}

impl Plan {
    /// What has to be done to run `new` instead of `old`, servers first, by name. Empty for plans
    /// that mean the same.
    #[must_use]
    pub fn changes(old: &Self, new: &Self) -> Vec<Change> {
        let mut changes = server_changes(old, new);
        let access = |plan: &Self| {
            (
                plan.allowed_hosts.clone(),
                plan.allowed_origins.clone(),
                plan.auth.clone(),
                plan.access.clone(),
                plan.tls.clone(),
                plan.metrics_on_data_listener,
            )
        };
        let admin = |plan: &Self| {
            let admin = &plan.admin;
            (
                plan.admin_address(),
                admin.auth,
                admin.tls.clone(),
                admin.allowed_hosts.clone(),
            )
        };
        let pins = |plan: &Self| {
            let servers = plan.servers.iter();
            let of_servers: Vec<_> = servers
                .filter_map(|(n, s)| Some((n.clone(), s.pins?)))
                .collect();
            (plan.pins.clone(), of_servers)
        };
        let vuln = |plan: &Self| {
            let servers = plan.servers.iter();
            let sources: Vec<_> = servers
                .filter_map(|(n, s)| Some((n.clone(), s.source.clone()?)))
                .collect();
            (plan.vuln.clone(), sources)
        };
        let whole = [
            (old.listen != new.listen, Change::ListenChanged),
            (access(old) != access(new), Change::AccessChanged),
            (old.http != new.http, Change::HttpChanged),
            (
                old.limits != new.limits || old.redis != new.redis || old.clients != new.clients,
                Change::RateLimitsChanged,
            ),
            (old.anomalies != new.anomalies, Change::AnomaliesChanged),
            (pins(old) != pins(new), Change::PinsChanged),
            (
                old.sessions != new.sessions || old.children != new.children,
                Change::BoundsChanged,
            ),
            (
                old.log != new.log || old.redaction != new.redaction,
                Change::LogChanged,
            ),
            (old.metrics != new.metrics, Change::MetricsChanged),
            (old.otlp != new.otlp, Change::OtlpChanged),
            (admin(old) != admin(new), Change::AdminChanged),
            (old.store != new.store, Change::StoreChanged),
            (old.scrape != new.scrape, Change::ScrapeChanged),
            (old.sinks != new.sinks, Change::SinksChanged),
            (old.rules != new.rules, Change::RulesChanged),
            (old.notify != new.notify, Change::NotifyChanged),
            (old.slos != new.slos, Change::SlosChanged),
            (vuln(old) != vuln(new), Change::VulnChanged),
            (old.cost != new.cost, Change::CostChanged),
            (old.stop != new.stop, Change::StopChanged),
            (old.data_dir != new.data_dir, Change::DataDirNeedsRestart),
        ];
        changes.extend(only_different(whole));
        changes
    }

    /// The plan as it could be written: every default filled in, secrets masked, references
    /// unresolved. What `running` means when people ask for it.
    #[must_use]
    pub fn to_json(&self) -> Json {
        self.show()
    }

    /// A fingerprint of what the plan says, to tell two configurations apart: 16 hexadecimal
    /// digits, the same on every machine and in every build of one version.
    ///
    /// Secret values take no part, so that it may be published: a rotated secret alone does not
    /// change it.
    #[must_use]
    pub fn hash(&self) -> String {
        let mut hash = Fnv::default();
        hash.json(&self.show());
        format!("{:016x}", hash.0)
    }
}

fn server_changes(old: &Plan, new: &Plan) -> Vec<Change> {
    let mut names: Vec<&ServerName> = old.servers.keys().chain(new.servers.keys()).collect();
    names.sort();
    names.dedup();
    let change = |name: &ServerName| match (old.servers.get(name), new.servers.get(name)) {
        (None, _) => vec![Change::ServerAdded(name.clone())],
        (Some(_), None) => vec![Change::ServerRemoved(name.clone())],
        (Some(old), Some(new)) => inner_changes(name, old, new),
    };
    names.into_iter().flat_map(change).collect()
}

fn inner_changes(name: &ServerName, old: &Server, new: &Server) -> Vec<Change> {
    let (upstream, supervision) = match (&old.upstream, &new.upstream) {
        (Upstream::Stdio(old), Upstream::Stdio(new)) => (
            child_of(old) != child_of(new),
            supervision_of(old) != supervision_of(new),
        ),
        (Upstream::Http(old), Upstream::Http(new)) => (old != new, false),
        (Upstream::Stdio(_), Upstream::Http(_)) | (Upstream::Http(_), Upstream::Stdio(_)) => {
            (true, false)
        }
    };
    let replicas = old.replicas != new.replicas || old.eject != new.eject;
    let limits = old.timeouts != new.timeouts || old.limits != new.limits;
    let all = [
        (upstream, Change::UpstreamChanged(name.clone())),
        (
            supervision || replicas,
            Change::SupervisionChanged(name.clone()),
        ),
        (limits, Change::LimitsChanged(name.clone())),
        (
            old.health != new.health,
            Change::HealthChanged(name.clone()),
        ),
        (
            old.log_files != new.log_files,
            Change::LogFilesChanged(name.clone()),
        ),
    ];
    only_different(all).collect()
}

fn only_different(
    changes: impl IntoIterator<Item = (bool, Change)>,
) -> impl Iterator<Item = Change> {
    changes
        .into_iter()
        .filter_map(|(differs, change)| differs.then_some(change))
}

/// What a running child has from its start and cannot be given later.
fn child_of(stdio: &Stdio) -> impl PartialEq + use<'_> {
    (
        &stdio.command,
        &stdio.args,
        &stdio.env,
        &stdio.cwd,
        stdio.otel,
        &stdio.resources,
    )
}

fn supervision_of(stdio: &Stdio) -> impl PartialEq + use<'_> {
    (stdio.isolation, stdio.prewarm, &stdio.restart, &stdio.stop)
}

/// FNV-1a, 64 bits: no secret depends on it, and it needs no dependency.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn bytes(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Keys in order, so that the order in which a map happens to be kept does not show.
    fn json(&mut self, value: &Json) {
        match value {
            Json::Object(fields) => {
                let mut fields: Vec<_> = fields.iter().collect();
                fields.sort_by_key(|(key, _)| *key);
                self.bytes(b"{");
                for (key, value) in fields {
                    self.text(key);
                    self.json(value);
                }
                self.bytes(b"}");
            }
            Json::Array(items) => {
                self.bytes(b"[");
                items.iter().for_each(|item| self.json(item));
                self.bytes(b"]");
            }
            Json::String(text) => self.text(text),
            Json::Null | Json::Bool(_) | Json::Number(_) => self.text(&value.to_string()),
        }
    }

    /// With its length, so that `ab`, `c` and `a`, `bc` differ.
    fn text(&mut self, text: &str) {
        self.bytes(&(text.len() as u64).to_le_bytes());
        self.bytes(text.as_bytes());
    }
}

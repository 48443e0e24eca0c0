//! The operator's text becomes a [`Plan`], or every diagnostic with its position.
//!
//! Pure: no clock, no I/O, no async. Variables and files that a text refers to come from an
//! argument.

mod access;
mod anomalies;
mod auth;
mod checked;
mod choices;
mod clients;
mod cost;
mod keeping;
mod labels;
mod lint;
mod listeners;
mod load;
mod matcher;
mod notify;
mod pins;
mod plan;
mod rate_limits;
mod redaction;
mod redis;
mod replicas;
mod rules;
mod secrets;
mod server;
mod server_text;
mod slos;
mod text;
mod units;
mod version;
mod vuln;

mod changes;
mod reference;
mod schema;

mod desktop;
pub mod document;
mod interpolate;
mod json;
mod mapping;
mod names;
mod node;
mod reader;
mod report;
mod section;
mod tree;
mod value;
mod yaml;

pub use access::{Access, AccessDefault, AccessRule, AccessScope, ForbidWith};
pub use anomalies::{Anomalies, AnomalyName, Arguments, Block};
pub use auth::{Anonymous, Auth, AuthChecks, Issuer, IssuerName, JwtAlgorithm};
pub use changes::Change;
pub use checked::{
    EcosystemName, EnvName, FilePath, GroupLabel, HeaderKey, HostName, KeyPart, Origin, ScopeName,
};
pub use choices::{
    AdminAuth, ClientIdFrom, Exposure, ForwardedBy, Fsync, Isolation, LimitKey, LogLevel,
    OnFailure, OtlpProtocol, RecordKind, RefuseWith, WhenFull,
};
pub use clients::{Clients, Network};
pub use cost::{Cost, CostName, Currency};
pub use keeping::{Admin, Elasticsearch, OtlpSink, Scrape, Sink, Store};
pub use labels::{JobName, LabelName, SinkName};
pub use listeners::Tls;
pub use load::{Loaded, NoServer, load, shown};
pub use matcher::{AlertMatcher, MatchOp};
pub use notify::{
    Heartbeat, Inhibit, Notify, Receiver, ReceiverName, Route, SlackHook, SubRoute, Webhook,
};
pub use pins::{PinMode, Pins};
pub use plan::{Children, Http, Log, Otlp, Plan, Sessions, Stop};
pub use rate_limits::{LimitName, Rate, RateLimit};
pub use redaction::{Pattern, PatternName, RedactedKind, Redaction};
pub use redis::{Redis, RedisUrl};
pub use reference::reference;
pub use replicas::{Eject, Replicas};
pub use rules::{Evaluation, Rules, StandardAlert, Thresholds};
pub use schema::schema;
pub use secrets::{NoSecrets, Secrets};
pub use server::{
    ChildStop, Health, HttpUpstream, Limits, Resources, Restart, Server, Stdio, Timeouts, Upstream,
};
pub use slos::{Glob, Objective, Slo, SloName, ToolErrors, Window};
pub use text::{Endpoint, Secret, SecretUrl, Text};
pub use units::{ByteSize, show_duration};
pub use version::{Version, VersionError};
pub use vuln::{Deadlines, Every, FileOrUrl, Vuln};

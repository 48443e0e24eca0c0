//! The admin HTTP API: queries as Prometheus answers them, logs and traces, OTLP in.
//!
//! Layer 4, and the only crate that serialises for clients. Not here: listening and TLS (`ph-server`),
//! evaluation (`ph-promql`), files (`ph-store`), the text of `/metrics` (`ph-recorder`).

mod admission;
mod alertmanager;
mod blocks;
mod clock;
mod configuration;
mod console;
mod endpoint;
mod guard;
mod history;
mod keys;
mod openapi;
pub mod otlp;
mod own;
mod params;
mod prometheus;
mod reply;
mod router;
mod runbooks;
mod servers;
mod sources;
mod tools;
mod vulnerabilities;
mod work;

pub use admission::{Admission, Attempt, Caller, NotAdmitted, Peer, Step};
pub use alertmanager::{Alertmanager, Unavailable};
pub use blocks::{BlockInfo, Blocks};
pub use configuration::{
    AuditEntry, AuditPage, AuditWanted, ConfigurationStates, Configurations, DiskConfiguration,
    RejectedConfiguration, RunningConfiguration,
};
pub use console::console_files;
pub use keys::{KeyInfo, KeyRefusal, Keys, MadeSecret, NewKey, NewSecret, SecretInfo};
pub use otlp::{Ingested, IngestedKind, SpanMetrics};
pub use router::router;
pub use servers::{
    ChildLimits, ReplaceTo, ReplacementInfo, ReplicaInfo, ServerChange, ServerInfo, ServerRefusal,
    Servers,
};
pub use sources::{
    Asking, Elsewhere, Evaluation, Exemplar, Intake, Metadata, Numbers, NumbersStats, Objectives,
    SinkStatus, Sinks, Sources,
};
pub use tools::{NotApproved, PinnedServer, ToolBooks};
pub use vulnerabilities::{
    CaseEntry, CaseInfo, CaseList, CaseProof, CaseRefusal, Cases, NewMove, Remediation,
    ScannedServer,
};

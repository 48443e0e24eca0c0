//! The operator's text becomes a [`Plan`], or every diagnostic with its position.
//!
//! Pure: no clock, no I/O, no async. Variables and files that a text refers to come from an
//! argument.

mod checked;
mod choices;
mod keeping;
mod labels;
mod load;
mod plan;
mod secrets;
mod server;
mod server_text;
mod text;
mod units;

mod changes;
mod reference;
mod schema;

mod desktop;
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

pub use changes::Change;
pub use checked::{EnvName, FilePath, HeaderKey, HostName, KeyPart, Origin};
pub use choices::{Auth, Exposure, Fsync, Isolation, LogLevel, OtlpProtocol, RecordKind, WhenFull};
pub use keeping::{Admin, Elasticsearch, OtlpSink, Scrape, Sink, Store};
pub use labels::{JobName, LabelName, SinkName};
pub use load::{Loaded, NoServer, load};
pub use plan::{Children, Http, Log, Otlp, Plan, Sessions, Stop};
pub use reference::reference;
pub use schema::schema;
pub use secrets::{NoSecrets, Secrets};
pub use server::{
    ChildStop, Health, HttpUpstream, Limits, Resources, Restart, Server, Stdio, Timeouts, Upstream,
};
pub use text::{Endpoint, Secret, Text};
pub use units::ByteSize;

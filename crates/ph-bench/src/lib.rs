//! The two ends of every benchmark: MCP servers that cost almost nothing, and a
//! load generator that checks every answer.
//!
//! A gateway can only be measured when what stands on both of its sides is much
//! cheaper than the gateway. So both ends are written by hand on sockets: they
//! look at an HTTP head once, at the outline of a JSON message once, and build
//! nothing that they do not send. They are development tools: they trust their
//! peer to be a benchmark, listen on loopback, and bound what they read.
//!
//! Used as a program (`ph-bench upstream-http`, `upstream-stdio`, `otlp-sink`,
//! `load`) by `bench/run`, which starts the gateways between the two ends.

pub mod cost;
mod http1;
mod json;
pub mod limits;
pub mod load;
pub mod mcp_server;
pub mod otlp_sink;
pub mod output;
pub mod past;
pub mod redact;
pub mod rules;
pub mod slos;
mod stopwatch;
pub mod store_logs;
pub mod store_series;
pub mod upstream_http;
pub mod upstream_stdio;
pub mod vuln;

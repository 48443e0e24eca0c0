//! What servers need and what it costs, with the arithmetic shown: sizing from recorded use, a replay of the
//! autoscaler of Kubernetes, retention of logs, and the bill. No clock, no I/O: time and series are arguments.
//!
//! Units are in the names: `_milli` is thousandths of a core, `_bytes` bytes, `_s` seconds.

pub mod arrivals;
pub mod attribution;
pub mod bill;
pub mod hpa;
pub mod optimise;
pub mod price;
pub mod profile;
pub mod replay;
pub mod retention;
pub mod sizing;
pub mod workload;

//! What other programs are configured with: Prometheus, Alertmanager and Grafana from a plan, and the CI of a server's
//! own repository.
//! And what a cluster of Kubernetes runs.
//!
//! Pure: a plan and texts go in, files come out. The same plan gives the same bytes.
//! Not here: what the rules say (`ph-rules`), reading and writing files (`pilothouse`).

mod alertmanager;
pub mod ci;
mod file;
mod grafana;
mod headers;
pub mod kubernetes;
mod prometheus;
pub mod retention;
mod rules;
mod yaml;

pub use alertmanager::alertmanager;
pub use file::{File, MARK};
pub use grafana::grafana;
pub use prometheus::{NoTarget, prometheus};
pub use rules::{UserRules, rules};

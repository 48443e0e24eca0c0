//! Prometheus's HTTP API, as Grafana and other clients of it expect it.
//!
//! Source: prometheus.io, "HTTP API"; the words of errors are those of Prometheus where clients or
//! people look for them.

mod elsewhere;
mod encode;
mod error;
mod evaluate;
mod metadata;
mod query;
mod rules;
mod series;
mod time;

pub(crate) use elsewhere::forward;
pub(crate) use evaluate::{instant, range};
pub(crate) use metadata::{build_info, metadata};
pub(crate) use query::{format_query, parse_query};
pub(crate) use rules::{alertmanagers, alerts, rules};
pub(crate) use series::{exemplars, label_values, labels, series};
pub(crate) use time::{duration_ms, time_ms};

use std::time::Duration;

/// Longest time a query may take, its wait for a turn included: Prometheus's default.
pub(crate) const QUERY_TIME_MAX: Duration = Duration::from_secs(120);

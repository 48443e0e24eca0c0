//! What a Prometheus posts to an Alertmanager.

use super::time;
use crate::saved::{Pairs, pairs};
use ph_rules::Alert;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Posted<'a> {
    annotations: Pairs,
    ends_at: String,
    starts_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    labels: Pairs,
}

pub(crate) fn body<'a>(alerts: impl Iterator<Item = &'a Alert>) -> String {
    let posted = |alert: &'a Alert| Posted {
        annotations: pairs(&alert.annotations),
        ends_at: time(alert.ends_at_ms),
        starts_at: time(alert.starts_at_ms),
        generator_url: &alert.generator_url,
        labels: pairs(&alert.labels),
    };
    let all: Vec<Posted<'_>> = alerts.map(posted).collect();
    // Structs of texts are always JSON.
    serde_json::to_string(&all).unwrap_or_default()
}

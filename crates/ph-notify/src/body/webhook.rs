//! The body of Alertmanager's webhooks, version 4.

use super::{NO_TIME, json, time};
use crate::saved::{Pairs, Saved, SavedAlert};
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    receiver: String,
    status: &'static str,
    alerts: Vec<Alert<'a>>,
    group_labels: &'a Pairs,
    common_labels: Pairs,
    common_annotations: Pairs,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: &'a Pairs,
    annotations: &'a Pairs,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// - `alerts_max`: 0 for all; the rest is only counted.
pub(crate) fn body(saved: &Saved, external_url: &str, alerts_max: usize) -> String {
    let shown = match alerts_max {
        0 => &saved.alerts[..],
        max => &saved.alerts[..max.min(saved.alerts.len())],
    };
    let is_firing = shown.iter().any(|alert| alert.ends_at_ms.is_none());
    let mut text = json(&Body {
        receiver: quoted_pattern(&saved.receiver),
        status: status(!is_firing),
        alerts: shown.iter().map(alert).collect(),
        group_labels: &saved.group_labels,
        common_labels: common(shown, |alert| &alert.labels),
        common_annotations: common(shown, |alert| &alert.annotations),
        external_url,
        version: "4",
        group_key: &saved.group_key,
        truncated_alerts: saved.alerts.len() - shown.len(),
    });
    text.push('\n');
    text
}

fn alert(alert: &SavedAlert) -> Alert<'_> {
    Alert {
        status: status(alert.ends_at_ms.is_some()),
        labels: &alert.labels,
        annotations: &alert.annotations,
        starts_at: time(alert.starts_at_ms),
        ends_at: alert.ends_at_ms.map_or_else(|| NO_TIME.to_owned(), time),
        generator_url: &alert.generator_url,
        fingerprint: format!("{:016x}", alert.fingerprint),
    }
}

fn status(is_over: bool) -> &'static str {
    if is_over { "resolved" } else { "firing" }
}

/// What all alerts have in common.
pub(crate) fn common(alerts: &[SavedAlert], of: impl Fn(&SavedAlert) -> &Pairs) -> Pairs {
    let Some((first, rest)) = alerts.split_first() else {
        return Pairs::new();
    };
    let mut common = of(first).clone();
    for alert in rest {
        common.retain(|name, value| of(alert).get(name) == Some(value));
    }
    common
}

/// The receiver's name stands there as a regular expression that matches it.
fn quoted_pattern(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

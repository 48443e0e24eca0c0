//! Routes and receivers in the words of Alertmanager's configuration, for those who ask by its API.

use crate::outbox::{Lane, Way};
use crate::settings::Hook;
use ph_rules::dispatch::{GroupBy, Matchers, Route, Settings};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

/// YAML without secrets: of a URL its origin is shown.
pub(crate) fn text(settings: &Settings, hooks: &BTreeMap<Lane, Arc<Hook>>) -> String {
    let mut out = String::new();
    let _ = writeln!(
        out,
        "global:\n  resolve_timeout: {}",
        duration(settings.resolve_timeout_ms)
    );
    out.push_str("route:\n");
    route(&mut out, &settings.route, "  ", "  ");
    if !settings.inhibit.is_empty() {
        out.push_str("inhibit_rules:\n");
    }
    for rule in &settings.inhibit {
        let equal: Vec<String> = rule.equal.iter().map(|name| quoted(name)).collect();
        let _ = writeln!(out, "- source_matchers: {}", matchers(&rule.source));
        let _ = writeln!(out, "  target_matchers: {}", matchers(&rule.target));
        let _ = writeln!(out, "  equal: [{}]", equal.join(", "));
    }
    out.push_str("receivers:\n");
    for (name, send_resolved) in &settings.receivers {
        let _ = writeln!(out, "- name: {}", quoted(name));
        for (lane, hook) in hooks.iter().filter(|(lane, _)| lane.receiver == *name) {
            let origin = hook.place.origin();
            let (list, url) = match lane.way {
                Way::Webhook => (
                    "webhook_configs",
                    format!("url: {}", quoted(&format!("{origin}/"))),
                ),
                Way::Slack => ("slack_configs", "api_url: <secret>".to_owned()),
            };
            let _ = writeln!(
                out,
                "  {list}:\n  - send_resolved: {send_resolved}\n    {url}"
            );
        }
    }
    out
}

fn route(out: &mut String, route: &Route, first: &str, indent: &str) {
    let _ = writeln!(out, "{first}receiver: {}", quoted(&route.receiver));
    let labels = match &route.group_by {
        GroupBy::All => vec![quoted("...")],
        GroupBy::Names(names) => names.iter().map(|name| quoted(name)).collect(),
    };
    if route.matchers.iter().len() > 0 {
        let _ = writeln!(out, "{indent}matchers: {}", matchers(&route.matchers));
    }
    let _ = writeln!(out, "{indent}group_by: [{}]", labels.join(", "));
    let _ = writeln!(out, "{indent}group_wait: {}", duration(route.group_wait_ms));
    let _ = writeln!(
        out,
        "{indent}group_interval: {}",
        duration(route.group_interval_ms)
    );
    let _ = writeln!(
        out,
        "{indent}repeat_interval: {}",
        duration(route.repeat_interval_ms)
    );
    if route.goes_on {
        let _ = writeln!(out, "{indent}continue: true");
    }
    if !route.routes.is_empty() {
        let _ = writeln!(out, "{indent}routes:");
    }
    for below in &route.routes {
        self::route(out, below, &format!("{indent}- "), &format!("{indent}  "));
    }
}

fn matchers(all: &Matchers) -> String {
    let texts: Vec<String> = all
        .iter()
        .map(|matcher| {
            let one = Matchers::new(vec![matcher.clone()])
                .unwrap_or_default()
                .to_string();
            quoted(one.trim_start_matches('{').trim_end_matches('}'))
        })
        .collect();
    format!("[{}]", texts.join(", "))
}

/// JSON's quotes are YAML's, too.
fn quoted(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

/// `5m`, `1m30s`, `100ms`, as Prometheus's programs write durations.
fn duration(ms: i64) -> String {
    let mut rest = ms;
    let mut out = String::new();
    for (unit, size) in [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ] {
        if rest >= size {
            let _ = write!(out, "{}{unit}", rest / size);
            rest %= size;
        }
    }
    if out.is_empty() { "0s".to_owned() } else { out }
}

//! A message that Slack's incoming webhooks take, and those of others that copy them.

use super::json;
use super::webhook::common;
use crate::saved::{Pairs, Saved, SavedAlert};
use serde::Serialize;

/// Alerts of one message; further ones are counted.
const ALERTS_MAX: usize = 10;
/// Characters of one text of an alert.
const TEXT_CHARS_MAX: usize = 300;
/// Labels that are shown of an alert.
const LABELS_MAX: usize = 12;

#[derive(Serialize)]
struct Message<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    attachments: [Attachment; 1],
}

#[derive(Serialize)]
struct Attachment {
    fallback: String,
    color: &'static str,
    title: String,
    title_link: String,
    text: String,
    mrkdwn_in: [&'static str; 1],
    footer: &'static str,
    ts: i64,
}

/// - `external_url`: where people find Pilothouse.
pub(crate) fn body(
    saved: &Saved,
    external_url: &str,
    channel: Option<&str>,
    username: Option<&str>,
) -> String {
    let title = title(saved);
    let color = match (saved.is_firing(), severity(saved)) {
        (false, _) => "good",
        (true, Some("warning" | "info")) => "warning",
        (true, _) => "danger",
    };
    json(&Message {
        channel,
        username,
        attachments: [Attachment {
            fallback: title.clone(),
            color,
            title,
            title_link: format!("{external_url}/api/v2/alerts"),
            text: text(saved),
            mrkdwn_in: ["text"],
            footer: "Pilothouse",
            ts: saved.at_ms / 1000,
        }],
    })
}

/// The severity that all alerts have.
fn severity(saved: &Saved) -> Option<&str> {
    let mut all = saved
        .alerts
        .iter()
        .map(|alert| alert.labels.get("severity"));
    let first = all.next()??;
    all.all(|other| other == Some(first))
        .then_some(first.as_str())
}

/// `[FIRING:2] HighErrorRate (server=files)`
fn title(saved: &Saved) -> String {
    let firing = saved
        .alerts
        .iter()
        .filter(|alert| alert.ends_at_ms.is_none())
        .count();
    let state = if firing > 0 {
        format!("FIRING:{firing}")
    } else {
        "RESOLVED".to_owned()
    };
    let common = common(&saved.alerts, |alert| &alert.labels);
    let name = common.get("alertname").map_or("Alerts", String::as_str);
    let shown = saved
        .group_labels
        .iter()
        .filter(|(label, _)| *label != "alertname");
    let labels: Vec<String> = shown
        .map(|(label, value)| format!("{label}={value}"))
        .collect();
    let place = if labels.is_empty() {
        String::new()
    } else {
        format!(" ({})", labels.join(", "))
    };
    escaped(&format!("[{state}] {name}{place}"))
}

fn text(saved: &Saved) -> String {
    let mut firing_first: Vec<&SavedAlert> = saved.alerts.iter().collect();
    firing_first.sort_by_key(|alert| alert.ends_at_ms.is_some());
    let mut parts: Vec<String> = firing_first
        .iter()
        .take(ALERTS_MAX)
        .map(|alert| one(alert))
        .collect();
    let more = saved.alerts.len().saturating_sub(ALERTS_MAX);
    if more > 0 {
        parts.push(format!("… and {more} more"));
    }
    parts.join("\n\n")
}

fn one(alert: &SavedAlert) -> String {
    let said = |name: &str| alert.annotations.get(name).map(|text| escaped(text));
    let state = if alert.ends_at_ms.is_some() {
        "resolved"
    } else {
        "firing"
    };
    let name = alert
        .labels
        .get("alertname")
        .map_or("alert", String::as_str);
    let summary = said("summary").unwrap_or_else(|| escaped(name));
    let mut lines = vec![format!("*{summary}* ({state})")];
    lines.extend(said("description"));
    lines.push(labels(&alert.labels));
    let link = |url: &str, what: &str| {
        let is_link = url.starts_with("http://") || url.starts_with("https://");
        is_link.then(|| format!("<{}|{what}>", escaped(url)))
    };
    let runbook = alert
        .annotations
        .get("runbook_url")
        .and_then(|url| link(url, "Runbook"));
    let links: Vec<String> = runbook
        .into_iter()
        .chain(link(&alert.generator_url, "Expression"))
        .collect();
    if !links.is_empty() {
        lines.push(links.join(" · "));
    }
    lines.retain(|line| !line.is_empty());
    lines.join("\n")
}

fn labels(labels: &Pairs) -> String {
    let shown = labels
        .iter()
        .filter(|(name, _)| *name != "alertname")
        .take(LABELS_MAX);
    let shown: Vec<String> = shown
        .map(|(name, value)| format!("`{name}={}`", escaped(value).replace('`', "'")))
        .collect();
    shown.join(" ")
}

/// The three characters that mean something there, and no text without end.
fn escaped(text: &str) -> String {
    let mut out: String = text.chars().take(TEXT_CHARS_MAX).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    fn pairs(all: &[(&str, &str)]) -> Pairs {
        all.iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    fn alert(one: usize, ends_at_ms: Option<i64>) -> SavedAlert {
        SavedAlert {
            fingerprint: 1,
            labels: pairs(&[
                ("alertname", "HighErrorRate"),
                ("one", &one.to_string()),
                ("severity", "critical"),
            ]),
            annotations: pairs(&[
                ("summary", "5 % of <calls> & more"),
                (
                    "runbook_url",
                    "http://127.0.0.1:3001/runbooks/HighErrorRate",
                ),
            ]),
            starts_at_ms: 0,
            ends_at_ms,
            generator_url: "http://h/graph?g0.expr=a&b".to_owned(),
        }
    }

    fn message(alerts: Vec<SavedAlert>) -> Value {
        let saved = Saved {
            receiver: "chat".to_owned(),
            group_key: "{}:{}".to_owned(),
            group_labels: pairs(&[("alertname", "HighErrorRate"), ("server", "files")]),
            alerts,
            at_ms: 1_500,
            dedupe_key: "k".to_owned(),
        };
        serde_json::from_str(&body(&saved, "http://127.0.0.1:3001", Some("#ops"), None)).unwrap()
    }

    #[test]
    fn a_message_can_be_read_and_has_links() {
        let message = message(vec![alert(1, Some(5)), alert(2, None)]);
        assert_eq!(message["channel"], "#ops");
        assert!(message.get("username").is_none());
        let attachment = &message["attachments"][0];
        assert_eq!(
            attachment["title"],
            "[FIRING:1] HighErrorRate (server=files)"
        );
        assert_eq!(attachment["color"], "danger");
        assert_eq!(attachment["ts"], 1);
        let want = "*5 % of &lt;calls&gt; &amp; more* (firing)\n\
                    `one=2` `severity=critical`\n\
                    <http://127.0.0.1:3001/runbooks/HighErrorRate|Runbook> · <http://h/graph?g0.expr=a&amp;b|Expression>";
        let text = attachment["text"].as_str().unwrap();
        assert!(text.starts_with(want), "what fires first: {text}");
        assert!(text.contains("(resolved)\n`one=1`"), "{text}");
    }

    #[test]
    fn what_is_over_is_green_and_what_is_much_is_counted() {
        let over = message((0..40).map(|n| alert(n, Some(5))).collect());
        let attachment = &over["attachments"][0];
        assert_eq!(
            attachment["title"],
            "[RESOLVED] HighErrorRate (server=files)"
        );
        assert_eq!(attachment["color"], "good");
        let text = attachment["text"].as_str().unwrap();
        assert!(text.ends_with("… and 30 more"), "{text}");
        let mut long = alert(1, None);
        long.annotations = pairs(&[
            ("summary", &"x".repeat(10_000)),
            ("description", &"y".repeat(10_000)),
        ]);
        let text = message(vec![long])["attachments"][0]["text"].to_string();
        assert!(text.len() < 2_000, "{}", text.len());
    }
}

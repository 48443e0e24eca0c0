//! `pilothouse alerts`: what fires, and what is about to.

use crate::ask::{Api, Params, WhereArgs};
use crate::exit;
use crate::printer::Printer;
use crate::terminal::{Look, Paint, clean, cut, pad};
use anyhow::{Result, anyhow};
use clap::Args;
use jiff::Timestamp;
use ph_plan::AlertMatcher;
use ph_promql::{Labels, MatchOp, Matcher};
use serde_json::{Value as Json, json};

#[derive(Args)]
pub(crate) struct AlertsArgs {
    /// Only alerts with these labels, such as `severity=critical` or `server=~"a|b"`.
    #[arg(value_name = "LABEL=VALUE")]
    matchers: Vec<String>,
    /// Only those that fire, not those that are pending.
    #[arg(long)]
    firing: bool,
    /// Print the answer as one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    place: WhereArgs,
}

pub(crate) const EXAMPLES: &str = "\
Exits 1 when an alert fires, silenced or not, 0 when none does, 3 when nobody can be asked.

Examples:
  pilothouse alerts
  pilothouse alerts severity=critical
  pilothouse alerts --firing --json";

/// An alert as it is shown.
#[derive(Clone, Debug)]
pub(crate) struct Alert {
    pub is_firing: bool,
    is_silenced: bool,
    /// Unix milliseconds.
    pub since_ms: i64,
    value: String,
    labels: Labels,
    pub annotations: Json,
}

pub(crate) fn alerts(args: &AlertsArgs, printer: &Printer) -> Result<u8> {
    let matchers = read_matchers(&args.matchers)?;
    let api = Api::find(&args.place)?;
    api.daemon("alerts")?;
    let (all, source) = ask(&api)?;
    let mut alerts: Vec<Alert> = all
        .into_iter()
        .filter(|alert| matchers.iter().all(|m| m.matches(alert.of(m.name()))))
        .filter(|alert| alert.is_firing || !args.firing)
        .collect();
    alerts.sort_by_key(|alert| (!alert.is_firing, alert.since_ms));
    let firing = alerts.iter().filter(|alert| alert.is_firing).count();
    if args.json {
        let all: Vec<Json> = alerts.iter().map(Alert::json).collect();
        let result = json!({"version": 1, "firing": firing, "evaluated_by": source, "alerts": all});
        printer.data(&format!("{result}\n"))?;
    } else {
        if let Some(source) = &source {
            printer.say(&format!("as {source} evaluates them (`metrics.query`)"));
        }
        if alerts.is_empty() {
            printer.say("no alert fires or is pending");
        } else {
            printer.data(&table(&alerts, Look::of_stdout()))?;
        }
    }
    Ok(if firing > 0 { exit::FOUND } else { exit::DONE })
}

/// All that fire and that are pending.
pub(crate) fn known(api: &Api) -> Result<Vec<Alert>> {
    ask(api).map(|(alerts, _)| alerts)
}

/// The alerts, and who evaluates them where that is another.
fn ask(api: &Api) -> Result<(Vec<Alert>, Option<String>)> {
    let answer = api.get("/api/v1/alerts", &Params::new())?;
    let body = answer.json()?;
    let silenced = silenced(api);
    let alerts = body["data"]["alerts"].as_array();
    let alerts = alerts.ok_or_else(|| anyhow!("the answer has an unknown form"))?;
    let read = alerts
        .iter()
        .filter_map(|alert| Alert::read(alert, &silenced));
    Ok((read.collect(), answer.source))
}

/// What labels have to be.
pub(crate) fn read_matchers(texts: &[String]) -> Result<Vec<Matcher>> {
    let one = |text: &String| {
        let read = AlertMatcher::parse(text).ok_or_else(|| {
            anyhow!("`{text}` is no matcher: expected `LABEL=VALUE`, `!=`, `=~` or `!~`")
        })?;
        let op = match read.op {
            ph_plan::MatchOp::Equal => MatchOp::Eq,
            ph_plan::MatchOp::NotEqual => MatchOp::Ne,
            ph_plan::MatchOp::Matches => MatchOp::Re,
            ph_plan::MatchOp::NotMatches => MatchOp::Nre,
        };
        Ok(Matcher::new(read.label, op, read.value)?)
    };
    texts.iter().map(one).collect()
}

/// Labels of alerts that are kept quiet, as the notifier has them: external labels among them.
fn silenced(api: &Api) -> Vec<Labels> {
    let params = Params::new()
        .with("active", "false")
        .with("unprocessed", "false");
    let answer = api.get("/api/v2/alerts", &params).and_then(|a| a.json());
    let known = answer.unwrap_or_default();
    let known = known.as_array().into_iter().flatten();
    known.map(|alert| labels(&alert["labels"])).collect()
}

fn labels(json: &Json) -> Labels {
    let pairs = json.as_object().into_iter().flatten();
    Labels::from_pairs(pairs.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))))
}

impl Alert {
    fn read(alert: &Json, silenced: &[Labels]) -> Option<Self> {
        let own = labels(&alert["labels"]);
        let is = |other: &Labels| {
            own.iter()
                .all(|(name, value)| other.get(name) == Some(value))
        };
        let since: Timestamp = alert["activeAt"].as_str()?.parse().ok()?;
        Some(Self {
            is_firing: alert["state"] == "firing",
            is_silenced: silenced.iter().any(is),
            since_ms: since.as_millisecond(),
            value: alert["value"].as_str()?.to_owned(),
            annotations: alert["annotations"].clone(),
            labels: own,
        })
    }

    /// A label, or nothing.
    pub(crate) fn of(&self, label: &str) -> &str {
        self.labels.get(label).unwrap_or_default()
    }

    pub(crate) fn state(&self) -> &'static str {
        match (self.is_firing, self.is_silenced) {
            (true, true) => "silenced",
            (true, false) => "firing",
            (false, _) => "pending",
        }
    }

    pub(crate) fn json(&self) -> Json {
        let labels: serde_json::Map<String, Json> = self
            .labels
            .iter()
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let since = Timestamp::from_millisecond(self.since_ms).map(|at| at.to_string());
        json!({
            "name": self.of("alertname"), "state": if self.is_firing { "firing" } else { "pending" },
            "silenced": self.is_silenced, "active_at": since.ok(), "value": self.value,
            "labels": labels, "annotations": self.annotations,
        })
    }
}

/// A span of time for people: its two largest units, `15m 22s`.
pub(crate) fn lasting(ms: i64) -> String {
    let seconds = ms.max(0) / 1_000;
    let units = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];
    let largest = units.iter().position(|(_, unit)| seconds >= *unit);
    let Some(at) = largest else {
        return "0s".to_owned();
    };
    let (mut left, mut parts) = (seconds, Vec::new());
    for (name, unit) in units.iter().skip(at).take(2) {
        if left / unit > 0 {
            parts.push(format!("{}{name}", left / unit));
        }
        left %= unit;
    }
    parts.join(" ")
}

fn table(alerts: &[Alert], look: Look) -> String {
    let now_ms = Timestamp::now().as_millisecond();
    let mut rows = vec![["STATE", "SINCE", "ALERT", "SEVERITY", "LABELS"].map(str::to_owned)];
    for alert in alerts {
        let others = alert
            .labels
            .filtered(|name| !matches!(name, "alertname" | "severity"));
        let others = if others.is_empty() {
            String::new()
        } else {
            others.to_string()
        };
        rows.push([
            alert.state().to_owned(),
            lasting(now_ms - alert.since_ms),
            clean(alert.of("alertname")),
            clean(alert.of("severity")),
            clean(&others),
        ]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths: Vec<usize> = (0..5).map(|column| width(column).unwrap_or(0)).collect();
    let mut out = String::new();
    for (nth, row) in rows.iter().enumerate() {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| pad(cell, *width));
        let line = cells.collect::<Vec<_>>().join("  ");
        let line = line.trim_end();
        let line = if look.cut {
            cut(line, look.width)
        } else {
            line.to_owned()
        };
        let paint = match nth.checked_sub(1).map(|nth| alerts[nth].state()) {
            None => Paint::Bold,
            Some("firing") => Paint::Bad,
            Some("pending") => Paint::Warn,
            Some(_) => Paint::Faint,
        };
        out.push_str(&look.paint(paint, &line));
        out.push('\n');
        if let Some(alert) = nth.checked_sub(1).map(|nth| &alerts[nth]) {
            let summary = alert.annotations["summary"].as_str().unwrap_or_default();
            if !summary.trim().is_empty() {
                let line = format!("          {}", clean(summary.trim()));
                let line = if look.cut {
                    cut(&line, look.width)
                } else {
                    line
                };
                out.push_str(&line);
                out.push('\n');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_for_people() {
        for (seconds, want) in [
            (0, "0s"),
            (59, "59s"),
            (922, "15m 22s"),
            (3_600, "1h"),
            (603_840, "6d 23h"),
        ] {
            assert_eq!(lasting(seconds * 1_000), want);
        }
    }
}

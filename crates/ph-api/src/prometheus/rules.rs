//! `rules`, `alerts` and `alertmanagers`.

use super::QUERY_TIME_MAX;
use super::encode::{bounded, comma, json_text, labels as write_labels, success};
use super::error::PromError;
use super::query::read;
use super::series::{limit, selectors};
use crate::params::{FormError, Params};
use crate::reply;
use crate::sources::Shared;
use crate::work::Stop;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use jiff::Timestamp;
use ph_promql::{Labels, Matcher};
use ph_rules::GroupStatus;
use ph_rules::group::{ActiveAlert, RuleStatus};
use std::fmt::Write;
use std::time::Duration;

type Form = Result<Params, FormError>;
type Reply = Result<Response, PromError>;

/// Which rules are wanted. Of an empty list all are.
struct Wanted {
    recording: bool,
    alerting: bool,
    names: Vec<String>,
    groups: Vec<String>,
    files: Vec<String>,
    selectors: Vec<Vec<Matcher>>,
    with_alerts: bool,
    /// Most groups of the answer.
    groups_max: usize,
    /// The answer begins with this group.
    from: Option<String>,
}

/// `/api/v1/rules`
pub(crate) async fn rules(State(shared): State<Shared>, form: Form) -> Reply {
    let params = read(form)?;
    let wanted = Wanted::of(&params)?;
    let data = with_groups(&shared, move |groups| wanted.write(&groups)).await??;
    Ok(reply::json(StatusCode::OK, success(&data, &[])))
}

/// `/api/v1/alerts`
pub(crate) async fn alerts(State(shared): State<Shared>) -> Reply {
    let data = with_groups(&shared, |groups| write_alerts(&groups)).await??;
    Ok(reply::json(StatusCode::OK, success(&data, &[])))
}

/// `/api/v1/alertmanagers`: those that get our alerts. None is ever given up, so none is dropped.
pub(crate) async fn alertmanagers(State(shared): State<Shared>) -> Response {
    let known = shared.sources.evaluation.as_ref();
    let urls = known.map(|known| known.alertmanagers()).unwrap_or_default();
    let mut data = String::from("{\"activeAlertmanagers\":[");
    for (i, url) in urls.iter().enumerate() {
        comma(&mut data, i);
        data.push_str("{\"url\":");
        json_text(&mut data, url);
        data.push('}');
    }
    data.push_str("],\"droppedAlertmanagers\":[]}");
    reply::json(StatusCode::OK, success(&data, &[]))
}

/// Runs `job` over all groups, off the connection's thread: one of them may be being evaluated.
async fn with_groups<T: Send + 'static>(
    shared: &Shared,
    job: impl FnOnce(Vec<GroupStatus>) -> T + Send + 'static,
) -> Result<T, PromError> {
    let known = shared.sources.evaluation.clone();
    let job = move |_: &Stop| job(known.map(|known| known.groups()).unwrap_or_default());
    Ok(shared.queries.run(QUERY_TIME_MAX, job).await?)
}

impl Wanted {
    fn of(params: &Params) -> Result<Self, PromError> {
        let kind = params.get("type").map(str::to_ascii_lowercase);
        let (recording, alerting) = match kind.as_deref() {
            None => (true, true),
            Some("record") => (true, false),
            Some("alert") => (false, true),
            Some(other) => {
                return Err(PromError::parameter(
                    "type",
                    format_args!("not supported value {other:?}"),
                ));
            }
        };
        let with_alerts = match params.get("exclude_alerts") {
            None => true,
            Some(text) => !truth(text)?,
        };
        let groups_max = limit(params, "group_limit")?.filter(|max| *max > 0);
        let from = params.get("group_next_token").map(str::to_owned);
        if from.is_some() && groups_max.is_none() {
            return Err(PromError::bad_data(
                "group_limit needs to be set in order to paginate over the groups",
            ));
        }
        let all = |name: &str| params.all(name).map(str::to_owned).collect();
        Ok(Self {
            recording,
            alerting,
            names: all("rule_name[]"),
            groups: all("rule_group[]"),
            files: all("file[]"),
            selectors: selectors(params)?,
            with_alerts,
            groups_max: groups_max.unwrap_or(usize::MAX),
            from,
        })
    }

    fn write(&self, groups: &[GroupStatus]) -> Result<String, PromError> {
        let mut left = groups;
        if let Some(from) = &self.from {
            let at = groups.iter().position(|group| token(group) == *from);
            let at = at.ok_or_else(|| {
                PromError::parameter("group_next_token", "there is no such group any more")
            })?;
            left = &groups[at..];
        }
        let mut data = String::from("{\"groups\":[");
        let (mut count, mut next) = (0, None);
        for group in left {
            if !wants(&self.groups, &group.name) || !wants(&self.files, &group.file) {
                continue;
            }
            let rules: Vec<&RuleStatus> = group.rules.iter().filter(|r| self.takes(r)).collect();
            if rules.is_empty() {
                continue;
            }
            if count == self.groups_max {
                next = Some(token(group));
                break;
            }
            comma(&mut data, count);
            count += 1;
            write_group(&mut data, group, &rules, self.with_alerts)?;
        }
        data.push(']');
        if let Some(next) = next {
            data.push_str(",\"groupNextToken\":");
            json_text(&mut data, &next);
        }
        data.push('}');
        Ok(data)
    }

    fn takes(&self, rule: &RuleStatus) -> bool {
        let of_kind = match rule.alerting {
            None => self.recording,
            Some(_) => self.alerting,
        };
        let value = |name: &str| {
            let found = rule.labels.iter().find(|(label, _)| label == name);
            found.map(|(_, value)| value.as_str()).unwrap_or_default()
        };
        let matches = |set: &Vec<Matcher>| set.iter().all(|m| m.matches(value(m.name())));
        of_kind
            && wants(&self.names, &rule.name)
            && (self.selectors.is_empty() || self.selectors.iter().any(matches))
    }
}

fn wants(list: &[String], text: &str) -> bool {
    list.is_empty() || list.iter().any(|one| one == text)
}

/// A group's name in `group_next_token`.
fn token(group: &GroupStatus) -> String {
    format!("{};{}", group.file, group.name)
}

/// As Go reads a boolean.
fn truth(text: &str) -> Result<bool, PromError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(PromError::parameter(
            "exclude_alerts",
            format_args!("{text:?} is no boolean"),
        )),
    }
}

fn write_group(
    out: &mut String,
    group: &GroupStatus,
    rules: &[&RuleStatus],
    with_alerts: bool,
) -> Result<(), PromError> {
    out.push_str("{\"name\":");
    json_text(out, &group.name);
    out.push_str(",\"file\":");
    json_text(out, &group.file);
    out.push_str(",\"rules\":[");
    for (i, rule) in rules.iter().enumerate() {
        comma(out, i);
        write_rule(out, rule, with_alerts)?;
    }
    let interval = group.interval.as_secs_f64();
    let _ = write!(out, "],\"interval\":{interval},\"limit\":{}", group.limit);
    write_times(out, group.took, group.last_evaluation_ms);
    out.push('}');
    bounded(out)
}

fn write_rule(out: &mut String, rule: &RuleStatus, with_alerts: bool) -> Result<(), PromError> {
    out.push('{');
    if let Some(alerting) = &rule.alerting {
        let _ = write!(out, "\"state\":\"{}\",", alerting.state.as_str());
    }
    out.push_str("\"name\":");
    json_text(out, &rule.name);
    out.push_str(",\"query\":");
    json_text(out, &rule.query);
    if let Some(alerting) = &rule.alerting {
        let hold = alerting.hold.as_secs_f64();
        let keep = alerting.keep_firing_for.as_secs_f64();
        let _ = write!(out, ",\"duration\":{hold},\"keepFiringFor\":{keep}");
    }
    if rule.alerting.is_some() || !rule.labels.is_empty() {
        out.push_str(",\"labels\":");
        write_pairs(out, &rule.labels);
    }
    if let Some(alerting) = &rule.alerting {
        out.push_str(",\"annotations\":");
        write_pairs(out, &alerting.annotations);
        out.push_str(",\"alerts\":[");
        let alerts = alerting.alerts.iter().filter(|_| with_alerts);
        for (i, alert) in alerts.enumerate() {
            comma(out, i);
            write_alert(out, alert);
            bounded(out)?;
        }
        out.push(']');
    }
    let _ = write!(out, ",\"health\":\"{}\"", rule.health.as_str());
    if let Some(error) = &rule.last_error {
        out.push_str(",\"lastError\":");
        json_text(out, error);
    }
    write_times(out, rule.took, rule.last_evaluation_ms);
    let kind = match rule.alerting {
        None => "recording",
        Some(_) => "alerting",
    };
    let _ = write!(out, ",\"type\":\"{kind}\"}}");
    Ok(())
}

fn write_times(out: &mut String, took: Duration, last_ms: Option<i64>) {
    let took = took.as_secs_f64();
    let _ = write!(out, ",\"evaluationTime\":{took},\"lastEvaluation\":");
    write_time(out, last_ms);
}

fn write_alerts(groups: &[GroupStatus]) -> Result<String, PromError> {
    let mut data = String::from("{\"alerts\":[");
    let mut count = 0;
    for rule in groups.iter().flat_map(|group| &group.rules) {
        for alert in rule.alerting.iter().flat_map(|alerting| &alerting.alerts) {
            comma(&mut data, count);
            count += 1;
            write_alert(&mut data, alert);
            bounded(&data)?;
        }
    }
    data.push_str("]}");
    Ok(data)
}

fn write_alert(out: &mut String, alert: &ActiveAlert) {
    out.push_str("{\"labels\":");
    write_labels(out, &alert.labels);
    out.push_str(",\"annotations\":");
    write_labels(out, &alert.annotations);
    let _ = write!(out, ",\"state\":\"{}\",\"activeAt\":", alert.state.as_str());
    write_time(out, Some(alert.active_at_ms));
    if alert.keep_firing_since_ms.is_some() {
        out.push_str(",\"keepFiringSince\":");
        write_time(out, alert.keep_firing_since_ms);
    }
    out.push_str(",\"value\":");
    json_text(out, &exponent(alert.value));
    out.push('}');
}

fn write_pairs(out: &mut String, pairs: &[(String, String)]) {
    let labels = pairs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()));
    write_labels(out, &Labels::from_pairs(labels));
}

/// RFC 3339; Go's beginning of time where there is none.
fn write_time(out: &mut String, t_ms: Option<i64>) {
    let time = t_ms.and_then(|ms| Timestamp::from_millisecond(ms).ok());
    match time {
        Some(time) => {
            let _ = write!(out, "\"{time}\"");
        }
        None => out.push_str("\"0001-01-01T00:00:00Z\""),
    }
}

/// A number as Go writes it with an exponent: `1.5e-07`.
fn exponent(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}e{sign}{power:0>2}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_go_does() {
        for (value, want) in [
            (1.0, "1e+00"),
            (0.0, "0e+00"),
            (-0.07, "-7e-02"),
            (123_456.0, "1.23456e+05"),
            (1e100, "1e+100"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Inf"),
        ] {
            assert_eq!(exponent(value), want);
        }
    }
}

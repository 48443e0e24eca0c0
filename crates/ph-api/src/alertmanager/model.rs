//! The bodies, in both directions.

use jiff::Timestamp;
use ph_promql::Labels;
use ph_rules::dispatch::{AlertView, GroupView, MatcherRow, SilenceView};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

type Pairs = BTreeMap<String, String>;

/// An alert as it is shown.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Alert {
    annotations: Pairs,
    /// RFC 3339; when it counts as over unless it is said again.
    ends_at: String,
    /// 16 hexadecimal digits.
    fingerprint: String,
    /// Who hears of it.
    receivers: Vec<Receiver>,
    /// RFC 3339.
    starts_at: String,
    status: AlertStatus,
    /// RFC 3339.
    updated_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "String::is_empty")]
    generator_url: String,
    labels: Pairs,
}

/// Whether anything keeps an alert quiet.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct AlertStatus {
    /// Fingerprints.
    inhibited_by: Vec<String>,
    /// Ids of silences.
    silenced_by: Vec<String>,
    /// `active` or `suppressed`.
    state: &'static str,
}

/// A receiver.
#[derive(Serialize, JsonSchema)]
pub(super) struct Receiver {
    pub(super) name: String,
}

/// Alerts that are told of together.
#[derive(Serialize, JsonSchema)]
pub(super) struct Group {
    pub(super) alerts: Vec<Alert>,
    pub(super) labels: Pairs,
    pub(super) receiver: Receiver,
}

/// An alert that comes in.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostedAlert {
    pub(super) labels: Pairs,
    #[serde(default)]
    pub(super) annotations: Pairs,
    /// RFC 3339; now by default.
    pub(super) starts_at: Option<String>,
    /// RFC 3339; in five minutes by default, unless it is said again.
    pub(super) ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    pub(super) generator_url: String,
}

/// A silence as it is shown.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Silence {
    id: String,
    status: SilenceStatus,
    updated_at: String,
    comment: String,
    created_by: String,
    ends_at: String,
    matchers: Vec<Matcher>,
    starts_at: String,
}

/// Where a silence is in its life.
#[derive(Serialize, JsonSchema)]
pub(super) struct SilenceStatus {
    /// `active`, `pending` or `expired`.
    state: &'static str,
}

/// One matcher of a silence.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Matcher {
    #[serde(default = "yes")]
    is_equal: bool,
    is_regex: bool,
    name: String,
    value: String,
}

fn yes() -> bool {
    true
}

/// A silence that somebody wants.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PostedSilence {
    /// The one that is changed.
    #[serde(default)]
    pub(super) id: Option<String>,
    pub(super) matchers: Vec<Matcher>,
    /// RFC 3339.
    pub(super) starts_at: String,
    /// RFC 3339.
    pub(super) ends_at: String,
    pub(super) created_by: String,
    pub(super) comment: String,
}

/// The id of a silence that was set.
#[derive(Serialize, JsonSchema)]
pub(super) struct SilenceId {
    #[serde(rename = "silenceID")]
    pub(super) silence_id: String,
}

/// Who answers.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusBody {
    pub(super) cluster: Cluster,
    pub(super) config: Config,
    pub(super) uptime: String,
    pub(super) version_info: VersionInfo,
}

/// There is none.
#[derive(Serialize, JsonSchema)]
pub(super) struct Cluster {
    /// Always `disabled`.
    pub(super) status: &'static str,
    /// Always empty.
    pub(super) peers: Vec<String>,
}

/// Routes and receivers.
#[derive(Serialize, JsonSchema)]
pub(super) struct Config {
    /// As Alertmanager's configuration, without secrets.
    pub(super) original: String,
}

/// Our version.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionInfo {
    pub(super) branch: String,
    pub(super) build_date: String,
    pub(super) build_user: String,
    pub(super) go_version: String,
    pub(super) revision: String,
    pub(super) version: String,
}

impl From<AlertView> for Alert {
    fn from(view: AlertView) -> Self {
        let state = if view.is_suppressed() {
            "suppressed"
        } else {
            "active"
        };
        let hex = |fingerprint: u64| format!("{fingerprint:016x}");
        Self {
            annotations: pairs(&view.annotations),
            ends_at: time(view.ends_at_ms),
            fingerprint: hex(view.fingerprint),
            receivers: view
                .receivers
                .into_iter()
                .map(|name| Receiver { name })
                .collect(),
            starts_at: time(view.starts_at_ms),
            status: AlertStatus {
                inhibited_by: view.inhibited_by.into_iter().map(hex).collect(),
                silenced_by: view.silenced_by,
                state,
            },
            updated_at: time(view.updated_at_ms),
            generator_url: view.generator_url,
            labels: pairs(&view.labels),
        }
    }
}

impl From<GroupView> for Group {
    fn from(view: GroupView) -> Self {
        Self {
            alerts: view.alerts.into_iter().map(Alert::from).collect(),
            labels: pairs(&view.labels),
            receiver: Receiver {
                name: view.receiver,
            },
        }
    }
}

impl From<SilenceView> for Silence {
    fn from(view: SilenceView) -> Self {
        Self {
            id: view.id,
            status: SilenceStatus {
                state: view.state.as_str(),
            },
            updated_at: time(view.updated_at_ms),
            comment: view.comment,
            created_by: view.created_by,
            ends_at: time(view.ends_at_ms),
            matchers: view.matchers.into_iter().map(Matcher::from).collect(),
            starts_at: time(view.starts_at_ms),
        }
    }
}

impl From<MatcherRow> for Matcher {
    fn from(row: MatcherRow) -> Self {
        Self {
            is_equal: row.is_equal,
            is_regex: row.is_regex,
            name: row.name,
            value: row.value,
        }
    }
}

impl From<Matcher> for MatcherRow {
    fn from(matcher: Matcher) -> Self {
        Self {
            is_equal: matcher.is_equal,
            is_regex: matcher.is_regex,
            name: matcher.name,
            value: matcher.value,
        }
    }
}

fn pairs(labels: &Labels) -> Pairs {
    let pairs = labels.iter();
    pairs
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// RFC 3339 with milliseconds. A time that no calendar has is shown as its end.
pub(super) fn time(unix_ms: i64) -> String {
    let time = Timestamp::from_millisecond(unix_ms).unwrap_or(Timestamp::MAX);
    format!("{time:.3}")
}

/// RFC 3339 in Unix milliseconds. None for the first moment of the first year, which clients in Go send
/// for no time.
pub(super) fn read_time(text: &str) -> Result<Option<i64>, String> {
    let time: Timestamp = text.parse().map_err(|_| {
        format!(
            "`{}` is no time of RFC 3339",
            text.chars().take(60).collect::<String>()
        )
    })?;
    Ok((!text.starts_with("0001-01-01T00:00:00")).then(|| time.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_763_850_000_120), "2025-11-22T22:20:00.120Z");
        assert_eq!(
            read_time("2025-11-22T23:20:00.12+01:00"),
            Ok(Some(1_763_850_000_120))
        );
        assert_eq!(read_time("0001-01-01T00:00:00.000Z"), Ok(None));
        assert!(read_time("tomorrow").is_err());
    }
}

//! The state as plain rows, for whoever keeps it.

use super::group::{Group, group_id};
use super::held::Held;
use super::log::Logged;
use super::silence::{self, Silence};
use ph_promql::Labels;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What rows are about. With a key it names one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Room {
    /// [`AlertRow`], by fingerprint.
    Alert,
    /// [`GroupRow`], by receiver and group key.
    Group,
    /// [`LogRow`], by receiver and group key.
    Log,
    /// [`SilenceRow`], by id.
    Silence,
}

/// A row that is new or changed, or gone.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// What it is about.
    pub room: Room,
    /// Which one.
    pub key: String,
    /// How it is now; none: it is gone.
    pub row: Option<Row>,
}

/// One row.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    /// An alert.
    Alert(AlertRow),
    /// When a group is looked at next.
    Group(GroupRow),
    /// What a receiver was told.
    Log(LogRow),
    /// A silence.
    Silence(SilenceRow),
}

/// What was last heard of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRow {
    /// Names and values.
    pub labels: BTreeMap<String, String>,
    /// Names and texts.
    pub annotations: BTreeMap<String, String>,
    /// Unix milliseconds.
    pub starts_at_ms: i64,
    /// Unix milliseconds.
    pub ends_at_ms: i64,
    /// Unix milliseconds.
    pub updated_at_ms: i64,
    /// Its end follows from when it was last heard of.
    pub is_timeout: bool,
    /// Where its expression can be looked at.
    pub generator_url: String,
    /// Groups that have told of its end, while others have not.
    #[serde(default)]
    pub left: Vec<String>,
}

/// When a group is looked at next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Who hears of it.
    pub receiver: String,
    /// Its key.
    pub key: String,
    /// Unix milliseconds.
    pub next_ms: i64,
    /// It was looked at before.
    pub has_flushed: bool,
}

/// What a receiver was told of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRow {
    /// Who was told.
    pub receiver: String,
    /// Of which group.
    pub key: String,
    /// Unix milliseconds.
    pub at_ms: i64,
    /// Fingerprints.
    pub firing: Vec<u64>,
    /// Fingerprints.
    pub resolved: Vec<u64>,
    /// Unix milliseconds.
    pub expires_ms: i64,
}

/// A silence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SilenceRow {
    /// A UUID.
    pub id: String,
    /// Which alerts.
    pub matchers: Vec<MatcherRow>,
    /// Unix milliseconds.
    pub starts_at_ms: i64,
    /// Unix milliseconds.
    pub ends_at_ms: i64,
    /// Unix milliseconds.
    pub updated_at_ms: i64,
    /// Whose it is.
    pub created_by: String,
    /// Why.
    pub comment: String,
}

/// One matcher, in its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MatcherRow {
    /// The label.
    pub name: String,
    /// Its value, or a pattern.
    pub value: String,
    /// `value` is a pattern.
    pub is_regex: bool,
    /// The value has to be so, else it must not be so.
    pub is_equal: bool,
}

impl From<&Held> for AlertRow {
    fn from(held: &Held) -> Self {
        let owned = |labels: &Labels| {
            let pairs = labels.iter();
            pairs
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect()
        };
        Self {
            labels: owned(&held.labels),
            annotations: owned(&held.annotations),
            starts_at_ms: held.starts_at_ms,
            ends_at_ms: held.ends_at_ms,
            updated_at_ms: held.updated_at_ms,
            is_timeout: held.is_timeout,
            generator_url: held.generator_url.clone(),
            left: held.left.iter().cloned().collect(),
        }
    }
}

impl From<AlertRow> for Held {
    fn from(row: AlertRow) -> Self {
        let labels = Labels::from_pairs(row.labels);
        Self {
            fingerprint: super::fingerprint(&labels),
            labels,
            annotations: Labels::from_pairs(row.annotations),
            starts_at_ms: row.starts_at_ms,
            ends_at_ms: row.ends_at_ms,
            updated_at_ms: row.updated_at_ms,
            is_timeout: row.is_timeout,
            generator_url: row.generator_url,
            left: row.left.into_iter().collect(),
        }
    }
}

impl From<&Group> for GroupRow {
    fn from(group: &Group) -> Self {
        Self {
            receiver: group.receiver.clone(),
            key: group.key.clone(),
            next_ms: group.next_ms,
            has_flushed: group.has_flushed,
        }
    }
}

impl GroupRow {
    pub(super) fn id(&self) -> String {
        group_id(&self.receiver, &self.key)
    }
}

impl LogRow {
    pub(super) fn new(id: &str, logged: &Logged) -> Self {
        let (receiver, key) = id.split_once('\u{1f}').unwrap_or_default();
        Self {
            receiver: receiver.to_owned(),
            key: key.to_owned(),
            at_ms: logged.at_ms,
            firing: logged.firing.iter().copied().collect(),
            resolved: logged.resolved.iter().copied().collect(),
            expires_ms: logged.expires_ms,
        }
    }

    pub(super) fn read(self) -> (String, Logged) {
        let logged = Logged {
            at_ms: self.at_ms,
            firing: self.firing.into_iter().collect(),
            resolved: self.resolved.into_iter().collect(),
            expires_ms: self.expires_ms,
        };
        (group_id(&self.receiver, &self.key), logged)
    }
}

impl From<&Silence> for SilenceRow {
    fn from(silence: &Silence) -> Self {
        Self {
            id: silence.id.clone(),
            matchers: silence.matchers.iter().map(MatcherRow::from).collect(),
            starts_at_ms: silence.starts_at_ms,
            ends_at_ms: silence.ends_at_ms,
            updated_at_ms: silence.updated_at_ms,
            created_by: silence.created_by.clone(),
            comment: silence.comment.clone(),
        }
    }
}

impl SilenceRow {
    /// None when its matchers cannot be read any more.
    pub(super) fn read(self) -> Option<Silence> {
        Some(Silence {
            matchers: silence::matchers_of(&self.matchers).ok()?,
            id: self.id,
            starts_at_ms: self.starts_at_ms,
            ends_at_ms: self.ends_at_ms,
            updated_at_ms: self.updated_at_ms,
            created_by: self.created_by,
            comment: self.comment,
        })
    }
}

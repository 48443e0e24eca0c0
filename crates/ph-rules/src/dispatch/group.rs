//! Alerts that are told of together.

use ph_promql::Labels;
use std::collections::BTreeSet;

/// A group and when it is looked at next.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    /// The node of the tree of routes.
    pub(super) node: usize,
    pub(super) receiver: String,
    pub(super) labels: Labels,
    /// As the receiver sees it.
    pub(super) key: String,
    /// Fingerprints.
    pub(super) members: BTreeSet<u64>,
    pub(super) next_ms: i64,
    pub(super) has_flushed: bool,
}

/// By which a group and what was told of it are known: the receiver and the group's key.
pub(super) fn group_id(receiver: &str, key: &str) -> String {
    format!("{receiver}\u{1f}{key}")
}

//! What a receiver was told of a group.

use std::collections::BTreeSet;

/// The newest notification of a group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Logged {
    pub(super) at_ms: i64,
    pub(super) firing: BTreeSet<u64>,
    pub(super) resolved: BTreeSet<u64>,
    /// When it is forgotten.
    pub(super) expires_ms: i64,
}

/// Why a receiver is told of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// Something is new, or over.
    Change,
    /// Nothing has changed for long.
    Repeat,
}

/// Whether there is anything to tell.
pub(super) fn reason(
    logged: Option<&Logged>,
    firing: &BTreeSet<u64>,
    resolved: &BTreeSet<u64>,
    send_resolved: bool,
    repeat_after_ms: i64,
    now_ms: i64,
) -> Option<Reason> {
    let Some(logged) = logged else {
        return (!firing.is_empty()).then_some(Reason::Change);
    };
    if !firing.is_subset(&logged.firing) {
        return Some(Reason::Change);
    }
    if firing.is_empty() {
        // The receiver knows of none that fires: what came and went since needs no word.
        return (!logged.firing.is_empty()).then_some(Reason::Change);
    }
    if send_resolved && !resolved.is_subset(&logged.resolved) {
        return Some(Reason::Change);
    }
    (logged.at_ms < now_ms.saturating_sub(repeat_after_ms)).then_some(Reason::Repeat)
}

//! What the operator decides.

use super::inhibit::Inhibit;
use super::route::Route;
use std::collections::BTreeMap;

/// Routes, receivers, inhibition and bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The root of the routes.
    pub route: Route,
    /// Name of each receiver, and whether it is told that an alert is over.
    pub receivers: BTreeMap<String, bool>,
    /// Which alerts keep others quiet.
    pub inhibit: Vec<Inhibit>,
    /// Milliseconds after which a posted alert without an end counts as resolved.
    pub resolve_timeout_ms: i64,
    /// Milliseconds for which an expired silence is still shown.
    pub silence_retention_ms: i64,
    /// How much there may be of everything.
    pub bounds: Bounds,
}

/// How much there may be of everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Alerts held.
    pub alerts: usize,
    /// Groups at once.
    pub groups: usize,
    /// Silences, expired ones included.
    pub silences: usize,
    /// Groups of which is remembered what was told.
    pub log: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            alerts: 10_000,
            groups: 5_000,
            silences: 2_000,
            log: 20_000,
        }
    }
}

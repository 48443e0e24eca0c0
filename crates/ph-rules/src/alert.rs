//! What is told about a rule's element to whoever notifies.

use ph_promql::Labels;

/// A firing or resolved alert, as it is handed on after a tick.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Identity: the element's labels, the rule's over them, `alertname` over all; external labels
    /// where the element has none of that name.
    pub labels: Labels,
    /// Expanded annotations, in the order of their names.
    pub annotations: Labels,
    /// Unix milliseconds at which it began to fire.
    pub starts_at_ms: i64,
    /// Unix milliseconds at which it was resolved; while it fires, when it counts as resolved unless
    /// it is said again.
    pub ends_at_ms: i64,
    /// It fires no longer.
    pub resolved: bool,
    /// Where its expression can be looked at.
    pub generator_url: String,
}

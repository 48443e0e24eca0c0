//! What all groups share.

use std::time::Duration;

use ph_promql::Labels;

/// What holds for all rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Of groups that name none.
    pub default_interval: Duration,
    /// Set on alerts that have no label of that name; `$externalLabels` in templates.
    pub external_labels: Labels,
    /// `$externalURL` in templates, and what addresses of expressions begin with.
    pub external_url: String,
    /// After a longer outage, what alerts were before it is forgotten.
    pub for_outage_tolerance: Duration,
    /// Alerts with a shorter `for` begin anew after a restart; the others fire after this time at the
    /// earliest.
    pub for_grace_period: Duration,
    /// The least time before a firing alert is sent again.
    pub resend_delay: Duration,
    /// How long a resolved alert is sent again and again.
    pub resolved_retention: Duration,
}

impl Default for Settings {
    /// As Prometheus, but with an interval of 15 s and without a grace period.
    fn default() -> Self {
        Self {
            default_interval: Duration::from_secs(15),
            external_labels: Labels::default(),
            external_url: String::new(),
            for_outage_tolerance: Duration::from_secs(3_600),
            for_grace_period: Duration::ZERO,
            resend_delay: Duration::from_secs(60),
            resolved_retention: Duration::from_secs(15 * 60),
        }
    }
}

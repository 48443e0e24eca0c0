//! The pages of `docs/runbooks/` and `docs/ja/runbooks/`, as they were when this was built.

/// What to do about an alert, in each language. The text begins with the alert's name as its heading.
pub(super) struct Page {
    pub(super) alert: &'static str,
    pub(super) english: &'static str,
    pub(super) japanese: &'static str,
}

macro_rules! pages {
    ($($alert:literal,)+) => {
        &[$(Page {
            alert: $alert,
            english: include_str!(concat!("../../../../docs/runbooks/", $alert, ".md")),
            japanese: include_str!(concat!("../../../../docs/ja/runbooks/", $alert, ".md")),
        }),+]
    };
}

/// Every page, in the order in which they are shown together.
pub(super) const ALL: &[Page] = pages![
    "HighErrorRate",
    "SlowResponseTime",
    "ServerDown",
    "ToolErrorRate",
    "CrashLoop",
    "MemoryGrowth",
    "FileDescriptorLeak",
    "QueueSaturation",
    "ToolDefinitionChanged",
    "VulnerabilityDeadlineHalf",
    "VulnerabilityDeadlineNear",
    "VulnerabilityOverdue",
    "VulnerabilityScanIncomplete",
    "TelemetryDropped",
    "DiskNearlyFull",
    "StoreFailing",
    "SinkLagging",
    "ConfigurationRejected",
    "RuleEvaluationFailing",
    "NotificationsFailing",
    "PilothouseMissing",
    "PilothouseRestarting",
    "CallsUnrecorded",
    "AuthFailureBurst",
    "SuspiciousArguments",
    "AbnormalAccess",
    "ErrorBudgetBurn",
    "ErrorBudgetBurnSlow",
    "LimitStoreDown",
    "CertificateExpiresSoon",
    "AdvisoriesStale",
];

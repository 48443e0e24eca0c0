//! The alerts.
//!
//! How the expressions are made, so that they hold wherever they run:
//! - `without` names what is summed away and keeps the rest, so that labels of the scraping Prometheus
//!   (`job`, `instance`, a cluster) tell several instances apart and reach the alert.
//! - A ratio of rates is `NaN` without traffic and absent without data, and neither is above a threshold.
//! - Counters are read by `rate` and `increase` only, which know resets.
//! - No bucket is picked by the text of `le`, which Prometheus 2 and 3 write differently.

use ph_plan::StandardAlert;

use super::row::{Severity, StandardGroup, StandardRule};

/// All groups, in the order of the file. Names of alerts are a contract.
pub const GROUPS: &[StandardGroup] = &[
    StandardGroup {
        name: "pilothouse-calls",
        interval: None,
        rules: CALLS,
    },
    StandardGroup {
        name: "pilothouse-servers",
        interval: None,
        rules: SERVERS,
    },
    StandardGroup {
        name: "pilothouse-security",
        interval: None,
        rules: SECURITY,
    },
    StandardGroup {
        name: "pilothouse-trends",
        // Each evaluation reads hours.
        interval: Some("5m"),
        rules: TRENDS,
    },
    StandardGroup {
        name: "pilothouse-access",
        interval: None,
        rules: ACCESS,
    },
    StandardGroup {
        name: "pilothouse-itself",
        interval: None,
        rules: ITSELF,
    },
];

const CALLS: &[StandardRule] = &[
    StandardRule {
        alert: StandardAlert::HighErrorRate,
        hold: "5m",
        severity: Severity::Critical,
        expr: r#"
            sum without (method, tool, status) (rate(mcp_requests_total{status=~"5.."}[5m]))
            /
            sum without (method, tool, status) (rate(mcp_requests_total[5m]))
            > <error_ratio>"#,
        summary: "Calls to MCP server {{ $labels.server }} fail",
        description: "{{ $value | humanizePercentage }} of the calls to {{ $labels.server }} (seen by \
            {{ $labels.instance }}) failed with a status of 5xx in the last 5 minutes; the threshold is \
            <error_ratio>.",
    },
    StandardRule {
        alert: StandardAlert::SlowResponseTime,
        hold: "10m",
        severity: Severity::Warning,
        expr: r"
            histogram_quantile(0.95,
              sum without (method, tool) (rate(mcp_response_duration_seconds_bucket[5m])))
            > <response_time>",
        summary: "MCP server {{ $labels.server }} answers slowly",
        description: "95% of the calls to {{ $labels.server }} (seen by {{ $labels.instance }}) were \
            answered within {{ $value | humanizeDuration }} in the last 5 minutes; the threshold is \
            <response_time>.",
    },
    StandardRule {
        alert: StandardAlert::ToolErrorRate,
        hold: "5m",
        severity: Severity::Warning,
        expr: r#"
            (
              sum without (outcome) (rate(mcp_tool_calls_total{outcome="tool_error"}[15m]))
              /
              sum without (outcome) (rate(mcp_tool_calls_total[15m]))
              > <tool_error_ratio>
            )
            and
            sum without (outcome) (increase(mcp_tool_calls_total[15m])) >= <tool_calls>"#,
        summary: "Tool {{ $labels.tool }} of MCP server {{ $labels.server }} fails",
        description: "{{ $value | humanizePercentage }} of the calls of {{ $labels.tool }} on \
            {{ $labels.server }} came back as an error of the tool in the last 15 minutes; the threshold \
            is <tool_error_ratio>, of at least <tool_calls> calls.",
    },
    StandardRule {
        alert: StandardAlert::QueueSaturation,
        hold: "2m",
        severity: Severity::Warning,
        expr: r"
            pilothouse_queue_depth / (pilothouse_queue_limit > 0)
            > <queue_ratio>",
        summary: "The queue in front of MCP server {{ $labels.server }} is nearly full",
        description: "{{ $value | humanizePercentage }} of the places for calls that wait for \
            {{ $labels.server }} are taken; the threshold is <queue_ratio>. When all are taken, further \
            calls are refused with 503.",
    },
];

const SERVERS: &[StandardRule] = &[
    StandardRule {
        alert: StandardAlert::ServerDown,
        hold: "1m",
        severity: Severity::Critical,
        expr: r#"
            up{job="mcp-server"} == 0
            or
            mcp_server_up == 0"#,
        summary: "{{ if $labels.server }}MCP server {{ $labels.server }} is down\
            {{ else }}{{ $labels.instance }} cannot be scraped{{ end }}",
        description: "{{ if $labels.server }}The health checks of {{ $labels.server }} by \
            {{ $labels.instance }} fail\
            {{ else }}{{ $labels.instance }} does not answer scrapes, so nothing is known of its servers\
            {{ end }}: the value is {{ $value }}, and 1 is expected again within 1m.",
    },
    StandardRule {
        alert: StandardAlert::CrashLoop,
        hold: "0s",
        severity: Severity::Warning,
        expr: r#"
            round(sum without (replica, reason) (
              increase(mcp_server_restarts_total{reason!="reload"}[15m])))
            > <restarts>"#,
        summary: "MCP server {{ $labels.server }} ends again and again",
        description: r#"Processes of {{ $labels.server }} were started anew {{ $value }} times in the last 15 minutes; the threshold is <restarts>."#,
    },
    StandardRule {
        alert: StandardAlert::FileDescriptorLeak,
        hold: "15m",
        severity: Severity::Warning,
        expr: r"
            mcp_server_open_fds_ratio > <open_fds_ratio>
            or
            (
              mcp_server_open_fds_ratio > <open_fds_ratio> / 2
              and
              predict_linear(mcp_server_open_fds_ratio[2h], 4 * 3600) > 1
            )
            or
            (
              process_open_fds / (process_max_fds > 0) > <open_fds_ratio>
              and on (job, instance)
              pilothouse_build_info
            )",
        summary: "{{ if $labels.server }}MCP server {{ $labels.server }}{{ else }}Pilothouse\
            {{ end }} runs out of file descriptors",
        description: "A process of {{ if $labels.server }}{{ $labels.server }}{{ else }}Pilothouse \
            ({{ $labels.instance }}){{ end }} has {{ $value | humanizePercentage }} of the files open \
            that it may open; the threshold is <open_fds_ratio>, and half of that when the trend of 2 \
            hours reaches the limit within 4.",
    },
];

const SECURITY: &[StandardRule] = &[
    StandardRule {
        alert: StandardAlert::ToolDefinitionChanged,
        hold: "0s",
        severity: Severity::Critical,
        expr: r"
            mcp_tool_definitions_unapproved > 0",
        summary: "Tools of MCP server {{ $labels.server }} are no longer what was accepted",
        description: r#"{{ $value | printf "%.0f" }} tools of {{ $labels.server }} (seen by {{ $labels.instance }}) differ from what was accepted: 0 are expected. Nobody has looked at what models are told now."#,
    },
    StandardRule {
        alert: StandardAlert::VulnerabilityDeadlineHalf,
        hold: "0s",
        severity: Severity::Warning,
        // The label `severity` of an alert is another one than that of the numbers.
        expr: r#"
            label_replace(mcp_vulnerability_deadline_ratio >= 0.5 < 0.8,
              "class", "$1", "severity", "(.+)")"#,
        summary: "Half of the time for a vulnerability of MCP server {{ $labels.server }} is over",
        description: "{{ $value | humanizePercentage }} of the time for a vulnerability of severity {{ $labels.class }} \
            in {{ $labels.server }} (seen by {{ $labels.instance }}) is used; the threshold is 50%. Which one: \
            pilothouse vuln list.",
    },
    StandardRule {
        alert: StandardAlert::VulnerabilityDeadlineNear,
        hold: "0s",
        severity: Severity::Warning,
        expr: r#"
            label_replace(mcp_vulnerability_deadline_ratio >= 0.8 < 1,
              "class", "$1", "severity", "(.+)")"#,
        summary: "The time for a vulnerability of MCP server {{ $labels.server }} is nearly over",
        description: "{{ $value | humanizePercentage }} of the time for a vulnerability of severity {{ $labels.class }} \
            in {{ $labels.server }} (seen by {{ $labels.instance }}) is used; the threshold is 80%. Which one: \
            pilothouse vuln list.",
    },
    StandardRule {
        alert: StandardAlert::VulnerabilityOverdue,
        hold: "0s",
        severity: Severity::Critical,
        expr: r#"
            label_replace(mcp_vulnerability_overdue > 0, "class", "$1", "severity", "(.+)")"#,
        summary: "Vulnerabilities of MCP server {{ $labels.server }} should be gone by now",
        description: r#"{{ $value | printf "%.0f" }} vulnerabilities of severity {{ $labels.class }} in {{ $labels.server }} (seen by {{ $labels.instance }}) are late: 0 are expected. Which ones: pilothouse vuln list --only overdue."#,
    },
    StandardRule {
        alert: StandardAlert::VulnerabilityScanIncomplete,
        hold: "30m",
        severity: Severity::Warning,
        expr: r#"
            mcp_vulnerability_scan_incomplete{reason=~"failed|stale|unchecked"} == 1"#,
        summary: "Whether MCP server {{ $labels.server }} has vulnerabilities is not known",
        description: "The scans of {{ $labels.server }} (by {{ $labels.instance }}) are no answer, for the reason \
            {{ $labels.reason }}: the value is {{ $value }}, 0 is expected within 30m.",
    },
];

const TRENDS: &[StandardRule] = &[StandardRule {
    alert: StandardAlert::MemoryGrowth,
    hold: "30m",
    severity: Severity::Warning,
    // The least of an hour does not see the saw-tooth of a garbage collector, and a cache that is
    // filled once does not grow in both halves of the six hours.
    expr: r"
            (
              min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m])
              -
              min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m] offset 6h)
              > <memory_growth_bytes>
            )
            and
            min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m])
            / min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m] offset 6h)
            > 1 + <memory_growth_ratio>
            and
            min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m])
            - min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m] offset 3h)
            > <memory_growth_bytes> / 4
            and
            min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m] offset 3h)
            - min_over_time((mcp_server_resident_memory_bytes / (mcp_server_processes > 0))[1h:1m] offset 6h)
            > <memory_growth_bytes> / 4",
    summary: "The memory of MCP server {{ $labels.server }} grows and grows",
    description: "A process of {{ $labels.server }} (replica {{ $labels.replica }}) holds \
            {{ $value | humanize1024 }}B more than 6 hours ago, and grew all along; the threshold is \
            <memory_growth_bytes> and <memory_growth_ratio>.",
}];

const ACCESS: &[StandardRule] = &[
    StandardRule {
        alert: StandardAlert::AuthFailureBurst,
        hold: "0s",
        severity: Severity::Warning,
        expr: r#"
            increase(mcp_anomalies_total{kind="auth_failures"}[10m]) > 0"#,
        summary: "Somebody tries to get in{{ if $labels.server }} to MCP server {{ $labels.server }}{{ end }}",
        description: r#"{{ $labels.instance }} saw {{ $value | printf "%.0f" }} bursts of requests that could not show who they are from in the last 10 minutes; the threshold is 0."#,
    },
    StandardRule {
        alert: StandardAlert::SuspiciousArguments,
        hold: "0s",
        severity: Severity::Warning,
        expr: r#"
            sum without (kind) (
              increase(mcp_anomalies_total{kind=~"path_traversal|.*_injection|ssrf|oversized"}[10m])) > 0"#,
        summary: "Arguments of calls to MCP server {{ $labels.server }} look like attacks",
        description: r#"{{ $value | printf "%.0f" }} calls to {{ $labels.server }} in the last 10 minutes; the threshold is 0. Which arguments, and whose: pilothouse logs 'event=anomaly'."#,
    },
    StandardRule {
        alert: StandardAlert::AbnormalAccess,
        hold: "0s",
        severity: Severity::Warning,
        expr: r#"
            sum without (kind) (
              increase(mcp_anomalies_total{kind=~"rate|enumeration|errors|size"}[10m])) > 0"#,
        summary: "A client calls MCP server {{ $labels.server }} in an unusual way",
        description: r#"{{ $value | printf "%.0f" }} abnormal patterns of access to {{ $labels.server }} in the last 10 minutes; the threshold is 0. Whose, and what was usual: pilothouse logs 'event=anomaly'."#,
    },
];

const ITSELF: &[StandardRule] = &[
    StandardRule {
        alert: StandardAlert::TelemetryDropped,
        hold: "0s",
        severity: Severity::Warning,
        expr: r#"
            label_replace(sum without (reason) (increase(pilothouse_records_dropped_total[10m])) > 0,
              "telemetry", "log lines", "", "")
            or
            label_replace(sum without (reason) (increase(pilothouse_spans_dropped_total[10m])) > 0,
              "telemetry", "spans", "", "")
            or
            label_replace(sum without (reason) (increase(pilothouse_store_records_dropped_total[10m])) > 0,
              "telemetry", "records of the store", "", "")
            or
            label_replace(sum without (reason) (
                increase(pilothouse_store_samples_dropped_total{reason=~"queue|overflow|disk_full|io_error"}[10m])) > 0,
              "telemetry", "samples of the store", "", "")
            or
            label_replace(sum without (signal, result) (
                increase(pilothouse_ingested_total{result="dropped"}[10m])) > 0,
              "telemetry", "what servers sent by OTLP", "", "")
            or
            label_replace(sum without (result) (
                increase(pilothouse_sink_entries_total{result=~"rejected|dropped_.*"}[10m])) > 0,
              "telemetry", "entries of a sink", "", "")"#,
        summary: "Pilothouse drops telemetry: {{ $labels.telemetry }}",
        description: r#"{{ $labels.instance }} dropped {{ $labels.telemetry }}{{ if $labels.sink }} ({{ $labels.sink }}){{ end }}: {{ $value | printf "%.0f" }} in the last 10 minutes; the threshold is 0. Calls and their counts are complete."#,
    },
    StandardRule {
        alert: StandardAlert::DiskNearlyFull,
        hold: "10m",
        severity: Severity::Warning,
        expr: r"
            pilothouse_disk_free_bytes / (pilothouse_disk_size_bytes > 0) < <disk_free_ratio>
            or
            (
              pilothouse_disk_free_bytes / (pilothouse_disk_size_bytes > 0) < 2 * <disk_free_ratio>
              and
              predict_linear(pilothouse_disk_free_bytes[6h], 24 * 3600) < 0
            )",
        summary: "The disk under the data of Pilothouse is nearly full",
        description: "{{ $value | humanizePercentage }} of the disk under the data directory of \
            {{ $labels.instance }} is free; the threshold is <disk_free_ratio>, and twice that when the \
            trend of 6 hours fills it within a day.",
    },
    StandardRule {
        alert: StandardAlert::StoreFailing,
        hold: "1m",
        severity: Severity::Critical,
        expr: "
            pilothouse_store_failing == 1",
        summary: "Pilothouse cannot keep what it sees",
        description: "The store of {{ $labels.instance }} cannot write: the value is {{ $value }}, 0 is \
            expected. Calls go on, records and samples of now are lost.",
    },
    StandardRule {
        alert: StandardAlert::SinkLagging,
        hold: "5m",
        severity: Severity::Warning,
        expr: "
            pilothouse_sink_lag_seconds > <sink_lag>",
        summary: "Sink {{ $labels.sink }} lags behind",
        description: "The oldest record that {{ $labels.sink }} has not taken is \
            {{ $value | humanizeDuration }} old; the threshold is <sink_lag>.",
    },
    StandardRule {
        alert: StandardAlert::ConfigurationRejected,
        hold: "5m",
        severity: Severity::Warning,
        expr: "
            pilothouse_config_rejected == 1",
        summary: "Pilothouse runs with an older configuration than the one on disk",
        description: "{{ $labels.instance }} has rejected the configuration on disk: the value is \
            {{ $value }}, 0 is expected. A restart would fail.",
    },
    StandardRule {
        alert: StandardAlert::LimitStoreDown,
        hold: "1m",
        severity: Severity::Critical,
        expr: "
            pilothouse_limit_store_up == 0",
        summary: "The Redis that limits share does not answer",
        description: "{{ $labels.instance }} cannot ask the Redis that limits share: the value is \
            {{ $value }}, 1 is expected. Until it answers, calls pass without these limits or are refused, as \
            `redis.on_failure` says.",
    },
    StandardRule {
        alert: StandardAlert::CertificateExpiresSoon,
        hold: "10m",
        severity: Severity::Warning,
        expr: "
            pilothouse_tls_certificate_expiry_timestamp_seconds - time() < <certificate_left>",
        summary: "The certificate of the {{ $labels.listener }} listener ends soon",
        description: "The certificate that the {{ $labels.listener }} listener of {{ $labels.instance }} shows \
            {{ if lt $value 0.0 }}has ended{{ else }}ends in {{ $value | humanizeDuration }}{{ end }}; the \
            threshold is <certificate_left>.",
    },
    StandardRule {
        alert: StandardAlert::AdvisoriesStale,
        hold: "30m",
        severity: Severity::Warning,
        expr: "
            pilothouse_vuln_db_age_seconds and on (ecosystem, instance, job) pilothouse_vuln_db_stale == 1",
        summary: "Advisories of {{ $labels.ecosystem }} are stale",
        description: "The advisories of {{ $labels.ecosystem }} at {{ $labels.instance }} are \
            {{ $value | humanizeDuration }} old, more than `vuln.stale_after`: what was published since is not found, \
            and no scan is clean.",
    },
    StandardRule {
        alert: StandardAlert::RuleEvaluationFailing,
        hold: "5m",
        severity: Severity::Critical,
        expr: r"
            increase(pilothouse_rule_evaluation_failures_total[5m]) > 0",
        summary: "Rules of {{ $labels.group }} cannot be evaluated",
        description: r#"{{ $labels.instance }} failed to evaluate rules of {{ $labels.group }} {{ $value | printf "%.0f" }} times in the last 5 minutes; the threshold is 0. Their alerts keep the state that they had."#,
    },
    StandardRule {
        alert: StandardAlert::NotificationsFailing,
        hold: "5m",
        severity: Severity::Critical,
        expr: r#"
            label_replace(pilothouse_alert_notifications_queued and pilothouse_alert_receiver_up == 0,
              "notifications", "waiting", "", "")
            or
            label_replace(sum without (result) (
                increase(pilothouse_alert_notifications_total{result=~"rejected|dropped"}[15m])) > 0,
              "notifications", "lost", "", "")
            or
            label_replace(sum without (reason) (increase(pilothouse_alerts_dropped_total[15m])) > 0,
              "notifications", "lost", "", "")"#,
        summary: "Notifications{{ if $labels.receiver }} to {{ $labels.receiver }}{{ end }} fail",
        description: r#"Notifications of {{ $labels.instance }}{{ if $labels.receiver }} to {{ $labels.receiver }}{{ end }} are {{ $labels.notifications }}: {{ $value | printf "%.0f" }}; none is expected to be for 5 minutes."#,
    },
    StandardRule {
        alert: StandardAlert::PilothouseMissing,
        hold: "5m",
        severity: Severity::Critical,
        expr: r#"
            absent(up{job="mcp-server"})"#,
        summary: "No Pilothouse is scraped",
        description: "There is no target of the job mcp-server: {{ $value }} series is missing, none is \
            expected to be. Whether MCP servers work is not known.",
    },
    StandardRule {
        alert: StandardAlert::PilothouseRestarting,
        hold: "0s",
        severity: Severity::Warning,
        expr: r"
            changes(process_start_time_seconds[30m]) > 2
            and on (job, instance)
            pilothouse_build_info",
        summary: "Pilothouse restarts again and again",
        description: "{{ $labels.instance }} was restarted {{ $value }} times in the last 30 minutes; \
            the threshold is 2.",
    },
    StandardRule {
        alert: StandardAlert::CallsUnrecorded,
        hold: "0s",
        severity: Severity::Warning,
        expr: r"
            increase(pilothouse_call_drafts_lost_total[15m]) > 0",
        summary: "Pilothouse has lost the record of a call",
        description: r#"{{ $value | printf "%.0f" }} calls to {{ $labels.server }} ended without a record in the last 15 minutes; the threshold is 0, and more is a bug of Pilothouse."#,
    },
];

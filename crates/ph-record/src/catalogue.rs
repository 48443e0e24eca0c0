//! Every metric there is: name, type, unit, help, labels, buckets. The only place where names are written.

/// Prometheus metric type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only rises; name ends `_total`.
    Counter,
    /// A level.
    Gauge,
    /// Cumulative buckets, sum and count.
    Histogram,
}

impl Kind {
    /// The word of a `# TYPE` line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// One metric family.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Full name, `_total` included.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// One sentence; says what a gauge reads when its subject is gone.
    pub help: &'static str,
    /// Label names, in output order.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets, `+Inf` left out.
    pub buckets: &'static [f64],
}

/// Latency of calls, in seconds.
pub const SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0,
];
/// Time spent in Pilothouse, in seconds.
pub const OVERHEAD_SECONDS: &[f64] = &[
    0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05,
    0.25,
];
/// Sizes of messages, in bytes.
pub const BYTES: &[f64] = &[
    256.0,
    1024.0,
    4096.0,
    16384.0,
    65536.0,
    262_144.0,
    1_048_576.0,
    4_194_304.0,
    16_777_216.0,
];
/// Health checks, in seconds.
pub const HEALTH_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Time until what was written is safe on the disk, in seconds.
pub const SYNC_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];
/// Buckets of the OTel MCP semantic conventions, in seconds.
pub const OTEL_SECONDS: &[f64] = &[
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];
/// Evaluations of groups of rules, in seconds.
pub const RULE_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 15.0];
/// Questions to the store that limits share, in seconds.
pub const LIMIT_STORE_SECONDS_BOUNDS: &[f64] = &[
    0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0,
];
/// Times until a vulnerability was gone, in seconds: an hour to 90 days.
pub const REMEDIATION_SECONDS: &[f64] = &[
    3600.0,
    14_400.0,
    43_200.0,
    86_400.0,
    259_200.0,
    604_800.0,
    1_209_600.0,
    2_592_000.0,
    7_776_000.0,
];
/// Spans that servers send in, in seconds: few, since there may be many names.
pub const SPAN_SECONDS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

macro_rules! metrics {
    ($($id:ident = $name:literal, $kind:ident, [$($label:literal),*], $buckets:expr, $help:literal;)*) => {
        $(#[doc = $help]
        pub const $id: Metric = Metric { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*], buckets: $buckets };)*
        /// The whole catalogue, in output order.
        pub const ALL: &[Metric] = &[$($id),*];
    };
}

metrics! {
    REQUESTS = "mcp_requests_total", Counter, ["server", "method", "tool", "status"], &[],
        "Calls by the HTTP status a plain API would have given; 5xx means the service failed.";
    RESPONSE_SECONDS = "mcp_response_duration_seconds", Histogram, ["server", "method", "tool"], SECONDS,
        "Seconds from the request's head to the last byte of its answer; streams left out.";
    ACTIVE_CONNECTIONS = "mcp_active_connections", Gauge, ["server"], &[],
        "Open client sessions and streams; 0 when there are none.";
    REQUESTS_PER_SECOND = "mcp_requests_per_second", Gauge, ["server"], &[],
        "Calls per second over the last minute; 0 without traffic.";
    TOOL_CALLS = "mcp_tool_calls_total", Counter, ["server", "tool", "outcome"], &[],
        "Tool calls by what they came to.";
    REQUEST_BYTES = "mcp_request_size_bytes", Histogram, ["server"], BYTES,
        "Size of request bodies.";
    RESPONSE_BYTES = "mcp_response_size_bytes", Histogram, ["server"], BYTES,
        "Size of answers, frames of a stream together.";
    OVERHEAD = "pilothouse_overhead_seconds", Histogram, ["server"], OVERHEAD_SECONDS,
        "Seconds of a call spent in Pilothouse, not in the server and not waiting for the client.";
    SERVER_UP = "mcp_server_up", Gauge, ["server"], &[],
        "1 when the last health check passed, else 0; absent before the first check and when checks are off.";
    HEALTH_CHECKS = "mcp_health_check_total", Counter, ["server", "result"], &[],
        "Health checks by result.";
    HEALTH_SECONDS_HIST = "mcp_health_check_duration_seconds", Histogram, ["server"], HEALTH_SECONDS,
        "Seconds a health check took.";
    SLO_EVENTS = "mcp_slo_events_total", Counter, ["slo", "source", "result"], &[],
        "Events of service level objectives (source demand: calls, probe: health checks; result good, bad).";
    CPU_SECONDS = "mcp_server_cpu_seconds_total", Counter, ["server", "replica"], &[],
        "CPU seconds used by the server's processes, user and system.";
    RESIDENT_BYTES = "mcp_server_resident_memory_bytes", Gauge, ["server", "replica"], &[],
        "Resident memory of the server's processes; 0 when none runs.";
    RESIDENT_PEAK_BYTES = "mcp_server_resident_memory_peak_bytes", Gauge, ["server", "replica"], &[],
        "Most resident memory of the server's processes in the last minute, by the kernel's own marks; 0 when none ran.";
    CPU_PEAK_CORES = "mcp_server_cpu_peak_cores", Gauge, ["server", "replica"], &[],
        "Most CPU cores that the server's processes used over 5 s in the last minute; 0 when none ran.";
    CPU_THROTTLED_SECONDS = "mcp_server_cpu_throttled_seconds_total", Counter, ["server", "replica"], &[],
        "Seconds that the server's processes waited for a bound on CPU, summed over CPUs; absent without control groups.";
    CPU_THROTTLED_PERIODS = "mcp_server_cpu_throttled_periods_total", Counter, ["server", "replica"], &[],
        "Periods in which the server's processes had used up a bound on CPU; absent without control groups.";
    CGROUP_PEAK_BYTES = "mcp_server_cgroup_memory_peak_bytes", Gauge, ["server", "replica"], &[],
        "Most memory charged to the control group of one running child since its start, cached files included; absent where the kernel does not say.";
    DISK_READ_BYTES = "mcp_server_disk_read_bytes_total", Counter, ["server", "replica"], &[],
        "Bytes the server's processes read from storage.";
    DISK_WRITTEN_BYTES = "mcp_server_disk_written_bytes_total", Counter, ["server", "replica"], &[],
        "Bytes the server's processes wrote to storage.";
    OPEN_FDS = "mcp_server_open_fds", Gauge, ["server", "replica"], &[],
        "Open file descriptors of the server's processes; 0 when none runs.";
    OPEN_FDS_RATIO = "mcp_server_open_fds_ratio", Gauge, ["server", "replica"], &[],
        "Largest share of its limit of open files that one of the server's processes uses; 0 when none runs.";
    PROCESSES = "mcp_server_processes", Gauge, ["server", "replica"], &[],
        "Processes of the server, grandchildren included; 0 when none runs.";
    MEMORY_KILLS = "mcp_server_memory_kills_total", Counter, ["server", "replica"], &[],
        "Children ended because they used more memory than they may, by the kernel or by Pilothouse.";
    RESTARTS = "mcp_server_restarts_total", Counter, ["server", "replica", "reason"], &[],
        "Children started in another's place.";
    REFUSED = "mcp_refused_total", Counter, ["server", "reason"], &[],
        "Requests refused by Pilothouse before the server saw them; server is empty when none could be told.";
    AUTH_FAILURES = "mcp_auth_failures_total", Counter, ["server", "reason"], &[],
        "Requests that did not show who they are from; missing is also the first request of each client that comes without a token to learn where to get one.";
    TURNED_AWAY = "pilothouse_connections_turned_away_total", Counter, ["listener", "reason"], &[],
        "Connections not taken or ended for what their client did or left undone, by listener and reason.";
    ADMIN_REFUSED = "pilothouse_admin_refused_total", Counter, ["reason"], &[],
        "Requests to the admin listener that were refused before their endpoint heard of them.";
    TLS_EXPIRY = "pilothouse_tls_certificate_expiry_timestamp_seconds", Gauge, ["listener"], &[],
        "When the certificate that a listener shows ends, in Unix seconds; absent without TLS.";
    TLS_RELOADS = "pilothouse_tls_reloads_total", Counter, ["listener", "result"], &[],
        "Changed certificate files by what became of them (taken, refused).";
    TOOL_CHANGES = "mcp_tool_definition_changes_total", Counter, ["server", "kind"], &[],
        "Tools that are no longer what was accepted, by kind (added, removed, changed, renamed); only where tools are pinned.";
    TOOLS_UNAPPROVED = "mcp_tool_definitions_unapproved", Gauge, ["server"], &[],
        "Tools that differ from what was accepted and wait for an operator; absent where tools are not pinned.";
    VULNERABILITIES = "mcp_vulnerabilities", Gauge, ["server", "severity", "state"], &[],
        "Cases of vulnerabilities by severity and state; absent where there is none.";
    VULNERABILITY_OVERDUE = "mcp_vulnerability_overdue", Gauge, ["server", "severity"], &[],
        "Vulnerabilities that should be gone by now; absent for a server that was never scanned.";
    VULNERABILITY_DEADLINE = "mcp_vulnerability_deadline_ratio", Gauge, ["server", "severity"], &[],
        "The largest share of its time that an open vulnerability has used, 1 and more: late; absent where no clock runs.";
    VULNERABILITY_REMEDIATION = "mcp_vulnerability_remediation_seconds", Histogram, ["severity"], REMEDIATION_SECONDS,
        "Seconds from the detection of a vulnerability until a scan of what runs did not find it any more; goes on through restarts.";
    VULNERABILITY_SCAN = "mcp_vulnerability_scan_timestamp_seconds", Gauge, ["server"], &[],
        "When a scan for vulnerabilities last saw everything that a server holds, in Unix seconds; 0: never.";
    VULNERABILITY_BLIND = "mcp_vulnerability_scan_incomplete", Gauge, ["server", "reason"], &[],
        "1 when the last scan is no answer for the reason (failed, not_inventoried, stale, unchecked), else 0; absent before the first.";
    VULNERABILITY_DROPPED = "pilothouse_vulnerability_cases_dropped_total", Counter, [], &[],
        "Findings for which there was no room among the cases.";
    RATE_LIMITED = "mcp_rate_limited_total", Counter, ["server", "limit"], &[],
        "Calls refused by a limit.";
    RATE_LIMIT_DRY_RUN = "mcp_rate_limit_dry_run_total", Counter, ["server", "limit"], &[],
        "Calls that a limit with dry_run would have refused; they went on.";
    ANOMALIES = "mcp_anomalies_total", Counter, ["server", "kind"], &[],
        "Abnormal patterns of access by kind; server is empty when none could be told. Absent until `anomalies` is configured.";
    ANOMALY_CLIENTS = "pilothouse_anomaly_clients", Gauge, [], &[],
        "Clients, one for each server they call, of which is remembered what is usual; 0 while nobody watches.";
    ANOMALY_BLOCKED = "pilothouse_anomaly_blocked_clients", Gauge, [], &[],
        "Clients that are refused now for what was abnormal; 0 when none is.";
    ANOMALY_DROPPED = "pilothouse_anomaly_observations_dropped_total", Counter, [], &[],
        "Calls that were not looked at for what is abnormal, because too many waited.";
    LIMIT_SUBJECTS = "pilothouse_limit_subjects", Gauge, [], &[],
        "Clients, tools and so on that limits remember now; 0 without limits.";
    LIMIT_OVERFLOW = "pilothouse_limit_overflow_total", Counter, [], &[],
        "Charges taken from what the rest of a limit's subjects share, because no more can be remembered.";
    LIMIT_STORE_UP = "pilothouse_limit_store_up", Gauge, [], &[],
        "1 when the Redis that limits share answers, else 0; absent without one.";
    LIMIT_STORE_ASKED = "pilothouse_limit_store_asked_total", Counter, ["result"], &[],
        "Calls by what that Redis said (taken, refused), or did not (overdue: no answer in time; away: it was not asked).";
    LIMIT_STORE_SECONDS = "pilothouse_limit_store_seconds", Histogram, [], LIMIT_STORE_SECONDS_BOUNDS,
        "Seconds that calls waited for its answer.";
    NOTIFICATIONS = "pilothouse_notifications_total", Counter, ["server", "direction"], &[],
        "Notifications carried, by direction (to_server, to_client).";
    MESSAGES_DROPPED = "pilothouse_messages_dropped_total", Counter, ["server"], &[],
        "Messages of a server that no client could be given.";
    CALLS_IN_FLIGHT = "pilothouse_calls_in_flight", Gauge, ["server"], &[],
        "Calls begun and not yet recorded.";
    QUEUE_DEPTH = "pilothouse_queue_depth", Gauge, ["server"], &[],
        "Calls waiting for a permit to go to the server.";
    QUEUE_LIMIT = "pilothouse_queue_limit", Gauge, ["server"], &[],
        "Calls that may wait for a permit; beyond it they are refused with 503.";
    CHILDREN = "pilothouse_children", Gauge, ["server"], &[],
        "Running child processes started by Pilothouse.";
    REPLICAS = "pilothouse_replicas", Gauge, ["server", "state"], &[],
        "Replicas that share a server's calls (state: wanted, ready, out because they failed); 0 where each session has its own.";
    EJECTIONS = "pilothouse_replica_ejections_total", Counter, ["server"], &[],
        "Times that a replica was left out because its calls failed or it did not answer.";
    SCALINGS = "pilothouse_scalings_total", Counter, ["server", "direction"], &[],
        "Times that more or fewer replicas were wanted (direction: up, down).";
    DRAFTS_LOST = "pilothouse_call_drafts_lost_total", Counter, ["server"], &[],
        "Calls that ended without a record; anything but 0 is a bug of Pilothouse.";
    STATUSES_FOLDED = "pilothouse_statuses_folded_total", Counter, [], &[],
        "Calls counted as 400 or 500 because too many other statuses had a series already.";
    RECORDS_OFFERED = "pilothouse_records_offered_total", Counter, [], &[],
        "Log records given to the recorder; offered = recorded + dropped, once the queue is empty.";
    RECORDS = "pilothouse_records_written_total", Counter, [], &[],
        "Log records written to every configured sink.";
    RECORDS_DROPPED = "pilothouse_records_dropped_total", Counter, ["reason"], &[],
        "Log records dropped (queue: the queue was full; disk: a file could not be written; stdout: standard output could not).";
    RECORD_QUEUE = "pilothouse_record_queue_depth", Gauge, [], &[],
        "Log records waiting to be written.";
    SPANS_OFFERED = "pilothouse_spans_offered_total", Counter, [], &[],
        "Spans given to the exporter.";
    SPANS_EXPORTED = "pilothouse_spans_exported_total", Counter, [], &[],
        "Spans that a collector took.";
    SPANS_DROPPED = "pilothouse_spans_dropped_total", Counter, ["reason"], &[],
        "Spans dropped (queue: the queue was full; export: the collector did not take them).";
    SPAN_CALLS = "traces_spanmetrics_calls_total", Counter, ["service", "span_name", "span_kind", "status_code"], &[],
        "Spans that servers sent in by OTLP, by name and status.";
    SPAN_LATENCY = "traces_spanmetrics_latency", Histogram, ["service", "span_name", "span_kind"], SPAN_SECONDS,
        "Seconds that these spans took.";
    INGESTED = "pilothouse_ingested_total", Counter, ["signal", "result"], &[],
        "Spans and log records that came in by OTLP (signal: traces, logs; result: kept, invalid, dropped because there was no room).";
    CONFIG_REJECTED = "pilothouse_config_rejected", Gauge, [], &[],
        "1 while the configuration on disk is rejected and an older one runs, else 0.";
    CONFIG_REJECTED_SINCE = "pilothouse_config_rejected_timestamp_seconds", Gauge, [], &[],
        "Unix time since which the configuration on disk is rejected; 0 while none is.";
    CONFIG_RELOADS = "pilothouse_config_reloads_total", Counter, ["result"], &[],
        "Configuration reloads by result (ok, rejected).";
    STORE_OFFERED = "pilothouse_store_records_offered_total", Counter, [], &[],
        "Records given to the store; always offered = stored + queued + dropped.";
    STORE_RECORDS = "pilothouse_store_records_stored_total", Counter, [], &[],
        "Records that are safe in the store: synced, or written where `store.fsync` is `os`.";
    STORE_DROPPED = "pilothouse_store_records_dropped_total", Counter, ["reason"], &[],
        "Records that the store does not have (queue: too many waited; disk_full; io_error; refused: too long, or sealing is behind).";
    STORE_QUEUED = "pilothouse_store_records_queued", Gauge, [], &[],
        "Records given to the store that are neither safe nor dropped yet.";
    STORE_QUEUE_BYTES = "pilothouse_store_queue_bytes", Gauge, [], &[],
        "Bytes that wait for the store's thread.";
    STORE_SYNC_SECONDS = "pilothouse_store_sync_duration_seconds", Histogram, [], SYNC_SECONDS,
        "Seconds until what was written was safe on the disk.";
    STORE_FAILING = "pilothouse_store_failing", Gauge, [], &[],
        "1 while the store cannot write, else 0.";
    STORE_BYTES = "pilothouse_store_bytes", Gauge, ["part"], &[],
        "Bytes of the store on disk, by part (logs, series).";
    STORE_SERIES = "pilothouse_store_series", Gauge, [], &[],
        "Series that the store has in memory.";
    STORE_SAMPLES = "pilothouse_store_samples_total", Counter, [], &[],
        "Samples given to the store and kept.";
    STORE_SAMPLES_DROPPED = "pilothouse_store_samples_dropped_total", Counter, ["reason"], &[],
        "Samples that the store does not have (queue: too many waited; overflow: too many series; order: out of order, too old or twice; invalid: no name, or too long; disk_full; io_error).";
    BUILD_INFO = "pilothouse_build_info", Gauge, ["version"], &[],
        "Always 1; the label tells the version.";
    PROCESS_START = "process_start_time_seconds", Gauge, [], &[],
        "Unix time at which Pilothouse started.";
    PROCESS_CPU = "process_cpu_seconds_total", Counter, [], &[],
        "CPU seconds used by Pilothouse itself, user and system.";
    PROCESS_RSS = "process_resident_memory_bytes", Gauge, [], &[],
        "Resident memory of Pilothouse itself.";
    PROCESS_FDS = "process_open_fds", Gauge, [], &[],
        "Open file descriptors of Pilothouse itself.";
    PROCESS_FDS_MAX = "process_max_fds", Gauge, [], &[],
        "File descriptors that Pilothouse itself may have open.";
    OTEL_OPERATION_SECONDS = "mcp_server_operation_duration_seconds", Histogram,
        ["server", "mcp_method_name", "gen_ai_tool_name", "error_type", "network_transport", "mcp_protocol_version"], OTEL_SECONDS,
        "OTel MCP semantic convention; only when switched on.";
    FILE_LINES = "pilothouse_file_lines_total", Counter, ["server"], &[],
        "Lines read from the log files of a server's tools.";
    FILE_LINES_CUT = "pilothouse_file_lines_cut_total", Counter, ["server"], &[],
        "Lines of log files of which only the beginning was kept, for their length.";
    SINK_ENTRIES = "pilothouse_sink_entries_total", Counter, ["sink", "result"], &[],
        "Records that a sink is done with (delivered, rejected, dropped_lag, dropped_retention).";
    SINK_RETRIES = "pilothouse_sink_retries_total", Counter, ["sink"], &[],
        "Requests of a sink that were tried again.";
    SINK_LAG_ENTRIES = "pilothouse_sink_lag_entries", Gauge, ["sink"], &[],
        "Records of the store that a sink has not passed on yet.";
    SINK_LAG_SECONDS = "pilothouse_sink_lag_seconds", Gauge, ["sink"], &[],
        "Age of the oldest record that a sink has not passed on yet; 0 when there is none.";
    SINK_UP = "pilothouse_sink_up", Gauge, ["sink"], &[],
        "1 when the last try of a sink succeeded, else 0.";
    RULE_EVALUATIONS = "pilothouse_rule_evaluations_total", Counter, ["group"], &[],
        "Rules evaluated, by group (`file;name`; the 100th and all later ones are `other`).";
    RULE_FAILURES = "pilothouse_rule_evaluation_failures_total", Counter, ["group"], &[],
        "Rules whose expression could not be answered, or whose results could not be used.";
    RULE_MISSED = "pilothouse_rule_iterations_missed_total", Counter, ["group"], &[],
        "Evaluations of a group that were left out, since the one before took too long.";
    RULE_SECONDS_HIST = "pilothouse_rule_evaluation_duration_seconds", Histogram, [], RULE_SECONDS,
        "Seconds that the evaluation of a group took.";
    RULE_GROUP_LAST = "pilothouse_rule_group_last_evaluation_timestamp_seconds", Gauge, ["group"], &[],
        "Unix time of a group's last evaluation; 0 before the first.";
    RULE_GROUP_SECONDS = "pilothouse_rule_group_last_duration_seconds", Gauge, ["group"], &[],
        "Seconds that a group's last evaluation took; 0 before the first.";
    RULE_ALERTS = "pilothouse_rule_alerts", Gauge, ["alertname", "state"], &[],
        "Alerts that are pending or firing here, by rule; 0 where there is none (the 500th rule and all later ones are `other`).";
    ALERTS = "pilothouse_alerts", Gauge, ["state"], &[],
        "Alerts that are not over, by state (active, suppressed by a silence or another alert).";
    SILENCES = "pilothouse_silences", Gauge, ["state"], &[],
        "Silences by state (active, pending, expired); expired ones are forgotten after five days.";
    ALERTS_DROPPED = "pilothouse_alerts_dropped_total", Counter, ["reason"], &[],
        "Alerts that there was no room for (queue: too many rounds of rules waited; alerts: too many alerts; groups: too many groups).";
    ALERT_NOTIFICATIONS = "pilothouse_alert_notifications_total", Counter, ["receiver", "result"], &[],
        "Notifications that a receiver is done with (delivered; rejected for good; dropped: too old, too many, or the receiver is gone).";
    ALERT_RETRIES = "pilothouse_alert_notification_retries_total", Counter, ["receiver"], &[],
        "Requests to a receiver that failed and are tried again.";
    ALERT_QUEUED = "pilothouse_alert_notifications_queued", Gauge, ["receiver"], &[],
        "Notifications that wait for a receiver; of an Alertmanager the alerts that wait.";
    ALERT_RECEIVER_UP = "pilothouse_alert_receiver_up", Gauge, ["receiver"], &[],
        "0 when the last request to a receiver failed, else 1, also before the first.";
    ALERT_STATE_FAILURES = "pilothouse_alert_state_failures_total", Counter, [], &[],
        "Times that the state of alerts could not be saved; notifications are sent all the same.";
    HEARTBEATS = "pilothouse_heartbeat_total", Counter, ["result"], &[],
        "Heartbeats by result (sent, failed, withheld because no rules were evaluated); absent without one.";
    REDACTIONS = "pilothouse_redactions_total", Counter, ["kind"], &[],
        "Secrets that were replaced in texts, by what they are.";
    JWKS_FETCHES = "pilothouse_jwks_fetches_total", Counter, ["issuer", "result"], &[],
        "Times that the keys of an authorization server were fetched, by result (ok, failed).";
    DISK_FREE = "pilothouse_disk_free_bytes", Gauge, [], &[],
        "Bytes of the disk under the data directory that Pilothouse may still use.";
    DISK_SIZE = "pilothouse_disk_size_bytes", Gauge, [], &[],
        "Size of the disk under the data directory, without what only root may use.";
    VULN_DB_AGE = "pilothouse_vuln_db_age_seconds", Gauge, ["ecosystem"], &[],
        "Age of the advisories of an ecosystem: time since the last update that went well, or since the import.";
    VULN_DB_STALE = "pilothouse_vuln_db_stale", Gauge, ["ecosystem"], &[],
        "1 when the advisories of an ecosystem are older than `vuln.stale_after`, else 0.";
    VULN_DB_RECORDS = "pilothouse_vuln_db_records", Gauge, ["ecosystem"], &[],
        "Advisories that name a package of an ecosystem.";
    VULN_DB_UPDATES = "pilothouse_vuln_db_updates_total", Counter, ["result"], &[],
        "Updates of the advisories by the daemon, by result (ok, failed).";
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_follow_the_conventions() {
        let mut seen = HashSet::new();
        for m in ALL {
            assert!(seen.insert(m.name), "{} twice", m.name);
            assert_eq!(
                m.kind == Kind::Counter,
                m.name.ends_with("_total"),
                "{}",
                m.name
            );
            assert_eq!(
                m.kind == Kind::Histogram,
                !m.buckets.is_empty(),
                "{}",
                m.name
            );
            assert!(m.buckets.windows(2).all(|w| w[0] < w[1]), "{}", m.name);
            assert!(m.help.ends_with('.'), "{}", m.name);
        }
    }

    #[test]
    fn latency_has_the_promised_bounds() {
        for b in [0.1, 0.5, 1.0, 2.0, 5.0] {
            assert!(SECONDS.contains(&b));
        }
    }
}

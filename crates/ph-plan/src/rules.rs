//! Rules: which are evaluated, how often, and from where on a standard rule fires.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::checked::FilePath;
use crate::choices::choice;
use crate::labels::LabelName;
use crate::plan::{hours, minutes, ms, secs};
use crate::section::section;
use crate::text::Text;
use crate::units::ByteSize;

section! {
    /// Rules: what is computed from the metrics, and when somebody is to be told.
    pub struct Rules {
        /// Whether rules are evaluated here. `auto`: unless `metrics.query` names a Prometheus that
        /// does it, or nothing is stored.
        enabled: Evaluation = Evaluation::Auto;
        /// Whether the standard rules are among them.
        standard: bool = true;
        /// Standard alerts that are left out.
        disabled: Vec<StandardAlert> = Vec::new();
        /// Rule files of Prometheus; relative ones are looked for beside the configuration file.
        files: Vec<FilePath> = Vec::new();
        /// Time between two evaluations of a group that does not say it itself.
        interval: Duration = secs(15), in ms(100)..=hours(1);
        /// Labels added to every alert on its way out.
        external_labels: BTreeMap<LabelName, Text> = BTreeMap::new();
        /// After a longer outage the time that an alert has been waiting begins anew.
        for_outage_tolerance: Duration = hours(1), in Duration::ZERO..=hours(24 * 7);
        /// Only alerts that wait at least this long (`for`) go on waiting across a restart; the
        /// others begin anew. Prometheus has 10m.
        for_grace_period: Duration = Duration::ZERO, in Duration::ZERO..=hours(24);
        /// Time after which an alert that still fires is sent on once more.
        resend_delay: Duration = minutes(1), in ms(100)..=hours(1);
        /// From where on a standard alert fires.
        thresholds: Thresholds = Thresholds::default();
    }
}

section! {
    /// From where on a standard alert fires. Shares are between 0 and 1.
    pub struct Thresholds {
        /// HighErrorRate: share of calls that end with a status of 500 or more.
        error_ratio: f64 = 0.05, in 0.0..=1.0;
        /// SlowResponseTime: the time within which 95 % of calls are to end.
        response_time: Duration = secs(2), in ms(1)..=hours(1);
        /// ToolErrorRate: share of the calls of a tool that end with `isError`.
        tool_error_ratio: f64 = 0.2, in 0.0..=1.0;
        /// ToolErrorRate: least calls of a tool in 15 minutes.
        tool_calls: u32 = 20, in 1..=1_000_000;
        /// CrashLoop: restarts of a child in 15 minutes.
        restarts: u32 = 5, in 1..=1_000;
        /// MemoryGrowth: growth of a process in 6 hours, as a share of what it had.
        memory_growth_ratio: f64 = 0.5, in 0.05..=100.0;
        /// MemoryGrowth: growth of a process in 6 hours in bytes; both have to be passed.
        memory_growth_bytes: ByteSize = ByteSize::mib(64), in ByteSize::mib(1)..=ByteSize::gib(1024);
        /// FileDescriptorLeak: share of the file descriptors that a process may open.
        open_fds_ratio: f64 = 0.8, in 0.0..=1.0;
        /// QueueSaturation: how full a queue is.
        queue_ratio: f64 = 0.8, in 0.0..=1.0;
        /// DiskNearlyFull: share of the disk of the data directory that is free.
        disk_free_ratio: f64 = 0.1, in 0.0..=1.0;
        /// SinkLagging: age of the oldest record that a sink has not passed on.
        sink_lag: Duration = minutes(10), in secs(1)..=hours(24 * 7);
        /// CertificateExpiresSoon: time that the certificate of a listener has left.
        certificate_left: Duration = hours(24 * 7), in minutes(1)..=hours(24 * 365);
    }
}

choice! {
    /// Whether rules are evaluated here.
    pub enum Evaluation {
        /// Unless another Prometheus does it, or nothing is stored.
        Auto = "auto",
        /// Always.
        Always = "always",
        /// Never.
        Never = "never",
    }
}

choice! {
    /// The standard alerts.
    pub enum StandardAlert {
        /// Too many calls fail.
        HighErrorRate = "HighErrorRate",
        /// Calls take too long.
        SlowResponseTime = "SlowResponseTime",
        /// A server, or Pilothouse, does not answer.
        ServerDown = "ServerDown",
        /// A tool reports too many errors.
        ToolErrorRate = "ToolErrorRate",
        /// A child ends again and again.
        CrashLoop = "CrashLoop",
        /// A process grows and grows.
        MemoryGrowth = "MemoryGrowth",
        /// A process opens files and closes none.
        FileDescriptorLeak = "FileDescriptorLeak",
        /// A queue is nearly full.
        QueueSaturation = "QueueSaturation",
        /// Tools are no longer what was accepted.
        ToolDefinitionChanged = "ToolDefinitionChanged",
        /// Half of the time for a vulnerability is over.
        VulnerabilityDeadlineHalf = "VulnerabilityDeadlineHalf",
        /// Most of the time for a vulnerability is over.
        VulnerabilityDeadlineNear = "VulnerabilityDeadlineNear",
        /// A vulnerability should be gone by now.
        VulnerabilityOverdue = "VulnerabilityOverdue",
        /// Scans for vulnerabilities are no answer.
        VulnerabilityScanIncomplete = "VulnerabilityScanIncomplete",
        /// Records, spans or samples are dropped.
        TelemetryDropped = "TelemetryDropped",
        /// The disk of the data directory is nearly full.
        DiskNearlyFull = "DiskNearlyFull",
        /// The store cannot write.
        StoreFailing = "StoreFailing",
        /// A sink is far behind.
        SinkLagging = "SinkLagging",
        /// A changed configuration was refused.
        ConfigurationRejected = "ConfigurationRejected",
        /// A rule cannot be evaluated.
        RuleEvaluationFailing = "RuleEvaluationFailing",
        /// Nobody can be told.
        NotificationsFailing = "NotificationsFailing",
        /// Pilothouse itself is not seen.
        PilothouseMissing = "PilothouseMissing",
        /// Pilothouse itself is restarted again and again.
        PilothouseRestarting = "PilothouseRestarting",
        /// Calls ended without a record.
        CallsUnrecorded = "CallsUnrecorded",
        /// Somebody tries one key after the other.
        AuthFailureBurst = "AuthFailureBurst",
        /// Arguments of calls look like attacks.
        SuspiciousArguments = "SuspiciousArguments",
        /// Somebody calls as nobody usually does.
        AbnormalAccess = "AbnormalAccess",
        /// The Redis that limits share does not answer.
        LimitStoreDown = "LimitStoreDown",
        /// A listener's certificate ends soon.
        CertificateExpiresSoon = "CertificateExpiresSoon",
        /// Advisories are too old to find what is new.
        AdvisoriesStale = "AdvisoriesStale",
    }
}

//! What the recorder is told, as plain values.

use crate::line::Level;
use ph_plan::{Slo, SloName};
use ph_record::RedactSettings;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Everything that a reload can change.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What is taken out of everything that is observed.
    pub redaction: RedactSettings,
    /// Log lines.
    pub log: LogSettings,
    /// Spans; `None`: none are made.
    pub spans: Option<SpanSettings>,
    /// The record that is kept. Switching it on or off needs a new recorder.
    pub kept: Option<crate::store::Settings>,
    /// Whether `mcp_server_operation_duration_seconds` is kept and shown.
    pub otel_operation_metric: bool,
    /// What is abnormal of how somebody calls; `None`: nobody watches.
    pub anomalies: Option<ph_plan::Anomalies>,
    /// Service level objectives that calls and health checks are counted for.
    pub slos: BTreeMap<SloName, Slo>,
}

/// Where log lines go and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Least level that is written.
    pub level: Level,
    /// Directory of `combined.log` and `error.log`; `None`: no files.
    pub dir: Option<PathBuf>,
    /// Whether lines also go to the writer that was given as standard output.
    pub stdout: bool,
    /// Size in bytes at which a file is rotated.
    pub rotate_bytes: u64,
    /// Age at which a file is rotated.
    pub rotate_age: Duration,
    /// Rotated files that are kept, per log.
    pub keep_files: usize,
    /// Bytes of rotated files that are kept, per log.
    pub keep_bytes: u64,
    /// Whether rotated files are compressed with zstd.
    pub compress: bool,
    /// Whether parameters are logged.
    pub params: bool,
    /// Longest text of parameters, in bytes.
    pub params_bytes_max: usize,
}

/// Where spans go and which are kept.
#[derive(Clone, Debug)]
pub struct SpanSettings {
    /// The collector.
    pub collector: ph_otlp::Settings,
    /// Most spans waiting for export.
    pub queue_max: usize,
    /// Share of traces that are kept without another reason, 0 to 1.
    pub sample_ratio: f64,
    /// A call of at least this length is always kept.
    pub slow: Duration,
    /// Whether parameters that the relay handed over are put on spans, redacted as in log lines.
    pub arguments: bool,
}

impl LogSettings {
    /// The plan's `log`, with its files in `dir`.
    pub fn from_plan(log: &ph_plan::Log, dir: &Path) -> Self {
        Self {
            level: log.level.into(),
            dir: log.files.then(|| dir.to_owned()),
            stdout: log.stdout,
            rotate_bytes: log.rotate_bytes.bytes(),
            rotate_age: log.rotate_age,
            keep_files: usize::try_from(log.keep_files).unwrap_or(usize::MAX),
            keep_bytes: log.keep_bytes.bytes(),
            compress: log.compress,
            params: log.params,
            params_bytes_max: log.params_bytes_max.as_usize(),
        }
    }
}

impl SpanSettings {
    /// The plan's sampling, for a collector whose address was taken from plan or environment.
    pub fn from_plan(otlp: &ph_plan::Otlp, collector: ph_otlp::Settings) -> Self {
        Self {
            collector,
            queue_max: usize::try_from(otlp.queue_max).unwrap_or(usize::MAX),
            sample_ratio: otlp.sample_ratio,
            slow: otlp.slow,
            arguments: otlp.arguments,
        }
    }
}

impl From<ph_plan::LogLevel> for Level {
    fn from(level: ph_plan::LogLevel) -> Self {
        match level {
            ph_plan::LogLevel::Trace => Self::Trace,
            ph_plan::LogLevel::Debug => Self::Debug,
            ph_plan::LogLevel::Info => Self::Info,
            ph_plan::LogLevel::Warn => Self::Warn,
            ph_plan::LogLevel::Error => Self::Error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_taken_over() {
        let mut plan = ph_plan::Log::default();
        let dir = Path::new("/logs");
        let log = LogSettings::from_plan(&plan, dir);
        assert_eq!((log.level, log.dir.as_deref()), (Level::Info, Some(dir)));
        assert_eq!(
            (log.rotate_bytes, log.keep_bytes),
            (100 << 20, 2 << 30),
            "the plan's defaults, in bytes"
        );
        plan.files = false;
        plan.level = ph_plan::LogLevel::Error;
        let log = LogSettings::from_plan(&plan, dir);
        assert_eq!((log.level, log.dir), (Level::Error, None));
    }
}

//! From a plan and the environment to what the recorder and the relay are told.

use crate::home::Home;
use http::HeaderValue;
use ph_base::ServerName;
use ph_otlp::Protocol;
use ph_plan::{OtlpProtocol, Plan};
use ph_recorder::{Fsync, KeptSettings, Level, LogSettings, Settings, SpanSettings, TailFile};
use std::net::SocketAddr;

/// What the environment says, beside the plan.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `LOG_LEVEL`; goes before the plan's.
    pub log_level: Option<Level>,
    /// The collector of `OTEL_EXPORTER_OTLP_…`, when the plan names none.
    pub otlp: Option<ph_otlp::Settings>,
    /// Where programs and their packages lie; none: no server is scanned for vulnerabilities.
    pub machine: Option<ph_jobs::vuln::Machine>,
    /// Where the configuration lies, for files that it names.
    pub config_dir: Option<std::path::PathBuf>,
}

/// The recorder's settings.
pub(crate) fn recorder(
    plan: &Plan,
    environment: &Environment,
    home: &Home,
    instance: SocketAddr,
) -> Result<Settings, ph_otlp::SettingsError> {
    let mut log = LogSettings::from_plan(&plan.log, &home.logs());
    if let Some(level) = environment.log_level {
        log.level = level;
    }
    let spans = collector(plan, environment)?.map(|c| SpanSettings::from_plan(&plan.otlp, c));
    Ok(Settings {
        redaction: plan.redact_settings(),
        log,
        spans,
        anomalies: plan.anomalies.clone(),
        otel_operation_metric: plan.metrics.otel_operation,
        slos: plan.slos_in_force(),
        kept: kept(plan, instance),
    })
}

/// How the record is kept, if it is.
///
/// - `instance`: where the data listener is.
fn kept(plan: &Plan, instance: SocketAddr) -> Option<KeptSettings> {
    let store = &plan.store;
    // Most of it is lines: a sample takes about a byte.
    let series_bytes = store.bytes.bytes() / 5;
    store.enabled.then(|| KeptSettings {
        level: store.level.into(),
        fsync: match store.fsync {
            ph_plan::Fsync::Interval => Fsync::Interval,
            ph_plan::Fsync::Always => Fsync::Always,
            ph_plan::Fsync::Os => Fsync::Os,
        },
        queue_bytes: store.queue_bytes.as_usize(),
        sample_interval: store.sample_interval,
        instance: instance.to_string(),
        retention: store.retention,
        logs_bytes: store.bytes.bytes() - series_bytes,
        series_bytes,
    })
}

/// A count as a length.
pub(crate) fn count(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

/// The log files of all servers.
pub(crate) fn tail_files(plan: &Plan) -> Vec<TailFile> {
    let of = |(name, server): (&ServerName, &ph_plan::Server)| {
        let server_name = name.to_string();
        let file = move |path: &ph_plan::FilePath| TailFile {
            server: server_name.clone(),
            path: path.as_path().to_owned(),
        };
        server.log_files.iter().map(file).collect::<Vec<_>>()
    };
    plan.servers.iter().flat_map(of).collect()
}

/// The collector: the plan's, else the environment's.
fn collector(
    plan: &Plan,
    environment: &Environment,
) -> Result<Option<ph_otlp::Settings>, ph_otlp::SettingsError> {
    let Some(endpoint) = &plan.otlp.endpoint else {
        return Ok(environment.otlp.clone());
    };
    let protocol = match plan.otlp.protocol {
        OtlpProtocol::HttpProtobuf => Protocol::HttpProtobuf,
        OtlpProtocol::Grpc => Protocol::Grpc,
    };
    let settings = ph_otlp::Settings::at("otlp.endpoint", endpoint.as_str(), protocol)?;
    let mut settings = settings
        .with_timeout(plan.otlp.timeout)
        .with_service_name(plan.otlp.service_name.as_str());
    for (name, secret) in &plan.otlp.headers {
        // A value that no header can have is refused when the plan is read.
        if let Ok(value) = HeaderValue::from_str(secret.expose()) {
            settings = settings.with_header(name.header_name().clone(), value);
        }
    }
    Ok(Some(settings))
}

/// Whether calls carry our trace context on: somebody takes the spans that servers make of it, and
/// a server makes some. It is no small part of what a call costs.
pub(crate) fn is_traced(plan: &Plan, settings: &Settings, admin: Option<SocketAddr>) -> bool {
    let sends_spans = |server: &ph_plan::Server| match &server.upstream {
        ph_plan::Upstream::Stdio(stdio) => stdio.otel,
        ph_plan::Upstream::Http(http) => http.otel,
    };
    let takes_spans = settings.kept.is_some() && admin.is_some();
    settings.spans.is_some() || (takes_spans && plan.servers.values().any(sends_spans))
}

/// Variables for children that are to export spans themselves.
///
/// - `admin`: where spans are taken in when no collector is configured, and whether with TLS.
pub(crate) fn otel_env(
    settings: &Settings,
    admin: Option<(SocketAddr, bool)>,
) -> Vec<(String, String)> {
    let Some(spans) = &settings.spans else {
        let Some((admin, with_tls)) = admin.filter(|_| settings.kept.is_some()) else {
            return Vec::new();
        };
        let scheme = if with_tls { "https" } else { "http" };
        return vec![
            (
                "OTEL_EXPORTER_OTLP_ENDPOINT".into(),
                format!("{scheme}://{admin}"),
            ),
            ("OTEL_EXPORTER_OTLP_PROTOCOL".into(), "http/protobuf".into()),
        ];
    };
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT".into(), spans.collector.base()),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL".into(),
            spans.collector.protocol().as_label().into(),
        ),
    ]
}

/// Params are kept on records while a line or a span is to show them.
pub(crate) fn params_bytes_max(plan: &Plan) -> usize {
    // Redaction needs whole JSON: what is longer than this is not shown at all.
    const WHOLE_BYTES_MAX: usize = 64 << 10;
    if plan.log.params || plan.otlp.arguments {
        WHOLE_BYTES_MAX.max(plan.log.params_bytes_max.as_usize())
    } else {
        0
    }
}

//! From a plan and the environment to what the recorder and the relay are told.

use crate::home::Home;
use http::HeaderValue;
use ph_otlp::Protocol;
use ph_plan::{OtlpProtocol, Plan};
use ph_recorder::{Level, LogSettings, Settings, SpanSettings};

/// What the environment says, beside the plan.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    /// `LOG_LEVEL`; goes before the plan's.
    pub log_level: Option<Level>,
    /// The collector of `OTEL_EXPORTER_OTLP_…`, when the plan names none.
    pub otlp: Option<ph_otlp::Settings>,
}

/// The recorder's settings.
pub(crate) fn recorder(
    plan: &Plan,
    environment: &Environment,
    home: &Home,
) -> Result<Settings, ph_otlp::SettingsError> {
    let mut log = LogSettings::from_plan(&plan.log, &home.logs());
    if let Some(level) = environment.log_level {
        log.level = level;
    }
    let spans = collector(plan, environment)?.map(|c| SpanSettings::from_plan(&plan.otlp, c));
    Ok(Settings {
        log,
        spans,
        otel_operation_metric: plan.metrics.otel_operation,
    })
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

/// Variables for children that are to export spans themselves.
pub(crate) fn otel_env(settings: &Settings) -> Vec<(String, String)> {
    let Some(spans) = &settings.spans else {
        return Vec::new();
    };
    vec![
        ("OTEL_EXPORTER_OTLP_ENDPOINT".into(), spans.collector.base()),
        (
            "OTEL_EXPORTER_OTLP_PROTOCOL".into(),
            spans.collector.protocol().as_label().into(),
        ),
    ]
}

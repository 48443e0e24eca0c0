use super::*;

fn read(env: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
    Settings::from_env(|name| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    })
}

#[track_caller]
fn check_url(env: &[(&str, &str)], want: Option<&str>) {
    let got = read(env).unwrap().map(|it| it.url());
    assert_eq!(got.as_deref(), want, "env {env:?}");
}

#[track_caller]
fn check_signal(endpoint: &str, protocol: Protocol, want: &str) {
    let traces = Settings::at("otlp.endpoint", endpoint, protocol).unwrap();
    let logs = traces.clone().for_signal(Signal::Logs);
    assert_eq!(logs.url(), want, "{endpoint}");
    assert_eq!(
        traces.clone().for_signal(Signal::Traces).url(),
        traces.url()
    );
}

#[test]
fn every_signal_has_a_path_of_its_own() {
    use Protocol::{Grpc, HttpProtobuf};
    check_signal("http://c:4318", HttpProtobuf, "http://c:4318/v1/logs");
    check_signal(
        "https://c/otlp/?k=1",
        HttpProtobuf,
        "https://c/otlp/v1/logs?k=1",
    );
    check_signal(
        "http://c:4317",
        Grpc,
        "http://c:4317/opentelemetry.proto.collector.logs.v1.LogsService/Export",
    );
}

#[test]
fn endpoints() {
    const BASE: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
    const EXACT: &str = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    check_url(&[], None);
    check_url(&[(BASE, "")], None);
    check_url(&[(BASE, "http://c:4318")], Some("http://c:4318/v1/traces"));
    check_url(&[(BASE, "http://c:4318/")], Some("http://c:4318/v1/traces"));
    check_url(
        &[(BASE, "https://c/otlp/")],
        Some("https://c/otlp/v1/traces"),
    );
    check_url(
        &[(BASE, "http://c/otlp?key=1")],
        Some("http://c/otlp/v1/traces?key=1"),
    );
    check_url(&[(EXACT, "http://c:4318")], Some("http://c:4318/"));
    check_url(
        &[(EXACT, "http://c/a"), (BASE, "http://d")],
        Some("http://c/a"),
    );
    check_url(
        &[(BASE, "http://c"), ("OTEL_TRACES_EXPORTER", "none")],
        None,
    );
    check_url(&[(BASE, "http://c"), ("OTEL_SDK_DISABLED", "true")], None);
    check_url(
        &[
            (BASE, "http://c"),
            ("OTEL_TRACES_EXPORTER", "console, otlp"),
        ],
        Some("http://c/v1/traces"),
    );
    let grpc = "http://c/opentelemetry.proto.collector.trace.v1.TraceService/Export";
    check_url(
        &[
            (BASE, "http://c/x"),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
        ],
        Some(grpc),
    );
    check_url(
        &[
            (EXACT, "http://c/x"),
            ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "grpc"),
        ],
        Some(grpc),
    );
}

#[test]
fn addresses() {
    let target = |url, protocol| {
        Target::exact("x", url, protocol)
            .map(|t| (t.host, t.port, t.tls))
            .ok()
    };
    assert_eq!(
        target("http://[::1]:9", Protocol::Grpc),
        Some(("::1".into(), 9, false))
    );
    assert_eq!(
        target("http://h", Protocol::Grpc),
        Some(("h".into(), 4317, false))
    );
    assert_eq!(
        target("http://h", Protocol::HttpProtobuf),
        Some(("h".into(), 80, false))
    );
    assert_eq!(
        target("https://h", Protocol::Grpc),
        Some(("h".into(), 443, true))
    );
    for wrong in [
        "localhost:4318",
        "ftp://h",
        "http://",
        "/v1",
        "http://user:pw@h",
        "http://a b",
    ] {
        assert_eq!(
            target(wrong, Protocol::HttpProtobuf),
            None,
            "input {wrong:?}"
        );
    }
}

#[test]
fn headers_and_names() {
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
    let settings = read(&[
        base,
        (
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20a%3Db, x-n = 1,",
        ),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "250"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=from-list,zone=a%20b",
        ),
    ]);
    let settings = settings.unwrap().unwrap();
    assert_eq!(settings.headers["authorization"], "Bearer a=b");
    assert_eq!(settings.headers["x-n"], "1");
    assert_eq!(settings.timeout, Duration::from_millis(250));
    assert_eq!(settings.service_name.as_deref(), Some("from-list"));
    assert_eq!(settings.resource[1], ("zone".to_owned(), "a b".to_owned()));
    assert!(
        !format!("{settings:?}").contains("Bearer"),
        "credentials stay out of messages"
    );
    let named = read(&[
        base,
        ("OTEL_SERVICE_NAME", "own"),
        ("OTEL_RESOURCE_ATTRIBUTES", "service.name=list"),
    ]);
    assert_eq!(named.unwrap().unwrap().service_name.as_deref(), Some("own"));
}

#[test]
fn mistakes_name_their_setting() {
    let base = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c");
    for (name, value) in [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "no-equals"),
        ("OTEL_EXPORTER_OTLP_HEADERS", "a=1,b c=2"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "0"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
        ("OTEL_RESOURCE_ATTRIBUTES", "=x"),
    ] {
        let error = read(&[base, (name, value)]).unwrap_err().to_string();
        assert!(error.contains(name), "{name}={value}: {error}");
    }
}

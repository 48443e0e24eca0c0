//! `https://` endpoints.

use std::io::Write;
use std::sync::Arc;

use ph_otlp::{Exporter, Protocol, Settings, StartError};
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::runtime::Handle;
use tokio_rustls::TlsAcceptor;

use crate::collector::Collector;
use crate::samples::{PATIENCE, QUICK, SOURCE, offer, start};

/// A collector behind TLS, and the file with its certificate.
async fn collector() -> (Collector, tempfile::NamedTempFile) {
    let certified = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        certified.signing_key.serialize_der(),
    ));
    let mut config = rustls::ServerConfig::builder_with_provider(Arc::new(
        rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![certified.cert.der().clone()], key)
    .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(certified.cert.pem().as_bytes()).unwrap();
    let (collector, listener) = Collector::bind([]).await;
    let (serving, acceptor) = (collector.clone(), TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            if let Ok(stream) = acceptor.accept(stream).await {
                tokio::spawn(serving.clone().serve(stream));
            }
        }
    });
    (collector, file)
}

fn settings(collector: &Collector, protocol: Protocol, certificate: &str) -> Settings {
    let endpoint = format!("https://{}", collector.address);
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", protocol.as_label()),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", certificate),
    ];
    let lookup = |name: &str| {
        env.iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| (*value).to_owned())
    };
    Settings::from_env(lookup).unwrap().unwrap()
}

#[tokio::test]
async fn spans_arrive_over_tls() {
    for protocol in [Protocol::HttpProtobuf, Protocol::Grpc] {
        let (collector, certificate) = collector().await;
        let exporter = start(
            settings(&collector, protocol, certificate.path().to_str().unwrap()),
            QUICK,
        );
        offer(&exporter, 0..2);
        assert!(exporter.flush(PATIENCE).await);
        assert_eq!(
            (collector.spans().len(), exporter.last_failure()),
            (2, None),
            "{protocol:?}"
        );
    }
}

#[tokio::test]
async fn an_unknown_certificate_is_refused() {
    let (collector, _) = collector().await;
    let (_, other) = self::collector().await;
    let exporter = start(
        settings(
            &collector,
            Protocol::HttpProtobuf,
            other.path().to_str().unwrap(),
        ),
        QUICK,
    );
    offer(&exporter, 0..1);
    assert!(exporter.flush(PATIENCE).await);
    assert!(collector.seen().is_empty());
    let said = exporter.last_failure().unwrap();
    assert!(said.contains("certificate"), "{said}");
}

#[tokio::test]
async fn a_missing_certificate_file_is_named() {
    let (collector, _) = collector().await;
    let settings = settings(&collector, Protocol::Grpc, "/nowhere/ca.pem");
    let result = Exporter::start(settings, &SOURCE, QUICK, &Handle::current());
    let Err(StartError::Tls { url, source }) = result else {
        panic!("it must not start")
    };
    assert!(
        url.starts_with("https://") && source.to_string().contains("/nowhere/ca.pem"),
        "{url} {source}"
    );
}

//! One GET of a short text from an authorization server: bounded in bytes and time, without redirects.

use http::header::{ACCEPT, HOST, USER_AGENT};
use http::{HeaderValue, Method, StatusCode, Uri};
use ph_wire::tls::{TlsError, client_config};
use ph_wire::upstream::{Address, AnswerError, Outgoing, SendError, Upstream};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// Longest text, in bytes.
const TEXT_BYTES_MAX: usize = 256 << 10;
/// Longest time that one GET may take, name resolution and handshake included.
const TIME_MAX: Duration = Duration::from_secs(5);

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION")));

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error("`{0}` is no `https` address, nor one of this machine")]
    Address(String),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("HTTP status {0}; redirects are not followed")]
    Status(StatusCode),
    #[error("the answer is longer than {TEXT_BYTES_MAX} bytes")]
    TooLong,
    #[error("no whole answer within {TIME_MAX:?}")]
    Timeout,
}

/// Reads what is at `url`.
///
/// - `ca_file`: the authorities to trust instead of the system's.
pub(crate) async fn fetch(url: &str, ca_file: Option<&Path>) -> Result<Vec<u8>, FetchError> {
    let uri: Uri = url.parse().map_err(|_| FetchError::Address(shown(url)))?;
    if !is_trusted_way(&uri) {
        return Err(FetchError::Address(shown(url)));
    }
    // Boxed: a TLS handshake would make the future large.
    let whole = Box::pin(exchange(&uri, ca_file));
    let done = tokio::time::timeout(TIME_MAX, whole).await;
    done.unwrap_or(Err(FetchError::Timeout))
}

async fn exchange(uri: &Uri, ca_file: Option<&Path>) -> Result<Vec<u8>, FetchError> {
    let is_tls = uri.scheme_str() == Some("https");
    let tls = if is_tls {
        Some(client_config(ca_file)?)
    } else {
        None
    };
    let upstream = Upstream::new(
        Address {
            host: bare_host(uri).to_owned(),
            port: uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 }),
            tls,
        },
        1,
    );
    let authority = uri.authority().map_or("", |a| a.as_str());
    let host =
        HeaderValue::from_str(authority).map_err(|_| FetchError::Address(HOST.to_string()))?;
    let path = uri.path_and_query().map_or("/", |p| p.as_str());
    let target: Uri = path.parse().unwrap_or_default();
    let mut request = Outgoing::new(&Method::GET, &target, &host);
    request.header(&ACCEPT, &JSON);
    request.header(&USER_AGENT, &AGENT);
    let mut answer = upstream
        .send(request.with_body(bytes::Bytes::new()), TIME_MAX)
        .await?;
    if answer.status != StatusCode::OK {
        return Err(FetchError::Status(answer.status));
    }
    let mut text = Vec::new();
    while answer.body.append(&mut text).await? > 0 {
        if text.len() > TEXT_BYTES_MAX {
            return Err(FetchError::TooLong);
        }
    }
    Ok(text)
}

/// `https`, or this machine.
fn is_trusted_way(uri: &Uri) -> bool {
    let host = bare_host(uri);
    let has_credentials = uri.authority().is_none_or(|a| a.as_str().contains('@'));
    let is_here = host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let is_fit = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => is_here,
        _ => false,
    };
    is_fit && !host.is_empty() && !has_credentials
}

fn bare_host(uri: &Uri) -> &str {
    let host = uri.host().unwrap_or_default();
    host.trim_start_matches('[').trim_end_matches(']')
}

/// What a server has said, cut.
fn shown(url: &str) -> String {
    url.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_encrypted_or_from_this_machine() {
        let of = |url: &str| is_trusted_way(&url.parse().unwrap());
        for good in [
            "https://a.example/x",
            "http://127.0.0.1:1/",
            "http://localhost/",
            "http://[::1]:9/x",
        ] {
            assert!(of(good), "{good}");
        }
        for bad in [
            "http://a.example/",
            "ftp://127.0.0.1/",
            "/x",
            "https://u:p@a.example/",
            "http://localhost.a.example/",
        ] {
            assert!(!of(bad), "{bad}");
        }
    }
}

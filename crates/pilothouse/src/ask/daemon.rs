//! A client of the admin listener: one request, one connection.

use super::{Answer, Each};
use crate::secrets;
use anyhow::{Context, Result, anyhow, bail};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ph_wire::sse::{SseItem, SseParser};
use rustls_pki_types::ServerName;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Until a connection stands; the other end is on this machine, or near.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Until an answer is whole; a query may take two minutes.
const ANSWER_MAX: Duration = Duration::from_secs(150);
/// A line is far shorter.
const EVENT_BYTES_MAX: usize = 4 << 20;
/// An answer is no longer than what the API gives.
const ANSWER_BYTES_MAX: usize = 80 << 20;

/// Names a PEM file of authorities that are trusted for the admin listener instead of the system's.
const CA_VARIABLE: &str = "PILOTHOUSE_ADMIN_CA";
/// Holds the key that the admin listener asks for.
const KEY_VARIABLE: &str = "PILOTHOUSE_ADMIN_KEY";

/// A daemon's admin listener.
pub(super) struct Daemon {
    authority: String,
    with_tls: bool,
}

/// A connection, with TLS or without.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

impl Daemon {
    /// - `address`: `127.0.0.1:3001`, `http://127.0.0.1:3001` or `https://localhost:3001`.
    pub(super) fn at(address: &str) -> Result<Self> {
        let secured = address.strip_prefix("https://");
        let plain = secured.or_else(|| address.strip_prefix("http://"));
        let plain = plain.unwrap_or(address);
        let authority = plain.trim_end_matches('/');
        let is_authority = authority.parse::<http::uri::Authority>().is_ok();
        if !is_authority
            || authority
                .rsplit_once(':')
                .is_none_or(|(_, port)| port.parse::<u16>().is_err())
        {
            bail!("`{address}` is no address: expected http://HOST:PORT or https://HOST:PORT");
        }
        Ok(Self {
            authority: authority.to_owned(),
            with_tls: secured.is_some(),
        })
    }

    /// Whether a Pilothouse listens there: another process may have got the port since.
    pub(super) async fn is_there(&self) -> bool {
        let asked = timeout(CONNECT_MAX, self.get("/api/pilothouse/openapi.json")).await;
        asked.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == 200))
    }

    pub(super) async fn get(&self, target: &str) -> Result<Answer> {
        self.send(&Method::GET, target, None).await
    }

    /// - `body`: JSON.
    pub(super) async fn send(
        &self,
        method: &Method,
        target: &str,
        body: Option<String>,
    ) -> Result<Answer> {
        let whole = async {
            let response = self.open(method, target, body).await?;
            let status = response.status().as_u16();
            let source = response.headers().get("pilothouse-source");
            let source = source.and_then(|url| Some(url.to_str().ok()?.to_owned()));
            let body = http_body_util::Limited::new(response.into_body(), ANSWER_BYTES_MAX);
            let body = body.collect().await.map_err(|e| anyhow!(e))?;
            Ok(Answer {
                status,
                body: body.to_bytes().to_vec(),
                source,
            })
        };
        timeout(ANSWER_MAX, whole)
            .await
            .context("it takes too long")?
    }

    pub(super) async fn follow(&self, target: &str, each: &mut Each<'_>) -> Result<()> {
        let response = self.open(&Method::GET, target, None).await?;
        let status = response.status().as_u16();
        let mut body = response.into_body();
        if status != 200 {
            let body = body.collect().await?.to_bytes().to_vec();
            let source = None;
            let answer = Answer {
                status,
                body,
                source,
            };
            return answer.json().map(drop);
        }
        let mut parser = SseParser::new(EVENT_BYTES_MAX);
        while let Some(frame) = body.frame().await {
            let Ok(bytes) = frame?.into_data() else {
                continue;
            };
            let mut goes_on = Ok(true);
            parser.push(&bytes, &mut |item| {
                if let (SseItem::Event(event), Ok(true)) = (item, &goes_on)
                    && !event.data.is_empty()
                {
                    goes_on = each(event.event.unwrap_or_default(), event.data);
                }
            });
            if !goes_on? {
                break;
            }
        }
        Ok(())
    }

    async fn connect(&self) -> Result<Box<dyn Stream>> {
        let stream = TcpStream::connect(&self.authority).await?;
        if !self.with_tls {
            return Ok(Box::new(stream));
        }
        let ca = secrets::variable(CA_VARIABLE).map(PathBuf::from);
        let config = ph_wire::tls::client_config(ca.as_deref())?;
        let host = self.authority.rsplit_once(':').map_or("", |(host, _)| host);
        let host = host.trim_matches(['[', ']']).to_owned();
        let name = ServerName::try_from(host)?;
        let secured = TlsConnector::from(config).connect(name, stream).await;
        let secured = secured.with_context(|| {
            format!("no TLS with {self}; {CA_VARIABLE} names a file of authorities to trust")
        })?;
        Ok(Box::new(secured))
    }

    async fn open(
        &self,
        method: &Method,
        target: &str,
        body: Option<String>,
    ) -> Result<hyper::Response<Incoming>> {
        let stream = timeout(CONNECT_MAX, self.connect());
        let stream = stream.await.context("no connection in time")?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream?)).await?;
        // Ends with the answer; what goes wrong with it is seen there.
        tokio::spawn(connection);
        let mut request = Request::builder().method(method).uri(target);
        request = request.header(HOST, HeaderValue::from_str(&self.authority)?);
        if let Some(key) = secrets::variable(KEY_VARIABLE) {
            let bearer = HeaderValue::from_str(&format!("Bearer {}", key.trim()));
            let mut bearer = bearer.with_context(|| format!("{KEY_VARIABLE} can be no header"))?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        let request = request.body(Full::new(Bytes::from(body.unwrap_or_default())))?;
        Ok(sender.send_request(request).await?)
    }
}

impl fmt::Display for Daemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.with_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        #[track_caller]
        fn check(address: &str, want: Option<&str>) {
            let got = Daemon::at(address).ok().map(|d| d.to_string());
            assert_eq!(got.as_deref(), want, "{address}");
        }
        check("127.0.0.1:3001", Some("http://127.0.0.1:3001"));
        check("http://localhost:3001/", Some("http://localhost:3001"));
        check("http://[::1]:3001", Some("http://[::1]:3001"));
        check("https://localhost:3001", Some("https://localhost:3001"));
        check("ftp://localhost:3001", None);
        check("localhost", None);
        check("", None);
        check("a b:1", None);
    }
}

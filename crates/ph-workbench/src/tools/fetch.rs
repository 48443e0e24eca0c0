//! `httpGet`: one GET to a host of the list.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderValue, LOCATION, USER_AGENT};
use http::uri::{Authority, Scheme};
use http::{HeaderMap, Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ph_otlp::Kind;
use rmcp::schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::{Answer, Scope, ToolError};
use crate::trace::Step;

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(super) struct Get {
    /// An `http://` URL on an allowed host.
    url: String,
}

#[derive(Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(rename_all = "camelCase")]
pub(super) struct Page {
    /// HTTP status.
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    /// Where a redirect leads; it is not followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// The text, with a replacement character for what is not UTF-8.
    body: String,
    /// Whether `body` is only the beginning.
    truncated: bool,
}

const BODY_BYTES_MAX: usize = 256 << 10;
const FETCH_TIME_MAX: Duration = Duration::from_secs(10);

/// The hosts that may be asked.
pub(crate) struct AllowList(Vec<String>);

impl AllowList {
    /// - `hosts`: `host` for any port, or `host:port`; an IPv6 address in brackets.
    pub(crate) fn new(hosts: Vec<String>) -> Self {
        Self(
            hosts
                .into_iter()
                .map(|host| host.to_ascii_lowercase())
                .collect(),
        )
    }

    fn allows(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let with_port = format!("{host}:{port}");
        self.0
            .iter()
            .any(|allowed| *allowed == host || *allowed == with_port)
    }
}

pub(super) async fn get(
    hosts: &AllowList,
    Get { url }: Get,
    scope: Scope,
) -> Result<Answer, ToolError> {
    let target = Target::parse(&url)?;
    if !hosts.allows(target.authority.host(), target.port) {
        let allowed = if hosts.0.is_empty() {
            "none".to_owned()
        } else {
            hosts.0.join(", ")
        };
        return Err(ToolError::Host {
            host: target.authority.to_string(),
            allowed,
        });
    }
    let mut step = scope.trace.step("http.request", Kind::Client);
    step.set("http.request.method", "GET");
    step.set("url.full", url);
    step.set("server.address", target.authority.host().to_owned());
    step.set("server.port", i64::from(target.port));
    let limited = tokio::time::timeout(FETCH_TIME_MAX, exchange(&target, &step));
    let result = match scope.cancel.run_until_cancelled(limited).await {
        None => Err(ToolError::Cancelled),
        Some(Err(_)) => Err(ToolError::FetchTime {
            host: target.authority.to_string(),
            limit: FETCH_TIME_MAX,
        }),
        Some(Ok(result)) => result,
    };
    match &result {
        Ok(page) => {
            step.set("http.response.status_code", i64::from(page.status));
            if page.status >= 400 {
                step.fail("status", format!("HTTP {}", page.status));
            }
        }
        Err(error) => step.fail(error.as_label(), error.advice()),
    }
    let page = result?;
    Ok(Answer::new(page.text(), &page))
}

impl Page {
    fn text(&self) -> String {
        let location = self
            .location
            .as_ref()
            .map(|it| format!("\nlocation: {it}"))
            .unwrap_or_default();
        let note = if self.truncated {
            "\n[the beginning; the rest is too long]"
        } else {
            ""
        };
        format!("HTTP {}{location}\n\n{}{note}", self.status, self.body)
    }
}

struct Target {
    authority: Authority,
    port: u16,
    path: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, ToolError> {
        let wrong = || ToolError::Url {
            url: url.to_owned(),
        };
        let uri: Uri = url.parse().map_err(|_| wrong())?;
        let authority = uri.authority().cloned().ok_or_else(wrong)?;
        let is_plain = uri.scheme() == Some(&Scheme::HTTP);
        if !is_plain || authority.host().is_empty() || authority.as_str().contains('@') {
            return Err(wrong());
        }
        let path = uri
            .path_and_query()
            .map_or("/", |path| path.as_str())
            .to_owned();
        Ok(Self {
            port: authority.port_u16().unwrap_or(80),
            authority,
            path,
        })
    }
}

async fn exchange(target: &Target, step: &Step) -> Result<Page, ToolError> {
    let host = target.authority.to_string();
    let address = target.authority.host().trim_matches(['[', ']']);
    let connecting = TcpStream::connect((address, target.port)).await;
    let stream = connecting.map_err(|source| ToolError::Connect {
        host: host.clone(),
        source,
    })?;
    let broken = |source| ToolError::Exchange {
        host: host.clone(),
        source,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    // The connection is driven beside the exchange and ends with it.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let request = request(target, step).map_err(|source| ToolError::Connect {
        host: host.clone(),
        source,
    })?;
    let response = sender.send_request(request).await.map_err(broken)?;
    page(response).await.map_err(broken)
}

fn request(target: &Target, step: &Step) -> io::Result<Request<Empty<Bytes>>> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = target.path.parse().map_err(io::Error::other)?;
    let fields = request.headers_mut();
    fields.insert(
        HOST,
        HeaderValue::from_str(target.authority.as_str()).map_err(io::Error::other)?,
    );
    fields.insert(USER_AGENT, HeaderValue::from_static("pilothouse-workbench"));
    fields.insert(ACCEPT, HeaderValue::from_static("*/*"));
    fields.insert(
        "traceparent",
        HeaderValue::from_str(&step.traceparent()).map_err(io::Error::other)?,
    );
    Ok(request)
}

async fn page(response: Response<Incoming>) -> Result<Page, hyper::Error> {
    let (head, mut body) = response.into_parts();
    let mut bytes = Vec::new();
    while bytes.len() <= BODY_BYTES_MAX {
        match body.frame().await {
            None => break,
            Some(frame) => bytes.extend_from_slice(frame?.data_ref().map_or(&[], |data| data)),
        }
    }
    let truncated = bytes.len() > BODY_BYTES_MAX;
    bytes.truncate(BODY_BYTES_MAX);
    Ok(Page {
        status: head.status.as_u16(),
        content_type: text(&head.headers, CONTENT_TYPE.as_str()),
        location: text(&head.headers, LOCATION.as_str()),
        body: String::from_utf8_lossy(&bytes).into_owned(),
        truncated,
    })
}

fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(list: &[&str], url: &str, want: bool) {
        let hosts = AllowList::new(list.iter().map(|host| (*host).to_owned()).collect());
        let target = Target::parse(url).unwrap();
        assert_eq!(
            hosts.allows(target.authority.host(), target.port),
            want,
            "{list:?} {url}"
        );
    }

    #[test]
    fn hosts() {
        check(&["localhost"], "http://LOCALHOST:8080/x", true);
        check(&["localhost"], "http://localhost.example.com/", false);
        check(&["localhost:80"], "http://localhost/", true);
        check(&["localhost:80"], "http://localhost:81/", false);
        check(&["[::1]"], "http://[::1]:9/", true);
        check(&["127.0.0.1"], "http://127.0.0.2/", false);
        check(&[], "http://localhost/", false);
    }

    #[test]
    fn urls() {
        for wrong in [
            "https://localhost/",
            "localhost",
            "/x",
            "http://",
            "http://a@localhost/",
            "ftp://localhost/",
        ] {
            assert!(
                matches!(Target::parse(wrong), Err(ToolError::Url { .. })),
                "{wrong:?}"
            );
        }
        let target = Target::parse("http://h:81/a?b=c#d").unwrap();
        assert_eq!((target.port, target.path.as_str()), (81, "/a?b=c"));
    }
}

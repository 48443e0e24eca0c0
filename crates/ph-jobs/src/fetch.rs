//! One GET of a page.

use crate::exposition::Format;
use crate::target::{Place, Target, TargetError};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use ph_wire::upstream::{Address, AnswerError, Outgoing, SendError, Upstream};
use std::time::Duration;

/// Bytes of a page, at most.
const PAGE_BYTES_MAX: usize = 32 << 20;
const ACCEPTED: HeaderValue = HeaderValue::from_static(
    "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
);
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION")));
const TIMEOUT: HeaderName = HeaderName::from_static("x-prometheus-scrape-timeout-seconds");

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    #[error(transparent)]
    Send(#[from] SendError),
    #[error(transparent)]
    Answer(#[from] AnswerError),
    #[error("HTTP status {0}")]
    Status(StatusCode),
    #[error("the page is longer than {PAGE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the content type `{0}` is no text of metrics")]
    ContentType(String),
    #[error("no whole answer within {0:?}")]
    Timeout(Duration),
}

/// A page as it came.
pub(crate) struct Fetched {
    pub(crate) body: Vec<u8>,
    pub(crate) format: Format,
}

/// Where a target's pages come from.
pub(crate) struct Source {
    upstream: Upstream,
    place: Place,
}

impl Source {
    pub(crate) fn new(target: &Target) -> Result<Self, TargetError> {
        let place = target.place()?;
        let tls = if place.is_tls {
            Some(ph_wire::tls::client_config(target.ca_file.as_deref())?)
        } else {
            None
        };
        let address = Address {
            host: place.host.clone(),
            port: place.port,
            tls,
        };
        Ok(Self {
            upstream: Upstream::new(address, 1),
            place,
        })
    }

    pub(crate) async fn fetch(&self, target: &Target) -> Result<Fetched, FetchError> {
        let limit = target.timeout;
        // Boxed: a TLS handshake would make the future large.
        let whole = Box::pin(self.exchange(target));
        let done = tokio::time::timeout(limit, whole).await;
        done.unwrap_or(Err(FetchError::Timeout(limit)))
    }

    async fn exchange(&self, target: &Target) -> Result<Fetched, FetchError> {
        let mut request = Outgoing::new(&Method::GET, &self.place.uri, &self.place.authority);
        request.header(&ACCEPT, &ACCEPTED);
        request.header(&USER_AGENT, &AGENT);
        if let Ok(seconds) = HeaderValue::from_str(&target.timeout.as_secs_f64().to_string()) {
            request.header(&TIMEOUT, &seconds);
        }
        for (name, value) in &target.headers {
            request.header(name, value);
        }
        let request = request.with_body(Bytes::new());
        let mut answer = self.upstream.send(request, target.timeout).await?;
        if answer.status != StatusCode::OK {
            return Err(FetchError::Status(answer.status));
        }
        let format = match answer.headers.get(CONTENT_TYPE) {
            Some(value) => {
                let text = String::from_utf8_lossy(value.as_bytes());
                Format::of(&text).ok_or_else(|| FetchError::ContentType(text.into_owned()))?
            }
            None => Format::Text,
        };
        let mut body = Vec::new();
        while answer.body.append(&mut body).await? > 0 {
            if body.len() > PAGE_BYTES_MAX {
                return Err(FetchError::TooLong);
            }
        }
        self.upstream.keep(answer.body);
        Ok(Fetched { body, format })
    }
}

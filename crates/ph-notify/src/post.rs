//! One request and what came of it.

use crate::place::Place;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, StatusCode};
use ph_base::Chain;
use ph_wire::upstream::{AnswerError, Outgoing, SendError, Upstream};
use std::time::Duration;

/// Bytes of an answer that are read, at most; what matters is its status.
const ANSWER_BYTES_MAX: usize = 64 << 10;
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION")));
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");

/// What came of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The other side has it.
    Taken,
    /// It will never take it; why.
    Refused(String),
    /// It may take it later: after how long it asks to wait, and why.
    Later(Option<Duration>, String),
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Send(#[from] SendError),
    #[error("{0}")]
    Answer(#[from] AnswerError),
}

/// One request on its way.
pub(crate) struct Post<'a> {
    pub(crate) place: &'a Place,
    pub(crate) headers: &'a [(HeaderName, HeaderValue)],
    pub(crate) dedupe_key: Option<&'a str>,
    /// None asks with GET.
    pub(crate) body: Option<Bytes>,
    pub(crate) timeout: Duration,
}

impl Post<'_> {
    pub(crate) async fn send(self, upstream: &Upstream) -> Outcome {
        let limit = self.timeout;
        // Boxed: a TLS handshake would make the future large.
        let exchange = Box::pin(self.exchange(upstream));
        match tokio::time::timeout(limit, exchange).await {
            Ok(Ok((status, after))) => judge(status, after),
            Ok(Err(failure)) => Outcome::Later(None, Chain(&failure).to_string()),
            Err(_) => Outcome::Later(None, format!("no whole answer within {limit:?}")),
        }
    }

    async fn exchange(
        self,
        upstream: &Upstream,
    ) -> Result<(StatusCode, Option<Duration>), Failure> {
        let method = if self.body.is_some() {
            Method::POST
        } else {
            Method::GET
        };
        let mut request = Outgoing::new(&method, &self.place.uri, &self.place.authority);
        request.header(&USER_AGENT, &AGENT);
        if self.body.is_some() {
            request.header(&CONTENT_TYPE, &JSON);
        }
        let key = self
            .dedupe_key
            .and_then(|key| HeaderValue::from_str(key).ok());
        if let Some(key) = key {
            request.header(&IDEMPOTENCY_KEY, &key);
        }
        for (name, value) in self.headers {
            request.header(name, value);
        }
        let request = request.with_body(self.body.unwrap_or_default());
        let mut answer = upstream.send(request, self.timeout).await?;
        let after = answer.headers.get(RETRY_AFTER);
        let after = after.and_then(|value| value.to_str().ok()?.parse().ok());
        let mut body = Vec::new();
        // A status that is good counts, however the answer ends.
        while body.len() < ANSWER_BYTES_MAX {
            match answer.body.append(&mut body).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(_) if answer.status.is_success() => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok((answer.status, after.map(Duration::from_secs)))
    }
}

fn judge(status: StatusCode, after: Option<Duration>) -> Outcome {
    let why = || format!("HTTP status {status}");
    if status.is_success() {
        Outcome::Taken
    } else if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
        Outcome::Later(after, why())
    } else {
        Outcome::Refused(why())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_for_good_and_what_may_be_taken_later() {
        let of = |code: u16| judge(StatusCode::from_u16(code).unwrap(), None);
        assert_eq!(of(200), Outcome::Taken);
        assert_eq!(of(204), Outcome::Taken);
        for code in [301, 400, 401, 404, 410] {
            assert!(matches!(of(code), Outcome::Refused(_)), "{code}");
        }
        for code in [429, 500, 503] {
            assert!(matches!(of(code), Outcome::Later(None, _)), "{code}");
        }
    }
}

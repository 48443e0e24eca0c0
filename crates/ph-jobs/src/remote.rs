//! Another Prometheus, asked over its HTTP API.

mod series;

pub use series::RemoteSeries;

use crate::target::{Place, TargetError};
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, StatusCode, Uri};
use ph_promql::{Labels, Sample, Series};
use ph_wire::upstream::{Address, AnswerError, Outgoing, SendError, Upstream};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// Bytes of an answer, at most.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// One question, connecting included: as long as Prometheus itself gives a query.
const TIMEOUT: Duration = Duration::from_secs(120);
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("pilothouse/", env!("CARGO_PKG_VERSION")));
const JSON: HeaderValue = HeaderValue::from_static("application/json");
const FORM: HeaderValue = HeaderValue::from_static("application/x-www-form-urlencoded");

/// Why another Prometheus gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// It cannot be reached, or does not speak HTTP.
    #[error(transparent)]
    Send(#[from] SendError),
    /// Its answer ended early.
    #[error(transparent)]
    Answer(#[from] AnswerError),
    /// Its answer is longer than 64 MiB.
    #[error("the answer is longer than {ANSWER_BYTES_MAX} bytes")]
    TooLong,
    /// It took too long.
    #[error("no whole answer within {TIMEOUT:?}")]
    Timeout,
    /// The path cannot stand in a request.
    #[error("`{0}` is no path")]
    Path(String),
    /// It answers what Prometheus does not.
    #[error("status {0} and no answer of Prometheus's API")]
    NotPrometheus(StatusCode),
    /// It says what is wrong with the question.
    #[error("{0}")]
    Refused(String),
}

/// Another Prometheus. Cheap to clone.
#[derive(Clone)]
pub struct Remote(Arc<Inner>);

struct Inner {
    upstream: Upstream,
    authority: HeaderValue,
    /// Of the URL, without a slash at its end.
    path: String,
    url: String,
}

impl Remote {
    /// - `url`: `http://` or `https://`, perhaps with a path before `/api/v1`.
    ///
    /// # Errors
    /// When it is none, or TLS cannot be set up.
    pub fn new(url: &str) -> Result<Self, TargetError> {
        let place = Place::of(url)?;
        let tls = place.is_tls.then(|| ph_wire::tls::client_config(None));
        let address = Address {
            host: place.host.clone(),
            port: place.port,
            tls: tls.transpose()?,
        };
        Ok(Self(Arc::new(Inner {
            upstream: Upstream::new(address, 1),
            authority: place.authority,
            path: place.uri.path().trim_end_matches('/').to_owned(),
            url: url.trim_end_matches('/').to_owned(),
        })))
    }

    /// Where it is, without a slash at its end.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Its answer to a question of somebody else, whatever it is: status and body.
    ///
    /// - `target`: path and query, from `/api/v1` on.
    /// - `form`: what a form holds; empty for a GET.
    ///
    /// # Errors
    /// [`RemoteError`], when there is none.
    pub async fn forward(
        &self,
        target: &str,
        form: Bytes,
    ) -> Result<(StatusCode, Vec<u8>), RemoteError> {
        let method = match form.is_empty() {
            true => Method::GET,
            false => Method::POST,
        };
        self.send(&method, target, form).await
    }

    /// The samples that an instant query gives at a time, Unix milliseconds; one number has no labels.
    ///
    /// # Errors
    /// [`RemoteError`]; also what the other side says is wrong.
    pub async fn matrix(&self, query: &str, at_ms: i64) -> Result<Vec<Series>, RemoteError> {
        let form = form(&[("query", query), ("time", &seconds(at_ms))]);
        let data = self.ask("/api/v1/query", form).await?;
        matrix_of(&data)
            .ok_or_else(|| RemoteError::Refused("the answer has an unknown form".to_owned()))
    }

    /// The data of an answer.
    async fn ask(&self, path: &str, form: String) -> Result<Value, RemoteError> {
        let (status, body) = self.send(&Method::POST, path, form.into()).await?;
        let mut answer: Value =
            serde_json::from_slice(&body).map_err(|_| RemoteError::NotPrometheus(status))?;
        match answer["status"].as_str() {
            Some("success") => Ok(answer["data"].take()),
            Some("error") => Err(RemoteError::Refused(
                answer["error"].as_str().unwrap_or_default().to_owned(),
            )),
            _ => Err(RemoteError::NotPrometheus(status)),
        }
    }

    async fn send(
        &self,
        method: &Method,
        target: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Vec<u8>), RemoteError> {
        // Boxed: a TLS handshake would make the future large.
        let whole = Box::pin(self.exchange(method, target, body));
        let done = tokio::time::timeout(TIMEOUT, whole).await;
        done.unwrap_or(Err(RemoteError::Timeout))
    }

    async fn exchange(
        &self,
        method: &Method,
        target: &str,
        body: Bytes,
    ) -> Result<(StatusCode, Vec<u8>), RemoteError> {
        let whole = format!("{}{target}", self.0.path);
        let uri: Uri = whole.parse().map_err(|_| RemoteError::Path(whole))?;
        let mut request = Outgoing::new(method, &uri, &self.0.authority);
        request.header(&ACCEPT, &JSON);
        request.header(&USER_AGENT, &AGENT);
        if *method == Method::POST {
            request.header(&CONTENT_TYPE, &FORM);
        }
        let request = request.with_body(body);
        let mut answer = self.0.upstream.send(request, TIMEOUT).await?;
        let mut body = Vec::new();
        while answer.body.append(&mut body).await? > 0 {
            if body.len() > ANSWER_BYTES_MAX {
                return Err(RemoteError::TooLong);
            }
        }
        self.0.upstream.keep(answer.body);
        Ok((answer.status, body))
    }
}

fn form(pairs: &[(&str, &str)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.extend_pairs(pairs);
    form.finish()
}

fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1_000, ms % 1_000)
}

/// Vectors and the one number of a scalar as series of one sample.
fn matrix_of(data: &Value) -> Option<Vec<Series>> {
    let result = &data["result"];
    if data["resultType"].as_str()? == "scalar" {
        return Some(vec![Series {
            labels: Labels::default(),
            samples: vec![sample(result)?],
        }]);
    }
    let one = |element: &Value| {
        let labels = element["metric"].as_object()?.iter();
        let labels = labels.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        let labels = Labels::from_pairs(labels);
        let samples = match (&element["value"], element["values"].as_array()) {
            (_, Some(values)) => values.iter().map(sample).collect::<Option<_>>()?,
            (value, None) => vec![sample(value)?],
        };
        Some(Series { labels, samples })
    };
    result.as_array()?.iter().map(one).collect()
}

/// `[seconds, "value"]`
fn sample(pair: &Value) -> Option<Sample> {
    let v = match pair[1].as_str()? {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().ok()?,
    };
    Some(Sample {
        t_ms: (pair[0].as_f64()? * 1000.0).round() as i64,
        v,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_of_each_kind_are_read() {
        let read = |data: Value| {
            let shown = |one: Series| {
                let samples = one.samples.iter().map(|s| format!("{}@{}", s.v, s.t_ms));
                format!("{} {}", one.labels, samples.collect::<Vec<_>>().join(" "))
            };
            matrix_of(&data).map(|all| all.into_iter().map(shown).collect::<Vec<_>>())
        };
        let vector = json!({"resultType": "vector", "result": [
            {"metric": {"__name__": "up", "job": "a"}, "value": [1.5, "+Inf"]},
            {"metric": {}, "value": [1.5, "NaN"]},
        ]});
        assert_eq!(
            read(vector),
            Some(vec!["up{job=\"a\"} inf@1500".into(), "{} NaN@1500".into()])
        );
        let matrix = json!({"resultType": "matrix", "result": [
            {"metric": {"a": "b"}, "values": [[1, "2"], [1.25, "-1e3"]]},
        ]});
        assert_eq!(
            read(matrix),
            Some(vec!["{a=\"b\"} 2@1000 -1000@1250".into()])
        );
        let scalar = json!({"resultType": "scalar", "result": [7, "8"]});
        assert_eq!(read(scalar), Some(vec!["{} 8@7000".into()]));
        for wrong in [
            json!({}),
            json!({"resultType": "vector", "result": [{"metric": {}}]}),
            json!({"resultType": "vector", "result": [{"metric": {}, "value": [1, 2]}]}),
        ] {
            assert_eq!(read(wrong), None);
        }
    }

    #[test]
    fn times_are_written_as_seconds() {
        assert_eq!(seconds(1_500), "1.500");
        assert_eq!(seconds(-1), "-0.001");
    }
}

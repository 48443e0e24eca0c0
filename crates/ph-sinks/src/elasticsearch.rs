//! Elasticsearch and OpenSearch: `_bulk` with `create` into a data stream.
//!
//! Source: Elasticsearch reference, "Bulk API", "Data streams", "Index templates"; OpenSearch's are
//! the same but for the name of one field type.

mod document;
mod reply;
mod template;

use crate::feed::Entry;
use crate::post::{AddressError, Answer, Peer, PostError};
use crate::sink::{Sent, Verdict};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use http::{Method, StatusCode};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;
use template::Flavor;

/// Where documents go.
#[derive(Clone)]
pub struct ElasticSettings {
    /// Scheme, host, port, perhaps a path.
    pub url: String,
    /// Name of the data stream.
    pub data_stream: String,
    /// Who we are.
    pub auth: Auth,
    /// Further headers of every request.
    pub headers: HeaderMap,
    /// Authorities to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Whether the index template is put before the first document.
    pub template: bool,
    /// Bound of one exchange.
    pub timeout: Duration,
}

/// Headers may hold credentials.
impl fmt::Debug for ElasticSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ElasticSettings")
            .field("url", &self.url)
            .field("data_stream", &self.data_stream)
            .finish_non_exhaustive()
    }
}

/// Credentials; `Debug` does not show them.
#[derive(Clone)]
pub enum Auth {
    /// None.
    None,
    /// User and password.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: String,
    },
    /// An API key in its encoded form.
    ApiKey(String),
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Basic { .. } => "Basic(***)",
            Self::ApiKey(_) => "ApiKey(***)",
        })
    }
}

impl Auth {
    fn headers(&self) -> HeaderMap {
        let text = match self {
            Self::None => return HeaderMap::new(),
            Self::Basic { username, password } => {
                format!(
                    "Basic {}",
                    STANDARD.encode(format!("{username}:{password}"))
                )
            }
            Self::ApiKey(key) => format!("ApiKey {key}"),
        };
        let mut headers = HeaderMap::new();
        if let Ok(mut value) = HeaderValue::from_str(&text) {
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        headers
    }
}

/// The other side, and whether it knows our fields yet.
pub(crate) struct Elastic {
    peer: Peer,
    data_stream: String,
    store_id: String,
    template_due: bool,
}

const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";
/// A `_bulk` answer has some 200 bytes per document, and more for those that failed.
const BULK_ANSWER_BYTES_MAX: usize = 16 << 20;
const ANSWER_BYTES_MAX: usize = 64 << 10;

impl Elastic {
    pub(crate) fn new(settings: &ElasticSettings, store_id: String) -> Result<Self, AddressError> {
        let mut headers = settings.headers.clone();
        headers.extend(settings.auth.headers());
        Ok(Self {
            peer: Peer::new(
                &settings.url,
                settings.ca_file.as_deref(),
                headers,
                settings.timeout,
            )?,
            data_stream: settings.data_stream.clone(),
            store_id,
            template_due: settings.template,
        })
    }

    /// Sends all of `entries` in one request.
    pub(crate) async fn send(&mut self, entries: &[&Entry]) -> Sent {
        if self.template_due {
            match self.put_template().await {
                Ok(()) => self.template_due = false,
                Err(failed) => return failed.of(entries.len()),
            }
        }
        let mut body = Vec::with_capacity(entries.iter().map(|e| e.json.len() + 128).sum());
        for entry in entries {
            document::push(&mut body, entry, &self.store_id);
        }
        let path = format!("/{}/_bulk", self.data_stream);
        let sent = self
            .peer
            .send(
                Method::POST,
                &path,
                NDJSON,
                body.into(),
                BULK_ANSWER_BYTES_MAX,
            )
            .await;
        match sent.map_err(Failed::from).and_then(Failed::unless_success) {
            Ok(answer) => read(&answer, entries.len()),
            Err(failed) => failed.of(entries.len()),
        }
    }

    async fn put_template(&mut self) -> Result<(), Failed> {
        let root = self
            .peer
            .send(Method::GET, "/", JSON, Bytes::new(), ANSWER_BYTES_MAX)
            .await?;
        let flavor = Flavor::of(&Failed::unless_success(root)?.body);
        let body = template::template(&self.data_stream, flavor).to_string();
        let path = format!("/_index_template/{}", self.data_stream);
        let answer = self
            .peer
            .send(Method::PUT, &path, JSON, body.into(), ANSWER_BYTES_MAX)
            .await?;
        Failed::unless_success(answer)
            .map(|_| ())
            .map_err(|failed| Failed {
                text: format!("the index template was not taken: {}", failed.text),
                // The template is no document: a smaller batch does not help.
                verdict: Verdict::Retry,
                divide: false,
                ..failed
            })
    }
}

fn read(answer: &Answer, count: usize) -> Sent {
    match reply::verdicts(&answer.body, count) {
        Some((verdicts, failure)) => Sent {
            verdicts,
            failure,
            retry_after: answer.retry_after,
            divide: false,
        },
        None => Sent::all(
            Verdict::Retry,
            count,
            "the answer does not speak of the documents that were sent".to_owned(),
        ),
    }
}

/// A request that was not taken as a whole.
struct Failed {
    text: String,
    verdict: Verdict,
    /// Smaller requests may be taken.
    divide: bool,
    retry_after: Option<Duration>,
}

impl From<PostError> for Failed {
    fn from(error: PostError) -> Self {
        Self {
            text: error.to_string(),
            verdict: Verdict::Retry,
            divide: false,
            retry_after: None,
        }
    }
}

impl Failed {
    fn unless_success(answer: Answer) -> Result<Answer, Self> {
        let status = answer.status;
        if status.is_success() {
            return Ok(answer);
        }
        // A wrong password or a full disk over there is mended by its operator, not by dropping.
        let hopeless = matches!(
            status,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::BAD_REQUEST
        );
        let body = String::from_utf8_lossy(&answer.body);
        Err(Self {
            text: format!("HTTP {status}: {}", shown(body.trim())),
            verdict: if hopeless {
                Verdict::Rejected
            } else {
                Verdict::Retry
            },
            divide: hopeless,
            retry_after: answer.retry_after,
        })
    }

    fn of(self, count: usize) -> Sent {
        Sent {
            divide: self.divide,
            retry_after: self.retry_after,
            ..Sent::all(self.verdict, count, self.text)
        }
    }
}

/// A text of the other side for an operator: short, and without what looks like a credential, since it
/// may hold parts of a document.
fn shown(text: &str) -> String {
    let text: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    ph_record::mask(&text).unwrap_or(text)
}

const SHOWN_CHARS_MAX: usize = 300;

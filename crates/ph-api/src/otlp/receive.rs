//! `/v1/traces`, `/v1/logs`, `/v1/metrics`: from a request's body to the intake.

use super::message::Record;
use super::span_metrics::Fate;
use super::{Encoding, Ingested, Signal, name, read};
use crate::clock;
use crate::sources::{Inner, Intake, Shared};
use crate::work::NotDone;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Limited};
use ph_record::Redactor;
use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

/// Longest body as it is sent, in bytes. A batch of the SDKs (512 spans) is a few hundred KiB.
pub(crate) const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Longest body when it is unpacked, in bytes.
pub(crate) const UNPACKED_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// `POST /v1/traces`
pub(crate) async fn traces(State(shared): State<Shared>, request: Request) -> Response {
    receive(shared, Signal::Traces, request).await
}

/// `POST /v1/logs`
pub(crate) async fn logs(State(shared): State<Shared>, request: Request) -> Response {
    receive(shared, Signal::Logs, request).await
}

/// `POST /v1/metrics`: says what to do instead.
pub(crate) async fn metrics(request: Request) -> Response {
    let encoding = encoding(request.headers()).unwrap_or(Encoding::Json);
    encoding.refused(
        StatusCode::NOT_FOUND,
        "metrics do not come in by OTLP: name the server's /metrics under `scrape:`, \
         and set OTEL_METRICS_EXPORTER=none",
    )
}

async fn receive(shared: Shared, signal: Signal, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let Some(encoding) = encoding(&head.headers) else {
        return Encoding::Json.refused(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "the content type must be application/x-protobuf or application/json",
        );
    };
    let packed = match head.headers.get(CONTENT_ENCODING).map(|v| v.as_bytes()) {
        None | Some(b"" | b"identity") => false,
        Some(b"gzip") => true,
        Some(_) => {
            return encoding.refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the content encoding must be gzip, or none",
            );
        }
    };
    let Some(intake) = shared.sources.intake.clone() else {
        return encoding.refused(
            StatusCode::NOT_FOUND,
            "nothing is kept: the store is switched off (`store.enabled`)",
        );
    };
    let body = match collect(body).await {
        Ok(body) => body,
        Err((status, why)) => return encoding.refused(status, why),
    };
    let inner = Arc::clone(&shared);
    let job = move || take_all(&inner, intake.as_ref(), signal, encoding, packed, &body);
    match shared.decoding.try_run(job).await {
        Ok(response) => response,
        Err(NotDone::Queue) => encoding.refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "too many requests are decoded at once: try again",
        ),
        Err(NotDone::Lost) => encoding.refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "the request was lost: try again",
        ),
    }
}

async fn collect(body: Body) -> Result<Bytes, (StatusCode, &'static str)> {
    let body = Limited::new(body, BODY_BYTES_MAX).collect();
    match tokio::time::timeout(BODY_TIME_MAX, body).await {
        Err(_) => Err((
            StatusCode::REQUEST_TIMEOUT,
            "the body took longer than 30 s",
        )),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body is longer than 4 MiB: send smaller batches",
        )),
        Ok(Err(_)) => Err((StatusCode::BAD_REQUEST, "the body was cut")),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let kind = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let kind = kind.split(';').next()?.trim();
    if kind.eq_ignore_ascii_case("application/x-protobuf") {
        Some(Encoding::Protobuf)
    } else if kind.eq_ignore_ascii_case("application/json") {
        Some(Encoding::Json)
    } else {
        None
    }
}

/// Decodes `body` and offers every record.
fn take_all(
    inner: &Inner,
    intake: &dyn Intake,
    signal: Signal,
    encoding: Encoding,
    packed: bool,
    body: &Bytes,
) -> Response {
    let unpacked;
    let body: &[u8] = if packed {
        match unpack(body) {
            Ok(bytes) => {
                unpacked = bytes;
                &unpacked
            }
            Err((status, why)) => return encoding.refused(status, why),
        }
    } else {
        body
    };
    let spans = &inner.sources.spans;
    let mut tally = Tally::default();
    let decoded = read(
        signal,
        encoding,
        body,
        &inner.sources.redactor,
        clock::unix_ns(),
        &mut |record, line| {
            let fate = match line {
                Ok(line) => {
                    observe(spans, &inner.sources.redactor, record, &line);
                    if intake.offer(line) {
                        Fate::Kept
                    } else {
                        Fate::Dropped
                    }
                }
                Err(invalid) => {
                    tally.why.get_or_insert(invalid.as_text());
                    Fate::Invalid
                }
            };
            tally.add(fate);
            spans.count(signal, fate);
        },
    );
    match decoded {
        // What came before the error was kept: the rest of a broken request is nobody's.
        Err(error) => encoding.refused(StatusCode::BAD_REQUEST, &error.to_string()),
        Ok(()) => tally.answer(signal, encoding),
    }
}

fn observe(spans: &super::SpanMetrics, redactor: &Redactor, record: &Record<'_>, line: &Ingested) {
    if let Record::Span(span) = record {
        spans.observe(&line.service, &name(redactor, &span.name), span);
    }
}

/// What became of the records of a request.
#[derive(Default)]
struct Tally {
    kept: u64,
    invalid: u64,
    dropped: u64,
    why: Option<&'static str>,
}

impl Tally {
    fn add(&mut self, fate: Fate) {
        match fate {
            Fate::Kept => self.kept += 1,
            Fate::Invalid => self.invalid += 1,
            Fate::Dropped => self.dropped += 1,
        }
    }

    /// When none could be kept for want of room, the sender may try again; else it may not, or what
    /// was kept would be kept twice.
    fn answer(&self, signal: Signal, encoding: Encoding) -> Response {
        if self.dropped > 0 && self.kept == 0 {
            return encoding.refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "there is no room in the queue of the store: try again",
            );
        }
        let why = match (self.dropped, self.why) {
            (0, why) => why.unwrap_or_default(),
            _ => "there was no room in the queue of the store",
        };
        encoding.taken(signal, self.invalid + self.dropped, why)
    }
}

fn unpack(body: &[u8]) -> Result<Vec<u8>, (StatusCode, &'static str)> {
    let mut out = Vec::new();
    let read = MultiGzDecoder::new(body)
        .take(UNPACKED_BYTES_MAX + 1)
        .read_to_end(&mut out);
    match read {
        Err(_) => Err((StatusCode::BAD_REQUEST, "the body is no gzip")),
        Ok(_) if out.len() as u64 > UNPACKED_BYTES_MAX => Err((
            StatusCode::PAYLOAD_TOO_LARGE,
            "the body unpacks to more than 16 MiB: send smaller batches",
        )),
        Ok(_) => Ok(out),
    }
}

//! A collector on loopback that decodes what came and answers as scripted.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How the collector answers one request.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "this file is shared by the tests of two crates")]
pub(crate) enum Reply {
    /// Takes all.
    Accept,
    /// Takes all but this many spans.
    Reject(i64),
    /// An HTTP status.
    Status(u16),
    /// A gRPC status in the trailers.
    Grpc(&'static str),
    /// A gRPC status in the head, without a body.
    GrpcHeadOnly(&'static str),
    /// No answer while the connection lives.
    Hang,
    /// Takes all, then closes the connection (HTTP/1.1).
    AcceptAndClose,
}

/// One request, decoded.
#[derive(Clone, Debug)]
#[allow(dead_code, reason = "this file is shared by the tests of two crates")]
pub(crate) struct Seen {
    pub(crate) path: String,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    pub(crate) body: ExportTraceServiceRequest,
}

impl Seen {
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.body
            .resource_spans
            .iter()
            .flat_map(|r| &r.scope_spans)
            .flat_map(|s| s.spans.clone())
            .collect()
    }
}

#[derive(Default)]
struct Inner {
    seen: Vec<Seen>,
    script: VecDeque<Reply>,
}

/// Runs until its runtime ends.
#[derive(Clone)]
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    inner: Arc<Mutex<Inner>>,
    count: Arc<watch::Sender<usize>>,
}

#[allow(dead_code, reason = "this file is shared by the tests of two crates")]
impl Collector {
    /// Answers in the order of `script`, and with `Accept` afterwards.
    pub(crate) async fn start(script: impl IntoIterator<Item = Reply>) -> Self {
        let (collector, listener) = Self::bind(script).await;
        let accepting = collector.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(accepting.clone().serve(stream));
            }
        });
        collector
    }

    /// A collector whose connections the caller accepts and hands to `serve`.
    pub(crate) async fn bind(script: impl IntoIterator<Item = Reply>) -> (Self, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inner = Inner {
            script: script.into_iter().collect(),
            ..Inner::default()
        };
        let collector = Self {
            address: listener.local_addr().unwrap(),
            inner: Arc::new(Mutex::new(inner)),
            count: Arc::new(watch::Sender::new(0)),
        };
        (collector, listener)
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.inner.lock().unwrap().seen.clone()
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.seen().iter().flat_map(Seen::spans).collect()
    }

    /// Waits until so many requests have come, retries included.
    pub(crate) async fn requests(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.count.subscribe();
        let waited =
            tokio::time::timeout(Duration::from_secs(20), seen.wait_for(|n| *n >= count)).await;
        waited.expect("the requests come").unwrap();
        self.seen()
    }

    pub(crate) async fn serve(self, stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
        let service = service_fn(|request| self.clone().answer(request));
        // A client that goes away in the middle is none of the collector's business.
        let _closed = auto::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(stream), service)
            .await;
    }

    async fn answer(self, request: Request<Incoming>) -> Result<Response<Frames>, Infallible> {
        let (head, body) = request.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let is_grpc = head
            .headers
            .get("content-type")
            .is_some_and(|it| it == "application/grpc");
        let message = if is_grpc { unframed(&bytes) } else { bytes };
        let reply = {
            let mut inner = self.inner.lock().unwrap();
            let body =
                ExportTraceServiceRequest::decode(message).expect("a well-formed export request");
            let path = head.uri.path_and_query().unwrap().to_string();
            inner.seen.push(Seen {
                path,
                version: head.version,
                headers: head.headers,
                body,
            });
            inner.script.pop_front().unwrap_or(Reply::Accept)
        };
        self.count.send_modify(|n| *n += 1);
        Ok(response(reply, is_grpc).await)
    }
}

async fn response(reply: Reply, is_grpc: bool) -> Response<Frames> {
    let mut response = Response::new(Frames::default());
    let (mut rejected, mut status) = (0, "0");
    match reply {
        Reply::Hang => std::future::pending().await,
        Reply::Accept => {}
        Reply::AcceptAndClose => {
            response
                .headers_mut()
                .insert("connection", HeaderValue::from_static("close"));
        }
        Reply::Reject(count) => rejected = count,
        Reply::Status(code) => {
            *response.status_mut() = StatusCode::from_u16(code).unwrap();
            return response;
        }
        Reply::GrpcHeadOnly(code) => {
            response
                .headers_mut()
                .insert("grpc-status", HeaderValue::from_static(code));
            return response;
        }
        Reply::Grpc(code) => status = code,
    }
    let partial = ExportTracePartialSuccess {
        rejected_spans: rejected,
        error_message: "too old".into(),
    };
    let message = ExportTraceServiceResponse {
        partial_success: (rejected > 0).then_some(partial),
    }
    .encode_to_vec();
    let frames = &mut response.body_mut().0;
    if is_grpc {
        let head = u32::try_from(message.len()).unwrap().to_be_bytes();
        frames.push_back(Frame::data(Bytes::from(
            [&[0], &head[..], &message].concat(),
        )));
        let trailers = [("grpc-status", status), ("grpc-message", "said%20so")];
        let trailers = trailers.map(|(k, v)| (k.parse().unwrap(), HeaderValue::from_static(v)));
        frames.push_back(Frame::trailers(trailers.into_iter().collect()));
    } else {
        frames.push_back(Frame::data(Bytes::from(message)));
    }
    response
}

fn unframed(bytes: &Bytes) -> Bytes {
    let length = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
    assert_eq!(
        (bytes[0], length as usize),
        (0, bytes.len() - 5),
        "one uncompressed message"
    );
    bytes.slice(5..)
}

/// A body of frames that are all there.
#[derive(Default)]
struct Frames(VecDeque<Frame<Bytes>>);

impl hyper::body::Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(Ok))
    }
}

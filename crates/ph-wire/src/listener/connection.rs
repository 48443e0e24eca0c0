//! One connection from its first byte to its last.

use super::aside::Aside;
use super::pace::{Going, Pace, Paced};
use super::stall::Stall;
use super::{Door, Limits, Service, Stop, TurnedAway};
use http::{Response, StatusCode, Version};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::error::Error;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

/// How long a connection lives after everything was cut.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);
/// Streams of HTTP/2 that a client has reset before we looked at them, at most; then the connection ends.
const RESETS_MAX: usize = 20;
/// Streams of HTTP/2 that we had to reset for what the client did on them, at most; then the connection ends.
const OWN_RESETS_MAX: usize = 64;
/// Bytes of answers that wait on one stream of HTTP/2 for a client to take them.
const SEND_BYTES_MAX: usize = 256 << 10;

/// How many headers hyper takes where it is told nothing. Told so, it makes places for as many in each head anew, which
/// was a thirtieth of all instructions of a call.
const HYPER_HEADERS_MAX: usize = 100;

pub(super) async fn connection<S: Service>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    door: &Arc<Door>,
    stop: Stop,
) {
    let limits = door.limits();
    let stream = Stall::new(stream, limits.write_timeout, Arc::clone(door));
    let Some(config) = door.tls() else {
        return http(stream, peer, service, door, &limits, stop).await;
    };
    let shake = TlsAcceptor::from(config).accept(stream);
    let shaken = tokio::select! {
        () = stop.accept.cancelled() => return,
        shaken = tokio::time::timeout(limits.head_timeout, shake) => shaken,
    };
    match shaken {
        Ok(Ok(stream)) => http(stream, peer, service, door, &limits, stop).await,
        Ok(Err(_)) | Err(_) => door.turn_away(TurnedAway::Handshake),
    }
}

async fn http<S: Service>(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: SocketAddr,
    service: S,
    door: &Arc<Door>,
    limits: &Limits,
    stop: Stop,
) {
    let pace = Arc::new(Pace::default());
    let builder = builder(limits);
    // One handle instead of as many as a service has, for each request.
    let service = Arc::new(service);
    let (streams, at, headers_max) = (Arc::clone(&pace), Arc::clone(door), limits.headers_max);
    let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
        let stream = streams.request(request.version() == Version::HTTP_2);
        let service = Arc::clone(&service);
        // In HTTP/1 the reader counts them.
        let has_too_many = request.headers().len() > headers_max;
        if has_too_many {
            at.turn_away(TurnedAway::LongHead);
        }
        async move {
            let response = if has_too_many {
                too_many_headers()
            } else {
                service.answer(request, peer).await
            };
            Ok::<_, Infallible>(response.map(|body| Paced::new(body, stream)))
        }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut watch = Aside::new(Box::pin(watch(&pace, limits, &stop)));
    // It is woken with each call: what watches over it is not asked each time.
    let ended = poll_fn(|cx| match connection.as_mut().poll(cx) {
        Poll::Ready(ended) => Poll::Ready(Err(ended)),
        Poll::Pending => watch.poll(cx).map(Ok),
    });
    match ended.await {
        Err(ended) => {
            let has_asked = pace.has_asked();
            if let Some(why) = ended
                .err()
                .and_then(|error| reason(error.as_ref(), has_asked))
            {
                door.turn_away(why);
            }
            return;
        }
        Ok(Word::Stop) => connection.as_mut().graceful_shutdown(),
        Ok(Word::TurnAway(why)) => {
            door.turn_away(why);
            if why == TurnedAway::Idle {
                connection.as_mut().graceful_shutdown();
                let _ended = tokio::time::timeout(LAST_WORDS_MAX, connection).await;
            }
            return;
        }
    }
    tokio::select! {
        // What goes wrong now is of no interest any more.
        _ = &mut connection => return,
        () = stop.abort.cancelled() => {}
    }
    // Calls that were cut are told so; this is the time in which their answers can still go out.
    let _ = tokio::time::timeout(LAST_WORDS_MAX, connection).await;
}

/// What is to become of a connection.
enum Word {
    /// No new requests.
    Stop,
    TurnAway(TurnedAway),
}

/// Watches over how a connection goes on.
async fn watch(pace: &Pace, limits: &Limits, stop: &Stop) -> Word {
    let first = tokio::time::Instant::now() + limits.head_timeout;
    let mut look = tokio::time::interval_at(first, limits.head_timeout);
    let mut seen = 0;
    loop {
        tokio::select! {
            () = stop.accept.cancelled() => return Word::Stop,
            _ = look.tick() => {}
        }
        match pace.look(&mut seen, limits.write_timeout) {
            Going::Busy => {}
            Going::Http1 => {
                stop.accept.cancelled().await;
                return Word::Stop;
            }
            Going::Silent => return Word::TurnAway(TurnedAway::SlowHead),
            Going::Stalled => return Word::TurnAway(TurnedAway::SlowReader),
            Going::Idle => return Word::TurnAway(TurnedAway::Idle),
        }
    }
}

fn builder(limits: &Limits) -> auto::Builder<TokioExecutor> {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max.max(8192));
    if limits.headers_max != HYPER_HEADERS_MAX {
        builder.http1().max_headers(limits.headers_max);
    }
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams_max)
        .max_pending_accept_reset_streams(RESETS_MAX)
        .max_local_error_reset_streams(OWN_RESETS_MAX)
        .max_send_buf_size(SEND_BYTES_MAX);
    builder
}

fn too_many_headers<B: Default>() -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
    response
}

/// Why a connection ended in `error`; `None` when its client has simply left, or somebody else has said it.
fn reason(error: &(dyn Error + 'static), has_asked: bool) -> Option<TurnedAway> {
    let error = error.downcast_ref::<hyper::Error>()?;
    if error.is_timeout() {
        // hyper's clock is the same for a head that stops in the middle and for one that never begins.
        Some(if has_asked {
            TurnedAway::Idle
        } else {
            TurnedAway::SlowHead
        })
    } else if error.is_parse_too_large() {
        Some(TurnedAway::LongHead)
    } else if error.is_parse() {
        Some(TurnedAway::BadHead)
    } else if error.is_user() || error.is_incomplete_message() || error.is_closed() {
        None
    } else {
        // An error of the socket is the end of a connection; what HTTP/2 has to say of itself is none.
        let cause = error.source()?;
        (!cause.is::<io::Error>() && !is_io(cause)).then_some(TurnedAway::Protocol)
    }
}

/// Whether a socket's error is at the bottom of it.
fn is_io(error: &(dyn Error + 'static)) -> bool {
    let mut next = error.source();
    while let Some(error) = next {
        if error.is::<io::Error>() {
            return true;
        }
        next = error.source();
    }
    false
}

//! Accepts connections and speaks HTTP on them.

use crate::body::Body;
use crate::workers::Workers;
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Answers requests. Cloned per connection.
pub trait Service: Clone + Send + Sync + 'static {
    /// Answers one request from `peer`.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Body>> + Send;
}

/// Bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest request head, in bytes; longer ones are answered 431.
    pub head_bytes_max: usize,
    /// Longest time for a request head to arrive.
    pub head_timeout: Duration,
    /// Most open connections; further ones wait in the kernel's backlog.
    pub connections_max: usize,
}

/// Two tokens end a listener: no new work, and no work at all.
#[derive(Clone, Debug)]
pub struct Stop {
    /// Stop accepting; connections close after the request they are on.
    pub accept: CancellationToken,
    /// Drop every connection, after a moment for what is being written.
    pub abort: CancellationToken,
    /// The open connections; waiting for it is waiting for them.
    pub connections: TaskTracker,
}

/// Binds `address`, for an error that names it.
///
/// # Errors
/// The system's error.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Accepts until `stop.accept`; the connections live on `workers`.
///
/// An error of `accept` (too many open files, a connection that was reset) is
/// survived: it is waited a moment and gone on.
pub async fn serve<S: Service>(
    listener: TcpListener,
    workers: &Workers,
    service: S,
    limits: Limits,
    stop: Stop,
) {
    let open = Arc::new(AtomicUsize::new(0));
    loop {
        let accepted = tokio::select! {
            () = stop.accept.cancelled() => return,
            accepted = listener.accept(), if open.load(Ordering::Relaxed) < limits.connections_max => accepted,
            () = tokio::time::sleep(Duration::from_millis(50)), if open.load(Ordering::Relaxed) >= limits.connections_max => continue,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        // Small answers must not wait for a full segment; a socket that refuses is still usable.
        let _ = stream.set_nodelay(true);
        let Ok(stream) = stream.into_std() else {
            continue;
        };
        let slot = Slot::take(&open);
        let (service, stop) = (service.clone(), stop.clone());
        let counted = stop.connections.token();
        workers.place(move |place| async move {
            let _counted = (place, slot, counted);
            if let Ok(stream) = TcpStream::from_std(stream) {
                connection(stream, peer, service, limits, stop).await;
            }
        });
    }
}

/// One of the `connections_max`.
struct Slot(Arc<AtomicUsize>);

impl Slot {
    fn take(open: &Arc<AtomicUsize>) -> Self {
        open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(open))
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long a connection lives after everything was cut.
const LAST_WORDS_MAX: Duration = Duration::from_millis(500);

async fn connection<S: Service>(
    stream: TcpStream,
    peer: SocketAddr,
    service: S,
    limits: Limits,
    stop: Stop,
) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_timeout)
        .max_buf_size(limits.head_bytes_max.max(8192))
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .max_concurrent_streams(256);
    let service = service_fn(move |request| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(request, peer).await) }
    });
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // What goes wrong on a connection is the client's doing and ends with it.
    tokio::select! {
        _ = &mut connection => return,
        () = stop.accept.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    tokio::select! {
        _ = &mut connection => return,
        () = stop.abort.cancelled() => {}
    }
    // Calls that were cut are told so; this is the time in which their answers can still go out.
    let _ = tokio::time::timeout(LAST_WORDS_MAX, connection).await;
}

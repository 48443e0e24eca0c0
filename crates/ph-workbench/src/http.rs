//! The workbench over Streamable HTTP, at `/mcp`.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::options::{Options, StartError};
use crate::server::Workbench;
use crate::stdio::EXPORT_TIME_MAX;

/// How long open requests may go on once the server is told to stop.
const DRAIN_TIME_MAX: Duration = Duration::from_secs(2);

/// How long a client may take to send a request's head.
const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// How long to wait when the system refuses a connection, mostly for want of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on `address` and serves both eras of the protocol at `/mcp`: sessions
/// for clients that initialize, single calls for the others.
///
/// - returns: the address (with the port that the system chose for port 0), and
///   the server itself, which runs until `options.stop` is cancelled.
/// - `Host` must be loopback or the address itself, `Origin` (when there is one) loopback.
/// - errors: see [`StartError`].
pub async fn serve_http(
    address: SocketAddr,
    options: Options,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send + 'static), StartError> {
    let stop = options.stop.clone();
    let workbench = Workbench::new(options)?;
    let listening = |source| StartError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(listening)?;
    let address = listener.local_addr().map_err(listening)?;
    Ok((address, run(listener, address, workbench, stop)))
}

type Mcp = StreamableHttpService<Workbench, LocalSessionManager>;

async fn run(
    listener: TcpListener,
    address: SocketAddr,
    workbench: Workbench,
    stop: CancellationToken,
) {
    let sessions = CancellationToken::new();
    let service = {
        let workbench = workbench.clone();
        Mcp::new(
            move || Ok(workbench.clone()),
            Arc::default(),
            config(address, sessions.clone()),
        )
    };
    let connections = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(serve(stream, service.clone(), stop.clone()));
            }
            Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
        }
    }
    drop(listener);
    connections.close();
    // Streams of sessions have no end of their own; they are cut after the calls had their time.
    let _drained = tokio::time::timeout(DRAIN_TIME_MAX, connections.wait()).await;
    sessions.cancel();
    workbench.finish(EXPORT_TIME_MAX).await;
}

fn config(address: SocketAddr, sessions: CancellationToken) -> StreamableHttpServerConfig {
    let hosts = ["localhost", "127.0.0.1", "::1"]
        .map(str::to_owned)
        .into_iter()
        .chain([address.ip().to_string()]);
    StreamableHttpServerConfig::default()
        .with_allowed_hosts(hosts)
        .with_allowed_origins(["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"])
        .with_json_response(true)
        .with_cancellation_token(sessions)
}

async fn serve(stream: TcpStream, service: Mcp, stop: CancellationToken) {
    // Small messages go both ways; without it the last part of an answer may wait.
    let _set = stream.set_nodelay(true);
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME_MAX);
    let connection = builder.serve_connection(
        TokioIo::new(stream),
        service_fn(|request| answer(service.clone(), request)),
    );
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        // A client that breaks off is no matter of ours: its calls have their access lines.
        _ended = connection.as_mut() => return,
        () = stop.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ended = connection.await;
}

async fn answer(
    service: Mcp,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    if request.uri().path() == "/mcp" {
        return Ok(service.handle(request).await);
    }
    let body = Full::new(Bytes::from_static(b"the MCP endpoint is /mcp\n")).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::NOT_FOUND;
    Ok(response)
}

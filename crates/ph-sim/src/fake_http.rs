//! A scripted MCP server over Streamable HTTP, in a thread of the test.
//!
//! Tools beside those that are the same everywhere (`echo {text}`, `annotated {region}`, `fail`, `error {code}`,
//! `input_required`, `big {bytes}`, `wrong_id`):
//!
//! | tool | does |
//! |---|---|
//! | `slow {ms}` | answers later |
//! | `hang` | takes the request and gives nothing, until the client leaves |
//! | `hang_body` | gives the head of an answer and no body |
//! | `reset_early` | resets the connection before the first byte |
//! | `reset_late` | resets the connection after the first event of a stream |
//! | `status {code}` | answers with this HTTP status and a plain text |
//! | `html` | 200 and a page of HTML |
//! | `malformed` | 200 and `application/json` that is none |
//! | `mislabelled` | plain JSON that calls itself an event stream |
//! | `sse` | the answer as one event with an id |
//! | `notify {n}` | an event stream: n progress notifications, then the answer |
//! | `cut {resume}` | an event stream that ends before the answer; with `resume`, a GET with `Last-Event-ID` gets it |
//! | `ask` | an event stream: asks the client, and answers with what it POSTs |
//! | `redefine {tools}` | lists these from now on, and calls every tool as before |
//! | `list_changed` | tells it on the session's GET stream (or the `listen` streams), then answers |
//!
//! A legacy client gets a session by `initialize`; without it requests are 400, with an unknown
//! one 404. A modern request has no session; its `Mcp-Method` must match its body.

mod answer;
mod body;
mod sessions;

use crate::protocol::Eras;
use answer::answer;
use bytes::Bytes;
use http::{HeaderMap, Method};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::Value;
use sessions::Sessions;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A request as the upstream got it.
#[derive(Clone, Debug)]
pub struct Received {
    /// HTTP method.
    pub http_method: Method,
    /// Path and query.
    pub target: String,
    /// All headers, as they came.
    pub headers: HeaderMap,
    /// The body, as it came.
    pub body: Bytes,
    /// The JSON-RPC method; empty when the body is none.
    pub method: String,
    /// The tool of a `tools/call`; else empty.
    pub tool: String,
}

/// A running fake upstream; dropped, it closes its port and its connections.
#[derive(Debug)]
pub struct FakeHttpUpstream {
    address: SocketAddr,
    shared: Arc<Shared>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    eras: Eras,
    received: Mutex<Vec<Received>>,
    sessions: Mutex<Sessions>,
    /// What it lists, when that was redefined.
    tools: Mutex<Option<Value>>,
    connections: AtomicUsize,
    /// Answers that are being given, streams included.
    open: AtomicUsize,
    /// Answers given up because the client left.
    abandoned: AtomicUsize,
}

impl Shared {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        lock(&self.sessions)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FakeHttpUpstream {
    /// Starts an upstream on a free port of the loopback, with a thread and a runtime of its own.
    ///
    /// # Errors
    /// When there is no port or no thread.
    pub fn start(eras: Eras) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            eras,
            received: Mutex::default(),
            sessions: Mutex::default(),
            tools: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            abandoned: AtomicUsize::new(0),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let serving = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("fake-http".into())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = accept(listener, serving) => {}
                        // Dropped or told: both mean the end, and the runtime drops every connection.
                        _ = stopped => {}
                    }
                });
            })?;
        Ok(Self {
            address,
            shared,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its MCP endpoint.
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Every request so far, oldest first.
    pub fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// How many requests of this JSON-RPC method came.
    pub fn count(&self, method: &str) -> usize {
        lock(&self.shared.received)
            .iter()
            .filter(|request| request.method == method)
            .count()
    }

    /// How many calls of this tool came.
    pub fn calls(&self, tool: &str) -> usize {
        lock(&self.shared.received)
            .iter()
            .filter(|request| request.tool == tool)
            .count()
    }

    /// Connections accepted so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Answers and streams not ended yet.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }

    /// Answers and streams whose client left before their end.
    pub fn abandoned(&self) -> usize {
        self.shared.abandoned.load(Ordering::Relaxed)
    }

    /// Sessions alive.
    pub fn sessions(&self) -> usize {
        self.shared.sessions().count()
    }

    /// Forgets every session, as a restarted server does: they answer 404 from now on.
    pub fn forget_sessions(&self) {
        self.shared.sessions().forget();
    }

    /// Sends a message on every open GET and `listen` stream, and says on how many.
    pub fn broadcast(&self, message: &Value) -> usize {
        self.shared.sessions().broadcast(message)
    }

    /// Ends every open GET and `listen` stream in good order.
    pub fn close_streams(&self) {
        self.shared.sessions().close_streams();
    }
}

impl Drop for FakeHttpUpstream {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic in it has been printed.
            let _ = thread.join();
        }
    }
}

async fn accept(listener: std::net::TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else {
        return;
    };
    loop {
        // A connection that is gone before it was accepted is none.
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        shared.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(serve(stream, Arc::clone(&shared)));
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) {
    let Ok(socket) = stream.as_fd().try_clone_to_owned() else {
        return;
    };
    let reset = Reset(Arc::new(socket));
    let service = service_fn(move |request| {
        let (shared, reset) = (Arc::clone(&shared), reset.clone());
        async move {
            let request = receive(request).await?;
            lock(&shared.received).push(request.clone());
            answer(&shared, &request, reset).await
        }
    });
    // It fails when the client leaves and when a tool resets: both are as wanted.
    let _ = auto::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn receive(request: http::Request<Incoming>) -> io::Result<Received> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let message: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let method = text(&message["method"]);
    let tool = if method == "tools/call" {
        text(&message["params"]["name"])
    } else {
        String::new()
    };
    Ok(Received {
        http_method: head.method,
        target: head
            .uri
            .path_and_query()
            .map(|target| target.as_str().to_owned())
            .unwrap_or_default(),
        headers: head.headers,
        body,
        method,
        tool,
    })
}

/// The way to end a connection by a reset instead of in good order.
#[derive(Clone, Debug)]
struct Reset(Arc<OwnedFd>);

impl Reset {
    /// From now on closing the connection resets it; the error then makes hyper close it.
    fn now(&self) -> io::Error {
        // Without it the connection is closed in good order, and the test that wants a reset says so.
        let _ = rustix::net::sockopt::set_socket_linger(&self.0, Some(std::time::Duration::ZERO));
        io::ErrorKind::ConnectionReset.into()
    }
}

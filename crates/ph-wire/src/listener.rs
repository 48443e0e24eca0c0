//! Accepts connections, with TLS or without, and speaks HTTP on them.
//!
//! Whoever is at the other end may be hostile: how many connections it has, how long it may take with a handshake, a
//! head, or with reading, and how many headers it may send is bounded here. What a body may be is the service's affair.

mod aside;
mod connection;
mod crowd;
mod door;
mod pace;
mod stall;

pub use door::{Door, Limits, Trusted, TurnedAway};

use crate::workers::Workers;
use bytes::Bytes;
use connection::connection;
use crowd::Crowd;
use http::{Request, Response};
use hyper::body::Incoming;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Answers requests. Cloned per connection.
pub trait Service: Clone + Send + Sync + 'static {
    /// The body of an answer; its default is an empty one.
    type Body: http_body::Body<Data = Bytes, Error: Into<Box<dyn Error + Send + Sync>>>
        + Default
        + Send
        + Unpin
        + 'static;

    /// Answers one request from `peer`.
    fn answer(
        &self,
        request: Request<Incoming>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;
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

/// Where connections live.
#[derive(Clone, Copy)]
pub enum Place<'a> {
    /// On the worker with the fewest.
    Workers(&'a Workers),
    /// On the runtime that [`serve`] runs on.
    Here,
}

/// Binds `address`, for an error that names it.
///
/// # Errors
/// The system's error.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Accepts until `stop.accept`; the connections live at `place`.
///
/// An error of `accept` (too many open files, a connection that was reset) is
/// survived: it is waited a moment and gone on.
pub async fn serve<S: Service>(
    listener: TcpListener,
    place: Place<'_>,
    service: S,
    door: Arc<Door>,
    stop: Stop,
) {
    let open = Arc::new(AtomicUsize::new(0));
    let crowd = Arc::new(Crowd::default());
    loop {
        let limits = door.limits();
        let has_room = open.load(Ordering::Relaxed) < limits.connections_max;
        let accepted = tokio::select! {
            () = stop.accept.cancelled() => return,
            accepted = listener.accept(), if has_room => accepted,
            () = tokio::time::sleep(Duration::from_millis(50)), if !has_room => continue,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let Some(guest) = crowd.admit(peer.ip(), &limits) else {
            door.turn_away(TurnedAway::Crowd);
            continue;
        };
        // Small answers must not wait for a full segment; a socket that refuses is still usable.
        let _ = stream.set_nodelay(true);
        let Ok(stream) = stream.into_std() else {
            continue;
        };
        let slot = Slot::take(&open);
        let counted = (slot, guest, stop.connections.token());
        let (service, stop, door) = (service.clone(), stop.clone(), Arc::clone(&door));
        let live = async move {
            let _counted = counted;
            if let Ok(stream) = TcpStream::from_std(stream) {
                connection(stream, peer, service, &door, stop).await;
            }
        };
        match place {
            Place::Workers(workers) => workers.place(|place| async move {
                let _place = place;
                live.await;
            }),
            Place::Here => drop(tokio::spawn(live)),
        }
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

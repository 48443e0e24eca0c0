//! What a daemon waits for when it starts and when it stops.

use crate::start_error::StartError;
use ph_wire::listener;
use std::net::SocketAddr;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Takes the address of the data listener.
pub(crate) async fn bind(address: SocketAddr) -> Result<tokio::net::TcpListener, StartError> {
    listener::bind(address)
        .await
        .map_err(|source| StartError::Listen { address, source })
}

/// Waits for `work` for at most `limit`; `true` when it was done in time.
pub(crate) async fn within(
    limit: Duration,
    hurry: &CancellationToken,
    work: impl Future<Output = ()>,
) -> bool {
    tokio::select! {
        () = work => true,
        () = hurry.cancelled() => false,
        () = tokio::time::sleep(limit) => false,
    }
}

//! The workbench on standard input and output.

use std::time::Duration;

use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use rmcp::transport::stdio_pipes;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::options::{Options, StartError};
use crate::server::Workbench;

/// How long the last spans may take to be sent.
pub(crate) const EXPORT_TIME_MAX: Duration = Duration::from_secs(2);

/// Serves one client on this process's standard input and output until the input
/// ends or `options.stop` is cancelled. Must be called inside a tokio runtime.
///
/// - errors: see [`StartError`]; a client that leaves before it has said anything
///   is not one.
pub async fn serve_stdio(options: Options) -> Result<(), StartError> {
    let (input, output) = stdio_pipes();
    serve_stream(input, output, options).await
}

/// As [`serve_stdio`], on any two streams.
pub async fn serve_stream(
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    options: Options,
) -> Result<(), StartError> {
    let stop = options.stop.clone();
    let workbench = Workbench::new(options)?;
    // Boxed: the SDK's handshake is a large future.
    let handshake = Box::pin(workbench.clone().serve_with_ct((input, output), stop));
    let result = match handshake.await {
        Ok(running) => {
            // The reasons to end (end of input, stop) are all as they should be.
            let _reason = running.waiting().await;
            Ok(())
        }
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            Ok(())
        }
        Err(error) => Err(StartError::Handshake(Box::new(error))),
    };
    workbench.finish(EXPORT_TIME_MAX).await;
    result
}

//! Writing to a child: a bounded queue, and a task that takes all of it in one write.

use bytes::Bytes;
use std::io::{self, IoSlice};
use std::sync::Arc;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

/// Messages that may wait for a child that does not read; senders wait beyond it.
const QUEUED_MESSAGES_MAX: usize = 64;
/// Up to this many bytes are copied together into one write; more is written from where it lies.
const COALESCED_BYTES_MAX: usize = 32 * 1024;
/// What an idle writer keeps for the next write.
const JOINED_BYTES_KEPT: usize = 4 * 1024;

/// The child takes no more messages: it ended, closed its input, or is being stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the child takes no more messages")]
pub struct ChildGone;

/// The writing end of a child's standard input.
#[derive(Clone, Debug)]
pub struct ChildWriter {
    queue: mpsc::Sender<Bytes>,
    close: CancellationToken,
    task: Arc<AbortHandle>,
}

impl ChildWriter {
    pub(super) fn start(stdin: impl AsyncWrite + Send + Unpin + 'static) -> Self {
        let (queue, messages) = mpsc::channel(QUEUED_MESSAGES_MAX);
        let close = CancellationToken::new();
        let task = tokio::spawn(write_messages(stdin, messages, close.clone()));
        Self {
            queue,
            close,
            task: Arc::new(task.abort_handle()),
        }
    }

    /// Queues one message, waiting for room. `message` must hold no line feed (checked in debug
    /// builds); the one that ends it is added here. Cancel safe: then it was not queued.
    ///
    /// # Errors
    /// When the child takes no more messages. A message that was queued is not sure to be read:
    /// only its answer says so.
    pub async fn send(&self, message: Bytes) -> Result<(), ChildGone> {
        debug_assert!(
            memchr::memchr(b'\n', &message).is_none(),
            "a message is one line"
        );
        if self.close.is_cancelled() {
            return Err(ChildGone);
        }
        self.queue.send(message).await.map_err(|_| ChildGone)
    }

    /// Queues one message if there is room for it now; as [`ChildWriter::send`] otherwise. `false` when it was not
    /// queued.
    #[must_use]
    pub fn send_now(&self, message: Bytes) -> bool {
        debug_assert!(
            memchr::memchr(b'\n', &message).is_none(),
            "a message is one line"
        );
        !self.close.is_cancelled() && self.queue.try_send(message).is_ok()
    }

    /// Closes the child's standard input once what is queued has been written.
    pub(super) fn close(&self) {
        self.close.cancel();
    }

    pub(super) fn abort(&self) {
        self.close.cancel();
        self.task.abort();
    }
}

async fn write_messages(
    mut stdin: impl AsyncWrite + Unpin,
    mut messages: mpsc::Receiver<Bytes>,
    close: CancellationToken,
) {
    let mut batch = Vec::new();
    let mut joined = Vec::new();
    loop {
        tokio::select! {
            biased;
            taken = messages.recv_many(&mut batch, QUEUED_MESSAGES_MAX) => {
                // Closed and empty, or nobody reads: the end drops the pipe.
                if taken == 0 || write_batch(&mut stdin, &batch, &mut joined).await.is_err() {
                    return;
                }
                batch.clear();
            }
            () = close.cancelled(), if !messages.is_closed() => messages.close(),
        }
    }
}

async fn write_batch(
    stdin: &mut (impl AsyncWrite + Unpin),
    batch: &[Bytes],
    joined: &mut Vec<u8>,
) -> io::Result<()> {
    let bytes: usize = batch.iter().map(|message| message.len() + 1).sum();
    if bytes <= COALESCED_BYTES_MAX {
        joined.clear();
        for message in batch {
            joined.extend_from_slice(message);
            joined.push(b'\n');
        }
        stdin.write_all(joined).await?;
        joined.shrink_to(JOINED_BYTES_KEPT);
        return Ok(());
    }
    let mut slices = Vec::with_capacity(batch.len() * 2);
    for message in batch {
        slices.push(IoSlice::new(message));
        slices.push(IoSlice::new(b"\n"));
    }
    let mut rest = &mut slices[..];
    while !rest.is_empty() {
        let written = stdin.write_vectored(rest).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        IoSlice::advance_slices(&mut rest, written);
    }
    Ok(())
}

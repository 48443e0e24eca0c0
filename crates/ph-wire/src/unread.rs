//! What a client sends that nobody wants to read.

use bytes::Buf;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// More is not read for nothing.
const BYTES_MAX: usize = 64 * 1024;
/// Nor for longer.
const TIME_MAX: Duration = Duration::from_secs(1);

/// Reads the body of a request that is refused by its head, up to 64 KiB and for a second at most.
///
/// Many clients send head and body apart. When the answer is ready before the body has come, hyper closes the
/// connection behind it and says so to nobody: the client's next request on it, which is the one that was to show who
/// it is, is lost. A body that is larger or later than that costs its client the connection, as before.
pub async fn drain<B: Body>(body: B) {
    if body.is_end_stream() {
        return;
    }
    let all = async {
        let mut body = pin!(body);
        let mut read = 0;
        while let Some(Ok(frame)) = body.frame().await {
            read += frame.data_ref().map_or(0, Buf::remaining);
            if read > BYTES_MAX {
                return;
            }
        }
    };
    // Whether it was all does not matter here: hyper sees it.
    timeout(TIME_MAX, all).await.ok();
}

/// A body that is given to somebody who may not read it to its end: what is left comes back when it is dropped.
#[derive(Debug)]
pub struct Lent<B: Body> {
    /// None once it is given back.
    body: Option<B>,
    back: Option<oneshot::Sender<B>>,
}

impl<B: Body> Lent<B> {
    /// The body to give away, and where the rest of it comes back.
    pub fn new(body: B) -> (Self, oneshot::Receiver<B>) {
        let (back, rest) = oneshot::channel();
        let lent = Self {
            body: Some(body),
            back: Some(back),
        };
        (lent, rest)
    }
}

impl<B: Body> Drop for Lent<B> {
    fn drop(&mut self) {
        if let (Some(body), Some(back)) = (self.body.take(), self.back.take()) {
            // Nobody waits for it when the connection has ended.
            back.send(body).ok();
        }
    }
}

impl<B: Body + Unpin> Body for Lent<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body
            .as_ref()
            .map_or_else(SizeHint::default, Body::size_hint)
    }
}

//! The body of an answer: nothing, one piece, or pieces as they come.

use bytes::Bytes;
use core::any::Any;
use http_body::{Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Most pieces of a streamed answer that wait for a slow client.
pub const PIECES_MAX: usize = 8;

/// A piece of a streamed answer.
#[derive(Debug)]
pub enum Piece {
    /// Bytes.
    Data(Bytes),
    /// The answer is complete.
    End,
}

/// The writing side was dropped without [`Piece::End`]: the answer is cut, and
/// the client must see that it is.
#[derive(Debug, thiserror::Error)]
#[error("the answer was cut")]
pub struct Cut;

/// The body of an answer.
#[derive(Debug, Default)]
pub enum Body {
    /// None.
    #[default]
    Empty,
    /// All of it.
    Full(Bytes),
    /// Piece by piece; dropping this tells the writing side that the client left.
    Pieces {
        /// Where they come from.
        pieces: mpsc::Receiver<Piece>,
        /// Bytes still to come, when that is known.
        left: Option<u64>,
        /// Dropped with this: see [`Body::keep`].
        kept: Option<Box<dyn Any + Send>>,
    },
    /// It was cut, and that is told as soon as what came before has been written.
    Cutting,
}

impl Body {
    /// A streamed body and its writing side.
    ///
    /// `length`: the whole length in bytes, when it is known.
    pub fn pieces(length: Option<u64>) -> (mpsc::Sender<Piece>, Self) {
        let (tx, rx) = mpsc::channel(PIECES_MAX);
        (
            tx,
            Self::Pieces {
                pieces: rx,
                left: length,
                kept: None,
            },
        )
    }
}

impl Body {
    /// Holds on to `what` until a streamed body is over or its client has left. What is whole already holds nothing.
    pub fn keep(&mut self, what: Box<dyn Any + Send>) {
        if let Self::Pieces { kept, .. } = self {
            *kept = Some(what);
        }
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self::Full(text.into())
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Full(bytes) => {
                let bytes = std::mem::take(bytes);
                *self = Self::Empty;
                Poll::Ready((!bytes.is_empty()).then(|| Ok(Frame::data(bytes))))
            }
            Self::Pieces { pieces, left, .. } => match pieces.poll_recv(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Some(Piece::Data(bytes))) => {
                    if let Some(left) = left {
                        *left = left.saturating_sub(bytes.len() as u64);
                    }
                    Poll::Ready(Some(Ok(Frame::data(bytes))))
                }
                Poll::Ready(Some(Piece::End)) => {
                    *self = Self::Empty;
                    Poll::Ready(None)
                }
                Poll::Ready(None) => {
                    // An error makes the connection forget what it has not written yet: while this
                    // pends, it writes.
                    *self = Self::Cutting;
                    cx.waker().wake_by_ref();
                    Poll::Pending
                }
            },
            Self::Cutting => {
                *self = Self::Empty;
                Poll::Ready(Some(Err(Cut)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Full(bytes) => bytes.is_empty(),
            Self::Pieces { left, .. } => *left == Some(0),
            Self::Cutting => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Full(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Pieces {
                left: Some(left), ..
            } => SizeHint::with_exact(*left),
            Self::Pieces { left: None, .. } | Self::Cutting => SizeHint::default(),
        }
    }
}

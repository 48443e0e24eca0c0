//! One connection: a request out, its answer in, at the same time.

use super::SendError;
use super::reader::{AnswerReader, Fault, Head};
use super::request::Outgoing;
use super::stream::Stream;
use bytes::Bytes;
use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::io::poll_read_buf;

/// Most bytes of a read that goes through the thread's own buffer.
const SCRATCH_BYTES: usize = 16 << 10;
/// Most room that is made for a body before it is there.
const ROOM_BYTES_MAX: usize = 256 << 10;

thread_local! {
    /// Where reads go first: a connection that waits for its answer holds no buffer.
    static SCRATCH: RefCell<Box<[u8]>> = RefCell::new(vec![0; SCRATCH_BYTES].into());
}

/// Why an answer is not complete.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The connection broke.
    #[error("the connection broke")]
    Broken(#[source] io::Error),
    /// The connection ended before the answer did.
    #[error("the connection ended before the answer did")]
    Early,
    /// What came is not HTTP/1.1.
    #[error("the answer is not HTTP/1.1")]
    NotHttp(#[source] Fault),
}

pub(super) struct Connection {
    stream: Stream,
    reader: AnswerReader,
    request: Outgoing,
    /// Bytes of the request that have been written.
    written: usize,
    is_flushed: bool,
    /// What encryption took may be on its way, also when it reports an error.
    maybe_sent: bool,
    /// What came of the body together with the head.
    early: Vec<u8>,
    /// What was wrong with that.
    fault: Option<Fault>,
    /// Bytes followed that belong to no answer.
    has_surplus: bool,
}

impl Connection {
    /// A connection whose first request is `request`.
    pub(super) fn new(stream: Stream, request: Outgoing) -> Self {
        Self {
            stream,
            reader: AnswerReader::of(request.is_head),
            request,
            written: 0,
            is_flushed: false,
            maybe_sent: false,
            early: Vec::new(),
            fault: None,
            has_surplus: false,
        }
    }

    /// Sets out to write the next request; the answer to the last one has been read.
    pub(super) fn begin(&mut self, request: Outgoing) {
        self.reader = AnswerReader::of(request.is_head);
        self.request = request;
        self.written = 0;
        self.is_flushed = false;
        self.maybe_sent = false;
    }

    /// The request, to be tried elsewhere.
    pub(super) fn into_request(self) -> Outgoing {
        self.request
    }

    /// `false` when the upstream closed it, or said something unasked.
    pub(super) fn is_quiet(&mut self) -> bool {
        self.stream.is_quiet()
    }

    /// How long it may be kept now; `None` when it is of no further use.
    pub(super) fn keep_for(&self) -> Option<Duration> {
        let is_clean = self.is_written() && self.early.is_empty() && !self.has_surplus;
        self.reader.keep_for().filter(|_| is_clean)
    }

    /// No byte of the request can have reached the upstream.
    pub(super) fn is_unsent(&self) -> bool {
        self.written == 0 && !self.maybe_sent
    }

    fn is_written(&self) -> bool {
        self.is_flushed && self.written == self.request.len()
    }

    /// Writes the request and reads the answer's head.
    pub(super) async fn head(&mut self) -> Result<Head, SendError> {
        poll_fn(|cx| self.poll_head(cx)).await
    }

    fn poll_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Head, SendError>> {
        // An upstream may answer and close before it has read all: that answer counts.
        let unwritten = self.poll_write(cx).err();
        loop {
            match self.poll_read_head(cx) {
                Poll::Pending => match unwritten {
                    None => return Poll::Pending,
                    Some(e) => return Poll::Ready(Err(SendError::Broken(e))),
                },
                Poll::Ready(Ok(None)) => {}
                Poll::Ready(Ok(Some(head))) => return Poll::Ready(Ok(head)),
                Poll::Ready(Err(SendError::Broken(e))) => {
                    return Poll::Ready(Err(SendError::Broken(unwritten.unwrap_or(e))));
                }
                Poll::Ready(Err(e)) => return Poll::Ready(Err(e)),
            }
        }
    }

    /// One read; what follows a head is taken as its body at once.
    fn poll_read_head(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Head>, SendError>> {
        let Self { stream, reader, .. } = self;
        let mut early = Vec::new();
        let mut fault = None;
        let mut has_surplus = false;
        let read = poll_scratch(stream, cx, |input| {
            if input.is_empty() {
                let e = io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed it");
                return Err(SendError::Broken(e));
            }
            let Some((head, used)) = reader.head(input).map_err(SendError::NotHttp)? else {
                return Ok(None);
            };
            let rest = &input[used..];
            match reader.body(rest, &mut early) {
                Ok(used) => has_surplus = used < rest.len(),
                Err(found) => fault = Some(found),
            }
            Ok(Some(head))
        });
        let head = ready!(read).map_err(SendError::Broken)?;
        if early.capacity() > 0 {
            self.early = early;
        }
        self.fault = fault;
        self.has_surplus = has_surplus;
        Poll::Ready(head)
    }

    /// Writes on, as far as there is room.
    fn poll_write(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let Outgoing { head, body, .. } = &self.request;
        while self.written < head.len() + body.len() {
            let (first, second) = match head.get(self.written..) {
                Some(left) if !left.is_empty() => (left, &body[..]),
                _ => (&body[self.written - head.len()..], &[][..]),
            };
            match self.stream.poll_write(cx, first, second) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(e)) => {
                    self.maybe_sent |= self.stream.is_tls();
                    return Err(e);
                }
            }
        }
        if !self.is_flushed
            && let Poll::Ready(flushed) = self.stream.poll_flush(cx)
        {
            flushed?;
            self.is_flushed = true;
        }
        Ok(())
    }

    /// The next bytes of the body as they come; `None` at its end.
    pub(super) fn poll_piece(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, AnswerError>> {
        if !self.early.is_empty() {
            return Poll::Ready(Ok(Some(std::mem::take(&mut self.early).into())));
        }
        let mut piece = Vec::new();
        let result = ready!(self.poll_more(cx, &mut piece));
        Poll::Ready(result.map(|_| (!piece.is_empty()).then(|| piece.into())))
    }

    /// Appends the next bytes of the body to `out`; how many, and 0 at its end.
    pub(super) fn poll_more(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<usize, AnswerError>> {
        if !self.early.is_empty() {
            out.append(&mut self.early);
        }
        let before = out.len();
        while out.len() == before && !self.reader.is_done() {
            if let Some(fault) = self.fault {
                return Poll::Ready(Err(AnswerError::NotHttp(fault)));
            }
            if !self.is_written() {
                // What cannot be written any more was not wanted: the answer decides.
                let _unwanted = self.poll_write(cx);
            }
            let left = self.reader.plain_left().unwrap_or(0);
            let is_open = if left > SCRATCH_BYTES as u64 {
                ready!(self.poll_long(cx, left, out))
            } else {
                ready!(self.poll_short(cx, out))
            };
            if !is_open? && !self.reader.ends_by_close() {
                return Poll::Ready(Err(AnswerError::Early));
            }
        }
        Poll::Ready(Ok(out.len() - before))
    }

    /// One read through the thread's buffer; `false` when the connection has ended.
    fn poll_short(
        &mut self,
        cx: &mut Context<'_>,
        out: &mut Vec<u8>,
    ) -> Poll<Result<bool, AnswerError>> {
        let Self {
            stream,
            reader,
            has_surplus,
            ..
        } = self;
        let read = poll_scratch(stream, cx, |input| {
            let used = reader.body(input, out).map_err(AnswerError::NotHttp)?;
            *has_surplus |= used < input.len();
            Ok(!input.is_empty())
        });
        read.map(|r| r.map_err(AnswerError::Broken)?)
    }

    /// One read of a long body straight to where it goes; `false` when the connection has ended.
    fn poll_long(
        &mut self,
        cx: &mut Context<'_>,
        left: u64,
        out: &mut Vec<u8>,
    ) -> Poll<Result<bool, AnswerError>> {
        let left = usize::try_from(left).unwrap_or(usize::MAX);
        if out.capacity() - out.len() < SCRATCH_BYTES {
            // One byte more than there should be, so that a full buffer is seen to be the end.
            out.reserve(left.min(ROOM_BYTES_MAX) + 1);
        }
        let before = out.len();
        let count = ready!(poll_read_buf(Pin::new(&mut self.stream), cx, out))
            .map_err(AnswerError::Broken)?;
        if count > left {
            self.has_surplus = true;
            out.truncate(before + left);
        }
        self.reader.took(count.min(left));
        Poll::Ready(Ok(count > 0))
    }

    /// All of the body has been read and handed out.
    pub(super) fn is_complete(&self) -> bool {
        self.reader.is_done() && self.early.is_empty()
    }
}

/// One read of at most [`SCRATCH_BYTES`]; nothing at the connection's end.
fn poll_scratch<T>(
    stream: &mut Stream,
    cx: &mut Context<'_>,
    take: impl FnOnce(&[u8]) -> T,
) -> Poll<io::Result<T>> {
    SCRATCH.with_borrow_mut(|space| {
        let mut buffer = ReadBuf::new(space);
        ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
        Poll::Ready(Ok(take(buffer.filled())))
    })
}

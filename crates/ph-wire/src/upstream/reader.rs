//! Reads answers of HTTP/1.1, strictly where a doubt about the framing could mix up two of them.
//!
//! No I/O: bytes go in, a head and a body come out. How they are cut never shows (`fuzz/http_answer`).

use super::chunks::Chunks;
use super::hop::{is_of_hop, names_in};
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use std::mem::MaybeUninit;
use std::time::Duration;

/// Longest head, in bytes.
pub const HEAD_BYTES_MAX: usize = 64 << 10;
/// Most headers of an answer.
pub const HEADERS_MAX: usize = 128;
/// Most interim answers (1xx) before an answer.
pub const INTERIMS_MAX: u8 = 16;

/// What came is no HTTP/1.1, or cannot be read in one way only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub &'static str);

/// The head of an answer, without what concerns its connection alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its status; never 1xx.
    pub status: StatusCode,
    /// Its headers, but those of the connection and the length.
    pub headers: HeaderMap,
    /// How long the body is, when the head says so.
    pub length: Option<u64>,
}

/// How the end of a body is found.
#[derive(Debug)]
enum State {
    Head,
    Length(u64),
    Chunks(Chunks),
    UntilClose,
    Done,
}

/// Reads one answer.
#[derive(Debug)]
pub struct AnswerReader {
    state: State,
    /// The beginning of a head that came in pieces.
    held: Vec<u8>,
    /// The answer to a HEAD has no body.
    is_head: bool,
    interims: u8,
    keep_for: Option<Duration>,
}

impl AnswerReader {
    /// A reader of the answer to a request of this method.
    pub fn new(method: &Method) -> Self {
        Self::of(*method == Method::HEAD)
    }

    pub(super) fn of(is_head: bool) -> Self {
        Self {
            state: State::Head,
            held: Vec::new(),
            is_head,
            interims: 0,
            keep_for: None,
        }
    }

    /// Reads on in the head; `None` when there is more of it to come. The second value says how much of
    /// `input` it took: the rest is for [`AnswerReader::body`].
    ///
    /// # Errors
    /// [`Fault`]; nothing more can be read then.
    pub fn head(&mut self, input: &[u8]) -> Result<Option<(Head, usize)>, Fault> {
        let mut used = 0;
        loop {
            let rest = &input[used..];
            let Some(taken) = self.head_bytes(rest)? else {
                return Ok(None);
            };
            let text = if self.held.is_empty() {
                Bytes::copy_from_slice(&rest[..taken])
            } else {
                self.held.extend_from_slice(&rest[..taken]);
                std::mem::take(&mut self.held).into()
            };
            used += taken;
            if let Some(head) = self.parse(&text)? {
                return Ok(Some((head, used)));
            }
        }
    }

    /// How many bytes of `input` end the head; `None` (and they are held) when they do not.
    fn head_bytes(&mut self, input: &[u8]) -> Result<Option<usize>, Fault> {
        let before = self.held.len();
        let end = if before == 0 {
            end_of_head(input)
        } else {
            // The end may straddle what is held and what came now.
            let from = before.saturating_sub(3);
            let mut seam = self.held[from..].to_vec();
            let seam_held = seam.len();
            seam.extend_from_slice(&input[..input.len().min(3)]);
            match end_of_head(&seam) {
                Some(end) if end > seam_held => Some(end - seam_held),
                _ => end_of_head(input),
            }
        };
        let length = before + end.unwrap_or(input.len());
        if length > HEAD_BYTES_MAX {
            return Err(Fault("the head is too long"));
        }
        if end.is_none() {
            self.held.extend_from_slice(input);
        }
        Ok(end)
    }

    /// A whole head; `None` for an interim one.
    fn parse(&mut self, text: &Bytes) -> Result<Option<Head>, Fault> {
        let mut space = [const { MaybeUninit::uninit() }; HEADERS_MAX];
        let mut parsed = httparse::Response::new(&mut []);
        let status = httparse::ParserConfig::default()
            .parse_response_with_uninit_headers(&mut parsed, text, &mut space)
            .map_err(what)?;
        if status != httparse::Status::Complete(text.len()) {
            return Err(Fault("the head is malformed"));
        }
        let status = parsed.code.and_then(|c| StatusCode::from_u16(c).ok());
        let status = status.ok_or(Fault("the status is none"))?;
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Fault("the protocol was switched without being asked"));
        }
        if status.is_informational() {
            self.interims += 1;
            return if self.interims > INTERIMS_MAX {
                Err(Fault("too many interim answers"))
            } else {
                Ok(None)
            };
        }
        let is_1_1 = parsed.version == Some(1);
        let mut framing = Framing::default();
        let mut headers = HeaderMap::with_capacity(parsed.headers.len());
        for header in &*parsed.headers {
            if is_of_hop(header.name) {
                framing.note(header.name, header.value)?;
                continue;
            }
            let name = HeaderName::from_bytes(header.name.as_bytes());
            let value = HeaderValue::from_maybe_shared(text.slice_ref(header.value));
            match (name, value) {
                (Ok(name), Ok(value)) => _ = headers.append(name, value),
                _ => return Err(Fault("a header is malformed")),
            }
        }
        for name in names_in(framing.connection.iter().copied()) {
            headers.remove(name);
        }
        self.keep_for = framing.keep_for(is_1_1);
        self.state = self.framed(status, &framing, is_1_1)?;
        let length = match (&self.state, framing.length) {
            (State::Length(length), _) => Some(*length),
            (State::Done, None) => Some(0),
            (_, length) => length,
        };
        Ok(Some(Head {
            status,
            headers,
            length,
        }))
    }

    /// RFC 9112 §6.3, less what two readers could take for two different things.
    fn framed(
        &self,
        status: StatusCode,
        framing: &Framing<'_>,
        is_1_1: bool,
    ) -> Result<State, Fault> {
        let coded = framing.coding.is_some();
        if coded && framing.length.is_some() {
            return Err(Fault("the answer has both a length and a transfer coding"));
        }
        if coded && !is_1_1 {
            return Err(Fault("an HTTP/1.0 answer has a transfer coding"));
        }
        if framing
            .coding
            .is_some_and(|c| !c.eq_ignore_ascii_case(b"chunked"))
        {
            return Err(Fault("the transfer coding is not `chunked`"));
        }
        let bodyless =
            self.is_head || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(match framing.length {
            _ if bodyless => State::Done,
            _ if coded => State::Chunks(Chunks::new()),
            Some(0) => State::Done,
            Some(length) => State::Length(length),
            None => State::UntilClose,
        })
    }

    /// Appends the body's bytes in `input` to `out`; returns how much of `input` belongs to this answer.
    ///
    /// # Errors
    /// [`Fault`]; nothing more can be read then.
    pub fn body(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        match &mut self.state {
            State::Head | State::Done => Ok(0),
            State::Length(left) => {
                let room = usize::try_from(*left).unwrap_or(usize::MAX);
                let taken = input.len().min(room);
                out.extend_from_slice(&input[..taken]);
                self.took(taken);
                Ok(taken)
            }
            State::UntilClose => {
                out.extend_from_slice(input);
                Ok(input.len())
            }
            State::Chunks(chunks) => {
                let used = chunks.read(input, out)?;
                if chunks.is_done() {
                    self.state = State::Done;
                }
                Ok(used)
            }
        }
    }

    /// How many bytes of the body follow as they are; `None` when that must be read out of them.
    pub(super) fn plain_left(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            _ => None,
        }
    }

    /// `count` bytes of [`AnswerReader::plain_left`] were read elsewhere.
    pub(super) fn took(&mut self, count: usize) {
        if let State::Length(left) = &mut self.state {
            *left = left.saturating_sub(count as u64);
            if *left == 0 {
                self.state = State::Done;
            }
        }
    }

    /// The connection ended: `true` when that ends the body properly.
    pub fn ends_by_close(&mut self) -> bool {
        if matches!(self.state, State::UntilClose) {
            self.keep_for = None;
            self.state = State::Done;
        }
        self.is_done()
    }

    /// The whole answer has been read.
    pub fn is_done(&self) -> bool {
        matches!(self.state, State::Done)
    }

    /// How long the connection may be kept after this answer; `None`: not at all.
    pub fn keep_for(&self) -> Option<Duration> {
        self.keep_for.filter(|_| self.is_done())
    }
}

fn what(error: httparse::Error) -> Fault {
    Fault(match error {
        httparse::Error::TooManyHeaders => "the head has too many headers",
        httparse::Error::Version => "the version is not HTTP/1.1",
        httparse::Error::Status => "the status line is malformed",
        _ => "the head is malformed",
    })
}

/// The end of a head: the first empty line, and what stands before it.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(step) = memchr::memchr(b'\n', &bytes[from..]) {
        let next = from + step + 1;
        match &bytes[next..] {
            [b'\n', ..] => return Some(next + 1),
            [b'\r', b'\n', ..] => return Some(next + 2),
            _ => from = next,
        }
    }
    None
}

/// How long a connection is kept when the upstream does not say: Node closes after 5 s.
const IDLE_DEFAULT: Duration = Duration::from_secs(4);
/// How long a connection is kept at most.
const IDLE_LONGEST: Duration = Duration::from_secs(60);

/// What the headers of the connection say.
#[derive(Default)]
struct Framing<'a> {
    length: Option<u64>,
    coding: Option<&'a [u8]>,
    connection: Vec<&'a str>,
    keep_alive: Option<&'a str>,
}

impl<'a> Framing<'a> {
    fn note(&mut self, name: &str, value: &'a [u8]) -> Result<(), Fault> {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        let text = || std::str::from_utf8(value).unwrap_or("");
        if is("content-length") {
            let length = digits(value).ok_or(Fault("the length is no number"))?;
            if self.length.replace(length).is_some_and(|l| l != length) {
                return Err(Fault("the answer has two lengths"));
            }
        } else if is("transfer-encoding") {
            if self.coding.replace(value).is_some() {
                return Err(Fault("the answer has two transfer codings"));
            }
        } else if is("connection") {
            self.connection.push(text());
        } else if is("keep-alive") {
            self.keep_alive = Some(text());
        }
        Ok(())
    }

    /// How long the upstream keeps a quiet connection, less a second for the way there.
    ///
    /// `Keep-Alive: timeout=N` says so; N of 1 or 0 means: do not keep it.
    fn keep_for(&self, is_1_1: bool) -> Option<Duration> {
        let says = |token: &str| {
            let mut tokens = self.connection.iter().flat_map(|v| v.split(','));
            tokens.any(|t| t.trim().eq_ignore_ascii_case(token))
        };
        if says("close") || !is_1_1 && !says("keep-alive") {
            return None;
        }
        let mut fields = self.keep_alive.unwrap_or("").split(',');
        let seconds = fields.find_map(|p| p.trim().strip_prefix("timeout=")?.parse::<u64>().ok());
        let idle = seconds.map_or(IDLE_DEFAULT, |s| {
            Duration::from_secs(s.saturating_sub(1)).min(IDLE_LONGEST)
        });
        Some(idle).filter(|d| !d.is_zero())
    }
}

/// A number of digits only, as a length is written.
fn digits(text: &[u8]) -> Option<u64> {
    let is_number = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(text)
        .ok()
        .filter(|_| is_number)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests;

//! Server-sent events: a parser that listens in, and a writer.
//!
//! The parser is a tee for telemetry and for resumption ids: the caller forwards the bytes as they
//! came whatever the parser makes of them. It therefore never fails; garbage gives no items, and an
//! event beyond the bound gives one [`SseItem::Oversize`] and is skipped up to its blank line.
//!
//! An event that is whole within one chunk is reported as slices of that chunk; only the beginning
//! of an unfinished event is copied. How the bytes were cut into chunks never shows in the items.
//!
//! Grammar: WHATWG HTML, section "Interpreting an event stream". Two differences: an event without
//! `data` is reported too (its `id` or `retry` matters for resumption), and `id` is that of this
//! event alone, not the last one seen.

mod hold;

pub use hold::{EventHold, EventTooLong, data_of, with_data};

use memchr::memchr2;

/// A comment that keeps an idle connection from being dropped, with its blank line.
pub const KEEP_ALIVE: &[u8] = b": keepalive\n\n";

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";
/// Positions within an event are kept in 32 bits.
const EVENT_BYTES_LIMIT: usize = 1 << 30;
/// Buffers that grew beyond this are given back after the event that needed them.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// One thing found in an event stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SseItem<'a> {
    /// An event: a block of lines with at least one known field.
    Event(SseEvent<'a>),
    /// The text of a comment line after its colon, one leading space removed.
    Comment(&'a [u8]),
    /// An event longer than the bound; what it held is unknown.
    Oversize,
}

/// The fields of one event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SseEvent<'a> {
    /// The `id` field; `None` when absent or holding a NUL, as the grammar wants it.
    pub id: Option<&'a [u8]>,
    /// The `event` field.
    pub event: Option<&'a [u8]>,
    /// The `data` lines joined by `\n`; empty when there is none.
    pub data: &'a [u8],
    /// The `retry` field in milliseconds, when it is a number.
    pub retry_ms: Option<u64>,
}

/// Incremental parser of one event stream.
#[derive(Debug)]
pub struct SseParser {
    event_bytes_max: usize,
    /// Bytes of the byte order mark seen so far; its length once the question is settled.
    mark_seen: usize,
    /// The last byte was `\r`: a `\n` that follows belongs to the same line end.
    after_return: bool,
    /// The current event is over the bound: nothing counts until a blank line.
    skipping: bool,
    /// Start of an event that did not end within its chunk; empty when nothing is carried.
    carried: Vec<u8>,
    /// Bytes of the current line so far.
    line_bytes: usize,
    /// Bytes of the current event so far, each line end counted as one byte.
    event_bytes: usize,
    fields: Fields,
    joined: Vec<u8>,
}

/// Where the fields of the current event lie, counted from the event's first byte.
#[derive(Debug, Default)]
struct Fields {
    id: Option<Span>,
    event: Option<Span>,
    retry_ms: Option<u64>,
    data: Vec<Span>,
}

#[derive(Clone, Copy, Debug)]
struct Span {
    start: u32,
    end: u32,
}

impl Span {
    fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start as usize..self.end as usize]
    }
}

impl SseParser {
    /// A parser that reports events of up to `event_bytes_max` bytes (field names and line ends
    /// included, at most 1 GiB) and holds no more than about twice that.
    pub fn new(event_bytes_max: usize) -> Self {
        Self {
            event_bytes_max: event_bytes_max.min(EVENT_BYTES_LIMIT),
            mark_seen: 0,
            after_return: false,
            skipping: false,
            carried: Vec::new(),
            line_bytes: 0,
            event_bytes: 0,
            fields: Fields::default(),
            joined: Vec::new(),
        }
    }

    /// Reads the next bytes of the stream and gives `sink` each item as soon as it is complete.
    pub fn push(&mut self, chunk: &[u8], sink: &mut impl FnMut(SseItem<'_>)) {
        let chunk = self.skip_mark(chunk, sink);
        self.read(chunk, sink);
    }

    /// Whether an event has begun and not ended; what is left of it at the end of the stream is
    /// no event.
    pub fn is_inside_event(&self) -> bool {
        self.skipping || self.event_bytes > 0
    }

    fn skip_mark<'a>(&mut self, chunk: &'a [u8], sink: &mut impl FnMut(SseItem<'_>)) -> &'a [u8] {
        if self.mark_seen == BYTE_ORDER_MARK.len() {
            return chunk;
        }
        let wanted = &BYTE_ORDER_MARK[self.mark_seen..];
        let found = chunk
            .iter()
            .zip(wanted)
            .take_while(|(got, want)| got == want)
            .count();
        if found == wanted.len() || found < chunk.len() {
            let held = std::mem::replace(&mut self.mark_seen, BYTE_ORDER_MARK.len());
            if found < wanted.len() {
                // It was no mark: what was held back is the start of the first line.
                self.read(&BYTE_ORDER_MARK[..held], sink);
                return chunk;
            }
        } else {
            self.mark_seen += found;
        }
        &chunk[found..]
    }

    fn read(&mut self, chunk: &[u8], sink: &mut impl FnMut(SseItem<'_>)) {
        // Where the current event starts in `chunk`; without meaning while something is carried.
        let mut base = 0;
        let mut at = 0;
        while at < chunk.len() {
            if std::mem::take(&mut self.after_return) && chunk[at] == b'\n' {
                at += 1;
                continue;
            }
            let start = at;
            let end = memchr2(b'\r', b'\n', &chunk[start..]).map(|found| start + found);
            let part = &chunk[start..end.unwrap_or(chunk.len())];
            at = start + part.len() + usize::from(end.is_some());
            self.after_return = end.is_some_and(|end| chunk[end] == b'\r');

            self.line_bytes += part.len();
            let is_blank = end.is_some() && self.line_bytes == 0;
            if is_blank {
                if !self.skipping {
                    self.report(&chunk[base..], sink);
                }
                self.start_event();
                base = at;
                continue;
            }
            if !self.skipping {
                self.event_bytes += part.len() + usize::from(end.is_some());
                if self.event_bytes > self.event_bytes_max {
                    self.skip_event();
                    sink(SseItem::Oversize);
                } else {
                    if !self.carried.is_empty() {
                        self.carried.extend_from_slice(part);
                    }
                    if end.is_some() {
                        let was_alone =
                            self.end_line(&chunk[base..], start + part.len() - base, sink);
                        if was_alone {
                            base = at;
                        }
                    }
                }
            }
            if end.is_some() {
                self.line_bytes = 0;
            }
        }
        if !self.skipping && self.carried.is_empty() && self.event_bytes > 0 {
            self.carried.extend_from_slice(&chunk[base..]);
        }
    }

    /// Takes in the line that ends at `end` of `fresh` (or of what is carried). True when it was a
    /// comment before any other line, after which an event may start as if nothing had been there:
    /// else a stream of mere comments would count as one ever longer event.
    fn end_line(&mut self, fresh: &[u8], end: usize, sink: &mut impl FnMut(SseItem<'_>)) -> bool {
        let (event, end) = if self.carried.is_empty() {
            (fresh, end)
        } else {
            (&self.carried[..], self.carried.len())
        };
        let start = end - self.line_bytes;
        let line = &event[start..end];
        let (name, value_at) = match memchr::memchr(b':', line) {
            Some(colon) if line.get(colon + 1) == Some(&b' ') => (&line[..colon], colon + 2),
            Some(colon) => (&line[..colon], colon + 1),
            None => (line, line.len()),
        };
        let value = &line[value_at..];
        let span = Span {
            start: (start + value_at) as u32,
            end: end as u32,
        };
        match name {
            b"" => {
                sink(SseItem::Comment(value));
                if self.event_bytes == self.line_bytes + 1 {
                    self.start_event();
                    return true;
                }
            }
            b"data" => self.fields.data.push(span),
            b"id" if !value.contains(&0) => self.fields.id = Some(span),
            b"event" => self.fields.event = Some(span),
            b"retry" => self.fields.retry_ms = milliseconds(value).or(self.fields.retry_ms),
            _ => {}
        }
        false
    }

    fn report(&mut self, fresh: &[u8], sink: &mut impl FnMut(SseItem<'_>)) {
        let event = if self.carried.is_empty() {
            fresh
        } else {
            &self.carried
        };
        let fields = &self.fields;
        if fields.data.is_empty()
            && fields.id.is_none()
            && fields.event.is_none()
            && fields.retry_ms.is_none()
        {
            return;
        }
        let data = match fields.data[..] {
            [] => &[],
            [only] => only.of(event),
            [first, ref others @ ..] => {
                self.joined.clear();
                self.joined.extend_from_slice(first.of(event));
                for span in others {
                    self.joined.push(b'\n');
                    self.joined.extend_from_slice(span.of(event));
                }
                &self.joined
            }
        };
        sink(SseItem::Event(SseEvent {
            id: fields.id.map(|span| span.of(event)),
            event: fields.event.map(|span| span.of(event)),
            data,
            retry_ms: fields.retry_ms,
        }));
    }

    fn skip_event(&mut self) {
        let line_bytes = self.line_bytes;
        self.start_event();
        self.line_bytes = line_bytes;
        self.skipping = true;
    }

    fn start_event(&mut self) {
        self.skipping = false;
        self.line_bytes = 0;
        self.event_bytes = 0;
        self.fields.id = None;
        self.fields.event = None;
        self.fields.retry_ms = None;
        self.fields.data.clear();
        self.fields
            .data
            .shrink_to(KEPT_BYTES_MAX / size_of::<Span>());
        for buffer in [&mut self.carried, &mut self.joined] {
            buffer.clear();
            buffer.shrink_to(KEPT_BYTES_MAX);
        }
    }
}

fn milliseconds(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

/// Appends an event of the default type. Line ends within `data` become several `data` lines.
///
/// `id` must hold no line end and no NUL (ours are made by us; checked in debug builds).
pub fn write_event(out: &mut Vec<u8>, id: Option<&str>, data: &[u8]) {
    out.reserve(data.len() + id.map_or(0, str::len) + 16);
    if let Some(id) = id {
        write_id(out, id);
    }
    let mut rest = data;
    while let Some(end) = memchr2(b'\r', b'\n', rest) {
        write_field(out, b"data: ", &rest[..end]);
        let is_pair = rest[end] == b'\r' && rest.get(end + 1) == Some(&b'\n');
        rest = &rest[end + 1 + usize::from(is_pair)..];
    }
    write_field(out, b"data: ", rest);
    out.push(b'\n');
}

/// Appends an event with an id and no data: it lets a client resume a stream from before the first
/// message.
pub fn write_priming(out: &mut Vec<u8>, id: &str) {
    write_id(out, id);
    out.extend_from_slice(b"data:\n\n");
}

/// Appends the time after which a client shall reconnect, as a block of its own.
pub fn write_retry(out: &mut Vec<u8>, milliseconds: u64) {
    write_field(out, b"retry: ", milliseconds.to_string().as_bytes());
    out.push(b'\n');
}

fn write_id(out: &mut Vec<u8>, id: &str) {
    debug_assert!(
        !id.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
        "id {id:?}"
    );
    write_field(out, b"id: ", id.as_bytes());
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests;

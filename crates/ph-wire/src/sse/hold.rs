//! Event by event, for whoever has to see the whole of an event before any of it goes on.

use super::{BYTE_ORDER_MARK, SseItem, SseParser, write_field};
use memchr::memchr2;

/// Cuts an event stream behind the blank lines: each cut is one event with its comments, as it came.
#[derive(Debug)]
pub struct EventHold {
    held: Vec<u8>,
    bytes_max: usize,
    /// Bytes of the current line so far.
    line_bytes: usize,
    /// The last byte was `\r`: a `\n` that follows belongs to the same line end.
    after_return: bool,
    /// Bytes of `held` that were looked at.
    at: usize,
}

/// An event is longer than the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventTooLong;

impl EventHold {
    /// Holds events of up to `bytes_max` bytes.
    pub fn new(bytes_max: usize) -> Self {
        Self {
            held: Vec::new(),
            bytes_max,
            line_bytes: 0,
            after_return: false,
            at: 0,
        }
    }

    /// Takes in the next bytes of the stream.
    pub fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// The next event that is complete, with its blank line; `None` until there is more.
    ///
    /// # Errors
    /// [`EventTooLong`] for one that is beyond the bound, complete or not.
    pub fn next_event(&mut self) -> Result<Option<Vec<u8>>, EventTooLong> {
        while let Some(byte) = self.held.get(self.at) {
            if std::mem::take(&mut self.after_return) && *byte == b'\n' {
                self.at += 1;
                continue;
            }
            let rest = &self.held[self.at..];
            let Some(length) = memchr2(b'\r', b'\n', rest) else {
                self.line_bytes += rest.len();
                self.at = self.held.len();
                break;
            };
            self.after_return = rest[length] == b'\r';
            self.at += length + 1;
            let is_blank = self.line_bytes + length == 0;
            self.line_bytes = 0;
            if is_blank {
                // The second half of a line end that is here already stays with the first.
                if self.after_return && self.held.get(self.at) == Some(&b'\n') {
                    self.after_return = false;
                    self.at += 1;
                }
                if self.at > self.bytes_max {
                    return Err(EventTooLong);
                }
                let rest = self.held.split_off(self.at);
                self.at = 0;
                return Ok(Some(std::mem::replace(&mut self.held, rest)));
            }
        }
        if self.held.len() > self.bytes_max {
            return Err(EventTooLong);
        }
        Ok(None)
    }

    /// What is left when the stream is over: no event, as the grammar has it.
    pub fn rest(&mut self) -> Vec<u8> {
        self.at = 0;
        std::mem::take(&mut self.held)
    }
}

/// The data of an event as [`EventHold`] cuts it; empty when there is none.
pub fn data_of(event: &[u8]) -> Vec<u8> {
    let mut data = Vec::new();
    SseParser::new(usize::MAX).push(event, &mut |item| {
        if let SseItem::Event(event) = item {
            data.extend_from_slice(event.data);
        }
    });
    data
}

/// `event` with other data: all its other lines as they are.
pub fn with_data(event: &[u8], data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(event.len());
    let mut rest = event;
    if let Some(behind) = rest.strip_prefix(BYTE_ORDER_MARK) {
        out.extend_from_slice(BYTE_ORDER_MARK);
        rest = behind;
    }
    let mut is_written = false;
    while !rest.is_empty() {
        let length = memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
        let is_pair = rest.get(length..length + 2) == Some(b"\r\n");
        let end = (length + 1 + usize::from(is_pair)).min(rest.len());
        let line = &rest[..length];
        if line == b"data" || line.starts_with(b"data:") {
            if !std::mem::replace(&mut is_written, true) {
                for line in data.split(|b| matches!(b, b'\r' | b'\n')) {
                    write_field(&mut out, b"data: ", line);
                }
            }
        } else {
            out.extend_from_slice(&rest[..end]);
        }
        rest = &rest[end..];
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cut(pieces: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut hold = EventHold::new(1000);
        let mut events = Vec::new();
        for piece in pieces {
            hold.push(piece);
            while let Some(event) = hold.next_event().unwrap() {
                events.push(event);
            }
        }
        events.push(hold.rest());
        events
    }

    #[test]
    fn an_event_is_what_stands_before_a_blank_line() {
        let stream = b"\xEF\xBB\xBFid: 1\r\ndata: a\r\n\r\n: c\n\ndata: b\rdata: c\r\rrest";
        let events = cut(&[stream]);
        let want: [&[u8]; 4] = [
            b"\xEF\xBB\xBFid: 1\r\ndata: a\r\n\r\n",
            b": c\n\n",
            b"data: b\rdata: c\r\r",
            b"rest",
        ];
        assert_eq!(events, want);
        let data: Vec<_> = events.iter().map(|e| data_of(e)).collect();
        assert_eq!(
            data,
            [b"a".to_vec(), b"".to_vec(), b"b\nc".to_vec(), b"".to_vec()]
        );
    }

    #[test]
    fn other_lines_stay() {
        let event = b"id: 1\r\ndata: {\ndata: }\r\nevent: message\n\n";
        assert_eq!(
            with_data(event, b"[]"),
            b"id: 1\r\ndata: []\nevent: message\n\n"
        );
        assert_eq!(data_of(&with_data(event, b"[\n]")), b"[\n]");
        assert_eq!(
            with_data(b"\xEF\xBB\xBFdata:x\n\n", b"y"),
            b"\xEF\xBB\xBFdata: y\n\n"
        );
    }

    #[test]
    fn what_is_too_long_is_not_held() {
        let mut hold = EventHold::new(10);
        hold.push(b"data: 1\n\ndata: 4567");
        assert_eq!(hold.next_event(), Ok(Some(b"data: 1\n\n".to_vec())));
        assert_eq!(hold.next_event(), Ok(None));
        hold.push(b"8");
        assert_eq!(hold.next_event(), Err(EventTooLong));
    }

    proptest! {
        /// However the stream is cut into pieces, its bytes stay, and so do the data of its events.
        #[test]
        fn nothing_is_lost_and_nothing_is_moved(stream in "(data: [ab]|: c|id: 1|[ab]|\r\n|\r|\n){0,24}", at in proptest::collection::vec(0_usize..60, 0..5)) {
            let bytes = stream.as_bytes();
            let mut at: Vec<_> = at.into_iter().map(|i| i.min(bytes.len())).chain([0, bytes.len()]).collect();
            at.sort_unstable();
            let pieces: Vec<_> = at.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
            let events = cut(&pieces);
            prop_assert_eq!(events.concat(), bytes);
            let mut want = Vec::new();
            SseParser::new(usize::MAX).push(bytes, &mut |item| {
                if let SseItem::Event(event) = item && !event.data.is_empty() {
                    want.push(event.data.to_vec());
                }
            });
            let mut got: Vec<_> = events.iter().map(|e| data_of(e)).collect();
            got.retain(|data| !data.is_empty());
            prop_assert_eq!(got, want);
        }
    }
}

//! Stdio framing: one message per `\n`-terminated line, with a bound on its length.
//!
//! The splitter owns the read buffer, so that bytes go from the pipe into it and out of it as
//! frames. Short lines are copied out, so that the buffer is used again in place and a frame kept
//! for long does not keep a whole read alive; long lines are split off without a copy.
//!
//! How the bytes were cut into reads never shows in the frames.

use bytes::{Buf, Bytes, BytesMut};

/// Lines up to this many bytes are copied out of the read buffer, longer ones are split off it.
const COPIED_BYTES_MAX: usize = 2 * 1024;
/// What an idle splitter holds; also the least room offered to a read.
const ROOM_BYTES_MIN: usize = 8 * 1024;
/// The most room offered to a read, the capacity of a Linux pipe.
const ROOM_BYTES_MAX: usize = 64 * 1024;

/// What one line of a child's standard output turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// The bytes of a line that is not empty, without its `\r` and `\n`.
    Line(Bytes),
    /// A line longer than the bound, thrown away up to its end.
    TooLong {
        /// Length of the whole line, without its `\n`.
        bytes: u64,
    },
}

/// Cuts a byte stream into lines.
///
/// Holds at most `line_bytes_max` and one read of bytes.
#[derive(Debug)]
pub struct LineSplitter {
    buffer: BytesMut,
    /// Bytes at the front of `buffer` known to hold no `\n`.
    scanned: usize,
    /// Bytes of the line being thrown away, when there is one.
    discarded: Option<u64>,
    line_bytes_max: usize,
    room: usize,
}

impl LineSplitter {
    /// A splitter that accepts lines of up to `line_bytes_max` bytes, `\n` not counted.
    pub fn new(line_bytes_max: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            discarded: None,
            line_bytes_max,
            room: ROOM_BYTES_MIN,
        }
    }

    /// The buffer to read into, with room for a read. Only append to it.
    pub fn room(&mut self) -> &mut BytesMut {
        // A read that filled its room had more to say; give the next one more.
        let spare = self.buffer.capacity() - self.buffer.len();
        if spare == 0 && !self.buffer.is_empty() {
            self.room = (self.room * 2).min(ROOM_BYTES_MAX);
        } else if self.buffer.is_empty() {
            self.room = ROOM_BYTES_MIN;
        }
        if spare < ROOM_BYTES_MIN / 2 {
            self.buffer.reserve(self.room);
        }
        &mut self.buffer
    }

    /// Appends bytes that were read elsewhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole line, or `None` until more bytes come. Empty lines are skipped.
    pub fn next_frame(&mut self) -> Option<Frame> {
        loop {
            let Some(found) = memchr::memchr(b'\n', &self.buffer[self.scanned..]) else {
                self.scanned = self.buffer.len();
                if self.discarded.is_some() || self.buffer.len() > self.line_bytes_max {
                    self.discard_buffer();
                }
                return None;
            };
            let end = self.scanned + found;
            self.scanned = 0;
            if let Some(frame) = self.take(end, 1) {
                return Some(frame);
            }
        }
    }

    /// What is left once the stream has ended: a last line that had no `\n`.
    ///
    /// A server that ends in the middle of a message leaves a piece of it here; whether it is
    /// whole is for the reader of the message to find out.
    pub fn finish(&mut self) -> Option<Frame> {
        self.scanned = 0;
        let frame = self.take(self.buffer.len(), 0);
        self.buffer = BytesMut::new();
        frame
    }

    /// Takes the line that ends at `end`, followed by `terminator` bytes of line end.
    fn take(&mut self, end: usize, terminator: usize) -> Option<Frame> {
        if let Some(before) = self.discarded.take() {
            self.buffer.advance(end + terminator);
            return Some(Frame::TooLong {
                bytes: before + end as u64,
            });
        }
        if end > self.line_bytes_max {
            self.buffer.advance(end + terminator);
            return Some(Frame::TooLong { bytes: end as u64 });
        }
        let returns = self.buffer[..end]
            .iter()
            .rev()
            .take_while(|byte| **byte == b'\r')
            .count();
        let length = end - returns;
        let line = if length == 0 {
            None
        } else if length <= COPIED_BYTES_MAX {
            Some(Bytes::copy_from_slice(&self.buffer[..length]))
        } else {
            let line = self.buffer.split_to(length).freeze();
            self.buffer.advance(returns + terminator);
            return Some(Frame::Line(line));
        };
        self.buffer.advance(end + terminator);
        line.map(Frame::Line)
    }

    fn discard_buffer(&mut self) {
        let bytes = self.buffer.len() as u64;
        self.discarded = Some(self.discarded.unwrap_or(0) + bytes);
        self.buffer.clear();
        self.scanned = 0;
        if self.buffer.capacity() > ROOM_BYTES_MAX {
            self.buffer = BytesMut::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: usize = 12;

    fn split(chunks: &[&[u8]], line_bytes_max: usize) -> Vec<Frame> {
        let mut splitter = LineSplitter::new(line_bytes_max);
        let mut frames = Vec::new();
        for chunk in chunks {
            splitter.push(chunk);
            frames.extend(std::iter::from_fn(|| splitter.next_frame()));
        }
        frames.extend(splitter.finish());
        frames
    }

    /// The same by the shortest code that can be trusted.
    fn model(bytes: &[u8], line_bytes_max: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        for line in bytes.split(|byte| *byte == b'\n') {
            if line.len() > line_bytes_max {
                frames.push(Frame::TooLong {
                    bytes: line.len() as u64,
                });
                continue;
            }
            let kept = line
                .iter()
                .rposition(|byte| *byte != b'\r')
                .map_or(0, |last| last + 1);
            if kept > 0 {
                frames.push(Frame::Line(Bytes::copy_from_slice(&line[..kept])));
            }
        }
        frames
    }

    #[track_caller]
    fn check(bytes: &str, want: &[&str]) {
        let got: Vec<String> = split(&[bytes.as_bytes()], MAX)
            .iter()
            .map(|frame| match frame {
                Frame::Line(line) => String::from_utf8_lossy(line).into_owned(),
                Frame::TooLong { bytes } => format!("<{bytes}>"),
            })
            .collect();
        assert_eq!(got, want, "input {bytes:?}");
    }

    #[test]
    fn lines_are_cut_at_line_feeds_only() {
        check("", &[]);
        check("a\nb\n", &["a", "b"]);
        check("a\r\nb\r\r\n", &["a", "b"]);
        check("a\rb\n", &["a\rb"]);
        check("\n\r\n\na\n", &["a"]);
        check("no end", &["no end"]);
    }

    #[test]
    fn a_line_at_the_bound_passes_and_one_more_byte_does_not() {
        check("123456789012\nx\n", &["123456789012", "x"]);
        check("1234567890123\nx\n", &["<13>", "x"]);
        check("12345678901234567890", &["<20>"]);
    }

    #[test]
    fn a_line_without_end_does_not_grow_the_buffer() {
        let mut splitter = LineSplitter::new(1024);
        for _ in 0..1000 {
            splitter.push(&[b'x'; 4096]);
            assert_eq!(splitter.next_frame(), None);
            assert!(splitter.buffer.capacity() <= ROOM_BYTES_MAX);
        }
        splitter.push(b"\nok\n");
        assert_eq!(
            splitter.next_frame(),
            Some(Frame::TooLong { bytes: 4_096_000 })
        );
        assert_eq!(
            splitter.next_frame(),
            Some(Frame::Line(Bytes::from_static(b"ok")))
        );
    }

    #[test]
    fn short_lines_leave_the_buffer_in_place() {
        let mut splitter = LineSplitter::new(1024);
        splitter.room().extend_from_slice(b"warm\n");
        let kept = splitter.next_frame();
        let place = splitter.room().spare_capacity_mut().as_ptr() as usize;
        let mut frames = Vec::new();
        for _ in 0..10_000 {
            splitter
                .room()
                .extend_from_slice(b"{\"jsonrpc\":\"2.0\"}\n");
            frames.extend(splitter.next_frame());
            let now = splitter.room().spare_capacity_mut().as_ptr() as usize;
            assert!(
                now.abs_diff(place) <= ROOM_BYTES_MIN,
                "the buffer was allocated anew"
            );
        }
        assert_eq!(frames.len(), 10_000);
        assert_eq!(kept, Some(Frame::Line(Bytes::from_static(b"warm"))));
    }

    #[test]
    fn a_long_line_is_not_copied() {
        let mut splitter = LineSplitter::new(1 << 20);
        splitter.room().reserve(200_000);
        splitter.push(&vec![b'x'; 100_000]);
        splitter.push(b"\n");
        let place = splitter.buffer.as_ptr();
        let Some(Frame::Line(line)) = splitter.next_frame() else {
            panic!("no line")
        };
        assert_eq!((line.as_ptr(), line.len()), (place, 100_000));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_lines_of_the_model(
            chunks in prop::collection::vec(prop::collection::vec(
                prop_oneof![4 => Just(b'a'), 2 => Just(b'\n'), 1 => Just(b'\r')], 0..20), 0..20),
        ) {
            let whole = chunks.concat();
            let chunks: Vec<&[u8]> = chunks.iter().map(Vec::as_slice).collect();
            prop_assert_eq!(split(&chunks, MAX), model(&whole, MAX));
        }
    }
}

//! The chunked coding (RFC 9112 §7.1), byte by byte where it is no data.

use super::reader::Fault;

/// Longest size lines, extensions included, and trailers of one body, in bytes.
const ASIDE_BYTES_MAX: usize = 16 << 10;
/// Hex digits of a size that fits into 64 bits.
const DIGITS_MAX: u8 = 16;

/// Where in the coding the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Size { digits: u8 },
    Extension,
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    Trailer { is_empty: bool },
    TrailerLf { is_empty: bool },
    Done,
}

/// Takes chunks apart. Trailers are checked for their end and forgotten.
#[derive(Debug)]
pub(super) struct Chunks {
    at: At,
    /// Size of the chunk, or what is left of it.
    size: u64,
    aside: usize,
}

impl Chunks {
    pub(super) fn new() -> Self {
        Self {
            at: At::Size { digits: 0 },
            size: 0,
            aside: 0,
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == At::Done
    }

    /// Appends the data in `input` to `out`; returns how many bytes of `input` belong to this body.
    pub(super) fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Fault> {
        let mut i = 0;
        while i < input.len() && self.at != At::Done {
            if self.at == At::Data {
                let room = usize::try_from(self.size).unwrap_or(usize::MAX);
                let data = &input[i..][..room.min(input.len() - i)];
                out.extend_from_slice(data);
                self.size -= data.len() as u64;
                i += data.len();
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            self.at = self.step(input[i])?;
            i += 1;
        }
        Ok(i)
    }

    fn step(&mut self, byte: u8) -> Result<At, Fault> {
        if matches!(
            self.at,
            At::Size { .. } | At::Extension | At::Trailer { .. }
        ) {
            self.aside += 1;
            if self.aside > ASIDE_BYTES_MAX {
                return Err(Fault("chunk extensions or trailers are too long"));
            }
        }
        match (self.at, byte) {
            (At::Size { digits }, _) if byte.is_ascii_hexdigit() => {
                if digits == DIGITS_MAX {
                    return Err(Fault("a chunk is too large"));
                }
                if digits == 0 {
                    self.size = 0;
                }
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                self.size = self.size << 4 | u64::from(digit);
                Ok(At::Size { digits: digits + 1 })
            }
            (At::Size { digits: 0 }, _) => Err(Fault("a chunk has no size")),
            (At::Size { .. } | At::Extension, b'\r') => Ok(At::SizeEnd),
            (At::Size { .. }, b' ' | b'\t' | b';') => Ok(At::Extension),
            (At::Extension, _) if byte != b'\n' => Ok(At::Extension),
            (At::SizeEnd, b'\n') if self.size == 0 => Ok(At::Trailer { is_empty: true }),
            (At::SizeEnd, b'\n') => {
                // Only what stands between chunks is bounded, not how many there are.
                self.aside = self.aside.saturating_sub(usize::from(DIGITS_MAX) + 1);
                Ok(At::Data)
            }
            (At::DataCr, b'\r') => Ok(At::DataLf),
            (At::DataLf, b'\n') => Ok(At::Size { digits: 0 }),
            (At::Trailer { is_empty }, b'\r') => Ok(At::TrailerLf { is_empty }),
            (At::Trailer { .. }, _) if byte != b'\n' => Ok(At::Trailer { is_empty: false }),
            (At::TrailerLf { is_empty: true }, b'\n') => Ok(At::Done),
            (At::TrailerLf { is_empty: false }, b'\n') => Ok(At::Trailer { is_empty: true }),
            _ => Err(Fault("chunks are malformed")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Result<(Vec<u8>, usize, bool), Fault> {
        let (mut chunks, mut out) = (Chunks::new(), Vec::new());
        let used = chunks.read(text, &mut out)?;
        Ok((out, used, chunks.is_done()))
    }

    #[track_caller]
    fn check(text: &str, want: &str, done: bool) {
        let (data, used, is_done) = read(text.as_bytes()).unwrap();
        assert_eq!(String::from_utf8(data).unwrap(), want, "input {text:?}");
        assert_eq!(is_done, done, "input {text:?}");
        if !text.ends_with("REST") {
            assert_eq!(used, text.len());
        }
    }

    #[test]
    fn chunks_are_joined() {
        check("5\r\nhello\r\n0\r\n\r\n", "hello", true);
        check(
            "5;a=\"b\"\r\nhello\r\n00A \r\n0123456789\r\n0\r\n\r\n",
            "hello0123456789",
            true,
        );
        check("1\r\nx\r\n0\r\nx-sum: 1\r\ny: 2\r\n\r\n", "x", true);
        check("1\r\nx\r\n", "x", false);
        check("f\r\nhalf", "half", false);
        let (_, used, done) = read(b"0\r\n\r\nREST").unwrap();
        assert!(done && used == 5, "what follows is not taken");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for text in [
            "\r\n",
            "x\r\n",
            "5\nhello",
            "5\r\nhelloX",
            "5\r\nhello\n",
            "-1\r\n",
            "0x5\r\nhello",
            " 5\r\nhello",
            "5;x\n",
            "0\r\na\nb",
            "0\r\n\rx",
            "11112222333344445\r\n",
            "5\rhello",
        ] {
            assert!(read(text.as_bytes()).is_err(), "input {text:?}");
        }
        let long = format!("5;{}", "x".repeat(ASIDE_BYTES_MAX));
        assert!(read(long.as_bytes()).is_err());
        let long = format!("0\r\nx: {}", "x".repeat(ASIDE_BYTES_MAX));
        assert!(read(long.as_bytes()).is_err());
        let lines = format!("0\r\n{}", "x: 1\r\n".repeat(ASIDE_BYTES_MAX));
        assert!(read(lines.as_bytes()).is_err());
    }

    #[test]
    fn any_number_of_chunks_is_read() {
        let many = "1\r\nx\r\n".repeat(100_000) + "0\r\n\r\n";
        let (data, _, done) = read(many.as_bytes()).unwrap();
        assert!(done && data.len() == 100_000);
    }

    proptest! {
        /// What is written in chunks is read back, however it is cut.
        #[test]
        fn what_was_chunked_is_read_back(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..40), 0..8), cut in 1_usize..20) {
            let mut text = Vec::new();
            for piece in &pieces {
                text.extend_from_slice(format!("{:x}\r\n", piece.len()).as_bytes());
                text.extend_from_slice(piece);
                text.extend_from_slice(b"\r\n");
            }
            text.extend_from_slice(b"0\r\n\r\n");
            let (mut chunks, mut out) = (Chunks::new(), Vec::new());
            for part in text.chunks(cut) {
                prop_assert_eq!(chunks.read(part, &mut out).unwrap(), part.len());
            }
            prop_assert!(chunks.is_done());
            prop_assert_eq!(out, pieces.concat());
        }
    }
}

//! The text of one file while it is read: it gives errors their place.

use crate::limits;
use crate::read_error::{Place, ReadError};

/// A file's name and text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Source<'t> {
    pub(crate) file: &'t str,
    pub(crate) text: &'t str,
}

impl<'t> Source<'t> {
    /// Takes bytes that have to be UTF-8 (a byte order mark is skipped) and within the bound.
    pub(crate) fn of(file: &'t str, bytes: &'t [u8]) -> Result<Self, ReadError> {
        if bytes.len() > limits::FILE_BYTES {
            let max = limits::FILE_BYTES >> 20;
            return Err(ReadError::whole(file, format!("larger than {max} MiB")));
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Self { file, text }),
            Err(error) => {
                let good = std::str::from_utf8(&bytes[..error.valid_up_to()]).unwrap_or_default();
                Err(ReadError {
                    file: file.to_owned(),
                    place: Some(Place::of(good, good.len())),
                    text: "this byte is not UTF-8".to_owned(),
                })
            }
        }
    }

    /// Refuses a text that is too long for its format.
    pub(crate) fn at_most(&self, bytes: usize) -> Result<(), ReadError> {
        if self.text.len() <= bytes {
            return Ok(());
        }
        let text = format!("larger than {} MiB", bytes >> 20);
        Err(ReadError::whole(self.file, text))
    }

    /// An error at a byte offset.
    pub(crate) fn error(&self, at: usize, text: impl Into<String>) -> ReadError {
        ReadError {
            file: self.file.to_owned(),
            place: Some(Place::of(self.text, at)),
            text: text.into(),
        }
    }

    /// The lines without their ends, each with the byte offset of its beginning.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &'t str)> + use<'t> {
        let mut at = 0;
        self.text.split_inclusive('\n').map(move |line| {
            let start = at;
            at += line.len();
            (start, line.trim_end_matches(['\n', '\r']))
        })
    }
}

//! Private keys in PEM: as a block within one text, and line by line.

use super::kind::SecretKind;
use super::words::{begins, end_of};
use std::sync::atomic::{AtomicU16, Ordering::Relaxed};

/// The block that begins at `at` with `-----BEGIN `, if it is a private key: up to its end mark, or to
/// the end of the text where that is missing.
pub(super) fn block(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let head = label(bytes, at + BEGIN.len())?;
    let mut from = head;
    while let Some(n) = find(&bytes[from..], END) {
        let end = from + n;
        if let Some(to) = label(bytes, end + END.len()) {
            return Some((at, to));
        }
        from = end + END.len();
    }
    Some((at, bytes.len()))
}

/// The end of a block whose beginning was cut off: from the first of its lines to its end mark, which
/// is at `at`.
pub(super) fn tail(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let to = label(bytes, at + END.len())?;
    let from = bytes[..at]
        .iter()
        .rposition(|b| !is_material(*b) && !matches!(b, b'\n' | b'\r' | b'\\'))
        .map_or(0, |n| n + 1);
    Some((from, to))
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Where `LABEL-----` ends that begins at `from`, if it is that of a private key.
fn label(bytes: &[u8], from: usize) -> Option<usize> {
    let to = end_of(bytes, from, |b| {
        b.is_ascii_uppercase() || b.is_ascii_digit() || b == b' '
    });
    let is_key = find(&bytes[from..to], b"PRIVATE KEY").is_some();
    (is_key && bytes[to..].starts_with(b"-----")).then_some(to + 5)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn is_material(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=')
}

/// Knows the lines of a private key in a stream that is read line by line, as standard error is.
///
/// One per stream. Lines of others between those of a key stay, unless they are base64 alone.
#[derive(Debug, Default)]
pub struct KeyLines(AtomicU16);

/// Lines of a key that is waited for to end: RSA with 16,384 bits has 200.
const KEY_LINES_MAX: u16 = 256;

impl KeyLines {
    /// `line` as it may be given on: the mark where it is a part of a private key. The line that
    /// begins a block is left to [`super::Redactor::text`].
    pub fn redact<'a>(&self, line: &'a str) -> &'a str {
        let bytes = line.as_bytes();
        let left = self.0.load(Relaxed);
        if let Some(begin) = find_begin(bytes) {
            let is_whole =
                block(bytes, begin).is_some_and(|(_, to)| to < bytes.len() || ends(bytes));
            self.0
                .store(if is_whole { 0 } else { KEY_LINES_MAX }, Relaxed);
            return line;
        }
        if left == 0 {
            return line;
        }
        if find(bytes, END).is_some() {
            self.0.store(0, Relaxed);
            return SecretKind::PrivateKey.mark();
        }
        self.0.store(left - 1, Relaxed);
        // Whatever a logger writes before it, the last word is the material.
        let word = line.rsplit([' ', '\t', '|']).next().unwrap_or(line);
        let is_key =
            !word.is_empty() && word.bytes().all(is_material) && word.len().is_multiple_of(4);
        let is_head = line.starts_with("Proc-Type:") || line.starts_with("DEK-Info:");
        if is_key || is_head {
            SecretKind::PrivateKey.mark()
        } else {
            line
        }
    }
}

fn find_begin(bytes: &[u8]) -> Option<usize> {
    // Dashes are rare: most lines have not five of them.
    let at = find(bytes, BEGIN)?;
    (begins(bytes, at) && label(bytes, at + BEGIN.len()).is_some()).then_some(at)
}

fn ends(bytes: &[u8]) -> bool {
    bytes.ends_with(b"PRIVATE KEY-----") && find(bytes, END).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_hidden_line_by_line() {
        let lines = KeyLines::default();
        let material = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj";
        let hidden = SecretKind::PrivateKey.mark();
        assert_eq!(lines.redact(material), material, "no key has begun");
        let begin = "-----BEGIN RSA PRIVATE KEY-----";
        assert_eq!(lines.redact(begin), begin);
        assert_eq!(lines.redact("Proc-Type: 4,ENCRYPTED"), hidden);
        assert_eq!(lines.redact(material), hidden);
        assert_eq!(lines.redact("listening on port 80"), "listening on port 80");
        assert_eq!(lines.redact(&format!("12:00 ERR {material}")), hidden);
        assert_eq!(lines.redact("AB=="), hidden);
        assert_eq!(lines.redact("-----END RSA PRIVATE KEY-----"), hidden);
        assert_eq!(lines.redact(material), material, "the key is over");
    }

    #[test]
    fn a_key_without_an_end_hides_only_so_much() {
        let lines = KeyLines::default();
        lines.redact("-----BEGIN PRIVATE KEY-----");
        let hidden = (0..1000)
            .filter(|_| lines.redact("QUJDREVGR0g=") != "QUJDREVGR0g=")
            .count();
        assert_eq!(hidden, usize::from(KEY_LINES_MAX));
    }

    #[test]
    fn certificates_stay() {
        let lines = KeyLines::default();
        lines.redact("-----BEGIN CERTIFICATE-----");
        assert_eq!(lines.redact("QUJDREVGR0g="), "QUJDREVGR0g=");
        assert_eq!(block(b"-----BEGIN CERTIFICATE-----\nQUJD", 0), None);
    }
}

//! Redis's protocol, version 2, as far as a script needs it: commands out, replies in. Pure.

use std::io::Write as _;

/// A reply of Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `OK`, `PONG`.
    Status(Box<str>),
    /// What was asked for failed.
    Error(Box<str>),
    /// A number.
    Int(i64),
    /// A text, or nothing.
    Bulk(Option<Box<[u8]>>),
    /// Several of them, or nothing.
    List(Vec<Reply>),
}

/// Bytes that are no reply, or a larger one than anything that is asked for has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("what came is no reply of Redis, or none to what was asked")]
pub struct ReplyError;

/// Longest line, in bytes: a message of an error.
const LINE_BYTES_MAX: usize = 4 << 10;
/// Longest text, in bytes.
const BULK_BYTES_MAX: usize = 64 << 10;
/// Longest list.
const LIST_MAX: usize = 256;
/// Lists in lists.
const DEPTH_MAX: usize = 3;

/// Appends the first line of a command of `parts` parts.
pub fn begin(parts: usize, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "*{parts}\r\n");
}

/// Appends one part of a command.
pub fn part(part: impl AsRef<[u8]>, out: &mut Vec<u8>) {
    let part = part.as_ref();
    let _ = write!(out, "${}\r\n", part.len());
    out.extend_from_slice(part);
    out.extend_from_slice(b"\r\n");
}

/// Appends a whole command.
pub fn command(parts: &[&str], out: &mut Vec<u8>) {
    begin(parts.len(), out);
    for text in parts {
        part(text, out);
    }
}

/// The first reply in `bytes`, and how many of them it takes; `None`: it is not whole yet.
///
/// # Errors
/// [`ReplyError`]; nothing that follows can be read.
pub fn read(bytes: &[u8]) -> Result<Option<(Reply, usize)>, ReplyError> {
    let mut rest = bytes;
    let reply = reply(&mut rest, DEPTH_MAX)?;
    Ok(reply.map(|reply| (reply, bytes.len() - rest.len())))
}

fn reply(rest: &mut &[u8], depth: usize) -> Result<Option<Reply>, ReplyError> {
    let Some(line) = line(rest)? else {
        return Ok(None);
    };
    let (kind, text) = line.split_first().ok_or(ReplyError)?;
    let shown = || String::from_utf8_lossy(text).into_owned().into_boxed_str();
    Ok(Some(match kind {
        b'+' => Reply::Status(shown()),
        b'-' => Reply::Error(shown()),
        b':' => Reply::Int(number(text)?),
        b'$' => match length(text, BULK_BYTES_MAX)? {
            None => Reply::Bulk(None),
            Some(length) => {
                let Some((bulk, after)) = rest.split_at_checked(length + 2) else {
                    return Ok(None);
                };
                let bulk = bulk.strip_suffix(b"\r\n").ok_or(ReplyError)?;
                *rest = after;
                Reply::Bulk(Some(bulk.into()))
            }
        },
        b'*' => {
            let count = length(text, LIST_MAX)?.unwrap_or(0);
            let depth = depth.checked_sub(1).ok_or(ReplyError)?;
            let mut list = Vec::with_capacity(count);
            for _ in 0..count {
                match reply(rest, depth)? {
                    Some(reply) => list.push(reply),
                    None => return Ok(None),
                }
            }
            Reply::List(list)
        }
        _ => return Err(ReplyError),
    }))
}

/// The next line, without its end.
fn line<'a>(rest: &mut &'a [u8]) -> Result<Option<&'a [u8]>, ReplyError> {
    let looked_at = &rest[..rest.len().min(LINE_BYTES_MAX)];
    let Some(end) = looked_at.windows(2).position(|two| two == b"\r\n") else {
        return if rest.len() < LINE_BYTES_MAX {
            Ok(None)
        } else {
            Err(ReplyError)
        };
    };
    let line = &rest[..end];
    *rest = &rest[end + 2..];
    Ok(Some(line))
}

/// A length of at most `most`; `None` for -1, which is nothing.
fn length(text: &[u8], most: usize) -> Result<Option<usize>, ReplyError> {
    match number(text)? {
        -1 => Ok(None),
        length => match usize::try_from(length) {
            Ok(length) if length <= most => Ok(Some(length)),
            _ => Err(ReplyError),
        },
    }
}

fn number(text: &[u8]) -> Result<i64, ReplyError> {
    let text = std::str::from_utf8(text).map_err(|_| ReplyError)?;
    text.parse().map_err(|_| ReplyError)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encode(reply: &Reply, out: &mut Vec<u8>) {
        match reply {
            Reply::Status(text) => out.extend(format!("+{text}\r\n").bytes()),
            Reply::Error(text) => out.extend(format!("-{text}\r\n").bytes()),
            Reply::Int(number) => out.extend(format!(":{number}\r\n").bytes()),
            Reply::Bulk(None) => out.extend(b"$-1\r\n"),
            Reply::Bulk(Some(text)) => part(text, out),
            Reply::List(list) => {
                begin(list.len(), out);
                list.iter().for_each(|reply| encode(reply, out));
            }
        }
    }

    fn any_reply() -> impl Strategy<Value = Reply> {
        let leaf = prop_oneof![
            "[ -~]{0,20}".prop_map(|text| Reply::Status(text.into())),
            "[ -~]{0,20}".prop_map(|text| Reply::Error(text.into())),
            any::<i64>().prop_map(Reply::Int),
            proptest::option::of(proptest::collection::vec(any::<u8>(), 0..40))
                .prop_map(|bytes| Reply::Bulk(bytes.map(Vec::into_boxed_slice))),
        ];
        leaf.prop_recursive(2, 12, 4, |inner| {
            proptest::collection::vec(inner, 0..4).prop_map(Reply::List)
        })
    }

    proptest! {
        /// However a reply is cut, it is read once it is whole, and no byte of the next one is taken.
        #[test]
        fn a_reply_is_read_when_it_is_whole(reply in any_reply(), rest in proptest::collection::vec(any::<u8>(), 0..9)) {
            let mut bytes = Vec::new();
            encode(&reply, &mut bytes);
            let whole = bytes.len();
            for cut in 0..whole {
                prop_assert_eq!(read(&bytes[..cut]), Ok(None));
            }
            bytes.extend(rest);
            prop_assert_eq!(read(&bytes), Ok(Some((reply, whole))));
        }

        #[test]
        fn any_bytes_are_a_reply_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(Some((_, length))) = read(&bytes) {
                prop_assert!(length <= bytes.len());
            }
        }
    }

    #[test]
    fn replies_are_bounded() {
        for bytes in [
            &b"$65537\r\n"[..],
            b"*257\r\n",
            b"*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n",
            b"$-2\r\n",
            b":x\r\n",
            b"\r\n",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"$1\r\nabc",
        ] {
            assert_eq!(read(bytes), Err(ReplyError), "{bytes:?}");
        }
        assert_eq!(read(&[b'+'; LINE_BYTES_MAX]), Err(ReplyError));
        assert_eq!(read(&[b'+'; LINE_BYTES_MAX - 1]), Ok(None));
    }

    #[test]
    fn commands_are_lists_of_texts() {
        let mut out = Vec::new();
        command(&["AUTH", "ü"], &mut out);
        assert_eq!(out, "*2\r\n$4\r\nAUTH\r\n$2\r\nü\r\n".as_bytes());
    }
}

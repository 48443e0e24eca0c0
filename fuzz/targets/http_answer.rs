//! Answers of upstreams: how the bytes were cut never shows, and a body is what a reader of the whole
//! text makes of it.
#![no_main]

use http::Method;
use libfuzzer_sys::fuzz_target;
use ph_wire::upstream::reader::{AnswerReader, Fault, HEAD_BYTES_MAX, Head};

#[derive(Debug, PartialEq)]
struct Seen {
    head: Option<Head>,
    body: Vec<u8>,
    is_done: bool,
    /// Bytes that belong to the answer.
    used: usize,
}

fuzz_target!(|input: &[u8]| {
    let (whole, chunks) = ph_fuzz::cut(input);
    for method in [Method::POST, Method::HEAD] {
        let seen = read(&method, &chunks);
        assert_eq!(seen, read(&method, &[whole]));
        if let Ok(seen) = seen {
            check(&seen, whole);
        }
    }
});

fn read(method: &Method, parts: &[&[u8]]) -> Result<Seen, Fault> {
    let mut reader = AnswerReader::new(method);
    let (mut head, mut body, mut used) = (None, Vec::new(), 0);
    for part in parts {
        let mut part = *part;
        if head.is_none() {
            match reader.head(part)? {
                None => {
                    used += part.len();
                    continue;
                }
                Some((found, taken)) => {
                    head = Some(found);
                    used += taken;
                    part = &part[taken..];
                }
            }
        }
        used += reader.body(part, &mut body)?;
    }
    let is_done = reader.is_done();
    assert!(is_done || reader.keep_for().is_none());
    Ok(Seen {
        head,
        body,
        is_done,
        used,
    })
}

fn check(seen: &Seen, whole: &[u8]) {
    assert!(seen.used <= whole.len());
    let Some(head) = &seen.head else {
        assert!(seen.body.is_empty() && whole.len() <= HEAD_BYTES_MAX * 20);
        return;
    };
    assert!(!head.status.is_informational());
    for name in ["content-length", "transfer-encoding", "connection"] {
        assert!(!head.headers.contains_key(name));
    }
    // What is neither chunked nor absent stands at the end of what was used, as it is.
    let text = &whole[..seen.used];
    let is_plain = text.ends_with(&seen.body);
    if let Some(length) = head.length {
        assert!(is_plain && seen.body.len() as u64 <= length);
    } else {
        assert!(is_plain || seen.body.len() < text.len());
    }
}

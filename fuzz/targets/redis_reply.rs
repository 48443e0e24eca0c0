//! Replies of Redis: any bytes are replies or none, and how they were cut never shows.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_redis::resp::{Reply, ReplyError, read};

fuzz_target!(|input: &[u8]| {
    let (whole, chunks) = ph_fuzz::cut(input);
    assert_eq!(replies(&[whole]), replies(&chunks));
});

/// The replies in `parts` that are whole, and whether something came that is none.
fn replies(parts: &[&[u8]]) -> (Vec<Reply>, Result<(), ReplyError>) {
    let (mut unread, mut all) = (Vec::new(), Vec::new());
    for part in parts {
        unread.extend_from_slice(part);
        loop {
            match read(&unread) {
                Ok(Some((reply, length))) => {
                    assert!(length > 0 && length <= unread.len());
                    unread.drain(..length);
                    all.push(reply);
                }
                Ok(None) => break,
                Err(error) => return (all, Err(error)),
            }
        }
    }
    (all, Ok(()))
}

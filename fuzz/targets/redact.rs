//! Redaction: any text, whole or cut, is redacted without a panic; what is outside of marks was in the text, and a
//! token that stands alone in it is gone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_record::{KeyLines, RedactSettings, Redactor};

const TOKEN: &str = "ghp_aB3dE6gH9kL2nP5rS8tU1wX4yZ7bC0dF3gH6";
const GIVEN: &str = "given secret 1";

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let redactor = Redactor::new(RedactSettings {
        given: vec![GIVEN.to_owned()],
        ..RedactSettings::default()
    });
    let once = redactor.text(text);
    for piece in once.split("[redacted:").take(1) {
        assert!(text.starts_with(piece));
    }
    let _cut = redactor.cut(text);
    let lines = KeyLines::default();
    for line in text.lines() {
        let _redacted = redactor.text(lines.redact(line));
    }
    let planted = format!("{text} {TOKEN} {GIVEN}\n{text}");
    let redacted = redactor.text(&planted);
    assert!(!redacted.contains(TOKEN) || text.contains(TOKEN));
    assert!(!redacted.contains(GIVEN) || text.contains(GIVEN));
});

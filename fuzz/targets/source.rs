//! Source files of servers: whatever the text, in whatever language, places come out within their bounds, and each is in
//! the text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_exposure::{SourceFile, Wanted, exposure};

const PATHS: [&str; 5] = ["a.js", "a.ts", "a.tsx", "a.py", "a.rs"];

fuzz_target!(|bytes: &[u8]| {
    let Some((first, text)) = bytes.split_first() else {
        return;
    };
    let Ok(text) = std::str::from_utf8(text) else {
        return;
    };
    let path = PATHS[usize::from(*first) % PATHS.len()];
    let wanted = Wanted {
        modules: vec!["m".to_owned()],
        symbols: vec!["f".to_owned()],
    };
    let found = exposure(&[SourceFile { path, text }], &wanted);
    let lines = text.split('\n').count();
    assert!(found.uses.len() <= 200);
    for place in &found.uses {
        assert!((1..=lines).contains(&place.line), "{place:?}");
        assert!(place.text.chars().count() <= 201, "{place:?}");
        assert!(place.level <= found.level);
    }
});

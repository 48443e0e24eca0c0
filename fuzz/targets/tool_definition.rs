//! Tool definitions: any bytes are a page or a fault; a canonical form is its own form, and serde_json reads the same
//! value from it; a definition differs from itself in nothing, and what a person is shown hides nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_policy::pins::{Definition, Offered, Page, canonical, check, differences};
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let page = Page::read(bytes);
    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(page.is_err());
        return;
    };
    if let Ok(form) = canonical(text) {
        assert_eq!(canonical(&form).as_ref(), Ok(&form));
        let ours: Value = serde_json::from_str(&form).expect("a form is JSON");
        let theirs: Value = serde_json::from_str(text).expect("what has a form is JSON");
        assert_eq!(numbers_as_doubles(ours), numbers_as_doubles(theirs));
    }
    let Some(tool) = Definition::read(text) else {
        return;
    };
    assert!(differences(&tool, &tool).is_empty());
    for finding in check(&[Offered {
        server: "s",
        tool: &tool,
    }]) {
        assert!(
            !finding
                .evidence
                .contains(['\u{200b}', '\u{202e}', '\u{1b}', '\n'])
        );
    }
});

/// A canonical form knows doubles only, and no minus zero.
fn numbers_as_doubles(value: Value) -> Value {
    match value {
        Value::Number(n) => n.as_f64().map_or(Value::Null, |n| (n + 0.0).into()),
        Value::Array(items) => items.into_iter().map(numbers_as_doubles).collect(),
        Value::Object(members) => {
            let members = members.into_iter();
            members.map(|(k, v)| (k, numbers_as_doubles(v))).collect()
        }
        other => other,
    }
}

//! Log queries: any text is a filter or an error that points into it, a filter is printed as a text that is
//! read back as the same, and no line of a log, whole or broken, is too much for it. The first line of an
//! input is the query, the rest a line of a log.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_store::query::{Leaf, parse};

fuzz_target!(|input: &[u8]| {
    let end = input
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(input.len());
    let (query, line) = (&input[..end], input.get(end + 1..).unwrap_or_default());
    let Ok(query) = std::str::from_utf8(query) else {
        return;
    };
    let filter = match parse(query) {
        Ok(filter) => filter,
        Err(error) => {
            assert!(
                query.get(error.at.clone()).is_some(),
                "{error:?} points outside"
            );
            assert!(error.render(query).contains('^'));
            return;
        }
    };
    let printed = filter.to_string();
    match parse(&printed) {
        Ok(again) => assert_eq!(again, filter, "printed as {printed}"),
        Err(error) => panic!("printed as {printed}: {error}"),
    }
    let matches = filter.matches(line);
    // What is decided from half of the conditions is what all of them say.
    let mut nth = 0;
    let decided = filter.decide(&mut |leaf| {
        nth += 1;
        (nth % 2 == 0).then(|| leaf.matches(line))
    });
    assert!(decided.is_none_or(|decided| decided == matches));
    filter.for_each(&mut |leaf| match leaf {
        Leaf::Text(needle) => assert!(!needle.matches(line) || needle.may_be_in_line(line)),
        Leaf::Field(condition) => {
            let _ = condition.field.value(line);
        }
    });
});

//! Answers with lists: any bytes are read or a fault; what is left without some entries is JSON, is the same value
//! without these entries, and is left as it is when nothing is taken out.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_mcp::lists::{self, Cuts, ListAnswer};
use serde_json::value::RawValue;

fuzz_target!(|bytes: &[u8]| {
    let Ok(answers) = lists::read(bytes) else {
        return;
    };
    let is_kept = |name: &str| name.len() % 2 == 0;
    let without = |is_kept: fn(&str) -> bool, answers: &[ListAnswer<'_>]| {
        let mut cuts = Cuts::default();
        let mut count = 0;
        for list in answers.iter().flat_map(|answer| &answer.lists) {
            count += cuts.leave_out(list, |entry| is_kept(&entry.name));
        }
        (count, cuts.apply(bytes))
    };
    assert_eq!(without(|_| true, &answers), (0, None));
    let (count, left) = without(is_kept, &answers);
    let Some(left) = left else {
        assert_eq!(count, 0);
        return;
    };
    // Not read as a `Value`, which has no place for a number as large as 1e999, though it is JSON.
    serde_json::from_slice::<&RawValue>(&left).expect("what is left is JSON");
    let again = lists::read(&left).expect("what is left can be read");
    assert_eq!(again.len(), answers.len());
    let names = |answers: &[ListAnswer<'_>]| {
        let lists = answers.iter().flat_map(|answer| &answer.lists);
        let entries =
            lists.flat_map(|list| list.entries.iter().map(|e| e.name.clone().into_owned()));
        entries.collect::<Vec<_>>()
    };
    let mut want = names(&answers);
    want.retain(|name| is_kept(name));
    assert_eq!(names(&again), want);
});

//! Matchers as Alertmanager writes them, and rows of its state: no text makes their readers panic, and what is
//! printed is read back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_promql::Labels;
use ph_rules::dispatch::{
    Bounds, Dispatcher, GroupBy, MatcherRow, Matchers, Route, Row, Settings, SilenceDraft,
    parse_matcher, parse_matchers,
};

/// What is printed may be twice as long, and is read up to 16 KiB.
const BYTES_MAX: usize = 4096;

fuzz_target!(|input: &[u8]| {
    let Some(input) = std::str::from_utf8(input)
        .ok()
        .filter(|text| text.len() <= BYTES_MAX)
    else {
        return;
    };
    if let Ok(matcher) = parse_matcher(input) {
        assert!(!matcher.name().is_empty());
    }
    let Ok(all) = parse_matchers(input) else {
        return;
    };
    let rows: Vec<MatcherRow> = all.iter().map(MatcherRow::from).collect();
    let all = Matchers::new(all).expect("no more than were read");
    let again = Matchers::parse([all.to_string().as_str()]).expect("what is printed is read");
    assert_eq!(again, all);
    let labels = Labels::from_pairs([("alertname", "A"), ("a", input)]);
    assert_eq!(all.matches(&labels), again.matches(&labels));
    silenced(rows);
});

/// A silence of these matchers is refused, or kept as it is and taken up again.
fn silenced(matchers: Vec<MatcherRow>) {
    let mut machine = Dispatcher::restore(settings(), [], 0);
    let draft = SilenceDraft {
        matchers: matchers.clone(),
        ends_at_ms: 1_000,
        ..SilenceDraft::default()
    };
    if machine.set_silence(draft, "id", 0).is_err() {
        return;
    }
    let rows: Vec<Row> = machine
        .take_changes()
        .into_iter()
        .filter_map(|change| change.row)
        .collect();
    let after = Dispatcher::restore(settings(), rows, 0);
    assert_eq!(after.silences(0)[0].matchers, matchers);
}

fn settings() -> Settings {
    Settings {
        route: Route {
            matchers: Matchers::default(),
            receiver: "r".to_owned(),
            group_by: GroupBy::All,
            group_wait_ms: 0,
            group_interval_ms: 1,
            repeat_interval_ms: 1,
            goes_on: false,
            routes: Vec::new(),
        },
        receivers: [("r".to_owned(), true)].into(),
        inhibit: Vec::new(),
        resolve_timeout_ms: 1,
        silence_retention_ms: 1,
        bounds: Bounds::default(),
    }
}

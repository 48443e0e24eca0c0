//! What is counted is what looking at every record would count, and a bound makes it tell of the newest only.

use crate::given::{open, time_ns};
use ph_store::disk::FaultyDisk;
use ph_store::logs::{Budget, Entry, Kind, Level, LogOptions, LogReader, LogStore, Search, Top};
use ph_store::query::{self, Field, Filter};
use std::collections::BTreeMap;
use std::sync::LazyLock;

const RECORDS: u64 = 9_300;

/// A record with everything that columns have, now and then without it.
struct Mixed {
    kind: Kind,
    level: Level,
    time_unix_ns: u64,
    duration_ns: Option<u64>,
    status: u16,
    server: String,
    tool: String,
    outcome: &'static str,
    json: String,
}

/// All of them, made once.
fn mixed(n: u64) -> &'static Mixed {
    static MADE: LazyLock<Vec<Mixed>> = LazyLock::new(|| (1..=RECORDS).map(made).collect());
    &MADE[usize::try_from(n - 1).unwrap()]
}

fn made(n: u64) -> Mixed {
    let kind = if n % 41 == 7 { Kind::Event } else { Kind::Call };
    let is_call = kind == Kind::Call;
    let status = [200, 200, 429, 500][(n % 11 % 4) as usize];
    let level = Level::ALL[(n % 5) as usize];
    // One name has no number in any file.
    let tool = match n % 97 {
        5 => "long".repeat(100),
        other => format!("tool-{}", other % 9),
    };
    // Written at the same time, some were begun far earlier.
    let time_unix_ns = time_ns(if n % 13 == 4 { n / 2 } else { n });
    let mut json = serde_json::json!({
        "kind": kind.as_label(), "level": level.as_label(), "client": format!("client-{}", n % 7), "n": n,
    });
    if n.is_multiple_of(3) {
        json["server"] = "files".into();
    }
    if is_call {
        json["tool"] = tool.clone().into();
        json["status"] = status.into();
        json["outcome"] = (if status < 400 { "ok" } else { "failed" }).into();
        json["duration"] = (n % 17).into();
    }
    if n % 500 == 250 {
        json["error"] = "permission denied".into();
    }
    Mixed {
        kind,
        level,
        time_unix_ns,
        duration_ns: is_call.then_some(n % 17 * 1_000_000),
        status: if is_call { status } else { 0 },
        server: if n.is_multiple_of(3) { "files" } else { "" }.to_owned(),
        tool: if is_call { tool } else { String::new() },
        outcome: match (is_call, status < 400) {
            (false, _) => "",
            (_, true) => "ok",
            (_, false) => "failed",
        },
        json: json.to_string(),
    }
}

/// Two segments, and two files that are not sealed.
fn store() -> LogStore {
    let options = LogOptions {
        segment_records: 4_500,
        background: false,
        retention: None,
        ..LogOptions::default()
    };
    let (mut store, _) = open(&FaultyDisk::new(1), options).unwrap();
    for n in 1..=RECORDS {
        let mixed = mixed(n);
        let entry = Entry {
            kind: mixed.kind,
            level: mixed.level,
            time_unix_ns: mixed.time_unix_ns,
            duration_ns: mixed.duration_ns,
            status: mixed.status,
            trace_id: None,
            server: &mixed.server,
            method: "",
            tool: &mixed.tool,
            outcome: mixed.outcome,
            json: mixed.json.as_bytes(),
        };
        store.append(&entry).unwrap();
        if n == RECORDS - 300 {
            store.tick(0);
        }
    }
    store.flush().unwrap();
    assert!(store.reader().stats().unwrap().segments >= 1);
    store
}

const QUERIES: [&str; 9] = [
    "",
    "kind=call",
    "tool=tool-3 status>=429",
    "tool=long*",
    "client=client-3",
    "kind=event OR client=client-2",
    "\"permission denied\"",
    "NOT tool=tool-1 duration>=9ms",
    "tool=nobody",
];
const FIELDS: [&str; 8] = [
    "kind", "level", "status", "server", "tool", "outcome", "client", "error",
];

type Counted = (BTreeMap<String, (u64, Option<u64>)>, u64);

/// The values of records, and how many have none, one by one.
fn naive(ns: impl Iterator<Item = u64>, search: &Search<'_>, field: &Field) -> Counted {
    let mut counted = Counted::default();
    for mixed in ns.map(mixed) {
        let in_time = search.from_unix_ns..=search.to_unix_ns;
        if !search.filter.matches(mixed.json.as_bytes()) || !in_time.contains(&mixed.time_unix_ns) {
            continue;
        }
        match field.value(mixed.json.as_bytes()) {
            Some(value) => {
                let (records, longest) = counted.0.entry(value.into_owned()).or_default();
                *records += 1;
                *longest = (*longest).max(mixed.duration_ns);
            }
            None => counted.1 += 1,
        }
    }
    counted
}

fn counted(top: &Top) -> Counted {
    let value = |value: &ph_store::logs::TopValue| {
        (value.value.clone(), (value.records, value.duration_ns_max))
    };
    assert!(top.damaged.is_empty() && top.others == 0);
    (top.values.iter().map(value).collect(), top.without)
}

/// Everything between two times, bounded by lines.
fn search(filter: &Filter, (from, to): (u64, u64), lines_max: u64) -> Search<'_> {
    Search {
        from_unix_ns: from,
        to_unix_ns: to,
        limit: 1_000,
        budget: Budget {
            records: lines_max,
            ..Budget::default()
        },
        ..Search::new(filter)
    }
}

#[test]
fn every_field_and_filter() {
    let store = store();
    let reader = store.reader();
    for text in QUERIES {
        let filter = query::parse(text).unwrap();
        for name in FIELDS {
            let field = Field::parse(name).unwrap();
            for span in [(0, u64::MAX), (time_ns(1_234), time_ns(7_000))] {
                let search = search(&filter, span, u64::MAX);
                let top = reader.top(&search, &field).unwrap();
                let want = naive(1..=RECORDS, &search, &field);
                assert_eq!(counted(&top), want, "{text} {name} {span:?}");
                assert_eq!((top.complete, top.complete_from_unix_ns), (true, None));
            }
        }
    }
}

#[test]
fn a_bound_leaves_the_newest() {
    let store = store();
    let reader = store.reader();
    for text in QUERIES {
        let filter = query::parse(text).unwrap();
        for lines_max in [0, 1, 37, 299, 1_000, 4_700, 8_000] {
            for name in ["client", "tool"] {
                bounded_top(&reader, &filter, name, lines_max);
            }
            bounded_bars(&reader, &filter, lines_max);
        }
    }
}

fn bounded_top(reader: &LogReader, filter: &Filter, name: &str, lines_max: u64) {
    let field = Field::parse(name).unwrap();
    let all = search(filter, (0, u64::MAX), lines_max);
    let top = reader.top(&all, &field).unwrap();
    let what = format!("{filter:?} {name} {lines_max}");
    // The newest by their numbers, and of these exactly those that fit.
    let newest = RECORDS - top.scanned + 1..=RECORDS;
    assert_eq!(counted(&top), naive(newest, &all, &field), "{what}");
    assert_eq!(top.complete, top.scanned == RECORDS, "{what}");
    if filter.is_all() && name == "client" {
        // Lines are read together.
        let bound = lines_max.min(RECORDS);
        assert!(
            (bound.saturating_sub(511)..=bound).contains(&top.scanned),
            "{what}"
        );
    }
    // From there on nothing is missing.
    if let Some(from) = top.complete_from_unix_ns {
        assert!(!top.complete, "{what}");
        let left = (1..=RECORDS - top.scanned).map(|n| mixed(n).time_unix_ns);
        assert_eq!(left.max(), Some(from - 1), "{what}");
    }
}

fn bounded_bars(reader: &LogReader, filter: &Filter, lines_max: u64) {
    let all = search(filter, (time_ns(1), time_ns(RECORDS)), lines_max);
    let found = reader.histogram(&all, 10).unwrap();
    let fits = |n: &u64| {
        let mixed = mixed(*n);
        mixed.time_unix_ns >= all.from_unix_ns && filter.matches(mixed.json.as_bytes())
    };
    let newest = (RECORDS - found.scanned + 1..=RECORDS).filter(fits);
    let bars = found.bars.iter().map(|bar| bar.records).sum::<u64>();
    assert_eq!(bars, newest.count() as u64, "{filter:?} {lines_max}");
    assert_eq!(found.complete, found.complete_from_unix_ns.is_none());
}

#[test]
fn a_bound_does_not_matter_to_what_columns_tell() {
    let store = store();
    let reader = store.reader();
    let filter = query::parse("kind=call status>=429 duration>=3ms").unwrap();
    for name in ["kind", "level", "status", "server", "outcome"] {
        let top = reader
            .top(
                &search(&filter, (0, u64::MAX), 0),
                &Field::parse(name).unwrap(),
            )
            .unwrap();
        assert!(top.complete && top.scanned == RECORDS, "{name}");
    }
}

#[test]
fn events_are_the_same_when_they_are_read_again() {
    let store = store();
    let reader = store.reader();
    let filter = query::parse("kind=event client=client-3").unwrap();
    let fits = |n: &u64| filter.matches(mixed(*n).json.as_bytes());
    let mut want: Vec<u64> = (1..=RECORDS).filter(fits).collect();
    want.sort_by_key(|n| std::cmp::Reverse((mixed(*n).time_unix_ns, *n)));
    assert!(want.len() > 10);
    for _ in 0..3 {
        let found = reader
            .search(&search(&filter, (0, u64::MAX), u64::MAX))
            .unwrap();
        let got: Vec<u64> = found.hits.iter().map(|hit| hit.seq.0).collect();
        assert_eq!(got, want);
        for hit in &found.hits {
            assert_eq!(hit.json, mixed(hit.seq.0).json.as_bytes());
        }
    }
}

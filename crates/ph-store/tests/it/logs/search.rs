//! What a search finds is what looking at every record would find.

use crate::given::{Given, append, duration_ms, open, record, time_ns, trace};
use ph_store::disk::FaultyDisk;
use ph_store::logs::{LogOptions, LogReader, LogStore, Order, Search};
use ph_store::query::{self, Field};
use std::collections::BTreeMap;

const RECORDS: u64 = 9_000;

/// Two segments, of two blocks and of one, and a file that is not sealed.
fn store() -> LogStore {
    let options = LogOptions {
        segment_records: 5_000,
        background: false,
        retention: None,
        ..LogOptions::default()
    };
    let (mut store, _) = open(&FaultyDisk::new(1), options).unwrap();
    append(&mut store, 1..=RECORDS - 500);
    store.tick(0);
    append(&mut store, RECORDS - 499..=RECORDS);
    store.flush().unwrap();
    store.tick(0);
    let stats = store.reader().stats().unwrap();
    assert_eq!(
        (stats.segments, stats.unsealed, stats.records),
        (1, 1, RECORDS)
    );
    store
}

fn found(reader: &LogReader, text: &str, order: Order, limit: usize) -> Vec<u64> {
    let filter = query::parse(text).unwrap();
    let mut search = Search::new(&filter);
    (search.order, search.limit) = (order, limit);
    let found = reader.search(&search).unwrap();
    assert!(found.complete && found.damaged.is_empty(), "{text}");
    for hit in &found.hits {
        assert_eq!(hit.json, record(hit.seq.0).json.into_bytes());
        assert_eq!(hit.time_unix_ns, time_ns(hit.seq.0));
    }
    found.hits.iter().map(|hit| hit.seq.0).collect()
}

fn expected(fits: impl Fn(&Given) -> bool, order: Order, limit: usize) -> Vec<u64> {
    let mut all: Vec<u64> = (1..=RECORDS).filter(|n| fits(&record(*n))).collect();
    match order {
        Order::Oldest => {}
        Order::Newest => all.reverse(),
        Order::Slowest => all.sort_by_key(|n| std::cmp::Reverse((duration_ms(*n), *n))),
    }
    all.truncate(limit);
    all
}

#[test]
fn every_order_and_filter() {
    let store = store();
    let reader = store.reader();
    let queries = [
        "",
        "tool=searchFiles",
        "status>=500",
        "level>=warn",
        "tool!=searchFiles status=200",
        "duration>=10s",
        "duration<1ms",
        "server=files outcome=protocol_error",
        "server=other",
        "client=client-3",
        "client=client-3|client-9 status=500",
        "client=nobody|client-3 tool=readFile",
        "client=cl*t-3 tool=readFile",
        "client=xyl*phone",
        "NOT client=client-3 status=500",
        "params.pattern=\"*.12\" tool=readFile",
        "protocol_error",
        "\"*.7\"",
        "SEARCHFILES status=500",
        "xylophone",
        "NOT xylophone status=500",
        "NOT tool=readFile NOT tool=writeFile",
        "tool=readFile OR status=500",
    ];
    for text in queries {
        let filter = query::parse(text).unwrap();
        let fits = |given: &Given| filter.matches(given.json.as_bytes());
        for order in [Order::Newest, Order::Oldest, Order::Slowest] {
            for limit in [1, 100, 1_000] {
                let (got, want) = (
                    found(&reader, text, order, limit),
                    expected(fits, order, limit),
                );
                assert_eq!(got, want, "{text} {order:?} {limit}");
            }
        }
    }
}

#[test]
fn a_trace_by_its_id() {
    let store = store();
    let reader = store.reader();
    for n in [3, 4_500, RECORDS - 1] {
        let found = reader.trace(trace(n)).unwrap();
        let got: Vec<u64> = found.hits.iter().map(|hit| hit.seq.0).collect();
        let want: Vec<u64> = (1..=RECORDS).filter(|m| trace(*m) == trace(n)).collect();
        assert_eq!(got, want);
    }
    assert_eq!(reader.trace(trace(RECORDS * 2)).unwrap().hits, []);
}

#[test]
fn a_span_of_time_and_its_pages() {
    let store = store();
    let reader = store.reader();
    let filter = query::parse("tool=searchFiles").unwrap();
    for order in [Order::Newest, Order::Oldest, Order::Slowest] {
        let mut search = Search::new(&filter);
        (search.from_unix_ns, search.to_unix_ns) = (time_ns(3_000), time_ns(6_000));
        (search.order, search.limit) = (order, 70);
        let mut pages = Vec::new();
        loop {
            let found = reader.search(&search).unwrap();
            pages.extend(found.hits.iter().map(|hit| hit.seq.0));
            assert!(pages.len() <= 2_000);
            search.after = found.next;
            if search.after.is_none() {
                break;
            }
        }
        let in_time =
            |given: &Given| given.n.is_multiple_of(3) && (3_000..=6_000).contains(&given.n);
        assert_eq!(pages, expected(in_time, order, usize::MAX), "{order:?}");
    }
}

#[test]
fn the_most_frequent_values_and_how_many_there_are_over_time() {
    let store = store();
    let reader = store.reader();
    let filter = query::parse("status=500").unwrap();
    for (name, of) in [
        (
            "tool",
            (|n| crate::given::tool(n).to_owned()) as fn(u64) -> String,
        ),
        ("client", |n| format!("client-{}", n % 7)),
        ("params.pattern", |n| format!("*.{}", n % 13)),
    ] {
        let top = reader
            .top(&Search::new(&filter), &Field::parse(name).unwrap())
            .unwrap();
        let mut want = BTreeMap::<String, u64>::new();
        for n in (1..=RECORDS).filter(|n| crate::given::status(*n) == 500) {
            *want.entry(of(n)).or_default() += 1;
        }
        let got = top
            .values
            .iter()
            .map(|v| (v.value.clone(), v.records))
            .collect();
        assert_eq!(want, got, "{name}");
        assert!(top.values.is_sorted_by(|a, b| a.records >= b.records));
    }
    records_over_time(&reader);
}

fn records_over_time(reader: &LogReader) {
    // By columns alone, and by what stands in the records.
    for (text, fits) in [
        (
            "status=500",
            (|n| crate::given::status(n) == 500) as fn(u64) -> bool,
        ),
        ("client=client-3", |n| n % 7 == 3),
    ] {
        let filter = query::parse(text).unwrap();
        let mut search = Search::new(&filter);
        (search.from_unix_ns, search.to_unix_ns) = (time_ns(1_000), time_ns(2_000));
        let found = reader.histogram(&search, 10).unwrap();
        let within = |n: &u64| (1_000..=2_000).contains(n) && fits(*n);
        let mut want = vec![0; 10];
        for n in (1..=RECORDS).filter(within) {
            let at = (time_ns(n) - time_ns(1_000)) * 10 / (time_ns(2_000) - time_ns(1_000));
            want[usize::try_from(at).unwrap().min(9)] += 1;
        }
        let got: Vec<u64> = found.bars.iter().map(|bar| bar.records).collect();
        assert_eq!(got, want, "{text}");
        assert!(found.complete && found.total >= got.iter().sum());
        let errors = found.bars.iter().map(|bar| bar.errors).sum::<u64>();
        assert!(errors <= got.iter().sum());
    }
}

#[test]
fn what_no_block_can_have_is_not_read() {
    let store = store();
    let reader = store.reader();
    for text in [
        "client=xylophone",
        "client=nobody|xyl*phone",
        "kind=call (client=nobody OR error=xylophone)",
    ] {
        let filter = query::parse(text).unwrap();
        let mut search = Search::new(&filter);
        // More than those that are not sealed, less than all.
        search.budget.records = 4_500;
        let found = reader.search(&search).unwrap();
        assert!(found.complete && found.hits.is_empty(), "{text}");
        assert_eq!(found.scanned, RECORDS, "{text}");
    }
}

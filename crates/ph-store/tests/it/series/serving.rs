//! What readers are answered.

use super::{DAY_START_MS, HOUR_MS, STEP_MS, open, options, scrape, series, wish};
use ph_promql::{Labels, MatchOp, Matcher, Select, SeriesSource, SourceError};
use ph_store::disk::FaultyDisk;
use ph_store::series::SeriesStore;

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).unwrap()
}

/// `old` in a block of the first hours, `new` in memory only, `m` in both.
fn store() -> SeriesStore {
    let mut store = open(&FaultyDisk::new(1), options());
    for n in 0..600 {
        let now = DAY_START_MS + n * STEP_MS;
        let mut samples = vec![(series("m", "a"), n as f64), (series("m", "b"), 1.0)];
        if n < 100 {
            samples.push((series("old", "a"), 1.0));
        }
        if n > 500 {
            samples.push((series("new", "c"), 1.0));
        }
        scrape(&mut store, now, "x", &samples);
    }
    store.tick(DAY_START_MS + 600 * STEP_MS).unwrap();
    assert_eq!(store.stats().blocks, 1);
    store
}

#[test]
fn labels_and_series_are_those_of_the_time() {
    let reader = store().reader();
    let early = (DAY_START_MS, DAY_START_MS + HOUR_MS);
    let late = (DAY_START_MS + 2 * HOUR_MS, DAY_START_MS + 3 * HOUR_MS);
    let values =
        |name: &str, (from, to): (i64, i64)| reader.label_values(name, &[], from, to).join(",");
    assert_eq!(values("__name__", early), "m,old");
    assert_eq!(values("__name__", late), "m,new");
    assert_eq!(values("tool", late), "a,b,c");
    assert_eq!(values("nothing", late), "");
    assert_eq!(
        reader.label_names(&[], early.0, early.1).join(","),
        "__name__,job,tool"
    );

    let sets = [
        vec![matcher("__name__", MatchOp::Re, "o.*")],
        vec![matcher("tool", MatchOp::Eq, "b")],
    ];
    let found = reader.series(&sets, early.0, early.1, 10);
    assert_eq!(found, [series("m", "b"), series("old", "a")]);
    assert_eq!(reader.series(&sets, early.0, early.1, 1).len(), 1);
    let values = reader.label_values("tool", &sets[..1], early.0, early.1);
    assert_eq!(values.join(","), "a");
    assert_eq!(reader.largest_metrics(1), [("m".into(), 2)]);
}

#[test]
fn selections_are_cut_to_their_time() {
    let reader = store().reader();
    let matchers = [
        matcher("__name__", MatchOp::Eq, "m"),
        matcher("tool", MatchOp::Ne, "b"),
    ];
    for (from, to) in [(0, 599), (100, 130), (470, 500), (580, 700), (479, 480)] {
        let found = reader
            .select(&Select {
                from_ms: DAY_START_MS + from * STEP_MS,
                to_ms: DAY_START_MS + to * STEP_MS,
                ..wish(&matchers)
            })
            .unwrap();
        let values: Vec<f64> = found[0].samples.iter().map(|sample| sample.v).collect();
        let wanted: Vec<f64> = (from..=to.min(599)).map(|n| n as f64).collect();
        assert_eq!((found.len(), values), (1, wanted));
    }
}

#[test]
fn a_wish_beyond_its_bounds_is_an_error() {
    let reader = store().reader();
    let matchers = [matcher("__name__", MatchOp::Eq, "m")];
    let few_samples = Select {
        samples_max: 1000,
        ..wish(&matchers)
    };
    assert_eq!(
        reader.select(&few_samples),
        Err(SourceError::TooManySamples { max: 1000 })
    );
    let few_series = Select {
        series_max: 1,
        ..wish(&matchers)
    };
    assert_eq!(
        reader.select(&few_series),
        Err(SourceError::TooManySeries { max: 1 })
    );
}
#[test]
fn promql_reads_it() {
    let store = store();
    let query = ph_promql::parse("sum by (tool) (m)").unwrap();
    let at = DAY_START_MS + 300 * STEP_MS;
    let answer =
        ph_promql::instant(&store.reader(), &query, at, &ph_promql::Limits::default()).unwrap();
    let ph_promql::Value::Vector(vector) = answer.value else {
        panic!("not a vector: {:?}", answer.value);
    };
    let mut found: Vec<(Labels, f64)> = vector
        .into_iter()
        .map(|(labels, sample)| (labels, sample.v))
        .collect();
    found.sort_by(|one, other| one.0.cmp(&other.0));
    let tool = |tool: &str| Labels::from_pairs([("tool", tool)]);
    assert_eq!(found, [(tool("a"), 300.0), (tool("b"), 1.0)]);
}

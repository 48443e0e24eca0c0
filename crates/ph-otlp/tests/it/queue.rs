//! The bounded queue, its counters, and the end.

use std::sync::Arc;
use std::time::Duration;

use ph_otlp::{Counts, Protocol, Tuning};

use crate::collector::{Collector, Reply};
use crate::samples::{PATIENCE, QUICK, exporter, offer, span};

#[track_caller]
fn check_balance(counts: Counts) {
    let sum = counts.exported + counts.dropped_queue + counts.dropped_export + counts.queued;
    assert_eq!(counts.offered, sum, "{counts:?}");
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let collector = Collector::start([Reply::Hang]).await;
    let exporter = exporter(
        &collector,
        Protocol::HttpProtobuf,
        Tuning {
            queue_spans_max: 10,
            batch_spans_max: 4,
            ..QUICK
        },
    );
    // One batch is on its way for good: it counts as queued all the same.
    offer(&exporter, 0..4);
    collector.requests(1).await;
    let taken = (4..25)
        .filter(|number| exporter.offer(&span(*number)))
        .count();
    assert_eq!(taken, 6);
    assert_eq!(
        exporter.counts(),
        Counts {
            offered: 25,
            dropped_queue: 15,
            queued: 10,
            ..Counts::default()
        }
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_balance_holds_in_every_read() {
    let collector = Collector::start([
        Reply::Status(400),
        Reply::Accept,
        Reply::Reject(3),
        Reply::Accept,
    ])
    .await;
    let tuning = Tuning {
        queue_spans_max: 300,
        batch_spans_max: 50,
        ..QUICK
    };
    let exporter = Arc::new(exporter(&collector, Protocol::Grpc, tuning));
    let offering: Vec<_> = (0..4_u64)
        .map(|thread| {
            let exporter = Arc::clone(&exporter);
            std::thread::spawn(move || {
                (0..2_000)
                    .filter(|n| exporter.offer(&span(thread * 10_000 + n)))
                    .count()
            })
        })
        .collect();
    while offering.iter().any(|thread| !thread.is_finished()) {
        check_balance(exporter.counts());
        tokio::task::yield_now().await;
    }
    let taken: usize = offering
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .sum();
    assert!(exporter.stop(PATIENCE).await);
    let counts = exporter.counts();
    check_balance(counts);
    assert_eq!((counts.offered, counts.queued), (8_000, 0));
    assert_eq!(counts.dropped_queue, 8_000 - taken as u64);
    assert!(
        counts.dropped_export >= 3,
        "the scripted refusals are seen: {counts:?}"
    );
    let refused_whole = collector.seen()[0].spans().len();
    assert_eq!(
        counts.exported as usize,
        collector.spans().len() - refused_whole - 3
    );
}

#[tokio::test]
async fn stopping_sends_what_is_queued() {
    let collector = Collector::start([]).await;
    let exporter = exporter(&collector, Protocol::HttpProtobuf, QUICK);
    offer(&exporter, 0..700);
    assert!(exporter.stop(PATIENCE).await);
    assert_eq!(collector.spans().len(), 700);
    assert!(
        !exporter.offer(&span(0)),
        "a stopped exporter takes nothing"
    );
    let want = Counts {
        offered: 701,
        exported: 700,
        dropped_queue: 1,
        ..Counts::default()
    };
    assert_eq!(exporter.counts(), want);
    assert!(exporter.stop(PATIENCE).await, "stopping twice is no harm");
}

#[tokio::test]
async fn stopping_does_not_wait_longer_than_it_may() {
    let collector = Collector::start([Reply::Hang]).await;
    let exporter = exporter(
        &collector,
        Protocol::Grpc,
        Tuning {
            batch_spans_max: 2,
            ..QUICK
        },
    );
    offer(&exporter, 0..5);
    collector.requests(1).await;
    assert!(!exporter.stop(Duration::from_millis(20)).await);
    assert_eq!(
        exporter.counts(),
        Counts {
            offered: 5,
            dropped_export: 5,
            ..Counts::default()
        }
    );
}

#[tokio::test]
async fn a_flush_with_nothing_to_do_returns_at_once() {
    let collector = Collector::start([]).await;
    let exporter = exporter(&collector, Protocol::Grpc, QUICK);
    assert!(exporter.flush(Duration::ZERO).await);
    assert!(collector.seen().is_empty());
}

#[tokio::test]
async fn dropping_the_exporter_ends_its_task() {
    let collector = Collector::start([]).await;
    let exporter = exporter(&collector, Protocol::HttpProtobuf, QUICK);
    offer(&exporter, 0..5);
    drop(exporter);
    let metrics = tokio::runtime::Handle::current().metrics();
    // Only the collector's accept task may be left.
    while metrics.num_alive_tasks() > 1 {
        tokio::task::yield_now().await;
    }
    assert!(
        collector.seen().is_empty(),
        "nothing is sent by an exporter that was dropped"
    );
}

//! Standard error: lines, a tail, and no harm from a flood.

use crate::support::{Talk, fake, shell};
use ph_wire::child::{End, Exit, STDERR_LINE_BYTES_MAX, STDERR_TAIL_BYTES_MAX};
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn every_line_is_there_when_the_exit_is_told() {
    let mut talk = Talk::start(&shell(
        "for i in $(seq 500); do echo line $i >&2; done; printf end >&2; exit 1",
    ));
    let end = talk.frame().await.unwrap_err();
    assert!(matches!(end, End::Exited(Exit::Code(1))), "{end:?}");
    let said = talk.stderr.lock().unwrap().clone();
    assert_eq!(
        (said.len(), said[0].as_str(), said[500].as_str()),
        (501, "line 1", "end")
    );
    assert!(talk.child.stderr_tail().ends_with("line 500\nend"));
}

#[tokio::test]
async fn a_long_line_is_cut() {
    let mut talk = Talk::start(&fake(&[]));
    talk.call("stderr", json!({"lines": 1, "bytes": 100_000}))
        .await;
    talk.ask("crash", json!({})).await;
    talk.frame().await.unwrap_err();
    let said = talk.stderr.lock().unwrap().clone();
    assert!(
        said[0].len() < STDERR_LINE_BYTES_MAX + 40,
        "{} bytes",
        said[0].len()
    );
    assert!(said[0].ends_with(&format!(" [{} bytes cut]", 100_000 - STDERR_LINE_BYTES_MAX)));
}

#[tokio::test]
async fn a_flood_delays_nobody_and_is_not_kept() {
    let mut flood = Talk::start(&shell("exec yes 'a line of nothing' >&2"));
    let mut talk = Talk::start(&fake(&[]));
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    while start.elapsed() < Duration::from_secs(1) {
        let asked = Instant::now();
        assert_eq!(talk.call("echo", json!({"text": "hi"})).await, "hi");
        slowest = slowest.max(asked.elapsed());
    }
    assert!(slowest < Duration::from_secs(2), "a call took {slowest:?}");
    let said = flood.stderr.lock().unwrap().len();
    assert!((1_000..10_000).contains(&said), "{said} lines");
    assert!(flood.child.stderr_tail().len() <= STDERR_TAIL_BYTES_MAX);
    flood
        .child
        .stop(Duration::ZERO, Duration::from_secs(10))
        .await;
}

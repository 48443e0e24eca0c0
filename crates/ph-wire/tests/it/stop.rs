//! The ladder: end of input, SIGTERM, SIGKILL.

use crate::support::{Talk, fake, is_dead, process, until};
use ph_wire::child::{Exit, Rung, Stopped};
use ph_wire::lines::Frame;
use serde_json::json;
use std::time::{Duration, Instant};

const LONG: Duration = Duration::from_secs(15);
const SHORT: Duration = Duration::from_millis(50);

/// Stops a server with these flags and a grandchild, and finds nothing left.
async fn check(flags: &[&str], graces: (Duration, Duration), rung: Rung, exit: Exit) {
    let mut talk = Talk::start(&fake(flags));
    let grandchild: u32 = talk
        .call("spawn_grandchild", json!({}))
        .await
        .parse()
        .unwrap();
    let start = Instant::now();
    let stopped = talk.child.stop(graces.0, graces.1).await;
    assert_eq!(
        stopped,
        Stopped {
            rung,
            exit: Some(exit)
        },
        "flags {flags:?}"
    );
    assert!(
        start.elapsed() < LONG,
        "waited for a grace that was not needed"
    );
    assert_eq!(
        process(talk.child.pgid()),
        None,
        "a zombie, flags {flags:?}"
    );
    until("the grandchild's death", || is_dead(grandchild)).await;
    let again = talk.child.stop(graces.0, graces.1).await;
    assert_eq!(
        again,
        Stopped {
            rung: Rung::AlreadyGone,
            exit: Some(exit)
        }
    );
}

#[tokio::test]
async fn the_end_of_input_is_enough_for_most() {
    check(&[], (LONG, LONG), Rung::InputClosed, Exit::Code(0)).await;
}

#[tokio::test]
async fn a_child_deaf_to_the_end_of_input_gets_a_term() {
    check(
        &["--ignore-eof"],
        (SHORT, LONG),
        Rung::Terminated,
        Exit::Signal(15),
    )
    .await;
}

#[tokio::test]
async fn a_child_deaf_to_both_is_killed() {
    check(
        &["--ignore-eof", "--ignore-term"],
        (SHORT, SHORT),
        Rung::Killed,
        Exit::Signal(9),
    )
    .await;
}

#[tokio::test]
async fn what_was_queued_is_written_before_the_end_of_input() {
    let mut talk = Talk::start(&fake(&[]));
    for n in 0..50 {
        talk.ask("echo", json!({"text": n.to_string()})).await;
    }
    let mut late = Vec::new();
    let stopped = talk
        .child
        .stop_and_hear(LONG, LONG, &mut |frame| late.push(frame))
        .await;
    assert_eq!(stopped.rung, Rung::InputClosed);
    assert_eq!(
        late.iter()
            .filter(|frame| matches!(frame, Frame::Line(_)))
            .count(),
        50
    );
}

#[tokio::test]
async fn a_child_blocked_on_its_output_still_sees_the_end_of_input() {
    let mut talk = Talk::start(&fake(&[]));
    for _ in 0..3 {
        talk.ask("big", json!({"bytes": 1_000_000})).await;
    }
    let stopped = talk.child.stop(LONG, LONG).await;
    assert_eq!(
        stopped,
        Stopped {
            rung: Rung::InputClosed,
            exit: Some(Exit::Code(0))
        }
    );
}

#[tokio::test]
async fn a_stop_given_up_half_way_still_kills() {
    let mut talk = Talk::start(&fake(&["--ignore-eof", "--ignore-term"]));
    talk.call("echo", json!({})).await;
    let leader = talk.child.pgid();
    tokio::time::timeout(SHORT, talk.child.stop(LONG, LONG))
        .await
        .expect_err("it is deaf");
    drop(talk);
    until("the child's death", || is_dead(leader)).await;
}

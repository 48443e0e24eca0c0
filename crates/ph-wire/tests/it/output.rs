//! Frames in both directions, and the ways in which they end.

use crate::support::{Talk, fake, in_time, is_dead, kill, shell, until};
use bytes::Bytes;
use ph_wire::child::{ChildGone, End, Exit};
use ph_wire::lines::Frame;
use serde_json::json;
use std::time::Duration;

fn line(text: &str) -> Frame {
    Frame::Line(Bytes::copy_from_slice(text.as_bytes()))
}

#[tokio::test]
async fn messages_go_both_ways_in_order() {
    let mut talk = Talk::start(&fake(&[]));
    for n in 0..500 {
        talk.ask("echo", json!({"text": n.to_string()})).await;
    }
    for n in 0..500 {
        assert_eq!(
            talk.message().await["result"]["content"][0]["text"],
            n.to_string()
        );
    }
}

#[tokio::test]
async fn large_messages_pass_in_both_directions_at_once() {
    let mut talk = Talk::start(&shell("exec cat"));
    let writer = talk.child.writer().clone();
    let large: Vec<Bytes> = (0..20_u8)
        .map(|n| Bytes::from(vec![b'a' + n; 300_000]))
        .collect();
    let sent = large.clone();
    let sending = tokio::spawn(async move {
        for message in sent {
            writer.send(message).await.unwrap();
        }
    });
    for message in large {
        assert!(
            talk.frame().await.unwrap() == Frame::Line(message),
            "another message"
        );
    }
    sending.await.unwrap();
}

#[tokio::test]
async fn a_line_over_the_bound_is_reported_and_the_next_one_read() {
    let mut spec = fake(&[]);
    spec.line_bytes_max = 10_000;
    let mut talk = Talk::start(&spec);
    talk.ask("big", json!({"bytes": 5_000_000})).await;
    let Ok(Frame::TooLong { bytes }) = talk.frame().await else {
        panic!("no long line")
    };
    assert!(bytes > 5_000_000, "{bytes}");
    assert_eq!(talk.call("echo", json!({"text": "hi"})).await, "hi");
}

#[tokio::test]
async fn an_exit_comes_after_all_that_was_said() {
    let mut talk = Talk::start(&shell("echo one; echo two; echo reason >&2; exit 3"));
    assert_eq!(talk.frame().await.unwrap(), line("one"));
    assert_eq!(talk.frame().await.unwrap(), line("two"));
    for _ in 0..2 {
        let end = talk.frame().await.unwrap_err();
        assert!(matches!(end, End::Exited(Exit::Code(3))), "{end:?}");
    }
    assert_eq!(talk.child.stderr_tail(), "reason");
    assert_eq!(talk.child.wait().await, Exit::Code(3));
    assert_eq!(crate::support::process(talk.child.pgid()), None, "a zombie");
}

#[tokio::test]
async fn half_a_message_before_a_crash_is_given_out() {
    let mut talk = Talk::start(&fake(&[]));
    talk.ask("crash_partial", json!({"code": 7})).await;
    let Ok(Frame::Line(half)) = talk.frame().await else {
        panic!("nothing")
    };
    assert!(half.starts_with(b"{") && serde_json::from_slice::<serde_json::Value>(&half).is_err());
    let end = talk.frame().await.unwrap_err();
    assert!(matches!(end, End::Exited(Exit::Code(7))), "{end:?}");
}

#[tokio::test]
async fn a_killed_child_tells_the_signal() {
    let mut talk = Talk::start(&fake(&[]));
    talk.child.kill_group();
    let end = talk.frame().await.unwrap_err();
    assert!(
        matches!(end, End::Exited(exit @ Exit::Signal(9)) if exit.to_string() == "signal 9 (SIGKILL)"),
        "{end:?}"
    );
}

#[tokio::test]
async fn a_closed_output_is_an_end_though_the_process_lives() {
    let mut talk = Talk::start(&fake(&[]));
    talk.ask("close_stdout", json!({})).await;
    let end = talk.frame().await.unwrap_err();
    assert!(matches!(end, End::OutputClosed), "{end:?}");
    assert!(!is_dead(talk.child.pgid()));
    talk.child
        .stop(Duration::from_secs(10), Duration::ZERO)
        .await;
    assert!(is_dead(talk.child.pgid()));
}

#[tokio::test]
async fn grandchildren_die_with_the_leader() {
    let mut talk = Talk::start(&fake(&[]));
    let grandchild: u32 = talk
        .call("spawn_grandchild", json!({}))
        .await
        .parse()
        .unwrap();
    talk.ask("crash", json!({"code": 1})).await;
    // It holds the output open, so only the exit of the leader can be the end.
    let end = talk.frame().await.unwrap_err();
    assert!(matches!(end, End::Exited(Exit::Code(1))), "{end:?}");
    until("the grandchild's death", || is_dead(grandchild)).await;
}

#[tokio::test]
async fn an_output_held_open_from_outside_the_group_delays_the_end_by_no_more_than_its_bound() {
    let mut talk = Talk::start(&fake(&[]));
    let stranger: u32 = talk
        .call("spawn_grandchild", json!({"leave_group": true}))
        .await
        .parse()
        .unwrap();
    talk.ask("crash", json!({"code": 1})).await;
    let end = tokio::time::timeout(Duration::from_secs(3), talk.frame())
        .await
        .expect("in time")
        .unwrap_err();
    assert!(matches!(end, End::Exited(Exit::Code(1))), "{end:?}");
    kill(stranger);
}

#[tokio::test]
async fn a_dropped_child_dies_with_its_group_and_leaves_no_zombie() {
    let mut talk = Talk::start(&fake(&["--ignore-eof", "--ignore-term"]));
    let grandchild: u32 = talk
        .call("spawn_grandchild", json!({}))
        .await
        .parse()
        .unwrap();
    let leader = talk.child.pgid();
    drop(talk);
    until("the death of both", || {
        is_dead(leader) && is_dead(grandchild)
    })
    .await;
}

#[tokio::test]
async fn nothing_can_be_sent_to_a_child_that_is_gone() {
    let mut talk = Talk::start(&shell("exit 0"));
    talk.child.wait().await;
    let writer = talk.child.writer().clone();
    // The pipe breaks at the first write; what is queued until then is lost as on any wire.
    let gone = async { while writer.send(Bytes::from_static(b"{}")).await.is_ok() {} };
    in_time(gone).await;
    assert_eq!(writer.send(Bytes::from_static(b"{}")).await, Err(ChildGone));
}

#[tokio::test]
async fn a_child_that_does_not_read_makes_senders_wait() {
    let talk = Talk::start(&shell("sleep 1000"));
    let writer = talk.child.writer().clone();
    let message = Bytes::from(vec![b'x'; 100_000]);
    let mut queued = 0;
    while tokio::time::timeout(Duration::from_millis(200), writer.send(message.clone()))
        .await
        .is_ok()
    {
        queued += 1;
        assert!(queued < 200, "the queue has no bound");
    }
    assert!(queued >= 64, "{queued}");
}

//! Resource limits of a child.

use crate::support::{Talk, fake};
use ph_wire::child::End;
use serde_json::json;

/// Soft and hard limit as the kernel shows them.
fn limit(pid: u32, name: &str) -> Option<(String, String)> {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    let mut values = line.split_whitespace().map(str::to_owned);
    Some((values.next()?, values.next()?))
}

#[tokio::test]
async fn limits_are_in_effect_and_inherited() {
    let mut spec = fake(&[]);
    spec.memory_bytes_max = Some(256 << 20);
    spec.open_files_max = Some(64);
    let mut talk = Talk::start(&spec);
    let grandchild: u32 = talk
        .call("spawn_grandchild", json!({}))
        .await
        .parse()
        .unwrap();
    for pid in [talk.child.pgid(), grandchild] {
        let want = |bytes: u64| Some((bytes.to_string(), bytes.to_string()));
        assert_eq!(limit(pid, "Max data size"), want(256 << 20));
        assert_eq!(limit(pid, "Max open files"), want(64));
    }

    assert_eq!(
        talk.call("allocate", json!({"bytes": 1 << 20})).await,
        (1 << 20).to_string()
    );
    talk.ask("allocate", json!({"bytes": 512 << 20})).await;
    let end = talk.frame().await.unwrap_err();
    assert!(matches!(end, End::Exited(_)), "{end:?}");
    assert!(
        talk.child.stderr_tail().contains("memory allocation"),
        "{:?}",
        talk.child.stderr_tail()
    );
}

#[tokio::test]
async fn a_limit_beyond_the_hard_one_is_the_hard_one() {
    let mut spec = fake(&[]);
    spec.open_files_max = Some(u64::MAX - 1);
    let mut talk = Talk::start(&spec);
    talk.call("echo", json!({})).await;
    let (_, own_hard) = limit(std::process::id(), "Max open files").unwrap();
    let (_, hard) = limit(talk.child.pgid(), "Max open files").unwrap();
    assert_eq!(hard, own_hard);
}

//! What children use, from the real `/proc`.

use crate::support::{Talk, fake, kill, shell, until};
use ph_wire::procfs::Sampler;
use serde_json::json;

#[tokio::test]
async fn a_group_is_sampled_while_it_lives() {
    let mut talk = Talk::start(&fake(&[]));
    let stranger = talk
        .call("spawn_grandchild", json!({"leave_group": true}))
        .await;
    let group = talk.child.pgid();
    let mut sampler = Sampler::new();
    let (_, usage) = sampler.sample_groups(&[group])[0];
    assert_eq!(usage.processes, 2, "{usage:?}");
    assert!(
        usage.open_fds >= 6 && usage.resident_bytes > 100_000,
        "{usage:?}"
    );
    talk.child
        .stop(crate::support::DEADLINE, crate::support::DEADLINE)
        .await;
    assert_eq!(sampler.sample_groups(&[group]), []);
    kill(stranger.parse().unwrap());
}

#[tokio::test]
async fn cpu_time_never_falls_while_workers_come_and_go() {
    let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    let talk = Talk::start(&shell(&format!(
        "while true; do sh -c '{busy}'; (sh -c '{busy}' &); done"
    )));
    let group = talk.child.pgid();
    let mut sampler = Sampler::new();
    let mut last = 0.0;
    let mut samples = 0;
    until("half a second of CPU", || {
        let (_, usage) = sampler.sample_groups(&[group])[0];
        assert!(
            usage.cpu_seconds >= last,
            "{} after {last}",
            usage.cpu_seconds
        );
        last = usage.cpu_seconds;
        samples += 1;
        last > 0.5
    })
    .await;
    assert!(samples > 5, "{samples}");
}

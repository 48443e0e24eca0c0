//! What a child may use of the machine.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::Wire;
use ph_sim::fake_stdio_server;
use serde_json::json;

/// Two processes that hold 44 MB each: a single one would be within its bound.
const TWO_HOARDERS: &str =
    "for i in 1 2; do (head -c 44000000 /dev/zero; sleep 60) | tail >/dev/null & done;";

#[test]
fn a_child_whose_processes_together_use_too_much_memory_is_ended_and_started_again() {
    let script = format!("{TWO_HOARDERS} exec {}", fake_stdio_server().display());
    let yaml = format!(
        "servers:\n  hungry:\n    command: sh\n    args: {:?}\n    resources: {{memory_max: 64MiB, cpu_max: 1}}\n",
        ["-c", &script]
    );
    let gateway = Gateway::start(&yaml);
    let client = Client::modern(gateway.address, "hungry");
    let hang = client.tool(fresh_id(), "hang", &json!({}));
    let mut wire = Wire::open(client.address, &hang);

    let answer = wire.answer();
    assert_eq!(answer.status(), 502, "{}", answer.text());
    let why = "more than `resources.memory_max`";
    assert!(answer.text().contains(why), "{}", answer.text());
    let exited = until("the line of its end", || {
        let mut lines = gateway.log().into_iter();
        lines.find(|line| line["event"] == "child_exited")
    });
    assert!(exited.to_string().contains(why), "{exited}");
    until("it was started again", || {
        let metrics = gateway.metrics();
        (metrics.sum("mcp_server_restarts_total", &[("server", "hungry")]) >= 1).then_some(())
    });
    let hungry = [("server", "hungry")];
    assert!(
        gateway
            .metrics()
            .sum("mcp_server_memory_kills_total", &hungry)
            >= 1
    );
    // It is gone, and what it peaked at is still told.
    until("the peak is there", || {
        let peak = gateway
            .metrics()
            .sum("mcp_server_resident_memory_peak_bytes", &hungry);
        (peak > 64 << 20).then_some(())
    });
}

#[test]
fn what_is_not_enforced_is_said() {
    let yaml = format!(
        "servers:\n  plain:\n    command: {0}\n  bound:\n    command: {0}\n    resources: {{cpu_max: 0.5}}\n",
        fake_stdio_server().display()
    );
    let gateway = Gateway::start(&yaml);
    let said = |server: &str| {
        let mut lines = gateway.log().into_iter();
        lines.any(|line| {
            line["server"] == server
                && line["message"]
                    .as_str()
                    .is_some_and(|m| m.contains("`resources.cpu_max` is not enforced"))
        })
    };
    // Where the kernel enforces it there is nothing to say.
    let child = gateway.children("bound").remove(0).1;
    let groups = std::fs::read_to_string(format!("/proc/{child}/cgroup")).unwrap();
    let is_enforced = groups.contains("/pilothouse-child-");
    if !is_enforced {
        until("the line that says so", || said("bound").then_some(()));
    }
    assert_eq!(said("bound"), !is_enforced);
    assert!(!said("plain"));
}

//! Nothing is left when the parent is killed.

use crate::support::{is_dead, kill, process, until};
use ph_wire::child::{ChildSpec, spawn};
use ph_wire::lines::Frame;
use ph_wire::procfs;
use ph_wire::reaper::{MARKER_VARIABLE, Reaper};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use tokio::sync::Mutex;

/// Taken by a test that has a reaper in this process and counts it.
static ONE_REAPER: Mutex<()> = Mutex::const_new(());

fn parent() -> PathBuf {
    ph_sim::example(env!("CARGO_MANIFEST_DIR"), "parent")
}

/// A parent with a fake server, in a process of its own.
struct Killable {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    run: String,
}

impl Killable {
    fn start(flags: &[&str]) -> Self {
        Self::of(ph_sim::fake_stdio_server(), flags)
    }

    fn of(command: &Path, args: &[&str]) -> Self {
        let mut process = Command::new(parent())
            .arg(command)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut run = String::new();
        BufReader::new(process.stderr.take().unwrap())
            .read_line(&mut run)
            .unwrap();
        let to = process.stdin.take().unwrap();
        let from = BufReader::new(process.stdout.take().unwrap());
        Self {
            process,
            to,
            from,
            run: run.trim().to_owned(),
        }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> String {
        let params = json!({"name": tool, "arguments": arguments});
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        writeln!(self.to, "{request}").unwrap();
        let mut answer = String::new();
        self.from.read_line(&mut answer).unwrap();
        let answer: Value = serde_json::from_str(&answer).unwrap();
        answer["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// The processes started by `process`, by what they say of their parent.
    fn children(&self) -> Vec<u32> {
        let all = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        all.filter(|pid| process(*pid).is_some_and(|(_, parent)| parent == self.process.id()))
            .collect()
    }
}

#[tokio::test]
async fn a_parent_killed_leaves_nothing_behind() {
    let mut parent = Killable::start(&["--ignore-eof", "--ignore-term"]);
    let near: u32 = parent.call("spawn_grandchild", &json!({})).parse().unwrap();
    let far: u32 = parent
        .call("spawn_grandchild", &json!({"leave_group": true}))
        .parse()
        .unwrap();
    let mut all = parent.children();
    assert_eq!(all.len(), 2, "the server and the reaper");
    all.extend([near, far]);
    // A process that is between fork and exec shows no environment yet.
    until("the server and its two, not the reaper", || {
        procfs::marked(&parent.run).len() == 3
    })
    .await;

    parent.process.kill().unwrap();
    parent.process.wait().unwrap();
    until("the death of all", || all.iter().all(|pid| is_dead(*pid))).await;
    assert_eq!(procfs::marked(&parent.run), Vec::<u32>::new());
}

#[tokio::test]
async fn a_parent_that_ends_well_leaves_nothing_behind() {
    let mut parent = Killable::start(&[]);
    let far: u32 = parent
        .call("spawn_grandchild", &json!({"leave_group": true}))
        .parse()
        .unwrap();
    let mut all = parent.children();
    all.push(far);
    drop(parent.to);
    assert!(parent.process.wait().unwrap().success());
    until("the death of all", || all.iter().all(|pid| is_dead(*pid))).await;
}

#[tokio::test]
async fn the_reaper_outlives_the_signals_that_ask_for_an_end() {
    let mut parent = Killable::start(&["--ignore-eof", "--ignore-term"]);
    parent.call("echo", &json!({}));
    let all = parent.children();
    let is_reaper = |pid: &&u32| {
        std::fs::read_to_string(format!("/proc/{pid}/comm"))
            .is_ok_and(|name| name.trim() == "ph-reaper")
    };
    until("the reaper's readiness", || {
        all.iter().any(|pid| is_reaper(&pid) && takes_term(*pid))
    })
    .await;
    let reaper = *all.iter().find(is_reaper).unwrap();
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT] {
        kill_process(Pid::from_raw(reaper.cast_signed()).unwrap(), signal).unwrap();
    }
    parent.process.kill().unwrap();
    parent.process.wait().unwrap();
    until("the death of all", || all.iter().all(|pid| is_dead(*pid))).await;
}

#[tokio::test]
async fn a_process_that_becomes_ours_is_reaped() {
    let script = "(sleep 1000 & echo $!); exec cat";
    let mut parent = Killable::of(Path::new("sh"), &["-c", script]);
    let mut line = String::new();
    parent.from.read_line(&mut line).unwrap();
    let orphan: u32 = line.trim().parse().unwrap();
    let of_parent = |pid: u32| process(pid).is_some_and(|(_, of)| of == parent.process.id());
    until("the adoption", || of_parent(orphan)).await;
    kill(orphan);
    until("the reaping", || process(orphan).is_none()).await;
    // The children it made itself are not touched.
    writeln!(parent.to, "still here").unwrap();
    line.clear();
    parent.from.read_line(&mut line).unwrap();
    assert_eq!(line, "still here\n");
    drop(parent.to);
    assert!(parent.process.wait().unwrap().success());
}

#[tokio::test]
async fn what_left_the_group_of_a_child_follows_it() {
    let _turn = ONE_REAPER.lock().await;
    let reaper = Reaper::start(&parent()).unwrap();
    let script = "setsid sleep 1000 & echo $!; wait";
    let spec = ChildSpec::new("sh", ["-c", script]);
    let mut child = spawn(&spec, &reaper, Arc::new(|_| {})).unwrap();
    let mut frames = Vec::new();
    child.next_frames(&mut frames).await.unwrap();
    let Frame::Line(line) = &frames[0] else {
        panic!("{frames:?}")
    };
    let stray: u32 = std::str::from_utf8(line).unwrap().parse().unwrap();
    let group_of = |pid: u32| rustix::process::getpgid(Pid::from_raw(pid.cast_signed())).ok();
    let own_group = Pid::from_raw(stray.cast_signed());
    until("the leaving", || group_of(stray) == own_group).await;
    child.kill_group();
    child.wait().await;
    until("the stray's death", || is_dead(stray)).await;
}

/// Whether a process has a handler for SIGTERM.
fn takes_term(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let caught = status
        .lines()
        .find_map(|line| line.strip_prefix("SigCgt:"))
        .unwrap_or("0");
    u64::from_str_radix(caught.trim(), 16).is_ok_and(|caught| caught & (1 << 14) != 0)
}

#[tokio::test]
async fn a_reaper_that_died_is_started_again_with_the_next_child() {
    let _turn = ONE_REAPER.lock().await;
    let reaper = Reaper::start(&parent()).unwrap();
    let run = reaper.run().unwrap().to_owned();
    let reapers = || {
        let all = std::fs::read_dir("/proc")
            .unwrap()
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let ours = |pid: &u32| {
            let of_us = process(*pid)
                .is_some_and(|(state, parent)| parent == std::process::id() && state != 'Z');
            of_us
                && std::fs::read(format!("/proc/{pid}/cmdline"))
                    .is_ok_and(|line| line.ends_with(b"\0__reaper\0"))
        };
        all.filter(ours).collect::<Vec<u32>>()
    };
    let first = reapers();
    assert_eq!(
        first.len(),
        1,
        "one reaper in this process's tests at a time"
    );
    kill_process(Pid::from_raw(first[0].cast_signed()).unwrap(), Signal::KILL).unwrap();
    until("the reaper's death", || reapers().is_empty()).await;

    let mut child = spawn(
        &ChildSpec::new("sleep", ["1000"]),
        &reaper,
        Arc::new(|_| {}),
    )
    .unwrap();
    assert_eq!(reapers().len(), 1);
    assert_eq!(procfs::marked(&run), [child.pgid()]);
    let environ = std::fs::read(format!("/proc/{}/environ", child.pgid())).unwrap();
    let marker = format!("{MARKER_VARIABLE}={run}-0");
    assert!(
        environ
            .split(|byte| *byte == 0)
            .any(|variable| variable == marker.as_bytes())
    );
    child.kill_group();
    child.wait().await;
    drop(child);
    drop(reaper);
    assert_eq!(reapers(), Vec::<u32>::new());
}

//! A child to talk with, and a look at `/proc`.

use bytes::Bytes;
use ph_wire::child::{Child, ChildSpec, End, OnStderr, spawn};
use ph_wire::lines::Frame;
use ph_wire::reaper::Reaper;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Long enough for a loaded machine; reached only when something is wrong.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The fake server with these flags.
pub(crate) fn fake(flags: &[&str]) -> ChildSpec {
    ChildSpec::new(
        ph_sim::fake_stdio_server().to_str().unwrap(),
        flags.iter().copied(),
    )
}

/// `sh -c SCRIPT`.
pub(crate) fn shell(script: &str) -> ChildSpec {
    ChildSpec::new("sh", ["-c", script])
}

/// A running child and what it said on standard error.
pub(crate) struct Talk {
    pub(crate) child: Child,
    pub(crate) stderr: Arc<Mutex<Vec<String>>>,
    heard: Vec<Frame>,
    calls: u64,
}

impl Talk {
    #[track_caller]
    pub(crate) fn start(spec: &ChildSpec) -> Self {
        let stderr = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&stderr);
        let on_stderr: OnStderr =
            Arc::new(move |line: &str| sink.lock().unwrap().push(line.to_owned()));
        let child = spawn(spec, &Reaper::none(), on_stderr).unwrap();
        Self {
            child,
            stderr,
            heard: Vec::new(),
            calls: 0,
        }
    }

    pub(crate) async fn send(&self, message: &Value) {
        self.child
            .writer()
            .send(Bytes::from(message.to_string()))
            .await
            .unwrap();
    }

    /// Calls a tool without waiting for the answer; gives the id.
    pub(crate) async fn ask(&mut self, tool: &str, arguments: Value) -> u64 {
        self.calls += 1;
        let params = json!({"name": tool, "arguments": arguments});
        self.send(
            &json!({"jsonrpc": "2.0", "id": self.calls, "method": "tools/call", "params": params}),
        )
        .await;
        self.calls
    }

    /// Calls a tool and gives the text of its answer.
    pub(crate) async fn call(&mut self, tool: &str, arguments: Value) -> String {
        let id = self.ask(tool, arguments).await;
        loop {
            let message = self.message().await;
            if message["id"] == id {
                return message["result"]["content"][0]["text"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned();
            }
        }
    }

    /// The next message.
    pub(crate) async fn message(&mut self) -> Value {
        match self.frame().await {
            Ok(Frame::Line(line)) => serde_json::from_slice(&line).unwrap(),
            other => panic!("no message but {other:?}"),
        }
    }

    /// The next frame, or the end.
    pub(crate) async fn frame(&mut self) -> Result<Frame, End> {
        if self.heard.is_empty() {
            in_time(self.child.next_frames(&mut self.heard)).await?;
        }
        Ok(self.heard.remove(0))
    }
}

pub(crate) async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .expect("in time")
}

/// Looks again and again until `is_so`; `/proc` has no events to wait for.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) -> impl Future<Output = ()> {
    let place = std::panic::Location::caller();
    async move {
        let start = Instant::now();
        while !is_so() {
            assert!(
                start.elapsed() < DEADLINE,
                "{what} did not come, at {place}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// The state letter and the parent of a process; `None` when there is no such process.
pub(crate) fn process(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// Kills a process of a test that nobody else would.
pub(crate) fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

/// Not running. A zombie counts as dead only where it is not for us to reap.
pub(crate) fn is_dead(pid: u32) -> bool {
    process(pid)
        .is_none_or(|(state, parent)| matches!(state, 'Z' | 'X') && parent != std::process::id())
}

//! The real binary as a process, and what it says of itself.

use crate::http1::{Answer, Wire};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Longest wait for something that has to come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Looks again and again until `look` finds something.
///
/// # Panics
/// When it has not after [`PATIENCE`].
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            Instant::now() < give_up,
            "within {PATIENCE:?} not seen: {what}"
        );
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "between two looks at another process, in a thread of the test"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(3));
}

/// A running Pilothouse. Dropped, it is killed.
pub(crate) struct Gateway {
    child: Child,
    pub(crate) address: SocketAddr,
    dir: Arc<TempDir>,
    stderr: Arc<Mutex<String>>,
}

impl Gateway {
    /// Starts with `yaml` (all but `listen`) and waits until every server has had its first check.
    pub(crate) fn start(yaml: &str) -> Self {
        let this = Self::launch(yaml);
        until("every server's first health check", || {
            let answer = this.get("/readyz", "localhost");
            (answer.status() == 200).then_some(())
        });
        this
    }

    /// Starts and waits only for its address.
    pub(crate) fn launch(yaml: &str) -> Self {
        Self::launch_in(Arc::new(tempfile::tempdir().unwrap()), yaml)
    }

    /// The same, with a data directory that may have been another's before.
    pub(crate) fn launch_in(dir: Arc<TempDir>, yaml: &str) -> Self {
        Self::launch_with(dir, yaml, &[])
    }

    /// The same, with more in its environment.
    pub(crate) fn launch_with(dir: Arc<TempDir>, yaml: &str, environment: &[(&str, &str)]) -> Self {
        write_config(&dir, yaml);
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
        command
            .arg("run")
            .arg("--config")
            .arg(dir.path().join("pilothouse.yaml"));
        command
            .arg("--data-dir")
            .arg(dir.path().join("data"))
            .args(["--workers", "2"]);
        for name in [
            "LOG_LEVEL",
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "OTEL_EXPORTER_OTLP_PROTOCOL",
        ] {
            command.env_remove(name);
        }
        command
            .envs(environment.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = Arc::<Mutex<String>>::default();
        let (heard, pipe) = (Arc::clone(&stderr), child.stderr.take().unwrap());
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
                heard.push_str(&line);
                heard.push('\n');
            }
        });
        let address = until("the address on stderr", || {
            let text = stderr
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            let rest = text.split("http://").nth(1)?;
            rest.split('/').next()?.parse().ok()
        });
        Self {
            child,
            address,
            dir,
            stderr,
        }
    }

    /// Its directory, to be given to another; `data` is in it.
    pub(crate) fn dir(&self) -> Arc<TempDir> {
        Arc::clone(&self.dir)
    }

    /// Where the admin listener is.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        let address = std::fs::read_to_string(self.dir.path().join("data/admin.addr")).unwrap();
        address.trim().parse().unwrap()
    }

    /// Asks the admin listener.
    pub(crate) fn admin(&self, path: &str) -> Answer {
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        Wire::open(self.admin_address(), request.as_bytes()).answer()
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes the configuration anew, in one step.
    pub(crate) fn configure(&self, yaml: &str) {
        write_config(&self.dir, yaml);
    }

    pub(crate) fn get(&self, path: &str, host: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        Wire::open(self.address, request.as_bytes()).answer()
    }

    pub(crate) fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics", "localhost");
        assert_eq!(answer.status(), 200);
        Metrics::parse(&answer.text())
    }

    fn log_file(&self) -> PathBuf {
        self.dir.path().join("data/logs/combined.log")
    }

    /// The whole lines of the log so far.
    pub(crate) fn log(&self) -> Vec<Value> {
        let text = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        whole
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The lines of calls so far.
    pub(crate) fn calls(&self) -> Vec<Value> {
        self.log()
            .into_iter()
            .filter(|line| line["kind"] == "call")
            .collect()
    }

    /// The processes of `server` that run, as its log tells: `(replica, pid)`.
    pub(crate) fn children(&self, server: &str) -> Vec<(String, u32)> {
        let mut alive = Vec::new();
        for line in self
            .log()
            .into_iter()
            .filter(|line| line["server"] == server)
        {
            let Some(pid) = line["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()) else {
                continue;
            };
            match line["event"].as_str() {
                Some("child_started") => {
                    alive.push((line["replica"].as_str().unwrap_or("").to_owned(), pid));
                }
                Some("child_exited") => alive.retain(|(_, p)| *p != pid),
                _ => {}
            }
        }
        alive
    }

    pub(crate) fn signal(&self, signal: Signal) {
        send(self.child.id(), signal);
    }

    /// Waits for its end.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let child = &mut self.child;
        until("the end of the process", || child.try_wait().unwrap())
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) -> ExitStatus {
        self.signal(Signal::TERM);
        self.wait()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            // The reaper ends the children then.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<_> = log
                .iter()
                .rev()
                .take(12)
                .rev()
                .map(Value::to_string)
                .collect();
            let text = format!("stderr:\n{}log:\n{}\n", self.stderr(), tail.join("\n"));
            let _ = std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes());
        }
    }
}

/// Sends a signal to a process that may be gone.
pub(crate) fn send(pid: u32, signal: Signal) {
    let pid = i32::try_from(pid)
        .ok()
        .and_then(Pid::from_raw)
        .expect("a process id");
    let _ = kill_process(pid, signal);
}

/// Neither gone nor a zombie.
pub(crate) fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ")
        .is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn write_config(dir: &TempDir, yaml: &str) {
    let path = dir.path().join("pilothouse.yaml");
    let next = dir.path().join("next.yaml");
    std::fs::write(&next, format!("listen: 127.0.0.1:0\n{yaml}")).unwrap();
    std::fs::rename(next, path).unwrap();
}

/// A scrape.
pub(crate) struct Metrics(Vec<(String, BTreeMap<String, String>, f64)>);

impl Metrics {
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let samples = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            let (name, labels) = series.split_once('{').unwrap_or((series, ""));
            let labels = labels
                .trim_end_matches('}')
                .split("\",")
                .filter_map(|pair| {
                    let (key, value) = pair.split_once("=\"")?;
                    Some((key.to_owned(), value.trim_end_matches('"').to_owned()))
                });
            Some((name.to_owned(), labels.collect(), value.parse().ok()?))
        });
        Self(samples.collect())
    }

    /// The sum over every series of `name` that has these labels.
    pub(crate) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let has = |all: &BTreeMap<String, String>| {
            labels
                .iter()
                .all(|(k, v)| all.get(*k).is_some_and(|w| w == v))
        };
        let found = self.0.iter().filter(|(n, all, _)| n == name && has(all));
        found.map(|(_, _, value)| *value as u64).sum()
    }

    /// The counts of `name` by the values of these labels.
    pub(crate) fn by(&self, name: &str, labels: &[&str]) -> BTreeMap<Vec<String>, u64> {
        let mut counts = BTreeMap::new();
        for (_, all, value) in self
            .0
            .iter()
            .filter(|(n, _, value)| n == name && *value > 0.0)
        {
            let key = labels
                .iter()
                .map(|l| all.get(*l).cloned().unwrap_or_default())
                .collect();
            *counts.entry(key).or_default() += *value as u64;
        }
        counts
    }
}

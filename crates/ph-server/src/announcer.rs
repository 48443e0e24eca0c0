//! Says on the terminal what an operator must not have to look for in a log file:
//! that a server has died, and its last words.

use ph_record::{EventKind, Observation, RecordSink, ServerEvent, ServerTable};
use ph_recorder::Recorder;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Least time between two announcements, in nanoseconds; what comes sooner is in the logs.
const EVERY_NS: u64 = 1_000_000_000;

/// Passes every observation on to the recorder, and announces deaths.
pub(crate) struct Announcer {
    pub recorder: Recorder,
    pub servers: Arc<ServerTable>,
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
    pub last_unix_ns: AtomicU64,
}

impl RecordSink for Announcer {
    fn observe(&self, observation: Observation) {
        if let Observation::Event(event) = &observation {
            self.announce(event);
        }
        self.recorder.observe(observation);
    }

    fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.recorder.redact(text)
    }
}

impl Announcer {
    fn announce(&self, event: &ServerEvent) {
        let Some(text) = words(&event.kind, &self.recorder) else {
            return;
        };
        let last = self.last_unix_ns.load(Relaxed);
        let crowded = event.at_unix_ns.saturating_sub(last) < EVERY_NS;
        // A loop is said once per window anyway.
        if crowded && !matches!(event.kind, EventKind::CrashLoop { .. }) {
            return;
        }
        self.last_unix_ns.store(event.at_unix_ns, Relaxed);
        let server = event.server.and_then(|idx| self.servers.get(idx));
        let name = server.as_ref().map_or("", |s| s.name.as_str());
        (self.say)(&format!("server `{name}`: {text}"));
    }
}

fn words(kind: &EventKind, sink: &dyn RecordSink) -> Option<String> {
    match kind {
        EventKind::ChildExited {
            how,
            stderr_tail,
            expected: false,
            ..
        } => {
            let tail = sink.redact(stderr_tail);
            Some(match tail.trim() {
                "" => format!("its process ended ({how})"),
                tail => format!("its process ended ({how}); its last words:\n{tail}"),
            })
        }
        EventKind::CrashLoop {
            restarts,
            retry_in_ms,
        } => Some(format!(
            "it ended {restarts} times in a row; the next try is in {} s",
            retry_in_ms / 1000
        )),
        EventKind::ToolDefinition {
            change,
            tool,
            blocked,
            ..
        } => Some(format!(
            "tool `{tool}` is no longer what was accepted ({}){}: see `pilothouse tools diff`",
            change.as_label(),
            if *blocked { ", and is blocked" } else { "" }
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_announced_without_its_secrets() {
        let kind = |expected| EventKind::ChildExited {
            pid: 1,
            how: "exit code 3".into(),
            stderr_tail: "api_key=sk-live-abcdefghijklmnop\n".into(),
            expected,
            over_memory: false,
        };
        struct Nowhere;
        impl RecordSink for Nowhere {
            fn observe(&self, _: Observation) {}
        }
        let said = words(&kind(false), &Nowhere).unwrap();
        assert!(
            said.contains("exit code 3") && !said.contains("abcdefgh"),
            "{said}"
        );
        assert_eq!(words(&kind(true), &Nowhere), None);
    }
}

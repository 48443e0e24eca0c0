//! Who called the tools that lead to a vulnerable package: from the records that are kept.

use ph_store::logs::{Budget, LogReader, Search, StoreError, Top};
use ph_store::query::{Field, Known, parse};
use ph_vuln::exposed::{CLIENTS_MAX, CallingClient, Exposed, Traffic, short};
use std::collections::HashMap;
use std::time::{Duration, Instant};

/// So far back.
const DAYS: u64 = 30;
/// So long for all findings of a server together.
const TIME_MAX: Duration = Duration::from_secs(5);
/// Lines that are unpacked for one set of tools, a second of work: for a tool that is seldom called, 512 for each call.
const RECORDS_MAX: u64 = 4_000_000;

/// Looks for calls of one server's tools; what was looked for is not looked for again.
pub(super) struct Calls<'a> {
    logs: &'a LogReader,
    server: &'a str,
    now: u64,
    until: Instant,
    known: HashMap<Vec<String>, Traffic>,
}

impl<'a> Calls<'a> {
    /// - `now`: in Unix seconds.
    pub(super) fn new(logs: &'a LogReader, server: &'a str, now: u64) -> Self {
        Self {
            logs,
            server,
            now,
            until: Instant::now() + TIME_MAX,
            known: HashMap::new(),
        }
    }

    /// Says of a finding who called the tools that lead to it. Of a handler that is not told apart by tool, nothing is
    /// said; nor is where time is over or records cannot be read.
    pub(super) fn note(&mut self, exposed: &mut Exposed) {
        let tools = exposed.tools.iter().map(|tool| tool.tool.clone());
        let mut tools: Vec<_> = tools.filter(|tool| tool != "*").collect();
        tools.sort();
        if tools.is_empty() {
            return;
        }
        let traffic = match self.known.get(&tools) {
            Some(known) => Some(known.clone()),
            None => self.look(&tools),
        };
        if let Some(traffic) = traffic {
            self.known.insert(tools, traffic.clone());
            exposed.called(traffic);
        }
    }

    fn look(&self, tools: &[String]) -> Option<Traffic> {
        let wall = self.until.checked_duration_since(Instant::now())?;
        let since = self.now.saturating_sub(DAYS * 86_400);
        let top = self.top(tools, since, wall).ok()?;
        let named: u64 = top.values.iter().map(|value| value.records).sum();
        let mut clients: Vec<_> = top
            .values
            .into_iter()
            .map(|value| CallingClient {
                client: short(&value.value),
                calls: value.records,
            })
            .collect();
        if top.without > 0 {
            clients.push(CallingClient {
                client: String::new(),
                calls: top.without,
            });
        }
        Some(Traffic {
            since,
            calls: named + top.others + top.without,
            clients,
            others: top.others,
            complete: top.complete,
        })
    }

    fn top(&self, tools: &[String], since: u64, wall: Duration) -> Result<Top, StoreError> {
        let Ok(filter) = parse(&query(self.server, tools)) else {
            // A name that is longer than a query may be was called by nobody.
            return Ok(Top::default());
        };
        let search = Search {
            from_unix_ns: since.saturating_mul(1_000_000_000),
            limit: CLIENTS_MAX,
            budget: Budget {
                records: RECORDS_MAX,
                wall,
                ..Budget::default()
            },
            ..Search::new(&filter)
        };
        self.logs.top(&search, &Field::Known(Known::Client))
    }
}

/// Calls of these tools that the server got: what was refused before never reached it.
fn query(server: &str, tools: &[String]) -> String {
    let names: Vec<_> = tools
        .iter()
        .map(|tool| format!("tool={}", quoted(tool)))
        .collect();
    format!(
        "kind=call server={} outcome!=refused ({})",
        quoted(server),
        names.join(" OR ")
    )
}

fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_store::RealDisk;
    use ph_store::logs::{Entry, Kind, Level, LogOptions, LogStore};
    use ph_vuln::exposed::ReachingTool;
    use std::sync::Arc;

    const NOW: u64 = 1_795_334_400;

    fn exposed(tools: &[&str]) -> Exposed {
        let tools = tools.iter().map(|tool| ReachingTool {
            tool: (*tool).to_owned(),
            takes_input: true,
        });
        Exposed {
            level: ph_vuln::exposed::Level::Reachable,
            tools: tools.collect(),
            ..Exposed::unknown("")
        }
    }

    fn store(dir: &std::path::Path, records: &[(&str, &str, &str, &str, u64)]) -> LogStore {
        let disk = Arc::new(RealDisk);
        let (mut store, _) = LogStore::open(disk, dir, LogOptions::default()).unwrap();
        for (server, tool, client, outcome, days) in records {
            let mut line = serde_json::json!({
                "kind": "call", "server": server, "tool": tool, "outcome": outcome,
            });
            if !client.is_empty() {
                line["client"] = (*client).into();
            }
            let json = line.to_string();
            let entry = Entry {
                time_unix_ns: (NOW - days * 86_400) * 1_000_000_000,
                duration_ns: Some(1),
                status: 200,
                level: Level::Info,
                kind: Kind::Call,
                trace_id: None,
                server,
                method: "tools/call",
                tool,
                outcome,
                json: json.as_bytes(),
            };
            store.append(&entry).unwrap();
        }
        store.flush().unwrap();
        store
    }

    #[test]
    fn calls_that_reached_the_server_are_counted_by_client() {
        let dir = tempfile::tempdir().unwrap();
        let odd = r#"a "b"\c* d"#;
        let store = store(
            dir.path(),
            &[
                ("files", "merge", "inspector 1.0", "ok", 1),
                ("files", "merge", "inspector 1.0", "tool_error", 29),
                ("files", "merge", "", "ok", 2),
                ("files", odd, "odd", "ok", 2),
                // Neither another server, tool or time, nor what never reached it.
                ("mail", "merge", "inspector 1.0", "ok", 1),
                ("files", "read", "inspector 1.0", "ok", 1),
                ("files", "merge", "inspector 1.0", "refused", 1),
                ("files", "merge", "inspector 1.0", "ok", 31),
            ],
        );
        let logs = store.reader();
        let mut calls = Calls::new(&logs, "files", NOW);
        let mut of = exposed(&["merge", "*"]);
        calls.note(&mut of);
        assert_eq!(of.level.word(), "seen");
        let traffic = of.traffic.unwrap();
        assert_eq!(
            traffic.line(NOW),
            "3 calls in 30 days: 2 by inspector 1.0, 1 without a name"
        );
        let mut of = exposed(&[odd]);
        calls.note(&mut of);
        assert_eq!(of.traffic.unwrap().calls, 1);
        let mut of = exposed(&["nobody_calls_this"]);
        calls.note(&mut of);
        assert_eq!(
            (of.level.word(), of.traffic.unwrap().calls),
            ("reachable", 0)
        );
    }

    #[test]
    fn a_handler_of_all_tools_says_nothing_of_calls() {
        let dir = tempfile::tempdir().unwrap();
        let store = store(dir.path(), &[("files", "merge", "a", "ok", 1)]);
        let logs = store.reader();
        let mut of = exposed(&["*"]);
        Calls::new(&logs, "files", NOW).note(&mut of);
        assert_eq!((of.level.word(), of.traffic), ("reachable", None));
    }

    #[test]
    fn there_are_no_more_clients_than_the_bound() {
        let dir = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..CLIENTS_MAX + 5)
            .map(|n| format!("client {n}"))
            .collect();
        let records: Vec<_> = names
            .iter()
            .map(|name| ("files", "merge", name.as_str(), "ok", 1))
            .collect();
        let store = store(dir.path(), &records);
        let logs = store.reader();
        let mut of = exposed(&["merge"]);
        Calls::new(&logs, "files", NOW).note(&mut of);
        let traffic = of.traffic.unwrap();
        assert_eq!((traffic.clients.len(), traffic.others), (CLIENTS_MAX, 5));
        assert_eq!(traffic.calls, 15);
    }
}

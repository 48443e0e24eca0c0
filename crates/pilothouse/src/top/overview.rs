//! What is asked, and what was answered: the same questions as those of the console's first page.

use crate::alerts::Alert;
use crate::ask::{Api, Params};
use crate::terminal::clean;
use anyhow::{Result, anyhow};
use jiff::Timestamp;
use ph_rules::slo::SloRow;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// Questions of PromQL, word for word those of `console/src/pages/overview.tsx`.
const RATE: &str = "sum by (server) (rate(mcp_requests_total[1m]))";
const P95: &str = "histogram_quantile(0.95, sum by (server, le) (rate(mcp_response_duration_seconds_bucket[5m])))";
const FAILED: &str = r#"100 * sum by (server) (rate(mcp_requests_total{status=~"5.."}[5m])) / sum by (server) (rate(mcp_requests_total[5m]))"#;
const CPU: &str = "sum by (server) (rate(mcp_server_cpu_seconds_total[1m]))";
const MEMORY: &str = "sum by (server) (mcp_server_resident_memory_bytes)";
/// Calls of the last minutes over those of the same minutes of last week.
const NORMAL: &str =
    "sum(rate(mcp_requests_total[15m])) / sum(rate(mcp_requests_total[15m] offset 604800s))";

/// Events that a person would want to know of, and how they are said; those of `console/src/changes.ts`.
const KINDS: [(&str, &str); 9] = [
    ("plan_loaded", "configuration loaded"),
    ("plan_rejected", "configuration rejected"),
    ("restart", "restarted"),
    ("crash_loop", "keeps dying"),
    ("child_exited", "child died"),
    ("tool_definition_changed", "tool definition changed"),
    ("tool_approved", "tool approved"),
    ("alert_firing", "alert fires"),
    ("alert_resolved", "alert resolved"),
];
const BAD: [&str; 5] = [
    "plan_rejected",
    "crash_loop",
    "child_exited",
    "tool_definition_changed",
    "alert_firing",
];
/// Changes of so long are asked for, and at most so many.
const CHANGES_SINCE: &str = "1h";
const CHANGES_MAX: usize = 12;

/// A part of it, or why it is not known.
pub(super) type Part<T> = Result<T, String>;

/// What is broken, since when, for whom.
#[derive(Debug)]
pub(super) struct Overview {
    /// When it was asked, Unix milliseconds.
    pub at_ms: i64,
    pub slos: Part<Vec<SloRow>>,
    /// Those that fire and those that are pending, the gravest first.
    pub alerts: Part<Vec<Alert>>,
    pub servers: Vec<Server>,
    /// Why the servers have no numbers.
    pub numbers: Part<()>,
    /// Traffic over that of the same minutes of last week.
    pub normal: Option<f64>,
    /// The newest first.
    pub changes: Part<Vec<Change>>,
}

/// A server and its numbers.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Server {
    pub name: String,
    pub up: Option<bool>,
    pub drained: bool,
    pub is_stdio: bool,
    pub children: i64,
    pub in_flight: i64,
    /// Replicas that are ready, and how many are wanted.
    pub ready: u64,
    pub wanted: Option<u64>,
    /// Requests in a second.
    pub rate: Option<f64>,
    /// Seconds.
    pub p95: Option<f64>,
    /// Percent.
    pub failed: Option<f64>,
    /// Cores.
    pub cpu: Option<f64>,
    /// Bytes.
    pub memory: Option<f64>,
}

/// Something that changed.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Change {
    /// Unix milliseconds.
    pub at_ms: i64,
    pub what: String,
    pub server: Option<String>,
    pub text: String,
    pub is_bad: bool,
}

impl Overview {
    /// Asks for all of it.
    ///
    /// # Errors
    /// When the servers are not told; what else is missing is said in its part.
    pub(super) fn ask(api: &Api) -> Result<Self> {
        let none = Params::new();
        let listed = api.json("/api/pilothouse/servers", &none)?;
        let mut servers = servers_of(&listed)?;
        let numbers = fill(api, &mut servers).map_err(|e| said(&e));
        let normal = ask_numbers(api, NORMAL).ok();
        Ok(Self {
            at_ms: Timestamp::now().as_millisecond(),
            slos: slos(api).map_err(|e| said(&e)),
            alerts: alerts(api).map_err(|e| said(&e)),
            servers,
            numbers,
            normal: normal.and_then(|all| all.values().next().copied()),
            changes: changes(api).map_err(|e| said(&e)),
        })
    }

    /// For programs.
    pub(super) fn json(&self, daemon: &str) -> Json {
        let alerts: Part<Vec<Json>> = match &self.alerts {
            Ok(alerts) => Ok(alerts.iter().map(Alert::json).collect()),
            Err(why) => Err(why.clone()),
        };
        let servers: Vec<Json> = self.servers.iter().map(Server::json).collect();
        let changes = self
            .changes
            .as_ref()
            .map(|all| all.iter().map(Change::json).collect::<Vec<_>>());
        let unknown: Vec<_> = [
            ("slos", self.slos.as_ref().err()),
            ("alerts", self.alerts.as_ref().err()),
            ("numbers", self.numbers.as_ref().err()),
            ("changes", self.changes.as_ref().err()),
        ]
        .into_iter()
        .filter_map(|(part, why)| Some(json!({"part": part, "why": why?})))
        .collect();
        json!({
            "version": 1, "daemon": daemon, "at": time_text(self.at_ms),
            "slos": self.slos.as_ref().ok(), "alerts": alerts.ok(), "servers": servers,
            "traffic_over_last_week": self.normal, "changes": changes.ok(), "unknown": unknown,
        })
    }
}

impl Server {
    fn json(&self) -> Json {
        json!({
            "name": self.name, "up": self.up, "drained": self.drained, "children": self.children,
            "in_flight": self.in_flight, "ready": self.ready, "wanted": self.wanted,
            "requests_per_second": self.rate, "p95_seconds": self.p95, "failed_percent": self.failed,
            "cpu_cores": self.cpu, "memory_bytes": self.memory,
        })
    }

    /// As the console says it.
    pub(super) fn state(&self) -> &'static str {
        match (self.drained, self.up) {
            (true, _) => "drained",
            (_, None) => "not checked yet",
            (_, Some(true)) => "up",
            (_, Some(false)) => "down",
        }
    }
}

impl Change {
    fn json(&self) -> Json {
        json!({
            "at": time_text(self.at_ms), "what": self.what, "server": self.server, "text": self.text,
            "bad": self.is_bad,
        })
    }

    /// Reads a record of the log; none when nothing changed by it.
    pub(super) fn read(record: &Json) -> Option<Self> {
        let text = |key: &str| record[key].as_str().unwrap_or_default();
        let (kind, message) = (text("event"), text("message"));
        let audit = message.strip_prefix("audit: ").filter(|_| kind == "note");
        let what = match audit {
            Some(_) => "changed by an operator",
            None => KINDS.iter().find(|(name, _)| *name == kind)?.1,
        };
        if kind == "child_exited" && record["expected"] == true {
            return None;
        }
        let at: Timestamp = text("timestamp").parse().ok()?;
        Some(Self {
            at_ms: at.as_millisecond(),
            what: what.to_owned(),
            server: record["server"].as_str().map(clean),
            text: clean(&audit.map_or_else(|| about(record, kind), ToOwned::to_owned)),
            is_bad: BAD.contains(&kind),
        })
    }
}

/// What there is to say beyond its kind.
fn about(record: &Json, kind: &str) -> String {
    let (fields, between): (&[&str], _) = match kind {
        "alert_firing" | "alert_resolved" => (&["alert", "summary"], ": "),
        "tool_definition_changed" => (&["tool", "change", "places"], ", "),
        "tool_approved" => (&["tool", "by"], ", "),
        "restart" => (&["reason"], ""),
        "crash_loop" => (&["restarts"], ""),
        "child_exited" => (&["exit", "stderr_tail"], ": "),
        "plan_rejected" => (&["error"], ""),
        "plan_loaded" => {
            let hash = record["hash"].as_str().unwrap_or_default();
            return hash.chars().take(12).collect();
        }
        _ => (&["message"], ""),
    };
    let value = |key: &&str| match &record[*key] {
        Json::String(text) => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    };
    fields
        .iter()
        .filter_map(value)
        .collect::<Vec<_>>()
        .join(between)
}

fn said(error: &anyhow::Error) -> String {
    clean(&format!("{error:#}"))
}

fn time_text(ms: i64) -> Option<String> {
    Timestamp::from_millisecond(ms)
        .ok()
        .map(|at| at.to_string())
}

fn slos(api: &Api) -> Result<Vec<SloRow>> {
    let answer = api.json("/api/pilothouse/slos", &Params::new())?;
    Ok(serde_json::from_value(answer["slos"].clone())?)
}

fn alerts(api: &Api) -> Result<Vec<Alert>> {
    let mut alerts = crate::alerts::known(api)?;
    alerts.sort_by_key(|alert| {
        (
            !alert.is_firing,
            weight(alert.of("severity")),
            alert.since_ms,
        )
    });
    Ok(alerts)
}

/// The gravest is the least.
fn weight(severity: &str) -> usize {
    ["critical", "warning"]
        .iter()
        .position(|known| *known == severity)
        .unwrap_or(2)
}

fn changes(api: &Api) -> Result<Vec<Change>> {
    let kinds = KINDS.map(|(name, _)| name).join("|");
    let query = format!("kind=event (event={kinds} OR event=note \"audit: \")");
    let params = Params::new()
        .with("query", query)
        .with("since", CHANGES_SINCE);
    let answer = api.json("/api/pilothouse/logs", &params.with("limit", 200))?;
    let records = answer["records"].as_array().into_iter().flatten();
    Ok(records.filter_map(Change::read).take(CHANGES_MAX).collect())
}

fn servers_of(answer: &Json) -> Result<Vec<Server>> {
    let listed = answer["servers"].as_array();
    let listed = listed.ok_or_else(|| anyhow!("the answer has an unknown form"))?;
    let one = |server: &Json| {
        let replicas = server["replicas"].as_array().into_iter().flatten();
        Server {
            name: server["name"].as_str().unwrap_or_default().to_owned(),
            up: server["up"].as_bool(),
            drained: server["drained"] == true,
            is_stdio: server["transport"] == "stdio",
            children: server["children"].as_i64().unwrap_or(0),
            in_flight: server["in_flight"].as_i64().unwrap_or(0),
            ready: replicas
                .filter(|replica| replica["state"] == "ready")
                .count() as u64,
            wanted: server["wanted"].as_u64(),
            ..Server::default()
        }
    };
    Ok(listed.iter().map(one).collect())
}

/// Puts the numbers to the servers.
fn fill(api: &Api, servers: &mut [Server]) -> Result<()> {
    let [rate, p95, failed, cpu, memory] =
        [RATE, P95, FAILED, CPU, MEMORY].map(|query| ask_numbers(api, query));
    let (rate, p95, failed, cpu, memory) = (rate?, p95?, failed?, cpu?, memory?);
    for server in servers {
        let of = |all: &BTreeMap<String, f64>| all.get(&server.name).copied();
        server.rate = of(&rate);
        server.p95 = of(&p95);
        // No failure has no row.
        server.failed = of(&failed).or(server.rate.map(|_| 0.0));
        server.cpu = of(&cpu);
        server.memory = of(&memory);
    }
    Ok(())
}

/// The values of an expression now, by server; without the label, by nothing.
fn ask_numbers(api: &Api, query: &str) -> Result<BTreeMap<String, f64>> {
    let params = Params::new().with("query", query).with("timeout", "20s");
    let answer = api.json("/api/v1/query", &params)?;
    let rows = answer["data"]["result"].as_array().into_iter().flatten();
    let row = |row: &Json| {
        let name = row["metric"]["server"].as_str().unwrap_or_default();
        let value: f64 = row["value"][1].as_str()?.parse().ok()?;
        Some((name.to_owned(), value)).filter(|(_, value)| value.is_finite())
    };
    Ok(rows.filter_map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Both have to show the same, so both have to ask the same.
    #[test]
    fn the_questions_are_the_consoles() {
        let page = include_str!("../../../../console/src/pages/overview.tsx");
        for query in [RATE, P95, FAILED, CPU, MEMORY] {
            assert!(page.contains(query), "{query}");
        }
        assert!(
            page.contains(&NORMAL.replace("604800", "${WEEK_S}")),
            "{NORMAL}"
        );
        assert!(page.contains("const WEEK_S = 7 * 86400;"));
        let changes = include_str!("../../../../console/src/changes.ts");
        let list = |names: &[&str]| format!("[\"{}\"]", names.join("\", \""));
        assert!(changes.contains(&list(&KINDS.map(|(name, _)| name))));
        assert!(changes.contains(&list(&BAD)));
        let words = include_str!("../../../../console/src/i18n/en.ts");
        for (name, said) in KINDS {
            assert!(words.contains(&format!("{name}: \"{said}\"")), "{name}");
        }
    }

    #[test]
    fn changes_are_read() {
        let read = |line: &str| Change::read(&serde_json::from_str(line).unwrap());
        let died = read(
            r#"{"timestamp":"2026-11-22T17:00:00.5Z","event":"child_exited","server":"a\u001bb","exit":"1","stderr_tail":"gone","expected":false}"#,
        )
        .unwrap();
        assert_eq!(died.at_ms, 1_795_366_800_500);
        assert_eq!(
            (died.what.as_str(), died.text.as_str()),
            ("child died", "1: gone")
        );
        assert_eq!(died.server.as_deref(), Some("a\u{FFFD}b"));
        assert!(died.is_bad);
        let audit = read(
            r#"{"timestamp":"2026-11-22T17:00:00Z","event":"note","message":"audit: ann scaled files to 5"}"#,
        )
        .unwrap();
        assert_eq!(audit.text, "ann scaled files to 5");
        assert_eq!(
            read(r#"{"timestamp":"2026-11-22T17:00:00Z","event":"child_exited","expected":true}"#),
            None
        );
        assert_eq!(
            read(r#"{"timestamp":"2026-11-22T17:00:00Z","event":"note","message":"x"}"#),
            None
        );
    }

    #[test]
    fn servers_are_read() {
        let answer = json!({"servers": [{
            "name": "files", "transport": "stdio", "up": true, "drained": false, "wanted": 3, "children": 2,
            "in_flight": 1, "replicas": [{"state": "ready"}, {"state": "starting"}]
        }, {"name": "far", "transport": "http"}]});
        let servers = servers_of(&answer).unwrap();
        assert_eq!((servers[0].ready, servers[0].wanted), (1, Some(3)));
        assert_eq!(
            (servers[0].state(), servers[1].state()),
            ("up", "not checked yet")
        );
        assert!(servers_of(&json!({})).is_err());
    }
}

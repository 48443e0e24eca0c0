//! What a reload has to do for two texts.

use ph_plan::{Change, Plan, load};

use crate::world::World;

fn plan(text: &str) -> Plan {
    load("pilothouse.yaml", text, &World)
        .expect("a good configuration")
        .0
}

const BASE: &str = "servers: {a: {command: x, env: {K: v}}, w: {url: 'http://127.0.0.1:1/mcp'}}\n";

/// `new` is a whole text; the answers are words of `Change`'s own `Debug`.
#[track_caller]
fn check(new: &str, want: &[&str]) {
    let (old, new) = (plan(BASE), plan(new));
    let got: Vec<_> = Plan::changes(&old, &new)
        .iter()
        .map(|change| format!("{change:?}"))
        .collect();
    assert_eq!(got, want);
    assert_eq!(Plan::changes(&new, &new), []);
    assert_eq!(
        want.is_empty(),
        old.hash() == new.hash(),
        "the hash says the same"
    );
}

#[test]
fn servers() {
    check(BASE, &[]);
    check(&format!("# a comment\n{BASE}log: {{level: info}}\n"), &[]);
    check(
        &BASE.replace("a:", "b:"),
        &["ServerRemoved(`a`)", "ServerAdded(`b`)"],
    );
    check(
        &BASE.replace("command: x", "command: y"),
        &["UpstreamChanged(`a`)"],
    );
    check(
        &BASE.replace("command: x", "command: x, args: [y]"),
        &["UpstreamChanged(`a`)"],
    );
    check(
        &BASE.replace("command: x", "command: x, otel: true"),
        &["UpstreamChanged(`a`)"],
    );
    check(
        &BASE.replace("command: x, env: {K: v}", "url: 'http://127.0.0.1:1/mcp'"),
        &["UpstreamChanged(`a`)"],
    );
    check(
        &BASE.replace("command: x", "command: x, prewarm: 2"),
        &["SupervisionChanged(`a`)"],
    );
    check(
        &BASE.replace("command: x", "command: x, stop: {term_grace: 1s}"),
        &["SupervisionChanged(`a`)"],
    );
    check(
        &BASE.replace(
            "command: x",
            "command: x, timeouts: {total: 1s}, health: {enabled: false}",
        ),
        &["LimitsChanged(`a`)", "HealthChanged(`a`)"],
    );
    check(
        &BASE.replace("/mcp'", "/mcp', headers: {x: y}"),
        &["UpstreamChanged(`w`)"],
    );
    check(
        &BASE.replace("/mcp'", "/mcp', limits: {queue_max: 1}"),
        &["LimitsChanged(`w`)"],
    );
    check(
        &BASE.replace("/mcp'", "/mcp', log_files: [w.log]"),
        &["LogFilesChanged(`w`)"],
    );
}

#[test]
fn the_process() {
    let with = |line: &str| format!("{BASE}{line}\n");
    // The admin listener is beside it.
    check(
        &with("listen: 127.0.0.1:0"),
        &["ListenChanged", "AdminChanged"],
    );
    check(
        &with("listen: 127.0.0.1:0\nadmin: {listen: 127.0.0.1:3001}"),
        &["ListenChanged"],
    );
    check(&with("admin: {enabled: false}"), &["AdminChanged"]);
    check(&with("store: {retention: 1d}"), &["StoreChanged"]);
    check(
        &with("scrape: {node: {urls: ['http://127.0.0.1:9100/metrics']}}"),
        &["ScrapeChanged"],
    );
    check(
        &with("sinks: {e: {elasticsearch: {url: 'http://127.0.0.1:9200'}}}"),
        &["SinksChanged"],
    );
    check(
        &with("listen: 10.0.0.1:3000\nauth: external"),
        &["ListenChanged", "AccessChanged"],
    );
    check(&with("allowed_hosts: [a]"), &["AccessChanged"]);
    check(&with("metrics_on_data_listener: never"), &["AccessChanged"]);
    check(&with("http: {body_timeout: 1s}"), &["HttpChanged"]);
    check(
        &with("sessions: {max: 1}\nchildren: {max: 1}"),
        &["BoundsChanged"],
    );
    check(&with("limits: {a: {rate: 1/s}}"), &["RateLimitsChanged"]);
    check(
        &with("redis: {url: 'redis://127.0.0.1'}"),
        &["RateLimitsChanged"],
    );
    check(
        &with("clients: {trusted_proxies: [10.0.0.1]}"),
        &["RateLimitsChanged"],
    );
    check(&with("log: {level: debug}"), &["LogChanged"]);
    check(
        &with("metrics: {otel_operation: true}"),
        &["MetricsChanged"],
    );
    check(
        &with("otlp: {endpoint: 'http://127.0.0.1:4318'}"),
        &["OtlpChanged"],
    );
    check(
        &with("metrics: {query: 'http://127.0.0.1:9090'}"),
        &["MetricsChanged"],
    );
    check(
        &with("rules: {thresholds: {restarts: 1}}"),
        &["RulesChanged"],
    );
    check(
        &with("notify: {heartbeat: {url: 'http://127.0.0.1:9'}}"),
        &["NotifyChanged"],
    );
    check(&with("slos: {}"), &["SlosChanged"]);
    check(&with("vuln: {scan_every: off}"), &["VulnChanged"]);
    check(
        &BASE.replace("command: x", "command: x, source: /srv/a"),
        &["VulnChanged"],
    );
    check(&with("cost: {cpu_hour: 0.03}"), &["CostChanged"]);
    check(&with("stop: {drain: 1s}"), &["StopChanged"]);
    check(&with("data_dir: /srv"), &["DataDirNeedsRestart"]);
}

/// A rotated secret needs new children, and the published hash gives nothing of it away.
#[test]
fn secrets_are_compared_and_not_hashed() {
    let (old, new) = (plan(BASE), plan(&BASE.replace("K: v", "K: w")));
    assert_eq!(Plan::changes(&old, &new).len(), 1);
    assert_eq!(old.hash(), new.hash());
}

/// A reference and its value mean the same: nothing has to be done.
#[test]
fn the_way_of_writing_is_no_change() {
    let by_name = plan(&BASE.replace("command: x", "command: '${WORD}'"));
    let by_value = plan(&BASE.replace("command: x", "command: word"));
    assert_eq!(Plan::changes(&by_name, &by_value), []);
}

/// Published hashes are compared across machines and builds.
#[test]
fn the_hash_is_stable() {
    assert_eq!(plan(BASE).hash(), "2b555af248dc9dfa");
}

#[test]
fn an_operator_is_told_of_changes_in_one_line() {
    let told = |new: &str| Change::list(&Plan::changes(&plan(BASE), &plan(new)));
    assert_eq!(told(BASE), "");
    assert_eq!(
        told(&format!(
            "{}log: {{level: debug}}\n",
            BASE.replace("command: x", "command: y")
        )),
        "server `a`: what runs; log"
    );
    let many: String = (0..20).map(|n| format!("n{n}: {{command: x}}, ")).collect();
    let told = told(&BASE.replace("{a:", &format!("{{{many}a:")));
    assert!(
        told.starts_with("server `n0`: new; ") && told.ends_with("; 8 more"),
        "{told}"
    );
}

//! `pilothouse cost attribution`, `report` and `logs` of what a running gateway recorded.

use crate::client::{Client, fresh_id};
use crate::gateway::{Gateway, until};
use crate::http1::Wire;
use ph_sim::{Eras, FakeHttpUpstream, fake_stdio_server};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Runs it; gives the code, what it said and what it printed.
fn cost(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .arg("cost")
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stderr),
        text(output.stdout),
    )
}

/// Of the store of a gateway, as JSON.
#[track_caller]
fn answer(gateway: &Gateway, args: &[&str]) -> Value {
    let mut all = args.to_vec();
    all.extend(["--data-dir", "data", "--format", "json"]);
    let (code, said, data) = cost(gateway.dir().path(), &all);
    assert_eq!(code, Some(0), "{args:?}: {said}");
    serde_json::from_str(&data).unwrap()
}

/// Millionths.
fn micro(amount: &Value) -> i64 {
    let text = amount.as_str().unwrap();
    let (whole, places) = text.split_once('.').unwrap();
    format!("{whole}{places:0<6}").parse().unwrap()
}

/// Bytes of the body there and back.
#[track_caller]
fn echo(client: &Client) -> usize {
    let call = client.tool(fresh_id(), "echo", &json!({"text": "x".repeat(500)}));
    let text = String::from_utf8(call.clone()).unwrap();
    let sent = text.split_once("\r\n\r\n").unwrap().1.len();
    let answer = Wire::open(client.address, &call).answer();
    assert_eq!(answer.status(), 200);
    sent + answer.text().len()
}

/// CPU seconds of the child of a server and of what it waited for.
fn cpu_s(gateway: &Gateway, server: &str) -> f64 {
    let of = |pid: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let ticks = |nth: usize| fields[nth].parse::<f64>().unwrap();
        // utime and stime, in hundredths.
        (ticks(11) + ticks(12)) / 100.0
    };
    gateway
        .children(server)
        .iter()
        .map(|(_, pid)| of(*pid))
        .sum()
}

/// It burns about as much as a test may before it serves.
const BURN: &str = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done;";

#[test]
fn rows_are_the_calls_that_were_made_and_sum_to_what_processes_used_and_what_is_paid() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let script = format!("{BURN} exec {}", fake_stdio_server().display());
    // A CPU second costs 1, memory nothing; the server elsewhere costs 730 a month: 1 an hour.
    let gateway = Gateway::start(&format!(
        "store: {{sample_interval: 100ms}}\ncost: {{currency: EUR, cpu_hour: 3600, gib_hour: 0, fixed: {{away: 730}}}}\nservers:\n  burn:\n    command: sh\n    args: {:?}\n  away:\n    url: {}\n",
        ["-c", &script],
        http.url()
    ));
    let burn = Client::modern(gateway.address, "burn");
    let away = Client::modern(gateway.address, "away");
    for _ in 0..6 {
        echo(&burn);
    }
    for _ in 0..2 {
        echo(&away);
    }
    let list = burn.call(fresh_id(), "tools/list", json!({}));
    assert_eq!(Wire::open(gateway.address, &list).answer().status(), 200);

    let cost = until("all calls, and all CPU of the child", || {
        let cost = answer(&gateway, &["attribution", "--since", "1h"]);
        let used = cpu_s(&gateway, "burn");
        let of_server = cost["servers"].as_array().unwrap().iter();
        let burnt = of_server.clone().find(|sum| sum["name"] == "burn")?;
        let seen = micro(&burnt["amount"]) as f64 / 1e6;
        let is_all = cost["calls"] == 9 && (seen - used).abs() <= used * 0.03 + 0.03;
        (used > 0.05 && is_all).then_some(cost)
    });
    let rows = cost["rows"].as_array().unwrap();
    let calls: BTreeMap<(&str, &str), u64> = rows
        .iter()
        .filter(|row| row["calls"] != 0)
        .map(|row| {
            let text = |key: &str| row[key].as_str().unwrap();
            (
                (text("server"), text("tool")),
                row["calls"].as_u64().unwrap(),
            )
        })
        .collect();
    let made = [
        (("burn", "echo"), 6),
        (("burn", "tools/list"), 1),
        (("away", "echo"), 2),
    ];
    assert_eq!(calls, BTreeMap::from(made));
    let sum: i64 = rows.iter().map(|row| micro(&row["amount"])).sum();
    assert_eq!(sum, micro(&cost["total"]));
    let of = |what: &str| rows.iter().filter(|row| row["what"] == what).count();
    assert_eq!((of("measured"), of("in_flight"), of("own")), (2, 1, 1));
    assert_eq!(cost["currency"], "EUR");
    assert_eq!(cost["has_placeholder_prices"], false);
    // An hour of the server elsewhere costs 1.
    let of_away = cost["servers"]
        .as_array()
        .unwrap()
        .iter()
        .find(|sum| sum["name"] == "away");
    assert_eq!(micro(&of_away.unwrap()["amount"]), 1_000_000, "{of_away:?}");
    assert_eq!(cost["notes"], json!([]));
}

/// With a price of 1 for each byte, a call costs what it carries: the load knows how much that is.
#[test]
fn the_recorded_cost_of_a_request_is_what_the_load_counts() {
    let http = FakeHttpUpstream::start(Eras::Both).unwrap();
    let gateway = Gateway::start(&format!(
        "store: {{sample_interval: 100ms}}\nrules: {{interval: 200ms}}\ncost: {{cpu_hour: 0, gib_hour: 0, transfer_gb: 1000000000}}\nservers:\n  plain: {{command: {}}}\n  away: {{url: {}}}\n",
        fake_stdio_server().display(),
        http.url()
    ));
    let client = Client::modern(gateway.address, "plain");
    let mut carried = 0;
    let mut calls = 0;
    let query = "/api/v1/query?query=mcp%3Acost_per_request%7Bserver%3D%22plain%22%7D";
    until("the cost of a request as the load counts it", || {
        carried += echo(&client);
        calls += 1;
        let got = serde_json::from_str::<Value>(&gateway.admin(query).text()).unwrap();
        let found = &got["data"]["result"][0];
        let value: f64 = found["value"][1].as_str()?.parse().unwrap();
        assert_eq!(found["metric"]["currency"], "USD");
        let want = carried as f64 / f64::from(calls);
        ((value / want - 1.0).abs() < 0.05).then_some(())
    });
    // The store has it, too, of each call by itself.
    let cost = until("all calls", || {
        let cost = answer(&gateway, &["attribution", "--since", "1h"]);
        (cost["calls"] == calls).then_some(cost)
    });
    assert_eq!(
        micro(&cost["total"]),
        1_000_000 * i64::try_from(carried).unwrap()
    );
}

#[test]
fn a_month_is_billed_and_logs_are_priced_from_the_own_store() {
    let yaml = format!(
        "cost: {{cpu_hour: 0.03, gib_hour: 0.004, fixed: {{database: 200}}, storage_gb_month: {{hot: 0.1}}, capacity_cores: 2, capacity_memory: 4GiB}}\nstore: {{sample_interval: 100ms, retention: 60d}}\nservers:\n  plain: {{command: {}}}\n",
        fake_stdio_server().display()
    );
    let gateway = Gateway::start(&yaml);
    echo(&Client::modern(gateway.address, "plain"));
    until("the record of the call", || {
        (answer(&gateway, &["attribution", "--since", "1h"])["calls"] == 1).then_some(())
    });
    let dir = gateway.dir();
    let measures = r#"[{"name": "smaller", "row": "CPU and memory", "saves": {"permille_of_row": 500}, "needs_fewer_nodes": true}]"#;
    std::fs::write(dir.path().join("plan.json"), measures).unwrap();

    let bill = answer(&gateway, &["report", "--measures", "plan.json"]);
    let rows = bill["rows"].as_array().unwrap();
    let names: Vec<_> = rows
        .iter()
        .map(|row| row["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["CPU and memory", "database"]);
    assert!(
        rows[0]["used_percent"].is_number() && rows[0]["room"].is_string(),
        "{bill}"
    );
    let sum: i64 = rows.iter().map(|row| micro(&row["amount"])).sum();
    assert_eq!(sum, micro(&bill["total"]));
    assert_eq!(bill["saved"], bill["saved_with_fewer_nodes"]);
    assert!(
        bill["arithmetic"]
            .to_string()
            .contains("there is no month before"),
        "{bill}"
    );
    let place = ["--data-dir", "data"];
    let (code, _, page) = cost(
        dir.path(),
        &[&["report", "--measures", "plan.json"], &place[..]].concat(),
    );
    assert_eq!(code, Some(0));
    assert!(page.contains("is saved only when nodes go"), "{page}");

    let logs = answer(&gateway, &["logs", "--retention", "14d"]);
    let kinds = logs["kinds"].as_array().unwrap();
    assert!(kinds.iter().any(|kind| kind["name"] == "call"), "{logs}");
    assert!(
        logs["notes"].to_string().contains("no file is sealed yet"),
        "{logs}"
    );
    // 14.5 of 60.5 days.
    let (now, then) = (micro(&logs["now"]), micro(&logs["then"]));
    assert!(
        now > 0 && (then * 605 - now * 145).abs() < 605 * 10,
        "{logs}"
    );
    let with = |more: &[&str]| cost(dir.path(), &[&["logs"], more, &place[..]].concat());
    let (code, _, part) = with(&["--retention", "14d", "--format", "store"]);
    assert_eq!(
        (code, part.as_str()),
        (Some(0), "store:\n  retention: 14d\n")
    );
    let (code, said, _) = with(&["--retention", "14d", "--audit", "call"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("would take audit logs with it"), "{said}");
    let (code, said, _) = with(&["--audit", "calls"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("no records of the kind `calls`"), "{said}");
}

#[test]
fn nothing_is_guessed_where_nothing_is_known() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    let (code, said, _) = cost(path, &["attribution", "--data-dir", "nowhere"]);
    assert_eq!(code, Some(3), "{said}");
    let (code, said, _) = cost(path, &["report", "--month", "2026-13"]);
    assert_eq!(code, Some(2));
    assert!(said.contains("`2026-13` is no month"), "{said}");
    let servers = "servers: {a: {command: x}}\n";
    for (price, want) in [
        ("-1", "wrong.yaml:2:18"),
        (".nan", "wrong.yaml:2:18"),
        ("2, disk_hour: 1", "unknown field `disk_hour`"),
    ] {
        write(
            "wrong.yaml",
            &format!("{servers}cost: {{cpu_hour: {price}}}\n"),
        );
        let args = [
            "attribution",
            "--config",
            "wrong.yaml",
            "--data-dir",
            "nowhere",
        ];
        let (code, said, _) = cost(path, &args);
        assert_eq!(code, Some(2), "{said}");
        assert!(
            said.contains(want) && said.contains("no prices can be taken"),
            "{said}"
        );
    }

    let gateway = Gateway::start(&format!(
        "servers:\n  plain: {{command: {}}}\n",
        fake_stdio_server().display()
    ));
    let cost_of = answer(&gateway, &["attribution"]);
    assert_eq!(
        (&cost_of["calls"], &cost_of["per_call"]),
        (&json!(0), &Value::Null)
    );
    assert_eq!(cost_of["has_placeholder_prices"], true);
    let bill = answer(&gateway, &["report"]);
    let said = bill["arithmetic"].to_string();
    for want in ["no call was recorded", "placeholders that nobody pays"] {
        assert!(said.contains(want), "{want}: {said}");
    }
}

/// The configuration here prices what a file leaves open, and a flag goes before it.
#[test]
fn prices_of_the_configuration_are_taken_where_a_file_and_flags_have_none() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path();
    let write = |name: &str, text: &str| std::fs::write(path.join(name), text).unwrap();
    write(
        "pilothouse.yaml",
        "servers: {a: {command: x}}\ncost: {currency: EUR, cpu_hour: 1, gib_hour: 0, storage_gb_month: {hot: 1, warm: 0}}\n",
    );
    write(
        "bill.json",
        r#"{"month": "October", "currency": "EUR", "rows": [{"name": "pods", "pods": {"count_milli": 1000, "cpu_milli": 1000, "memory_bytes": 0}}]}"#,
    );
    let (code, said, data) = cost(path, &["report", "bill.json"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(
        data.contains("730.00") && !data.contains("placeholder"),
        "{data}"
    );
    let usd = std::fs::read_to_string(path.join("bill.json"))
        .unwrap()
        .replace("EUR", "USD");
    write("usd.json", &usd);
    let (_, said, data) = cost(path, &["report", "usd.json"]);
    assert!(
        said.contains("the bill is in USD") && data.contains("placeholder"),
        "{said}{data}"
    );
    let plan = r#"{"rollover_days": 2, "warm_days": 9, "delete_days": 9, "hot_replicas": 0, "warm_replicas": 0}"#;
    write(
        "logs.json",
        &format!(
            r#"{{"kinds": [{{"name": "calls", "bytes_per_day": 1000000000}}], "now": {plan}, "then": {plan}, "storage": {{"stored_permille": 1000}}}}"#
        ),
    );
    let (code, said, data) = cost(path, &["logs", "logs.json"]);
    assert_eq!((code, said.as_str()), (Some(0), ""));
    assert!(
        data.contains("| Total | 10.00 | 10.00 | 0.00 |") && data.contains("EUR"),
        "{data}"
    );
    let mut csv = String::from("time,calls\n");
    for step in 0..160 {
        csv.push_str(&format!("{},600\n", 1_700_000_000 + step * 15));
    }
    write("calls.csv", &csv);
    let (_, said, data) = cost(path, &["simulate", "--arrivals", "calls.csv"]);
    assert!(
        data.contains("a pod-hour costs 0.25 (prices of `pilothouse.yaml`)"),
        "{said}{data}"
    );
    let (_, said, data) = cost(
        path,
        &["simulate", "--arrivals", "calls.csv", "--cpu-hour", "2"],
    );
    assert!(
        data.contains("a pod-hour costs 0.50 (one price as given"),
        "{said}{data}"
    );
}

//! A gateway whose server has a vulnerable package in its tree, and the advisories of its machine.

use crate::gateway::{Gateway, until};
use crate::http1::{Answer, Wire};
use ph_sim::fake_stdio_server;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;

/// An advisory of lodash up to 4.17.12.
pub(crate) fn lodash() -> String {
    advisory("GHSA-jf85-cpcp-j695", "lodash", "4.17.12")
}

/// A critical advisory of an npm package.
pub(crate) fn advisory(id: &str, package: &str, fixed: &str) -> String {
    json!({
        "schema_version": "1.7.0", "id": id, "modified": "2026-11-01T00:00:00Z", "summary": "pollutes prototypes",
        "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}],
        "affected": [{"package": {"ecosystem": "npm", "name": package},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]
    })
    .to_string()
}

/// A machine: its folder holds the configuration, `data`, and the server.
pub(crate) struct Machine {
    pub(crate) dir: Arc<TempDir>,
}

impl Machine {
    /// - `packages`: what is installed around the server's script, with the versions.
    pub(crate) fn new(packages: &[(&str, &str)]) -> Self {
        let this = Self {
            dir: Arc::new(tempfile::tempdir().unwrap()),
        };
        fs::create_dir_all(this.path("server/bin")).unwrap();
        // What a process is, is told from its words: a program of that name runs a script.
        symlink(fake_stdio_server(), this.path("server/bin/node")).unwrap();
        fs::write(this.path("server/server.js"), "").unwrap();
        let needed: serde_json::Map<_, _> = packages
            .iter()
            .map(|(name, version)| ((*name).to_owned(), json!(version)))
            .collect();
        let own = json!({"name": "files", "version": "1.0.0", "dependencies": needed});
        fs::write(this.path("server/package.json"), own.to_string()).unwrap();
        for (name, version) in packages {
            this.install(name, version);
        }
        this
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.dir.path().join(below)
    }

    pub(crate) fn install(&self, name: &str, version: &str) {
        let folder = self.path("server/node_modules").join(name);
        fs::create_dir_all(&folder).unwrap();
        let package = json!({"name": name, "version": version});
        fs::write(folder.join("package.json"), package.to_string()).unwrap();
    }

    /// Takes advisories as `pilothouse vuln db import` does.
    pub(crate) fn import(&self, records: &[String]) {
        for (index, record) in records.iter().enumerate() {
            let file = self.path(&format!("record-{index}.json"));
            fs::write(&file, record).unwrap();
            let file = file.display().to_string();
            let (code, text) = self.vuln(&["db", "import", &file]);
            assert_eq!(code, 0, "{text}");
        }
    }

    /// The configuration: one server, `files`.
    ///
    /// - `vuln`: the members of the block `vuln`, but its braces.
    /// - `more`: further top-level blocks.
    pub(crate) fn yaml(&self, vuln: &str, more: &str) -> String {
        format!(
            "vuln: {{{vuln}}}\n{more}servers:\n  files:\n    command: {}\n    args: [server.js]\n    cwd: {}\n    restart: {{backoff_min: 10ms, backoff_max: 50ms, crash_loop_max: 1000}}\n",
            self.path("server/bin/node").display(),
            self.path("server").display(),
        )
    }

    pub(crate) fn start(&self, yaml: &str) -> Gateway {
        let gateway = Gateway::launch_in(Arc::clone(&self.dir), yaml);
        until("every server's first health check", || {
            let answer = gateway.get("/readyz", "localhost");
            (answer.status() == 200).then_some(())
        });
        gateway
    }

    /// `pilothouse vuln …` about this data directory: its exit code, and what it said.
    pub(crate) fn vuln(&self, args: &[&str]) -> (i32, String) {
        let mut all = vec!["vuln"];
        all.extend(args);
        self.command(&all)
    }

    pub(crate) fn command(&self, args: &[&str]) -> (i32, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pilothouse"));
        command.args(args).arg("--data-dir");
        command
            .arg(self.path("data"))
            .current_dir(self.dir.path())
            .env_remove("PILOTHOUSE_ADMIN_KEY");
        let output = command.output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (
            output.status.code().unwrap(),
            String::from_utf8(text).unwrap(),
        )
    }

    /// The lines of the audit log.
    pub(crate) fn audit(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.path("data/logs/audit.log")).unwrap();
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

pub(crate) const CASES: &str = "/api/pilothouse/vulnerabilities";

/// All cases, with their histories.
pub(crate) fn cases(gateway: &Gateway) -> Vec<Value> {
    let answer = gateway.admin(&format!("{CASES}?history=true"));
    assert_eq!(answer.status(), 200, "{}", answer.text());
    let all: Value = serde_json::from_str(&answer.text()).unwrap();
    all["vulnerabilities"].as_array().unwrap().clone()
}

/// Waits for the case of an advisory.
pub(crate) fn case(gateway: &Gateway, advisory: &str) -> Value {
    until(&format!("a case of {advisory}"), || {
        let mut cases = cases(gateway).into_iter();
        cases.find(|case| case["advisory"] == advisory)
    })
}

/// Asks the admin listener for a change.
pub(crate) fn post(machine: &Machine, path: &str, body: &Value) -> Answer {
    let address = fs::read_to_string(machine.path("data/admin.addr")).unwrap();
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    Wire::open(address.trim().parse().unwrap(), request.as_bytes()).answer()
}

//! `vuln patch --apply`: what a package manager does, it does to a copy.

use crate::vulnerable::Machine;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What npm does here: what is needed by others is left by `update`, and the registry has no 4.17.12.
const NPM: &str = r#"
case "$1 $2" in
    "update --ignore-scripts") ;;
    "pkg set") echo "{\"overridden\": \"$3\"}" > package.json ;;
    "install --ignore-scripts")
        grep -q '=4.17.21"' package.json || { echo 'npm error notarget No matching version' >&2; exit 1; }
        echo '{"name": "lodash", "version": "4.17.21"}' > node_modules/lodash/package.json
        sed -i s/4.17.4/4.17.21/ package-lock.json ;;
    *) echo "npm error unknown: $*" >&2; exit 9 ;;
esac
"#;

/// A server whose package `async` needs lodash 4.17.4, and an npm.
fn machine(npm: &str) -> Machine {
    let machine = Machine::new(&[("async", "2.6.0"), ("lodash", "4.17.4")]);
    let needs = |version: &str| json!({"version": version, "dependencies": {"lodash": "4"}});
    let lock = json!({"name": "files", "version": "1.0.0", "lockfileVersion": 3, "packages": {
        "": {"name": "files", "version": "1.0.0", "dependencies": {"async": "2.6.0"}},
        "node_modules/async": needs("2.6.0"),
        "node_modules/lodash": {"version": "4.17.4"},
    }});
    fs::write(machine.path("server/package-lock.json"), lock.to_string()).unwrap();
    let own = json!({"name": "files", "version": "1.0.0", "dependencies": {"async": "2.6.0"}});
    fs::write(machine.path("server/package.json"), own.to_string()).unwrap();
    let of_async = json!({"name": "async", "version": "2.6.0", "dependencies": {"lodash": "4"}});
    let file = machine.path("server/node_modules/async/package.json");
    fs::write(file, of_async.to_string()).unwrap();
    fs::write(machine.path("pilothouse.yaml"), machine.yaml("", "")).unwrap();
    let advisory = json!({
        "schema_version": "1.7.0", "id": "GHSA-jf85-cpcp-j695", "modified": "2026-11-01T00:00:00Z",
        "summary": "pollutes prototypes",
        "affected": [{"package": {"ecosystem": "npm", "name": "lodash"}, "ranges": [{"type": "SEMVER", "events": [
            {"introduced": "0"}, {"fixed": "4.17.12"}, {"introduced": "4.17.14"}, {"fixed": "4.17.21"}]}]}]
    });
    machine.import(&[advisory.to_string()]);
    fs::create_dir(machine.path("path")).unwrap();
    let program = machine.path("path/npm");
    fs::write(&program, format!("#!/bin/sh\n{npm}")).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    machine
}

/// `pilothouse vuln patch …` with that npm: exit code, standard output, standard error.
fn patch(machine: &Machine, args: &[&str]) -> (i32, String, String) {
    let path = format!("{}:/usr/bin:/bin", machine.path("path").display());
    let output = Command::new(env!("CARGO_BIN_EXE_pilothouse"))
        .args(["vuln", "patch"])
        .args(args)
        .arg("--data-dir")
        .arg(machine.path("data"))
        .current_dir(machine.dir.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.code().unwrap(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// All files below a folder.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    all
}

#[test]
fn the_upgrade_is_made_on_a_copy_and_the_next_version_taken_where_the_least_is_not_to_be_had() {
    let machine = machine(NPM);
    let server = machine.path("server");
    let before = files(&server);
    let (code, out, err) = patch(&machine, &["files", "--apply", "--json"]);
    assert_eq!(code, 0, "{out}{err}");
    let said: Value = serde_json::from_str(&out).unwrap();
    let copy = machine.path("files.patched").canonicalize().unwrap();
    assert_eq!(said["copy"], copy.display().to_string());
    let upgrade = &said["upgrades"][0];
    assert_eq!(upgrade["to"], "4.17.21", "{out}");
    assert_eq!(
        upgrade["commands"],
        json!([
            "npm pkg set 'overrides[lodash]=4.17.21'",
            "npm install --ignore-scripts"
        ])
    );
    let why: Vec<_> = upgrade["tried"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["why"].as_str().unwrap())
        .collect();
    assert_eq!(
        why,
        [
            "ended well, and 4.17.4 is still at node_modules/lodash",
            "ended with exit code 1; its last words: npm error notarget No matching version"
        ]
    );
    assert_eq!(
        (&said["left"], &said["moves"]),
        (
            &json!([]),
            &json!([{"package": "npm/lodash", "from": ["4.17.4"], "to": ["4.17.21"]}])
        )
    );
    let line = said["replace"][0]["command"].as_str().unwrap();
    let (node, script) = (copy.join("bin/node"), copy.join("server.js"));
    let to = format!("--to '{} {}'", node.display(), script.display());
    assert!(
        line.starts_with("pilothouse replace files --to ") && line.contains(&to),
        "{line}"
    );
    assert!(script.is_file() && node.is_file());

    // The original is as it was, and so is a copy that is there when it is asked for again.
    assert_eq!(files(&server), before);
    let made = files(&copy);
    assert!(
        made.keys()
            .all(|path| !path.ends_with(".pilothouse-unfinished"))
    );
    let (code, out, err) = patch(&machine, &["files", "--apply"]);
    assert!(
        code == 2 && err.contains("is there already"),
        "{code} {out}{err}"
    );
    assert_eq!(files(&copy), made);

    // A folder is asked for as a server is, and says which server it is of.
    let (code, out, err) = patch(&machine, &["server", "--apply", "--only", "lodash"]);
    assert_eq!(code, 0, "{out}{err}");
    for part in [
        "lodash 4.17.4 -> 4.17.21",
        "not by   `npm update --ignore-scripts lodash`, which ended well",
        "moved: 4.17.21 (wanted 4.17.21)",
        "server.patched` ",
        "pilothouse replace files --to ",
    ] {
        assert!(out.replace(';', " ").contains(part), "{part}: {out}");
    }
    let (code, out, err) = patch(&machine, &["server", "--apply", "--only", "express"]);
    assert!(
        code == 2 && err.contains("nothing was found in `express`"),
        "{out}{err}"
    );
}

#[test]
fn of_an_upgrade_that_does_not_happen_its_last_words_are_left_and_nothing_else() {
    let npm =
        "touch node_modules/lodash/half\necho 'npm error network is unreachable' >&2\nexit 1\n";
    let machine = machine(npm);
    let before = files(&machine.path("server"));
    let (code, out, err) = patch(&machine, &["files", "--apply"]);
    assert_eq!(code, 2, "{out}{err}");
    for part in [
        "nothing was changed, and no copy is left",
        "lodash stays at 4.17.4",
        "`npm update --ignore-scripts lodash` ended with exit code 1",
        "npm error network is unreachable",
    ] {
        assert!(err.contains(part), "{part}: {err}");
    }
    assert!(out.is_empty(), "{out}");
    assert!(!machine.path("files.patched").exists());
    assert_eq!(files(&machine.path("server")), before);
}

#[test]
fn without_the_flag_nothing_is_run() {
    let machine = machine("echo ran > \"$0.ran\"\n");
    let (code, out, err) = patch(&machine, &["server"]);
    assert_eq!(code, 1, "{out}{err}");
    assert!(
        out.contains("instead  4.17.21 (where the registry has no 4.17.12)"),
        "{out}"
    );
    assert!(!machine.path("path/npm.ran").exists() && !machine.path("server.patched").exists());
}

#[test]
fn of_what_cannot_be_seen_it_does_not_say_that_no_upgrade_is_needed() {
    let machine = machine(NPM);
    let yaml = "servers:\n  far: {url: \"http://127.0.0.1:9/mcp\"}\n";
    fs::write(machine.path("pilothouse.yaml"), yaml).unwrap();
    let (code, out, err) = patch(&machine, &["far", "--apply"]);
    assert_eq!(code, 3, "{out}{err}");
    assert!(
        out.contains("whether it needs an upgrade is not known") && out.contains("not checked  "),
        "{out}{err}"
    );
    assert!(!machine.path("far.patched").exists());
}

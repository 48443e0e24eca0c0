//! Purity: what decides has no async, no I/O, no clock and no randomness, so that its tests need none
//! and the same inputs always give the same answer.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::finding::Finding;
use crate::repo::Repo;
use crate::source;

const PURE: &[&str] = &[
    "ph-base",
    "ph-mcp",
    "ph-promql",
    "ph-record",
    "ph-plan",
    "ph-policy",
    "ph-rules",
    "ph-ledger",
    "ph-inventory",
    "ph-cost",
    "ph-vuln",
    "ph-exposure",
    "ph-artifacts",
];

/// No pure crate is built from one of these, not even through another crate.
const IMPURE_CRATES: &[&str] = &["hyper", "mio", "rustix", "socket2", "tokio"];

/// What no pure crate says outside its tests.
const IMPURE_CODE: &[(&str, &str)] = &[
    ("Instant::now", "take the time as an argument"),
    ("SystemTime::now", "take the time as an argument"),
    ("std::fs", "take the bytes as an argument"),
    (
        "std::net",
        "take the bytes as an argument; address types are in `core::net`",
    ),
    (
        "std::process",
        "ask for it in the returned value; a crate of layer 4 does it",
    ),
    (
        "std::thread",
        "a pure function runs on the thread of its caller",
    ),
    ("std::env", "take the value as an argument"),
    (
        "async fn",
        "return what is to be done; a crate of layer 4 awaits it",
    ),
    (
        "async move",
        "return what is to be done; a crate of layer 4 awaits it",
    ),
    (
        ".await",
        "return what is to be done; a crate of layer 4 awaits it",
    ),
    ("getrandom", "take the random bytes as an argument"),
    (
        "RandomState",
        "take the seed as an argument, or use an ordered map",
    ),
];

/// The places where purity ends on purpose: (file, word, reason).
const EXCEPT: &[(&str, &str, &str)] = &[
    (
        "crates/ph-base/src/ids.rs",
        "RandomState",
        "an id is random by its nature",
    ),
    (
        "crates/ph-base/src/ids.rs",
        "getrandom",
        "an id is random by its nature",
    ),
];

pub(crate) fn check(repo: &Repo) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let graph = Graph::read(repo.metadata()?)?;
    for name in PURE {
        for impure in IMPURE_CRATES {
            if let Some(way) = graph.way(name, impure) {
                findings.push(Finding::new(
                    format!("crates/{name}/Cargo.toml"),
                    1,
                    format!(
                        "the pure crate `{name}` is built from `{impure}`: {}",
                        way.join(" → ")
                    ),
                    "move what needs it to a crate of layer 2 or 4",
                ));
            }
        }
    }
    for path in repo.rust_files() {
        let pure = PURE
            .iter()
            .any(|name| path.starts_with(&format!("crates/{name}/src/")));
        if pure && !source::is_test_file(path) {
            findings.extend(impure_code(path, &repo.text(path).unwrap_or_default()));
        }
    }
    Ok(findings)
}

fn impure_code(path: &str, text: &str) -> Vec<Finding> {
    let code = source::without_tests(&source::code_of(text));
    let mut found = Vec::new();
    for (word, hint) in IMPURE_CODE {
        if EXCEPT
            .iter()
            .any(|(file, excepted, _)| *file == path && excepted == word)
        {
            continue;
        }
        for at in places_of(&code, word) {
            let line = source::line_of(&code, at);
            found.push(Finding::new(
                path,
                line,
                format!("`{word}` in a pure crate"),
                *hint,
            ));
        }
    }
    found
}

/// Where the word stands, also when it is imported as `use std::{fs, …}`.
fn places_of(code: &str, word: &str) -> Vec<usize> {
    let mut places = source::uses_of(code, word);
    if let Some(module) = word.strip_prefix("std::") {
        for group in source::uses_of(code, "use std::{") {
            let end = code[group..]
                .find(';')
                .map_or(code.len(), |length| group + length);
            let names = source::uses_of(&code[group..end], module);
            // A path below another module (`path::fs`) is not the module itself.
            let is_root = |at: &usize| !code[..group + at].trim_end().ends_with(':');
            places.extend(names.iter().filter(|at| is_root(at)).map(|at| group + at));
        }
        if module == "net" {
            let end_of_path = |at: usize| at + code[at..].find("net").map_or(0, |found| found + 3);
            places.retain(|at| !names_addresses(&code[end_of_path(*at)..]));
        }
    }
    places
}

/// The types of `std::net` that are plain values.
const ADDRESSES: &[&str] = &[
    "AddrParseError",
    "IpAddr",
    "Ipv4Addr",
    "Ipv6Addr",
    "SocketAddr",
    "SocketAddrV4",
    "SocketAddrV6",
];

/// Whether what follows the path of `std::net` names addresses and nothing else.
fn names_addresses(after: &str) -> bool {
    let Some(names) = after.strip_prefix("::") else {
        return false;
    };
    let names = match names.strip_prefix('{') {
        Some(group) => group.split('}').next().unwrap_or(group),
        None => names
            .split(|c: char| !c.is_alphanumeric())
            .next()
            .unwrap_or(names),
    };
    names
        .split(',')
        .map(str::trim)
        .all(|name| name.is_empty() || ADDRESSES.contains(&name))
}

/// Package id → the ids of what its normal build needs.
struct Graph<'a> {
    uses: BTreeMap<&'a str, Vec<&'a str>>,
    names: BTreeMap<&'a str, &'a str>,
}

impl<'a> Graph<'a> {
    fn read(metadata: &'a Value) -> Result<Self> {
        let packages = metadata["packages"]
            .as_array()
            .context("`cargo metadata` lists no packages")?;
        let names = packages
            .iter()
            .filter_map(|package| Some((package["id"].as_str()?, package["name"].as_str()?)))
            .collect();
        let nodes = metadata["resolve"]["nodes"]
            .as_array()
            .context("`cargo metadata` lists no nodes")?;
        let uses = nodes
            .iter()
            .filter_map(|node| Some((node["id"].as_str()?, normal_uses(node))))
            .collect();
        Ok(Self { uses, names })
    }

    /// The shortest way from one package to another by name, both ends included.
    fn way(&self, from: &str, to: &str) -> Option<Vec<&'a str>> {
        let start = self
            .names
            .iter()
            .find(|(_, name)| **name == from)
            .map(|(id, _)| *id)?;
        let mut seen = BTreeSet::from([start]);
        let mut ways = vec![vec![start]];
        while !ways.is_empty() {
            let mut longer = Vec::new();
            for way in ways {
                for next in self.uses.get(way.last()?).into_iter().flatten() {
                    let extended: Vec<&str> = way.iter().copied().chain([*next]).collect();
                    if self.names.get(next).is_some_and(|name| *name == to) {
                        return Some(
                            extended
                                .iter()
                                .filter_map(|id| self.names.get(id))
                                .copied()
                                .collect(),
                        );
                    }
                    if seen.insert(next) {
                        longer.push(extended);
                    }
                }
            }
            ways = longer;
        }
        None
    }
}

fn normal_uses(node: &Value) -> Vec<&str> {
    let is_normal = |dependency: &&Value| {
        dependency["dep_kinds"]
            .as_array()
            .is_some_and(|kinds| kinds.iter().any(|kind| kind["kind"].is_null()))
    };
    node["deps"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(is_normal)
        .filter_map(|dependency| dependency["pkg"].as_str())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_code(path: &str, text: &str, want: &[(usize, &str)]) {
        let got = impure_code(path, text);
        let got: Vec<(usize, &str)> = got
            .iter()
            .map(|found| (found.line, found.problem.as_str()))
            .collect();
        assert_eq!(got, want, "{text:?}");
    }

    #[test]
    fn impure_code_is_found() {
        let path = "crates/ph-mcp/src/a.rs";
        check_code(path, "use std::fs;", &[(1, "`std::fs` in a pure crate")]);
        check_code(
            path,
            "use std::{\n    fmt, fs::File,\n};",
            &[(2, "`std::fs` in a pure crate")],
        );
        check_code(path, "use std::{path::fs, fmt}; fs();", &[]);
        check_code(
            path,
            "let t = Instant::now();",
            &[(1, "`Instant::now` in a pure crate")],
        );
        check_code(path, "a().await", &[(1, "`.await` in a pure crate")]);
        check_code(path, "// Instant::now\nf(\"std::fs\")", &[]);
        check_code(path, "use std::net::{IpAddr, SocketAddr};", &[]);
        check_code(path, "use std::{fmt, net::SocketAddr, str};", &[]);
        check_code(path, "fn f(a: std::net::SocketAddr) {}", &[]);
        let socket = [(1, "`std::net` in a pure crate")];
        check_code(path, "use std::net::{IpAddr, TcpStream};", &socket);
        check_code(path, "use std::{fmt, net::TcpStream};", &socket);
        check_code(path, "use std::net;", &socket);
        check_code(path, "use std::net::ToSocketAddrs as _;", &socket);
        check_code(path, "#[cfg(test)]\nmod tests { use std::fs; }", &[]);
    }

    #[test]
    fn exceptions_hold_for_one_file() {
        check_code("crates/ph-base/src/ids.rs", "getrandom::fill(x)", &[]);
        check_code(
            "crates/ph-base/src/era.rs",
            "getrandom::fill(x)",
            &[(1, "`getrandom` in a pure crate")],
        );
    }

    #[test]
    fn the_way_to_an_impure_crate_is_shown() {
        let normal = |pkg: &str| serde_json::json!({ "pkg": pkg, "dep_kinds": [{ "kind": null }] });
        let dev = |pkg: &str| serde_json::json!({ "pkg": pkg, "dep_kinds": [{ "kind": "dev" }] });
        let metadata = serde_json::json!({
            "packages": [
                { "id": "1", "name": "ph-mcp" }, { "id": "2", "name": "middle" },
                { "id": "3", "name": "tokio" }, { "id": "4", "name": "mio" },
            ],
            "resolve": { "nodes": [
                { "id": "1", "deps": [normal("2"), dev("4")] },
                { "id": "2", "deps": [normal("1"), normal("3")] },
                { "id": "3", "deps": [] }, { "id": "4", "deps": [] },
            ]},
        });
        let graph = Graph::read(&metadata).unwrap();
        assert_eq!(
            graph.way("ph-mcp", "tokio").unwrap(),
            ["ph-mcp", "middle", "tokio"]
        );
        assert_eq!(graph.way("ph-mcp", "mio"), None);
    }
}

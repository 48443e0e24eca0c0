//! `cargo xtask sbom FILE`: what the binary is made of, as CycloneDX 1.6.
//!
//! The crates are those that cargo links for this target, each with the features that it is built with, and those that
//! only run while building, which are `excluded`; the packages are those that the console's bundle holds. Without a
//! time in it: the same sources give the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};
use ph_inventory::cyclonedx::{self, Bom, Spec};
use ph_inventory::{Component, Inventory};
use serde_json::{Value, json};

use crate::repo::{Repo, cargo, output};
use crate::{Verdict, say};

const PACKAGE: &str = "pilothouse";
const CRATES: &str = "Cargo.lock";
const PACKAGES: &str = "console/package-lock.json";
/// What `npm run build` has written is in the binary when it is there.
const CONSOLE: &str = "console/dist";
/// Between the columns of `cargo tree`.
const TAB: char = '\t';

/// Writes it.
pub(crate) fn run(repo: &Repo, args: &[String]) -> Result<Verdict> {
    let [file] = args else {
        bail!("`sbom` takes the file to write");
    };
    let linked = tree(repo, "normal,no-proc-macro")?;
    let built = tree(repo, "normal,build")?;
    let crates = keep(read(repo, CRATES)?, |one| {
        let key = key(one);
        one.is_dev = !linked.contains_key(&key);
        built.contains_key(&key)
    });
    let console = if repo.root().join(CONSOLE).is_dir() {
        keep(read(repo, PACKAGES)?, |one| !one.is_dev)
    } else {
        Inventory::default()
    };
    let counts = (
        crates.components.iter().filter(|one| !one.is_dev).count(),
        crates.components.iter().filter(|one| one.is_dev).count(),
        console.components.len(),
    );
    ensure!(counts.0 > 0, "{CRATES} names nothing that cargo links");
    let bytes = document(&Inventory::join([crates, console]), &built)?;
    let path = Path::new(file);
    std::fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    let (linked, only_built, packages) = counts;
    say(&format!(
        "{file}: {linked} crates, {only_built} more to build them, {packages} packages of the console"
    ));
    Ok(Verdict::Clean)
}

/// A crate: name and version.
type Key = (String, String);

/// Of a crate: its features and its licence.
#[derive(Debug, PartialEq, Eq)]
struct About {
    features: String,
    license: String,
}

/// What cargo builds for this machine.
///
/// - `edges`: the kinds of dependencies that count.
fn tree(repo: &Repo, edges: &str) -> Result<BTreeMap<Key, About>> {
    let text = output(Command::new(cargo()).current_dir(repo.root()).args([
        "tree",
        "--locked",
        "--package",
        PACKAGE,
        "--edges",
        edges,
        "--prefix",
        "none",
        "--format",
        &format!("{{p}}{TAB}{{f}}{TAB}{{l}}"),
    ]))?;
    text.lines().map(line).collect()
}

/// `serde v1.0.228<tab>default,derive<tab>MIT OR Apache-2.0 (*)`
fn line(line: &str) -> Result<(Key, About)> {
    let line = line.trim_end().trim_end_matches(" (*)");
    let mut columns = line.split(TAB);
    let mut next = || columns.next().unwrap_or_default().to_owned();
    let (package, features, license) = (next(), next(), next());
    let mut words = package.split(' ');
    let name = words.next().unwrap_or_default().to_owned();
    let version = words.next().and_then(|version| version.strip_prefix('v'));
    let version = version.with_context(|| format!("`cargo tree` wrote `{line}`"))?;
    // What crates wrote before there were expressions.
    let license = license.replace('/', " OR ");
    Ok(((name, version.to_owned()), About { features, license }))
}

fn key(component: &Component) -> Key {
    let version = component.version.clone().unwrap_or_default();
    (component.name.clone(), version)
}

fn read(repo: &Repo, path: &str) -> Result<Inventory> {
    let text = repo.text(path);
    let text = text.with_context(|| format!("{path} is not there"))?;
    let read = ph_inventory::read::file(path, text.as_bytes())?;
    read.with_context(|| format!("{path} is no lockfile"))
}

/// Those that are wanted, and who needs whom among them.
fn keep(inventory: Inventory, mut wanted: impl FnMut(&mut Component) -> bool) -> Inventory {
    let Inventory {
        components,
        unchecked,
        files,
    } = inventory;
    let mut places = BTreeMap::new();
    let mut kept = Vec::new();
    for (was, mut component) in components.into_iter().enumerate() {
        if wanted(&mut component) {
            places.insert(was, kept.len());
            kept.push(component);
        }
    }
    for component in &mut kept {
        let needed = component.needed_by.iter().filter_map(|was| places.get(was));
        component.needed_by = needed.copied().collect();
    }
    Inventory {
        components: kept,
        unchecked,
        files,
    }
}

fn document(inventory: &Inventory, crates: &BTreeMap<Key, About>) -> Result<Vec<u8>> {
    let version = env!("CARGO_PKG_VERSION");
    let bom = Bom {
        subject: PACKAGE,
        spec: Spec::V1_6,
        timestamp: None,
        tool_version: version,
    };
    let mut document: Value = serde_json::from_slice(&cyclonedx::write(inventory, bom))?;
    document["metadata"]["component"]["version"] = json!(version);
    document["metadata"]["component"]["licenses"] = json!([{"expression": "Apache-2.0"}]);
    let entries = document["components"].as_array_mut();
    let entries = entries.context("the document has no components")?;
    let mut without = BTreeSet::new();
    for (entry, component) in entries.iter_mut().zip(&inventory.components) {
        let Some(about) = crates
            .get(&key(component))
            .filter(|_| component.file == CRATES)
        else {
            continue;
        };
        if about.license.is_empty() {
            without.insert(component.name.clone());
        } else {
            entry["licenses"] = json!([{"expression": about.license}]);
        }
        if !about.features.is_empty() {
            entry["properties"] = json!([{"name": "cargo:features", "value": about.features}]);
        }
    }
    ensure!(without.is_empty(), "without a licence: {without:?}");
    let mut bytes = serde_json::to_vec_pretty(&document)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_cargo_are_read() {
        let (key, about) = line("clap v4.6.9\tderive,std\tMIT/Apache-2.0 (*)").unwrap();
        assert_eq!(key, ("clap".to_owned(), "4.6.9".to_owned()));
        assert_eq!(about.features, "derive,std");
        assert_eq!(about.license, "MIT OR Apache-2.0");
        let (key, about) = line("pilothouse v0.1.0 (/x/y)\t\tApache-2.0").unwrap();
        assert_eq!(
            (key.0.as_str(), about.features.as_str()),
            ("pilothouse", "")
        );
        assert!(line("nothing").is_err());
    }

    #[test]
    fn what_is_not_built_is_left_out() {
        let lock = br#"version = 4
[[package]]
name = "own"
version = "0.1.0"
dependencies = ["a", "t"]
[[package]]
name = "a"
version = "1.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["b"]
[[package]]
name = "b"
version = "2.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
[[package]]
name = "t"
version = "3.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
dependencies = ["b"]
"#;
        let inventory = ph_inventory::read::file("Cargo.lock", lock)
            .unwrap()
            .unwrap();
        let kept = keep(inventory, |one| {
            one.is_dev = one.name == "b";
            one.name != "t"
        });
        let about = |license: &str| About {
            features: "std".into(),
            license: license.into(),
        };
        let crates = BTreeMap::from([
            (("a".to_owned(), "1.0.0".to_owned()), about("MIT")),
            (("b".to_owned(), "2.0.0".to_owned()), about("ISC")),
        ]);
        let document: Value = serde_json::from_slice(&document(&kept, &crates).unwrap()).unwrap();
        let names = document["components"].as_array().unwrap().iter();
        let names: Vec<_> = names.map(|c| (&c["name"], &c["scope"])).collect();
        assert_eq!(
            names,
            [
                (&json!("a"), &json!("required")),
                (&json!("b"), &json!("excluded"))
            ]
        );
        assert_eq!(
            document["components"][0]["licenses"][0]["expression"],
            "MIT"
        );
        assert_eq!(document["components"][1]["properties"][0]["value"], "std");
        let needs = document["dependencies"].to_string();
        assert!(
            needs.contains(r#""dependsOn":["pkg:cargo/b@2.0.0"]"#),
            "{needs}"
        );
        assert!(!needs.contains("cargo/t@"), "{needs}");
    }
}

//! The ConfigMap: the configuration as it was written, with the rule files that it names.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::kubernetes::object::Object;
use crate::kubernetes::{Configuration, Kubernetes};
use crate::yaml::{Map, Yaml};

pub(crate) const FOLDER: &str = "/etc/pilothouse";
pub(crate) const PATH: &str = "/etc/pilothouse/pilothouse.yaml";
const KEY: &str = "pilothouse.yaml";

/// What one object holds at most, in bytes; the names of keys and the object itself are to fit, too.
pub(crate) const BYTES_MAX: usize = 1_000_000;

const ABOUT: &str = "\
The configuration as it was written: `${NAME}` and `file:` stay references, no secret is here. A change reaches running
pods within a minute, and is taken without a restart; the checksum at the Deployment makes new ones of them as well.";

pub(crate) fn config_map(of: &Configuration<'_>, to: &Kubernetes) -> Object {
    let mut data = Map::new().with(KEY, lines(of.text));
    for (nth, text) in of.rules.values().enumerate() {
        data.put(&key(nth), lines(text));
    }
    let mut object = Object::named("v1", "ConfigMap", &name(to), to, ABOUT);
    object.file = "configmap.yaml".to_owned();
    object.with("data", data)
}

pub(crate) fn name(to: &Kubernetes) -> String {
    format!("{}-config", to.name)
}

/// Of the Secret that has the variables.
pub(crate) fn secret_name(to: &Kubernetes) -> String {
    format!("{}-env", to.name)
}

/// The volume: each file in its place, since a key cannot have folders.
pub(crate) fn volume(of: &Configuration<'_>, to: &Kubernetes) -> Map {
    let item = |key: &str, path: &str| Yaml::from(Map::new().with("key", key).with("path", path));
    let mut items = vec![item(KEY, KEY)];
    for (nth, path) in of.rules.keys().enumerate() {
        items.push(item(&key(nth), path.strip_prefix("./").unwrap_or(path)));
    }
    Map::new().with("name", name(to)).with("items", items)
}

fn key(nth: usize) -> String {
    format!("rules-{}.yml", nth + 1)
}

/// Of all that is in it.
pub(crate) fn checksum(of: &Configuration<'_>) -> String {
    let mut hash = Sha256::new();
    for (path, text) in [(KEY, of.text)].into_iter().chain(
        of.rules
            .iter()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    ) {
        for part in [path, text] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    hash.finalize().iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Lines that stay lines, where YAML can be told them so.
fn lines(text: &str) -> Yaml {
    let is_plain = |c: char| c == '\n' || !c.is_control() && c != '\u{feff}';
    let first = text.lines().find(|line| !line.trim().is_empty());
    let begins_plainly = first.is_some_and(|line| !line.starts_with(' '));
    let ends_plainly = text.ends_with('\n') && !text.ends_with("\n\n");
    // NEL and the separators of Unicode are line ends to some readers.
    let has_others = text.contains(['\u{85}', '\u{2028}', '\u{2029}']);
    if begins_plainly && ends_plainly && text.chars().all(is_plain) && !has_others {
        Yaml::Script(text.lines().map(str::to_owned).collect())
    } else {
        Yaml::Word(serde_json::Value::from(text).to_string())
    }
}

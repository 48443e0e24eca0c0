//! `go.mod`, `go.sum`, and what programs of Go say of themselves.

mod program;

use std::collections::{HashMap, HashSet};

use crate::draft::Draft;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::{Component, Ecosystem, Inventory, Unchecked};

pub(crate) use program::read as program;

/// What is said of a `go.mod` that leaves out what only other modules need; [`Inventory::join`] looks for it.
pub(crate) const ONLY_DIRECT: &str =
    "before Go 1.17 this file does not list what only other modules need: go.sum does";

/// Reads a module file. `replace` is applied; modules in folders are the project's own code.
///
/// - errors: a `require` or `replace` that is not understood.
pub(crate) fn go_mod(source: Source<'_>) -> Result<Inventory, ReadError> {
    let mut draft = Draft::new(source);
    let mut required = Vec::new();
    let mut replaced: HashMap<(&str, Option<&str>), Vec<&str>> = HashMap::new();
    let mut block = None;
    let mut go = (1, 16);
    for (at, line) in source.lines() {
        let (code, comment) = line.split_once("//").unwrap_or((line, ""));
        let mut words: Vec<&str> = code
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '`']))
            .collect();
        if words == [")"] {
            block = None;
            continue;
        }
        let verb = match block {
            Some(verb) => verb,
            None if words.is_empty() => continue,
            None => words.remove(0),
        };
        if words == ["("] {
            block = Some(verb);
            continue;
        }
        match (verb, words.as_slice()) {
            (_, []) => {}
            ("require", [module, version]) => {
                required.push((at, *module, *version, comment.trim() == "indirect"));
            }
            ("replace", [module, "=>", to @ ..]) => {
                replaced.insert((module, None), to.to_vec());
            }
            ("replace", [module, version, "=>", to @ ..]) => {
                replaced.insert((module, Some(version)), to.to_vec());
            }
            ("require" | "replace", _) => {
                return Err(source.error(at, format!("this `{verb}` is not understood")));
            }
            ("go", [version, ..]) => {
                let mut parts = version.split('.').map(|part| part.parse().unwrap_or(0));
                go = (parts.next().unwrap_or(0), parts.next().unwrap_or(0));
            }
            _ => {}
        }
    }
    if go < (1, 17) {
        draft.unchecked(source.file, ONLY_DIRECT);
    }
    for (at, module, version, is_indirect) in required {
        let to = replaced
            .get(&(module, Some(version)))
            .or_else(|| replaced.get(&(module, None)));
        let (module, version) = match to.map(Vec::as_slice) {
            None => (module, version),
            Some([module, version]) => (*module, *version),
            Some(_) => {
                draft.unchecked(module, "replaced by a local folder");
                continue;
            }
        };
        let component = Component {
            is_direct: !is_indirect,
            ..self::module(module, version)
        };
        draft.add(at, component)?;
    }
    Ok(draft.finish())
}

/// Reads the hashes of modules. Of a module whose code was fetched in several versions the last one counts: lines are
/// sorted, and only the one that is built needs its code.
///
/// - errors: a line that is not module, version and hash.
pub(crate) fn go_sum(source: Source<'_>) -> Result<Inventory, ReadError> {
    let mut draft = Draft::new(source);
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (at, line) in source.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] => {}
            [_, version, _] if version.ends_with("/go.mod") => {}
            [name, version, _] => match last.get(name) {
                Some(index) => draft.components()[*index] = module(name, version),
                None => {
                    last.insert(name, draft.add(at, module(name, version))?);
                }
            },
            _ => return Err(source.error(at, "expected module, version and hash")),
        }
    }
    for component in draft.components() {
        source.file.clone_into(&mut component.file);
    }
    Ok(draft.finish())
}

/// Leaves out of each `go.sum` what the `go.mod` of its folder lists, or all of it where that lists everything.
pub(crate) fn settle_sums(parts: &mut [Inventory]) {
    let folder_of = |part: &Inventory, name: &str| {
        let file = part.files.first()?;
        Some(file.strip_suffix(name)?.to_owned())
    };
    for sum in 0..parts.len() {
        let Some(folder) = folder_of(&parts[sum], "go.sum") else {
            continue;
        };
        let beside = parts
            .iter()
            .position(|part| folder_of(part, "go.mod").as_ref() == Some(&folder));
        let Some(beside) = beside else { continue };
        let is_short = |unchecked: &Unchecked| unchecked.why == ONLY_DIRECT;
        let is_whole = !parts[beside].unchecked.iter().any(is_short);
        parts[beside]
            .unchecked
            .retain(|unchecked| !is_short(unchecked));
        let listed: HashSet<String> = parts[beside]
            .components
            .iter()
            .map(|component| component.name.clone())
            .collect();
        parts[sum]
            .components
            .retain(|component| !is_whole && !listed.contains(&component.name));
    }
}

fn module(name: &str, version: &str) -> Component {
    Component {
        version: Some(version.strip_prefix('v').unwrap_or(version).to_owned()),
        ..Component::new(Ecosystem::Go, name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(inventory: &Inventory) -> Vec<String> {
        let one = |c: &Component| {
            let direct = if c.is_direct { " direct" } else { "" };
            format!("{}@{}{direct}", c.name, c.version.as_deref().unwrap())
        };
        inventory.components.iter().map(one).collect()
    }

    const MOD: &str = "module host.example/own\n\ngo 1.22.1\n\nrequire host.example/a v1.0.0\nrequire (\n\
        \thost.example/b/v2 v2.1.0+incompatible // indirect\n\t\"host.example/c\" v0.0.0-20240101000000-abcdefabcdef\n\
        \thost.example/d v1.0.0\n)\nreplace (\n\thost.example/a v1.0.0 => host.example/fork v1.5.0\n\
        \thost.example/d => ./d\n)\nexclude host.example/b/v2 v2.0.0\nretract [v1.0.0, v1.1.0]\n";

    #[test]
    fn modules_and_replacements() {
        let file = "go.mod";
        let inventory = go_mod(Source { file, text: MOD }).unwrap();
        assert_eq!(
            shown(&inventory),
            [
                "host.example/fork@1.5.0 direct",
                "host.example/b/v2@2.1.0+incompatible",
                "host.example/c@0.0.0-20240101000000-abcdefabcdef direct",
            ]
        );
        assert_eq!(inventory.unchecked[0].what, "host.example/d");
        let error = go_mod(Source {
            file,
            text: "require (\n a\n)",
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "go.mod:2:1: this `require` is not understood"
        );
    }

    #[test]
    fn of_the_hashes_the_last_version_counts() {
        let text = "host.example/a v1.0.0 h1:x=\nhost.example/a v1.0.0/go.mod h1:x=\nhost.example/a v1.2.0 h1:x=\n\
            host.example/b v0.1.0/go.mod h1:x=\n";
        let file = "sub/go.sum";
        let sum = go_sum(Source { file, text }).unwrap();
        assert_eq!(shown(&sum), ["host.example/a@1.2.0"]);
        let error = go_sum(Source {
            file,
            text: "a b\n",
        })
        .unwrap_err();
        assert_eq!(
            error.to_string(),
            "sub/go.sum:1:1: expected module, version and hash"
        );
    }

    #[test]
    fn beside_a_module_file_only_what_it_leaves_out_counts() {
        let sum = || {
            let text = "host.example/a v1.0.0 h1:x=\nhost.example/z v1.0.0 h1:x=\n";
            go_sum(Source {
                file: "x/go.sum",
                text,
            })
            .unwrap()
        };
        let module = |go: &str| {
            let text = format!("go {go}\nrequire host.example/a v1.0.0\n");
            go_mod(Source {
                file: "x/go.mod",
                text: &text,
            })
            .unwrap()
        };
        assert_eq!(
            shown(&Inventory::join([module("1.22"), sum()])),
            ["host.example/a@1.0.0 direct"]
        );
        let old = Inventory::join([module("1.16"), sum()]);
        assert_eq!(
            shown(&old),
            ["host.example/a@1.0.0 direct", "host.example/z@1.0.0"]
        );
        assert_eq!(old.unchecked, []);
        assert_eq!(Inventory::join([sum()]).components.len(), 2);
    }
}

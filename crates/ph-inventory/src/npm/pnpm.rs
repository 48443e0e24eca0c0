//! `pnpm-lock.yaml`, versions 5 to 9.

use std::collections::HashMap;

use crate::draft::Draft;
use crate::npm::name_and_range;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::{Node, yaml};
use crate::{Component, Ecosystem, Inventory};

/// Reads a lockfile of pnpm.
///
/// - errors: not YAML, no version, or a key of `packages` that names no package.
pub(crate) fn pnpm(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = yaml::read(source)?;
    let version = root.get("lockfileVersion").and_then(Node::scalar);
    let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
    let Some(major) = major else {
        return Err(source.error(root.at, "no lockfile of pnpm: `lockfileVersion` is missing"));
    };
    if !(5..=9).contains(&major) {
        let text = format!("version {major} of this file is not known; 5 to 9 are");
        return Err(source.error(root.get("lockfileVersion").map_or(0, |node| node.at), text));
    }
    let mut draft = Draft::new(source);
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (key, entry) in root.get("packages").map_or(&[][..], Node::entries) {
        let (name, version) = package(key, entry, major)
            .ok_or_else(|| source.error(entry.at, "this key names no package and version"))?;
        let component = Component {
            version: Some(version.to_owned()),
            path: key.to_string(),
            is_dev: entry.is_true("dev"),
            is_optional: entry.is_true("optional"),
            ..Component::new(Ecosystem::Npm, name)
        };
        places.insert(key, draft.add(entry.at, component)?);
    }
    // Since version 9 what a package needs stands apart from what it is.
    let needs = root.get("snapshots").or_else(|| root.get("packages"));
    for (key, entry) in needs.map_or(&[][..], Node::entries) {
        let Some(one) = find(key, &places) else {
            continue;
        };
        for field in ["dependencies", "optionalDependencies"] {
            for (name, reference) in entry.get(field).map_or(&[][..], Node::entries) {
                if let Some(other) = resolve(name, reference, &places) {
                    draft.needs(one, other)?;
                }
            }
        }
    }
    roots(&root, &places, &mut draft)?;
    draft.mark_direct();
    if major >= 9 {
        draft.mark_dev();
    }
    Ok(draft.finish())
}

/// What the projects themselves name: `importers`, or the top of the file where there is one project.
fn roots(
    root: &Node<'_>,
    places: &HashMap<&str, usize>,
    draft: &mut Draft<'_>,
) -> Result<(), ReadError> {
    let importers = root.get("importers").map_or(&[][..], Node::entries);
    let projects = importers.iter().map(|(_, project)| project);
    for project in projects.chain([root]) {
        for field in ["dependencies", "optionalDependencies", "devDependencies"] {
            for (name, reference) in project.get(field).map_or(&[][..], Node::entries) {
                match resolve(name, reference, places) {
                    Some(other) if field == "devDependencies" => draft.dev_root(other)?,
                    Some(other) => draft.root(other)?,
                    None => {}
                }
            }
        }
    }
    Ok(())
}

/// The package that a dependency is: its version, or the key of another one where it is an alias.
fn resolve(name: &str, reference: &Node<'_>, places: &HashMap<&str, usize>) -> Option<usize> {
    let reference = reference.get("version").unwrap_or(reference).scalar()?;
    let by_name = ["/", ""]
        .iter()
        .flat_map(|slash| ["@", "/"].map(|between| format!("{slash}{name}{between}{reference}")));
    by_name
        .chain([reference.to_owned()])
        .find_map(|key| find(&key, places))
}

/// A key as it is, or without the peers that it was resolved with.
fn find(key: &str, places: &HashMap<&str, usize>) -> Option<usize> {
    let without_peers = key.find('(').map_or(key, |at| &key[..at]);
    places
        .get(key)
        .or_else(|| places.get(without_peers))
        .copied()
}

/// Name and version of an entry: its own fields where it is not from a registry, else those in its key.
fn package<'n>(key: &'n str, entry: &'n Node<'_>, major: u32) -> Option<(&'n str, &'n str)> {
    let own = |field| entry.get(field).and_then(Node::scalar);
    let in_key = match major {
        5 => slash_key(key),
        _ => {
            let key = key.strip_prefix('/').unwrap_or(key);
            name_and_range(key.find('(').map_or(key, |at| &key[..at]))
        }
    };
    let name = own("name").or(in_key.map(|(name, _)| name))?;
    let version = own("version").or(in_key.map(|(_, version)| version))?;
    Some((name, version))
}

/// `/name/1.0.0`, `/@scope/name/1.0.0_peer@2.0.0`, with the registry's host in front where it is not the usual one.
fn slash_key(key: &str) -> Option<(&str, &str)> {
    let start = match key.strip_prefix('/') {
        Some(_) => 1,
        None => key.find('/')? + 1,
    };
    let rest = &key[start..];
    let scope = if rest.starts_with('@') {
        rest.find('/')? + 1
    } else {
        0
    };
    let name_end = scope + rest[scope..].find('/')?;
    let version = rest[name_end + 1..].split(['_', '/']).next()?;
    Some((&rest[..name_end], version))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Result<Vec<String>, String> {
        let file = "pnpm-lock.yaml";
        let inventory = pnpm(Source { file, text }).map_err(|error| error.to_string())?;
        let one = |c: &Component| {
            let flags = match (c.is_direct, c.is_dev) {
                (true, true) => " direct dev",
                (true, false) => " direct",
                (false, true) => " dev",
                (false, false) => "",
            };
            let version = c.version.as_deref().unwrap();
            format!("{} {version}{flags} {:?}", c.name, c.needed_by)
        };
        Ok(inventory.components.iter().map(one).collect())
    }

    #[test]
    fn keys_of_all_versions() {
        let five = "lockfileVersion: 5.4\ndependencies:\n  a: 1.0.0_b@2.0.0\n  old: /@s/real/3.0.0\npackages:\n\
            \n  /a/1.0.0_b@2.0.0:\n    dependencies:\n      b: 2.0.0\n  /b/2.0.0:\n    dev: true\n  /@s/real/3.0.0: {}\n\
            \n  host.example/me/c/abc:\n    name: c\n    version: 0.1.0\n";
        assert_eq!(
            shown(five).unwrap(),
            [
                "a 1.0.0 direct []",
                "b 2.0.0 dev [0]",
                "@s/real 3.0.0 direct []",
                "c 0.1.0 []"
            ]
        );
        let six = "lockfileVersion: '6.0'\nimporters:\n  .:\n    dependencies:\n      a:\n        specifier: ^1\n\
            \n        version: 1.0.0(b@2.0.0)\n    devDependencies:\n      old:\n        specifier: npm:@s/real@3\n\
            \n        version: /@s/real@3.0.0\npackages:\n  /a@1.0.0(b@2.0.0):\n    dependencies:\n      b: 2.0.0\n\
            \n  /b@2.0.0: {}\n  /@s/real@3.0.0:\n    dev: true\n";
        assert_eq!(
            shown(six).unwrap(),
            [
                "a 1.0.0 direct []",
                "b 2.0.0 [0]",
                "@s/real 3.0.0 direct dev []"
            ]
        );
        let nine = "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      a:\n        specifier: ^1\n\
            \n        version: 1.0.0(b@2.0.0)\n    devDependencies:\n      old:\n        specifier: npm:@s/real@3\n\
            \n        version: '@s/real@3.0.0'\npackages:\n  a@1.0.0: {}\n  b@2.0.0: {}\n  '@s/real@3.0.0': {}\nsnapshots:\n\
            \n  a@1.0.0(b@2.0.0):\n    dependencies:\n      b: 2.0.0\n  b@2.0.0: {}\n  '@s/real@3.0.0':\n    dependencies:\n\
            \n      b: 2.0.0\n";
        assert_eq!(
            shown(nine).unwrap(),
            [
                "a 1.0.0 direct []",
                "b 2.0.0 [0, 2]",
                "@s/real 3.0.0 direct dev []"
            ]
        );
    }

    #[test]
    fn what_is_no_lockfile_is_refused() {
        for (text, expected) in [
            (
                "a: 1",
                "pnpm-lock.yaml:1:1: no lockfile of pnpm: `lockfileVersion` is missing",
            ),
            (
                "lockfileVersion: 12",
                "pnpm-lock.yaml:1:18: version 12 of this file is not known; 5 to 9 are",
            ),
            (
                "lockfileVersion: '9.0'\npackages:\n  abc: {}\n",
                "pnpm-lock.yaml:3:8: this key names no package and version",
            ),
            (
                "a: &x 1\nb: *x\n",
                "pnpm-lock.yaml:2:4: aliases are not read",
            ),
            (
                "a: 1\na: 2\n",
                "pnpm-lock.yaml:2:4: the key \"a\" stands twice",
            ),
            ("a: !!str 1\n", "pnpm-lock.yaml:1:4: tags are not read"),
        ] {
            assert_eq!(shown(text).unwrap_err(), expected);
        }
    }
}

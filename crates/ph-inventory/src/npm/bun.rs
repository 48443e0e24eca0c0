//! `bun.lock`, versions 0 and 1.

use std::collections::HashMap;

use crate::draft::Draft;
use crate::npm::{Walk, name_and_range};
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;
use crate::text::json::{self, Dialect};
use crate::{Component, Ecosystem, Inventory};

/// The fields by which a package names others.
const NEEDS: &[&str] = &["dependencies", "optionalDependencies", "peerDependencies"];

/// Reads the text form of bun's lockfile. Workspaces, links and the root are the project's own code.
///
/// - errors: not JSON with comments, no version, or an entry that names no package.
pub(crate) fn bun(source: Source<'_>) -> Result<Inventory, ReadError> {
    let root = json::read(source, Dialect::WithComments)?;
    if root.get("lockfileVersion").is_none() {
        return Err(source.error(root.at, "no lockfile of bun: `lockfileVersion` is missing"));
    }
    let packages = root.get("packages").map_or(&[][..], Node::entries);
    let mut draft = Draft::new(source);
    let mut walk = Walk::default();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for (key, entry) in packages {
        let (name, version) = entry
            .items()
            .first()
            .and_then(Node::text)
            .and_then(name_and_range)
            .ok_or_else(|| source.error(entry.at, "an entry has to begin with `name@version`"))?;
        if ["workspace:", "link:", "root:"]
            .iter()
            .any(|own| version.starts_with(own))
        {
            continue;
        }
        let component = Component {
            version: Some(version.to_owned()),
            path: key.to_string(),
            ..Component::new(Ecosystem::Npm, name)
        };
        places.insert(key, draft.add(entry.at, component)?);
    }
    for (key, entry) in packages {
        let Some(one) = places.get(key.as_ref()).copied() else {
            continue;
        };
        let info = entry.items().iter().find(|item| item.is_map());
        let fields = NEEDS.iter().filter_map(|field| info?.get(field));
        for name in fields.flat_map(Node::names) {
            if let Some(other) = resolve(key, name, &places, &mut walk) {
                draft.needs(one, other)?;
            }
        }
    }
    roots(&root, &places, &mut walk, &mut draft)?;
    walk.check(source)?;
    draft.mark_direct();
    draft.mark_dev();
    Ok(draft.finish())
}

fn roots(
    root: &Node<'_>,
    places: &HashMap<&str, usize>,
    walk: &mut Walk,
    draft: &mut Draft<'_>,
) -> Result<(), ReadError> {
    for (_, workspace) in root.get("workspaces").map_or(&[][..], Node::entries) {
        let above = workspace.text_of("name").unwrap_or_default();
        for field in NEEDS {
            for name in workspace.get(field).into_iter().flat_map(Node::names) {
                if let Some(other) = resolve(above, name, places, walk) {
                    draft.root(other)?;
                }
            }
        }
        let dev = workspace
            .get("devDependencies")
            .into_iter()
            .flat_map(Node::names);
        for name in dev {
            if let Some(other) = resolve(above, name, places, walk) {
                draft.dev_root(other)?;
            }
        }
    }
    Ok(())
}

/// Keys are the names on the way from the root, `a/@scope/b`: a package is looked for beside what needs it, then above.
fn resolve(
    from: &str,
    name: &str,
    places: &HashMap<&str, usize>,
    walk: &mut Walk,
) -> Option<usize> {
    let mut folder = from;
    loop {
        let candidate = match folder {
            "" => name.to_owned(),
            _ => format!("{folder}/{name}"),
        };
        if let Some(index) = places.get(candidate.as_str()) {
            return Some(*index);
        }
        if folder.is_empty() || !walk.pay(candidate.len()) {
            return None;
        }
        folder = parent(folder);
    }
}

/// The key above: `a/@scope/b` → `a`, `@scope/b` → the root.
fn parent(key: &str) -> &str {
    let Some(last) = key.rfind('/') else {
        return "";
    };
    let above = &key[..last];
    let is_scope = above
        .rsplit('/')
        .next()
        .is_some_and(|word| word.starts_with('@'));
    match (is_scope, above.rfind('/')) {
        (false, _) => above,
        (true, Some(at)) => &above[..at],
        (true, None) => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_keys_workspaces_and_development() {
        let text = r#"{
  "lockfileVersion": 1,
  "workspaces": {
    "": { "name": "own", "dependencies": { "a": "^1" }, "devDependencies": { "@s/t": "*" }, },
    "packages/w": { "name": "w", "dependencies": { "@s/b": "^2", }, },
  },
  "packages": {
    "a": ["a@1.0.0", "", { "dependencies": { "@s/b": "^1" } }, "sha512-x"],
    "@s/b": ["@s/b@2.0.0", "", {}, "sha512-x"],
    "@s/t": ["@s/t@3.0.0", "", { "dependencies": { "u": "*" } }, "sha512-x"],
    "u": ["real@npm:4.0.0", "", {}, "sha512-x"],
    "w": ["w@workspace:packages/w"],
    "a/@s/b": ["@s/b@1.0.0", "", { "peerDependencies": { "a": "*" } }, "sha512-x"],
  }
}"#;
        let inventory = bun(Source {
            file: "bun.lock",
            text,
        })
        .unwrap();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|c| {
                (
                    c.path.as_str(),
                    c.name.as_str(),
                    c.is_direct,
                    c.is_dev,
                    c.needed_by.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("a", "a", true, false, [4].as_slice()),
                ("@s/b", "@s/b", true, false, &[]),
                ("@s/t", "@s/t", true, true, &[]),
                ("u", "real", false, true, &[2]),
                ("a/@s/b", "@s/b", false, false, &[0]),
            ]
        );
    }

    #[test]
    fn keys_above() {
        for (key, above) in [
            ("a/b", "a"),
            ("a/@s/b", "a"),
            ("@s/b", ""),
            ("@s/a/b", "@s/a"),
            ("a", ""),
        ] {
            assert_eq!(parent(key), above);
        }
    }
}

//! Packages that are installed: `node_modules` and `site-packages`, from the files that each package brings.

use std::collections::HashMap;

use crate::packages::ByName;
use crate::read_error::ReadError;
use crate::source::Source;
use crate::text::Node;
use crate::text::json::{self, Dialect};
use crate::{Component, Ecosystem, Inventory, limits, npm};

/// An installed tree, file by file.
///
/// Files may come in any order. Who needs whom is known when all are there.
#[derive(Debug, Default)]
pub struct Installed {
    packages: Vec<Package>,
}

/// The folder in which pnpm keeps packages: `node_modules/.pnpm/a@1.0.0/node_modules/a`.
const STORE: &str = "node_modules/.pnpm/";

/// Packages of one name in one `site-packages`, of which Python would import one.
const NAMESAKES: usize = 10;

/// A package and the names of what it needs.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    component: Component,
    needs: Vec<String>,
}

impl Package {
    /// Bytes that are kept of it, about.
    pub(crate) fn size(&self) -> usize {
        let needs: usize = self.needs.iter().map(|name| name.len() + 24).sum();
        needs + self.component.path.len() + self.component.file.len() + 256
    }

    /// The same package, described by another file.
    pub(crate) fn at(&self, path: &str) -> Self {
        let mut package = self.clone();
        let folder = npm_folder(path).or_else(|| python_folder(path));
        folder
            .unwrap_or(path)
            .clone_into(&mut package.component.path);
        path.clone_into(&mut package.component.file);
        package
    }
}

impl Installed {
    /// Takes one file, if it is one that says which package is installed. `path` is relative to what is scanned.
    ///
    /// - errors: not what its name says, or one package more than [`limits::COMPONENTS`].
    pub fn take(&mut self, path: &str, bytes: &[u8]) -> Result<bool, ReadError> {
        let Some(package) = package(path, bytes)? else {
            return Ok(false);
        };
        if self.packages.len() == limits::COMPONENTS {
            let max = limits::COMPONENTS;
            return Err(ReadError::whole(path, format!("more than {max} packages")));
        }
        self.packages.push(package);
        Ok(true)
    }

    pub(crate) fn push(&mut self, package: Package) {
        self.packages.push(package);
    }

    /// All packages, by path. Those that nothing here needs are taken for what the server itself names.
    #[must_use]
    pub fn finish(mut self) -> Inventory {
        self.packages
            .sort_by(|a, b| a.component.path.cmp(&b.component.path));
        let edges = self.edges();
        let mut components: Vec<Component> = self
            .packages
            .into_iter()
            .map(|package| package.component)
            .collect();
        for (one, other) in edges {
            components[other].needed_by.push(one);
        }
        for component in &mut components {
            component.needed_by.dedup();
            component.is_direct = component.needed_by.is_empty();
        }
        let files = components.iter().map(|component| component.file.clone());
        Inventory {
            files: files.collect(),
            components,
            unchecked: Vec::new(),
        }
    }

    fn edges(&self) -> Vec<(usize, usize)> {
        let mut folders: HashMap<&str, usize> = HashMap::new();
        let mut sites: HashMap<&str, ByName> = HashMap::new();
        // pnpm's store: what a package needs is a link beside it, which nobody follows. Of a name that is there once
        // it is clear what the link leads to.
        let mut store: HashMap<&str, Option<usize>> = HashMap::new();
        for (index, package) in self.packages.iter().enumerate() {
            let component = &package.component;
            if component.ecosystem == Ecosystem::Npm {
                folders.insert(&component.path, index);
                if component.path.contains(STORE) {
                    let only = store.entry(&component.name).or_insert(Some(index));
                    only.take_if(|only| *only != index);
                }
            } else {
                sites
                    .entry(site(&component.path))
                    .or_insert_with(|| ByName::new(Ecosystem::PyPi))
                    .insert(&component.name, "", index);
            }
        }
        let mut edges = Vec::new();
        let mut walk = npm::Walk::default();
        for (one, package) in self.packages.iter().enumerate() {
            let path = &package.component.path;
            for name in &package.needs {
                if edges.len() >= limits::EDGES {
                    return edges;
                }
                if package.component.ecosystem == Ecosystem::Npm {
                    let linked = || store.get(name.as_str()).copied().flatten();
                    let other = npm::resolve(path, name, &folders, &mut walk)
                        .or_else(|| path.contains(STORE).then(linked).flatten());
                    edges.extend(other.map(|other| (one, other)));
                } else if let Some(by_name) = sites.get(site(path)) {
                    edges.extend(
                        by_name
                            .find(name, None)
                            .take(NAMESAKES)
                            .map(|other| (one, other)),
                    );
                }
            }
        }
        edges.retain(|(one, other)| one != other);
        edges
    }
}

/// Whether a file of this path says which package is installed.
#[must_use]
pub fn is_known(path: &str) -> bool {
    npm_folder(path).is_some() || python_folder(path).is_some()
}

/// The package that one file is about, without who needs it.
pub(crate) fn one(path: &str, bytes: &[u8]) -> Result<Option<Inventory>, ReadError> {
    Ok(package(path, bytes)?.map(|package| Inventory {
        components: vec![package.component],
        files: vec![path.to_owned()],
        ..Inventory::default()
    }))
}

/// The package that one file is about, and what it needs.
pub(crate) fn package(path: &str, bytes: &[u8]) -> Result<Option<Package>, ReadError> {
    let mut package = if let Some(folder) = npm_folder(path) {
        npm_package(Source::of(path, bytes)?, folder)?
    } else if let Some(folder) = python_folder(path) {
        python_package(path, folder, bytes)?
    } else {
        return Ok(None);
    };
    let component = &mut package.component;
    let longest = component
        .version
        .as_ref()
        .map_or(0, String::len)
        .max(component.name.len());
    if longest > limits::NAME_BYTES || path.len() > limits::PATH_BYTES {
        return Err(ReadError::whole(
            path,
            "a name, version or place that is too long",
        ));
    }
    path.clone_into(&mut component.file);
    Ok(Some(package))
}

/// The folder of a package, for its own `package.json`: others lie deeper within packages and name none.
fn npm_folder(path: &str) -> Option<&str> {
    let folder = path.strip_suffix("/package.json")?;
    let at = folder.rfind("node_modules/")?;
    if at > 0 && !folder[..at].ends_with('/') {
        return None;
    }
    let name = &folder[at + "node_modules/".len()..];
    let depth = name.matches('/').count();
    (depth == usize::from(name.starts_with('@')) && !name.starts_with('.')).then_some(folder)
}

fn npm_package(source: Source<'_>, folder: &str) -> Result<Package, ReadError> {
    let root = json::read(source, Dialect::LastKey)?;
    let of_path = folder.rsplit("node_modules/").next().unwrap_or(folder);
    let name = root.text_of("name").filter(|name| !name.is_empty());
    let needs = ["dependencies", "optionalDependencies", "peerDependencies"]
        .iter()
        .filter_map(|field| root.get(field));
    Ok(Package {
        component: Component {
            version: root.text_of("version").map(str::to_owned),
            path: folder.to_owned(),
            ..Component::new(Ecosystem::Npm, name.unwrap_or(of_path))
        },
        needs: needs
            .flat_map(Node::names)
            .take(limits::NEEDS)
            .map(str::to_owned)
            .collect(),
    })
}

/// The folder (or file) that a Python package is described by.
fn python_folder(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    match file {
        "METADATA" => folder.ends_with(".dist-info").then_some(folder),
        "PKG-INFO" => folder.ends_with(".egg-info").then_some(folder),
        _ => (path.ends_with(".egg-info")).then_some(path),
    }
}

/// Where the packages lie that a package can import: the folder around its description.
fn site(folder: &str) -> &str {
    folder.rsplit_once('/').map_or("", |(site, _)| site)
}

/// Headers as in a mail; what follows the first empty line is the package's description.
fn python_package(path: &str, folder: &str, bytes: &[u8]) -> Result<Package, ReadError> {
    if bytes.len() > limits::FILE_BYTES {
        let max = limits::FILE_BYTES >> 20;
        return Err(ReadError::whole(path, format!("larger than {max} MiB")));
    }
    let (mut name, mut version, mut needs) = (None, None, Vec::new());
    for line in bytes.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        // Old descriptions hold names of authors in any encoding.
        let line = String::from_utf8_lossy(line);
        let Some((key, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim();
        match key.to_ascii_lowercase().as_str() {
            "name" if name.is_none() => name = Some(value.to_owned()),
            "version" if version.is_none() => version = Some(value.to_owned()),
            "requires-dist" if needs.len() < limits::NEEDS => needs.extend(required(value)),
            _ => {}
        }
    }
    let name = name
        .filter(|name| !name.is_empty())
        .ok_or_else(|| ReadError::whole(path, "no header `Name`"))?;
    Ok(Package {
        component: Component {
            version: version.filter(|version| !version.is_empty()),
            path: folder.to_owned(),
            ..Component::new(Ecosystem::PyPi, name)
        },
        needs,
    })
}

/// The name in `name[extra] (>=1) ; marker`; none for what only an extra needs.
pub(crate) fn required(value: &str) -> Option<String> {
    if value
        .split_once(';')
        .is_some_and(|(_, marker)| marker.contains("extra =="))
    {
        return None;
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    let end = value.find(|c| !is_name(c)).unwrap_or(value.len());
    (end > 0).then(|| value[..end].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_package_s_own_files_count() {
        for path in [
            "node_modules/a/package.json",
            "x/node_modules/@s/a/package.json",
            "node_modules/a/node_modules/b/package.json",
            "node_modules/.pnpm/a@1.0.0/node_modules/a/package.json",
            "lib/python3.11/site-packages/a-1.0.dist-info/METADATA",
            "a.egg-info/PKG-INFO",
            "site-packages/a-1.0.egg-info",
        ] {
            assert!(is_known(path), "{path}");
        }
        for path in [
            "package.json",
            "a/package.json",
            "node_modules/a/dist/esm/package.json",
            "node_modules/@s/package.json",
            "node_modules/package.json",
            "node_modules/.cache/package.json",
            "my_node_modules/a/package.json",
            "METADATA",
            "a/PKG-INFO",
        ] {
            assert!(!is_known(path), "{path}");
        }
    }

    #[test]
    fn who_needs_whom_is_looked_up_as_node_and_python_do() {
        let mut tree = Installed::default();
        for (path, text) in [
            (
                "node_modules/b/package.json",
                r#"{"name": "b", "version": "2.0.0", "scripts": {"x": "1", "x": "2"}}"#,
            ),
            (
                "node_modules/a/package.json",
                r#"{"name": "a", "version": "1.0.0", "dependencies": {"b": "1", "c": "*"}}"#,
            ),
            (
                "node_modules/a/node_modules/b/package.json",
                r#"{"version": "1.0.0"}"#,
            ),
            (
                "node_modules/c/package.json",
                r#"{"name": "c", "dependencies": {"b": "2"}}"#,
            ),
            (
                "env/site-packages/Flask_Login-1.0.dist-info/METADATA",
                "Metadata-Version: 2.1\nName: Flask_Login\nVersion: 1.0\nRequires-Dist: Wer.kzeug[x] (>=2) ; python_version > '3'\n\
                Requires-Dist: nose ; extra == 'test'\n\nName: other\n",
            ),
            (
                "env/site-packages/wer_kzeug-3.dist-info/METADATA",
                "Name: wer-kzeug\r\nVersion: 3\r\n\r\n",
            ),
            (
                "env/site-packages/nose-1.dist-info/METADATA",
                "Name: nose\nVersion: 1\n",
            ),
        ] {
            assert!(tree.take(path, text.as_bytes()).unwrap(), "{path}");
        }
        assert!(!tree.take("README.md", b"x").unwrap());
        let inventory = tree.finish();
        let shown: Vec<_> = inventory
            .components
            .iter()
            .map(|c| {
                (
                    c.name.as_str(),
                    c.version.as_deref().unwrap_or("?"),
                    c.needed_by.as_slice(),
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                ("Flask_Login", "1.0", [].as_slice()),
                ("nose", "1", &[]),
                ("wer-kzeug", "3", &[0]),
                ("a", "1.0.0", &[]),
                ("b", "1.0.0", &[3]),
                ("b", "2.0.0", &[6]),
                ("c", "?", &[3]),
            ]
        );
    }

    #[test]
    fn in_the_store_of_pnpm_a_name_that_is_there_once_is_clear() {
        let mut tree = Installed::default();
        for (name, version, needs) in [
            ("a", "1.0.0", r#"{"b": "*", "c": "*"}"#),
            ("b", "1.0.0", "{}"),
            ("c", "1.0.0", "{}"),
            ("c", "2.0.0", "{}"),
        ] {
            let path =
                format!("node_modules/.pnpm/{name}@{version}/node_modules/{name}/package.json");
            let text =
                format!(r#"{{"name": "{name}", "version": "{version}", "dependencies": {needs}}}"#);
            tree.take(&path, text.as_bytes()).unwrap();
        }
        let needed_by: Vec<_> = tree
            .finish()
            .components
            .into_iter()
            .map(|c| c.needed_by)
            .collect();
        assert_eq!(needed_by, [vec![], vec![0], vec![], vec![]]);
    }

    #[test]
    fn what_is_no_package_is_refused() {
        let mut tree = Installed::default();
        let error = tree
            .take("a.egg-info/PKG-INFO", b"Version: 1\n")
            .unwrap_err();
        assert_eq!(error.to_string(), "a.egg-info/PKG-INFO: no header `Name`");
        let error = tree.take("node_modules/a/package.json", b"{").unwrap_err();
        assert_eq!(
            error.to_string(),
            "node_modules/a/package.json:1:2: expected a key in quotes or `}`"
        );
    }
}

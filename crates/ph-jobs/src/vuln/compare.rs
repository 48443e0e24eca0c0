//! Lockfile and installed tree: what is installed is what runs, and what they say differently is told.

use std::collections::{BTreeMap, BTreeSet};

use ph_inventory::{Component, Ecosystem, Inventory};
use ph_vuln::report::Difference;

use super::walk::Tree;

/// The most differences that are told one by one.
const DIFFERENCES_MAX: usize = 50;

/// Both as one.
#[derive(Debug)]
pub(super) struct Settled {
    pub inventory: Inventory,
    pub differences: Vec<Difference>,
    /// How many differences there are besides.
    pub more: usize,
}

/// What is installed takes the place of what is locked.
///
/// - `only_running`: what is locked and not installed is left out where anything of that lockfile is installed.
pub(super) fn settle(tree: Tree, only_running: bool) -> Settled {
    let Tree {
        mut locked,
        mut installed,
    } = tree;
    without_doubles(&mut locked);
    let index = Index::of(&installed);
    let mut differences = Vec::new();
    let mut kept = vec![true; locked.components.len()];
    let mut dev = BTreeSet::new();
    for (at, one) in locked.components.iter().enumerate() {
        let found = index.find(one);
        if let Found::At(places) = &found {
            let versions: Vec<_> = places
                .iter()
                .map(|at| &installed.components[*at].version)
                .collect();
            if one.is_dev {
                dev.extend(places.iter().copied());
            }
            kept[at] = false;
            if !versions.contains(&&one.version) {
                let version = versions.first().copied().cloned().flatten();
                differences.push(difference(one, one.version.clone(), version));
            }
        } else if found == Found::NotInstalled {
            kept[at] = !only_running;
            // That a package for another platform is not installed here is as it should be.
            if !one.is_optional {
                differences.push(difference(one, one.version.clone(), None));
            }
        }
    }
    for at in dev {
        installed.components[at].is_dev = true;
    }
    differences.extend(extra(&locked, &installed, &index));
    let mut at = 0..;
    keep(&mut locked, |_| at.next().is_some_and(|at: usize| kept[at]));
    let more = differences.len().saturating_sub(DIFFERENCES_MAX);
    differences.truncate(DIFFERENCES_MAX);
    let mut inventory = Inventory::join([installed, locked]);
    inventory.files = files(&inventory.files);
    Settled {
        inventory,
        differences,
        more,
    }
}

/// Keeps the components for which `is_kept` says so; who needs whom stays right.
pub(super) fn keep(inventory: &mut Inventory, mut is_kept: impl FnMut(&Component) -> bool) {
    let kept: Vec<bool> = inventory.components.iter().map(&mut is_kept).collect();
    let mut next = 0;
    let new: Vec<Option<usize>> = kept
        .iter()
        .map(|is_kept| {
            next += usize::from(*is_kept);
            is_kept.then(|| next - 1)
        })
        .collect();
    let mut at = 0..;
    inventory
        .components
        .retain(|_| at.next().is_some_and(|at: usize| kept[at]));
    for one in &mut inventory.components {
        let renamed = one
            .needed_by
            .iter()
            .filter_map(|at| new.get(*at).copied().flatten());
        one.needed_by = renamed.collect();
    }
}

/// Only what `start` needs, and itself; all of it where nothing lies there.
pub(super) fn reachable(inventory: &mut Inventory, start: &str) {
    let all = &inventory.components;
    let Some(first) = all.iter().position(|one| one.path == start) else {
        return;
    };
    let mut needs: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (at, one) in all.iter().enumerate() {
        for above in &one.needed_by {
            needs.entry(*above).or_default().push(at);
        }
    }
    let mut seen = BTreeSet::from([first]);
    let mut open = vec![first];
    while let Some(at) = open.pop() {
        for below in needs.get(&at).into_iter().flatten() {
            if seen.insert(*below) {
                open.push(*below);
            }
        }
    }
    let mut at = 0..;
    keep(inventory, |_| {
        at.next().is_some_and(|at: usize| seen.contains(&at))
    });
    let files: BTreeSet<&str> = inventory
        .components
        .iter()
        .map(|one| one.file.as_str())
        .collect();
    // A tree is named by its folder, a lockfile by itself.
    inventory.files.retain(|file| {
        let below = format!("{file}/");
        let mut from = files.range(below.as_str()..);
        files.contains(file.as_str()) || from.next().is_some_and(|one| one.starts_with(&below))
    });
}

/// A list of requirements beside a lockfile of the same folder names the same packages once more.
fn without_doubles(locked: &mut Inventory) {
    let name = |one: &Component| {
        (
            folder(&one.file).to_owned(),
            one.advisory_name(),
            one.version.clone(),
        )
    };
    let is_list = |one: &Component| base(&one.file).starts_with("requirements");
    let python = |one: &&Component| one.ecosystem == Ecosystem::PyPi;
    let known: BTreeSet<_> = locked
        .components
        .iter()
        .filter(python)
        .filter(|one| !is_list(one))
        .map(name)
        .collect();
    keep(locked, |one| {
        !(python(&one) && is_list(one) && known.contains(&name(one)))
    });
}

/// Where installed packages lie.
struct Index {
    by_path: BTreeMap<String, usize>,
    by_name: BTreeMap<(String, String), Vec<usize>>,
    /// Folders with a `node_modules`.
    npm: BTreeSet<String>,
    /// Whether any Python package is installed.
    has_python: bool,
    paths: Vec<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// Installed there.
    At(Vec<usize>),
    /// Not installed, though others of its lockfile are.
    NotInstalled,
    /// Nothing of its lockfile is installed.
    NoTree,
}

impl Index {
    fn of(installed: &Inventory) -> Self {
        let mut index = Self {
            by_path: BTreeMap::new(),
            by_name: BTreeMap::new(),
            npm: BTreeSet::new(),
            has_python: false,
            paths: Vec::new(),
        };
        for (at, one) in installed.components.iter().enumerate() {
            index.by_path.insert(one.path.clone(), at);
            index.by_name.entry(name(one)).or_default().push(at);
            if one.ecosystem == Ecosystem::Npm {
                let root = one.path.split("node_modules/").next().unwrap_or_default();
                index.npm.insert(root.trim_end_matches('/').to_owned());
            }
            index.has_python |= one.ecosystem == Ecosystem::PyPi;
            index.paths.push(one.path.clone());
        }
        index
    }

    fn find(&self, locked: &Component) -> Found {
        let folder = folder(&locked.file);
        let has_tree = match locked.ecosystem {
            Ecosystem::Npm => self.npm.contains(folder),
            Ecosystem::PyPi => self.has_python,
            _ => false,
        };
        if !has_tree {
            return Found::NoTree;
        }
        if locked.path.contains("node_modules/") {
            let path = join(folder, &locked.path);
            return match self.by_path.get(&path) {
                Some(at) => Found::At(vec![*at]),
                None => Found::NotInstalled,
            };
        }
        let below =
            |at: &&usize| folder.is_empty() || self.paths[**at].starts_with(&format!("{folder}/"));
        let all = self.by_name.get(&name(locked));
        let places: Vec<usize> = all.into_iter().flatten().filter(below).copied().collect();
        if places.is_empty() {
            Found::NotInstalled
        } else {
            Found::At(places)
        }
    }
}

/// What is installed where a lockfile stands beside it that does not name it.
fn extra(locked: &Inventory, installed: &Inventory, index: &Index) -> Vec<Difference> {
    let names: BTreeSet<_> = locked.components.iter().map(name).collect();
    let locks: BTreeSet<_> = locked
        .components
        .iter()
        .map(|one| (one.ecosystem.base(), folder(&one.file)))
        .collect();
    let is_beside = |one: &Component| {
        let root = one
            .path
            .split("node_modules/")
            .next()
            .unwrap_or_default()
            .trim_end_matches('/');
        match one.ecosystem {
            Ecosystem::Npm => index.npm.contains(root) && locks.contains(&("npm", root)),
            _ => locks.iter().any(|(base, _)| *base == one.ecosystem.base()),
        }
    };
    let unknown = installed
        .components
        .iter()
        .filter(|one| is_beside(one) && !names.contains(&name(one)));
    unknown
        .map(|one| difference(one, None, one.version.clone()))
        .collect()
}

fn difference(of: &Component, locked: Option<String>, installed: Option<String>) -> Difference {
    let path = if of.path.is_empty() {
        &of.file
    } else {
        &of.path
    };
    Difference {
        package: of.name.clone(),
        path: path.clone(),
        locked,
        installed,
    }
}

/// Files as a report names them: an installed tree has one for each package, of which its folder says enough.
fn files(all: &[String]) -> Vec<String> {
    let short = |file: &String| {
        for tree in ["node_modules/", "site-packages/", "dist-packages/"] {
            if let Some(at) = file.find(tree) {
                return file[..at + tree.len() - 1].to_owned();
            }
        }
        file.clone()
    };
    let mut seen = BTreeSet::new();
    all.iter()
        .map(short)
        .filter(|file| seen.insert(file.clone()))
        .collect()
}

fn name(of: &Component) -> (String, String) {
    (
        of.ecosystem.base().to_owned(),
        of.ecosystem.normal_name(&of.name),
    )
}

fn folder(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn base(file: &str) -> &str {
    file.rsplit('/').next().unwrap_or(file)
}

fn join(folder: &str, path: &str) -> String {
    if folder.is_empty() {
        path.to_owned()
    } else {
        format!("{folder}/{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(ecosystem: &str, name: &str, version: &str, path: &str, file: &str) -> Component {
        Component {
            version: Some(version.to_owned()),
            path: path.to_owned(),
            file: file.to_owned(),
            ..Component::new(Ecosystem::from_osv(ecosystem), name)
        }
    }

    fn npm(name: &str, version: &str, file: &str) -> Component {
        let path = format!("node_modules/{name}");
        component("npm", name, version, &path, file)
    }

    fn tree(locked: Vec<Component>, installed: Vec<Component>) -> Tree {
        let of = |components| Inventory {
            components,
            ..Inventory::default()
        };
        Tree {
            locked: of(locked),
            installed: of(installed),
        }
    }

    fn names(settled: &Settled) -> Vec<String> {
        let all = settled.inventory.components.iter();
        all.map(|one| format!("{} {}", one.name, one.version.as_deref().unwrap_or("?")))
            .collect()
    }

    fn told(settled: &Settled) -> Vec<String> {
        let said = |version: &Option<String>| version.clone().unwrap_or_else(|| "-".to_owned());
        let all = settled.differences.iter();
        all.map(|one| {
            format!(
                "{} {} {}",
                one.package,
                said(&one.locked),
                said(&one.installed)
            )
        })
        .collect()
    }

    #[test]
    fn what_is_installed_counts_and_what_differs_is_told() {
        let lock = "package-lock.json";
        let locked = || {
            vec![
                npm("a", "1", lock),
                npm("b", "1", lock),
                npm("c", "1", lock),
            ]
        };
        let installed = || vec![npm("a", "1", "x"), npm("b", "2", "x"), npm("d", "1", "x")];
        let settled = settle(tree(locked(), installed()), false);
        assert_eq!(names(&settled), ["a 1", "b 2", "d 1", "c 1"]);
        assert_eq!(told(&settled), ["b 1 2", "c 1 -", "d - 1"]);
        let settled = settle(tree(locked(), installed()), true);
        assert_eq!(names(&settled), ["a 1", "b 2", "d 1"]);
        let settled = settle(tree(locked(), vec![]), true);
        assert_eq!((names(&settled).len(), told(&settled).len()), (3, 0));
    }

    #[test]
    fn lockfiles_without_places_are_compared_by_name() {
        let locked = vec![
            component("npm", "a", "1", "a@^1", "yarn.lock"),
            component("PyPI", "Mcp_Server", "1", "", "py/uv.lock"),
        ];
        let installed = vec![
            npm("a", "1", "x"),
            component(
                "PyPI",
                "mcp-server",
                "2",
                "py/.venv/lib/site-packages/mcp_server-2.dist-info",
                "x",
            ),
        ];
        let settled = settle(tree(locked, installed), false);
        assert_eq!(names(&settled), ["a 1", "mcp-server 2"]);
        assert_eq!(told(&settled), ["Mcp_Server 1 2"]);
    }

    #[test]
    fn a_package_that_is_only_for_developers_stays_one_when_installed() {
        let dev = Component {
            is_dev: true,
            ..npm("a", "1", "package-lock.json")
        };
        let settled = settle(tree(vec![dev], vec![npm("a", "1", "x")]), false);
        assert!(settled.inventory.components[0].is_dev);
    }

    #[test]
    fn what_is_locked_for_another_platform_is_no_difference() {
        let other = Component {
            is_optional: true,
            ..npm("fsevents", "2", "package-lock.json")
        };
        let installed = vec![npm("a", "1", "x")];
        let a = npm("a", "1", "package-lock.json");
        let settled = settle(
            tree(vec![a.clone(), other.clone()], installed.clone()),
            false,
        );
        assert_eq!(told(&settled), Vec::<String>::new());
        let needed = Component {
            is_optional: false,
            ..other
        };
        assert_eq!(
            told(&settle(tree(vec![a, needed], installed), false)).len(),
            1
        );
    }

    #[test]
    fn requirements_beside_a_lockfile_are_no_second_finding() {
        let of = |version: &str, file: &str| component("PyPI", "a", version, "", file);
        let locked = vec![
            of("1", "uv.lock"),
            of("1", "requirements.txt"),
            of("2", "requirements.txt"),
            of("1", "x/requirements.txt"),
        ];
        let settled = settle(tree(locked, vec![]), false);
        assert_eq!(names(&settled), ["a 1", "a 2", "a 1"]);
    }

    #[test]
    fn only_what_a_package_needs_is_left_of_a_folder_for_all() {
        let needed = |name: &str, by: &[usize]| Component {
            needed_by: by.to_vec(),
            ..npm(name, "1", name)
        };
        let mut inventory = Inventory {
            components: vec![
                needed("other", &[]),
                needed("a", &[]),
                needed("b", &[1, 3]),
                needed("c", &[2]),
                needed("d", &[0]),
            ],
            files: ["other", "a", "b", "c", "d"].map(str::to_owned).to_vec(),
            ..Inventory::default()
        };
        reachable(&mut inventory, "node_modules/a");
        let left: Vec<_> = inventory
            .components
            .iter()
            .map(|one| (one.name.as_str(), one.needed_by.clone()))
            .collect();
        assert_eq!(left, [("a", vec![]), ("b", vec![0, 2]), ("c", vec![1])]);
        assert_eq!(inventory.files, ["a", "b", "c"]);
        for component in &mut inventory.components {
            component.file = format!("{}/package.json", component.path);
        }
        inventory.files = ["node_modules", "other/node_modules"]
            .map(str::to_owned)
            .to_vec();
        reachable(&mut inventory, "node_modules/a");
        assert_eq!(inventory.files, ["node_modules"]);
        reachable(&mut inventory, "nowhere");
        assert_eq!(inventory.components.len(), 3);
    }
}

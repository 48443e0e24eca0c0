//! Files that the real tools wrote. How many packages are in each was counted by other means than ours.

use std::collections::BTreeSet;
use std::path::Path;

use ph_inventory::{Component, Inventory, read};

pub(crate) fn of(path: &str) -> Inventory {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(path);
    let bytes = std::fs::read(file).expect("a fixture");
    let inventory = read::file(path, &bytes).expect("a file that is read");
    inventory.expect("a file that is known")
}

pub(crate) fn packages(inventory: &Inventory) -> BTreeSet<String> {
    inventory.components.iter().map(shown).collect()
}

fn shown(component: &Component) -> String {
    format!(
        "{}@{}",
        component.name,
        component.version.as_deref().unwrap_or("?")
    )
}

fn find<'i>(inventory: &'i Inventory, name: &str) -> &'i Component {
    let mut found = inventory.components.iter().filter(|c| c.name == name);
    found
        .next()
        .unwrap_or_else(|| panic!("no {name} in {:?}", inventory.files))
}

/// The names of what needs a component.
fn needed_by(inventory: &Inventory, name: &str) -> BTreeSet<String> {
    let by = &find(inventory, name).needed_by;
    by.iter()
        .map(|index| inventory.components[*index].name.clone())
        .collect()
}

#[test]
fn every_tool_of_node_names_the_same_packages() {
    for (file, count) in [
        ("npm-v1/package-lock.json", 60),
        ("npm-v2/package-lock.json", 60),
        ("npm-v3/package-lock.json", 60),
        ("yarn-v1/yarn.lock", 55),
        ("yarn-berry/yarn.lock", 53),
        ("bun/bun.lock", 59),
        ("pnpm-v5/pnpm-lock.yaml", 53),
        ("pnpm-v6/pnpm-lock.yaml", 54),
        ("pnpm-v9/pnpm-lock.yaml", 53),
    ] {
        let inventory = of(file);
        assert_eq!(inventory.components.len(), count, "{file}");
        assert_eq!(inventory.unchecked, [], "{file}");
        assert_eq!(
            find(&inventory, "ms").version.as_deref(),
            Some("2.0.0"),
            "{file}"
        );
        let sdk = needed_by(&inventory, "@modelcontextprotocol/sdk");
        let server = "@modelcontextprotocol/server-filesystem";
        assert_eq!(sdk, BTreeSet::from([server.to_owned()]), "{file}");
        assert!(
            needed_by(&inventory, "brace-expansion").contains("minimatch"),
            "{file}"
        );
        let expected = packages(&of("npm-v3/package-lock.json"));
        let ours = packages(&inventory);
        let differ: Vec<_> = expected.symmetric_difference(&ours).collect();
        assert!(differ.len() <= 3, "{file}: {differ:?}");
    }
}

#[test]
fn what_the_project_names_is_direct() {
    for file in [
        "npm-v2/package-lock.json",
        "npm-v3/package-lock.json",
        "yarn-berry/yarn.lock",
        "bun/bun.lock",
        "pnpm-v5/pnpm-lock.yaml",
        "pnpm-v6/pnpm-lock.yaml",
        "pnpm-v9/pnpm-lock.yaml",
    ] {
        let inventory = of(file);
        let direct: BTreeSet<_> = inventory
            .components
            .iter()
            .filter(|c| c.is_direct)
            .map(shown)
            .collect();
        let expected = [
            "@modelcontextprotocol/server-filesystem@0.5.1",
            "cross-spawn@7.0.3",
            "ms@2.0.0",
            "which@2.0.2",
        ];
        assert!(direct.iter().eq(expected), "{file}: {direct:?}");
    }
}

#[test]
fn every_tool_of_python_names_the_same_packages() {
    for (file, count) in [
        ("uv/uv.lock", 33),
        ("pylock/pylock.toml", 33),
        ("requirements-uv/requirements.txt", 33),
        ("requirements-pip-tools/requirements.txt", 32),
        ("poetry/poetry.lock", 35),
        ("pdm/pdm.lock", 35),
        ("pipenv/Pipfile.lock", 33),
    ] {
        let inventory = of(file);
        assert_eq!(inventory.components.len(), count, "{file}");
        assert_eq!(inventory.unchecked, [], "{file}");
        assert_eq!(
            find(&inventory, "mcp-server-git").version.as_deref(),
            Some("2025.7.1")
        );
        let by = needed_by(&inventory, "gitdb");
        let says = !file.starts_with("pipenv") && !file.starts_with("pylock");
        assert_eq!(by.contains("gitpython"), says, "{file}: {by:?}");
    }
    assert_eq!(
        packages(&of("uv/uv.lock")),
        packages(&of("pylock/pylock.toml"))
    );
    assert_eq!(
        packages(&of("uv/uv.lock")),
        packages(&of("requirements-uv/requirements.txt"))
    );
    for file in [
        "uv/uv.lock",
        "poetry/poetry.lock",
        "pdm/pdm.lock",
        "pipenv/Pipfile.lock",
    ] {
        let inventory = of(file);
        let dev: Vec<_> = inventory
            .components
            .iter()
            .filter(|c| c.is_dev)
            .map(shown)
            .collect();
        assert_eq!(dev, ["iniconfig@2.1.0"], "{file}");
    }
    let inventory = of("uv/uv.lock");
    let direct: Vec<_> = inventory
        .components
        .iter()
        .filter(|c| c.is_direct)
        .map(shown)
        .collect();
    assert_eq!(direct, ["iniconfig@2.1.0", "mcp-server-git@2025.7.1"]);
    assert!(
        find(
            &of("requirements-pip-tools/requirements.txt"),
            "mcp-server-git"
        )
        .is_direct
    );
}

#[test]
fn a_file_that_is_cut_is_refused_or_holds_no_more() {
    for file in [
        "npm-v3/package-lock.json",
        "yarn-v1/yarn.lock",
        "yarn-berry/yarn.lock",
        "bun/bun.lock",
        "pnpm-v9/pnpm-lock.yaml",
        "poetry/poetry.lock",
        "pipenv/Pipfile.lock",
        "requirements-uv/requirements.txt",
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/fixtures")
            .join(file);
        let bytes = std::fs::read(path).unwrap();
        let whole = read::file(file, &bytes).unwrap().unwrap().components.len();
        for part in 1..40 {
            let cut = &bytes[..bytes.len() * part / 40];
            match read::file(file, cut) {
                Ok(inventory) => assert!(inventory.unwrap().components.len() <= whole),
                Err(error) => assert!(error.place.is_some(), "{error}"),
            }
        }
    }
}

use ph_inventory::Inventory;

use super::*;
use crate::report::tests::{clean, component, finding};

fn row(id: &str, at: &Component, fixed_in: &[&str], chain: &[&str]) -> Row {
    let mut finding = finding(id, at.clone(), 7.5);
    finding.fixed_in = fixed_in.iter().map(|&text| text.to_owned()).collect();
    finding.aliases = Vec::new();
    Row {
        finding,
        chain: chain.iter().map(|&name| name.to_owned()).collect(),
        found_by: Vec::new(),
        exposure: None,
    }
}

fn lodash(file: &str) -> Component {
    Component {
        file: file.to_owned(),
        ..component("lodash", "4.17.4")
    }
}

fn advice_of(rows: Vec<Row>) -> Vec<Advice> {
    let mut report = clean();
    report.rows = rows;
    advise(&report)
}

#[test]
fn one_upgrade_ends_all_findings_of_a_package() {
    let at = lodash("package-lock.json");
    let chain = ["archiver", "async", "lodash"];
    let advice = advice_of(vec![
        row("GHSA-1", &at, &["4.17.11"], &chain),
        row("GHSA-2", &at, &["4.17.21"], &chain),
        row("GHSA-3", &at, &[], &chain),
    ]);
    let [advice] = advice.as_slice() else {
        panic!("{advice:?}");
    };
    assert_eq!(advice.to.as_deref(), Some("4.17.21"));
    assert_eq!(advice.fixes, ["GHSA-1", "GHSA-2"]);
    assert_eq!(advice.stays, ["GHSA-3"]);
    assert_eq!(advice.commands, ["npm update --ignore-scripts lodash"]);
    assert_eq!(
        advice.otherwise[0],
        "npm pkg set 'overrides[lodash]=4.17.21'"
    );
    assert!(
        advice.notes[0].starts_with("async decides"),
        "{:?}",
        advice.notes
    );
}

#[test]
fn a_version_between_two_branches_proves_nothing() {
    let npm = Ecosystem::Npm;
    let list = |texts: &[&str]| -> Vec<String> { texts.iter().map(|&t| t.to_owned()).collect() };
    let least =
        |npm: &_, from: &str, lists: &[&[String]]| candidates(npm, from, lists).first().cloned();
    let (a, b) = (list(&["1.1.17", "2.1.3", "5.0.8"]), list(&["2.0.1"]));
    assert_eq!(least(&npm, "1.1.0", &[&a]).as_deref(), Some("1.1.17"));
    assert_eq!(least(&npm, "1.1.0", &[&a, &b]).as_deref(), Some("2.1.3"));
    assert_eq!(least(&npm, "2.0.1", &[&a]).as_deref(), Some("2.1.3"));
    let c = list(&["3.0.0"]);
    assert_eq!(least(&npm, "1.1.0", &[&a, &c]).as_deref(), Some("5.0.8"));
    assert_eq!(least(&npm, "6.0.0", &[&a]), None);
    assert_eq!(least(&npm, "no version", &[&a]), None);
    assert_eq!(least(&npm, "1.0.0", &[]), None);
}

#[test]
fn every_manager_has_its_own_words() {
    for (file, path, is_direct, want) in [
        (
            "package-lock.json",
            "",
            true,
            "npm install --ignore-scripts lodash@4.17.21",
        ),
        (
            "a/yarn.lock",
            "lodash@^4.0.0",
            true,
            "yarn upgrade --ignore-scripts lodash@4.17.21",
        ),
        (
            "yarn.lock",
            "lodash@^4.0.0",
            false,
            "npm pkg set 'resolutions[lodash]=4.17.21'",
        ),
        (
            "yarn.lock",
            "lodash@npm:^4.0.0",
            false,
            "yarn up --recursive lodash --mode=skip-build",
        ),
        (
            "pnpm-lock.yaml",
            "",
            false,
            "pnpm update --ignore-scripts --depth Infinity lodash",
        ),
        (
            "uv.lock",
            "",
            false,
            "uv lock --upgrade-package 'lodash==4.17.21'",
        ),
        (
            "Cargo.lock",
            "",
            false,
            "cargo update --package lodash@4.17.4 --precise 4.17.21",
        ),
        ("go.mod", "", true, "go get lodash@v4.17.21"),
        (
            "requirements-dev.txt",
            "",
            true,
            "pip-compile --generate-hashes --upgrade-package 'lodash==4.17.21'",
        ),
    ] {
        let at = Component {
            path: path.to_owned(),
            is_direct,
            ..lodash(file)
        };
        let advice = advice_of(vec![row("GHSA-1", &at, &["4.17.21"], &["top", "lodash"])]);
        assert_eq!(advice[0].commands[0], want, "{file}");
    }
    let at = lodash("node_modules/lodash/package.json");
    let mut report = clean();
    report.rows = vec![row("GHSA-1", &at, &["4.17.21"], &["lodash"])];
    report.files.clear();
    let advice = advise(&report);
    assert!(advice[0].commands.is_empty());
    assert!(advice[0].notes[0].contains("not known from this file"));
}

#[test]
fn a_name_that_a_shell_would_run_is_in_no_command() {
    for name in ["x; rm -rf ~", "$(id)", "-g", "a b", "x'y", "x`y`"] {
        let at = Component {
            name: name.to_owned(),
            ..lodash("package-lock.json")
        };
        let advice = advice_of(vec![row("GHSA-1", &at, &["4.17.21"], &[name])]);
        assert!(
            advice[0].commands.is_empty() && advice[0].otherwise.is_empty(),
            "{name}"
        );
        assert!(
            advice[0].notes.iter().any(|note| note.contains("shell")),
            "{name}"
        );
    }
    let at = lodash("package-lock.json");
    let advice = advice_of(vec![row(
        "GHSA-1",
        &at,
        &["4.17.21 --registry=x"],
        &["lodash"],
    )]);
    assert!(advice.iter().all(|advice| advice.commands.is_empty()));
}

#[test]
fn major_versions_are_said() {
    for (from, to, want) in [
        ("1.2.3", "2.0.0", true),
        ("1.2.3", "1.9.0", false),
        ("0.1.0", "0.2.0", true),
        ("0.1.0", "0.1.16", false),
        ("2025.7.1", "2025.9.25", false),
    ] {
        assert_eq!(is_major(from, to), want, "{from} {to}");
    }
}

#[test]
fn malware_is_removed_and_not_upgraded() {
    let mut row = row(
        "MAL-1",
        &lodash("package-lock.json"),
        &["9.0.0"],
        &["lodash"],
    );
    row.finding.is_malicious = true;
    assert_eq!(advice_of(vec![row]), []);
}

#[test]
fn a_place_is_moved_when_it_is_at_least_the_wanted_version() {
    let at = |file: &str, version: Option<&str>| Component {
        version: version.map(str::to_owned),
        ..lodash(file)
    };
    let components = [
        at("package-lock.json", Some("4.17.21")),
        at("node_modules", Some("4.17.4")),
        at("x", None),
        component("lodash.merge", "1.0.0"),
    ];
    let places = places(&components, &Ecosystem::Npm, "lodash", "4.17.21");
    let moved: Vec<_> = places.iter().map(|place| place.is_moved).collect();
    assert_eq!(moved, [Some(true), Some(false), None]);
}

#[test]
fn what_moved_is_told_by_package() {
    let of = |list: &[(&str, &str)]| Inventory {
        components: list
            .iter()
            .map(|(name, version)| component(name, version))
            .collect(),
        ..Inventory::default()
    };
    let before = of(&[
        ("a", "1.0.0"),
        ("b", "1.0.0"),
        ("b", "2.0.0"),
        ("gone", "1.0.0"),
    ]);
    let after = of(&[("a", "1.0.0"), ("b", "2.0.0"), ("new", "3.0.0")]);
    let shown: Vec<_> = moves(&before, &after)
        .into_iter()
        .map(|m| format!("{} {} > {}", m.package, m.from.join(","), m.to.join(",")))
        .collect();
    assert_eq!(
        shown,
        [
            "npm/b 1.0.0,2.0.0 > 2.0.0",
            "npm/gone 1.0.0 > ",
            "npm/new  > 3.0.0"
        ]
    );
}

#[test]
fn an_installed_tree_is_upgraded_by_the_lockfile_beside_it() {
    let at = lodash("srv/node_modules/lodash/package.json");
    let mut report = clean();
    report.rows = vec![row("GHSA-1", &at, &["4.17.21"], &["lodash"])];
    report.files = [
        "uv.lock",
        "package-lock.json",
        "srv/a/package-lock.json",
        "srv/uv.lock",
        "srv/pnpm-lock.yaml",
    ]
    .map(str::to_owned)
    .to_vec();
    let advice = advise(&report);
    assert_eq!(advice[0].file, "srv/pnpm-lock.yaml");
    assert_eq!(
        advice[0].commands,
        ["pnpm update --ignore-scripts lodash@4.17.21"]
    );
}

#[test]
fn a_version_that_no_registry_has_is_followed_by_the_next_ones() {
    let at = lodash("package-lock.json");
    let fixed = ["0.6.4", "4.17.11", "5.0.0", "5.0.0", "6.0.0", "7.0.0"];
    let one = &advice_of(vec![row("GHSA-1", &at, &fixed, &["lodash"])])[0];
    let instead: Vec<_> = one.instead.iter().map(|one| one.to.as_str()).collect();
    assert_eq!(
        (one.to.as_deref(), instead),
        (Some("4.17.11"), vec!["5.0.0", "6.0.0"])
    );
    assert_eq!(
        one.instead[0].commands,
        ["npm install --ignore-scripts lodash@5.0.0"]
    );
    let one = &advice_of(vec![row("GHSA-1", &at, &fixed, &["a", "lodash"])])[0];
    assert_eq!(
        one.instead[1].otherwise[0],
        "npm pkg set 'overrides[lodash]=6.0.0'"
    );
}

#[test]
fn an_environment_without_a_lockfile_has_its_own_pip() {
    for (file, want) in [
        (
            "lib/python3.11/site-packages/git-1.dist-info/METADATA",
            Some("pyvenv.cfg"),
        ),
        (
            "srv/.venv/lib/pypy3.9/site-packages/git-1.dist-info/METADATA",
            Some("srv/.venv/pyvenv.cfg"),
        ),
        ("git-1.dist-info/METADATA", None),
        (
            "mylib/python3.11/site-packages/git-1.dist-info/METADATA",
            None,
        ),
        ("lib/node/site-packages/git-1.dist-info/METADATA", None),
    ] {
        let mut at = Component {
            file: file.to_owned(),
            version: Some("1.0".to_owned()),
            ..Component::new(Ecosystem::PyPi, "git")
        };
        at.path = file.trim_end_matches("/METADATA").to_owned();
        let one = &advice_of(vec![row("GHSA-1", &at, &["2.0"], &["git"])])[0];
        let run: Vec<&str> = want
            .iter()
            .map(|_| "bin/python -m pip install 'git==2.0'")
            .collect();
        assert_eq!(one.commands, run, "{file}");
        let without_pip: Vec<&str> = want
            .iter()
            .map(|_| "uv pip install --python bin/python 'git==2.0'")
            .collect();
        assert_eq!(one.otherwise, without_pip, "{file}");
        assert_eq!(one.file, want.unwrap_or(file), "{file}");
    }
}

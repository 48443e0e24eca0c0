//! Advisories that lie on this machine.

use crate::world::{archive, ids, npm_record, record, state};
use ph_advisories::{FolderError, ImportError, Mirror, MirrorError, import};
use ph_inventory::Ecosystem;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tempfile::TempDir;

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_795_000_000)
}

#[test]
fn everything_that_advisories_come_in() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let path = |name: &str| from.path().join(name);
    fs::create_dir_all(path("tree/advisories/crates/hyper")).unwrap();
    fs::create_dir_all(path("tree/osv")).unwrap();
    fs::write(
        path("tree/advisories/crates/hyper/RUSTSEC-2022-0022.md"),
        "```toml\n[advisory]\nid = \"RUSTSEC-2022-0022\"\npackage = \"hyper\"\ndate = \"2022-05-10\"\n\
         [versions]\npatched = [\">= 0.14.12\"]\n```\n# Invalid\n",
    )
    .unwrap();
    fs::write(path("tree/README.md"), "no advisory").unwrap();
    fs::write(
        path("tree/osv/a.json"),
        record("PYSEC-1", "PyPI", "Mcp_Server.Git", "2026-01-01T00:00:00Z"),
    )
    .unwrap();
    fs::write(
        path("tree/osv/git.json"),
        r#"{"id": "OSV-1", "modified": "2026-01-01T00:00:00Z", "affected": [{}]}"#,
    )
    .unwrap();
    fs::write(path("tree/osv/bad.json"), "{").unwrap();
    fs::write(
        path("all.zip"),
        archive(&[
            ("GHSA-1.json", &npm_record("GHSA-1", "2026-01-01T00:00:00Z")),
            (
                "DSA-1.json",
                &record("DSA-1", "Debian:12", "curl", "2026-01-01T00:00:00Z"),
            ),
            ("LICENSE", "text"),
        ]),
    )
    .unwrap();
    fs::write(
        path("kev.json"),
        r#"{"catalogVersion": "1", "vulnerabilities": [{"cveID": "CVE-2025-1", "x": 1}]}"#,
    )
    .unwrap();
    fs::write(
        path("epss.csv"),
        "#model_version:v1\ncve,epss,percentile\nCVE-2025-1,0.5,0.9\nCVE-2025-2,0.25,0.8\n",
    )
    .unwrap();
    let paths: Vec<PathBuf> = ["tree", "all.zip", "kev.json", "epss.csv"]
        .into_iter()
        .map(path)
        .collect();

    let done = import(to.path(), &paths, now()).unwrap();

    let counts: Vec<_> = done
        .ecosystems
        .iter()
        .map(|(name, count)| format!("{name} {count}"))
        .collect();
    assert_eq!(counts, ["Debian 1", "PyPI 1", "crates.io 1", "npm 1"]);
    assert_eq!(
        (done.without_package, done.kev, done.epss),
        (1, Some(1), Some(2))
    );
    assert_eq!(done.unreadable.count, 1);
    assert!(
        done.unreadable.named[0].contains("tree/osv/bad.json: it is no OSV record"),
        "{:?}",
        done.unreadable
    );

    assert_eq!(ids(to.path(), "crates.io", "hyper"), ["RUSTSEC-2022-0022"]);
    assert_eq!(ids(to.path(), "PyPI", "mcp-server_git"), ["PYSEC-1"]);
    assert_eq!(ids(to.path(), "Debian:13", "curl"), ["DSA-1"]);
    assert_eq!(ids(to.path(), "npm", "p-GHSA-2"), [""; 0]);
    let mirror = Mirror::open(to.path()).unwrap();
    assert!(mirror.has(&Ecosystem::Npm) && !mirror.has(&Ecosystem::Go));
    assert!(mirror.is_exploited(["CVE-2025-3", "CVE-2025-1"]).unwrap());
    assert!(!mirror.is_exploited(["CVE-2025-2"]).unwrap());
    assert_eq!(
        mirror.epss(["CVE-2025-2", "CVE-2025-1", "GHSA-1"]).unwrap(),
        Some(0.5)
    );
    let npm = state(to.path(), "npm");
    assert_eq!(
        (npm.records, npm.packages, npm.unreadable, npm.as_of),
        (1, 1, 1, now())
    );
    assert!(npm.is_stale(
        now() + Duration::from_secs(86_401),
        Duration::from_secs(86_400)
    ));
}

#[test]
fn of_two_forms_of_a_record_the_later_stays() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = from.path().join("a.json");
    let take = |name: &str, modified: &str| {
        fs::write(&file, record("GHSA-1", "npm", name, modified)).unwrap();
        import(to.path(), std::slice::from_ref(&file), now()).unwrap()
    };
    take("old", "2026-01-01T00:00:00Z");
    take("new", "2026-01-02T00:00:00Z");
    assert_eq!(take("older", "2025-01-01T00:00:00Z").outdated, 1);
    assert_eq!(ids(to.path(), "npm", "new"), ["GHSA-1"]);
    assert_eq!(ids(to.path(), "npm", "old"), [""; 0]);
    assert_eq!(state(to.path(), "npm").records, 1);
    // What names other ecosystems from now on is gone from this one.
    fs::write(
        &file,
        record("GHSA-1", "PyPI", "new", "2026-01-03T00:00:00Z"),
    )
    .unwrap();
    import(to.path(), std::slice::from_ref(&file), now()).unwrap();
    assert_eq!(ids(to.path(), "PyPI", "new"), ["GHSA-1"]);
}

#[test]
fn what_is_refused_changes_nothing() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let good = from.path().join("good.json");
    fs::write(&good, npm_record("GHSA-1", "2026-01-01T00:00:00Z")).unwrap();
    assert!(matches!(
        Mirror::open(to.path()),
        Err(MirrorError::Folder(FolderError::Nothing(_)))
    ));
    import(to.path(), std::slice::from_ref(&good), now()).unwrap();
    let before = state(to.path(), "npm");

    let other = from.path().join("other.json");
    fs::write(&other, npm_record("GHSA-2", "2026-01-01T00:00:00Z")).unwrap();
    let (cut, text, empty) = (
        from.path().join("cut.zip"),
        from.path().join("a.txt"),
        from.path().join("empty"),
    );
    let bytes = archive(&[("a.json", &npm_record("GHSA-3", "2026-01-01T00:00:00Z"))]);
    fs::write(&cut, &bytes[..bytes.len() - 1]).unwrap();
    fs::write(&text, "x").unwrap();
    fs::create_dir(&empty).unwrap();
    for (path, want) in [
        (
            &cut,
            "cut.zip`: it is no zip archive, or its end is missing",
        ),
        (&text, "neither a folder nor a file"),
        (&from.path().join("gone"), "No such file"),
    ] {
        let error = import(to.path(), &[other.clone(), path.clone()], now()).unwrap_err();
        assert!(error.to_string().contains(want), "{error}");
    }
    assert!(matches!(
        import(to.path(), &[empty], now()),
        Err(ImportError::Nothing(_))
    ));
    assert_eq!(state(to.path(), "npm"), before);
    assert_eq!(ids(to.path(), "npm", "p-GHSA-2"), [""; 0]);
    assert_eq!(ids(to.path(), "npm", "p-GHSA-1"), ["GHSA-1"]);
}

#[test]
fn lists_that_are_none_are_refused_with_the_line() {
    let (from, to) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let file = from.path().join("epss.csv");
    for (text, want) in [
        ("cve,epss\nCVE-1,0.5\nCVE-2,high\n", "line 3: "),
        ("cve,epss\nCVE-1,1.5\n", "line 2: "),
        ("<html>\n", "line 1: "),
        ("", "it is empty"),
    ] {
        fs::write(&file, text).unwrap();
        let error = import(to.path(), std::slice::from_ref(&file), now())
            .unwrap_err()
            .to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}

//! The shared cases, where they are: each lockfile has as many packages as its expectation says.

use std::path::PathBuf;

use ph_inventory::read;

/// The folder of the cases, from the environment or beside the repository.
#[expect(
    clippy::disallowed_methods,
    reason = "where the cases are is no part of any plan"
)]
fn folder() -> PathBuf {
    match std::env::var_os("PILOTHOUSE_CASES") {
        Some(folder) => PathBuf::from(folder).join("vulnerability"),
        None => {
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/cases/vulnerability")
        }
    }
}

#[test]
fn the_cases_have_as_many_packages_as_they_say() {
    let folder = folder();
    if !folder.is_dir() {
        eprintln!("NOT RUN: no cases at {}", folder.display());
        return;
    }
    let mut seen = 0;
    for case in std::fs::read_dir(&folder).unwrap() {
        let case = case.unwrap().path();
        let Ok(expected) = std::fs::read(case.join("expected.curated.json")) else {
            continue;
        };
        let expected: serde_json::Value = serde_json::from_slice(&expected).unwrap();
        let lock = ["package-lock.json", "yarn.lock", "uv.lock", "Cargo.lock"]
            .into_iter()
            .find(|name| case.join(name).is_file())
            .unwrap();
        let bytes = std::fs::read(case.join(lock)).unwrap();
        let inventory = read::file(lock, &bytes).unwrap().unwrap();
        assert_eq!(
            inventory.components.len() as u64,
            expected["packages"].as_u64().unwrap(),
            "{}",
            case.display()
        );
        for finding in expected["findings"].as_array().unwrap() {
            let is_there = inventory.components.iter().any(|component| {
                component.name == finding["package"].as_str().unwrap()
                    && component.version.as_deref() == finding["version"].as_str()
                    && component.path == finding["path"].as_str().unwrap()
            });
            assert!(is_there, "{}: {finding}", case.display());
        }
        seen += 1;
    }
    assert!(seen > 0, "no case in {}", folder.display());
}

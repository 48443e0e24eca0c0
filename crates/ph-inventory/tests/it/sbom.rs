//! Bills of materials: those of npm are read, and what we write is what we read.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use ph_inventory::cyclonedx::{self, Bom, Spec};
use ph_inventory::{Component, Inventory, sbom};

use crate::fixtures::{of, packages};

const SPECS: [Spec; 2] = [Spec::V1_6, Spec::V1_7];

fn bom(spec: Spec) -> Bom<'static> {
    Bom {
        subject: "fixture",
        spec,
        timestamp: Some("2026-11-23T08:00:00Z"),
        tool_version: "0.1.0",
    }
}

#[test]
fn npm_names_in_its_boms_what_is_in_its_lockfile() {
    let lock = of("npm-v3/package-lock.json");
    for file in ["sbom/npm.cdx.json", "sbom/npm.spdx.json"] {
        let ours = of(file);
        assert_eq!(packages(&ours), packages(&lock), "{file}");
        assert_eq!(ours.unchecked, [], "{file}");
        let places = |inventory: &Inventory| {
            let places = inventory.components.iter().map(|c| c.path.clone());
            places
                .filter(|path| !path.is_empty())
                .collect::<BTreeSet<_>>()
        };
        // npm writes a package that lies in several places once.
        assert!(places(&ours).is_subset(&places(&lock)), "{file}");
        let sdk = ours
            .components
            .iter()
            .find(|c| c.name == "@modelcontextprotocol/sdk");
        assert_eq!(sdk.map(|c| c.needed_by.len()), Some(1), "{file}");
    }
}

#[test]
fn what_is_written_is_read_back() {
    for file in [
        "npm-v3/package-lock.json",
        "uv/uv.lock",
        "pnpm-v9/pnpm-lock.yaml",
        "sbom/npm.spdx.json",
    ] {
        let inventory = of(file);
        let bytes = cyclonedx::write(&inventory, bom(Spec::V1_7));
        let back = sbom::read("x.json", &bytes).unwrap().unwrap();
        let plain = |c: &Component| Component {
            is_optional: false,
            file: String::new(),
            is_direct: false,
            ..c.clone()
        };
        let ours: Vec<_> = inventory.components.iter().map(plain).collect();
        let theirs: Vec<_> = back.components.iter().map(plain).collect();
        assert_eq!(ours, theirs, "{file}");
        assert_eq!(
            bytes,
            cyclonedx::write(&inventory, bom(Spec::V1_7)),
            "{file}"
        );
    }
}

/// `BLESS=1` writes the files; `tests/e2e/inventory/run` holds them against the official schema.
#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "BLESS is for whoever runs the test"
)]
fn the_goldens_are_what_is_written() {
    let inventory = Inventory::join([
        of("npm-v3/package-lock.json"),
        of("uv/uv.lock"),
        of("requirements-pip-tools/requirements.txt"),
        ph_inventory::read::file("bun.lockb", b"").unwrap().unwrap(),
    ]);
    for spec in SPECS {
        let bytes = cyclonedx::write(&inventory, bom(spec));
        let file = golden(spec);
        if std::env::var_os("BLESS").is_some() {
            std::fs::write(&file, &bytes).unwrap();
        }
        let is_golden = std::fs::read(&file).is_ok_and(|golden| golden == bytes);
        assert!(
            is_golden,
            "{} differs; if that is meant: BLESS=1",
            file.display()
        );
    }
}

fn golden(spec: Spec) -> PathBuf {
    let name = format!("tests/golden/inventory-{}.cdx.json", spec.number());
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

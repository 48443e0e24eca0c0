//! Lockfiles and descriptions of installed packages, the first byte chooses which: any bytes are read or refused with
//! their place, and what is read hangs together.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_inventory::{Inventory, ReadError, cyclonedx, installed, read};

const FILES: &[&str] = &[
    "package-lock.json",
    "yarn.lock",
    "pnpm-lock.yaml",
    "bun.lock",
    "uv.lock",
    "poetry.lock",
    "pylock.toml",
    "Pipfile.lock",
    "requirements.txt",
    "Cargo.lock",
    "go.mod",
    "go.sum",
    "node_modules/a/package.json",
    "a.dist-info/METADATA",
    "pdm.lock",
];

fuzz_target!(|input: &[u8]| {
    let Some((first, bytes)) = input.split_first() else {
        return;
    };
    // `a` is the first, so that seeds can begin with a letter.
    let index = usize::from(first.wrapping_sub(b'a')) % FILES.len();
    let file = FILES[index];
    assert!(read::is_known(file));
    match read::file(file, bytes) {
        Ok(None) => panic!("{file} is known"),
        Err(error) => judge_error(file, bytes, &error),
        Ok(Some(inventory)) => {
            judge(file, &inventory);
            if file.ends_with(".json") || file == "Pipfile.lock" {
                let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
                serde_json::from_slice::<Box<serde_json::value::RawValue>>(text)
                    .expect("what we take is JSON");
            }
            let joined = Inventory::join([inventory.clone(), inventory.clone()]);
            judge(file, &joined);
            let bom = cyclonedx::Bom {
                subject: "x",
                spec: cyclonedx::Spec::V1_7,
                timestamp: None,
                tool_version: "0",
            };
            let written = cyclonedx::write(&joined, bom);
            ph_inventory::sbom::read("x", &written)
                .expect("what we write")
                .expect("an SBOM");
        }
    }
    let mut tree = installed::Installed::default();
    if let Ok(true) = tree.take(file, bytes) {
        judge(file, &tree.finish());
    }
});

fn judge(file: &str, inventory: &Inventory) {
    for (index, component) in inventory.components.iter().enumerate() {
        assert!(!component.name.is_empty());
        assert_eq!(component.file, file);
        for by in &component.needed_by {
            assert!(*by < inventory.components.len() && *by != index);
        }
    }
}

fn judge_error(file: &str, bytes: &[u8], error: &ReadError) {
    assert_eq!(error.file, file);
    let lines = bytes.iter().filter(|b| **b == b'\n').count() + 1;
    if let Some(place) = error.place {
        assert!(place.line >= 1 && place.line <= lines && place.column >= 1);
    }
}

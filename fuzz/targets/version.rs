//! Orders of versions: whatever texts are given, each order that reads them is total, and no text panics.
//!
//! The first byte chooses the ecosystem; the lines after it are versions.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_inventory::Ecosystem;
use ph_vuln::version::{Version, compare};

const ECOSYSTEMS: &[&str] = &[
    "npm",
    "PyPI",
    "Go",
    "Debian:12",
    "Rocky Linux:9",
    "Alpine:v3.20",
    "Maven",
];
const LINES_MAX: usize = 6;

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let ecosystem = Ecosystem::from_osv(ECOSYSTEMS[usize::from(*first) % ECOSYSTEMS.len()]);
    let text = String::from_utf8_lossy(rest);
    let lines: Vec<&str> = text.lines().take(LINES_MAX).collect();
    let versions: Vec<Version> = lines
        .iter()
        .filter_map(|line| Version::read(&ecosystem, line).ok())
        .collect();
    for a in &versions {
        assert!(a.cmp(a).is_eq());
        for b in &versions {
            assert_eq!(a.cmp(b), b.cmp(a).reverse());
            for c in &versions {
                if a.cmp(b).is_le() && b.cmp(c).is_le() {
                    assert!(a.cmp(c).is_le());
                }
            }
        }
    }
    if let [a, b, ..] = lines[..] {
        let readable = Version::read(&ecosystem, a).is_ok() && Version::read(&ecosystem, b).is_ok();
        assert_eq!(compare(&ecosystem, a, b).is_ok(), readable);
    }
});

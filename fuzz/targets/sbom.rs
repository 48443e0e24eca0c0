//! SBOMs: any bytes are one, or none, or refused; and what we write of one is one again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_inventory::{cyclonedx, sbom};

fuzz_target!(|bytes: &[u8]| {
    let Ok(Some(inventory)) = sbom::read("x", bytes) else {
        return;
    };
    let bom = cyclonedx::Bom {
        subject: "x",
        spec: cyclonedx::Spec::V1_6,
        timestamp: None,
        tool_version: "0",
    };
    let written = cyclonedx::write(&inventory, bom);
    let again = sbom::read("x", &written)
        .expect("what we write")
        .expect("an SBOM");
    assert_eq!(written, cyclonedx::write(&inventory, bom));
    assert!(again.components.len() <= inventory.components.len());
    for component in &again.components {
        assert!(
            component
                .needed_by
                .iter()
                .all(|by| *by < again.components.len())
        );
    }
});

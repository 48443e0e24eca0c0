//! Reports of other scanners: any bytes are a report or an error, and merging one twice changes nothing more.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_inventory::{Component, Ecosystem, Inventory};
use ph_vuln::report::{Database, Report, json, openvex, sarif, table};
use ph_vuln::scanners::{merge, read};

fuzz_target!(|bytes: &[u8]| {
    let Ok(scan) = read(bytes) else {
        return;
    };
    if scan.findings.len() > 200 {
        return;
    }
    let inventory = Inventory {
        components: ["base64url", "jquery"]
            .map(|name| Component::new(Ecosystem::Npm, name))
            .to_vec(),
        ..Inventory::default()
    };
    let mut report = Report {
        subject: "x".to_owned(),
        at: Default::default(),
        database: Database {
            sources: Vec::new(),
            stale_after: std::time::Duration::from_secs(86_400),
        },
        packages: 2,
        files: Vec::new(),
        rows: Vec::new(),
        overridden: Vec::new(),
        unchecked: Vec::new(),
        differences: Vec::new(),
        notes: Vec::new(),
    };
    merge(&mut report, &inventory, scan.clone());
    let once: Vec<_> = report
        .rows
        .iter()
        .map(|row| row.finding.component.clone())
        .collect();
    merge(&mut report, &inventory, scan);
    let twice: Vec<_> = report
        .rows
        .iter()
        .map(|row| row.finding.component.clone())
        .collect();
    assert_eq!(once, twice);
    let text = table(&report, &|_, text| text.to_owned());
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    let outcome = report.outcome(None);
    json(&report, outcome).expect("a report is JSON");
    let _ = sarif(&report);
    let _ = openvex(&report, "x", &|_| None, &[]);
});

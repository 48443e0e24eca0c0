use ph_inventory::{Component, Ecosystem, Inventory};

use super::*;
use crate::report::tests::{clean, component};
use crate::report::{Outcome, Overridden, Report};
use crate::severity::Class;

const TRIVY: &[u8] = include_bytes!("../../tests/scanners/trivy.json");
const OSV: &[u8] = include_bytes!("../../tests/scanners/osv-scanner.json");
const NPM: &[u8] = include_bytes!("../../tests/scanners/npm-audit.json");
const NPM_CRITICAL: &[u8] = include_bytes!("../../tests/scanners/npm-audit-critical.json");
const NPM_FAILED: &[u8] = include_bytes!("../../tests/scanners/npm-audit-failed.json");
const PNPM: &[u8] = include_bytes!("../../tests/scanners/pnpm-audit.json");
const YARN: &[u8] = include_bytes!("../../tests/scanners/yarn-audit.jsonl");
const YARN_FAILED: &[u8] = include_bytes!("../../tests/scanners/yarn-audit-failed.jsonl");
const PIP: &[u8] = include_bytes!("../../tests/scanners/pip-audit.json");
const PIP_SKIPPED: &[u8] = include_bytes!("../../tests/scanners/pip-audit-skipped.json");

/// Each finding in one line.
fn lines(scan: &Scan) -> Vec<String> {
    let all = scan.findings.iter().map(|found| {
        let (finding, component) = (&found.finding, &found.finding.component);
        format!(
            "{} [{}] {} {}@{} {}{} {} -> {} {}",
            finding.id,
            finding.aliases.join(" "),
            component.ecosystem,
            component.name,
            component.version.as_deref().unwrap_or("?"),
            component.path,
            component.file,
            finding.severity.score,
            finding.fixed_in.join(" "),
            found.chain.join(">")
        )
    });
    all.map(|line| line.trim_end().to_owned()).collect()
}

#[test]
fn each_scanner_is_known_by_its_report() {
    let known = [
        (TRIVY, Scanner::Trivy, Some(2)),
        (OSV, Scanner::Osv, None),
        (NPM, Scanner::NpmAudit, Some(1)),
        (PNPM, Scanner::NpmAudit, Some(2)),
        (YARN, Scanner::YarnAudit, Some(1)),
        (PIP, Scanner::PipAudit, Some(6)),
    ];
    for (bytes, scanner, packages) in known {
        let scan = read(bytes).unwrap();
        assert_eq!((scan.scanner, scan.packages), (scanner, packages));
        assert_eq!(scan.unchecked, [], "{}", scanner.name());
    }
}

#[test]
fn findings_are_those_of_the_reports() {
    let of = |bytes| lines(&read(bytes).unwrap());
    assert_eq!(
        of(TRIVY),
        ["CVE-2019-11358 [GHSA-6c3j-c64m-qhgq] npm jquery@3.3.9 package-lock.json 6.1 -> 3.4.0"]
    );
    assert_eq!(
        of(OSV),
        [
            "GO-2021-0053 [CVE-2021-3121 GHSA-c3h9-896r-86jm] Go github.com/gogo/protobuf@1.3.1 /path/to/go.mod 7 -> 1.3.2",
            "GHSA-m5pq-gvj9-9vr8 [CVE-2022-24713 RUSTSEC-2022-0013] crates.io regex@1.5.1 /path/to/sub-rust-project/Cargo.lock 7 -> 1.5.5",
        ]
    );
    assert_eq!(
        of(NPM),
        ["GHSA-rvg8-pwq2-xj7q [] npm base64url@? node_modules/base64url 4 -> 3.0.0"]
    );
    assert_eq!(
        of(NPM_CRITICAL),
        ["NPM-1040620 [] npm open@? node_modules/open 9 ->"]
    );
    let old = "GHSA-rvg8-pwq2-xj7q [] npm base64url@2.0.0  4 -> 3.0.0 base64url";
    assert_eq!(of(YARN), [old]);
    assert_eq!(of(PNPM), [old]);
    assert_eq!(
        of(PIP),
        [
            "PYSEC-2019-179 [] PyPI flask@0.5  7 -> 1.0",
            "PYSEC-2018-66 [] PyPI flask@0.5  7 -> 0.12.3"
        ]
    );
}

#[test]
fn a_scan_that_looked_at_nothing_is_not_clean() {
    let skipped = read(PIP_SKIPPED).unwrap();
    assert_eq!(skipped.unchecked.len(), 3);
    assert!(skipped.unchecked[2].why.contains("says nothing"));
    let cut = read(YARN_FAILED).unwrap();
    assert!(cut.unchecked[0].why.contains("did not end"));
    for nothing in [
        &b"{\"dependencies\": []}"[..],
        b"[]",
        b"{\"SchemaVersion\": 2, \"ArtifactName\": \"x\"}",
        b"{\"SchemaVersion\": 2, \"Results\": [{\"Target\": \"Dockerfile\", \"Class\": \"config\"}]}",
        b"{\"auditReportVersion\": 2, \"vulnerabilities\": {}, \"metadata\": {\"dependencies\": {\"total\": 0}}}",
        b"{\"auditReportVersion\": 2, \"vulnerabilities\": {}}",
        b"{\"type\": \"auditSummary\", \"data\": {\"totalDependencies\": 0}}",
    ] {
        let scan = read(nothing).unwrap();
        assert_eq!(scan.unchecked.len(), 1, "{}", String::from_utf8_lossy(nothing));
        let mut report = clean();
        merge(&mut report, &Inventory::default(), scan);
        assert_eq!(report.outcome(None), Outcome::Unknown);
    }
    assert_eq!(read(b"{\"results\": []}").unwrap().notes.len(), 1);
}

#[test]
fn a_scanner_that_failed_is_an_error_in_its_own_words() {
    let error = read(NPM_FAILED).unwrap_err().to_string();
    assert!(
        error.starts_with("npm audit failed, so nothing was checked: 405 Method Not Allowed"),
        "{error}"
    );
    let error = read(b"{\"type\":\"error\",\"data\":\"no network\"}")
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "yarn audit failed, so nothing was checked: no network"
    );
}

#[test]
fn what_is_broken_has_its_place() {
    let cut = &TRIVY[..TRIVY.len() / 2];
    let error = read(cut).unwrap_err();
    assert!(
        matches!(&error, ScannerError::Form { source, .. } if source.line() > 10),
        "{error}"
    );
    let mut two = YARN.to_vec();
    two.extend_from_slice(b"{\"type\": 1}\n");
    assert!(read(&two).unwrap_err().to_string().contains("line 3"));
    for none in [&b"{}"[..], b"{\"a\": 1}", b"{\"bomFormat\": \"CycloneDX\"}"] {
        assert!(matches!(read(none), Err(ScannerError::Unknown)));
    }
    assert!(read(b"").is_err());
    assert!(read(b"\xff\xfe").is_err());
    assert!(read(b"\xef\xbb\xbf{\"results\": []}").is_ok());
}

fn with(components: &[Component]) -> Inventory {
    Inventory {
        components: components.to_vec(),
        ..Inventory::default()
    }
}

fn merged(report: &mut Report, inventory: &Inventory, bytes: &[u8]) {
    merge(report, inventory, read(bytes).unwrap());
}

#[test]
fn the_same_vulnerability_is_one_finding_whoever_found_it() {
    let inventory = with(&[component("base64url", "2.0.0")]);
    let mut report = clean();
    for bytes in [NPM, YARN, PNPM, NPM] {
        merged(&mut report, &inventory, bytes);
    }
    assert_eq!(report.rows.len(), 1);
    let row = &report.rows[0];
    assert_eq!(row.found_by, ["npm audit", "yarn audit"]);
    assert_eq!(row.finding.component, inventory.components[0]);
    assert_eq!(row.finding.severity.class(), Class::Medium);
    assert_eq!(report.outcome(None), Outcome::Found);
}

#[test]
fn an_alias_is_enough_and_ours_stays() {
    let jquery = component("jquery", "3.3.9");
    let inventory = with(std::slice::from_ref(&jquery));
    let mut report = clean();
    let mut mine = crate::report::tests::finding("GHSA-6c3j-c64m-qhgq", jquery, 6.9);
    mine.fixed_in = vec!["3.4.0".to_owned()];
    report.rows = crate::report::rows(&inventory, vec![mine], "pilothouse");
    merged(&mut report, &inventory, TRIVY);
    assert_eq!(report.rows.len(), 1);
    assert_eq!(report.rows[0].found_by, ["pilothouse", "trivy"]);
    assert_eq!(report.rows[0].finding.aliases, ["CVE-2019-11358"]);
    assert!((report.rows[0].finding.severity.score - 6.9).abs() < 1e-9);
}

#[test]
fn each_place_of_a_package_is_a_finding_and_other_versions_are_none() {
    let nested = Component {
        path: "node_modules/a/node_modules/base64url".to_owned(),
        ..component("base64url", "2.0.0")
    };
    let patched = component("base64url", "3.0.0");
    let mut report = clean();
    merged(&mut report, &with(&[nested.clone(), patched.clone()]), YARN);
    assert_eq!(report.rows.len(), 1);
    assert_eq!(report.rows[0].finding.component, nested);
    // npm says the place and no version: what is there is meant.
    let mut report = clean();
    merged(&mut report, &with(&[nested, patched.clone()]), NPM);
    assert_eq!(report.rows.len(), 1);
    assert_eq!(report.rows[0].finding.component, patched);
}

#[test]
fn what_the_operator_overrode_stays_silent() {
    let inventory = with(&[component("base64url", "2.0.0")]);
    let mut report = clean();
    merged(&mut report, &inventory, YARN);
    let row = report.rows.remove(0);
    report.overridden = vec![Overridden {
        row,
        reason: "node 20".to_owned(),
        expires: "2027-01-01".to_owned(),
    }];
    merged(&mut report, &inventory, NPM);
    assert_eq!(report.rows, []);
}

#[test]
fn a_scan_of_what_we_cannot_see_counts_its_packages() {
    let mut report = Report {
        packages: 0,
        ..clean()
    };
    merged(&mut report, &Inventory::default(), PIP);
    assert_eq!((report.packages, report.rows.len()), (6, 2));
    assert_eq!(report.rows[0].chain, ["flask"]);
    assert_eq!(report.rows[0].finding.component.ecosystem, Ecosystem::PyPi);
}

#[test]
fn compromised_releases_of_trivy_are_refused() {
    for bad in ["0.69.4", "v0.69.5", " 0.69.6\n", "0.69.4-amd64"] {
        assert!(refused_trivy(bad).is_some(), "{bad}");
    }
    for good in ["0.69.3", "0.70.0", "0.69.40", "1.0.69.4", ""] {
        assert_eq!(refused_trivy(good), None, "{good}");
    }
}

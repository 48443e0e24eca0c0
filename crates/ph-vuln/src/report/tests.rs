use std::path::Path;
use std::time::Duration;

use ph_inventory::{Component, Ecosystem, Inventory, Unchecked};

use super::*;
use crate::Severity;
use crate::exposed::{CallingClient, ExposedPlace, Level, ReachingTool, Traffic};
use crate::severity::SeverityFrom;

pub(crate) fn component(name: &str, version: &str) -> Component {
    Component {
        version: Some(version.to_owned()),
        path: format!("node_modules/{name}"),
        file: "package-lock.json".to_owned(),
        ..Component::new(Ecosystem::Npm, name)
    }
}

pub(crate) fn finding(id: &str, component: Component, score: f64) -> Finding {
    Finding {
        id: id.to_owned(),
        aliases: Vec::new(),
        summary: format!("What {id} is."),
        component,
        severity: Severity {
            score,
            from: SeverityFrom::Cvss,
        },
        fixed_in: Vec::new(),
        is_exploited: false,
        epss: None,
        is_malicious: false,
        unknown: None,
        references: Vec::new(),
        symbols: Vec::new(),
        cwes: Vec::new(),
        informational: None,
    }
}

pub(crate) fn source(ecosystem: &str) -> Source {
    Source {
        ecosystem: ecosystem.to_owned(),
        from: "https://osv.example/npm/all.zip".to_owned(),
        records: 33,
        fetched_at: "2026-11-22T06:00:00Z".parse().ok(),
        age: Some(Duration::from_secs(7_200)),
        is_needed: true,
    }
}

pub(crate) fn clean() -> Report {
    Report {
        subject: "files".to_owned(),
        at: Timestamp::from_second(1_795_334_400).unwrap(),
        database: Database {
            sources: vec![source("npm")],
            stale_after: Duration::from_secs(86_400),
        },
        packages: 3,
        files: vec!["package-lock.json".to_owned()],
        rows: Vec::new(),
        overridden: Vec::new(),
        unchecked: Vec::new(),
        differences: Vec::new(),
        notes: Vec::new(),
    }
}

/// Reachable from a tool that was called.
pub(crate) fn exposed() -> Exposed {
    let mut of = Exposed {
        level: Level::Reachable,
        source: Some("srv/files".to_owned()),
        files: 12,
        places: vec![ExposedPlace {
            file: "settings.js".to_owned(),
            line: 6,
            text: "lodash.merge(settings, patch)".to_owned(),
            level: Level::Reachable,
        }],
        tools: vec![ReachingTool {
            tool: "change_settings".to_owned(),
            takes_input: true,
        }],
        any_use_counts: true,
        unseen: Vec::new(),
        transport: Some("a guess".to_owned()),
        ..Exposed::unknown("")
    };
    of.called(Traffic {
        since: 1_792_742_400,
        calls: 41,
        clients: vec![CallingClient {
            client: "inspector 1.0".to_owned(),
            calls: 40,
        }],
        others: 1,
        complete: true,
    });
    of
}

/// One of everything.
fn full() -> Report {
    let inventory = Inventory {
        components: vec![
            component("mcp-remote", "0.1.5"),
            Component {
                needed_by: vec![0],
                ..component("express", "4.21.1")
            },
            Component {
                needed_by: vec![1],
                ..component("path-to-regexp", "0.1.10")
            },
            component("evil", "1.0.0"),
            component("old", "0.0.1"),
        ],
        ..Inventory::default()
    };
    let of = |at: usize| inventory.components[at].clone();
    let findings = vec![
        Finding {
            aliases: vec!["CVE-2024-52798".to_owned()],
            cwes: vec!["CWE-1333".to_owned()],
            informational: Some("unmaintained".to_owned()),
            fixed_in: vec!["0.1.12".to_owned()],
            references: vec!["https://example.com/a".to_owned()],
            epss: Some(0.012),
            unknown: Some("the version has no order".to_owned()),
            ..finding("GHSA-rhx6-c78j-4q9w", of(2), 7.7)
        },
        Finding {
            aliases: vec!["CVE-2025-6514".to_owned()],
            fixed_in: vec!["0.1.16".to_owned()],
            is_exploited: true,
            ..finding("GHSA-6xpm-ggf7-wc3p", of(0), 9.6)
        },
        Finding {
            is_malicious: true,
            severity: Severity {
                score: 10.0,
                from: SeverityFrom::Malicious,
            },
            ..finding("MAL-2025-1", of(3), 10.0)
        },
        Finding {
            severity: Severity {
                score: 7.0,
                from: SeverityFrom::Unknown,
            },
            ..finding("OSV-2020-1", of(4), 7.0)
        },
    ];
    let mut rows = rows(&inventory, findings, "pilothouse");
    rows[1].found_by.push("npm audit".to_owned());
    rows[1].exposure = Some(exposed());
    let gone = rows[3].clone();
    let mut report = Report {
        packages: 5,
        rows: rows[..3].to_vec(),
        overridden: vec![Overridden {
            row: gone,
            reason: "the record is wrong".to_owned(),
            expires: "2027-01-01".to_owned(),
        }],
        unchecked: vec![Unchecked {
            what: "poetry.lock".to_owned(),
            why: "line 3: a value is missing".to_owned(),
        }],
        differences: vec![Difference {
            package: "express".to_owned(),
            path: "node_modules/express".to_owned(),
            locked: Some("4.21.1".to_owned()),
            installed: None,
        }],
        notes: vec!["the override of GHSA-0000 expired on 2026-01-01".to_owned()],
        ..clean()
    };
    report.sort();
    report
}

#[expect(
    clippy::disallowed_methods,
    reason = "whether to write the files anew is said by the environment"
)]
/// Compares with the file of this name, or writes it where `BLESS` is set.
fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/goldens")
        .join(name);
    // The version of the crate is none of what is tested.
    let text = text.replace(env!("CARGO_PKG_VERSION"), "0.0.0");
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(text, known, "{}: BLESS=1 writes it anew", path.display());
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

fn stance(key: &FindingKey) -> Option<Stance> {
    match key.package.as_str() {
        "npm/mcp-remote" => Some(Stance::Affected {
            action: "Upgrade to 0.1.16.".to_owned(),
            is_accepted: false,
        }),
        "npm/evil" => Some(Stance::Fixed),
        _ => None,
    }
}

/// One that is another version now, and one that is gone.
fn gone() -> Vec<Fixed> {
    let fixed = |name: &str, components| Fixed {
        name: name.to_owned(),
        aliases: vec!["GHSA-jf85-cpcp-j695".to_owned()],
        title: "Prototype pollution".to_owned(),
        components,
        proof: "A scan of node_modules did not find it.".to_owned(),
    };
    vec![
        fixed("CVE-2019-10744", vec![component("lodash", "4.17.21")]),
        fixed("CVE-2019-10745", Vec::new()),
    ]
}

#[test]
fn every_form_of_a_report_is_what_it_was() {
    let report = full();
    golden("report.txt", &table(&report, &|_, text| text.to_owned()));
    golden("report.json", &json(&report, report.outcome(None)).unwrap());
    golden("report.sarif", &pretty(&sarif(&report)));
    golden(
        "report.openvex.json",
        &pretty(&openvex(&report, "ops@example.com", &stance, &gone()).unwrap()),
    );
    golden(
        "report.vex.cdx.json",
        &pretty(&cyclonedx_vex(&report, &stance, &gone())),
    );
}

#[test]
fn nothing_found_is_clean_only_when_everything_was_looked_at() {
    assert_eq!(clean().outcome(None), Outcome::Clean);
    let nothing = Report {
        packages: 0,
        ..clean()
    };
    assert_eq!(nothing.outcome(None), Outcome::Unknown);
    let unchecked = Report {
        unchecked: vec![Unchecked {
            what: "x".to_owned(),
            why: "y".to_owned(),
        }],
        ..clean()
    };
    assert_eq!(unchecked.outcome(None), Outcome::Unknown);
    let mut stale = clean();
    stale.database.sources[0].age = Some(Duration::from_secs(86_401));
    assert_eq!(stale.outcome(None), Outcome::Unknown);
}

#[test]
fn what_was_found_below_the_limit_is_no_finding_and_hides_no_doubt() {
    let mut report = full();
    assert_eq!(report.outcome(Some(Class::Critical)), Outcome::Found);
    report
        .rows
        .retain(|row| row.finding.severity.class() < Class::Critical);
    assert_eq!(report.outcome(Some(Class::Critical)), Outcome::Unknown);
    report.unchecked.clear();
    assert_eq!(report.outcome(Some(Class::Critical)), Outcome::Clean);
    assert_eq!(report.outcome(Some(Class::High)), Outcome::Found);
    assert_eq!(report.outcome(None), Outcome::Found);
}

#[test]
fn a_finding_keeps_its_key_when_versions_and_aliases_come() {
    let one = finding("GHSA-b", component("lodash", "4.17.4"), 7.0);
    assert_eq!(key("s", &one).advisory, "GHSA-b");
    let later = Finding {
        component: component("lodash", "4.17.5"),
        aliases: vec!["CVE-2019-2".to_owned(), "CVE-2019-1".to_owned()],
        ..one.clone()
    };
    assert_eq!(key("s", &later).advisory, "CVE-2019-1");
    assert_eq!(key("s", &later).package, key("s", &one).package);
}

#[test]
fn foreign_text_does_not_move_the_cursor() {
    let mut report = full();
    report.rows[0].finding.summary = "red \u{1b}[31m and \u{202e} back".to_owned();
    report.rows[0].finding.component.path = "a\rb".to_owned();
    let text = table(&report, &|_, text| text.to_owned());
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(bad), "{text:?}");
}

#[test]
fn a_document_of_openvex_has_each_statement_once_and_at_least_one() {
    assert_eq!(openvex(&clean(), "ops", &|_| None, &[]), None);
    let mut report = full();
    let mut twice = report.rows[0].clone();
    twice.finding.component.path = "node_modules/b/node_modules/c".to_owned();
    let alone = openvex(&report, "ops", &|_| None, &[]);
    report.rows.insert(1, twice);
    assert_eq!(openvex(&report, "ops", &|_| None, &[]), alone);
    let said = |_: &FindingKey| {
        Some(Stance::NotAffected {
            justification: Some(Justification::VulnerableCodeNotPresent),
            why: "it is not built in".to_owned(),
        })
    };
    let document = openvex(&report, "ops", &said, &[]).unwrap();
    let first = &document["statements"][0];
    // The schema takes one of the two, never both.
    assert_eq!(first["justification"], "vulnerable_code_not_present");
    assert_eq!(first.get("impact_statement"), None);
    assert_eq!(first["status_notes"], "it is not built in");
}

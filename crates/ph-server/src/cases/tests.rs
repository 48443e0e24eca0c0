use super::*;
use ph_inventory::{Component, Ecosystem};
use ph_record::{Reading, SampleSource as _};
use ph_vuln::severity::{Severity, SeverityFrom};
use ph_vuln::{Finding, life::Gap};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A server whose lodash can be told to be another one.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Now>>);

#[derive(Default)]
struct Now {
    servers: Vec<&'static str>,
    version: &'static str,
    gap: Option<Gap>,
    scans: u32,
    advisories: Option<SystemTime>,
}

impl Fake {
    fn of(version: &'static str) -> Self {
        let fake = Self::default();
        fake.set(version);
        lock(&fake.0).servers = vec!["files"];
        fake
    }

    fn set(&self, version: &'static str) {
        lock(&self.0).version = version;
    }
}

impl Scanner for Fake {
    fn apply(&self, _plan: &Plan) {}

    fn servers(&self) -> Vec<String> {
        let now = lock(&self.0);
        now.servers.iter().map(|&name| name.to_owned()).collect()
    }

    fn can_scan(&self) -> bool {
        true
    }

    fn compared_with(&self) -> Vec<Option<SystemTime>> {
        vec![lock(&self.0).advisories]
    }

    fn scan(&self, server: &str) -> Look {
        let mut now = lock(&self.0);
        now.scans += 1;
        let findings = if now.version == "4.17.21" || now.gap.is_some() {
            vec![]
        } else {
            vec![finding(now.version)]
        };
        let versions = BTreeSet::from([now.version.to_owned()]);
        Look {
            subject: server.to_owned(),
            artefact: "node_modules".to_owned(),
            is_running: true,
            findings,
            components: BTreeMap::from([("npm/lodash".to_owned(), versions)]),
            gaps: now.gap.into_iter().collect(),
            ..Look::default()
        }
    }
}

fn finding(version: &str) -> Finding {
    Finding {
        id: "GHSA-jf85-cpcp-j695".to_owned(),
        aliases: vec!["CVE-2019-10744".to_owned()],
        summary: "Prototype Pollution in lodash".to_owned(),
        component: Component {
            version: Some(version.to_owned()),
            ..Component::new(Ecosystem::Npm, "lodash")
        },
        severity: Severity {
            score: 9.1,
            from: SeverityFrom::Cvss,
        },
        fixed_in: vec!["4.17.12".to_owned()],
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

fn desk(path: &Path, fake: &Fake) -> (CaseDesk, Arc<Mutex<Vec<String>>>) {
    let (state, book) = open(path).unwrap();
    let said = Arc::new(Mutex::new(Vec::new()));
    let hears = Arc::clone(&said);
    let desk = CaseDesk {
        book: ArcSwap::from_pointee(book),
        state: Mutex::new(state),
        settings: ArcSwap::from_pointee(Settings::of(&Plan::default())),
        scanner: Some(Box::new(fake.clone())),
        scanning: Mutex::default(),
        say: Box::new(move |text| lock(&hears).push(text.to_owned())),
        alone: None,
    };
    (desk, said)
}

fn place() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cases.db");
    (dir, path)
}

fn wanted(what: &str) -> NewMove {
    NewMove {
        what: what.to_owned(),
        reason: "looked at it".to_owned(),
        ..NewMove::default()
    }
}

fn metrics(desk: &CaseDesk) -> BTreeMap<String, f64> {
    let mut seen = BTreeMap::new();
    desk.samples(&mut |metric, labels, reading| {
        let value = match reading {
            Reading::Value(value) => value,
            Reading::Histogram { buckets, .. } => {
                assert_eq!(buckets.len(), metric.buckets.len() + 1);
                buckets.iter().sum::<u64>() as f64
            }
        };
        let key = format!("{}{{{}}}", metric.name, labels.join(","));
        assert!(seen.insert(key, value).is_none());
    });
    seen
}

#[test]
fn from_a_scan_to_the_proof_also_through_a_kill() {
    let (_dir, path) = place();
    let fake = Fake::of("4.17.4");
    let (first, said) = desk(&path, &fake);
    first.tick().unwrap();
    let one = &first.list(false).unwrap().vulnerabilities[0];
    assert_eq!(
        (one.id, &*one.advisory, &*one.state),
        (1, "CVE-2019-10744", "detected")
    );
    assert_eq!(one.due, Some(one.first_detected + 24 * 3600));
    assert_eq!(
        metrics(&first)["mcp_vulnerabilities{files,critical,detected}"],
        1.0
    );
    assert_eq!(
        metrics(&first)["mcp_vulnerability_overdue{files,critical}"],
        0.0
    );
    assert!(metrics(&first)["mcp_vulnerability_deadline_ratio{files,critical}"] < 0.01);
    for (what, state) in [
        ("assess", "assessed"),
        ("patching", "patching"),
        ("test", "testing"),
    ] {
        assert_eq!(first.go(1, wanted(what), "key:ann").unwrap().state, state);
    }
    // Nobody can say that it is deployed: the old version is what runs.
    let refused = first.go(1, wanted("deployed"), "key:ann").unwrap_err();
    let CaseRefusal::NotFromHere(text) = &refused else {
        panic!("{refused:?}");
    };
    assert!(
        text.contains("a scan of what files runs finds npm/lodash 4.17.4"),
        "{text}"
    );
    // Killed: nothing is closed in order.
    drop(first);
    let (second, _) = desk(&path, &fake);
    let one = second.one(1).unwrap();
    assert_eq!(one.state, "testing");
    let who: Vec<_> = one.history.iter().map(|entry| &*entry.actor).collect();
    assert_eq!(who, ["scan", "key:ann", "key:ann", "key:ann"]);
    fake.set("4.17.21");
    let done = second.go(1, wanted("deployed"), "key:ann").unwrap();
    assert_eq!(done.state, "deployed");
    assert_eq!(done.proof.unwrap().versions, ["4.17.21"]);
    let seen = metrics(&second);
    assert_eq!(seen["mcp_vulnerability_remediation_seconds{critical}"], 1.0);
    assert_eq!(seen["mcp_vulnerability_scan_incomplete{files,stale}"], 0.0);
    assert!(seen["mcp_vulnerability_scan_timestamp_seconds{files}"] > 1e9);
    let text =
        "vulnerability 1 of files: CVE-2019-10744 in npm/lodash, critical: detected → assessed";
    assert!(lock(&said).iter().any(|line| line == text), "{said:?}");
}

#[test]
fn a_scan_that_is_no_answer_proves_nothing_and_is_shown() {
    let (_dir, path) = place();
    let fake = Fake::of("4.17.4");
    let (desk, _) = desk(&path, &fake);
    desk.tick().unwrap();
    lock(&fake.0).gap = Some(Gap::Stale);
    let refused = desk.go(1, wanted("deployed"), "x").unwrap_err().to_string();
    assert!(
        refused.contains("is detected: the advisories are too old to tell (stale)"),
        "{refused}"
    );
    assert_eq!(
        metrics(&desk)["mcp_vulnerability_scan_incomplete{files,stale}"],
        1.0
    );
}

#[test]
fn scans_come_when_they_are_due_and_cases_of_a_server_that_goes_are_withdrawn() {
    let (_dir, path) = place();
    let fake = Fake::of("4.17.4");
    let (desk, _) = desk(&path, &fake);
    for _ in 0..3 {
        desk.tick().unwrap();
    }
    assert_eq!(lock(&fake.0).scans, 1, "an hour is between two");
    lock(&fake.0).servers.push("mail");
    desk.tick().unwrap();
    assert_eq!(
        lock(&fake.0).scans,
        2,
        "a server that is new is scanned at once"
    );
    desk.scan(Some("files")).unwrap();
    assert_eq!(lock(&fake.0).scans, 3);
    lock(&fake.0).advisories = Some(SystemTime::UNIX_EPOCH);
    for _ in 0..3 {
        desk.tick().unwrap();
    }
    assert_eq!(
        lock(&fake.0).scans,
        5,
        "other advisories than before are compared with at once, and once"
    );
    assert!(matches!(desk.scan(Some("x")), Err(CaseRefusal::Unknown(_))));
    lock(&fake.0).servers.retain(|name| *name == "mail");
    desk.tick().unwrap();
    let states: Vec<_> = desk
        .list(false)
        .unwrap()
        .vulnerabilities
        .into_iter()
        .map(|case| (case.server, case.state))
        .collect();
    let state = |server: &str, state: &str| (server.to_owned(), state.to_owned());
    assert_eq!(
        states,
        [state("mail", "detected"), state("files", "withdrawn")]
    );
}

#[test]
fn what_is_refused_is_not_kept_and_says_what_is_possible() {
    let (_dir, path) = place();
    let (desk, _) = desk(&path, &Fake::of("4.17.4"));
    desk.tick().unwrap();
    let before = desk.one(1).unwrap();
    let refused = desk.go(1, wanted("accept"), "x").unwrap_err();
    assert!(
        refused.to_string().contains("assess (to assessed)"),
        "{refused}"
    );
    let unknown = desk.go(7, wanted("assess"), "x").unwrap_err();
    assert_eq!(
        unknown,
        CaseRefusal::Unknown("there is no case 7".to_owned())
    );
    let mut silent = wanted("assess");
    silent.reason.clear();
    assert!(matches!(
        desk.go(1, silent, "x"),
        Err(CaseRefusal::Invalid(_))
    ));
    let after = desk.one(1).unwrap();
    assert_eq!((before.state, before.history), (after.state, after.history));
}

#[test]
fn without_a_daemon_changes_are_written_down_here() {
    let dir = tempfile::tempdir().unwrap();
    let plan = Plan::default();
    let alone = CaseDesk::open(dir.path(), &plan).unwrap();
    let fake = Fake::of("4.17.4");
    alone.observe(&fake.scan("files")).unwrap();
    let moved = alone.go(1, wanted("assess"), "").unwrap();
    assert!(moved.history[1].actor.starts_with("uid:"), "{moved:?}");
    assert!(matches!(alone.scan(None), Err(CaseRefusal::Unavailable(_))));
    // The lock of the directory is held.
    assert!(CaseDesk::open(dir.path(), &plan).is_err());
    let audit = std::fs::read_to_string(dir.path().join("logs/audit.log")).unwrap();
    assert_eq!(audit.lines().count(), 2);
    assert!(
        audit.contains("\"vulnerability.move\"") && audit.contains("looked at it"),
        "{audit}"
    );
}

use std::convert::Infallible;

use ph_inventory::Ecosystem;
use proptest::prelude::*;

use super::*;

fn component(ecosystem: &str, name: &str, version: &str) -> Component {
    Component {
        version: (!version.is_empty()).then(|| version.to_owned()),
        file: "lock".to_owned(),
        ..Component::new(Ecosystem::from_osv(ecosystem), name)
    }
}

fn advisory(text: &str) -> Advisory {
    Advisory::read(text.as_bytes()).unwrap()
}

/// A record of one package with these members of its entry.
fn about(id: &str, ecosystem: &str, name: &str, entry: &str) -> Advisory {
    advisory(&format!(
        r#"{{"id": "{id}", "affected": [{{"package": {{"ecosystem": "{ecosystem}", "name": "{name}"}}, {entry}}}]}}"#
    ))
}

fn events(events: &str) -> String {
    format!(r#""ranges": [{{"type": "ECOSYSTEM", "events": [{events}]}}]"#)
}

#[track_caller]
fn check(ecosystem: &str, version: &str, entry: &str, want: &str) {
    let name = "a";
    let verdict = judge(
        &component(ecosystem, name, version),
        &about("X", ecosystem, name, entry),
    );
    let got = match verdict {
        Verdict::NotAffected => "not".to_owned(),
        Verdict::Affected { fixed_in } => format!("affected {}", fixed_in.join(" "))
            .trim_end()
            .to_owned(),
        Verdict::Unknown(why) => why,
    };
    assert_eq!(got, want, "{ecosystem} {version}");
}

#[test]
fn events_are_walked_in_the_order_of_the_ecosystem() {
    let two = events(
        r#"{"fixed": "2.1"}, {"introduced": "2.0"}, {"introduced": "0"}, {"fixed": "1.10"}"#,
    );
    check("npm", "0.0.0-alpha", &two, "affected 1.10 2.1");
    check("npm", "1.9.0", &two, "affected 1.10 2.1");
    check("npm", "1.10.0-beta", &two, "affected 1.10 2.1");
    check("npm", "1.10.0", &two, "not");
    check("npm", "2.0.5", &two, "affected 2.1");
    check("npm", "2.1.0", &two, "not");
    let last = events(r#"{"introduced": "1.0"}, {"last_affected": "1.5"}"#);
    check("PyPI", "0.9", &last, "not");
    check("PyPI", "1.5.0", &last, "affected");
    check("PyPI", "1.5.post1", &last, "not");
    let limited = events(r#"{"introduced": "0"}, {"limit": "2.0"}"#);
    check("npm", "1.9.0", &limited, "affected");
    check("npm", "2.0.0", &limited, "not");
    check(
        "npm",
        "2.0.0",
        &events(r#"{"introduced": "0"}, {"limit": "*"}"#),
        "affected",
    );
    check(
        "Rocky Linux:9",
        "1:1.0-1",
        &events(r#"{"introduced": "0"}, {"fixed": "0:2.0-1"}"#),
        "not",
    );
    check(
        "npm",
        "1.0.0",
        &events(r#"{"fixed": "2.0"}"#),
        "affected 2.0",
    );
}

#[test]
fn any_range_and_any_listed_version_is_enough() {
    let ranges = r#""ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.0"}]},
        {"type": "SEMVER", "events": [{"introduced": "3.0"}]}], "versions": ["2.2.0"]"#;
    check("npm", "0.1.0", ranges, "affected 1.0");
    check("npm", "2.1.0", ranges, "not");
    check("npm", "2.2.0", ranges, "affected");
    check("npm", "2.2.0+build", ranges, "affected");
    check("npm", "3.1.0", ranges, "affected");
    check("PyPI", "1.0.0", r#""versions": ["1.0"]"#, "affected");
    let name = about(
        "X",
        "PyPI",
        "Mcp_Server.git",
        &events(r#"{"introduced": "0"}"#),
    );
    let verdict = judge(&component("PyPI", "mcp-server-git", "1.0"), &name);
    assert_eq!(verdict, Verdict::Affected { fixed_in: vec![] });
    assert_eq!(
        judge(&component("npm", "mcp-server-git", "1.0.0"), &name),
        Verdict::NotAffected
    );
}

#[test]
fn a_fix_is_above_and_not_itself_affected() {
    let entry = r#""ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "1.1.0"}]},
        {"type": "SEMVER", "events": [{"introduced": "1.1.0"}, {"fixed": "1.2.0"}]},
        {"type": "SEMVER", "events": [{"introduced": "2.0.0"}, {"fixed": "2.1.0"}]}]"#;
    check("npm", "1.0.0", entry, "affected 1.2.0 2.1.0");
    check("npm", "2.0.0", entry, "affected 2.1.0");
}

#[test]
fn what_cannot_be_told_is_unknown_and_says_why() {
    let fixed = events(r#"{"introduced": "0"}, {"fixed": "1.0"}"#);
    let all = events(r#"{"introduced": "0"}"#);
    check("npm", "", &fixed, "its version is not known");
    check("npm", "", &all, "affected");
    let latest = "`latest` is no version of npm: it has no number where one belongs";
    check("npm", "latest", &fixed, latest);
    check("npm", "latest", &all, "affected");
    check(
        "PyPI",
        "2004-spring",
        r#""versions": ["2004-spring"]"#,
        "affected",
    );
    check("Maven", "1.0", r#""versions": ["1.0"]"#, "affected");
    check(
        "Maven",
        "2.0",
        &fixed,
        "the order of versions of Maven is not known here",
    );
    check(
        "npm",
        "1.0.0",
        &events(r#"{"introduced": "0"}, {"fixed": "soon"}"#),
        "the record cannot be read: `soon` is no version of npm: it has no number where one belongs",
    );
    check(
        "npm",
        "1.0.0",
        r#""ranges": [{"type": "GIT", "events": [{"introduced": "0"}]}]"#,
        "the record names commits and no versions",
    );
    check(
        "npm",
        "1.2.3.4",
        &fixed,
        "`1.2.3.4`: it has more than three numbers",
    );
    check(
        "Alpine:v3.20",
        "2.0_odd",
        &fixed,
        "`2.0_odd`: apk's own check refuses it",
    );
    let beside = |words: &str| {
        format!(
            r#"{}, "database_specific": {{"last_known_affected_version_range": "{words}"}}"#,
            events(r#"{"introduced": "0"}"#)
        )
    };
    check("npm", "6.5.8", &beside("< 6.5.9"), "affected");
    check(
        "npm",
        "6.5.9",
        &beside("< 6.5.9"),
        "probably not affected: the record's range has no end, and beside it stands `< 6.5.9` as last known",
    );
    check("npm", "6.5.9", &beside("<= 6.5.9"), "affected");
    check("npm", "9.0.0", &beside("whatever"), "affected");
    let debian = about("X", "Debian:12", "a", &fixed);
    let unknown = judge(&component("Debian", "a", "0.5"), &debian);
    assert!(
        matches!(unknown, Verdict::Unknown(why) if why.contains("in Debian:12 this version is affected"))
    );
    assert_eq!(
        judge(&component("Debian", "a", "1.5"), &debian),
        Verdict::NotAffected
    );
}

fn found(components: Vec<Component>, records: &[Advisory], context: &Context<'_>) -> Findings {
    let inventory = Inventory {
        components,
        ..Inventory::default()
    };
    findings(
        &inventory,
        |_| Ok::<_, Infallible>(records.to_vec()),
        context,
    )
}

fn context(overrides: &Overrides) -> Context<'_> {
    Context {
        overrides,
        attacks: &|_| Attacks::default(),
        now: "2026-11-23T12:00:00Z".parse().unwrap(),
    }
}

#[test]
fn records_that_are_one_vulnerability_are_one_finding() {
    let entry = |fixed: &str| events(&format!(r#"{{"introduced": "0"}}, {{"fixed": "{fixed}"}}"#));
    let mut ghsa = about("GHSA-1", "npm", "a", &entry("2.0.0"));
    ghsa.aliases = vec!["CVE-2026-10".to_owned()];
    ghsa.word = Some("LOW".to_owned());
    let mut snyk = about("SNYK-1", "npm", "a", &entry("2.1.0"));
    snyk.aliases = vec!["CVE-2026-10".to_owned(), "CVE-2026-9".to_owned()];
    snyk.word = Some("HIGH".to_owned());
    let mut withdrawn = about("GHSA-0", "npm", "a", &entry("9.0.0"));
    withdrawn.aliases = vec!["CVE-2026-9".to_owned()];
    withdrawn.withdrawn = Some("2026-01-01T00:00:00Z".to_owned());
    let other = about("GHSA-2", "npm", "a", &entry("2.0.0"));
    let overrides = Overrides::default();
    let all = found(
        vec![component("npm", "a", "1.0.0")],
        &[other, snyk, withdrawn, ghsa],
        &context(&overrides),
    );
    assert_eq!(all.findings.len(), 2);
    let joined = all
        .findings
        .iter()
        .find(|finding| finding.id == "GHSA-1")
        .unwrap();
    assert_eq!(joined.aliases, ["CVE-2026-10", "SNYK-1", "CVE-2026-9"]);
    assert_eq!(joined.representative(), "CVE-2026-9");
    assert_eq!(
        joined.fixed_in,
        ["2.1.0"],
        "what fixes it by one record and not by another is no fix"
    );
    assert_eq!(joined.severity.score, 7.0);
    assert_eq!(joined.key("files").package, "npm/a");
}

#[test]
fn what_is_known_of_attacks_is_joined() {
    let mut record = about("GHSA-1", "npm", "a", &events(r#"{"introduced": "0"}"#));
    record.aliases = vec!["CVE-2026-10".to_owned()];
    let malicious = about("MAL-2026-1", "npm", "a", &events(r#"{"introduced": "0"}"#));
    let overrides = Overrides::default();
    let attacks = |ids: &[&str]| Attacks {
        is_known: ids.contains(&"CVE-2026-10"),
        epss: (ids.len() > 1).then_some(0.25),
    };
    let context = Context {
        attacks: &attacks,
        ..context(&overrides)
    };
    let all = found(
        vec![component("npm", "a", "1.0.0")],
        &[record, malicious],
        &context,
    );
    assert!(all.findings[0].is_malicious);
    assert_eq!(all.findings[0].severity.score, 10.0);
    assert!(all.findings[1].is_exploited && !all.findings[0].is_exploited);
    assert_eq!(all.findings[1].epss, Some(0.25));
}

#[test]
fn overrides_hold_until_their_day_and_are_told_when_they_do_nothing() {
    let record = about("CVE-2026-1", "npm", "a", &events(r#"{"introduced": "0"}"#));
    let text = "
- {id: CVE-2026-1, package: npm/a, versions: [1.0.0], reason: not reachable, expires: 2026-11-23}
- {id: CVE-2026-1, package: a, versions: [2.0.0], reason: old, expires: 2026-11-22}
- {id: CVE-2026-1, package: PyPI/a, reason: never, expires: 2027-01-01}
- {id: CVE-2026-2, package: a, reason: gone, expires: 2026-01-01}
";
    let overrides = Overrides::read(text).unwrap();
    let components = vec![
        component("npm", "a", "1.0.0"),
        component("npm", "a", "2.0.0"),
    ];
    let all = found(components, &[record], &context(&overrides));
    let lines =
        |overrides: &[Override]| overrides.iter().map(|given| given.line).collect::<Vec<_>>();
    assert_eq!(all.overridden.len(), 1);
    assert_eq!(
        all.overridden[0].0.component.version.as_deref(),
        Some("1.0.0")
    );
    assert_eq!(all.findings.len(), 1);
    assert_eq!(all.findings[0].component.version.as_deref(), Some("2.0.0"));
    assert_eq!(
        (lines(&all.expired), lines(&all.unused)),
        (vec![3], vec![4, 5])
    );
}

#[test]
fn advisories_that_cannot_be_read_leave_their_package_unchecked() {
    let inventory = Inventory {
        components: vec![component("npm", "a", "1.0.0"); 2],
        ..Inventory::default()
    };
    let overrides = Overrides::default();
    let mut asked = 0;
    let all = findings(
        &inventory,
        |_| {
            asked += 1;
            Err("a bad sector")
        },
        &context(&overrides),
    );
    assert_eq!(asked, 1);
    assert_eq!(all.unchecked[0].what, "npm/a");
    assert_eq!(
        all.unchecked[0].why,
        "its advisories cannot be read: a bad sector"
    );
}

proptest! {
    /// Intervals that do not touch, their events in any order.
    #[test]
    fn a_version_is_affected_if_it_lies_in_an_interval(
        lengths in prop::collection::vec((1_u32..4, 1_u32..4), 1..5),
        is_open in any::<bool>(),
        turn in 0_usize..8,
        version in 0_u32..40,
    ) {
        let mut at = 0;
        let mut intervals = Vec::new();
        for (gap, length) in lengths {
            intervals.push((at + gap, at + gap + length));
            at += gap + length;
        }
        let ends = intervals.len() - usize::from(is_open);
        let mut events = Vec::new();
        for (index, (from, to)) in intervals.iter().enumerate() {
            events.push(format!(r#"{{"introduced": "{from}.0.0"}}"#));
            if index < ends {
                events.push(format!(r#"{{"fixed": "{to}.0.0"}}"#));
            }
        }
        let split = turn % events.len();
        events.rotate_left(split);
        let holds = |version: u32| {
            let mut intervals = intervals.iter().enumerate();
            intervals.any(|(index, (from, to))| version >= *from && (version < *to || index >= ends))
        };
        let entry = format!(r#""ranges": [{{"type": "SEMVER", "events": [{}]}}]"#, events.join(", "));
        let verdict = judge(&component("npm", "a", &format!("{version}.0.0")), &about("X", "npm", "a", &entry));
        let fixed_in: Vec<String> = intervals[..ends]
            .iter()
            .filter(|(_, to)| *to > version && !holds(*to))
            .map(|(_, to)| format!("{to}.0.0"))
            .collect();
        let want = if holds(version) { Verdict::Affected { fixed_in } } else { Verdict::NotAffected };
        prop_assert_eq!(verdict, want);
    }
}

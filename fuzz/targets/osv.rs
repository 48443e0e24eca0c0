//! OSV records and files of overrides: no bytes panic, a version that a record lists is affected, and what is named as a
//! fix is not affected by the record itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ph_inventory::Component;
use ph_vuln::matching::{Verdict, judge};
use ph_vuln::osv::Event;
use ph_vuln::{Advisory, Overrides, Severity};

/// So many versions are judged of a record.
const JUDGED_MAX: usize = 16;

fuzz_target!(|input: &[u8]| {
    if input.first() == Some(&b'-') {
        let read = Overrides::read(&String::from_utf8_lossy(input));
        assert!(!matches!(read, Err(problems) if problems.is_empty()));
        return;
    }
    let Ok(advisory) = Advisory::read(input) else {
        return;
    };
    let severity = Severity::of(&advisory, &[]);
    assert!((0.0..=10.0).contains(&severity.score));
    for entry in advisory.affected.iter().take(4) {
        for version in versions_of(entry).take(JUDGED_MAX) {
            let component = Component {
                version: Some(version.to_owned()),
                ..Component::new(entry.ecosystem.clone(), &entry.package)
            };
            check(
                &component,
                &advisory,
                entry.versions.iter().any(|listed| listed == version),
            );
        }
        let without = Component::new(entry.ecosystem.clone(), &entry.package);
        let _ = judge(&without, &advisory);
    }
});

fn versions_of(entry: &ph_vuln::osv::Affected) -> impl Iterator<Item = &str> {
    let events = entry
        .ranges
        .iter()
        .flat_map(|range| &range.events)
        .map(|event| match event {
            Event::Introduced(text)
            | Event::Fixed(text)
            | Event::LastAffected(text)
            | Event::Limit(text) => text,
        });
    entry.versions.iter().chain(events).map(String::as_str)
}

fn check(component: &Component, advisory: &Advisory, is_listed: bool) {
    let verdict = judge(component, advisory);
    let is_given = component
        .version
        .as_deref()
        .is_some_and(|version| !version.is_empty());
    if is_listed && is_given && advisory.withdrawn.is_none() {
        assert!(matches!(verdict, Verdict::Affected { .. }), "{verdict:?}");
    }
    let Verdict::Affected { fixed_in } = verdict else {
        return;
    };
    for fixed in fixed_in {
        let fixed = Component {
            version: Some(fixed),
            ..component.clone()
        };
        let verdict = judge(&fixed, advisory);
        assert!(
            !matches!(verdict, Verdict::Affected { .. }),
            "{fixed:?}: {verdict:?}"
        );
    }
}

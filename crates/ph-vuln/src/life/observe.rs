//! What a scan saw, written into the book.

use super::book::{Book, CASES_MAX, shown};
use super::case::{Case, Entry, Proof, word_of};
use super::event::Sight;
use super::look::{Gap, Look};
use super::state::State;
use crate::{Exposed, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// Versions, ids, places and references of a case.
const OF_EACH_MAX: usize = 32;
/// Longest summary, in characters.
const SUMMARY_CHARS_MAX: usize = 300;

/// Findings of one vulnerability in one package.
struct Group<'a> {
    package: String,
    ids: BTreeSet<String>,
    findings: Vec<&'a Finding>,
    /// The nearest of them.
    exposure: Option<&'a Exposed>,
}

impl Book {
    /// Makes, updates, merges and clears the cases of the server that was looked at. Gives the findings for which there
    /// was no room.
    pub fn observe(&mut self, look: &Look, now: u64) -> u64 {
        self.is_head_unsaved = true;
        let note = self.head.scans.entry(look.subject.clone()).or_default();
        note.note(&look.artefact, &look.gaps, now);
        if look.gaps.contains(&Gap::Failed) {
            return 0;
        }
        let groups = groups(look);
        let mut of_group: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
        let mut unseen = Vec::new();
        let own = self
            .cases
            .values()
            .filter(|case| case.subject == look.subject);
        for case in own {
            match group_of(case, &groups) {
                Some(at) => of_group.entry(at).or_default().push(case.id),
                None => unseen.push(case.id),
            }
        }
        let mut dropped = 0;
        for (at, group) in groups.iter().enumerate() {
            let ids = of_group.remove(&at).unwrap_or_default();
            match self.merged(&ids, now) {
                Some(id) => self.update(id, group, now),
                None => dropped += u64::from(!self.begin(&look.subject, group, now)),
            }
        }
        for id in unseen {
            self.not_seen(id, look, now);
        }
        self.head.dropped += dropped;
        dropped
    }

    /// A new case; `false`: there is no room.
    fn begin(&mut self, subject: &str, group: &Group<'_>, now: u64) -> bool {
        if self.cases.len() >= CASES_MAX && !self.make_room() {
            return false;
        }
        self.head.last_id += 1;
        let id = self.head.last_id;
        let mut case = Case {
            id,
            subject: subject.to_owned(),
            package: group.package.clone(),
            advisory: String::new(),
            ids: BTreeSet::new(),
            summary: String::new(),
            versions: BTreeSet::new(),
            places: BTreeSet::new(),
            fixed_in: Vec::new(),
            score: 0.0,
            score_from: String::new(),
            assessed_score: None,
            is_exploited: false,
            epss: None,
            is_malicious: false,
            uncertain: None,
            references: Vec::new(),
            exposure: None,
            state: State::Detected,
            since: now,
            first_detected: now,
            last_seen: now,
            accepted_until: None,
            justification: None,
            stopped_s: 0,
            stopped_since: None,
            reopened: 0,
            proof: None,
            spent_s: BTreeMap::new(),
            history: Vec::new(),
            history_left_out: 0,
        };
        take_over(&mut case, group);
        let versions: Vec<_> = case.versions.iter().map(String::as_str).collect();
        let reason = format!("found in {} {}", case.package, versions.join(", "));
        case.note(Entry {
            at: now,
            what: "detected".to_owned(),
            from: State::Detected,
            to: State::Detected,
            actor: "scan".to_owned(),
            reason,
            evidence: None,
        });
        self.cases.insert(id, case);
        self.unsaved.insert(id);
        true
    }

    /// Takes out the case that was settled first.
    fn make_room(&mut self) -> bool {
        let settled = self.cases.values().filter(|case| !case.state.is_open());
        let Some(id) = settled.min_by_key(|case| case.since).map(|case| case.id) else {
            return false;
        };
        self.cases.remove(&id);
        self.unsaved.insert(id);
        true
    }

    fn update(&mut self, id: u64, group: &Group<'_>, now: u64) {
        let Some(case) = self.cases.get_mut(&id) else {
            return;
        };
        self.unsaved.insert(id);
        let before = case.clone();
        take_over(case, group);
        if let Some(change) = change(&before, case) {
            case.see(Sight::Changed, &change, now);
        }
        let versions: Vec<_> = case.versions.iter().map(String::as_str).collect();
        let reason = format!("found in {} {}", case.package, versions.join(", "));
        case.see(Sight::Seen, &reason, now);
    }

    /// A case that a scan did not find.
    fn not_seen(&mut self, id: u64, look: &Look, now: u64) {
        let Some(case) = self.cases.get_mut(&id) else {
            return;
        };
        if !case.state.is_open() || look.is_blind_to(case).is_some() {
            return;
        }
        let present = look.components.get(&case.package);
        let present = present.cloned().unwrap_or_default();
        if let Some(version) = case.versions.intersection(&present).next() {
            let reason = format!("its advisory no longer names {} {version}", case.package);
            case.see(Sight::Withdrawn, &reason, now);
            self.unsaved.insert(id);
            return;
        }
        if look.is_no_proof(case).is_some() {
            return;
        }
        let instead: Vec<_> = present.iter().map(String::as_str).collect();
        let what = if instead.is_empty() {
            format!("{} is gone", case.package)
        } else {
            format!("{} is {}", case.package, instead.join(", "))
        };
        let took_s = now.saturating_sub(case.to_remediate_since());
        case.see(Sight::Cleared, &format!("{what} in {}", look.artefact), now);
        case.proof = Some(Proof {
            at: now,
            artefact: look.artefact.clone(),
            versions: present,
        });
        self.head.remediated_in(shown(case.class()), took_s);
        self.unsaved.insert(id);
    }

    /// Makes one case of those that turned out to be one vulnerability: the one that was seen first goes on, in the
    /// state that asks for most. None where there is none.
    fn merged(&mut self, ids: &[u64], now: u64) -> Option<u64> {
        let started = |id: &u64| (self.cases[id].first_detected, *id);
        let first = ids.iter().min_by_key(|id| started(id)).copied()?;
        for other in ids.iter().filter(|id| **id != first) {
            let other = self.cases.remove(other)?;
            self.unsaved.insert(other.id);
            let case = self.cases.get_mut(&first)?;
            let is_other_stricter = strictness(other.state) < strictness(case.state);
            let entry = Entry {
                at: now,
                what: "merged".to_owned(),
                from: case.state,
                to: if is_other_stricter {
                    other.state
                } else {
                    case.state
                },
                actor: "scan".to_owned(),
                reason: format!(
                    "case {} ({}, {}) is the same vulnerability",
                    other.id,
                    other.advisory,
                    other.state.word()
                ),
                evidence: None,
            };
            if is_other_stricter {
                case.assessed_score = other.assessed_score;
                case.accepted_until = other.accepted_until;
            }
            case.go(entry, now);
        }
        Some(first)
    }
}

/// The less, the more is still to be done.
fn strictness(state: State) -> usize {
    const ORDER: [State; 9] = [
        State::Detected,
        State::Assessed,
        State::Patching,
        State::Testing,
        State::Monitoring,
        State::Accepted,
        State::Withdrawn,
        State::Deployed,
        State::FalsePositive,
    ];
    ORDER.iter().position(|known| *known == state).unwrap_or(0)
}

/// Findings of one package that share an id are one vulnerability.
fn groups(look: &Look) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    let mut of_id: BTreeMap<(String, &str), usize> = BTreeMap::new();
    for finding in &look.findings {
        let package = Look::package(&finding.component);
        let ids = || std::iter::once(&finding.id).chain(&finding.aliases);
        let known = ids().find_map(|id| of_id.get(&(package.clone(), id.as_str())).copied());
        let at = known.unwrap_or(groups.len());
        if at == groups.len() {
            groups.push(Group {
                package: package.clone(),
                ids: BTreeSet::new(),
                findings: Vec::new(),
                exposure: None,
            });
        }
        groups[at].findings.push(finding);
        let exposure = look.exposures.get(&(package.clone(), finding.id.clone()));
        let nearer = exposure.filter(|one| {
            groups[at]
                .exposure
                .is_none_or(|other| one.level > other.level)
        });
        groups[at].exposure = nearer.or(groups[at].exposure);
        for id in ids().take(OF_EACH_MAX) {
            groups[at].ids.insert(id.clone());
            of_id.entry((package.clone(), id)).or_insert(at);
        }
    }
    groups
}

/// The group that a case is of: the one of its main id, else the first that shares one.
fn group_of(case: &Case, groups: &[Group<'_>]) -> Option<usize> {
    let of_package = || {
        let all = groups.iter().enumerate();
        all.filter(|(_, group)| group.package == case.package)
    };
    let main = of_package().find(|(_, group)| group.ids.contains(&case.advisory));
    let any = || of_package().find(|(_, group)| !group.ids.is_disjoint(&case.ids));
    main.or_else(any).map(|(at, _)| at)
}

/// Writes what findings say into their case.
fn take_over(case: &mut Case, group: &Group<'_>) {
    let worst = group.findings.iter().copied().max_by(|a, b| {
        let by_score = a.severity.score.total_cmp(&b.severity.score);
        a.is_malicious.cmp(&b.is_malicious).then(by_score)
    });
    let Some(worst) = worst else { return };
    let all = || group.findings.iter();
    case.ids.clone_from(&group.ids);
    case.advisory = representative(&group.ids);
    case.summary = worst.summary.chars().take(SUMMARY_CHARS_MAX).collect();
    case.versions = all()
        .filter_map(|finding| finding.component.version.clone())
        .take(OF_EACH_MAX)
        .collect();
    case.places = all()
        .map(|finding| &finding.component)
        .map(|component| match &*component.path {
            "" => component.file.clone(),
            path => format!("{}: {path}", component.file),
        })
        .take(OF_EACH_MAX)
        .collect();
    case.fixed_in = Vec::new();
    for version in all().flat_map(|finding| &finding.fixed_in) {
        if !case.fixed_in.contains(version) && case.fixed_in.len() < OF_EACH_MAX {
            case.fixed_in.push(version.clone());
        }
    }
    case.score = worst.severity.score;
    word_of(worst.severity.from).clone_into(&mut case.score_from);
    case.is_exploited = all().any(|finding| finding.is_exploited);
    case.is_malicious = worst.is_malicious;
    case.epss = all().filter_map(|finding| finding.epss).reduce(f64::max);
    case.uncertain = if all().all(|finding| finding.unknown.is_some()) {
        worst.unknown.clone()
    } else {
        None
    };
    case.exposure = group.exposure.cloned();
    case.references = worst.references.iter().take(OF_EACH_MAX).cloned().collect();
}

/// The CVE where there is one, else the least id.
fn representative(ids: &BTreeSet<String>) -> String {
    let cve = ids.iter().find(|id| id.starts_with("CVE-"));
    cve.or_else(|| ids.first()).cloned().unwrap_or_default()
}

/// What has changed so that it has to be judged again, in words.
fn change(before: &Case, after: &Case) -> Option<String> {
    let mut said = Vec::new();
    let class = |case: &Case| {
        let score = crate::Severity {
            score: case.score,
            from: crate::severity::SeverityFrom::Cvss,
        };
        score.class().word()
    };
    if class(before) != class(after) || before.score_from != after.score_from {
        said.push(format!(
            "severity {} ({}) instead of {} ({})",
            class(after),
            after.score,
            class(before),
            before.score
        ));
    }
    if after.is_exploited && !before.is_exploited {
        said.push("it is known to be exploited".to_owned());
    }
    if after.is_malicious != before.is_malicious {
        let words = if after.is_malicious { "" } else { "no longer " };
        said.push(format!("the package is {words}known to be malicious"));
    }
    if before.fixed_in.is_empty() && !after.fixed_in.is_empty() {
        said.push(format!("there is a fix: {}", after.fixed_in.join(", ")));
    }
    if before.uncertain.is_some() && after.uncertain.is_none() {
        said.push("it is certain now".to_owned());
    }
    (!said.is_empty()).then(|| said.join("; "))
}

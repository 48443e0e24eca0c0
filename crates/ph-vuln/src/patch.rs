//! What to do about findings: the smallest upgrade, the commands that make it, and whether it was made.

mod manager;
mod moves;
mod words;

use ph_inventory::{Component, Ecosystem};

pub use manager::Manager;
pub use moves::{Move, moves};
pub use words::words;

use crate::report::{Report, Row};
use crate::version::{Version, compare};

/// So many versions after the least one are named.
pub const INSTEAD_MAX: usize = 2;

/// What to do about all findings on one version of a package in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// Where the package is from.
    pub ecosystem: Ecosystem,
    /// The package, as its ecosystem writes it.
    pub package: String,
    /// The version that is there.
    pub from: String,
    /// The least version without any of the findings that can be fixed; none: there is none.
    pub to: Option<String>,
    /// The findings that `to` ends.
    pub fixes: Vec<String>,
    /// The findings that no version is known to end.
    pub stays: Vec<String>,
    /// From what the server names to the package: the shortest way.
    pub chain: Vec<String>,
    /// The file that says so, relative to what was scanned.
    pub file: String,
    /// What to run beside that file, in order.
    pub commands: Vec<String>,
    /// What to run where those leave the version as it is, since a package above does not admit the new one.
    pub otherwise: Vec<String>,
    /// Later versions that end the same, the least first: advisories name versions that no registry has.
    pub instead: Vec<Instead>,
    /// What to know before: a major version, a package above that may not admit it.
    pub notes: Vec<String>,
    /// Whose commands they are; none where there are no commands.
    pub manager: Option<Manager>,
}

/// The same with a later version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// The version.
    pub to: String,
    /// As [`Advice::commands`].
    pub commands: Vec<String>,
    /// As [`Advice::otherwise`].
    pub otherwise: Vec<String>,
}

/// The advice for a report, in its order, one for each version of a package in each file.
#[must_use]
pub fn advise(report: &Report) -> Vec<Advice> {
    let mut groups: Vec<Vec<&Row>> = Vec::new();
    for row in report.rows.iter().filter(|row| !row.finding.is_malicious) {
        let same = |group: &&mut Vec<&Row>| {
            let (a, b) = (&group[0].finding.component, &row.finding.component);
            (&a.file, &a.ecosystem, &a.version) == (&b.file, &b.ecosystem, &b.version)
                && a.advisory_name() == b.advisory_name()
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(row),
            None => groups.push(vec![row]),
        }
    }
    groups
        .iter()
        .filter_map(|group| advice(group, &report.files))
        .collect()
}

/// `files`: those that were read; a lockfile among them says who installed a tree.
fn advice(rows: &[&Row], files: &[String]) -> Option<Advice> {
    let row = rows.first()?;
    let component = &row.finding.component;
    let from = component.advisory_version()?.to_owned();
    let (fixable, stays): (Vec<&&Row>, Vec<_>) = rows
        .iter()
        .partition(|row| !row.finding.fixed_in.is_empty());
    let lists: Vec<&[String]> = fixable
        .iter()
        .map(|row| row.finding.fixed_in.as_slice())
        .collect();
    let mut candidates = candidates(&component.ecosystem, &from, &lists).into_iter();
    let to = candidates.next();
    let later = candidates.take(INSTEAD_MAX);
    let later = later.map(|to| Instead {
        to,
        commands: Vec::new(),
        otherwise: Vec::new(),
    });
    let ids = |rows: &[&&Row]| {
        unique(
            rows.iter()
                .map(|row| row.finding.representative().to_owned()),
        )
    };
    let mut advice = Advice {
        ecosystem: component.ecosystem.clone(),
        package: component.name.clone(),
        from,
        fixes: if to.is_some() {
            ids(&fixable)
        } else {
            Vec::new()
        },
        stays: ids(&stays),
        to,
        chain: row.chain.clone(),
        file: component.file.clone(),
        commands: Vec::new(),
        otherwise: Vec::new(),
        instead: later.collect(),
        notes: Vec::new(),
        manager: None,
    };
    say(&mut advice, component, files);
    Some(advice)
}

/// The commands and what to know.
fn say(advice: &mut Advice, component: &Component, files: &[String]) {
    let Some(to) = advice.to.clone() else {
        advice.notes.push("no version without it is known: remove the package, or accept the risk with a reason and an end".to_owned());
        return;
    };
    if is_major(&advice.from, &to) {
        advice.notes.push(format!(
            "{} to {to} is a major version: read what it changes",
            advice.from
        ));
    }
    let Some((manager, file)) = Manager::of(component, files) else {
        advice
            .notes
            .push("which package manager installs it is not known from this file".to_owned());
        return;
    };
    let versions = advice.instead.iter().map(|one| &one.to);
    if ![&component.name, &advice.from, &to]
        .into_iter()
        .chain(versions)
        .all(|word| is_safe_to_paste(word))
    {
        advice.notes.push("its name or version has characters that mean something to a shell: no command is written".to_owned());
        return;
    }
    advice.file = file;
    let is_direct = component.is_direct || advice.chain.len() < 2;
    advice.manager = Some(manager);
    // An environment that uv has made has no pip.
    let has_other = !is_direct || manager == Manager::Environment;
    let otherwise = |to: &str| match has_other {
        true => manager.force(component, to),
        false => Vec::new(),
    };
    advice.commands = manager.upgrade(component, &to, is_direct);
    advice.otherwise = otherwise(&to);
    for later in &mut advice.instead {
        later.commands = manager.upgrade(component, &later.to, is_direct);
        later.otherwise = otherwise(&later.to);
    }
    if manager == Manager::Environment {
        advice.notes.push(
            "an environment that uv has made has no pip: there it takes the other command"
                .to_owned(),
        );
    }
    if !is_direct
        && manager != Manager::Environment
        && advice.otherwise != advice.commands
        && !advice.otherwise.is_empty()
    {
        let above = &advice.chain[advice.chain.len() - 2];
        advice.notes.push(format!(
            "{above} decides which versions of {} it takes: if the version does not move, raise {above}, or force it",
            component.name
        ));
    }
}

/// The versions above `from` that every list admits, the least first: each is named there, or not below the last of the
/// list. A list with several versions is of several branches, so a version between two of them proves nothing.
fn candidates(ecosystem: &Ecosystem, from: &str, lists: &[&[String]]) -> Vec<String> {
    let read = |text: &str| Version::read(ecosystem, text).ok();
    let Some(from) = read(from) else {
        return Vec::new();
    };
    let mut candidates: Vec<(Version, &String)> = lists
        .iter()
        .flat_map(|list| list.iter())
        .filter_map(|text| Some((read(text)?, text)))
        .filter(|(version, _)| *version > from)
        .collect();
    candidates.sort_by(|(a, _), (b, _)| a.cmp(b));
    candidates.dedup_by(|(a, _), (b, _)| a == b);
    let admits = |version: &Version, list: &[String]| {
        let fixed: Vec<Version> = list.iter().filter_map(|text| read(text)).collect();
        fixed.contains(version) || fixed.iter().max().is_some_and(|last| version >= last)
    };
    candidates
        .into_iter()
        .filter(|(version, _)| lists.iter().all(|list| admits(version, list)))
        .map(|(_, text)| text.clone())
        .collect()
}

/// Another first number, or another second one below 1.0.
fn is_major(from: &str, to: &str) -> bool {
    let numbers = |version: &str| -> Vec<String> {
        version
            .split(['.', '-', '+'])
            .take(2)
            .map(str::to_owned)
            .collect()
    };
    let (from, to) = (numbers(from), numbers(to));
    from.first() != to.first() || (from.first().is_some_and(|major| major == "0") && from != to)
}

/// Nothing that a shell would read as more than a word.
fn is_safe_to_paste(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "@/._+-:~".contains(c))
}

/// Where a package is after the upgrade.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file that says so.
    pub file: String,
    /// Where in it.
    pub path: String,
    /// The version there.
    pub version: Option<String>,
    /// Whether it is the wanted version or a later one; none: that cannot be told.
    pub is_moved: Option<bool>,
}

/// Every place of a package, in lockfiles and installed trees, against the version that was wanted.
#[must_use]
pub fn places(
    components: &[Component],
    ecosystem: &Ecosystem,
    package: &str,
    wanted: &str,
) -> Vec<Place> {
    let name = ecosystem.normal_name(package);
    let is_it = |component: &&Component| {
        component.ecosystem.base() == ecosystem.base() && component.advisory_name() == name
    };
    let place = |component: &Component| {
        let version = component.advisory_version();
        Place {
            file: component.file.clone(),
            path: component.path.clone(),
            version: version.map(str::to_owned),
            is_moved: version
                .and_then(|version| compare(ecosystem, version, wanted).ok())
                .map(std::cmp::Ordering::is_ge),
        }
    };
    components.iter().filter(is_it).map(place).collect()
}

fn unique(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut ids: Vec<String> = ids.collect();
    ids.sort();
    ids.dedup();
    ids
}

#[cfg(test)]
mod tests;

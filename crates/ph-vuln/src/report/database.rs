//! The advisories that a scan was made with, and how old they are.

use std::time::Duration;

use jiff::Timestamp;

/// The advisories that a scan was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// One per ecosystem that was asked for, in their order.
    pub sources: Vec<Source>,
    /// From which age on nothing found no longer means clean.
    pub stale_after: Duration,
}

/// The advisories of one ecosystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// OSV's name of the ecosystem.
    pub ecosystem: String,
    /// Where they are from: a URL, a file.
    pub from: String,
    /// How many records there are.
    pub records: u64,
    /// When they were fetched; none: never.
    pub fetched_at: Option<Timestamp>,
    /// How old they were at the time of the scan; none: unknown.
    pub age: Option<Duration>,
    /// Whether the subject has packages of this ecosystem. Only these decide.
    pub is_needed: bool,
}

impl Database {
    /// How many records there are in all.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.sources.iter().map(|one| one.records).sum()
    }

    /// The age of the oldest that is needed; none: one was never fetched, or none is needed.
    #[must_use]
    pub fn age(&self) -> Option<Duration> {
        let ages: Option<Vec<_>> = self.needed().map(|one| one.age).collect();
        ages?.into_iter().max()
    }

    /// Why nothing found is not clean.
    #[must_use]
    pub fn doubt(&self) -> Option<String> {
        let of = |is: &dyn Fn(&Source) -> bool| -> Vec<&str> {
            let all = self.needed().filter(|one| is(one));
            all.map(|one| one.ecosystem.as_str()).collect()
        };
        let missing = of(&|one| one.records == 0 || one.age.is_none());
        if !missing.is_empty() {
            let names = missing.join(", ");
            return Some(format!(
                "there are no advisories for {names}: run `pilothouse vuln db update`, or import some with `pilothouse vuln db import`"
            ));
        }
        let old = of(&|one| one.age.is_some_and(|age| age > self.stale_after));
        if old.is_empty() {
            return None;
        }
        let age = self.age().map_or_else(String::new, duration);
        let names = old.join(", ");
        let after = duration(self.stale_after);
        Some(format!(
            "the advisories for {names} are {age} old, and are stale after {after}: run `pilothouse vuln db update`"
        ))
    }

    fn needed(&self) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(|one| one.is_needed)
    }
}

/// A duration in its two largest units: `3 d 4 h`.
pub(super) fn duration(of: Duration) -> String {
    let seconds = of.as_secs();
    let (days, hours) = (seconds / 86_400, seconds / 3_600 % 24);
    let (minutes, rest) = (seconds / 60 % 60, seconds % 60);
    let parts: [(u64, &str); 4] = [(days, "d"), (hours, "h"), (minutes, "min"), (rest, "s")];
    let first = parts.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    let shown = parts[first..].iter().take(2);
    let words: Vec<_> = shown
        .enumerate()
        .filter(|(at, (n, _))| *at == 0 || *n > 0)
        .map(|(_, (n, unit))| format!("{n} {unit}"))
        .collect();
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn source(ecosystem: &str, age: Option<Duration>, is_needed: bool) -> Source {
        Source {
            ecosystem: ecosystem.to_owned(),
            from: "x.zip".to_owned(),
            records: 3,
            fetched_at: None,
            age,
            is_needed,
        }
    }

    fn database(sources: Vec<Source>) -> Database {
        Database {
            sources,
            stale_after: 24 * HOUR,
        }
    }

    #[test]
    fn only_what_is_needed_can_be_stale_or_missing() {
        let fresh = source("npm", Some(HOUR), true);
        assert_eq!(database(vec![fresh.clone()]).doubt(), None);
        let unused = source("PyPI", Some(99 * HOUR), false);
        assert_eq!(database(vec![fresh.clone(), unused]).doubt(), None);
        let old = source("PyPI", Some(25 * HOUR), true);
        let doubt = database(vec![fresh.clone(), old])
            .doubt()
            .unwrap_or_default();
        assert!(doubt.contains("PyPI are 1 d 1 h old"), "{doubt}");
        let never = source("PyPI", None, true);
        let doubt = database(vec![fresh, never]).doubt().unwrap_or_default();
        assert!(doubt.contains("no advisories for PyPI"), "{doubt}");
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (3_600, "1 h"),
            (3_720, "1 h 2 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text);
        }
    }
}

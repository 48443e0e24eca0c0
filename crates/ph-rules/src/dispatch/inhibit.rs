//! Alerts that keep others quiet.

use super::held::Held;
use super::matcher::Matchers;
use ph_promql::Labels;
use std::collections::BTreeMap;

/// While an alert fires that the source's matchers take, those that the target's take, and whose `equal`
/// labels are its own, are not told of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inhibit {
    /// Which alerts keep others quiet.
    pub source: Matchers,
    /// Which are kept quiet.
    pub target: Matchers,
    /// Labels that have to have the same value in both; a label that is not there is empty.
    pub equal: Vec<String>,
}

impl Inhibit {
    fn equal_of<'a>(&self, labels: &'a Labels) -> Vec<&'a str> {
        self.equal
            .iter()
            .map(|name| labels.get(name).unwrap_or_default())
            .collect()
    }
}

/// The sources that fire at one time, found by what has to be equal.
pub(super) struct Inhibitors<'a> {
    rules: &'a [Inhibit],
    /// Of each rule.
    sources: Vec<Sources<'a>>,
}

/// By the values that have to be equal: fingerprints, and whether the target's matchers take them, too.
type Sources<'a> = BTreeMap<Vec<&'a str>, Vec<(u64, bool)>>;

impl<'a> Inhibitors<'a> {
    pub(super) fn new(rules: &'a [Inhibit], alerts: &'a BTreeMap<u64, Held>, now_ms: i64) -> Self {
        let of_rule = |rule: &'a Inhibit| {
            let mut found = Sources::new();
            for alert in alerts.values() {
                if !alert.is_resolved(now_ms) && rule.source.matches(&alert.labels) {
                    let sources = found.entry(rule.equal_of(&alert.labels)).or_default();
                    sources.push((alert.fingerprint, rule.target.matches(&alert.labels)));
                }
            }
            found
        };
        Self {
            rules,
            sources: rules.iter().map(of_rule).collect(),
        }
    }

    /// The alert that keeps one with these labels quiet.
    ///
    /// An alert that is both source and target is not kept quiet by another such one: they would
    /// silence each other.
    pub(super) fn inhibitor(&self, labels: &Labels) -> Option<u64> {
        self.rules
            .iter()
            .zip(&self.sources)
            .find_map(|(rule, sources)| {
                if !rule.target.matches(labels) {
                    return None;
                }
                let is_source = rule.source.matches(labels);
                let candidates = sources.get(&rule.equal_of(labels))?;
                let mut candidates = candidates.iter();
                let found = candidates.find(|(_, is_target)| !(is_source && *is_target));
                found.map(|(fingerprint, _)| *fingerprint)
            })
    }
}

//! A machine that is slow and simple: it looks at everything in every second.

use crate::Alert;
use crate::dispatch::{GroupBy, Route, Settings};
use ph_promql::Labels;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone)]
struct Known {
    labels: Labels,
    starts_at_ms: i64,
    ends_at_ms: i64,
}

impl Known {
    fn overlaps(&self, newer: &Alert) -> bool {
        let within = |t: i64| self.starts_at_ms < t && t < self.ends_at_ms;
        within(newer.starts_at_ms) || within(newer.ends_at_ms)
    }
}

struct Pool {
    receiver: String,
    labels: Labels,
    members: BTreeMap<String, Known>,
    wait_ms: i64,
    interval_ms: i64,
    repeat_ms: i64,
    next_ms: i64,
    has_told: bool,
}

struct Word {
    at_ms: i64,
    firing: BTreeSet<String>,
    over: BTreeSet<String>,
}

pub(super) struct Model {
    settings: Settings,
    now_ms: i64,
    known: BTreeMap<String, Known>,
    pools: BTreeMap<String, Pool>,
    words: BTreeMap<String, Word>,
    /// Label, value, from, to.
    silences: Vec<(String, String, i64, i64)>,
}

impl Model {
    pub(super) fn new(settings: Settings) -> Self {
        Self {
            settings,
            now_ms: 0,
            known: BTreeMap::new(),
            pools: BTreeMap::new(),
            words: BTreeMap::new(),
            silences: Vec::new(),
        }
    }

    pub(super) fn silence(&mut self, label: &str, value: &str, from_ms: i64, to_ms: i64) {
        self.silences
            .push((label.to_owned(), value.to_owned(), from_ms, to_ms));
    }

    pub(super) fn offer(&mut self, alert: &Alert, now_ms: i64) {
        let name = alert.labels.to_string();
        let known = Known {
            labels: alert.labels.clone(),
            starts_at_ms: alert.starts_at_ms,
            ends_at_ms: alert.ends_at_ms,
        };
        // One that is still held and overlaps goes on with its beginning, as in Alertmanager.
        let is_held = self.pools.values().any(|p| p.members.contains_key(&name));
        let starts_at_ms = match self.known.get(&name) {
            Some(old) if is_held && old.overlaps(alert) => old.starts_at_ms.min(alert.starts_at_ms),
            _ => alert.starts_at_ms,
        };
        // The end that lies farther counts while both fire.
        let ends_at_ms = match self.known.get(&name) {
            Some(old) if alert.ends_at_ms > now_ms && old.ends_at_ms > now_ms => {
                old.ends_at_ms.max(alert.ends_at_ms)
            }
            _ => alert.ends_at_ms,
        };
        let known = Known {
            starts_at_ms,
            ends_at_ms,
            ..known
        };
        self.known.insert(name.clone(), known.clone());
        for route in matching(&self.settings.route, &alert.labels) {
            let labels = match &route.group_by {
                GroupBy::All => alert.labels.clone(),
                GroupBy::Names(names) => alert
                    .labels
                    .filtered(|n| names.iter().any(|name| name == n)),
            };
            let key = format!("{} {} {labels}", route.receiver, route.matchers);
            let pool = self.pools.entry(key).or_insert_with(|| Pool {
                receiver: route.receiver.clone(),
                labels,
                members: BTreeMap::new(),
                wait_ms: route.group_wait_ms,
                interval_ms: route.group_interval_ms,
                repeat_ms: route.repeat_interval_ms,
                next_ms: now_ms + route.group_wait_ms,
                has_told: false,
            });
            pool.members.insert(name.clone(), known.clone());
            if !pool.has_told && starts_at_ms + pool.wait_ms < now_ms {
                pool.next_ms = pool.next_ms.min(now_ms);
            }
        }
    }

    /// Second by second, up to and with a time.
    pub(super) fn run(&mut self, until_ms: i64) -> Vec<String> {
        let mut all = Vec::new();
        while self.now_ms <= until_ms {
            let due = self
                .pools
                .iter()
                .filter(|(_, pool)| pool.next_ms <= self.now_ms);
            let due: Vec<String> = due.map(|(key, _)| key.clone()).collect();
            let quiet = self.quiet();
            for key in due {
                all.extend(self.look(&key, &quiet));
            }
            if self.now_ms == until_ms {
                break;
            }
            self.now_ms += 1_000;
        }
        all
    }

    /// Names of alerts that nobody hears of now.
    fn quiet(&self) -> BTreeSet<String> {
        let now_ms = self.now_ms;
        let is_quiet = |known: &Known| {
            let silenced = self.silences.iter().any(|(label, value, from, to)| {
                *from <= now_ms && now_ms < *to && known.labels.get(label) == Some(value)
            });
            let inhibited = self.settings.inhibit.iter().any(|rule| {
                rule.target.matches(&known.labels)
                    && self.known.values().any(|source| {
                        source.ends_at_ms > now_ms
                            && rule.source.matches(&source.labels)
                            && rule
                                .equal
                                .iter()
                                .all(|n| source.labels.get(n) == known.labels.get(n))
                    })
            });
            silenced || inhibited
        };
        let quiet = self.known.iter().filter(|(_, known)| is_quiet(known));
        quiet.map(|(name, _)| name.clone()).collect()
    }

    fn look(&mut self, key: &str, quiet: &BTreeSet<String>) -> Option<String> {
        let now_ms = self.now_ms;
        let pool = self.pools.get_mut(key)?;
        pool.next_ms = now_ms + pool.interval_ms;
        pool.has_told = true;
        let members = pool.members.clone();
        pool.members.retain(|_, known| known.ends_at_ms > now_ms);
        let (receiver, labels, repeat_ms) =
            (pool.receiver.clone(), pool.labels.clone(), pool.repeat_ms);
        if pool.members.is_empty() {
            self.pools.remove(key);
        }
        let heard: BTreeMap<String, Known> = members
            .into_iter()
            .filter(|(name, _)| !quiet.contains(name))
            .collect();
        if heard.is_empty() {
            return None;
        }
        let names = |is_over: bool| -> BTreeSet<String> {
            let of = heard
                .iter()
                .filter(|(_, known)| (known.ends_at_ms <= now_ms) == is_over);
            of.map(|(name, _)| name.clone()).collect()
        };
        let (firing, over) = (names(false), names(true));
        let hears_ends = self.settings.receivers[&receiver];
        // Forgotten after two repeats, in the sweep of each minute.
        let word = self.words.get(key);
        let tells = match word {
            None => !firing.is_empty(),
            Some(word) if !firing.is_subset(&word.firing) => true,
            Some(word) if firing.is_empty() => !word.firing.is_empty(),
            Some(word) if hears_ends && !over.is_subset(&word.over) => true,
            Some(word) => word.at_ms < now_ms - repeat_ms,
        };
        if !tells {
            return None;
        }
        let word = Word {
            at_ms: now_ms,
            firing,
            over,
        };
        self.words.insert(key.to_owned(), word);
        let shown: Vec<&Known> = heard
            .values()
            .filter(|known| hears_ends || known.ends_at_ms > now_ms)
            .collect();
        if shown.is_empty() {
            return None;
        }
        let mut shown: Vec<&Known> = shown;
        shown.sort_by_key(|known| {
            known
                .labels
                .iter()
                .map(|(_, v)| v.to_owned())
                .collect::<Vec<_>>()
        });
        let alerts = shown.into_iter().map(|known| {
            let sign = if known.ends_at_ms > now_ms { '+' } else { '-' };
            format!(
                " {sign}{}",
                known.labels.filtered(|name| name != "alertname")
            )
        });
        let alerts: String = alerts.collect();
        Some(format!("{now_ms} {receiver} {labels}:{alerts}"))
    }
}

fn matching<'a>(route: &'a Route, labels: &Labels) -> Vec<&'a Route> {
    let mut all = Vec::new();
    for below in &route.routes {
        if below.matchers.matches(labels) {
            all.extend(matching(below, labels));
            if !below.goes_on {
                break;
            }
        }
    }
    if all.is_empty() { vec![route] } else { all }
}

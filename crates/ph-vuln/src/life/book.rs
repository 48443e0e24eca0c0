//! All cases.

use super::case::{Case, Entry, Order, Refusal};
use super::deadline::Deadlines;
use super::event::Sight;
use super::look::Gap;
use super::state::State;
use crate::severity::Class;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Cases that are kept. What is settled gives way, the oldest first; what is open does not.
pub const CASES_MAX: usize = 10_000;
/// Upper bounds of the times until something was remediated, in seconds: an hour to 90 days.
pub const REMEDIATION_S: [u64; 9] = [
    3600,
    4 * 3600,
    12 * 3600,
    24 * 3600,
    3 * 24 * 3600,
    7 * 24 * 3600,
    14 * 24 * 3600,
    30 * 24 * 3600,
    90 * 24 * 3600,
];

/// All cases of all servers.
#[derive(Debug, Clone, Default)]
pub struct Book {
    pub(super) cases: BTreeMap<u64, Case>,
    pub(super) head: Head,
    /// Changed since [`Book::saved`]; those that are no longer there are gone.
    pub(super) unsaved: BTreeSet<u64>,
    /// The head, too.
    pub(super) is_head_unsaved: bool,
}

/// What is known beside the cases.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// The last number that was given.
    pub(super) last_id: u64,
    /// Findings for which there was no room.
    pub(super) dropped: u64,
    /// How long it took until something was gone, by the word of the class.
    pub(super) remediated: BTreeMap<String, Tally>,
    /// The last scan of each server.
    pub(super) scans: BTreeMap<String, Scanned>,
}

/// A histogram: one bucket for each of [`REMEDIATION_S`], and one for what took longer; not cumulative.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tally {
    /// Counts.
    pub buckets: Vec<u64>,
    /// Sum of all times, in seconds.
    pub sum_s: u64,
}

/// A server's last scan.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scanned {
    /// When, in Unix seconds.
    pub at: u64,
    /// When a scan last saw everything, in Unix seconds.
    pub complete_at: Option<u64>,
    /// What was looked at.
    pub artefact: String,
    /// The words of what keeps it from being an answer.
    pub gaps: BTreeSet<String>,
}

/// What metrics tell of the cases.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Counts {
    /// Cases by server, class and state.
    pub cases: BTreeMap<(String, &'static str, &'static str), u64>,
    /// Late ones by server and class, for every server that was scanned.
    pub overdue: BTreeMap<(String, &'static str), u64>,
    /// The largest share of its time that a case has used, by server and class; of running clocks.
    pub share: BTreeMap<(String, &'static str), f64>,
}

/// Why a case was not moved.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum NotMoved {
    /// There is none.
    #[error("there is no case {0}")]
    Unknown(u64),
    /// It may not.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl Book {
    /// The book of what was kept.
    #[must_use]
    pub fn of(head: Head, cases: impl IntoIterator<Item = Case>) -> Self {
        let cases: BTreeMap<_, _> = cases.into_iter().map(|case| (case.id, case)).collect();
        let mut head = head;
        let highest = cases.keys().next_back().copied().unwrap_or(0);
        head.last_id = head.last_id.max(highest);
        Self {
            cases,
            head,
            unsaved: BTreeSet::new(),
            is_head_unsaved: false,
        }
    }

    /// All cases, by number.
    pub fn cases(&self) -> impl Iterator<Item = &Case> {
        self.cases.values()
    }

    /// The case of a number.
    #[must_use]
    pub fn case(&self, id: u64) -> Option<&Case> {
        self.cases.get(&id)
    }

    /// What is kept beside the cases.
    #[must_use]
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// What changed since [`Self::saved`]: a case, or none where it is gone.
    pub fn unsaved(&self) -> impl Iterator<Item = (u64, Option<&Case>)> {
        self.unsaved.iter().map(|id| (*id, self.cases.get(id)))
    }

    /// The head has changed since [`Self::saved`].
    #[must_use]
    pub fn is_head_unsaved(&self) -> bool {
        self.is_head_unsaved
    }

    /// What there is was kept.
    pub fn saved(&mut self) {
        self.unsaved.clear();
        self.is_head_unsaved = false;
    }

    /// Does what an operator says.
    ///
    /// # Errors
    /// [`NotMoved`].
    pub fn order(&mut self, id: u64, order: &Order, now: u64) -> Result<&Case, NotMoved> {
        let case = self.cases.get_mut(&id).ok_or(NotMoved::Unknown(id))?;
        // Also when it is refused: time has passed.
        self.unsaved.insert(id);
        case.order(order, now)?;
        Ok(case)
    }

    /// Ends what was accepted until a day that is over. `true` when there was any.
    pub fn pass_time(&mut self, now: u64) -> bool {
        let mut any = false;
        for case in self.cases.values_mut() {
            if case.pass_time(now) {
                self.unsaved.insert(case.id);
                any = true;
            }
        }
        any
    }

    /// Withdraws the open cases of servers that are no more.
    pub fn keep_only(&mut self, is_there: impl Fn(&str) -> bool, now: u64) {
        let scans = self.head.scans.len();
        self.head.scans.retain(|server, _| is_there(server));
        self.is_head_unsaved |= self.head.scans.len() != scans;
        for case in self.cases.values_mut() {
            if case.state.is_open() && !is_there(&case.subject) {
                case.see(Sight::Withdrawn, "the server is no longer configured", now);
                self.unsaved.insert(case.id);
            }
        }
    }

    /// What metrics tell.
    #[must_use]
    pub fn counts(&self, deadlines: &Deadlines, now: u64) -> Counts {
        let mut counts = Counts::default();
        for server in self.head.scans.keys() {
            for class in CLASSES {
                counts.overdue.insert((server.clone(), class.word()), 0);
            }
        }
        for case in self.cases.values() {
            let class = shown(case.class());
            let place = (case.subject.clone(), class);
            let state = (case.subject.clone(), class, case.state.word());
            *counts.cases.entry(state).or_default() += 1;
            let clock = case.clock(deadlines, now);
            if clock.is_running {
                let share = counts.share.entry(place.clone()).or_default();
                *share = share.max(clock.share());
            }
            if clock.is_overdue() {
                *counts.overdue.entry(place).or_default() += 1;
            }
        }
        counts
    }
}

/// The classes that there are series of.
const CLASSES: [Class; 4] = [Class::Critical, Class::High, Class::Medium, Class::Low];

/// The class as it is shown: nothing is without one.
pub(super) fn shown(class: Class) -> &'static str {
    match class {
        Class::None => Class::Low.word(),
        class => class.word(),
    }
}

impl Head {
    /// Findings for which there was no room.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How long it took until something was gone, by the word of the class.
    #[must_use]
    pub fn remediated(&self) -> &BTreeMap<String, Tally> {
        &self.remediated
    }

    /// The last scan of each server.
    #[must_use]
    pub fn scans(&self) -> &BTreeMap<String, Scanned> {
        &self.scans
    }

    pub(super) fn remediated_in(&mut self, class: &str, seconds: u64) {
        let tally = self.remediated.entry(class.to_owned()).or_default();
        tally.buckets.resize(REMEDIATION_S.len() + 1, 0);
        let at = REMEDIATION_S.partition_point(|bound| *bound < seconds);
        tally.buckets[at] += 1;
        tally.sum_s = tally.sum_s.saturating_add(seconds);
    }
}

impl Scanned {
    pub(super) fn note(&mut self, artefact: &str, gaps: &BTreeSet<Gap>, now: u64) {
        self.at = now;
        artefact.clone_into(&mut self.artefact);
        self.gaps = gaps.iter().map(|gap| gap.word().to_owned()).collect();
        if gaps.is_empty() {
            self.complete_at = Some(now);
        }
    }
}

impl Case {
    /// The word of its class, as labels and tables show it: nothing is without one.
    #[must_use]
    pub fn shown_class(&self) -> &'static str {
        shown(self.class())
    }

    /// Since when it had to be remediated: the beginning, or when it came back after it was gone.
    pub(super) fn to_remediate_since(&self) -> u64 {
        let came_back =
            |entry: &&Entry| entry.from == State::Deployed && entry.to != State::Deployed;
        let back = self.history.iter().rev().find(came_back);
        back.map_or(self.first_detected, |entry| entry.at)
    }
}

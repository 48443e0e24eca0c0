//! One vulnerability of one package in one server.

use super::deadline::{Clock, Deadlines};
use super::event::{Move, Sight, after_move, after_sight, is_reopening, possible};
use super::state::State;
use crate::Exposed;
use crate::report::Justification;
use crate::severity::{Class, Severity, SeverityFrom};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Entries of a case's history: the first and the newest stay.
pub const HISTORY_MAX: usize = 64;
/// Longest reason, and longest piece of evidence, in bytes.
pub const TEXT_BYTES_MAX: usize = 2000;
/// Longest time for which something can be accepted at once, in seconds.
pub const ACCEPTED_S_MAX: u64 = 366 * 24 * 3600;

/// A case.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Case {
    /// Its number, given once.
    pub id: u64,
    /// The server.
    pub subject: String,
    /// The ecosystem and the compared name: `npm/lodash`.
    pub package: String,
    /// The id that stands for all: a CVE where there is one.
    pub advisory: String,
    /// All ids of the vulnerability, that one included.
    pub ids: BTreeSet<String>,
    /// One line on what it is.
    pub summary: String,
    /// The versions that were found by the last scan that found any.
    pub versions: BTreeSet<String>,
    /// Where they are: file, and place in it.
    pub places: BTreeSet<String>,
    /// The least versions without it.
    pub fixed_in: Vec<String>,
    /// 0.0 to 10.0, by the advisory.
    pub score: f64,
    /// What that stands on: `cvss`, `word`, `malicious`, `unknown`.
    pub score_from: String,
    /// The score that somebody gave when he assessed it.
    pub assessed_score: Option<f64>,
    /// Known to be exploited.
    pub is_exploited: bool,
    /// Probability of exploitation within 30 days.
    pub epss: Option<f64>,
    /// A known-malicious package.
    pub is_malicious: bool,
    /// Why it is not certain; none: it is.
    pub uncertain: Option<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// How near it is to a caller, by the last scan that found it; none: nobody has looked.
    #[serde(default)]
    pub exposure: Option<Exposed>,
    /// Where it stands.
    pub state: State,
    /// Since when it stands there, in Unix seconds.
    pub since: u64,
    /// When the clock began, in Unix seconds.
    pub first_detected: u64,
    /// When a scan last found it, in Unix seconds.
    pub last_seen: u64,
    /// Until when it is accepted, in Unix seconds; only while it is.
    pub accepted_until: Option<u64>,
    /// Why it does not apply here, in the words of VEX; only of a false positive.
    pub justification: Option<Justification>,
    /// Seconds for which the clock stood still, but for now.
    pub stopped_s: u64,
    /// Since when it stands still.
    pub stopped_since: Option<u64>,
    /// Times that it went back to work after it was settled.
    pub reopened: u32,
    /// What proves that it is gone; only of one that was deployed.
    pub proof: Option<Proof>,
    /// Seconds spent in each state, but for the one of now.
    pub spent_s: BTreeMap<State, u64>,
    /// What happened, the oldest first.
    pub history: Vec<Entry>,
    /// Entries that were left out after the first.
    pub history_left_out: u32,
}

/// That a scan of what runs did not find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When, in Unix seconds.
    pub at: u64,
    /// What was looked at.
    pub artefact: String,
    /// The versions of the package that are there instead; none: the package is gone.
    pub versions: BTreeSet<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When, in Unix seconds.
    pub at: u64,
    /// The word of a [`Move`] or [`Sight`], or `merged`.
    pub what: String,
    /// Where the case stood.
    pub from: State,
    /// Where it stands since.
    pub to: State,
    /// Who: a principal, `scan` or `clock`.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What shows it: a link, a test's result, an artefact.
    pub evidence: Option<String>,
}

/// What an operator wants of a case.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// What.
    pub what: Move,
    /// Who.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What shows it.
    pub evidence: Option<String>,
    /// Until when, in Unix seconds; for [`Move::Accept`].
    pub until: Option<u64>,
    /// How bad it is here; for [`Move::Assess`].
    pub score: Option<f64>,
    /// Why it does not apply, in the words of VEX; for [`Move::Dismiss`].
    pub justification: Option<Justification>,
}

/// Why a case stays where it is.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Refusal {
    /// The table has no such move.
    #[error("{} is not possible while it is {}; possible: {}", what.word(), state.word(), possible(*state))]
    NotFromHere {
        /// Where the case stands.
        state: State,
        /// What was asked for.
        what: Move,
    },
    /// Each decision has a reason.
    #[error("a reason is missing: whoever reads this later has to know why")]
    NoReason,
    /// A text is too long.
    #[error("a reason or a piece of evidence has at most {TEXT_BYTES_MAX} bytes")]
    Long,
    /// Nothing is accepted for ever.
    #[error("until when it is accepted is missing: nothing is accepted for ever")]
    NoExpiry,
    /// It is over already, or too far away.
    #[error("it can be accepted until a day that is to come, at most 366 days away")]
    Expiry,
    /// A known-malicious package.
    #[error(
        "a known-malicious package cannot be accepted: take it out, or dismiss the advisory if it is wrong"
    )]
    Malicious,
    /// No score.
    #[error("a score is 0.0 to 10.0")]
    Score,
    /// Given with a move that has no use for it.
    #[error("{what} does not go with {}", with.word())]
    Useless {
        /// What.
        what: &'static str,
        /// With which.
        with: Move,
    },
}

impl Case {
    /// How bad it is, as it counts for deadlines.
    #[must_use]
    pub fn severity(&self) -> Severity {
        if self.is_malicious {
            return Severity {
                score: 10.0,
                from: SeverityFrom::Malicious,
            };
        }
        Severity {
            score: self.assessed_score.unwrap_or(self.score),
            from: from_word(&self.score_from),
        }
    }

    /// The class of that.
    #[must_use]
    pub fn class(&self) -> Class {
        self.severity().class()
    }

    /// Its time at `now`.
    #[must_use]
    pub fn clock(&self, deadlines: &Deadlines, now: u64) -> Clock {
        let allowed_s = deadlines.allowed_s(self.class(), self.is_exploited, self.is_malicious);
        let end = if self.state.is_open() {
            now
        } else {
            self.since
        };
        let stopped_now = self.stopped_since.map_or(0, |at| end.saturating_sub(at));
        let stopped_s = self.stopped_s.saturating_add(stopped_now);
        let used_s = end
            .saturating_sub(self.first_detected)
            .saturating_sub(stopped_s);
        Clock {
            is_running: self.state.is_on_the_clock(),
            allowed_s,
            used_s,
            due_unix_s: self
                .first_detected
                .saturating_add(stopped_s)
                .saturating_add(allowed_s),
        }
    }

    /// Seconds spent in each state until `now`.
    #[must_use]
    pub fn spent(&self, now: u64) -> BTreeMap<State, u64> {
        let mut spent = self.spent_s.clone();
        *spent.entry(self.state).or_default() += now.saturating_sub(self.since);
        spent
    }

    /// Does what `order` says.
    ///
    /// # Errors
    /// [`Refusal`]; the case is what it was then, but for an acceptance whose day is over.
    pub fn order(&mut self, order: &Order, now: u64) -> Result<(), Refusal> {
        self.pass_time(now);
        let to = after_move(self.state, order.what).ok_or(Refusal::NotFromHere {
            state: self.state,
            what: order.what,
        })?;
        self.check(order, now)?;
        match order.what {
            Move::Accept => self.accepted_until = order.until,
            Move::Assess => self.assessed_score = order.score.or(self.assessed_score),
            _ => {}
        }
        let entry = Entry {
            at: now,
            what: order.what.word().to_owned(),
            from: self.state,
            to,
            actor: order.actor.clone(),
            reason: order.reason.trim().to_owned(),
            evidence: order.evidence.clone(),
        };
        self.go(entry, now);
        self.justification = order
            .justification
            .filter(|_| self.state == State::FalsePositive);
        Ok(())
    }

    fn check(&self, order: &Order, now: u64) -> Result<(), Refusal> {
        if order.reason.trim().is_empty() {
            return Err(Refusal::NoReason);
        }
        let evidence = order.evidence.as_deref().unwrap_or("");
        if order.reason.len().max(evidence.len()) > TEXT_BYTES_MAX {
            return Err(Refusal::Long);
        }
        let given = [
            ("an expiry", order.until.is_some(), Move::Accept),
            ("a score", order.score.is_some(), Move::Assess),
            (
                "a justification",
                order.justification.is_some(),
                Move::Dismiss,
            ),
        ];
        for (name, is_given, with) in given {
            if is_given && order.what != with {
                return Err(Refusal::Useless {
                    what: name,
                    with: order.what,
                });
            }
        }
        if order
            .score
            .is_some_and(|score| !(0.0..=10.0).contains(&score))
        {
            return Err(Refusal::Score);
        }
        if order.what != Move::Accept {
            return Ok(());
        }
        if self.is_malicious {
            return Err(Refusal::Malicious);
        }
        let until = order.until.ok_or(Refusal::NoExpiry)?;
        let is_in_time = until > now && until - now <= ACCEPTED_S_MAX;
        is_in_time.then_some(()).ok_or(Refusal::Expiry)
    }

    /// Takes note of a fact. `reason` says what was seen; it is written down where it matters.
    pub fn see(&mut self, what: Sight, reason: &str, now: u64) {
        self.pass_time(now);
        self.see_alone(what, reason, "scan", now, now);
    }

    /// Ends an acceptance whose day is over. `true` when it did.
    pub fn pass_time(&mut self, now: u64) -> bool {
        match self.accepted_until {
            Some(until) if until <= now && self.state.is_accepted() => {
                let reason = "the day until which it was accepted is over";
                // The clock runs on from that day, also when nobody was there to see it.
                self.see_alone(Sight::Expired, reason, "clock", until, now);
                true
            }
            _ => false,
        }
    }

    fn see_alone(&mut self, what: Sight, reason: &str, actor: &str, clock_from: u64, now: u64) {
        let to = after_sight(self.state, what);
        if what == Sight::Seen {
            self.last_seen = self.last_seen.max(now);
        }
        let is_told = to != self.state || what == Sight::Changed;
        if !is_told {
            return;
        }
        if what == Sight::Changed {
            // It was given for what the advisory said then.
            self.assessed_score = None;
        }
        let entry = Entry {
            at: now,
            what: what.word().to_owned(),
            from: self.state,
            to,
            actor: actor.to_owned(),
            reason: cut(reason).to_owned(),
            evidence: None,
        };
        self.go(entry, clock_from);
    }

    /// Goes where `entry` says; the clock is stopped or runs on from `clock_from`.
    pub(super) fn go(&mut self, entry: Entry, clock_from: u64) {
        let (from, to) = (entry.from, entry.to);
        if is_reopening(from, to) {
            self.reopened = self.reopened.saturating_add(1);
        }
        if to.is_accepted() {
            self.stopped_since = self.stopped_since.or(Some(clock_from));
        } else {
            self.accepted_until = None;
            if let Some(since) = self.stopped_since.take() {
                let stood = clock_from.saturating_sub(since);
                self.stopped_s = self.stopped_s.saturating_add(stood);
            }
        }
        if to != State::Deployed {
            self.proof = None;
        }
        if to != State::FalsePositive {
            self.justification = None;
        }
        if from != to {
            let spent = entry.at.saturating_sub(self.since);
            *self.spent_s.entry(from).or_default() += spent;
            self.since = entry.at;
            self.state = to;
        }
        self.note(entry);
    }

    pub(super) fn note(&mut self, entry: Entry) {
        if self.history.len() >= HISTORY_MAX {
            self.history.remove(1);
            self.history_left_out = self.history_left_out.saturating_add(1);
        }
        self.history.push(entry);
    }
}

/// The text, as long as it may be.
pub(super) fn cut(text: &str) -> &str {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The word of what a score stands on.
#[must_use]
pub fn word_of(from: SeverityFrom) -> &'static str {
    match from {
        SeverityFrom::Cvss => "cvss",
        SeverityFrom::Word => "word",
        SeverityFrom::Malicious => "malicious",
        SeverityFrom::Unknown => "unknown",
    }
}

fn from_word(word: &str) -> SeverityFrom {
    match word {
        "cvss" => SeverityFrom::Cvss,
        "word" => SeverityFrom::Word,
        "malicious" => SeverityFrom::Malicious,
        _ => SeverityFrom::Unknown,
    }
}

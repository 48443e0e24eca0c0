//! Cases of vulnerabilities as they are asked for and shown.

use ph_vuln::Exposed;
use ph_vuln::life::{Book, Case, Deadlines, Held, State, last_said, moves_from};
use ph_vuln::report::Justification;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whoever holds the cases. Its calls may block: they are made on threads for that.
pub trait Cases: Send + Sync {
    /// All cases, without their history unless it is asked for.
    ///
    /// # Errors
    /// [`CaseRefusal`].
    fn list(&self, with_history: bool) -> Result<CaseList, CaseRefusal>;

    /// One case, with its history.
    ///
    /// # Errors
    /// [`CaseRefusal`].
    fn one(&self, id: u64) -> Result<CaseInfo, CaseRefusal>;

    /// Moves a case. When it returns that is kept.
    ///
    /// - `by`: who moves it.
    ///
    /// # Errors
    /// [`CaseRefusal`].
    fn go(&self, id: u64, wanted: NewMove, by: &str) -> Result<CaseInfo, CaseRefusal>;

    /// Scans servers now: one, or all. When it returns that is kept.
    ///
    /// # Errors
    /// [`CaseRefusal`].
    fn scan(&self, server: Option<&str>) -> Result<(), CaseRefusal>;
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CaseRefusal {
    /// There is no such case, or no such server.
    #[error("{0}")]
    Unknown(String),
    /// It is not possible from where the case stands.
    #[error("{0}")]
    NotFromHere(String),
    /// Something is missing, or makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It cannot be kept, or nobody can scan.
    #[error("{0}")]
    Unavailable(String),
}

/// The cases of vulnerabilities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseList {
    /// When this was so, in Unix seconds.
    pub at: u64,
    /// The most urgent first.
    pub vulnerabilities: Vec<CaseInfo>,
    /// The last scan of each server.
    pub servers: Vec<ScannedServer>,
    /// How long it took until vulnerabilities were gone, by severity.
    pub remediation: BTreeMap<String, Remediation>,
}

/// The last scan of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ScannedServer {
    /// Its name.
    pub server: String,
    /// When, in Unix seconds.
    pub at: u64,
    /// When a scan last saw everything, in Unix seconds; absent: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_at: Option<u64>,
    /// What was looked at, or why that failed.
    pub artefact: String,
    /// Why the scan is no answer: `failed`, `not_inventoried`, `stale`, `unchecked`.
    pub incomplete: Vec<String>,
}

/// How long it took.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Remediation {
    /// How many.
    pub count: u64,
    /// In the mean, in seconds.
    pub mean_seconds: u64,
}

/// One vulnerability of one package in one server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CaseInfo {
    /// Its number.
    pub id: u64,
    /// The server.
    pub server: String,
    /// `npm/lodash`.
    pub package: String,
    /// The id that stands for all: a CVE where there is one.
    pub advisory: String,
    /// All ids of the same vulnerability.
    pub ids: Vec<String>,
    /// One line on what it is.
    pub summary: String,
    /// The affected versions that are there.
    pub versions: Vec<String>,
    /// Where they are.
    pub places: Vec<String>,
    /// The least versions without it.
    pub fixed_in: Vec<String>,
    /// `critical`, `high`, `medium` or `low`.
    pub severity: String,
    /// 0.0 to 10.0, as it counts for the deadline.
    pub score: f64,
    /// What the score stands on: `cvss`, `word`, `malicious`, `unknown`, or `assessed` by somebody.
    pub score_from: String,
    /// Known to be exploited.
    pub exploited: bool,
    /// A known-malicious package.
    pub malicious: bool,
    /// Probability of exploitation within 30 days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epss: Option<f64>,
    /// Why it is not certain; absent: it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<String>,
    /// Where to read more.
    pub references: Vec<String>,
    /// How near it is to a caller of the server, by its source and its calls: best effort; absent: nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposed>,
    /// Where it stands.
    pub state: String,
    /// Since when, in Unix seconds.
    pub since: u64,
    /// Something is still to be done, or lived with.
    pub open: bool,
    /// When the clock began, in Unix seconds.
    pub first_detected: u64,
    /// When a scan last found it, in Unix seconds.
    pub last_seen: u64,
    /// When it is due, in Unix seconds; absent while the clock does not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due: Option<u64>,
    /// Seconds that there are.
    pub allowed_seconds: u64,
    /// Seconds of them that are used.
    pub used_seconds: u64,
    /// It should be gone by now.
    pub overdue: bool,
    /// Until when it is accepted, in Unix seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub accepted_until: Option<u64>,
    /// Why it does not apply, in the words of VEX.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// Times that it went back to work after it was settled.
    pub reopened: u32,
    /// What proves that it is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<CaseProof>,
    /// Seconds spent in each state.
    pub spent_seconds: BTreeMap<String, u64>,
    /// What can be done from here, and where it leads.
    pub moves: BTreeMap<String, String>,
    /// What happened, the oldest first; empty where it was not asked for.
    pub history: Vec<CaseEntry>,
}

/// That a scan of what runs did not find it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseProof {
    /// When, in Unix seconds.
    pub at: u64,
    /// What was looked at.
    pub artefact: String,
    /// The versions that are there instead; empty: the package is gone.
    pub versions: Vec<String>,
}

/// Something that happened to a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CaseEntry {
    /// When, in Unix seconds.
    pub at: u64,
    /// What.
    pub what: String,
    /// Where the case stood.
    pub from: String,
    /// Where it stood from then on.
    pub to: String,
    /// Who: a principal, `scan` or `clock`.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// What shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

/// A move that a case is to make.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMove {
    /// `assess`, `patch`, `test`, `fail-test`, `roll-back`, `accept`, `monitor`, `dismiss`, `reopen`, or the state
    /// where it is to lead. `deployed` makes a scan of what runs, which decides.
    #[serde(rename = "move")]
    pub what: String,
    /// Why.
    pub reason: String,
    /// Until when it is accepted, in Unix seconds; with `accept`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// How bad it is here, 0.0 to 10.0; with `assess`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
    /// Why it does not apply, in the words of VEX; with `dismiss`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub justification: Option<String>,
    /// What shows it: a link, a test's result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<String>,
}

impl CaseList {
    /// The cases of a book at `now`.
    #[must_use]
    pub fn of(book: &Book, deadlines: &Deadlines, now: u64, with_history: bool) -> Self {
        let mut vulnerabilities: Vec<_> = book
            .cases()
            .map(|case| {
                let mut info = CaseInfo::of(case, deadlines, now);
                if !with_history {
                    info.history.clear();
                }
                info
            })
            .collect();
        vulnerabilities.sort_by(|a, b| {
            // What is due first; then what is lived with; then what is settled.
            let rank = |case: &CaseInfo| (!case.open, case.due.is_none(), case.due);
            let by_score = b.score.total_cmp(&a.score);
            rank(a).cmp(&rank(b)).then(by_score).then(a.id.cmp(&b.id))
        });
        let servers = book.head().scans().iter();
        let servers = servers.map(|(server, scanned)| ScannedServer {
            server: server.clone(),
            at: scanned.at,
            complete_at: scanned.complete_at,
            artefact: scanned.artefact.clone(),
            incomplete: scanned.gaps.iter().cloned().collect(),
        });
        let remediated = book.head().remediated().iter();
        let remediation = remediated.map(|(class, tally)| {
            let count: u64 = tally.buckets.iter().sum();
            let mean_seconds = tally.sum_s.checked_div(count).unwrap_or(0);
            let of = Remediation {
                count,
                mean_seconds,
            };
            (class.clone(), of)
        });
        Self {
            at: now,
            vulnerabilities,
            servers: servers.collect(),
            remediation: remediation.collect(),
        }
    }
}

impl CaseInfo {
    /// What of it matters to whoever reads VEX documents; none: it stands where this version knows nothing of. Without
    /// its history no reason is known.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        let state = State::parse(&self.state)?;
        let said = self.history.iter().filter_map(|entry| {
            let (from, to) = (State::parse(&entry.from)?, State::parse(&entry.to)?);
            Some((from, to, &*entry.what, &*entry.reason))
        });
        let justification = self.justification.as_deref();
        Some(Held {
            state,
            package: self.package.clone(),
            fixed_in: self.fixed_in.clone(),
            accepted_until: self.accepted_until,
            justification: justification.and_then(Justification::parse),
            reason: last_said(state, said).to_owned(),
        })
    }

    /// A case at `now`, with its history.
    #[must_use]
    pub fn of(case: &Case, deadlines: &Deadlines, now: u64) -> Self {
        let clock = case.clock(deadlines, now);
        let is_assessed = case.assessed_score.is_some() && !case.is_malicious;
        let score_from = if is_assessed {
            "assessed"
        } else {
            &case.score_from
        };
        let entry = |entry: &ph_vuln::life::Entry| CaseEntry {
            at: entry.at,
            what: entry.what.clone(),
            from: entry.from.word().to_owned(),
            to: entry.to.word().to_owned(),
            actor: entry.actor.clone(),
            reason: entry.reason.clone(),
            evidence: entry.evidence.clone(),
        };
        Self {
            id: case.id,
            server: case.subject.clone(),
            package: case.package.clone(),
            advisory: case.advisory.clone(),
            ids: case.ids.iter().cloned().collect(),
            summary: case.summary.clone(),
            versions: case.versions.iter().cloned().collect(),
            places: case.places.iter().cloned().collect(),
            fixed_in: case.fixed_in.clone(),
            severity: case.shown_class().to_owned(),
            score: case.severity().score,
            score_from: score_from.to_owned(),
            exploited: case.is_exploited,
            malicious: case.is_malicious,
            epss: case.epss,
            uncertain: case.uncertain.clone(),
            references: case.references.clone(),
            exposure: case.exposure.clone(),
            state: case.state.word().to_owned(),
            since: case.since,
            open: case.state.is_open(),
            first_detected: case.first_detected,
            last_seen: case.last_seen,
            due: clock.is_running.then_some(clock.due_unix_s),
            allowed_seconds: clock.allowed_s,
            used_seconds: clock.used_s,
            overdue: clock.is_overdue(),
            accepted_until: case.accepted_until,
            justification: case
                .justification
                .map(Justification::word)
                .map(str::to_owned),
            reopened: case.reopened,
            proof: case.proof.as_ref().map(|proof| CaseProof {
                at: proof.at,
                artefact: proof.artefact.clone(),
                versions: proof.versions.iter().cloned().collect(),
            }),
            spent_seconds: case
                .spent(now)
                .into_iter()
                .map(|(state, seconds)| (state.word().to_owned(), seconds))
                .collect(),
            moves: moves_from(case.state)
                .map(|(by, to)| (by.word().to_owned(), to.word().to_owned()))
                .collect(),
            history: case.history.iter().map(entry).collect(),
        }
    }
}

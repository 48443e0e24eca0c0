//! A case in the words of others: VEX documents and Dependency-Track.

use super::case::Case;
use super::event::{Sight, after_sight};
use super::state::State;
use crate::report::{Justification, Stance};

/// What of a case matters to whoever reads VEX documents.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// Where it stands.
    pub state: State,
    /// `npm/lodash`.
    pub package: String,
    /// The least versions without it.
    pub fixed_in: Vec<String>,
    /// Until when it is accepted, in Unix seconds.
    pub accepted_until: Option<u64>,
    /// Why it does not apply, in the words of VEX.
    pub justification: Option<Justification>,
    /// What was said when it came to where it stands.
    pub reason: String,
}

impl Held {
    /// What is held of a case.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        let entries = case.history.iter();
        let said = entries.map(|entry| (entry.from, entry.to, &*entry.what, &*entry.reason));
        Self {
            state: case.state,
            package: case.package.clone(),
            fixed_in: case.fixed_in.clone(),
            accepted_until: case.accepted_until,
            justification: case.justification,
            reason: last_said(case.state, said).to_owned(),
        }
    }

    /// The same after a scan has found it now: what was gone or taken back is there again.
    #[must_use]
    pub fn found_now(mut self) -> Self {
        let state = after_sight(self.state, Sight::Seen);
        if state != self.state && !state.is_accepted() {
            self.reason.clear();
        }
        self.state = state;
        self
    }

    /// What is held of the finding, as VEX documents say it. Whoever reads `Fixed` may rely on a scan of what runs.
    #[must_use]
    pub fn stance(self) -> Stance {
        let update = || match self.fixed_in.as_slice() {
            [] => "No version without it is known: take the package out, or keep its input away."
                .to_owned(),
            versions => format!("Update {} to {}.", self.package, versions.join(" or ")),
        };
        match self.state {
            State::Detected => Stance::UnderInvestigation,
            State::Assessed | State::Patching | State::Testing => Stance::Affected {
                action: update(),
                is_accepted: false,
            },
            State::Accepted | State::Monitoring => Stance::Affected {
                action: format!(
                    "Accepted until {}: {}",
                    until(self.accepted_until),
                    self.reason
                ),
                is_accepted: true,
            },
            State::Deployed => Stance::Fixed,
            State::FalsePositive | State::Withdrawn => Stance::NotAffected {
                justification: self.justification,
                why: self.reason,
            },
        }
    }
}

/// What was said when a case came to `state`, from its history: where from, where to, what, why, the oldest first.
#[must_use]
pub fn last_said<'a>(
    state: State,
    history: impl DoubleEndedIterator<Item = (State, State, &'a str, &'a str)>,
) -> &'a str {
    let mut newest = history.rev();
    let said =
        newest.find(|(from, to, what, _)| *to == state && (*from != state || *what == "accept"));
    said.map_or("", |(.., reason)| reason)
}

/// What is held of a case's finding, as VEX documents say it.
#[must_use]
pub fn stance(case: &Case) -> Stance {
    Held::of(case).stance()
}

/// The state of Dependency-Track's analysis and, where something is done, its response.
#[must_use]
pub const fn dependency_track(state: State) -> (&'static str, Option<&'static str>) {
    match state {
        State::Detected => ("IN_TRIAGE", None),
        State::Assessed => ("EXPLOITABLE", None),
        State::Patching | State::Testing => ("EXPLOITABLE", Some("UPDATE")),
        State::Accepted | State::Monitoring => ("EXPLOITABLE", Some("WILL_NOT_FIX")),
        State::Deployed => ("RESOLVED", Some("UPDATE")),
        State::FalsePositive => ("FALSE_POSITIVE", None),
        State::Withdrawn => ("NOT_AFFECTED", None),
    }
}

fn until(at: Option<u64>) -> String {
    let at = at.and_then(|at| i64::try_from(at).ok());
    let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or_else(|| "now".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::tests::case_in;

    #[test]
    fn each_state_says_what_openvex_asks_for() {
        for state in State::ALL {
            match stance(&case_in(state)) {
                Stance::NotAffected { why, .. } => {
                    assert!(!state.is_open() && !why.is_empty(), "{state:?}");
                }
                Stance::Affected {
                    action,
                    is_accepted,
                } => {
                    assert_eq!(is_accepted, state.is_accepted());
                    let says = if is_accepted { "since" } else { "4.17.21" };
                    assert!(action.contains(says), "{action}");
                }
                Stance::Fixed => assert_eq!(state, State::Deployed),
                Stance::UnderInvestigation => assert_eq!(state, State::Detected),
            }
            let (analysis, response) = dependency_track(state);
            assert_eq!(analysis == "RESOLVED", state == State::Deployed);
            assert_eq!(response == Some("WILL_NOT_FIX"), state.is_accepted());
        }
    }

    #[test]
    fn what_a_scan_finds_now_is_neither_fixed_nor_taken_back() {
        let now = |state| Held::of(&case_in(state)).found_now().stance();
        assert!(matches!(
            now(State::Deployed),
            Stance::Affected {
                is_accepted: false,
                ..
            }
        ));
        assert_eq!(now(State::Withdrawn), Stance::UnderInvestigation);
        // What somebody has decided goes on.
        for state in [State::FalsePositive, State::Monitoring, State::Testing] {
            assert_eq!(now(state), stance(&case_in(state)), "{state:?}");
        }
        let accepted = now(State::Accepted);
        assert_eq!(accepted, stance(&case_in(State::Accepted)));
    }

    #[test]
    fn words_of_justifications_come_back() {
        for known in Justification::ALL {
            assert_eq!(Justification::parse(known.word()), Some(known));
            let written = serde_json::to_string(&known).unwrap();
            assert_eq!(written, format!("\"{}\"", known.word()));
        }
    }
}

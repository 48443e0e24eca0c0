//! A case in the words of others: VEX documents and Dependency-Track.

use super::case::Case;
use super::state::State;
use crate::report::Stance;

/// What is held of a case's finding, as VEX documents say it. Whoever reads `Fixed` may rely on a scan of what runs.
#[must_use]
pub fn stance(case: &Case) -> Stance {
    let reason = || {
        // What was said when it came to where it stands.
        let is_last = |entry: &&super::Entry| {
            entry.to == case.state && (entry.from != case.state || entry.what == "accept")
        };
        let said = case.history.iter().rev().find(is_last);
        said.map_or(String::new(), |entry| entry.reason.clone())
    };
    let update = || match case.fixed_in.as_slice() {
        [] => "No version without it is known: take the package out, or keep its input away."
            .to_owned(),
        versions => format!("Update {} to {}.", case.package, versions.join(" or ")),
    };
    match case.state {
        State::Detected => Stance::UnderInvestigation,
        State::Assessed | State::Patching | State::Testing => Stance::Affected {
            action: update(),
            is_accepted: false,
        },
        State::Accepted | State::Monitoring => Stance::Affected {
            action: format!("Accepted until {}: {}", until(case), reason()),
            is_accepted: true,
        },
        State::Deployed => Stance::Fixed,
        State::FalsePositive | State::Withdrawn => Stance::NotAffected {
            justification: case.justification,
            why: reason(),
        },
    }
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

fn until(case: &Case) -> String {
    let at = case.accepted_until.and_then(|at| i64::try_from(at).ok());
    let at = at.and_then(|at| jiff::Timestamp::from_second(at).ok());
    at.map_or_else(|| "now".to_owned(), |at| at.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::tests::case_in;
    use crate::report::Justification;

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
    fn words_of_justifications_come_back() {
        for known in Justification::ALL {
            assert_eq!(Justification::parse(known.word()), Some(known));
            let written = serde_json::to_string(&known).unwrap();
            assert_eq!(written, format!("\"{}\"", known.word()));
        }
    }
}

//! A case in the words of others: OpenVEX, CycloneDX VEX and Dependency-Track.

use super::case::Case;
use super::state::State;
use serde::{Deserialize, Serialize};

/// A status of OpenVEX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpenVexStatus {
    /// It does not apply; with a justification or an impact statement.
    NotAffected,
    /// It applies; with an action statement.
    Affected,
    /// It is gone.
    Fixed,
    /// Nobody knows yet.
    UnderInvestigation,
}

impl OpenVexStatus {
    /// OpenVEX's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::NotAffected => "not_affected",
            Self::Affected => "affected",
            Self::Fixed => "fixed",
            Self::UnderInvestigation => "under_investigation",
        }
    }
}

/// Why something does not apply, in the five ways that OpenVEX knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The component is not there.
    ComponentNotPresent,
    /// The component is there without the code.
    VulnerableCodeNotPresent,
    /// The code is there and never runs.
    VulnerableCodeNotInExecutePath,
    /// It runs, and nobody from outside decides on what.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Something in front of it keeps it out.
    InlineMitigationsAlreadyExist,
}

impl Justification {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ComponentNotPresent,
        Self::VulnerableCodeNotPresent,
        Self::VulnerableCodeNotInExecutePath,
        Self::VulnerableCodeCannotBeControlledByAdversary,
        Self::InlineMitigationsAlreadyExist,
    ];

    /// OpenVEX's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::ComponentNotPresent => "component_not_present",
            Self::VulnerableCodeNotPresent => "vulnerable_code_not_present",
            Self::VulnerableCodeNotInExecutePath => "vulnerable_code_not_in_execute_path",
            Self::VulnerableCodeCannotBeControlledByAdversary => {
                "vulnerable_code_cannot_be_controlled_by_adversary"
            }
            Self::InlineMitigationsAlreadyExist => "inline_mitigations_already_exist",
        }
    }

    /// The justification of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    /// The word of CycloneDX and Dependency-Track that comes closest.
    #[must_use]
    pub const fn cyclonedx(self) -> &'static str {
        match self {
            Self::ComponentNotPresent | Self::VulnerableCodeNotPresent => "code_not_present",
            Self::VulnerableCodeNotInExecutePath => "code_not_reachable",
            Self::VulnerableCodeCannotBeControlledByAdversary => "requires_environment",
            Self::InlineMitigationsAlreadyExist => "protected_by_mitigating_control",
        }
    }
}

/// A state of an analysis, of Dependency-Track and (in small letters) of CycloneDX.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Analysis {
    /// Nobody has decided.
    InTriage,
    /// It applies.
    Exploitable,
    /// It is gone, and that is proven.
    Resolved,
    /// The advisory is wrong here.
    FalsePositive,
    /// It applies to others.
    NotAffected,
}

impl Analysis {
    /// CycloneDX's word; Dependency-Track writes it large.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::InTriage => "in_triage",
            Self::Exploitable => "exploitable",
            Self::Resolved => "resolved",
            Self::FalsePositive => "false_positive",
            Self::NotAffected => "not_affected",
        }
    }
}

/// What is being done, in the words of CycloneDX and (written large) of Dependency-Track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Response {
    /// To another version.
    Update,
    /// Nothing, for now.
    WillNotFix,
}

impl Response {
    /// CycloneDX's word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::WillNotFix => "will_not_fix",
        }
    }
}

/// A case in the words of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vex {
    /// `OpenVEX`'s status.
    pub status: OpenVexStatus,
    /// Its justification; only where it is not affected and somebody has given one.
    pub justification: Option<Justification>,
    /// Why it does not apply, in words; where it is not affected.
    pub impact: Option<String>,
    /// What is to be done; where it is affected.
    pub action: Option<String>,
    /// The state of CycloneDX and Dependency-Track.
    pub analysis: Analysis,
    /// Their response.
    pub response: Option<Response>,
}

impl Vex {
    /// A case in the words of others. Whoever reads `fixed` may rely on a scan of what runs.
    #[must_use]
    pub fn of(case: &Case) -> Self {
        let said = case.history.iter().rev().find(|entry| {
            // What was said when it came to where it stands.
            entry.to == case.state && (entry.from != case.state || entry.what == "accept")
        });
        let reason = said.map_or(String::new(), |entry| entry.reason.clone());
        let update = match case.fixed_in.as_slice() {
            [] => "no version without it is known: take the package out or keep its input away"
                .to_owned(),
            versions => format!("update to {}", versions.join(" or ")),
        };
        let plain = Self {
            status: OpenVexStatus::Affected,
            justification: None,
            impact: None,
            action: None,
            analysis: Analysis::Exploitable,
            response: None,
        };
        match case.state {
            State::Detected => Self {
                status: OpenVexStatus::UnderInvestigation,
                analysis: Analysis::InTriage,
                ..plain
            },
            State::Assessed => Self {
                action: Some(update),
                ..plain
            },
            State::Patching | State::Testing => Self {
                action: Some(update),
                response: Some(Response::Update),
                ..plain
            },
            State::Accepted | State::Monitoring => Self {
                action: Some(format!("accepted until {}: {reason}", until(case))),
                response: Some(Response::WillNotFix),
                ..plain
            },
            State::Deployed => Self {
                status: OpenVexStatus::Fixed,
                analysis: Analysis::Resolved,
                response: Some(Response::Update),
                ..plain
            },
            State::FalsePositive => Self {
                status: OpenVexStatus::NotAffected,
                justification: case.justification,
                impact: Some(reason),
                analysis: if case.justification.is_some() {
                    Analysis::NotAffected
                } else {
                    Analysis::FalsePositive
                },
                ..plain
            },
            State::Withdrawn => Self {
                status: OpenVexStatus::NotAffected,
                impact: Some(reason),
                analysis: Analysis::FalsePositive,
                ..plain
            },
        }
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

    #[test]
    fn openvex_has_what_each_status_asks_for() {
        for state in State::ALL {
            let vex = Vex::of(&case_in(state));
            match vex.status {
                OpenVexStatus::NotAffected => {
                    let is_said = vex.impact.as_deref().is_some_and(|text| !text.is_empty());
                    assert!(is_said || vex.justification.is_some(), "{state:?}");
                }
                OpenVexStatus::Affected => assert!(vex.action.is_some(), "{state:?}"),
                OpenVexStatus::Fixed => assert_eq!(state, State::Deployed),
                OpenVexStatus::UnderInvestigation => assert_eq!(state, State::Detected),
            }
            assert_eq!(
                vex.status == OpenVexStatus::NotAffected,
                matches!(
                    vex.analysis,
                    Analysis::NotAffected | Analysis::FalsePositive
                )
            );
        }
    }

    #[test]
    fn words_come_back() {
        for known in Justification::ALL {
            assert_eq!(Justification::parse(known.word()), Some(known));
            let written = serde_json::to_string(&known).unwrap();
            assert_eq!(written, format!("\"{}\"", known.word()));
        }
    }
}

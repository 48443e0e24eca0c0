//! What the operator holds of a finding, as VEX documents say it.

use crate::FindingKey;
use ph_inventory::Component;
use serde::{Deserialize, Serialize};

/// What is held of a finding. A scan alone knows only [`Stance::UnderInvestigation`]; the rest is said by people and by
/// the proof of a re-scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stance {
    /// Found, and not yet judged.
    UnderInvestigation,
    /// It applies, and this is what is done about it.
    Affected {
        /// What to do, in words.
        action: String,
        /// Whether it will not be repaired: a risk that was accepted.
        is_accepted: bool,
    },
    /// It does not apply.
    NotAffected {
        /// One of OpenVEX's justifications, where one fits.
        justification: Option<Justification>,
        /// Why, in words.
        why: String,
    },
    /// What runs no longer holds it.
    Fixed,
}

/// Why something is not affected, by OpenVEX's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Justification {
    /// The package is not there.
    ComponentNotPresent,
    /// The package is there without the vulnerable code.
    VulnerableCodeNotPresent,
    /// The vulnerable code is never run.
    VulnerableCodeNotInExecutePath,
    /// No attacker decides what it is run with.
    VulnerableCodeCannotBeControlledByAdversary,
    /// Something around it prevents the exploit.
    InlineMitigationsAlreadyExist,
}

/// What a scan of what runs has shown to be gone: no finding says it any more, and whoever reads VEX documents wants to
/// know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixed {
    /// The advisory, by the id that stands for all.
    pub name: String,
    /// Its other ids.
    pub aliases: Vec<String>,
    /// One line on what it was.
    pub title: String,
    /// The package in the versions that are there instead; empty: it is gone.
    pub components: Vec<Component>,
    /// What shows it.
    pub proof: String,
}

/// What is held of each finding; none: under investigation.
pub type Stances<'a> = dyn Fn(&FindingKey) -> Option<Stance> + 'a;

impl Justification {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::ComponentNotPresent,
        Self::VulnerableCodeNotPresent,
        Self::VulnerableCodeNotInExecutePath,
        Self::VulnerableCodeCannotBeControlledByAdversary,
        Self::InlineMitigationsAlreadyExist,
    ];

    /// The justification of one of OpenVEX's words.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.word() == word)
    }

    /// OpenVEX's word.
    #[must_use]
    pub fn word(self) -> &'static str {
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

    /// CycloneDX's word for the same.
    #[must_use]
    pub fn cyclonedx_word(self) -> &'static str {
        match self {
            Self::ComponentNotPresent | Self::VulnerableCodeNotPresent => "code_not_present",
            Self::VulnerableCodeNotInExecutePath => "code_not_reachable",
            Self::VulnerableCodeCannotBeControlledByAdversary => "requires_environment",
            Self::InlineMitigationsAlreadyExist => "protected_by_mitigating_control",
        }
    }
}

//! The states of a case.

use serde::{Deserialize, Serialize};

/// Where a case stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// A scan has found it; nobody has looked at it yet.
    Detected,
    /// Somebody has looked: it is real.
    Assessed,
    /// Somebody works on a version without it.
    Patching,
    /// That version is being tried.
    Testing,
    /// A scan of what runs does not find it any more.
    Deployed,
    /// Somebody lives with it until a day.
    Accepted,
    /// The same, and a scan since has seen that it is still there.
    Monitoring,
    /// Somebody has looked: it does not apply here.
    FalsePositive,
    /// The advisory was taken back, no longer names the version, or the server is gone.
    Withdrawn,
}

impl State {
    /// All of them, in the order of a case's life.
    pub const ALL: [Self; 9] = [
        Self::Detected,
        Self::Assessed,
        Self::Patching,
        Self::Testing,
        Self::Deployed,
        Self::Accepted,
        Self::Monitoring,
        Self::FalsePositive,
        Self::Withdrawn,
    ];

    /// The word in labels, commands and files.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Detected => "detected",
            Self::Assessed => "assessed",
            Self::Patching => "patching",
            Self::Testing => "testing",
            Self::Deployed => "deployed",
            Self::Accepted => "accepted",
            Self::Monitoring => "monitoring",
            Self::FalsePositive => "false_positive",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// The state of a word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.word() == word)
    }

    /// Something is still to be done, or lived with.
    #[must_use]
    pub const fn is_open(self) -> bool {
        !matches!(self, Self::Deployed | Self::FalsePositive | Self::Withdrawn)
    }

    /// Somebody has said that he lives with it: the clock stands still.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Accepted | Self::Monitoring)
    }

    /// The clock runs: it can be late.
    #[must_use]
    pub const fn is_on_the_clock(self) -> bool {
        self.is_open() && !self.is_accepted()
    }
}

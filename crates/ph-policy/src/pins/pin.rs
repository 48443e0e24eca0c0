//! One tool: what was accepted of it, and what was seen since.

use super::definition::Definition;

/// Definitions of one tool that can be accepted side by side.
pub(super) const ACCEPTED_MAX: usize = 8;
/// One tool of the book. It has an accepted definition, or one that waits for it, or both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pin {
    /// What was accepted, the newest first; at most [`ACCEPTED_MAX`].
    pub accepted: Vec<Accepted>,
    /// What was seen instead, lately.
    pub now: Option<Seen>,
    /// Since when it is in no whole list, in Unix seconds.
    pub missing_since: Option<u64>,
    /// The tool that it was before, to judge by all but the name.
    pub renamed_from: Option<Box<str>>,
    /// Changes that were told since the last approval.
    pub(super) told: u8,
}

/// A definition that was accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Accepted {
    /// The definition.
    pub definition: Definition,
    /// When, in Unix seconds.
    pub unix_s: u64,
    /// By whom.
    pub by: By,
    /// What the server ran then: its command, or its address.
    pub artefact: Box<str>,
}

/// Who accepted a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// Nobody: it was the first that was seen.
    FirstUse,
    /// An operator, by name where that is known.
    Operator(Box<str>),
}

/// A definition that was seen and is not accepted.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The definition.
    pub definition: Definition,
    /// When it was first seen, in Unix seconds.
    pub unix_s: u64,
    /// What the server ran then.
    pub artefact: Box<str>,
}

/// How a tool stands. Closed: it is in answers and tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// As it was accepted.
    Pinned,
    /// Another definition than the one that was accepted was seen.
    Changed,
    /// It was not there when the list was accepted.
    Added,
    /// The same, and it is all that another tool was.
    Renamed,
    /// The last whole list did not have it.
    Removed,
}

impl Standing {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Changed => "changed",
            Self::Added => "added",
            Self::Renamed => "renamed",
            Self::Removed => "removed",
        }
    }

    /// Nobody has accepted what this tool is now.
    #[must_use]
    pub fn is_unapproved(self) -> bool {
        matches!(self, Self::Changed | Self::Added | Self::Renamed)
    }
}

impl Pin {
    /// How it stands.
    #[must_use]
    pub fn standing(&self) -> Standing {
        match (self.accepted.is_empty(), &self.now) {
            (true, _) if self.renamed_from.is_some() => Standing::Renamed,
            (true, _) => Standing::Added,
            (false, Some(_)) => Standing::Changed,
            (false, None) if self.missing_since.is_some() => Standing::Removed,
            (false, None) => Standing::Pinned,
        }
    }

    /// What was accepted last.
    #[must_use]
    pub fn newest(&self) -> Option<&Definition> {
        self.accepted.first().map(|accepted| &accepted.definition)
    }

    /// What it is as far as is known.
    #[must_use]
    pub fn latest(&self) -> Option<&Definition> {
        let now = self.now.as_ref().map(|seen| &seen.definition);
        now.or_else(|| self.newest())
    }
}

//! What is told when a list is not the one that was accepted.

use super::definition::Definition;
use super::difference::differences;

/// Places that a change names.
const PLACES_MAX: usize = 8;

/// Something that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ChangeKind,
    /// The tool.
    pub tool: Box<str>,
    /// The tool that it was before, of a renamed one.
    pub from: Option<Box<str>>,
    /// JSON pointers to what differs, the first few.
    pub places: Vec<String>,
    /// The server still runs what it ran when this was accepted: nothing that an operator did explains it.
    pub same_artefact: bool,
}

/// Kinds of changes. Closed: it is a metric label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    /// A tool that was not there.
    Added,
    /// A tool that is gone.
    Removed,
    /// Another definition of a tool.
    Changed,
    /// A tool under another name.
    Renamed,
}

impl ChangeKind {
    /// Every kind, in index order.
    pub const ALL: [Self; 4] = [Self::Added, Self::Removed, Self::Changed, Self::Renamed];

    /// The value of the `kind` label.
    #[must_use]
    pub fn as_label(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Changed => "changed",
            Self::Renamed => "renamed",
        }
    }
}

pub(super) fn places(before: &Definition, after: &Definition) -> Vec<String> {
    let mut places: Vec<_> = differences(before, after)
        .into_iter()
        .map(|d| d.pointer)
        .collect();
    if places.len() > PLACES_MAX {
        let more = places.len() - PLACES_MAX;
        places.truncate(PLACES_MAX);
        places.push(format!("{more} more"));
    }
    places
}

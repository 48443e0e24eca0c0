//! What is told when a list is not the one that was accepted.

use super::definition::Definition;
use super::difference::differences;
use ph_record::ToolChange;

/// Places that a change names.
const PLACES_MAX: usize = 8;

/// Something that is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// What happened.
    pub kind: ToolChange,
    /// The tool.
    pub tool: Box<str>,
    /// The tool that it was before, of a renamed one.
    pub from: Option<Box<str>>,
    /// JSON pointers to what differs, the first few.
    pub places: Vec<String>,
    /// The server still runs what it ran when this was accepted: nothing that an operator did explains it.
    pub same_artefact: bool,
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

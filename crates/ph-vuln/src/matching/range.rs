//! One range of a record, read in the order of an ecosystem.

use ph_inventory::Ecosystem;

use crate::osv::{Event, Range};
use crate::version::{NoOrder, Version};

/// Where an event stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Point {
    /// `introduced: "0"`: before all, prereleases of 0.0.0 included.
    Start,
    At(Version),
    /// `limit: "*"`.
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Introduced,
    Fixed,
    LastAffected,
}

/// A range whose events were read and sorted.
#[derive(Debug)]
pub(super) struct Events {
    turns: Vec<(Point, Turn)>,
    limits: Vec<Point>,
}

impl Events {
    /// - errors: an event that has no place in the order.
    pub(super) fn read(ecosystem: &Ecosystem, range: &Range) -> Result<Self, NoOrder> {
        let mut events = Self {
            turns: Vec::with_capacity(range.events.len()),
            limits: Vec::new(),
        };
        for event in &range.events {
            let (text, turn) = match event {
                Event::Introduced(text) if text == "0" => {
                    events.turns.push((Point::Start, Turn::Introduced));
                    continue;
                }
                Event::Introduced(text) => (text, Turn::Introduced),
                Event::Fixed(text) => (text, Turn::Fixed),
                Event::LastAffected(text) => (text, Turn::LastAffected),
                Event::Limit(text) if text == "*" => {
                    events.limits.push(Point::End);
                    continue;
                }
                Event::Limit(text) => {
                    events
                        .limits
                        .push(Point::At(Version::read(ecosystem, text)?));
                    continue;
                }
            };
            events
                .turns
                .push((Point::At(Version::read(ecosystem, text)?), turn));
        }
        // The schema asks for a beginning. A range that has none is one from the start: the safe side.
        if !events
            .turns
            .iter()
            .any(|(_, turn)| *turn == Turn::Introduced)
        {
            events.turns.insert(0, (Point::Start, Turn::Introduced));
        }
        // Stable: events at one version stay in the record's order.
        events.turns.sort_by(|(a, _), (b, _)| a.cmp(b));
        Ok(events)
    }

    pub(super) fn holds(&self, version: &Version) -> bool {
        let version = Point::At(version.clone());
        let is_within = self.limits.is_empty() || self.limits.iter().any(|limit| version < *limit);
        let mut is_affected = false;
        for (point, turn) in &self.turns {
            match turn {
                Turn::Introduced if version >= *point => is_affected = true,
                Turn::Fixed if version >= *point => is_affected = false,
                Turn::LastAffected if version > *point => is_affected = false,
                _ => {}
            }
        }
        is_within && is_affected
    }
}

/// Whether a range holds every version, which needs no order to be told.
pub(super) fn is_whole(range: &Range) -> bool {
    let is_start = |event: &Event| matches!(event, Event::Introduced(text) if text == "0");
    let never_ends = |event: &Event| match event {
        Event::Introduced(_) => true,
        Event::Limit(text) => text == "*",
        Event::Fixed(_) | Event::LastAffected(_) => false,
    };
    range.events.iter().any(is_start) && range.events.iter().all(never_ends)
}

/// Whether a range has neither fix nor last version.
pub(super) fn is_open(range: &Range) -> bool {
    !range.events.iter().any(|event| {
        matches!(
            event,
            Event::Fixed(_) | Event::LastAffected(_) | Event::Limit(_)
        )
    })
}

/// Whether GitHub's words (`>= 1.0, < 2.0`) hold a version; none: they cannot be read.
pub(super) fn words_hold(ecosystem: &Ecosystem, words: &str, version: &Version) -> Option<bool> {
    let mut holds = true;
    for words in words.split(',') {
        let words = words.trim();
        let text = words.trim_start_matches(['<', '>', '=', ' ']);
        let bound = Version::read(ecosystem, text).ok()?;
        holds &= match words[..words.len() - text.len()].trim_end() {
            "<" => *version < bound,
            "<=" => *version <= bound,
            ">" => *version > bound,
            ">=" => *version >= bound,
            "=" | "==" => *version == bound,
            _ => return None,
        };
    }
    Some(holds)
}

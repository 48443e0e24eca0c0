//! The book of one server: which definitions were accepted, and how what it lists now differs.
//!
//! The first whole list is accepted as it is (trust on first use). From then on nothing is accepted by being
//! seen, and nothing that was seen to differ is forgotten by being put back: an operator decides.

use super::change::{Change, places};
use super::definition::{Definition, Hash, Page, TOOLS_MAX, set_hash};
use super::pin::{ACCEPTED_MAX, Accepted, By, Pin, Seen, Standing};
use ph_record::ToolChange;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Walks through the pages of a list that can be under way at once; the oldest is given up.
const WALKS_MAX: usize = 64;
/// Changes of one tool that are told before somebody approves something; a text with the time of day in it
/// would be another change each time.
const TOLD_MAX: u8 = 8;
/// The tools of one server.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// A whole list has been accepted.
    pub(super) complete: bool,
    pub(super) pins: BTreeMap<Box<str>, Pin>,
    walks: VecDeque<Walk>,
    /// Rises with every change of what is to be kept.
    revision: u64,
}

/// Whose list it is: a client's identity as a number, so that pages of several clients are not mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whose(pub u64);

/// A page that was listed.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// Who asked.
    pub whose: Whose,
    /// JSON text of the `cursor` that was asked with, in any spelling; empty: not known.
    pub cursor: Option<&'a str>,
    /// What the server runs: its command, or its address.
    pub artefact: &'a str,
    /// Now, in Unix seconds.
    pub unix_s: u64,
}

/// Why nothing was approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotApproved {
    /// There is no such tool.
    #[error("there is no such tool")]
    Unknown,
    /// It differs in nothing.
    #[error("there is nothing to approve")]
    Nothing,
    /// It has changed again since the operator looked.
    #[error("its definition is another one by now: {0}")]
    Other(Hash),
}

#[derive(Clone, Debug, PartialEq)]
struct Walk {
    whose: Whose,
    /// The cursor that the next page is asked with, in canonical form.
    cursor: Box<str>,
    names: BTreeSet<Box<str>>,
}

impl Book {
    /// Takes in a page that the server listed, and gives what is to be told.
    ///
    /// Cost: as long as the page, and a difference of two texts for each definition that has changed.
    pub fn observe(&mut self, page: &Page, listing: Listing<'_>) -> Vec<Change> {
        let mut names = self.continued(listing);
        let mut changes = Vec::new();
        let here: BTreeSet<&str> = page.tools.iter().map(|tool| &*tool.name).collect();
        for tool in &page.tools {
            let is_known = self.pins.contains_key(&tool.name);
            if !is_known && self.pins.len() >= TOOLS_MAX {
                continue;
            }
            let change = if is_known {
                self.again(tool, &listing)
            } else {
                self.first(tool, &here, &listing)
            };
            changes.extend(change);
            if let Some(names) = &mut names
                && names.len() < TOOLS_MAX
            {
                names.insert(tool.name.clone());
            }
        }
        let Some(names) = names else { return changes };
        match &page.next {
            Some(cursor) => self.go_on(listing.whose, cursor.clone(), names),
            None => changes.extend(self.whole(&names, &listing)),
        }
        changes
    }

    /// The names of the walk that this page continues; `None` when its beginning is not known.
    fn continued(&mut self, listing: Listing<'_>) -> Option<BTreeSet<Box<str>>> {
        let Some(cursor) = listing.cursor else {
            return Some(BTreeSet::new());
        };
        let cursor = super::canonical(cursor).ok()?;
        let mut walks = self.walks.iter();
        let at = walks.position(|w| w.whose == listing.whose && *w.cursor == *cursor)?;
        self.walks.remove(at).map(|walk| walk.names)
    }

    fn go_on(&mut self, whose: Whose, cursor: Box<str>, names: BTreeSet<Box<str>>) {
        if self.walks.len() >= WALKS_MAX {
            self.walks.pop_front();
        }
        self.walks.push_back(Walk {
            whose,
            cursor,
            names,
        });
    }

    /// A tool of a name that is not in the book.
    fn first(
        &mut self,
        tool: &Definition,
        here: &BTreeSet<&str>,
        listing: &Listing<'_>,
    ) -> Option<Change> {
        let mut pin = Pin::default();
        let mut change = None;
        if self.complete {
            let from = self.pins.iter().find(|(name, pin)| {
                !here.contains(&***name)
                    && pin.accepted.iter().any(|a| a.definition.body == tool.body)
            });
            let from = from.map(|(name, pin)| (name.clone(), pin));
            let before = from.as_ref().and_then(|(_, pin)| pin.accepted.first());
            let kind = if from.is_some() {
                ToolChange::Renamed
            } else {
                ToolChange::Added
            };
            let artefact = before.map_or_else(|| self.artefact(), |a| Some(&*a.artefact));
            change = Some(Change {
                kind,
                tool: tool.name.clone(),
                from: from.as_ref().map(|(name, _)| name.clone()),
                places: Vec::new(),
                same_artefact: artefact == Some(listing.artefact),
            });
            pin.renamed_from = from.map(|(name, _)| name);
            pin.now = Some(Seen::of(tool, listing));
            pin.told = 1;
        } else {
            pin.accepted.push(Accepted {
                definition: tool.clone(),
                unix_s: listing.unix_s,
                by: By::FirstUse,
                artefact: listing.artefact.into(),
            });
        }
        self.pins.insert(tool.name.clone(), pin);
        self.revision += 1;
        change
    }

    /// What the server ran when the newest definition was accepted.
    fn artefact(&self) -> Option<&str> {
        let accepted = self.pins.values().flat_map(|pin| &pin.accepted);
        let newest = accepted.max_by_key(|accepted| accepted.unix_s);
        newest.map(|accepted| &*accepted.artefact)
    }

    /// A tool that is in the book.
    fn again(&mut self, tool: &Definition, listing: &Listing<'_>) -> Option<Change> {
        let pin = self.pins.get_mut(&tool.name)?;
        self.revision += u64::from(pin.missing_since.take().is_some());
        let mut accepted = pin.accepted.iter();
        if accepted.any(|a| a.definition.hash == tool.hash) {
            return None;
        }
        if pin
            .now
            .as_ref()
            .is_some_and(|n| n.definition.hash == tool.hash)
        {
            return None;
        }
        self.revision += 1;
        let before = pin.latest().cloned();
        pin.now = Some(Seen::of(tool, listing));
        let is_told = pin.told < TOLD_MAX;
        pin.told = pin.told.saturating_add(1);
        let same = pin
            .accepted
            .first()
            .map(|a| *a.artefact == *listing.artefact);
        is_told.then(|| Change {
            kind: ToolChange::Changed,
            tool: tool.name.clone(),
            from: None,
            places: before.map_or_else(Vec::new, |before| places(&before, tool)),
            same_artefact: same.unwrap_or(false),
        })
    }

    /// The last page of a list that was seen from its beginning.
    fn whole(&mut self, names: &BTreeSet<Box<str>>, listing: &Listing<'_>) -> Vec<Change> {
        if !self.complete {
            // A server that has not got its tools yet is not trusted to have none.
            self.complete = !self.pins.is_empty();
            self.revision += u64::from(self.complete);
            return Vec::new();
        }
        // Room for new ones is taken by what an operator could still approve, and by nothing else.
        let before = self.pins.len();
        self.pins
            .retain(|name, pin| names.contains(name) || !pin.accepted.is_empty());
        self.revision += u64::from(self.pins.len() < before);
        let renamed = self.pins.values().filter_map(|p| p.renamed_from.clone());
        let renamed: BTreeSet<_> = renamed.collect();
        let mut changes = Vec::new();
        for (name, pin) in &mut self.pins {
            if names.contains(name) || pin.missing_since.is_some() {
                continue;
            }
            pin.missing_since = Some(listing.unix_s);
            self.revision += 1;
            let is_told = pin.told < TOLD_MAX && !renamed.contains(name);
            pin.told = pin.told.saturating_add(1);
            let same = pin
                .accepted
                .first()
                .map(|a| *a.artefact == *listing.artefact);
            if is_told {
                changes.push(Change {
                    kind: ToolChange::Removed,
                    tool: name.clone(),
                    from: None,
                    places: Vec::new(),
                    same_artefact: same.unwrap_or(false),
                });
            }
        }
        changes
    }

    /// Accepts what a tool is now, or that it is gone.
    ///
    /// - `hash`: what the operator looked at; one that was accepted before puts that back in its right.
    /// - `also`: what was accepted before stays accepted beside it.
    ///
    /// # Errors
    /// [`NotApproved`]; nothing has changed then.
    pub fn approve(
        &mut self,
        tool: &str,
        hash: Option<Hash>,
        also: bool,
        by: By,
        unix_s: u64,
    ) -> Result<(), NotApproved> {
        let pin = self.pins.get_mut(tool).ok_or(NotApproved::Unknown)?;
        self.revision += 1;
        match (pin.now.take(), hash) {
            (Some(seen), hash) if hash.is_none_or(|h| h == seen.definition.hash) => {
                if !also {
                    pin.accepted.clear();
                }
                pin.accepted.insert(
                    0,
                    Accepted {
                        definition: seen.definition,
                        unix_s,
                        by,
                        artefact: seen.artefact,
                    },
                );
                pin.accepted.truncate(ACCEPTED_MAX);
            }
            (Some(seen), Some(hash)) => {
                let before = pin.accepted.iter().position(|a| a.definition.hash == hash);
                let Some(before) = before else {
                    let other = NotApproved::Other(seen.definition.hash);
                    pin.now = Some(seen);
                    return Err(other);
                };
                let mut kept = pin.accepted.remove(before);
                (kept.unix_s, kept.by) = (unix_s, by);
                pin.accepted.insert(0, kept);
            }
            (None, _) if pin.missing_since.is_some() => {
                self.pins.remove(tool);
                return Ok(());
            }
            (_, _) => return Err(NotApproved::Nothing),
        }
        pin.told = 0;
        let from = pin.renamed_from.take();
        // Who approves the new name approves that the old one is gone.
        if let Some(from) = from
            && self
                .pins
                .get(&from)
                .is_some_and(|p| p.missing_since.is_some())
        {
            self.pins.remove(&from);
        }
        Ok(())
    }

    /// How a tool stands that is listed or called; `None`: it may be, for all that is known. A name that is not in
    /// the book of a whole list is a tool that was added.
    #[must_use]
    pub fn objection(&self, tool: &str) -> Option<Standing> {
        match self.pins.get(tool) {
            Some(pin) => Some(pin.standing()).filter(|s| s.is_unapproved()),
            None => self.complete.then_some(Standing::Added),
        }
    }

    /// The tools, ascending by name.
    pub fn pins(&self) -> impl Iterator<Item = (&str, &Pin)> {
        self.pins.iter().map(|(name, pin)| (&**name, pin))
    }

    /// One tool.
    #[must_use]
    pub fn pin(&self, tool: &str) -> Option<&Pin> {
        self.pins.get(tool)
    }

    /// Rises whenever there is something new to keep.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// Whether a whole list has been accepted.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// How many tools wait for somebody to look at them, those that are gone too.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let standings = self.pins.values().map(Pin::standing);
        standings.filter(|s| *s != Standing::Pinned).count()
    }

    /// The hash of the set of accepted definitions.
    #[must_use]
    pub fn set(&self) -> Hash {
        let accepted = self.pins.iter();
        set_hash(accepted.filter_map(|(name, pin)| Some((&**name, pin.newest()?.hash))))
    }
}

impl Seen {
    fn of(tool: &Definition, listing: &Listing<'_>) -> Self {
        Self {
            definition: tool.clone(),
            unix_s: listing.unix_s,
            artefact: listing.artefact.into(),
        }
    }
}

#[cfg(test)]
mod tests;

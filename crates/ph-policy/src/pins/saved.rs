//! The book as text, for a file.

use super::book::Book;
use super::definition::{Definition, Hash, NAME_BYTES_MAX, TOOLS_MAX};
use super::json::Fault;
use super::pin::{ACCEPTED_MAX, Accepted, By, Pin, Seen};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedBook {
    complete: bool,
    pins: Vec<SavedPin>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedPin {
    name: Box<str>,
    accepted: Vec<SavedDefinition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    now: Option<SavedDefinition>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    missing_since: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    renamed_from: Option<Box<str>>,
    #[serde(default)]
    told: u8,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SavedDefinition {
    hash: String,
    body: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<Box<str>>,
    #[serde(default)]
    flawed: bool,
    unix_s: u64,
    /// None: seen first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    by: Option<Box<str>>,
    artefact: Box<str>,
}

/// A saved book that is none, or not as it was written.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// It has not the form of a book.
    #[error("it is no book of tools: {0}")]
    Form(#[from] serde_json::Error),
    /// A definition does not fit its hash.
    #[error("the definition of `{0}` is not the one that was written")]
    Altered(Box<str>),
}

impl Book {
    /// The book as one line of text.
    #[must_use]
    pub fn save(&self) -> String {
        let pins = self.pins.iter().map(|(name, pin)| SavedPin {
            name: name.clone(),
            accepted: pin.accepted.iter().map(of_accepted).collect(),
            now: pin.now.as_ref().map(of_seen),
            missing_since: pin.missing_since,
            renamed_from: pin.renamed_from.clone(),
            told: pin.told,
        });
        let book = SavedBook {
            complete: self.complete,
            pins: pins.collect(),
        };
        // Texts and numbers are always JSON.
        serde_json::to_string(&book).unwrap_or_default()
    }

    /// Reads what [`Book::save`] wrote.
    ///
    /// # Errors
    /// [`Unreadable`]. What cannot be read is not to be taken for an empty book, which would trust anything.
    pub fn restore(text: &str) -> Result<Self, Unreadable> {
        let saved: SavedBook = serde_json::from_str(text)?;
        let mut book = Self::default();
        book.complete = saved.complete;
        for saved in saved.pins {
            let altered = || Unreadable::Altered(saved.name.clone());
            let name = &saved.name;
            if name.len() > NAME_BYTES_MAX || book.pins.len() >= TOOLS_MAX {
                return Err(altered());
            }
            let accepted = saved.accepted.iter().take(ACCEPTED_MAX);
            let accepted = accepted.map(|definition| {
                let by = definition.by.clone();
                Some(Accepted {
                    definition: definition.read(name)?,
                    unix_s: definition.unix_s,
                    by: by.map_or(By::FirstUse, By::Operator),
                    artefact: definition.artefact.clone(),
                })
            });
            let accepted: Option<Vec<_>> = accepted.collect();
            let now = saved.now.as_ref().map(|seen| {
                Some(Seen {
                    definition: seen.read(name)?,
                    unix_s: seen.unix_s,
                    artefact: seen.artefact.clone(),
                })
            });
            let now = match now {
                Some(None) => return Err(altered()),
                Some(seen) => seen,
                None => None,
            };
            let pin = Pin {
                accepted: accepted.ok_or_else(altered)?,
                now,
                missing_since: saved.missing_since,
                renamed_from: saved.renamed_from.clone(),
                told: saved.told,
            };
            book.pins.insert(name.clone(), pin);
        }
        Ok(book)
    }
}

fn of_accepted(accepted: &Accepted) -> SavedDefinition {
    let by = match &accepted.by {
        By::FirstUse => None,
        By::Operator(name) => Some(name.clone()),
    };
    let saved = of(&accepted.definition, accepted.unix_s, &accepted.artefact);
    SavedDefinition { by, ..saved }
}

fn of_seen(seen: &Seen) -> SavedDefinition {
    of(&seen.definition, seen.unix_s, &seen.artefact)
}

fn of(definition: &Definition, unix_s: u64, artefact: &str) -> SavedDefinition {
    SavedDefinition {
        hash: definition.hash.to_string(),
        body: definition.body.to_string(),
        text: definition.text.as_deref().map(Into::into),
        flawed: definition.flaw.is_some(),
        unix_s,
        by: None,
        artefact: artefact.into(),
    }
}

impl SavedDefinition {
    /// The definition, if it is what its hash says.
    fn read(&self, name: &str) -> Option<Definition> {
        let hash = Hash::parse(&self.hash)?;
        let body = Hash::parse(&self.body)?;
        let flaw = self.flawed.then_some(Fault {
            at: 0,
            what: "it had no canonical form when it was seen",
        });
        let is_true = match &self.text {
            None => true,
            Some(text) if self.flawed => Hash::of(format!("raw {text}").as_bytes()) == hash,
            Some(text) => Hash::of(text.as_bytes()) == hash,
        };
        is_true.then(|| Definition {
            name: name.into(),
            hash,
            body,
            text: self.text.as_deref().map(Into::into),
            flaw,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Listing, Page, Whose};
    use super::*;

    #[test]
    fn what_is_saved_is_read_again() {
        let mut book = Book::default();
        let page = |text: &str| Page::read(text.as_bytes()).unwrap().unwrap();
        let listing = Listing {
            whose: Whose(1),
            cursor: None,
            artefact: "npx x@1",
            unix_s: 5,
        };
        book.observe(
            &page(r#"{"result":{"tools":[{"name":"a"},{"name":"b","x":1,"x":2},{"name":"c","z":0}]}}"#),
            listing,
        );
        book.observe(
            &page(r#"{"result":{"tools":[{"name":"a","y":1},{"name":"d"}]}}"#),
            listing,
        );
        let by = By::Operator("ann".into());
        book.approve("d", None, false, by, 9).unwrap();
        let saved = book.save();
        let mut again = Book::restore(&saved).unwrap();
        assert_eq!(again.save(), saved);
        assert_eq!(again.set(), book.set());
        assert_eq!(again.waiting(), book.waiting());
        assert!(
            again
                .observe(
                    &page(r#"{"result":{"tools":[{"name":"a","y":1},{"name":"d"}]}}"#),
                    listing
                )
                .is_empty()
        );

        let forged = saved.replace(r#"{\"name\":\"c\",\"z\":0}"#, r#"{\"name\":\"c\",\"z\":1}"#);
        assert_ne!(forged, saved);
        assert!(matches!(Book::restore(&forged), Err(Unreadable::Altered(n)) if &*n == "c"));
        assert!(Book::restore("{}").is_err());
        assert!(Book::restore("").is_err());
    }
}

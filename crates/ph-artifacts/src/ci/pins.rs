//! Actions by commit: those that we know, and those that the user names.

use serde::Deserialize;

const KNOWN: &str = include_str!("pins.toml");

/// One action at one commit.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// `owner/name`.
    pub name: String,
    /// The tag that the commit had when it was looked up; a comment, no more.
    pub tag: String,
    /// 40 hexadecimal digits.
    pub commit: String,
    /// Where the commit was read.
    pub source: String,
}

/// The commits of actions.
#[derive(Clone, Debug)]
pub struct Pins(Vec<Pin>);

/// No commit of an action is known.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "no commit of the action `{0}` is known here, and none is made up: look one up with `git ls-remote --tags https://github.com/{0}` and say it with `--pin {0}@COMMIT#TAG`"
)]
pub struct NoPin(pub String);

/// A `--pin` that cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{0}` is no pin: OWNER/NAME@COMMIT#TAG is meant, the commit in 40 hexadecimal digits, such as actions/checkout@8e8c483db84b4bee98b60c0593521ed34d9990e8#v6.0.1"
)]
pub struct BadPin(pub String);

impl Pin {
    /// Reads `owner/name@commit#tag`.
    ///
    /// # Errors
    /// When it is anything else.
    pub fn read(text: &str) -> Result<Self, BadPin> {
        let bad = || BadPin(text.to_owned());
        let (name, rest) = text.split_once('@').ok_or_else(bad)?;
        let (commit, tag) = rest.split_once('#').ok_or_else(bad)?;
        let pin = Self {
            name: name.to_owned(),
            tag: tag.to_owned(),
            commit: commit.to_owned(),
            source: "--pin".to_owned(),
        };
        if pin.is_sound() { Ok(pin) } else { Err(bad()) }
    }

    /// Nothing in it means anything to YAML.
    fn is_sound(&self) -> bool {
        let is_word = |text: &str| {
            !text.is_empty()
                && text
                    .chars()
                    .all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c))
        };
        let (owner, name) = self.name.split_once('/').unwrap_or_default();
        is_word(owner)
            && name.split('/').all(is_word)
            && is_word(&self.tag)
            && self.commit.len() == 40
            && self
                .commit
                .chars()
                .all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c))
    }

    /// As a workflow names it.
    pub(crate) fn uses(&self) -> String {
        format!("{}@{} # {}", self.name, self.commit, self.tag)
    }
}

impl Pins {
    /// Those of `pins.toml`, and before them the user's.
    #[must_use]
    pub fn with(own: Vec<Pin>) -> Self {
        let mut pins = own;
        pins.extend(known());
        Self(pins)
    }

    pub(crate) fn get(&self, name: &str) -> Result<&Pin, NoPin> {
        let found = self.0.iter().find(|pin| pin.name == name);
        found.ok_or_else(|| NoPin(name.to_owned()))
    }
}

fn known() -> Vec<Pin> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        action: Vec<Pin>,
    }
    // The file is part of the program, and a test reads it.
    toml::from_str::<File>(KNOWN).map_or_else(|_| Vec::new(), |file| file.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_known_pin_is_a_whole_commit_with_its_source() {
        let known = known();
        assert!(known.len() >= 5);
        for pin in &known {
            assert!(pin.is_sound(), "{pin:?}");
            assert!(pin.source.len() > 20, "{pin:?}");
            assert_eq!(
                known.iter().filter(|other| other.name == pin.name).count(),
                1
            );
        }
    }

    #[test]
    fn what_is_not_known_is_asked_for_and_what_the_user_says_goes_first() {
        let pins = Pins::with(Vec::new());
        assert_eq!(pins.get("a/b"), Err(NoPin("a/b".to_owned())));
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let own = Pin::read(&format!("actions/checkout@{commit}#v9")).expect("a pin");
        let pins = Pins::with(vec![own]);
        assert_eq!(pins.get("actions/checkout").expect("a pin").commit, commit);
    }

    #[test]
    fn a_tag_is_no_pin() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        for text in [
            "actions/checkout@v4",
            "actions/checkout",
            "",
            "a/b@0123456#v1",
            "a/b@v1#v1",
        ] {
            assert_eq!(Pin::read(text), Err(BadPin(text.to_owned())));
        }
        for text in [
            format!("a@{commit}#v1"),
            format!("a/b@{commit}#"),
            format!("a/b@{commit}#v1\nrun: x"),
        ] {
            assert_eq!(Pin::read(&text), Err(BadPin(text)));
        }
    }
}

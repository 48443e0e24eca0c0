//! Precedence of SemVer 2.0, for versions as registries have them: with `v`, with fewer numbers, with numbers that no
//! integer type holds.
//!
//! Held against the crate `semver` on everything that it reads.

use std::cmp::Ordering;

use super::numeral::{Numeral, digits};

/// Three numbers, perhaps more, and the identifiers of a prerelease. Build metadata has no part in the order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SemVer {
    /// Without zeros at the end, so that `1`, `1.0` and `1.0.0` are one.
    numbers: Vec<Numeral>,
    /// Empty: a release.
    prerelease: Vec<Identifier>,
    has_more_numbers: bool,
}

/// Numbers are below words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(Numeral),
    Word(Box<str>),
}

impl SemVer {
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let text = text.strip_prefix(['v', 'V', '=']).unwrap_or(text);
        let (text, _build) = text.split_once('+').unwrap_or((text, ""));
        let (numbers, prerelease) = match text.split_once('-') {
            Some((numbers, prerelease)) => (numbers, Some(prerelease)),
            None => (text, None),
        };
        let mut read = Vec::new();
        for number in numbers.split('.') {
            match digits(number) {
                ("", _) => return Err("it has no number where one belongs"),
                (digits, "") => read.push(Numeral::of(digits)),
                (_, _) => return Err("a number is followed by something else"),
            }
        }
        let has_more_numbers = read.len() > 3;
        while read.last().is_some_and(|last| *last == Numeral::default()) {
            read.pop();
        }
        Ok(Self {
            numbers: read,
            prerelease: prerelease.map_or(Ok(Vec::new()), identifiers)?,
            has_more_numbers,
        })
    }

    pub(super) fn flaw(&self) -> Option<&'static str> {
        self.has_more_numbers
            .then_some("it has more than three numbers")
    }
}

fn identifiers(text: &str) -> Result<Vec<Identifier>, &'static str> {
    text.split('.')
        .map(|identifier| match digits(identifier) {
            ("", "") => Err("an identifier of its prerelease is empty"),
            (digits, "") => Ok(Identifier::Number(Numeral::of(digits))),
            _ if is_word(identifier) => Ok(Identifier::Word(identifier.into())),
            _ => Err("its prerelease holds a character that is no letter, digit or hyphen"),
        })
        .collect()
}

fn is_word(identifier: &str) -> bool {
    identifier
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

impl Ord for SemVer {
    fn cmp(&self, other: &Self) -> Ordering {
        let is_release = |version: &Self| version.prerelease.is_empty();
        self.numbers
            .cmp(&other.numbers)
            .then_with(|| is_release(self).cmp(&is_release(other)))
            .then_with(|| self.prerelease.cmp(&other.prerelease))
    }
}

impl PartialOrd for SemVer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, want: Ordering) {
        let (a, b) = (SemVer::read(a).unwrap(), SemVer::read(b).unwrap());
        assert_eq!(a.cmp(&b), want);
        assert_eq!(b.cmp(&a), want.reverse());
    }

    #[test]
    fn fewer_numbers_are_filled_with_zeros() {
        check("1", "1.0.0", Ordering::Equal);
        check("1.2-rc.1", "1.2.0", Ordering::Less);
        check("0", "0.0.0-alpha", Ordering::Greater);
        assert_eq!(SemVer::read("1.2").unwrap().flaw(), None);
        assert!(SemVer::read("1.2.3.4").unwrap().flaw().is_some());
    }

    #[test]
    fn what_is_no_version_is_refused() {
        for text in [
            "v",
            "x",
            "1.x",
            "1.2.3rc1",
            "1..2",
            "1.2.3-",
            "1.2.3-a..b",
            "1.2.3-ä",
            "^1.2.3",
            "*",
        ] {
            assert!(SemVer::read(text).is_err(), "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn agrees_with_the_crate_on_what_it_reads(
            a in r"(0|[1-9][0-9]{0,2})\.[0-2]\.[0-2](-(0|1|10|a|a-1|B|-)(\.(0|2|b|C)){0,2})?(\+[a-z0-9]{1,3})?",
            b in r"(0|[1-9][0-9]{0,2})\.[0-2]\.[0-2](-(0|1|10|a|a-1|B|-)(\.(0|2|b|C)){0,2})?(\+[a-z0-9]{1,3})?",
        ) {
            let theirs = |text: &str| ::semver::Version::parse(text).unwrap();
            let want = theirs(&a).cmp_precedence(&theirs(&b));
            prop_assert_eq!(SemVer::read(&a).unwrap().cmp(&SemVer::read(&b).unwrap()), want);
        }
    }
}

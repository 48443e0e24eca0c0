//! The order of apk: `number{.number}…{letter}{_suffix{number}}…{~hash}{-r#}`.
//!
//! Source: apk-package(5), section PKGINFO. apk compares piece by piece and orders whatever it is given, also what its
//! own check refuses; so does this, and says so ([`Alpine::flaw`]).

use std::cmp::Ordering;

use super::numeral::{Numeral, digits};

/// The pieces of a version. What a version lacks is `End`, which is where prereleases are below and everything else is
/// above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alpine {
    pieces: Vec<Piece>,
}

/// In their order where two versions go on differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// Nothing that a version may go on with; the rest is not looked at.
    Invalid,
    /// A dot, or the beginning, without a number.
    Empty,
    /// `_alpha`, `_beta`, `_pre`, `_rc`.
    Prerelease(u8),
    End,
    Revision(Numeral),
    Hash(Box<str>),
    SuffixNumber(Numeral),
    /// `_cvs`, `_svn`, `_git`, `_hg`, `_p`.
    Postrelease(u8),
    Letter(u8),
    /// Of a letter: `p1`. The documentation does not foresee it, packages have it, and apk orders it.
    LetterNumber(Numeral),
    /// A number that begins with 0 and is not the first: compared as text.
    ZeroNumber(Box<str>),
    Number(Numeral),
}

const PRERELEASES: &[&str] = &["alpha", "beta", "pre", "rc"];
const POSTRELEASES: &[&str] = &["cvs", "svn", "git", "hg", "p"];

impl Alpine {
    pub(super) fn read(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut last = Stage::Start;
        while last != Stage::End {
            let piece;
            (piece, last, rest) = next(last, rest);
            pieces.push(piece);
        }
        Self { pieces }
    }

    pub(super) fn flaw(&self) -> Option<&'static str> {
        let is_foreseen = |piece: &Piece| !matches!(piece, Piece::Invalid | Piece::Empty);
        (!self.pieces.iter().all(is_foreseen)).then_some("apk's own check refuses it")
    }
}

impl Ord for Alpine {
    fn cmp(&self, other: &Self) -> Ordering {
        self.pieces.cmp(&other.pieces)
    }
}

impl PartialOrd for Alpine {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// How far a version has been read: a piece never follows one of a later stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Start,
    Numbers,
    Letter,
    Suffix,
    Hash,
    Revision,
    End,
}

/// The next piece, the stage that it belongs to, and what is left.
fn next(last: Stage, rest: &str) -> (Piece, Stage, &str) {
    if last == Stage::Start {
        return number(rest, true);
    }
    let Some(first) = rest.bytes().next() else {
        return (Piece::End, Stage::End, "");
    };
    match first {
        b'.' if last == Stage::Numbers => number(&rest[1..], false),
        b'a'..=b'z' if last == Stage::Numbers => (Piece::Letter(first), Stage::Letter, &rest[1..]),
        b'0'..=b'9' if last == Stage::Letter || last == Stage::Suffix => {
            let (number, rest) = digits(rest);
            match last {
                Stage::Letter => (Piece::LetterNumber(Numeral::of(number)), last, rest),
                _ => (Piece::SuffixNumber(Numeral::of(number)), last, rest),
            }
        }
        b'_' if last <= Stage::Suffix => suffix(&rest[1..]),
        b'~' if last <= Stage::Suffix => hash(&rest[1..]),
        b'-' if last <= Stage::Hash => revision(&rest[1..]),
        _ => INVALID,
    }
}

const INVALID: (Piece, Stage, &str) = (Piece::Invalid, Stage::End, "");

fn number(rest: &str, is_first: bool) -> (Piece, Stage, &str) {
    let (number, rest) = digits(rest);
    let piece = match number {
        "" => Piece::Empty,
        zero if zero.starts_with('0') && !is_first => Piece::ZeroNumber(zero.into()),
        number => Piece::Number(Numeral::of(number)),
    };
    (piece, Stage::Numbers, rest)
}

fn suffix(rest: &str) -> (Piece, Stage, &str) {
    let end = rest
        .bytes()
        .take_while(|byte| byte.is_ascii_alphabetic())
        .count();
    let (word, rest) = rest.split_at(end);
    let place = |words: &[&str]| words.iter().position(|known| *known == word);
    let piece = match (place(PRERELEASES), place(POSTRELEASES)) {
        (Some(at), _) => Piece::Prerelease(at as u8),
        (None, Some(at)) => Piece::Postrelease(at as u8),
        (None, None) => return INVALID,
    };
    (piece, Stage::Suffix, rest)
}

fn hash(rest: &str) -> (Piece, Stage, &str) {
    let end = rest
        .bytes()
        .take_while(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        .count();
    match rest.split_at(end) {
        ("", _) => INVALID,
        (hash, rest) => (Piece::Hash(hash.into()), Stage::Hash, rest),
    }
}

/// `-r` alone is `-r0`; a word that begins with r is none.
fn revision(rest: &str) -> (Piece, Stage, &str) {
    let Some(rest) = rest.strip_prefix('r') else {
        return INVALID;
    };
    if rest
        .bytes()
        .next()
        .is_some_and(|next| next.is_ascii_alphabetic())
    {
        return INVALID;
    }
    let (number, rest) = digits(rest);
    (Piece::Revision(Numeral::of(number)), Stage::Revision, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: &str, b: &str, want: Ordering) {
        assert_eq!(Alpine::read(a).cmp(&Alpine::read(b)), want, "{a} {b}");
        assert_eq!(
            Alpine::read(b).cmp(&Alpine::read(a)),
            want.reverse(),
            "{b} {a}"
        );
    }

    #[test]
    fn pieces_in_their_order() {
        let rising = [
            "1_alpha", "1_alpha1", "1_beta", "1_pre2", "1_rc", "1", "1-r0", "1-r2", "1-r10",
            "1~ab", "1_cvs", "1_git3", "1_p", "1_p1-r1", "1a", "1b", "1.0", "1.01", "1.1", "1.9",
            "1.10", "2",
        ];
        for (at, a) in rising.iter().enumerate() {
            for b in &rising[at + 1..] {
                check(a, b, Ordering::Less);
            }
            assert_eq!(Alpine::read(a).flaw(), None, "{a}");
        }
    }

    #[test]
    fn what_the_check_refuses_is_said() {
        for text in [
            "", "a", ".1", "1..2", "1_blah", "1-ruff", "1A", "1-r1-r2", "1~", "1-1",
        ] {
            assert!(Alpine::read(text).flaw().is_some(), "{text}");
        }
        check("1_blah", "1", Ordering::Less);
        check("1-r", "1-r0", Ordering::Equal);
        check("1-r0-1", "1-r0-2", Ordering::Equal);
    }
}

//! The order of Composer: PHP's `version_compare` of four numbers and what follows them.
//!
//! Source: the documentation of both.

use super::numeral::{Numeral, digits};

/// Ends with [`Piece::End`].
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Packagist(Vec<Piece>);

/// In their order where two versions go on differently.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    /// A word that means nothing: PHP tells none of them apart.
    Word,
    Dev,
    Alpha,
    Beta,
    Candidate,
    End,
    Number(Numeral),
    Patch,
}

/// Composer fills versions with zeros to so many numbers.
const NUMBERS: usize = 4;

impl Packagist {
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        let text = text.to_ascii_lowercase();
        let text = text.strip_prefix('v').unwrap_or(&text);
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("it does not begin with a number");
        }
        // Behind the plus stands what has no part in the order.
        let text = text.split('+').next().unwrap_or_default();
        let mut pieces = Vec::new();
        for part in text.split(['.', '-', '_']) {
            take(part, &mut pieces)?;
        }
        let is_number = |piece: &Piece| matches!(piece, Piece::Number(_));
        let numbers = pieces.iter().take_while(|piece| is_number(piece)).count();
        let missing = NUMBERS.saturating_sub(numbers);
        let zeros = std::iter::repeat_n(Piece::Number(Numeral::default()), missing);
        pieces.splice(numbers..numbers, zeros);
        pieces.push(Piece::End);
        Ok(Self(pieces))
    }
}

fn take(part: &str, pieces: &mut Vec<Piece>) -> Result<(), &'static str> {
    if part.is_empty() || !part.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("between dots stand letters and digits");
    }
    let mut rest = part;
    while !rest.is_empty() {
        let (number, after) = digits(rest);
        if !number.is_empty() {
            pieces.push(Piece::Number(Numeral::of(number)));
        }
        let end = after.find(|c: char| c.is_ascii_digit());
        let (word, after) = after.split_at(end.unwrap_or(after.len()));
        pieces.extend(piece(word));
        rest = after;
    }
    Ok(())
}

/// None: a word that says nothing, `stable`.
fn piece(word: &str) -> Option<Piece> {
    Some(match word {
        "" | "stable" => return None,
        "dev" => Piece::Dev,
        "alpha" | "a" => Piece::Alpha,
        "beta" | "b" => Piece::Beta,
        "rc" => Piece::Candidate,
        "patch" | "pl" | "p" => Piece::Patch,
        _ => Piece::Word,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_their_order() {
        let read = |text| Packagist::read(text).unwrap();
        let rising = [
            "0.9.346",
            "0.93",
            "1.0-foo",
            "1.0-dev",
            "1.0.0alpha1",
            "1.0.0-alpha2",
            "1.0b1",
            "1.0.0-BETA2",
            "v1.0-RC",
            "1.0.0rc1",
            "1.0.0-rc.2",
            "1.0",
            "1.0.0-p1",
            "1.0.0-patch2",
            "1.0.0.1",
            "1.0.1",
            "1.10",
            "2",
        ];
        for (at, a) in rising.iter().enumerate() {
            for b in &rising[at + 1..] {
                assert!(read(a) < read(b), "{a} {b}");
            }
        }
        for same in ["v1.0", "1", "1.0.0.0", "1.0.0+build", "1.0-stable"] {
            assert_eq!(read(same), read("1.0.0"), "{same}");
        }
        for text in ["", "dev-main", "v", "1..2", "1.-2", "1.x "] {
            assert!(Packagist::read(text).is_err(), "{text}");
        }
    }
}

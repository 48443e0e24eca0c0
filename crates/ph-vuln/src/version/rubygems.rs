//! The order of RubyGems: words and numbers in turn, a word is below every number.
//!
//! Source: the documentation of `Gem::Version`.

use std::cmp::Ordering;

use super::numeral::{Numeral, digits};

/// The parts, without the zeros that end the numbers before the first word, or the version.
#[derive(Debug, Clone)]
pub(super) struct RubyGems(Vec<Part>);

/// What a version lacks is zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Word(Box<str>),
    Number(Numeral),
}

impl Part {
    fn is_zero(&self) -> bool {
        *self == Self::zero()
    }

    fn zero() -> Self {
        Self::Number(Numeral::default())
    }
}

impl RubyGems {
    pub(super) fn read(text: &str) -> Result<Self, &'static str> {
        if !text.starts_with(|c: char| c.is_ascii_digit()) {
            return Err("it does not begin with a number");
        }
        let (before, after) = match text.split_once('-') {
            Some((before, after)) => (before, Some(after)),
            None => (text, None),
        };
        let mut parts = Vec::new();
        for piece in before.split('.') {
            take(piece, &mut parts)?;
        }
        if let Some(after) = after {
            // As RubyGems reads it: `1.0-x` is `1.0.pre.x`.
            parts.push(Part::Word("pre".into()));
            for piece in after.split(['.', '-']) {
                take(piece, &mut parts)?;
            }
        }
        let is_word = |part: &Part| matches!(part, Part::Word(_));
        let first = parts.iter().position(is_word).unwrap_or(parts.len());
        let words = parts.split_off(first);
        let mut all = without_zeros(parts);
        all.extend(without_zeros(words));
        Ok(Self(all))
    }
}

fn take(piece: &str, parts: &mut Vec<Part>) -> Result<(), &'static str> {
    if piece.is_empty() || !piece.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("between dots stand letters and digits");
    }
    let mut rest = piece;
    while !rest.is_empty() {
        let (number, after) = digits(rest);
        if !number.is_empty() {
            parts.push(Part::Number(Numeral::of(number)));
        }
        let end = after.find(|c: char| c.is_ascii_digit());
        let (word, after) = after.split_at(end.unwrap_or(after.len()));
        if !word.is_empty() {
            parts.push(Part::Word(word.into()));
        }
        rest = after;
    }
    Ok(())
}

fn without_zeros(mut parts: Vec<Part>) -> Vec<Part> {
    while parts.last().is_some_and(Part::is_zero) {
        parts.pop();
    }
    parts
}

impl Ord for RubyGems {
    fn cmp(&self, other: &Self) -> Ordering {
        let zero = Part::zero();
        let longest = self.0.len().max(other.0.len());
        let at = |version: &Self, i: usize| version.0.get(i).unwrap_or(&zero).clone();
        (0..longest)
            .map(|i| at(self, i).cmp(&at(other, i)))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl PartialEq for RubyGems {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for RubyGems {}

impl PartialOrd for RubyGems {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_below_numbers_and_zeros_at_the_end_are_nothing() {
        let read = |text| RubyGems::read(text).unwrap();
        let rising = [
            "0.9",
            "1.0.0.a",
            "1.0.0.beta1",
            "1.0.beta1.1",
            "1.0.0.beta2",
            "1.0-x",
            "1.pre",
            "1.0.rc",
            "1.0.rc2",
            "1.0",
            "1.0.0.1",
            "1.0.10",
            "2",
        ];
        for (at, a) in rising.iter().enumerate() {
            for b in &rising[at + 1..] {
                assert_eq!(read(a).cmp(&read(b)), Ordering::Less, "{a} {b}");
                assert_eq!(read(b).cmp(&read(a)), Ordering::Greater, "{b} {a}");
            }
        }
        assert_eq!(read("1").cmp(&read("1.0.0")), Ordering::Equal);
        assert_eq!(read("1.rc").cmp(&read("1.0.rc.0")), Ordering::Equal);
        for text in ["", "a", ".1", "1..2", "1.", "1.0+x", "1-"] {
            assert!(RubyGems::read(text).is_err(), "{text}");
        }
    }
}

//! Numbers of payment cards: of a network's range and length, and with Luhn's check digit.

use super::Span;
use super::kind::SecretKind;

/// Least digits of a card's number.
const DIGITS_MIN: usize = 13;
/// Most digits.
const DIGITS_MAX: usize = 19;

/// Finds the numbers of cards in `bytes`: as one run of digits, or in groups of four (American
/// Express: 4-6-5, Diners: 4-6-4) with a space or a dash between them.
///
/// Looks at every 13th byte only: a number covers at least one of them.
pub(super) fn find(bytes: &[u8], out: &mut Vec<Span>) {
    let mut at = DIGITS_MIN - 1;
    while at < bytes.len() {
        if !is_part(bytes[at]) {
            at += DIGITS_MIN;
            continue;
        }
        let from = bytes[..at]
            .iter()
            .rposition(|b| !is_part(*b))
            .map_or(0, |n| n + 1);
        let to = bytes[at..]
            .iter()
            .position(|b| !is_part(*b))
            .map_or(bytes.len(), |n| at + n);
        if to - from >= DIGITS_MIN {
            run(bytes, from, to, out);
        }
        at = to + DIGITS_MIN;
    }
}

/// Whether the digits of `text` alone are a card's number.
pub(super) fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit()) && is_card(text.as_bytes())
}

/// Digits with spaces and dashes between them, from `from` to `to`.
fn run(bytes: &[u8], from: usize, to: usize, out: &mut Vec<Span>) {
    let mut start = from;
    while start < to {
        if !bytes[start].is_ascii_digit() {
            start += 1;
            continue;
        }
        let end = digits(bytes, start, to);
        let begins = start == 0 || !joins(bytes[start - 1], bytes.get(start.wrapping_sub(2)));
        let found = if begins {
            number(bytes, start, end, to)
        } else {
            None
        };
        if let Some(stop) = found {
            out.push(Span {
                from: start,
                to: stop,
                kind: SecretKind::Card,
                name: None,
            });
        }
        start = found.unwrap_or(end);
    }
}

/// Where the card's number ends whose first group is `start..end`, if it is one.
fn number(bytes: &[u8], start: usize, end: usize, to: usize) -> Option<usize> {
    if end - start >= DIGITS_MIN {
        return (is_card(&bytes[start..end]) && stands_free(bytes, end)).then_some(end);
    }
    if end - start != 4 {
        return None;
    }
    let separator = *bytes.get(end)?;
    let mut groups = [4, 0, 0, 0, 0];
    let mut ends = [end; 5];
    let mut all = [0_u8; DIGITS_MAX];
    all[..4].copy_from_slice(&bytes[start..end]);
    let mut count = 4;
    for nth in 1..5 {
        let before = ends[nth - 1];
        if before + 1 >= to || bytes[before] != separator {
            break;
        }
        let stop = digits(bytes, before + 1, to);
        let len = stop - before - 1;
        if len == 0 || count + len > DIGITS_MAX {
            break;
        }
        all[count..count + len].copy_from_slice(&bytes[before + 1..stop]);
        count += len;
        (groups[nth], ends[nth]) = (len, stop);
        let whole = matches!(
            (nth, groups),
            (2, [4, 6, 4 | 5, _, _]) | (3, [4, 4, 4, 4, _]) | (4, [4, 4, 4, 4, 3])
        );
        if whole && is_card(&all[..count]) && stands_free(bytes, stop) {
            return Some(stop);
        }
    }
    None
}

fn digits(bytes: &[u8], from: usize, to: usize) -> usize {
    bytes[from..to]
        .iter()
        .position(|b| !b.is_ascii_digit())
        .map_or(to, |n| from + n)
}

fn is_part(b: u8) -> bool {
    b.is_ascii_digit() || matches!(b, b' ' | b'-')
}

/// Whether a number that `b` stands before goes on to the left: a longer word, a fraction, an id with
/// dashes.
fn joins(b: u8, before: Option<&u8>) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    word(b) || matches!(b, b'.' | b'-') && before.is_some_and(|b| word(*b))
}

fn stands_free(bytes: &[u8], end: usize) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    match bytes.get(end) {
        None => true,
        Some(b) if word(*b) => false,
        Some(b'.' | b'-') => !bytes.get(end + 1).is_some_and(|b| word(*b)),
        Some(_) => true,
    }
}

/// A number of a network that issues such, with a right check digit.
fn is_card(digits: &[u8]) -> bool {
    if !(DIGITS_MIN..=DIGITS_MAX).contains(&digits.len()) {
        return false;
    }
    let first = |n: usize| {
        digits[..n]
            .iter()
            .fold(0_u32, |all, b| all * 10 + u32::from(b - b'0'))
    };
    let issued = match (digits.len(), first(4)) {
        // Visa
        (13 | 16 | 19, 4000..=4999) => true,
        // Mastercard
        (16, 5100..=5599 | 2221..=2720) => true,
        // American Express
        (15, 3400..=3499 | 3700..=3799) => true,
        // Discover
        (16..=19, 6011 | 6440..=6599) => true,
        // Diners
        (14, 3000..=3059 | 3600..=3699 | 3800..=3999) => true,
        // JCB
        (16..=19, 3528..=3589) => true,
        // UnionPay
        (16..=19, 6200..=6299) => true,
        _ => false,
    };
    issued && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(nth, digit)| {
            let digit = u32::from(digit - b'0');
            match (nth % 2, digit * 2) {
                (0, _) => digit,
                (_, double @ 10..) => double - 9,
                (_, double) => double,
            }
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<&str> {
        let mut out = Vec::new();
        find(text.as_bytes(), &mut out);
        out.iter().map(|s| &text[s.from..s.to]).collect()
    }

    #[test]
    fn numbers_of_cards_are_found_in_the_ways_they_are_written() {
        for number in [
            "4111111111111111",
            "4111 1111 1111 1111",
            "5555-5555-5555-4444",
            "378282246310005",
            "3782 822463 10005",
            "30569309025904",
            "6011111111111117",
            "3530111333300000",
            "4222222222222",
        ] {
            for text in [
                number.to_owned(),
                format!("card {number}, thanks"),
                format!("card={number}"),
                format!("1 {number} 12/27"),
                format!("{number}."),
            ] {
                assert_eq!(found(&text), [number], "{text:?}");
            }
        }
    }

    #[test]
    fn other_numbers_are_none() {
        for text in [
            "4111111111111112",
            "41111111111111111111",
            "1795370400000000000",
            "1795370400000",
            "0.4111111111111111",
            "4111111111111111.5",
            "a4111111111111111",
            "4111111111111111f",
            "12345678-4111-1111-1111-111111111111",
            "id-4111-1111-1111-1111-1111",
            "0000000000000000",
        ] {
            assert_eq!(found(text), [""; 0], "{text:?}");
        }
    }
}

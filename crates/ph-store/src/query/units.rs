//! Values with a unit: spans of time, numbers of bytes, levels, classes of status.

use std::fmt::Write as _;

/// From the most to the least talkative; the number is the order.
pub(super) const LEVELS: [&str; 5] = ["trace", "debug", "info", "warn", "error"];

/// The number of a level.
pub(super) fn level(name: &str) -> Option<u8> {
    let position = LEVELS.iter().position(|level| *level == name)?;
    u8::try_from(position).ok()
}

/// Nanoseconds each, from the largest.
const DURATION_UNITS: [(&str, i64); 7] = [
    ("d", 86_400_000_000_000),
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

/// What a bare number means: lines have milliseconds.
const MILLISECOND: i64 = 1_000_000;

const BYTE_UNITS: [(&str, i64); 10] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("KB", 1_000),
    ("B", 1),
];

/// A span of time in nanoseconds: `2s`, `1.5h`, `1m30s`, or a bare number of milliseconds.
pub(super) fn duration(text: &str) -> Option<i64> {
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return scaled(text, MILLISECOND);
    }
    let mut rest = text;
    let mut total = 0_i64;
    while !rest.is_empty() {
        let (number, behind) = split_number(rest);
        let end = behind.find(|c: char| c.is_ascii_digit());
        let (unit, next) = behind.split_at(end.unwrap_or(behind.len()));
        let unit = if unit == "µs" || unit == "μs" {
            "us"
        } else {
            unit
        };
        let (_, factor) = DURATION_UNITS.iter().find(|(name, _)| *name == unit)?;
        total = total.checked_add(scaled(number, *factor)?)?;
        rest = next;
    }
    Some(total)
}

/// A number of bytes: `64KiB`, `1.5MB`, or a bare number.
pub(super) fn bytes(text: &str) -> Option<i64> {
    let (number, unit) = split_number(text);
    let unit = if unit.is_empty() { "B" } else { unit };
    let (_, factor) = BYTE_UNITS.iter().find(|(name, _)| *name == unit)?;
    scaled(number, *factor)
}

/// A class of status: `5xx` is 500 to 599.
pub(super) fn status_class(text: &str) -> Option<(i64, i64)> {
    let [digit @ b'1'..=b'9', b'x' | b'X', b'x' | b'X'] = text.as_bytes() else {
        return None;
    };
    let from = i64::from(digit - b'0') * 100;
    Some((from, from + 99))
}

/// A span of time in the largest unit that leaves it whole.
pub(super) fn show_duration(ns: i64) -> String {
    show(ns, &DURATION_UNITS)
}

/// A number of bytes in the largest unit that leaves it whole.
pub(super) fn show_bytes(bytes: i64) -> String {
    show(bytes, &BYTE_UNITS)
}

fn show(number: i64, units: &[(&str, i64)]) -> String {
    let whole = units.iter().find(|(_, f)| number >= *f && number % f == 0);
    let mut text = String::new();
    // A `String` takes everything; zero has the smallest unit.
    let _ = match (whole, units.last()) {
        (Some((unit, factor)), _) => write!(text, "{}{unit}", number / factor),
        (None, Some((unit, _))) => write!(text, "{number}{unit}"),
        (None, None) => write!(text, "{number}"),
    };
    text
}

fn split_number(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.');
    text.split_at(end.unwrap_or(text.len()))
}

/// A decimal number times `factor`; `None` when it is none, too large, or not whole then.
fn scaled(number: &str, factor: i64) -> Option<i64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() || (number.contains('.') && fraction.is_empty()) {
        return None;
    }
    let mut total = whole.parse::<i64>().ok()?.checked_mul(factor)?;
    let mut unit = factor;
    for digit in fraction.bytes() {
        let digit = i64::from(char::from(digit).to_digit(10)?);
        if unit % 10 != 0 && digit != 0 {
            return None;
        }
        unit /= 10;
        total = total.checked_add(digit * unit)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        #[track_caller]
        fn check(text: &str, want: Option<i64>) {
            assert_eq!(duration(text), want, "{text}");
        }
        check("2s", Some(2_000_000_000));
        check("150ms", Some(150_000_000));
        check("1.5h", Some(5_400_000_000_000));
        check("1m30s", Some(90_000_000_000));
        check("10us", Some(10_000));
        check("10µs", Some(10_000));
        check("7ns", Some(7));
        check("2000", Some(2_000_000_000));
        check("0.5", Some(500_000));
        check("0.0000001ms", None);
        check("1.5ns", None);
        check("2 s", None);
        check("2sec", None);
        check("s", None);
        check("1.s", None);
        check(".5s", None);
        check("1..5s", None);
        check("", None);
        check("999999999999d", None);
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("64KiB"), Some(65_536));
        assert_eq!(bytes("1.5MB"), Some(1_500_000));
        assert_eq!(bytes("10"), Some(10));
        assert_eq!(bytes("1K"), None);
        assert_eq!(bytes("KiB"), None);
    }

    #[test]
    fn classes() {
        assert_eq!(status_class("5xx"), Some((500, 599)));
        assert_eq!(status_class("4XX"), Some((400, 499)));
        assert_eq!(status_class("0xx"), None);
        assert_eq!(status_class("50x"), None);
        assert_eq!(status_class("5xxx"), None);
    }

    proptest::proptest! {
        #[test]
        fn what_is_shown_is_read_back(number in 0..i64::MAX) {
            proptest::prop_assert_eq!(duration(&show_duration(number)), Some(number));
            proptest::prop_assert_eq!(bytes(&show_bytes(number)), Some(number));
        }

        #[test]
        fn no_text_panics(text in "[0-9.]{0,22}[a-zµ]{0,3}") {
            let _ = (duration(&text), bytes(&text), status_class(&text), level(&text));
        }
    }
}

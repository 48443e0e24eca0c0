//! Durations as Prometheus writes them: `1h30m`, `5m`, `0`.

use std::time::Duration;

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Milliseconds that Prometheus can hold: 2^63 nanoseconds.
const MS_MAX: u64 = i64::MAX as u64 / 1_000_000;

/// Reads one; none for what is none. Each unit may come once, the largest first.
pub(crate) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let (mut rest, mut next, mut total) = (text, 0, 0_u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let unit = &rest[..letters];
        let at = UNITS
            .iter()
            .skip(next)
            .position(|(name, _)| *name == unit)?
            + next;
        next = at + 1;
        total = total.checked_add(number.checked_mul(UNITS[at].1)?)?;
        rest = &rest[letters..];
    }
    (!text.is_empty() && total <= MS_MAX).then(|| Duration::from_millis(total))
}

/// Milliseconds of a duration, at most those of [`MS_MAX`].
pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_prometheus() {
        for (text, want) in [
            ("0", Some(0)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1d", Some(86_400_000)),
            ("250ms", Some(250)),
            ("1m1ms", Some(60_001)),
            ("", None),
            ("5", None),
            ("5 m", None),
            ("1.5h", None),
            ("30m1h", None),
            ("1m1m", None),
            ("-5m", None),
            ("300y", None),
            ("99999999999999999999m", None),
        ] {
            let got = parse(text).map(|duration| duration.as_millis());
            assert_eq!(got, want, "{text}");
        }
    }
}

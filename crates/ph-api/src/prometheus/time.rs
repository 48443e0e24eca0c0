//! Times and durations as Prometheus's parameters have them.

use jiff::Timestamp;

/// What Go's clients send for "the beginning of time" and "the end of it".
const FIRST: &str = "-292273086-05-16T16:47:06Z";
const LAST: &str = "292277025-08-18T07:12:54.999999999Z";
/// About 30,000 years on either side of 1970, so that sums of times do not overflow.
const FAR_MS: i64 = 1_000_000_000_000_000;

/// Seconds since 1970 with a fraction, or RFC 3339, in milliseconds.
pub(crate) fn time_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        return ms.is_finite().then(|| (ms as i64).clamp(-FAR_MS, FAR_MS));
    }
    match text {
        FIRST => Some(-FAR_MS),
        LAST => Some(FAR_MS),
        _ => text
            .parse::<Timestamp>()
            .ok()
            .map(Timestamp::as_millisecond),
    }
}

/// Seconds with a fraction, or Prometheus's `1h30m`, in milliseconds.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = seconds * 1000.0;
        return (ms.is_finite() && ms.abs() < FAR_MS as f64).then_some(ms as i64);
    }
    units_ms(text)
}

/// Units in falling order, each at most once; `0` needs none.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

fn units_ms(text: &str) -> Option<i64> {
    let (mut rest, mut total, mut next) = (text, 0_i64, 0);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let unit = UNITS
            .iter()
            .position(|(name, _)| *name == &rest[..letters])?;
        if unit < next {
            return None;
        }
        next = unit + 1;
        total = total.checked_add(number.checked_mul(UNITS[unit].1)?)?;
        rest = &rest[letters..];
    }
    (total < FAR_MS).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for (text, want) in [
            ("0", Some(0)),
            ("1435781451.781", Some(1_435_781_451_781)),
            ("-1.5", Some(-1_500)),
            ("1e3", Some(1_000_000)),
            ("2015-07-01T20:10:51.781Z", Some(1_435_781_451_781)),
            ("2015-07-01T22:10:51.781+02:00", Some(1_435_781_451_781)),
            (FIRST, Some(-FAR_MS)),
            (LAST, Some(FAR_MS)),
            ("NaN", None),
            ("inf", None),
            ("", None),
            ("now", None),
            ("2015-07-01", None),
        ] {
            assert_eq!(time_ms(text), want, "{text}");
        }
    }

    #[test]
    fn durations() {
        for (text, want) in [
            ("15", Some(15_000)),
            ("0.5", Some(500)),
            ("5m", Some(300_000)),
            ("1h30m", Some(5_400_000)),
            ("1d2h3m4s5ms", Some(93_784_005)),
            ("1w", Some(604_800_000)),
            ("", None),
            ("5", Some(5_000)),
            ("m", None),
            ("5m1h", None),
            ("5m5m", None),
            ("1.5h", None),
            ("5 m", None),
            ("99999999999999999999y", None),
            ("9999999y", None),
            ("NaN", None),
        ] {
            assert_eq!(duration_ms(text), want, "{text}");
        }
    }
}

//! Spans of time and numbers, for rules and for people.

/// A span as Prometheus writes it: `5m`, `5h36m`. What is less than a millisecond is not said.
#[must_use]
pub fn span(ms: i64) -> String {
    let units = [
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = ms.max(0);
    let mut text = String::new();
    for (name, unit) in units {
        if rest >= unit {
            text.push_str(&format!("{}{name}", rest / unit));
            rest %= unit;
        }
    }
    if text.is_empty() {
        "0s".to_owned()
    } else {
        text
    }
}

/// A span for people, to two digits or so: `7.2 days`, `3 hours`, `40 minutes`, `12 seconds`.
#[must_use]
pub fn rough(ms: i64) -> String {
    let ms = ms.max(0) as f64;
    let units = [
        ("days", 86_400_000.0),
        ("hours", 3_600_000.0),
        ("minutes", 60_000.0),
        ("seconds", 1_000.0),
    ];
    let (name, unit) = units
        .into_iter()
        .find(|(_, unit)| ms >= unit * 2.0)
        .unwrap_or(("seconds", 1_000.0));
    let count = format!("{:.1}", ms / unit);
    format!("{} {name}", count.strip_suffix(".0").unwrap_or(&count))
}

/// A percentage with as many digits as tell it from 100: `99.95 %`, never rounded up to `100 %`.
#[must_use]
pub fn percent(value: f64) -> String {
    let down = |digits: i32| {
        let scale = 10_f64.powi(digits);
        (value * scale).floor() / scale
    };
    if value >= 100.0 {
        return "100 %".to_owned();
    }
    let digits = if value >= 99.0 { 3 } else { 2 };
    // A hair below a whole step is that step.
    let shown = if (value - value.round()).abs() < 1e-9 {
        value.round()
    } else {
        down(digits)
    };
    format!("{shown} %")
}

/// A count with its thousands apart: `1 234 567`.
#[must_use]
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (nth, digit) in digits.chars().enumerate() {
        if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        for (ms, want, roughly) in [
            (0, "0s", "0 seconds"),
            (250, "250ms", "0.2 seconds"),
            (300_000, "5m", "5 minutes"),
            (20_160_000, "5h36m", "5.6 hours"),
            (86_400_000, "1d", "24 hours"),
            (604_800_000, "7d", "7 days"),
        ] {
            assert_eq!((span(ms).as_str(), rough(ms).as_str()), (want, roughly));
        }
    }

    #[test]
    fn a_share_is_never_rounded_up_to_all() {
        for (value, want) in [
            (100.0, "100 %"),
            (99.999_999, "99.999 %"),
            (99.5, "99.5 %"),
            (95.0, "95 %"),
            (12.345_6, "12.34 %"),
            (0.0, "0 %"),
        ] {
            assert_eq!(percent(value), want);
        }
        assert_eq!(count(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(count(999), "999");
    }
}

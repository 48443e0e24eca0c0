//! Quantities as Kubernetes and people write them.

use crate::ask::read_duration;

/// Seconds of a duration, with parts of them.
pub(super) fn seconds(text: &str) -> Result<f64, String> {
    let duration = read_duration(text).ok_or("expected a duration such as `100ms` or `30s`")?;
    Ok(duration.as_secs_f64())
}

/// Whole seconds of a duration.
pub(super) fn whole_seconds(text: &str) -> Result<i64, String> {
    let seconds = seconds(text)?;
    if seconds.fract() != 0.0 || seconds > 1e9 {
        return Err("expected whole seconds".to_owned());
    }
    Ok(seconds as i64)
}

/// Whole seconds before or after.
pub(super) fn offset(text: &str) -> Result<i64, String> {
    let seconds = match text.strip_prefix('-') {
        Some(text) => -whole_seconds(text)?,
        None => whole_seconds(text.trim_start_matches('+'))?,
    };
    if seconds.abs() > 14 * 3_600 {
        return Err("no clock is further than 14h from UTC".to_owned());
    }
    Ok(seconds)
}

/// CPU: `250m`, `0.25`, `2`.
pub(super) fn milli(text: &str) -> Result<i64, String> {
    let number = match text.strip_suffix('m') {
        Some(milli) => milli.parse::<f64>().ok(),
        None => text.parse::<f64>().ok().map(|cores| cores * 1_000.0),
    };
    within(number, "expected CPU such as `250m` or `0.5`")
}

/// Memory: `256Mi`, `1Gi`, `500M`, bytes.
pub(super) fn bytes(text: &str) -> Result<i64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("Ki", 1_024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
    ];
    let unit = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = unit.unwrap_or((text, 1.0));
    let number = number.parse::<f64>().ok().map(|number| number * factor);
    within(number, "expected memory such as `256Mi` or `1Gi`")
}

/// An amount of money, in millionths.
pub(super) fn micro(text: &str) -> Result<i64, String> {
    let amount = text.parse::<f64>().ok().map(|amount| amount * 1e6);
    within(
        amount,
        "expected an amount such as `0.031611`, and none below 0",
    )
}

fn within(number: Option<f64>, expected: &str) -> Result<i64, String> {
    let number = number.filter(|number| (0.0..=1e15).contains(number));
    number
        .map(|number| number.round() as i64)
        .ok_or_else(|| expected.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities() {
        assert_eq!(milli("250m"), Ok(250));
        assert_eq!(milli("0.25"), Ok(250));
        assert_eq!(bytes("256Mi"), Ok(256 << 20));
        assert_eq!(bytes("1G"), Ok(1_000_000_000));
        assert_eq!(micro("0.031611"), Ok(31_611));
        assert_eq!(whole_seconds("1m30s"), Ok(90));
        assert_eq!(offset("-5h"), Ok(-18_000));
        assert_eq!(seconds("3.5ms"), Ok(0.003_5));
        for wrong in ["", "NaN", "-1", "x", "inf"] {
            assert!(milli(wrong).is_err() && bytes(wrong).is_err() && micro(wrong).is_err());
        }
        assert!(whole_seconds("100ms").is_err() && offset("15h").is_err());
    }
}

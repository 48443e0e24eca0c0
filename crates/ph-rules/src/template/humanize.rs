//! Prometheus's functions that make numbers readable.

use super::format::float;

fn general(v: f64) -> String {
    float(v, 'g', Some(4))
}

fn is_odd(v: f64) -> bool {
    v.is_nan() || v.is_infinite()
}

const LARGE: [&str; 8] = ["k", "M", "G", "T", "P", "E", "Z", "Y"];
const SMALL: [&str; 8] = ["m", "u", "n", "p", "f", "a", "z", "y"];
const BINARY: [&str; 8] = ["ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"];

fn scaled_down(mut v: f64, prefixes: &[&'static str], by: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in prefixes {
        if v.abs() < by {
            break;
        }
        (v, prefix) = (v / by, next);
    }
    (v, prefix)
}

fn scaled_up(mut v: f64) -> (f64, &'static str) {
    let mut prefix = "";
    for next in SMALL {
        if v.abs() >= 1.0 {
            break;
        }
        (v, prefix) = (v * 1000.0, next);
    }
    (v, prefix)
}

/// With metric prefixes.
pub(super) fn metric(v: f64) -> String {
    if v == 0.0 || is_odd(v) {
        return general(v);
    }
    let (v, prefix) = if v.abs() >= 1.0 {
        scaled_down(v, &LARGE, 1000.0)
    } else {
        scaled_up(v)
    };
    format!("{}{prefix}", general(v))
}

/// With prefixes of 1024.
pub(super) fn binary(v: f64) -> String {
    if v.abs() <= 1.0 || is_odd(v) {
        return general(v);
    }
    let (v, prefix) = scaled_down(v, &BINARY, 1024.0);
    format!("{}{prefix}", general(v))
}

/// Seconds as days, hours, minutes and seconds.
pub(super) fn duration(v: f64) -> String {
    if is_odd(v) {
        return general(v);
    }
    if v == 0.0 {
        return format!("{}s", general(v));
    }
    if v.abs() < 1.0 {
        let (v, prefix) = scaled_up(v);
        return format!("{}{prefix}s", general(v));
    }
    let sign = if v < 0.0 { "-" } else { "" };
    let v = v.abs();
    // Beyond 2^63 seconds, days are as good as any.
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    let whole = v as i64;
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, seconds) = (whole / 60 % 60, whole % 60);
    if days != 0 {
        format!("{sign}{days}d {hours}h {minutes}m {seconds}s")
    } else if hours != 0 {
        format!("{sign}{hours}h {minutes}m {seconds}s")
    } else if minutes != 0 {
        format!("{sign}{minutes}m {seconds}s")
    } else {
        format!("{sign}{}s", general(v))
    }
}

/// A ratio in percent.
pub(super) fn percentage(v: f64) -> String {
    format!("{}%", general(v * 100.0))
}

/// Unix seconds as a date in UTC; none beyond what a time can hold.
pub(super) fn timestamp(v: f64) -> Option<String> {
    if is_odd(v) {
        return Some(general(v));
    }
    // As Prometheus: what 64 bits of nanoseconds hold, to the millisecond.
    let nanos = v * 1e9;
    #[expect(
        clippy::cast_precision_loss,
        reason = "the bound itself is exact enough"
    )]
    if nanos > i64::MAX as f64 || nanos < i64::MIN as f64 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked above")]
    let ms = nanos as i64 / 1_000_000;
    let (seconds, ms) = (ms.div_euclid(1_000), ms.rem_euclid(1_000));
    let (year, month, day) = civil(seconds.div_euclid(86_400));
    let of_day = seconds.rem_euclid(86_400);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    let fraction = format!("{ms:03}");
    let fraction = fraction.trim_end_matches('0');
    let point = if fraction.is_empty() { "" } else { "." };
    Some(format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{point}{fraction} +0000 UTC"
    ))
}

/// Year, month and day of a day counted from 1970-01-01, by counting from the 1st of March of year 0.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_made_readable() {
        let shown = |f: fn(f64) -> String, v: f64| f(v);
        for (v, want) in [
            (0.0, "0"),
            (1_234_567.0, "1.235M"),
            (999.5, "999.5"),
            (0.0045, "4.5m"),
            (-1500.0, "-1.5k"),
            (f64::NAN, "NaN"),
            (1e30, "1e+06Y"),
        ] {
            assert_eq!(shown(metric, v), want);
        }
        assert_eq!(binary(1_048_576.0), "1Mi");
        assert_eq!(binary(0.5), "0.5");
        for (v, want) in [
            (0.0, "0s"),
            (1.5, "1.5s"),
            (61.9, "1m 1s"),
            (3_661.0, "1h 1m 1s"),
            (-90_061.0, "-1d 1h 1m 1s"),
            (0.0021, "2.1ms"),
        ] {
            assert_eq!(shown(duration, v), want);
        }
        assert_eq!(percentage(0.051_23), "5.123%");
    }

    #[test]
    fn times_are_dates() {
        let at = |v: f64| timestamp(v).unwrap();
        assert_eq!(at(0.0), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(at(1_435_065_584.128), "2015-06-23 13:19:44.128 +0000 UTC");
        assert_eq!(at(951_782_400.0), "2000-02-29 00:00:00 +0000 UTC");
        assert_eq!(at(0.000_976_562_5), "1970-01-01 00:00:00 +0000 UTC");
        assert_eq!(at(-1.0), "1969-12-31 23:59:59 +0000 UTC");
        assert_eq!(timestamp(1e40), None);
    }
}

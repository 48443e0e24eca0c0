//! Times as lines have them.

/// Nanoseconds since 1970 of `2026-11-22T17:47:08.135802Z`; up to nine digits behind the point. `None` for what is no
/// such time, or before 1970.
pub(super) fn unix_ns(text: &str) -> Option<u64> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let (whole, fraction) = time.split_once('.').unwrap_or((time, ""));
    let [year, month, day] = numbers(date, '-')?;
    let [hour, minute, second] = numbers(whole, ':')?;
    let is_time = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60
        && fraction.len() <= 9
        && fraction.bytes().all(|b| b.is_ascii_digit());
    if !is_time {
        return None;
    }
    let ns: u64 = format!("{fraction:0<9}").parse().ok()?;
    let days = days_before(year, month).checked_add(day - 1)?;
    let seconds = days.checked_mul(86_400)? + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(ns)
}

fn numbers(text: &str, between: char) -> Option<[u64; 3]> {
    let mut parts = text.split(between).map(|part| {
        let is_number =
            !part.is_empty() && part.len() <= 4 && part.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| part.parse().ok())?
    });
    let all = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(all)
}

/// Days from 1970 to the first of a month; 0 for years before.
fn days_before(year: u64, month: u64) -> u64 {
    const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    let leap_days = |year: u64| year / 4 - year / 100 + year / 400;
    let is_leap = year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let Some(past) = year.checked_sub(1970) else {
        return 0;
    };
    let months = BEFORE[usize::try_from(month - 1).unwrap_or(0).min(11)];
    past * 365 + leap_days(year - 1) - leap_days(1969) + months + u64::from(is_leap && month > 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        #[track_caller]
        fn check(text: &str, want: Option<u64>) {
            assert_eq!(unix_ns(text), want, "{text}");
        }
        check("1970-01-01T00:00:00Z", Some(0));
        check("1970-01-01T00:00:01.5Z", Some(1_500_000_000));
        check(
            "2026-11-22T17:47:08.135802Z",
            Some(1_795_369_628_135_802_000),
        );
        check(
            "2024-02-29T23:59:59.123456789Z",
            Some(1_709_251_199_123_456_789),
        );
        check("2024-03-01T00:00:00Z", Some(1_709_251_200_000_000_000));
        check("2100-03-01T00:00:00Z", Some(4_107_542_400_000_000_000));
        check("2026-11-22T17:47:08+01:00", None);
        check("2026-13-22T17:47:08Z", None);
        check("2026-11-22T17:47Z", None);
        check("2026-11-22", None);
        check("", None);
        check("9999-99-99T99:99:99Z", None);
        check("9999-12-31T23:59:59Z", None);
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "[0-9T:.Z-]{0,32}") {
            let _ = unix_ns(&text);
        }
    }
}

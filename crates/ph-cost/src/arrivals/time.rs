//! Times as they stand in files.

/// The end of the year 9999: later is no time, but a number too many.
const LAST_S: f64 = 253_402_300_799.0;

/// Seconds of Unix time, or of any beginning: a number of seconds, milli-, micro- or nanoseconds (told apart by their
/// size), or `2023-11-16 18:17:03.979`, with `T` and an offset or `Z` too. Without an offset it is taken for UTC.
pub(super) fn read(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(number) = text.parse::<f64>() {
        return of_number(number);
    }
    let bytes = text.as_bytes();
    let is_separated = bytes.len() >= 19
        && bytes[4] == b'-'
        && bytes[7] == b'-'
        && matches!(bytes[10], b' ' | b'T' | b't')
        && bytes[13] == b':'
        && bytes[16] == b':';
    if !is_separated {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok()).flatten()
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let is_date = (1..=12).contains(&month) && (1..=days_of(year, month)).contains(&day);
    if !is_date || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    let rest = match rest.strip_prefix('.') {
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let at = days(year, month, day) * 86_400 + hour * 3_600 + minute * 60 + second;
    Some(at - offset(rest)?)
}

fn of_number(number: f64) -> Option<i64> {
    if !number.is_finite() || number < 0.0 {
        return None;
    }
    let divisor = match number {
        n if n >= 1e17 => 1e9,
        n if n >= 1e14 => 1e6,
        n if n >= 1e11 => 1e3,
        _ => 1.0,
    };
    let seconds = number / divisor;
    (seconds <= LAST_S).then_some(seconds as i64)
}

fn offset(text: &str) -> Option<i64> {
    match text.trim() {
        "" | "Z" | "z" | "UTC" => Some(0),
        text => {
            let sign = match text.as_bytes().first()? {
                b'+' => 1,
                b'-' => -1,
                _ => return None,
            };
            let digits: String = text[1..].chars().filter(|c| *c != ':').collect();
            let is_offset = digits.len() == 4 && digits.bytes().all(|b| b.is_ascii_digit());
            let number: i64 = is_offset.then(|| digits.parse().ok()).flatten()?;
            Some(sign * (number / 100 * 3_600 + number % 100 * 60))
        }
    }
}

fn days_of(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970: whole years, their leap days, the months before, the days before.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let before = year - 1;
    let leaps = before / 4 - before / 100 + before / 400 - 477;
    let months: i64 = (1..month).map(|month| days_of(year, month)).sum();
    (year - 1970) * 365 + leaps + months + day - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        #[track_caller]
        fn check(text: &str, want: Option<i64>) {
            assert_eq!(read(text), want, "{text}");
        }
        check("0", Some(0));
        check("12.9", Some(12));
        check("1700158623", Some(1_700_158_623));
        check("1700158623979", Some(1_700_158_623));
        check("1700158623979000000", Some(1_700_158_623));
        check("2023-11-16 18:17:03.9799600", Some(1_700_158_623));
        check("2023-11-16T18:17:03Z", Some(1_700_158_623));
        check("2023-11-17T03:17:03+09:00", Some(1_700_158_623));
        check("1970-01-01T00:00:00", Some(0));
        check("2000-03-01T00:00:00Z", Some(951_868_800));
        check("2023-02-29 00:00:00", None);
        check("2023-11-16", None);
        check("-1", None);
        check("NaN", None);
        check("2023-11-16 18:17:03 somewhere", None);
        check("2023-11-16 18:17:03+é", None);
    }
}

//! Months and days in UTC.

use std::fmt;

/// Milliseconds of a day.
pub(crate) const DAY_MS: i64 = 86_400_000;

/// A month of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    /// 1 to 12.
    month: u32,
}

impl Month {
    /// The month that a time is in.
    ///
    /// - `at_ms`: Unix milliseconds.
    #[must_use]
    pub fn of(at_ms: i64) -> Self {
        let (year, month, _) = date(at_ms.div_euclid(DAY_MS));
        Self { year, month }
    }

    /// Reads `2026-11`; years 1970 to 9999.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (year, month) = text.split_once('-')?;
        let digits =
            |text: &str, count| text.len() == count && text.bytes().all(|b| b.is_ascii_digit());
        if !digits(year, 4) || !digits(month, 2) {
            return None;
        }
        let (year, month) = (year.parse().ok()?, month.parse().ok()?);
        ((1970..=9999).contains(&year) && (1..=12).contains(&month)).then_some(Self { year, month })
    }

    /// Its first moment, Unix milliseconds.
    #[must_use]
    pub fn begin_ms(self) -> i64 {
        days(self.year, self.month) * DAY_MS
    }

    /// The first moment of the next, Unix milliseconds.
    #[must_use]
    pub fn end_ms(self) -> i64 {
        match self.month {
            12 => days(self.year + 1, 1) * DAY_MS,
            month => days(self.year, month + 1) * DAY_MS,
        }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

/// A day as `2026-11-22`.
pub(crate) fn day_text(at_ms: i64) -> String {
    let (year, month, day) = date(at_ms.div_euclid(DAY_MS));
    format!("{year:04}-{month:02}-{day:02}")
}

/// A minute as `2026-11-22 17:47`.
pub(crate) fn minute_text(at_ms: i64) -> String {
    let minutes = at_ms.rem_euclid(DAY_MS) / 60_000;
    format!(
        "{} {:02}:{:02}",
        day_text(at_ms),
        minutes / 60,
        minutes % 60
    )
}

/// Days of each month in a year that is no leap year.
const LENGTHS: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn length(year: i32, month: u32) -> i64 {
    let at = usize::try_from(month.saturating_sub(1))
        .unwrap_or(0)
        .min(11);
    LENGTHS[at] + i64::from(month == 2 && is_leap(year))
}

/// Days from 1970-01-01 to the first of a month.
fn days(year: i32, month: u32) -> i64 {
    let before = i64::from(year) - 1;
    let leaps = before.div_euclid(4) - before.div_euclid(100) + before.div_euclid(400);
    let since_year_1 = before * 365 + leaps;
    let in_year: i64 = (1..month).map(|month| length(year, month)).sum();
    since_year_1 + in_year - 719_162
}

/// Year, month and day of a day counted from 1970-01-01.
fn date(day: i64) -> (i32, u32, i64) {
    // A year too early at most: a year has at most 366 days.
    let mut year = i32::try_from(1970 + day.div_euclid(366)).unwrap_or(1970);
    while days(year + 1, 1) <= day {
        year += 1;
    }
    let mut month = 1;
    while month < 12 && days(year, month + 1) <= day {
        month += 1;
    }
    (year, month, day - days(year, month) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_begin_and_end() {
        #[track_caller]
        fn check(text: &str, from_s: i64, days: i64) {
            let month = Month::parse(text).expect("a month");
            assert_eq!(month.to_string(), text);
            assert_eq!(month.begin_ms(), from_s * 1_000);
            assert_eq!(month.end_ms() - month.begin_ms(), days * DAY_MS);
            assert_eq!(Month::of(month.begin_ms()), month);
            assert_eq!(Month::of(month.end_ms() - 1), month);
        }
        check("1970-01", 0, 31);
        check("2000-02", 949_363_200, 29);
        check("2026-11", 1_793_491_200, 30);
        check("2026-12", 1_796_083_200, 31);
        check("2100-02", 4_105_123_200, 28);
        for bad in [
            "",
            "2026",
            "2026-13",
            "2026-1",
            "26-11",
            "2026-00",
            "2026-11-01",
            "+026-11",
        ] {
            assert_eq!(Month::parse(bad), None, "{bad}");
        }
        assert_eq!(minute_text(1_795_369_628_135), "2026-11-22 17:47");
    }
}

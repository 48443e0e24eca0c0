//! Parts of a time, in UTC.

use crate::query::func::DatePart;

const DAY_SECONDS: i64 = 86_400;

/// The part of a Unix time in seconds; what is behind the point does not count.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "seconds beyond 64 bits are the last second there is; parts are small"
)]
pub(super) fn part(of: DatePart, unix_seconds: f64) -> f64 {
    let seconds = unix_seconds as i64;
    let days = seconds.div_euclid(DAY_SECONDS);
    let second_of_day = seconds.rem_euclid(DAY_SECONDS);
    let (year, month, day) = civil(days);
    let value = match of {
        DatePart::DayOfMonth => day,
        // 1970 began on a Thursday.
        DatePart::DayOfWeek => (days + 4).rem_euclid(7),
        DatePart::DayOfYear => days - days_before(year, 1) + 1,
        DatePart::DaysInMonth => {
            let (next_year, next_month) = if month == 12 {
                (year + 1, 1)
            } else {
                (year, month + 1)
            };
            days_before(next_year, next_month) - days_before(year, month)
        }
        DatePart::Hour => second_of_day / 3_600,
        DatePart::Minute => second_of_day % 3_600 / 60,
        DatePart::Month => month,
        DatePart::Year => year,
    };
    value as f64
}

/// Year, month and day of a day counted from 1970. Counts in cycles of 400 years that begin in March, so
/// that the leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day)
}

/// The day from 1970 on which a month begins.
fn days_before(year: i64, month: i64) -> i64 {
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_known_times() {
        // 2024-02-29 23:59:59 UTC, a Thursday
        let leap = 1_709_251_199.0;
        let of = |part_of| part(part_of, leap);
        assert_eq!(of(DatePart::Year), 2024.0);
        assert_eq!(of(DatePart::Month), 2.0);
        assert_eq!(of(DatePart::DayOfMonth), 29.0);
        assert_eq!(of(DatePart::DaysInMonth), 29.0);
        assert_eq!(of(DatePart::DayOfWeek), 4.0);
        assert_eq!(of(DatePart::DayOfYear), 60.0);
        assert_eq!(of(DatePart::Hour), 23.0);
        assert_eq!(of(DatePart::Minute), 59.0);
        assert_eq!(part(DatePart::Year, -1.0), 1969.0);
        assert_eq!(part(DatePart::DaysInMonth, -1.0), 31.0);
        assert!(part(DatePart::Year, f64::INFINITY).is_finite());
        assert!(part(DatePart::DaysInMonth, f64::NEG_INFINITY).is_finite());
    }
}

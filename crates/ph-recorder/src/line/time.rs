//! RFC 3339 from Unix time, with the date of the last second kept: most lines share it.

/// Length of a timestamp with microseconds.
pub(crate) const LEN: usize = 27;

/// Writes timestamps; cheap when the second is the one before.
#[derive(Debug)]
pub(crate) struct Stamp {
    second: u64,
    text: [u8; LEN],
}

impl Default for Stamp {
    fn default() -> Self {
        let mut stamp = Self {
            second: 0,
            text: *b"0000-00-00T00:00:00.000000Z",
        };
        stamp.set_second(0);
        stamp
    }
}

const NS_PER_S: u64 = 1_000_000_000;

impl Stamp {
    /// `unix_ns` as `2026-11-22T17:47:08.123456Z`.
    pub(crate) fn at(&mut self, unix_ns: u64) -> &[u8; LEN] {
        let second = unix_ns / NS_PER_S;
        if second != self.second {
            self.set_second(second);
        }
        put(&mut self.text[20..26], unix_ns % NS_PER_S / 1_000);
        &self.text
    }

    fn set_second(&mut self, second: u64) {
        self.second = second;
        let (year, month, day) = civil(second / 86_400);
        let text = &mut self.text;
        put(&mut text[0..4], year);
        put(&mut text[5..7], month);
        put(&mut text[8..10], day);
        put(&mut text[11..13], second / 3600 % 24);
        put(&mut text[14..16], second / 60 % 60);
        put(&mut text[17..19], second % 60);
    }
}

/// `value` right-aligned with leading zeros.
fn put(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b'0' + (value % 10) as u8;
        value /= 10;
    }
}

/// Year, month and day of a day counted from 1970-01-01, by the proleptic Gregorian calendar.
///
/// Years begin in March here, so that the leap day is the last one of its year.
fn civil(days: u64) -> (u64, u64, u64) {
    const DAYS_TO_1970: u64 = 719_468;
    const DAYS_PER_400_YEARS: u64 = 146_097;
    let days = days + DAYS_TO_1970;
    let era = days / DAYS_PER_400_YEARS;
    let of_era = days % DAYS_PER_400_YEARS;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (era * 400 + year_of_era + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn jiff(unix_ns: u64) -> String {
        let at = jiff::Timestamp::from_nanosecond(i128::from(unix_ns / 1_000 * 1_000)).unwrap();
        format!("{at:.6}")
    }

    #[test]
    fn known_times() {
        let mut stamp = Stamp::default();
        assert_eq!(stamp.at(0), b"1970-01-01T00:00:00.000000Z");
        assert_eq!(
            stamp.at(1_709_164_800 * NS_PER_S + 1_999),
            b"2024-02-29T00:00:00.000001Z"
        );
        assert_eq!(
            stamp.at(4_107_542_399 * NS_PER_S),
            b"2100-02-28T23:59:59.000000Z"
        );
        assert_eq!(stamp.at(5), b"1970-01-01T00:00:00.000000Z");
    }

    proptest! {
        /// The calendar agrees with jiff's, also when one stamp is used for many times.
        #[test]
        fn agrees_with_a_calendar(times in prop::collection::vec(0..9_000_000_000_000_000_000_u64, 1..20)) {
            let mut stamp = Stamp::default();
            for at in times {
                prop_assert_eq!(std::str::from_utf8(stamp.at(at)).unwrap(), jiff(at));
            }
        }
    }
}

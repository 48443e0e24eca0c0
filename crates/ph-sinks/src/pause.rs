//! How long to wait before the next try. Pure.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(200);
const LAST: Duration = Duration::from_secs(30);
/// The longest `Retry-After` that is obeyed.
const ASKED_MAX: Duration = Duration::from_secs(300);

/// Doubles from 200 ms to 30 s with the failures in a row; of that, between a half and all, by `random`.
/// What the other side asked for is waited in any case, up to five minutes.
///
/// - `failures`: how many in a row, from 1.
pub(crate) fn after(failures: u32, asked: Option<Duration>, random: u32) -> Duration {
    let full = FIRST
        .saturating_mul(1 << failures.saturating_sub(1).min(10))
        .min(LAST);
    let share = 0.5 + f64::from(random) / f64::from(u32::MAX) / 2.0;
    let own = full.mul_f64(share);
    asked.map_or(own, |asked| own.max(asked.min(ASKED_MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let ms = |failures, random| after(failures, None, random).as_millis();
        assert_eq!(
            [ms(1, u32::MAX), ms(2, u32::MAX), ms(3, u32::MAX)],
            [200, 400, 800]
        );
        assert_eq!([ms(1, 0), ms(2, 0)], [100, 200]);
        assert_eq!([ms(20, u32::MAX), ms(u32::MAX, u32::MAX)], [30_000, 30_000]);
    }

    #[test]
    fn what_was_asked_for_is_waited() {
        let asked = |s| after(1, Some(Duration::from_secs(s)), 0);
        assert_eq!(asked(7), Duration::from_secs(7));
        assert_eq!(asked(0), Duration::from_millis(100));
        assert_eq!(asked(86_400), ASKED_MAX);
    }
}

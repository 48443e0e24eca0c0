//! Which of those that come go to the new version.

/// Whether the one that comes at `turn` goes to the new version. Those that do are as far apart as they
/// can be.
///
/// - `weight`: their share, in percent; 100 and more are all.
pub fn goes_to_new(turn: u64, weight: u8) -> bool {
    let weight = u64::from(weight.min(100));
    // How many hundredths are left over from those before; at a whole one somebody goes.
    (turn % 100) * weight % 100 + weight >= 100
}

#[cfg(test)]
mod tests {
    use super::goes_to_new;
    use proptest::prelude::*;

    #[test]
    fn half_is_every_other_one() {
        let went: Vec<_> = (0..6).map(|turn| goes_to_new(turn, 50)).collect();
        assert_eq!(went, [false, true, false, true, false, true]);
        assert!((0..200).all(|turn| goes_to_new(turn, 100) && !goes_to_new(turn, 0)));
    }

    proptest! {
        /// Of any that follow each other, the share is right but for less than one.
        #[test]
        fn the_share_is_right_in_every_window(first in 0_u64..1000, count in 0_u64..400, weight in 0_u8..=100) {
            let went = (first..first + count).filter(|turn| goes_to_new(*turn, weight)).count();
            let share = count as f64 * f64::from(weight) / 100.0;
            prop_assert!((went as f64 - share).abs() < 1.0, "{went} of {count}");
        }
    }
}

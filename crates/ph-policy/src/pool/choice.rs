//! Which replica gets the next call.

/// The place of the least loaded replica; among equals the first one from `turn` on, so that calls that
/// come one at a time go around. `None` when there is none.
///
/// - `loads`: calls in flight of each replica.
/// - `turn`: rises with each call.
pub fn least_loaded(loads: impl ExactSizeIterator<Item = u32>, turn: usize) -> Option<usize> {
    let count = loads.len();
    let first = turn.checked_rem(count)?;
    let from_first = |at: usize| (at + count - first) % count;
    loads
        .enumerate()
        .min_by_key(|(at, load)| (*load, from_first(*at)))
        .map(|(at, _)| at)
}

#[cfg(test)]
mod tests {
    use super::least_loaded;
    use proptest::prelude::*;

    #[test]
    fn equals_take_turns() {
        let chosen: Vec<_> = (0..6)
            .filter_map(|turn| least_loaded([2, 2, 2].into_iter(), turn))
            .collect();
        assert_eq!(chosen, [0, 1, 2, 0, 1, 2]);
        assert_eq!(least_loaded([].into_iter(), 3), None);
    }

    proptest! {
        #[test]
        fn nobody_has_less(loads in prop::collection::vec(0_u32..50, 1..70), turn in any::<usize>()) {
            let chosen = least_loaded(loads.iter().copied(), turn);
            let least = loads.iter().min();
            prop_assert_eq!(chosen.map(|at| &loads[at]), least);
        }

        /// A call goes to the least loaded; so no two replicas come to differ by more than one.
        #[test]
        fn calls_that_do_not_end_are_spread_evenly(count in 1_usize..65, calls in 0_usize..300) {
            let mut loads = vec![0_u32; count];
            for turn in 0..calls {
                if let Some(at) = least_loaded(loads.iter().copied(), turn) {
                    loads[at] += 1;
                }
            }
            let (min, max) = (loads.iter().min(), loads.iter().max());
            prop_assert!(max.unwrap_or(&0) - min.unwrap_or(&0) <= 1);
            prop_assert_eq!(loads.iter().sum::<u32>() as usize, calls);
        }
    }
}

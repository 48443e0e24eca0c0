//! What a sink does when the other side has been away for too long. Pure.

/// What gives way when more than `lag_bytes_max` wait for a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// Nothing: the store keeps what the sink has not sent, and refuses new records when it is full itself.
    Block,
    /// The oldest that wait.
    DropOldest,
    /// What comes from now on, until what waits is sent.
    DropNewest,
}

/// Where a sink is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The next entry to send.
    pub(crate) next: u64,
    /// With [`WhenFull::DropNewest`]: entries from here on are dropped once this is reached.
    pub(crate) closed_at: Option<u64>,
}

/// What the store says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// The place after the newest entry.
    pub(crate) head: u64,
    /// Bytes that wait.
    pub(crate) lag_bytes: u64,
    /// The place from which `lag_bytes_max` bytes wait.
    pub(crate) within: u64,
}

/// The next place, and how many entries were passed over on the way there.
pub(crate) fn settle(
    when_full: WhenFull,
    lag_bytes_max: u64,
    at: Place,
    waiting: Waiting,
) -> (Place, u64) {
    let over = waiting.lag_bytes > lag_bytes_max;
    match when_full {
        WhenFull::Block => (
            Place {
                closed_at: None,
                ..at
            },
            0,
        ),
        WhenFull::DropOldest => {
            let next = if over {
                at.next.max(waiting.within)
            } else {
                at.next
            };
            (
                Place {
                    next,
                    closed_at: None,
                },
                next - at.next,
            )
        }
        WhenFull::DropNewest => match at.closed_at {
            Some(closed_at) if at.next >= closed_at => {
                let next = waiting.head.max(at.next);
                (
                    Place {
                        next,
                        closed_at: None,
                    },
                    next - at.next,
                )
            }
            None if over => (
                Place {
                    closed_at: Some(waiting.head),
                    ..at
                },
                0,
            ),
            _ => (at, 0),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(when_full: WhenFull, at: (u64, Option<u64>), lag: u64, want: (u64, Option<u64>, u64)) {
        let place = |(next, closed_at)| Place { next, closed_at };
        let waiting = Waiting {
            head: 100,
            lag_bytes: lag,
            within: 60,
        };
        let (got, dropped) = settle(when_full, 1000, place(at), waiting);
        assert_eq!(
            (got.next, got.closed_at, dropped),
            want,
            "{when_full:?} at {at:?}, {lag} wait"
        );
    }

    #[test]
    fn what_gives_way() {
        use WhenFull::{Block, DropNewest, DropOldest};
        for policy in [Block, DropOldest, DropNewest] {
            check(policy, (10, None), 1000, (10, None, 0));
        }
        check(Block, (10, None), 5000, (10, None, 0));
        check(DropOldest, (10, None), 1001, (60, None, 50));
        check(DropOldest, (70, None), 1001, (70, None, 0));
        check(DropNewest, (10, None), 1001, (10, Some(100), 0));
        check(DropNewest, (10, Some(50)), 5000, (10, Some(50), 0));
        check(DropNewest, (50, Some(50)), 5000, (100, None, 50));
        check(DropNewest, (50, Some(50)), 10, (100, None, 50));
    }

    #[test]
    fn another_policy_opens_what_the_one_before_has_closed() {
        check(WhenFull::Block, (10, Some(50)), 0, (10, None, 0));
        check(WhenFull::DropOldest, (10, Some(50)), 0, (10, None, 0));
    }
}

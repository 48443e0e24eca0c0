//! What was usual: calls of the last active minutes, and the highest of the last days.

/// Calls in each of the last minutes in which there were any.
#[derive(Clone, Debug)]
pub(super) struct Minutes {
    counts: [u32; Self::KEPT],
    len: u8,
    next: u8,
    /// The minute that is counted now, since 1970.
    now: u32,
    count: u32,
    /// From how many calls on this minute is abnormal; `u32::MAX` while too little is known.
    abnormal_from: u32,
}

/// What is usual of a client, for the evidence.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Usual {
    pub(super) median: u32,
    pub(super) minutes: u8,
}

impl Minutes {
    const KEPT: usize = 60;
    /// Active minutes before anything is abnormal.
    const KNOWN: usize = 30;

    pub(super) fn new(minute: u32) -> Self {
        Self {
            counts: [0; Self::KEPT],
            len: 0,
            next: 0,
            now: minute,
            count: 0,
            abnormal_from: u32::MAX,
        }
    }

    /// Counts a call. `begin` is asked, when a minute is the next one, for the least number that can be
    /// abnormal in it; it is told the number of the minute that is over.
    ///
    /// - returns: the calls of this minute when they just became abnormal.
    pub(super) fn count(
        &mut self,
        minute: u32,
        score: f64,
        begin: impl FnOnce(u32) -> u32,
    ) -> Option<u32> {
        // A clock that was set back counts on in the minute that it had.
        if minute > self.now {
            let least = begin(self.count);
            self.end(minute);
            self.abnormal_from = self.threshold(score).map_or(u32::MAX, |t| t.max(least));
        }
        self.count = self.count.saturating_add(1);
        (self.count == self.abnormal_from).then_some(self.count)
    }

    fn end(&mut self, minute: u32) {
        if self.count > 0 {
            self.counts[usize::from(self.next)] = self.count;
            self.next = (self.next + 1) % Self::KEPT as u8;
            self.len = (self.len + 1).min(Self::KEPT as u8);
        }
        (self.now, self.count) = (minute, 0);
    }

    /// The median lies so many robust deviations below it, on the scale on which the spread of a Poisson
    /// process is 1: `2√(x + 3/8)`. Less spread than that is not believed.
    fn threshold(&self, score: f64) -> Option<u32> {
        let (median, mad) = self.spread()?;
        let scale = (1.4826 * mad).max(1.0);
        let y = median + score * scale;
        // Bounded far below what a float can not hold.
        Some((y * y / 4.0 - 0.375).ceil().clamp(1.0, 4e9) as u32)
    }

    /// Median and median deviation of the roots.
    fn spread(&self) -> Option<(f64, f64)> {
        let len = usize::from(self.len);
        if len < Self::KNOWN {
            return None;
        }
        let mut roots = [0.0; Self::KEPT];
        for (root, count) in roots.iter_mut().zip(&self.counts[..len]) {
            *root = 2.0 * (f64::from(*count) + 0.375).sqrt();
        }
        let roots = &mut roots[..len];
        let median = middle(roots);
        roots
            .iter_mut()
            .for_each(|root| *root = (*root - median).abs());
        Some((median, middle(roots)))
    }

    pub(super) fn usual(&self) -> Usual {
        let median = self.spread().map_or(0.0, |(y, _)| y * y / 4.0 - 0.375);
        Usual {
            median: median.round().clamp(0.0, 4e9) as u32,
            minutes: self.len,
        }
    }

    /// So much is known of the client that it is none of those that pass by.
    pub(super) fn is_known(&self) -> bool {
        usize::from(self.len) >= Self::KNOWN
    }
}

fn middle(values: &mut [f64]) -> f64 {
    let at = values.len() / 2;
    *values.select_nth_unstable_by(at, f64::total_cmp).1
}

/// The highest value of each of the last days.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peaks {
    days: [u32; Self::DAYS],
    today: u32,
}

impl Peaks {
    pub(super) const DAYS: usize = 8;

    pub(super) fn add(&mut self, day: u32, value: u32) {
        self.turn(day);
        let at = self.today as usize % Self::DAYS;
        self.days[at] = self.days[at].max(value);
    }

    pub(super) fn highest(&self) -> u32 {
        self.days.iter().copied().max().unwrap_or(0)
    }

    fn turn(&mut self, day: u32) {
        let passed = day.saturating_sub(self.today);
        for nth in 1..=passed.min(Self::DAYS as u32) {
            self.days[(self.today + nth) as usize % Self::DAYS] = 0;
        }
        if passed > Self::DAYS as u32 {
            self.days = [0; Self::DAYS];
        }
        self.today = self.today.max(day);
    }
}

/// A count over a sliding time, in two halves: what it says is of the last half to whole of that time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Halves<T> {
    half: u32,
    pub(super) now: T,
    pub(super) before: T,
}

impl<T: Copy + Default> Halves<T> {
    /// Both halves, as of the half with this number.
    pub(super) fn at(&mut self, half: u32) -> &mut Self {
        self.turn(half);
        self
    }

    /// The same; returns what is no longer of the time.
    pub(super) fn turn(&mut self, half: u32) -> [T; 2] {
        let none = T::default();
        if half <= self.half {
            return [none, none];
        }
        let is_next = half == self.half + 1;
        let (before, now) = (self.before, self.now);
        (self.half, self.now) = (half, none);
        self.before = if is_next { now } else { none };
        [before, if is_next { none } else { now }]
    }
}

/// Different hashes, about; exact to one in ten up to a hundred of them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Distinct([u64; 8]);

impl Distinct {
    /// `true`: it was not there.
    pub(super) fn add(&mut self, hash: u32) -> bool {
        let bit = hash.wrapping_mul(0x9e37_79b9) >> 23;
        let (at, mask) = ((bit / 64) as usize, 1 << (bit % 64));
        let is_new = self.0[at] & mask == 0;
        self.0[at] |= mask;
        is_new
    }

    /// How many there are in either.
    pub(super) fn count_with(&self, other: &Self) -> u32 {
        let both = self
            .0
            .iter()
            .zip(&other.0)
            .map(|(a, b)| (a | b).count_ones());
        both.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of minutes, one after the other; returns in which of them the alarm was given.
    fn alarms(minutes: impl IntoIterator<Item = u32>, score: f64, least: u32) -> Vec<usize> {
        let mut history = Minutes::new(0);
        let mut found = Vec::new();
        for (at, calls) in minutes.into_iter().enumerate() {
            for _ in 0..calls {
                let minute = u32::try_from(at).unwrap();
                if history.count(minute, score, |_| least).is_some() {
                    found.push(at);
                }
            }
        }
        found
    }

    #[test]
    fn a_minute_far_above_the_median_is_abnormal_once() {
        let steady = || std::iter::repeat_n(10, 40);
        assert_eq!(alarms(steady().chain([100, 10, 10]), 8.0, 1), [40]);
        assert_eq!(alarms(steady().chain([50, 10]), 8.0, 1), [0; 0]);
        assert_eq!(alarms(steady().chain([100]), 8.0, 101), [0; 0]);
        // Nothing is known yet.
        assert_eq!(alarms([10, 10, 10_000], 8.0, 1), [0; 0]);
        // Quiet minutes do not count.
        let night = steady().chain(std::iter::repeat_n(0, 500));
        assert_eq!(alarms(night.chain([12]), 8.0, 1), [0; 0]);
        // Whoever always comes in bursts has a wide spread.
        let bursts = (0..60).map(|n| if n % 2 == 0 { 200 } else { 5 });
        assert_eq!(alarms(bursts.chain([210]), 8.0, 1), [0; 0]);
    }

    #[test]
    fn peaks_are_forgotten_after_days() {
        let mut peaks = Peaks::default();
        peaks.add(100, 7);
        peaks.add(103, 5);
        assert_eq!(peaks.highest(), 7);
        peaks.add(107, 1);
        assert_eq!(peaks.highest(), 7);
        peaks.add(108, 1);
        assert_eq!(peaks.highest(), 5);
        peaks.add(90, 9);
        assert_eq!(
            peaks.highest(),
            9,
            "a clock that goes back counts for today"
        );
        peaks.add(1_000, 0);
        assert_eq!(peaks.highest(), 0);
    }

    #[test]
    fn halves_slide_and_distinct_counts() {
        let mut halves = Halves::<u32>::default();
        halves.at(5).now += 2;
        halves.at(6).now += 1;
        assert_eq!((halves.before, halves.now), (2, 1));
        halves.at(5).now += 1;
        assert_eq!((halves.at(6).before, halves.now), (2, 2));
        assert_eq!(halves.at(9).before, 0);
        let (mut some, mut more) = (Distinct::default(), Distinct::default());
        for n in 0..50 {
            some.add(super::super::hash(&format!("tool-{n}")));
            more.add(super::super::hash(&format!("tool-{}", n + 25)));
        }
        let count = some.count_with(&more);
        assert!((65..=75).contains(&count), "{count}");
        assert!(!some.add(super::super::hash("tool-1")));
    }
}

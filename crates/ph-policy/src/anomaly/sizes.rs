//! How large messages usually are, in steps of half a power of two.

use super::history::Peaks;

/// Sizes of one client's messages of one direction.
#[derive(Clone, Debug)]
pub(super) struct Sizes {
    steps: [u16; Self::STEPS],
    total: u16,
    peaks: Peaks,
}

impl Default for Sizes {
    fn default() -> Self {
        Self {
            steps: [0; Self::STEPS],
            total: 0,
            peaks: Peaks::default(),
        }
    }
}

impl Sizes {
    /// From below 256 bytes to 4 GiB.
    const STEPS: usize = 50;
    /// Messages before anything is abnormal.
    const KNOWN: u16 = 100;
    /// Then all count half, so that what was long ago fades.
    const FULL: u16 = 2_000;

    /// Adds a message.
    ///
    /// - returns: what is usual, if this one is far above it: the median and the largest of the last days.
    pub(super) fn add(
        &mut self,
        day: u32,
        bytes: u32,
        least: u32,
        score: f64,
    ) -> Option<(u32, u32)> {
        let largest = self.peaks.highest();
        let is_abnormal = bytes >= least
            && bytes / 4 >= largest
            && self.total >= Self::KNOWN
            && self.is_above(step_of(bytes), score);
        let usual = is_abnormal.then(|| (bytes_of(self.median()), largest));
        self.peaks.add(day, bytes);
        if self.total >= Self::FULL {
            self.steps.iter_mut().for_each(|count| *count /= 2);
            self.total = self.steps.iter().sum();
        }
        self.steps[step_of(bytes)] += 1;
        self.total += 1;
        usual
    }

    /// At least one step of spread is believed.
    fn is_above(&self, step: usize, score: f64) -> bool {
        let median = self.median();
        let mut deviations = [0_u16; Self::STEPS];
        for (at, count) in self.steps.iter().enumerate() {
            deviations[at.abs_diff(median)] += count;
        }
        let scale = (1.4826 * middle(&deviations, self.total) as f64).max(1.0);
        step.saturating_sub(median) as f64 >= score * scale
    }

    fn median(&self) -> usize {
        middle(&self.steps, self.total)
    }
}

fn middle(counts: &[u16], total: u16) -> usize {
    let mut sum = 0;
    let half = total / 2;
    let reached = counts.iter().position(|count| {
        sum += count;
        sum > half
    });
    reached.unwrap_or(0)
}

fn step_of(bytes: u32) -> usize {
    if bytes < 256 {
        return 0;
    }
    let log = bytes.ilog2();
    let half = (bytes >> (log - 1)) & 1;
    ((log - 8) * 2 + half) as usize + 1
}

/// The least size of a step.
fn bytes_of(step: usize) -> u32 {
    match u32::try_from(step).unwrap_or(0) {
        0 => 0,
        step => {
            let base = 1_u32 << (8 + (step - 1) / 2).min(31);
            if step.is_multiple_of(2) {
                base + base / 2
            } else {
                base
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_halves_of_powers() {
        for (bytes, step) in [
            (0, 0),
            (255, 0),
            (256, 1),
            (384, 2),
            (512, 3),
            (u32::MAX, 48),
        ] {
            assert_eq!(step_of(bytes), step, "{bytes}");
        }
        for step in 1..=48 {
            assert_eq!(step_of(bytes_of(step)), step);
        }
    }

    #[test]
    fn far_above_all_others_is_abnormal() {
        let mut sizes = Sizes::default();
        for n in 0..200 {
            assert_eq!(sizes.add(1, 1_000 + n * 10, 65_536, 8.0), None);
        }
        assert_eq!(sizes.add(1, 40_000, 65_536, 8.0), None, "below the least");
        let (median, largest) = sizes.add(1, 10_000_000, 65_536, 8.0).unwrap();
        assert_eq!((median, largest), (1_536, 40_000));
        assert_eq!(
            sizes.add(1, 10_000_000, 65_536, 8.0),
            None,
            "it is known now"
        );
        // Who sends all sizes sends no outliers.
        let mut all = Sizes::default();
        for n in 0..400_u32 {
            all.add(1, 1 << (8 + n % 12), 65_536, 8.0);
        }
        assert_eq!(all.add(1, 8 << 20, 65_536, 8.0), None);
    }

    #[test]
    fn counts_stay_bounded() {
        let mut sizes = Sizes::default();
        for n in 0..1_000_000 {
            sizes.add(n / 1_000, 300, 65_536, 8.0);
        }
        assert!(sizes.total <= Sizes::FULL + 1);
    }
}

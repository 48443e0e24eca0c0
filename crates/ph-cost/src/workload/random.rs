//! Numbers that a seed decides.

/// A generator of 64-bit numbers (SplitMix64): small, good enough for shapes, the same everywhere.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
}

impl Random {
    /// The generator of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { state: seed }
    }

    /// Another generator, which what is drawn here later does not touch.
    #[must_use]
    pub fn split(&mut self) -> Self {
        Self::new(self.number())
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// From 0 up to, and not, 1.
    pub fn unit(&mut self) -> f64 {
        (self.number() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// From `low` up to, and not, `high`.
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// Whether something happens that happens with this chance.
    pub fn happens(&mut self, chance: f64) -> bool {
        self.unit() < chance
    }

    /// About normal, of mean 0 and deviation 1: twelve even numbers summed would do too, six are cheaper; tails end at 4.2.
    pub fn normal(&mut self) -> f64 {
        let sum: f64 = (0..6).map(|_| self.unit()).sum();
        (sum - 3.0) * core::f64::consts::SQRT_2
    }

    /// A factor around 1 that is as often its double as its half.
    pub fn factor(&mut self, deviation: f64) -> f64 {
        (self.normal() * deviation).exp()
    }

    /// At least 1, with a tail: the smaller `alpha`, the heavier. Cut at 60.
    pub fn tail(&mut self, alpha: f64) -> f64 {
        (1.0 - self.unit()).powf(-1.0 / alpha).min(60.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_moments_they_should_have() {
        let mut random = Random::new(7);
        let normals: Vec<f64> = (0..100_000).map(|_| random.normal()).collect();
        let mean = normals.iter().sum::<f64>() / 1e5;
        let variance = normals.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>() / 1e5;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((variance - 1.0).abs() < 0.02, "{variance}");
        let tails: Vec<f64> = (0..100_000).map(|_| random.tail(2.0)).collect();
        let above = tails.iter().filter(|tail| **tail > 2.0).count();
        assert!((24_000..26_000).contains(&above), "{above}");
    }
}

//! Time that this thread computes: on a machine that has more to do, the wall's time measures the others.

use std::time::Instant;

/// Measures from when it was started.
pub(crate) struct Stopwatch {
    wall: Instant,
    cpu_ns: Option<u64>,
}

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self {
            wall: Instant::now(),
            cpu_ns: cpu_ns(),
        }
    }

    /// Nanoseconds of this thread's computing; of the wall where the system does not tell.
    pub(crate) fn ns(&self) -> f64 {
        match self.cpu_ns.zip(cpu_ns()) {
            Some((before, now)) => now.saturating_sub(before) as f64,
            None => self.wall.elapsed().as_nanos() as f64,
        }
    }
}

/// What the scheduler has counted for this thread.
fn cpu_ns() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computing_is_measured() {
        let watch = Stopwatch::start();
        let mut x = 1_u64;
        while watch.ns() < 1e6 {
            x = std::hint::black_box(x.wrapping_mul(3));
        }
        assert!(watch.wall.elapsed().as_nanos() as f64 >= 1e6 / 2.0);
    }
}

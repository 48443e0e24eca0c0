//! What the kernel says of a control group.

use std::path::Path;

/// What a child's control group has counted since the child was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CageUsage {
    /// Periods in which processes had to wait since the group had used up its CPU.
    pub throttled_periods: u64,
    /// Microseconds that they waited for that, of all CPUs together.
    pub throttled_us: u64,
    /// The most memory that was charged to the group, cached files included. `None` before Linux 5.19.
    pub memory_peak_bytes: Option<u64>,
}

/// Reads `dir`; `None` where there is no such group.
pub(super) fn usage_of(dir: &Path) -> Option<CageUsage> {
    let stat = std::fs::read_to_string(dir.join("cpu.stat")).ok()?;
    let counted = |name: &str| {
        let mut lines = stat.lines();
        let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        found.and_then(|number| number.trim().parse().ok())
    };
    let peak = std::fs::read_to_string(dir.join("memory.peak")).ok();
    Some(CageUsage {
        // Without a bound on CPU these lines are not there, and nothing waits.
        throttled_periods: counted("nr_throttled").unwrap_or(0),
        throttled_us: counted("throttled_usec").unwrap_or(0),
        memory_peak_bytes: peak.and_then(|text| text.trim().parse().ok()),
    })
}

/// Processes of the group `dir` that were killed since they wanted more memory than there is for them.
pub(super) fn memory_kills_of(dir: &Path) -> u64 {
    let events = std::fs::read_to_string(dir.join("memory.events")).unwrap_or_default();
    let mut kills = events
        .lines()
        .filter_map(|line| line.strip_prefix("oom_kill "));
    kills.next().and_then(|n| n.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_counts_is_read_and_what_it_leaves_out_is_not_there() {
        let group = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| std::fs::write(group.path().join(file), text).unwrap();
        assert_eq!(usage_of(group.path()), None);
        write("cpu.stat", "usage_usec 9\nuser_usec 5\nsystem_usec 4\n");
        assert_eq!(usage_of(group.path()), Some(CageUsage::default()));
        write(
            "cpu.stat",
            "usage_usec 9000000\nnr_periods 1200\nnr_throttled 340\nthrottled_usec 17000000\nnr_bursts 0\n",
        );
        write("memory.peak", "314572800\n");
        write(
            "memory.events",
            "low 0\nmax 31\noom 1\noom_kill 2\noom_group_kill 1\n",
        );
        let usage = CageUsage {
            throttled_periods: 340,
            throttled_us: 17_000_000,
            memory_peak_bytes: Some(300 << 20),
        };
        assert_eq!(usage_of(group.path()), Some(usage));
        assert_eq!(memory_kills_of(group.path()), 2);
        write(
            "cpu.stat",
            "nr_throttled \nthrottled_usec -1\nnr_throttled_x 4",
        );
        write("memory.peak", "max");
        assert_eq!(usage_of(group.path()), Some(CageUsage::default()));
    }
}

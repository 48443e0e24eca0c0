//! What Pilothouse itself uses, from procfs.

use std::fs;

/// Resource use of this process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ProcessUse {
    pub(crate) cpu_seconds: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) open_fds: u64,
    /// `None` when there is no limit.
    pub(crate) max_fds: Option<u64>,
}

impl ProcessUse {
    /// Reads it now; `None` where there is no procfs.
    pub(crate) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let pages = fs::read_to_string("/proc/self/statm").ok()?;
        let fds = fs::read_dir("/proc/self/fd").ok()?.count() as u64;
        let ticks_per_second = rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu_seconds: cpu_ticks(&stat)? as f64 / ticks_per_second,
            resident_bytes: pages.split(' ').nth(1)?.parse::<u64>().ok()?
                * rustix::param::page_size() as u64,
            // The directory that is being read is open itself.
            open_fds: fds.saturating_sub(1),
            max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        })
    }
}

/// User and system ticks of a `stat` line. The command's name may hold anything, so fields are
/// counted from its closing parenthesis.
fn cpu_ticks(stat: &str) -> Option<u64> {
    const USER: usize = 11;
    let fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(USER);
    fields.take(2).map(|ticks| ticks.parse::<u64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_process_is_seen() {
        let seen = ProcessUse::read().unwrap();
        assert!(
            seen.resident_bytes > 100_000
                && seen.open_fds >= 3
                && seen.max_fds.is_none_or(|max| max >= seen.open_fds)
                && seen.cpu_seconds >= 0.0,
            "{seen:?}"
        );
    }

    #[test]
    fn a_command_name_with_blanks_does_not_shift_fields() {
        assert_eq!(
            cpu_ticks("7 (a) b) R 1 2 3 4 5 6 7 8 9 10 30 12 0"),
            Some(42)
        );
        assert_eq!(cpu_ticks("7 (a"), None);
    }
}

//! One process's files under `/proc`.

use std::path::Path;

/// What `/proc/PID/stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) parent: u32,
    pub(super) group: u32,
    /// Its own time and that of the children it has waited for.
    pub(super) cpu_ticks: u64,
    pub(super) resident_pages: u64,
    /// Not a zombie.
    pub(super) is_alive: bool,
}

impl Process {
    /// Reads the line; the name in it may hold anything, also spaces and parentheses.
    pub(super) fn parse(stat: &[u8]) -> Option<Self> {
        let name_end = memchr::memrchr(b')', stat)?;
        let rest = std::str::from_utf8(&stat[name_end + 1..]).ok()?;
        // proc_pid_stat(5) counts from 1 and `rest` starts with the third field.
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            is_alive: !matches!(*fields.first()?, "Z" | "X" | "x"),
            parent: number(4)? as u32,
            group: number(5)? as u32,
            cpu_ticks: number(14)? + number(15)? + number(16)? + number(17)?,
            resident_pages: number(24)?,
        })
    }
}

/// The most resident memory that a process has had since it began to run its program, in bytes: the kernel's own mark,
/// to which no look from outside is too late. `None` of a zombie.
pub(super) fn resident_peak_of(dir: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(dir.join("status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1024)
}

/// Bytes read from and written to storage by a process and the children it has waited for.
pub(super) fn io_of(dir: &Path) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(dir.join("io")).ok()?;
    let value = |name: &str| {
        text.lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Some((value("read_bytes:")?, value("write_bytes:")?))
}

/// Files that a process may have open: the soft limit. `None` when it is unlimited.
pub(super) fn open_fds_max_of(dir: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(dir.join("limits")).ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

/// Open files: since Linux 6.2 the size of the directory, before that the number of its entries.
pub(super) fn open_fds_of(dir: &Path) -> u64 {
    let fds = dir.join("fd");
    match std::fs::metadata(&fds) {
        Ok(found) if found.len() > 0 => found.len(),
        Ok(_) => std::fs::read_dir(&fds).map_or(0, |entries| entries.count() as u64),
        Err(_) => 0,
    }
}

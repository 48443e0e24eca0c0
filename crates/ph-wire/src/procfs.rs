//! What children use of the machine, read from `/proc`.
//!
//! A group's figures are the sums over the processes of the process group, and over their
//! descendants that changed to another group. A daemon that cut itself off (other group, parent
//! gone) is no longer counted.
//!
//! CPU time and disk bytes shall never fall. A process that ends passes them on to the parent that
//! waits for it (`cutime`/`cstime`; the kernel adds its I/O too), and until then it is there as a
//! zombie with its own figures. So the sum over living processes of own *and* waited-for time
//! counts everything once, and members may come and go. What remains is a member whose parent does
//! not wait, or is not of the group: its share vanishes from the sum. [`Sampler`] makes good such a
//! drop by adding it to every later sample, so a counter stands still for that sample.
//!
//! What was taken and given back between two samples shows in the kernel's mark of the most memory of each process: where
//! it has risen, it has risen since the sample before. The sum of such marks is the most that the group can have had.

mod process;

use process::{Process, io_of, open_fds_max_of, open_fds_of, resident_peak_of};
use std::collections::{HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::reaper::MARKER_VARIABLE;

/// Links from a process to its forebears that are followed.
const FOREBEARS_MAX: usize = 64;

/// What a process group uses, or has used since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct GroupUsage {
    /// CPU time, user and system. Never falls.
    pub cpu_seconds: f64,
    /// Resident memory; pages shared between processes count for each of them.
    pub resident_bytes: u64,
    /// The most resident memory since the sample before; of several processes the sum of their peaks, which need not have
    /// been at the same time. Processes that began and ended in between are not in it.
    pub resident_peak_bytes: u64,
    /// Bytes fetched from storage. Never falls.
    pub read_bytes: u64,
    /// Bytes sent to storage. Never falls.
    pub written_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// Largest share of its (soft) limit of open files that one process uses.
    pub open_fds_ratio: f64,
    /// Processes alive.
    pub processes: u64,
}

/// Samples process groups; remembers what is needed to keep counters from falling.
///
/// One sampling round reads `/proc/PID/stat` of every process of the machine once (about 10 µs
/// each) and four more files of each member, whatever the number of groups. It blocks that long.
#[derive(Debug)]
pub struct Sampler {
    proc: PathBuf,
    ticks_per_second: u64,
    page_bytes: u64,
    counters: HashMap<u32, Counters>,
    /// By process: the most memory it had until the last sample.
    peaks: HashMap<u32, u64>,
}

#[derive(Debug, Default)]
struct Counters {
    cpu_ticks: Counter,
    read_bytes: Counter,
    written_bytes: Counter,
}

/// A sum that may lose a summand, made into one that never falls.
#[derive(Debug, Default)]
struct Counter {
    last: u64,
    lost: u64,
}

impl Counter {
    fn advance(&mut self, sum: u64) -> u64 {
        self.lost += self.last.saturating_sub(sum);
        self.last = sum;
        self.lost + sum
    }
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// A sampler of this machine's `/proc`.
    pub fn new() -> Self {
        Self::of(
            Path::new("/proc"),
            rustix::param::clock_ticks_per_second(),
            rustix::param::page_size() as u64,
        )
    }

    fn of(proc: &Path, ticks_per_second: u64, page_bytes: u64) -> Self {
        Self {
            proc: proc.to_owned(),
            ticks_per_second,
            page_bytes,
            counters: HashMap::new(),
            peaks: HashMap::new(),
        }
    }

    /// The usage of each group of `groups` that has a process, in the order of `groups`.
    ///
    /// Groups that are not asked for any more are forgotten.
    pub fn sample_groups(&mut self, groups: &[u32]) -> Vec<(u32, GroupUsage)> {
        let processes: HashMap<u32, Process> = processes_in(&self.proc).collect();
        let mut sums: HashMap<u32, Sum> = HashMap::new();
        let mut peaks = HashMap::new();
        for (pid, process) in &processes {
            if let Some(group) = group_of(process, &processes, groups) {
                let dir = self.proc.join(pid.to_string());
                let sum = sums.entry(group).or_default();
                sum.add(&dir, process);
                let resident = process.resident_pages * self.page_bytes;
                let peak = resident_peak_of(&dir).unwrap_or(resident);
                // It falls only when the process begins to run another program.
                let is_new = self.peaks.get(pid) != Some(&peak);
                sum.resident_peak_bytes += if is_new { peak.max(resident) } else { resident };
                peaks.insert(*pid, peak);
            }
        }
        self.peaks = peaks;
        self.counters.retain(|group, _| sums.contains_key(group));
        groups
            .iter()
            .filter_map(|group| Some((*group, self.usage(*group, sums.get(group)?))))
            .collect()
    }

    fn usage(&mut self, group: u32, sum: &Sum) -> GroupUsage {
        let counters = self.counters.entry(group).or_default();
        GroupUsage {
            cpu_seconds: counters.cpu_ticks.advance(sum.cpu_ticks) as f64
                / self.ticks_per_second as f64,
            resident_bytes: sum.resident_pages * self.page_bytes,
            resident_peak_bytes: sum.resident_peak_bytes,
            read_bytes: counters.read_bytes.advance(sum.read_bytes),
            written_bytes: counters.written_bytes.advance(sum.written_bytes),
            open_fds: sum.open_fds,
            open_fds_ratio: sum.open_fds_ratio,
            processes: sum.processes,
        }
    }
}

#[derive(Debug, Default)]
struct Sum {
    cpu_ticks: u64,
    resident_pages: u64,
    resident_peak_bytes: u64,
    read_bytes: u64,
    written_bytes: u64,
    open_fds: u64,
    open_fds_ratio: f64,
    processes: u64,
}

impl Sum {
    fn add(&mut self, dir: &Path, process: &Process) {
        self.cpu_ticks += process.cpu_ticks;
        self.resident_pages += process.resident_pages;
        self.processes += u64::from(process.is_alive);
        let (read_bytes, written_bytes) = io_of(dir).unwrap_or_default();
        self.read_bytes += read_bytes;
        self.written_bytes += written_bytes;
        let open_fds = open_fds_of(dir);
        self.open_fds += open_fds;
        if let Some(max) = open_fds_max_of(dir).filter(|max| *max > 0) {
            self.open_fds_ratio = self.open_fds_ratio.max(open_fds as f64 / max as f64);
        }
    }
}

/// The group of `groups` a process belongs to, by itself or by a forebear.
fn group_of(process: &Process, processes: &HashMap<u32, Process>, groups: &[u32]) -> Option<u32> {
    let forebears = std::iter::successors(Some(process), |process| processes.get(&process.parent));
    forebears
        .take(FOREBEARS_MAX)
        .map(|process| process.group)
        .find(|group| groups.contains(group))
}

/// Whether the process `pid` is `forebear`, or was started by what `forebear` has started.
pub(crate) fn descends_from(pid: u32, forebear: u32) -> bool {
    let parent = |pid: &u32| {
        let stat = std::fs::read(format!("/proc/{pid}/stat")).ok()?;
        Process::parse(&stat).map(|process| process.parent)
    };
    let mut line = std::iter::successors(Some(pid), parent).take(FOREBEARS_MAX);
    line.any(|pid| pid == forebear)
}

/// The ids of all processes that carry the marker of `run` in their environment.
///
/// Processes whose environment we may not read (another user's) are not found.
pub fn marked(run: &str) -> Vec<u32> {
    marked_in(Path::new("/proc"), run)
}

fn marked_in(proc: &Path, run: &str) -> Vec<u32> {
    let marker = format!("{MARKER_VARIABLE}={run}");
    pids(proc)
        .filter(|pid| {
            std::fs::read(proc.join(pid.to_string()).join("environ")).is_ok_and(|environ| {
                environ.split(|byte| *byte == 0).any(|variable| {
                    variable
                        .strip_prefix(marker.as_bytes())
                        .is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'-'))
                })
            })
        })
        .collect()
}

/// The ids of the children of `parent` that have ended and wait to be reaped.
pub(crate) fn zombies_of(parent: u32) -> HashSet<u32> {
    processes_in(Path::new("/proc"))
        .filter(|(_, process)| process.parent == parent && !process.is_alive)
        .map(|(pid, _)| pid)
        .collect()
}

fn processes_in(proc: &Path) -> impl Iterator<Item = (u32, Process)> {
    pids(proc).filter_map(|pid| {
        // A process that ended since the listing is simply not there.
        let stat = std::fs::read(proc.join(pid.to_string()).join("stat")).ok()?;
        Some((pid, Process::parse(&stat)?))
    })
}

fn pids(proc: &Path) -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir(proc).into_iter().flatten();
    entries.filter_map(|entry| {
        std::str::from_utf8(entry.ok()?.file_name().as_bytes())
            .ok()?
            .parse()
            .ok()
    })
}

#[cfg(test)]
mod tests;

use super::*;
use std::fmt::Write as _;

/// A `/proc` of our own making. On a real file system `fd` has a size, so open files are not
/// checked here but against the real `/proc`.
struct FakeProc(tempfile::TempDir);

impl FakeProc {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn put(
        &self,
        pid: u32,
        name: &str,
        parent: u32,
        group: u32,
        own_ticks: u64,
        waited_ticks: u64,
    ) {
        let dir = self.0.path().join(pid.to_string());
        std::fs::create_dir_all(&dir).unwrap();
        let mut stat = format!("{pid} ({name}) S {parent} {group} {group} 0 -1 4194304 1 2 3 4 ");
        writeln!(
            stat,
            "{own_ticks} 1 {waited_ticks} 1 20 0 1 0 500 1000000 10 18446744073709551615"
        )
        .unwrap();
        std::fs::write(dir.join("stat"), stat).unwrap();
        std::fs::write(
            dir.join("io"),
            "rchar: 9\nwchar: 9\nread_bytes: 4096\nwrite_bytes: 8192\n",
        )
        .unwrap();
    }

    fn peak(&self, pid: u32, kib: u64) {
        let status = format!("Name:\tx\nVmPeak:\t 9000 kB\nVmHWM:\t{kib:>8} kB\nVmRSS:\t 40 kB\n");
        std::fs::write(self.0.path().join(pid.to_string()).join("status"), status).unwrap();
    }

    /// The length of `fd` is what is counted, of a directory or not.
    fn open_files(&self, pid: u32, count: usize, soft_limit: &str) {
        let dir = self.0.path().join(pid.to_string());
        std::fs::write(dir.join("fd"), "x".repeat(count)).unwrap();
        let limits = format!(
            "Limit                     Soft Limit           Hard Limit           Units     \n\
             Max processes             7                    7                    processes \n\
             Max open files            {soft_limit:<20} 524288               files     \n"
        );
        std::fs::write(dir.join("limits"), limits).unwrap();
    }

    fn drop_process(&self, pid: u32) {
        std::fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
    }

    fn sampler(&self) -> Sampler {
        Sampler::of(self.0.path(), 100, 4096)
    }
}

#[test]
fn a_group_is_the_sum_of_its_processes_and_their_descendants() {
    let proc = FakeProc::new();
    proc.put(1, "init", 0, 1, 999, 0);
    proc.put(10, "npx (x) y", 5, 10, 98, 0);
    proc.put(11, "node", 10, 10, 198, 0);
    proc.put(12, "chrome", 11, 12, 48, 50);
    proc.put(13, "daemon", 1, 13, 999, 0);
    proc.put(20, "other", 5, 20, 298, 0);
    let usage = proc.sampler().sample_groups(&[20, 10, 30]);
    assert_eq!(
        usage.iter().map(|(group, _)| *group).collect::<Vec<_>>(),
        [20, 10]
    );
    let (_, ten) = usage[1];
    assert_eq!(
        ten,
        GroupUsage {
            cpu_seconds: 4.0,
            resident_bytes: 3 * 10 * 4096,
            resident_peak_bytes: 3 * 10 * 4096,
            read_bytes: 3 * 4096,
            written_bytes: 3 * 8192,
            open_fds: 0,
            open_fds_ratio: 0.0,
            processes: 3,
        }
    );
    assert!((usage[0].1.cpu_seconds - 3.0).abs() < 1e-9);
}

#[test]
fn what_was_taken_and_given_back_between_two_samples_is_seen_once() {
    let proc = FakeProc::new();
    proc.put(10, "leader", 5, 10, 98, 0);
    proc.put(11, "worker", 10, 10, 98, 0);
    proc.peak(10, 40);
    proc.peak(11, 100);
    let mut sampler = proc.sampler();
    let mut peak_kib = || sampler.sample_groups(&[10])[0].1.resident_peak_bytes / 1024;
    assert_eq!(peak_kib(), 140, "since they began");
    assert_eq!(peak_kib(), 80, "nothing rose since: what they hold");
    proc.peak(10, 500);
    assert_eq!(peak_kib(), 540);
    assert_eq!(peak_kib(), 80);
    // Another program in the same process begins anew.
    proc.peak(10, 60);
    assert_eq!(peak_kib(), 100);
}

#[test]
fn the_process_that_is_nearest_to_its_limit_of_files_is_told() {
    let proc = FakeProc::new();
    proc.put(10, "leader", 5, 10, 98, 0);
    proc.put(11, "worker", 10, 10, 98, 0);
    proc.put(12, "boundless", 10, 10, 98, 0);
    proc.open_files(10, 8, "1024");
    proc.open_files(11, 15, "20");
    proc.open_files(12, 40, "unlimited");
    let (_, usage) = proc.sampler().sample_groups(&[10])[0];
    assert_eq!(usage.open_fds, 63);
    assert!((usage.open_fds_ratio - 0.75).abs() < 1e-9, "{usage:?}");
}

#[test]
fn counters_do_not_fall_when_a_member_ends() {
    let proc = FakeProc::new();
    proc.put(10, "leader", 5, 10, 98, 0);
    proc.put(11, "worker", 10, 10, 498, 0);
    let mut sampler = proc.sampler();
    let cpu = |sampler: &mut Sampler| sampler.sample_groups(&[10])[0].1.cpu_seconds;
    assert!((cpu(&mut sampler) - 6.0).abs() < 1e-9);
    // Waited for: its time is in its parent's.
    proc.drop_process(11);
    proc.put(10, "leader", 5, 10, 98, 500);
    assert!((cpu(&mut sampler) - 6.0).abs() < 1e-9);
    // Not waited for: its time is nowhere.
    proc.put(12, "worker", 10, 10, 198, 0);
    assert!((cpu(&mut sampler) - 8.0).abs() < 1e-9);
    proc.drop_process(12);
    assert!((cpu(&mut sampler) - 8.0).abs() < 1e-9);
    proc.put(10, "leader", 5, 10, 148, 500);
    assert!((cpu(&mut sampler) - 8.5).abs() < 1e-9);
}

#[test]
fn a_group_that_is_gone_is_absent_and_forgotten() {
    let proc = FakeProc::new();
    proc.put(10, "leader", 5, 10, 98, 0);
    let mut sampler = proc.sampler();
    assert_eq!(sampler.sample_groups(&[10]).len(), 1);
    proc.drop_process(10);
    assert_eq!(sampler.sample_groups(&[10]), []);
    assert!(sampler.counters.is_empty());
}

#[test]
fn the_processes_of_this_machine_are_read() {
    let group = rustix::process::getpgrp()
        .as_raw_nonzero()
        .get()
        .unsigned_abs();
    let usage = Sampler::new().sample_groups(&[group]);
    let (_, mine) = usage[0];
    assert!(
        mine.processes >= 1 && mine.resident_bytes > 100_000 && mine.open_fds >= 3,
        "{mine:?}"
    );
}

#[test]
fn garbage_in_proc_is_skipped() {
    for stat in ["", "12", "12 (x)", "12 (x) S a b", "12 (x) S 1 2 3"] {
        assert_eq!(Process::parse(stat.as_bytes()), None, "{stat:?}");
    }
}

#[test]
fn a_marker_is_a_whole_variable_of_this_run() {
    let proc = tempfile::tempdir().unwrap();
    let environs: [(&str, &[u8]); 6] = [
        ("1", b"A=1\0PILOTHOUSE_RUN=abc-7\0"),
        ("2", b"PILOTHOUSE_RUN=abc\0"),
        ("3", b"PILOTHOUSE_RUN=abcd-7\0"),
        ("4", b"NOT_PILOTHOUSE_RUN=abc-7\0"),
        ("5", b""),
        ("self", b"PILOTHOUSE_RUN=abc-7\0"),
    ];
    for (pid, environ) in environs {
        std::fs::create_dir(proc.path().join(pid)).unwrap();
        std::fs::write(proc.path().join(pid).join("environ"), environ).unwrap();
    }
    let mut found = marked_in(proc.path(), "abc");
    found.sort_unstable();
    assert_eq!(found, [1, 2]);
}

//! Bounds on memory and CPU of a child with all its descendants: control groups, version 2.
//!
//! The kernel enforces them for whatever a child starts, which no limit of a single process does.
//! It wants a group that hands resources down to have no processes of its own, so Pilothouse moves
//! itself into a group beside its children's. It does that only where nobody else is in its group:
//! somebody else's processes are not ours to move.

mod usage;

pub use usage::CageUsage;

use crate::procfs::descends_from;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Where version 2 is mounted.
const ROOT: &str = "/sys/fs/cgroup";
/// Our own group, beside those of the children.
const OWN: &str = "pilothouse";
/// Beginning of the names of children's groups; their process group follows.
const CHILD: &str = "pilothouse-child-";
/// The time over which CPU is shared out, in microseconds; the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;

/// Why there are no control groups to be had. For people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoCgroups {
    /// There is no version 2, or it has not got what is needed.
    #[error("this machine has no control groups of version 2 with memory and cpu")]
    NotThere,
    /// Our group cannot be written to.
    #[error("control group {} cannot be written: {why}", dir.display())]
    NotWritable {
        /// Our group.
        dir: PathBuf,
        /// What the system says.
        why: String,
    },
    /// Others are in our group.
    #[error("control group {} has {others} processes that are not ours", dir.display())]
    Shared {
        /// Our group.
        dir: PathBuf,
        /// How many.
        others: usize,
    },
}

/// What one child may use, with all its descendants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bounds {
    /// Memory in bytes; beyond it all its processes are killed.
    pub memory_bytes_max: Option<u64>,
    /// CPUs, as in `0.5`; beyond it they wait.
    pub cpus_max: Option<f64>,
}

/// The place for children's groups; looked for when the first child needs it.
#[derive(Debug, Default)]
pub struct Cgroups {
    place: OnceLock<Result<Place, NoCgroups>>,
    /// Groups of ended children that could not be removed yet; as many as there are children at most.
    left_over: Mutex<Vec<PathBuf>>,
}

#[derive(Debug)]
struct Place {
    dir: PathBuf,
}

impl Cgroups {
    /// Whether bounds can be enforced. Looks for it when it is first asked, and may move our own
    /// processes, all that descend from us, then.
    ///
    /// # Errors
    /// Why not.
    pub fn usable(&self) -> Result<(), NoCgroups> {
        let place = self.place.get_or_init(|| {
            let own = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
            let me = std::process::id();
            Place::prepare(Path::new(ROOT), &own, |pid| descends_from(pid, me))
        });
        place.as_ref().map(|_| ()).map_err(Clone::clone)
    }

    /// Puts the process `pid`, which leads a group, and all it will start under `bounds`.
    ///
    /// # Errors
    /// What the system refuses; nothing is left behind then.
    pub(crate) fn confine(self: &Arc<Self>, pid: u32, bounds: &Bounds) -> io::Result<Cage> {
        self.sweep();
        let Some(Ok(place)) = self.place.get() else {
            return Err(ErrorKind::Unsupported.into());
        };
        let dir = place.dir.join(format!("{CHILD}{pid}"));
        std::fs::create_dir(&dir)?;
        let cage = Cage {
            dir,
            cgroups: Arc::clone(self),
        };
        cage.fill(pid, bounds)?;
        Ok(cage)
    }

    /// What was counted of the child that leads the process group `leader`; `None` where it has no control group.
    #[must_use]
    pub fn usage(&self, leader: u32) -> Option<CageUsage> {
        let place = self.place.get()?.as_ref().ok()?;
        usage::usage_of(&place.dir.join(format!("{CHILD}{leader}")))
    }

    /// Removes groups whose processes are gone.
    pub fn sweep(&self) {
        let mut left_over = self.left_over();
        left_over.retain(
            |dir| matches!(std::fs::remove_dir(dir), Err(e) if e.kind() != ErrorKind::NotFound),
        );
    }

    fn left_over(&self) -> std::sync::MutexGuard<'_, Vec<PathBuf>> {
        self.left_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// - `root`: where version 2 is mounted; `own`: the text of `/proc/self/cgroup`; `is_ours`: of a
    ///   process id.
    fn prepare(root: &Path, own: &str, is_ours: impl Fn(u32) -> bool) -> Result<Self, NoCgroups> {
        let path = own.lines().find_map(|line| line.strip_prefix("0::/"));
        let path = path.ok_or(NoCgroups::NotThere)?;
        // Outside of our namespace: not ours to change.
        if path.split('/').any(|part| part == "..") {
            return Err(NoCgroups::NotThere);
        }
        let dir = root.join(path);
        let offered = std::fs::read_to_string(dir.join("cgroup.controllers"));
        let offered = offered.map_err(|_| NoCgroups::NotThere)?;
        if !has_both(&offered) {
            return Err(NoCgroups::NotThere);
        }
        let place = Self { dir };
        place.remove_stale();
        let handed = std::fs::read_to_string(place.dir.join("cgroup.subtree_control"));
        if !handed.is_ok_and(|handed| has_both(&handed)) {
            place.hand_down(is_ours)?;
        }
        Ok(place)
    }

    /// Groups of a process before us that was killed; those with processes stay.
    fn remove_stale(&self) {
        let Ok(entries) = std::fs::read_dir(&self.dir) else {
            return;
        };
        for entry in entries.flatten() {
            if entry.file_name().to_string_lossy().starts_with(CHILD) {
                let _busy = std::fs::remove_dir(entry.path());
            }
        }
    }

    /// Lets groups below ours have bounds of their own.
    fn hand_down(&self, is_ours: impl Fn(u32) -> bool) -> Result<(), NoCgroups> {
        // The root of all groups may have processes, and is the only one without a type.
        let is_root = !self.dir.join("cgroup.type").exists();
        if is_root {
            return self.write("cgroup.subtree_control", "+memory +cpu");
        }
        let members = std::fs::read_to_string(self.dir.join("cgroup.procs"));
        let members = members.map_err(|e| self.refused(&e))?;
        let members: Vec<u32> = members.lines().filter_map(|l| l.parse().ok()).collect();
        let others = members.iter().filter(|pid| !is_ours(**pid)).count();
        if others > 0 {
            let dir = self.dir.clone();
            return Err(NoCgroups::Shared { dir, others });
        }
        let own = self.dir.join(OWN);
        match std::fs::create_dir(&own) {
            Err(e) if e.kind() != ErrorKind::AlreadyExists => return Err(self.refused(&e)),
            _ => {}
        }
        let moved = members.iter().try_for_each(|pid| {
            std::fs::write(own.join("cgroup.procs"), pid.to_string()).map_err(|e| self.refused(&e))
        });
        let handed = moved.and_then(|()| self.write("cgroup.subtree_control", "+memory +cpu"));
        if handed.is_err() {
            // Back to where we were found.
            for pid in &members {
                let _gone = std::fs::write(self.dir.join("cgroup.procs"), pid.to_string());
            }
            let _busy = std::fs::remove_dir(&own);
        }
        handed
    }

    fn write(&self, file: &str, text: &str) -> Result<(), NoCgroups> {
        std::fs::write(self.dir.join(file), text).map_err(|e| self.refused(&e))
    }

    fn refused(&self, error: &io::Error) -> NoCgroups {
        NoCgroups::NotWritable {
            dir: self.dir.clone(),
            why: error.to_string(),
        }
    }
}

fn has_both(controllers: &str) -> bool {
    let mut words = controllers.split_ascii_whitespace();
    words.clone().any(|c| c == "memory") && words.any(|c| c == "cpu")
}

/// The group of one child. Dropped, it kills what is left in it, and is removed.
#[derive(Debug)]
pub(crate) struct Cage {
    dir: PathBuf,
    cgroups: Arc<Cgroups>,
}

impl Cage {
    fn fill(&self, pid: u32, bounds: &Bounds) -> io::Result<()> {
        let write = |file: &str, text: &str| std::fs::write(self.dir.join(file), text);
        if let Some(bytes) = bounds.memory_bytes_max {
            write("memory.max", &bytes.to_string())?;
            // Half a server is worse than none: all its processes go together.
            write("memory.oom.group", "1")?;
            // Without swap there is no such file, and nothing to forbid.
            let _absent = write("memory.swap.max", "0");
        }
        if let Some(cpus) = bounds.cpus_max {
            let quota = (cpus * CPU_PERIOD_US as f64).round().max(1000.0) as u64;
            write("cpu.max", &format!("{quota} {CPU_PERIOD_US}"))?;
        }
        write("cgroup.procs", &pid.to_string())
    }

    /// Processes that were killed since they wanted more memory than there is for them.
    pub(crate) fn memory_kills(&self) -> u64 {
        usage::memory_kills_of(&self.dir)
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        // Kernels before 5.14 have no such file; the process group has been killed in any case.
        let _absent = std::fs::write(self.dir.join("cgroup.kill"), "1");
        self.cgroups.left_over().push(std::mem::take(&mut self.dir));
        self.cgroups.sweep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files as the kernel shows them, for machines without version 2.
    struct StandIn(tempfile::TempDir);

    impl StandIn {
        fn new(members: &str) -> Self {
            let tree = Self(tempfile::tempdir().unwrap());
            let dir = tree.dir();
            std::fs::create_dir_all(&dir).unwrap();
            for (file, text) in [
                ("cgroup.controllers", "cpuset cpu io memory pids\n"),
                ("cgroup.subtree_control", "\n"),
                ("cgroup.type", "domain\n"),
                ("cgroup.procs", members),
            ] {
                std::fs::write(dir.join(file), text).unwrap();
            }
            tree
        }

        fn dir(&self) -> PathBuf {
            self.0.path().join("system.slice/pilothouse.service")
        }

        fn prepare(&self, ours: &[u32]) -> Result<Place, NoCgroups> {
            let own = "4:memory:/x\n0::/system.slice/pilothouse.service\n";
            Place::prepare(self.0.path(), own, |pid| ours.contains(&pid))
        }

        fn read(&self, file: &str) -> String {
            std::fs::read_to_string(self.dir().join(file)).unwrap()
        }
    }

    fn cgroups(place: Place) -> Arc<Cgroups> {
        let cgroups = Cgroups::default();
        cgroups.place.set(Ok(place)).unwrap();
        Arc::new(cgroups)
    }

    #[test]
    fn we_move_beside_our_children_and_they_get_bounds() {
        let tree = StandIn::new("7\n");
        let cgroups = cgroups(tree.prepare(&[7, 8]).unwrap());
        assert_eq!(tree.read("pilothouse/cgroup.procs"), "7");
        assert_eq!(tree.read("cgroup.subtree_control"), "+memory +cpu");

        let bounds = Bounds {
            memory_bytes_max: Some(64 << 20),
            cpus_max: Some(0.5),
        };
        let cage = cgroups.confine(99, &bounds).unwrap();
        let of_child = |file: &str| tree.read(&format!("pilothouse-child-99/{file}"));
        assert_eq!(of_child("memory.max"), "67108864");
        assert_eq!(of_child("memory.oom.group"), "1");
        assert_eq!(of_child("memory.swap.max"), "0");
        assert_eq!(of_child("cpu.max"), "50000 100000");
        assert_eq!(of_child("cgroup.procs"), "99");

        assert_eq!(cage.memory_kills(), 0);
        let events = "low 0\nhigh 0\nmax 31\noom 1\noom_kill 2\n";
        std::fs::write(cage.dir.join("memory.events"), events).unwrap();
        assert_eq!(cage.memory_kills(), 2);
        assert_eq!(cgroups.usage(99), None);
        let stat = "usage_usec 7\nnr_periods 10\nnr_throttled 4\nthrottled_usec 200000\n";
        std::fs::write(cage.dir.join("cpu.stat"), stat).unwrap();
        let usage = cgroups.usage(99).unwrap();
        assert_eq!((usage.throttled_periods, usage.throttled_us), (4, 200_000));
        assert_eq!(usage.memory_peak_bytes, None);
        assert_eq!(cgroups.usage(98), None);
        drop(cage);
        assert_eq!(of_child("cgroup.kill"), "1");
        // A group with processes cannot be removed; it is tried again.
        assert_eq!(cgroups.left_over().len(), 1);
        let dir = tree.dir().join("pilothouse-child-99");
        for entry in std::fs::read_dir(&dir).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        cgroups.sweep();
        assert!(cgroups.left_over().is_empty() && !dir.exists());
    }

    #[test]
    fn what_is_not_bounded_is_left_to_the_kernels_default() {
        let tree = StandIn::new("7\n");
        let cgroups = cgroups(tree.prepare(&[7]).unwrap());
        let bounds = Bounds {
            memory_bytes_max: None,
            cpus_max: Some(2.0),
        };
        let cage = cgroups.confine(5, &bounds).unwrap();
        assert!(!cage.dir.join("memory.max").exists());
        assert_eq!(tree.read("pilothouse-child-5/cpu.max"), "200000 100000");
    }

    #[test]
    fn nobody_elses_processes_are_moved() {
        let tree = StandIn::new("7\n12\n13\n");
        let refused = tree.prepare(&[7]).unwrap_err();
        let dir = tree.dir();
        assert_eq!(refused, NoCgroups::Shared { dir, others: 2 });
        assert!(!tree.dir().join(OWN).exists());
        let said = refused.to_string();
        assert!(
            said.ends_with("has 2 processes that are not ours"),
            "{said}"
        );
    }

    #[test]
    fn what_cannot_be_handed_down_is_undone() {
        let tree = StandIn::new("7\n");
        // A directory in the file's place refuses every write.
        std::fs::remove_file(tree.dir().join("cgroup.subtree_control")).unwrap();
        std::fs::create_dir(tree.dir().join("cgroup.subtree_control")).unwrap();
        let refused = tree.prepare(&[7]).unwrap_err();
        assert!(
            matches!(refused, NoCgroups::NotWritable { .. }),
            "{refused}"
        );
        assert_eq!(tree.read("cgroup.procs"), "7");
    }

    #[test]
    fn groups_of_a_process_before_us_are_removed() {
        let tree = StandIn::new("7\n");
        std::fs::create_dir(tree.dir().join("pilothouse-child-1")).unwrap();
        std::fs::create_dir(tree.dir().join("somebody-elses")).unwrap();
        tree.prepare(&[7]).unwrap();
        assert!(!tree.dir().join("pilothouse-child-1").exists());
        assert!(tree.dir().join("somebody-elses").exists());
    }

    #[test]
    fn a_machine_without_version_2_has_none() {
        let tree = StandIn::new("7\n");
        let root = tree.0.path();
        for own in ["", "4:memory:/x\n", "0::/../outside\n", "0::/elsewhere\n"] {
            let refused = Place::prepare(root, own, |pid| pid == 7).unwrap_err();
            assert_eq!(refused, NoCgroups::NotThere, "{own:?}");
        }
        // Mounted beside version 1, it has no controller that we need.
        std::fs::write(tree.dir().join("cgroup.controllers"), "hugetlb\n").unwrap();
        assert_eq!(tree.prepare(&[7]).unwrap_err(), NoCgroups::NotThere);
    }
}

//! How full the disk under the data directory is.

use ph_record::{Reading, SampleSource, catalogue};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Between two looks.
const EVERY: Duration = Duration::from_secs(15);

/// What was seen last. A scrape shall not wait for a disk, so a thread for blocking work looks: one
/// look at a time, also when the disk hangs.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    free_bytes: AtomicU64,
    size_bytes: AtomicU64,
}

impl Disk {
    /// Looks now, and again until the last other owner has dropped it.
    pub(crate) fn watch(data: &Path) -> Arc<Self> {
        let disk = Arc::new(Self::default());
        disk.look(data);
        tokio::spawn(watch(Arc::downgrade(&disk), data.to_owned()));
        disk
    }

    fn look(&self, data: &Path) {
        // What cannot be told keeps what was told before.
        if let Ok(seen) = rustix::fs::statvfs(data) {
            let used = seen.f_blocks.saturating_sub(seen.f_bfree);
            let size = used.saturating_add(seen.f_bavail);
            self.free_bytes
                .store(seen.f_bavail.saturating_mul(seen.f_frsize), Relaxed);
            self.size_bytes
                .store(size.saturating_mul(seen.f_frsize), Relaxed);
        }
    }
}

async fn watch(disk: Weak<Disk>, data: PathBuf) {
    let mut tick = tokio::time::interval(EVERY);
    tick.tick().await;
    loop {
        tick.tick().await;
        let Some(disk) = disk.upgrade() else {
            return;
        };
        let data = data.clone();
        // It fails only while the runtime ends.
        let _ = tokio::task::spawn_blocking(move || disk.look(&data)).await;
    }
}

impl SampleSource for Disk {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        let size = self.size_bytes.load(Relaxed);
        // No disk has no bytes: it was never seen.
        if size > 0 {
            let free = self.free_bytes.load(Relaxed);
            out(&catalogue::DISK_FREE, &[], Reading::Value(free as f64));
            out(&catalogue::DISK_SIZE, &[], Reading::Value(size as f64));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_disk_of_the_data_directory_is_seen_at_once() {
        let dir = tempfile::tempdir().unwrap();
        let disk = Disk::watch(dir.path());
        let mut seen = Vec::new();
        disk.samples(&mut |metric, labels, reading| {
            assert!(labels.is_empty());
            if let Reading::Value(value) = reading {
                seen.push((metric.name, value));
            }
        });
        let [
            ("pilothouse_disk_free_bytes", free),
            ("pilothouse_disk_size_bytes", size),
        ] = seen[..]
        else {
            panic!("{seen:?}");
        };
        assert!(0.0 < free && free <= size, "{free} of {size}");
    }

    #[test]
    fn a_disk_that_was_never_seen_has_no_size() {
        let disk = Disk::default();
        disk.look(Path::new("/nonexistent/here"));
        disk.samples(&mut |metric, _, _| panic!("{}", metric.name));
    }
}

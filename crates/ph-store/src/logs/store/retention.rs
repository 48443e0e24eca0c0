//! What is too old or too much is removed, whole segments at a time.

use super::super::snapshot::{Shared, Snapshot};
use super::super::{LogOptions, StoreError, StoreEvent};

/// Removes what is beyond the bounds; `true` when there is still too much, since it is held.
pub(super) fn apply(shared: &Shared, options: &LogOptions, now_unix_ns: u64) -> bool {
    let snapshot = shared.snapshot();
    let oldest_kept_ns = options.retention.map_or(0, |retention| {
        let ns = u64::try_from(retention.as_nanos()).unwrap_or(u64::MAX);
        now_unix_ns.saturating_sub(ns)
    });
    let mut bytes = snapshot.bytes();
    let is_too_much = |bytes: u64| options.bytes_max.is_some_and(|max| bytes > max);
    for (name, len) in &snapshot.broken {
        if is_too_much(bytes) && remove(shared, name, 0, true) {
            bytes -= len;
        }
    }
    // Without a write-ahead file the newest segment is what the next number is known by.
    let kept = usize::from(snapshot.wals.is_empty());
    let removable = snapshot.segments.len().saturating_sub(kept);
    let mut is_held = false;
    for segment in &snapshot.segments[..removable] {
        let is_old = segment.zone.time_max_ns < oldest_kept_ns;
        if !is_old && !is_too_much(bytes) {
            continue;
        }
        if segment.zone.seq_last >= shared.held() {
            is_held = true;
            continue;
        }
        let records = segment.zone.records as u64;
        if remove(shared, &segment.name, records, !is_old) {
            bytes -= segment.bytes;
        }
    }
    is_held && is_too_much(bytes)
}

/// `true` when it is gone.
fn remove(shared: &Shared, name: &str, records: u64, for_room: bool) -> bool {
    let path = shared.dir.join(name);
    match shared.disk.remove(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => {
            let error = StoreError::io("remove", path)(error);
            shared.tell(StoreEvent::RemoveFailed { error });
            return false;
        }
    }
    shared.change(|snapshot: &mut Snapshot| {
        snapshot.segments.retain(|segment| segment.name != name);
        snapshot.broken.retain(|(broken, _)| broken != name);
    });
    shared.tell(StoreEvent::Removed {
        file: name.to_owned(),
        records,
        for_room,
    });
    true
}

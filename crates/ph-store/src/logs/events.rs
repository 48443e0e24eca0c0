//! Lines of events, kept after they were read once.
//!
//! Events stand far apart among calls: to read one, hundreds of lines have to be unpacked. Whoever looks at a chart asks for
//! the same ones again, and they are short.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Bytes that are kept, what it takes to find them included. When there would be more, it begins anew.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// What a line takes beside its bytes, about.
const ENTRY_BYTES: usize = 64;

/// Where an event is: first record of the segment, block, row.
pub(crate) type EventAt = (u64, usize, usize);

/// Lines of events in sealed segments, which never change.
#[derive(Debug, Default)]
pub(crate) struct KeptEvents {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: HashMap<EventAt, Arc<[u8]>>,
    bytes: usize,
}

impl KeptEvents {
    /// The line, if it was read before.
    pub(crate) fn get(&self, at: EventAt) -> Option<Arc<[u8]>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.lines.get(&at).cloned()
    }

    /// Keeps lines that were read.
    pub(crate) fn keep<'l>(&self, lines: impl Iterator<Item = (EventAt, &'l [u8])>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        for (at, line) in lines {
            let bytes = line.len() + ENTRY_BYTES;
            if bytes > BYTES_MAX || kept.lines.contains_key(&at) {
                continue;
            }
            if kept.bytes + bytes > BYTES_MAX {
                *kept = Kept::default();
            }
            kept.bytes += bytes;
            kept.lines.insert(at, line.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded() {
        let events = KeptEvents::default();
        let line = vec![b'x'; 1024 * 1024];
        let bytes = || events.kept.lock().unwrap().bytes;
        for row in 0..100 {
            events.keep(std::iter::once(((1, 0, row), &*line)));
            assert_eq!(events.get((1, 0, row)).as_deref(), Some(&*line));
            assert!(bytes() <= BYTES_MAX);
        }
        let before = bytes();
        events.keep(std::iter::once(((1, 0, 99), &*line)));
        assert_eq!(bytes(), before);
        assert_eq!(events.get((1, 0, 0)), None);
        events.keep(std::iter::once(((2, 0, 0), &*vec![0; BYTES_MAX])));
        assert_eq!(events.get((2, 0, 0)), None);
    }
}

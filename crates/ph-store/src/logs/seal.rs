//! Sealing: a write-ahead file that is closed becomes a segment, on a thread of its own.

use super::columns::Row;
use super::segment::{self, How, Segment, Source};
use super::snapshot::Shared;
use super::wal::{self, Wal, WalBlock};
use super::{Damage, Seq, StoreError, StoreEvent};
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The thread that seals.
#[derive(Debug)]
pub(crate) struct Sealer {
    shared: Arc<Shared>,
    how: How,
    desk: Arc<Desk>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Desk {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Look for closed files again.
    is_called: bool,
    is_working: bool,
    is_over: bool,
}

impl Sealer {
    /// `background`: on a thread of its own; else `call` does the work.
    pub(crate) fn start(
        shared: Arc<Shared>,
        how: How,
        background: bool,
    ) -> Result<Self, StoreError> {
        let desk = Arc::<Desk>::default();
        let thread = if background {
            let (shared, desk) = (shared.clone(), desk.clone());
            let thread = thread::Builder::new()
                .name("ph-store-seal".to_owned())
                .spawn(move || run(&shared, how, &desk))
                .map_err(StoreError::Thread)?;
            Some(thread)
        } else {
            None
        };
        Ok(Self {
            shared,
            how,
            desk,
            thread,
        })
    }

    /// There is a closed file, or it is time to try one again.
    pub(crate) fn call(&self) {
        if self.thread.is_some() {
            self.desk.state().is_called = true;
            self.desk.changed.notify_all();
        } else {
            seal_all(&self.shared, self.how, &|| false);
        }
    }

    /// Waits until nothing waits to be sealed that can be; `false` when the time is up first.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.desk.state();
        while self.thread.is_some() && (state.is_called || state.is_working) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.desk.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}

impl Drop for Sealer {
    fn drop(&mut self) {
        self.desk.state().is_over = true;
        self.desk.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It has nothing to say; what it could not do is found again at the next start.
            thread.join().ok();
        }
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn run(shared: &Shared, how: How, desk: &Desk) {
    loop {
        let mut state = desk.state();
        while !state.is_called && !state.is_over {
            state = desk
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        if state.is_over {
            return;
        }
        (state.is_called, state.is_working) = (false, true);
        drop(state);
        seal_all(shared, how, &|| desk.state().is_over);
        desk.state().is_working = false;
        desk.changed.notify_all();
    }
}

/// Seals what is closed, the oldest first, up to the first failure.
fn seal_all(shared: &Shared, how: How, is_over: &dyn Fn() -> bool) {
    loop {
        let snapshot = shared.snapshot();
        let Some(wal) = snapshot.wals.iter().find(|wal| wal.is_closed()) else {
            return;
        };
        if is_over() {
            return;
        }
        if let Err(error) = seal(shared, wal, how) {
            shared.tell(StoreEvent::SealFailed { error });
            return;
        }
    }
}

fn seal(shared: &Shared, wal: &Arc<Wal>, how: How) -> Result<(), StoreError> {
    let (disk, dir) = (&*shared.disk, &shared.dir);
    let contents = Contents::of(wal);
    let rows = contents.seqs();
    if let Some((first, last)) = rows {
        let name = segment::name(first, last);
        let (path, unfinished) = (dir.join(&name), dir.join(format!("{name}.tmp")));
        let mut file = disk
            .create(&unfinished)
            .map_err(StoreError::io("create", &unfinished))?;
        let written = segment::write(&contents, &mut *file, how)
            .and_then(|written| file.sync().map(|()| written));
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                // A full disk needs the room.
                disk.remove(&unfinished).ok();
                return Err(StoreError::io("write", &unfinished)(error));
            }
        };
        tell_missing(shared, wal, &written.missing);
        if let Some(footer) = written.footer {
            disk.rename(&unfinished, &path)
                .map_err(StoreError::io("rename", &unfinished))?;
            disk.sync_dir(dir)
                .map_err(StoreError::io("sync the directory", dir))?;
            let segment = Segment {
                zone: footer.zone(),
                name: name.clone(),
                bytes: written.bytes,
                footer,
            };
            let records = segment.zone.records as u64;
            shared.change(|snapshot| {
                snapshot.wals.retain(|other| !Arc::ptr_eq(other, wal));
                snapshot.segments.push(Arc::new(segment));
                snapshot
                    .segments
                    .sort_unstable_by_key(|segment| segment.zone.seq_first);
            });
            shared.tell(StoreEvent::Sealed {
                file: name,
                records,
                bytes: written.bytes,
            });
        } else {
            disk.remove(&unfinished).ok();
        }
    }
    shared.change(|snapshot| snapshot.wals.retain(|other| !Arc::ptr_eq(other, wal)));
    // Should it stay, the next start finds that all of it is sealed.
    disk.remove(&dir.join(&wal.name)).ok();
    Ok(())
}

fn tell_missing(shared: &Shared, wal: &Wal, missing: &[u64]) {
    if let (Some(first), Some(last)) = (missing.first(), missing.last()) {
        shared.tell(StoreEvent::Damaged(Damage {
            file: wal.name.clone(),
            block: None,
            offset: 0,
            bytes: 0,
            records: Some((Seq(*first), Seq(*last))),
            problem: "checksum does not match",
        }));
    }
}

/// A write-ahead file as the source of a segment.
struct Contents<'a> {
    wal: &'a Wal,
    blocks: Vec<Arc<WalBlock>>,
    names: Arc<[Arc<str>]>,
}

impl<'a> Contents<'a> {
    fn of(wal: &'a Wal) -> Self {
        let (blocks, names) = wal.blocks();
        Self {
            wal,
            blocks,
            names: names.into(),
        }
    }

    fn seqs(&self) -> Option<(u64, u64)> {
        let (first, last) = (self.blocks.first()?, self.blocks.last()?);
        Some((first.zone.seq_first, last.zone.seq_last))
    }
}

impl Source for Contents<'_> {
    fn rows(&self) -> Vec<Row> {
        let rows = |block: &Arc<WalBlock>| block.columns.rows().collect::<Vec<Row>>();
        self.blocks.iter().flat_map(rows).collect()
    }

    fn names(&self) -> Arc<[Arc<str>]> {
        self.names.clone()
    }

    fn read(&self, record: &mut dyn FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let file = &*self.wal.file;
        wal::scan(&self.wal.name, file, &mut |seq, _, entry| {
            record(seq, entry.json)
        })?;
        Ok(())
    }
}

//! The file in which books of tools are kept: `pins.db` in the data directory.
//!
//! It is opened when the first plan pins tools. A thread writes what changes, the newest of each server, so that a
//! list which passes never waits for the disk; an approval waits.

use ph_api::{NotApproved, PinnedServer, ToolBooks};
use ph_plan::PinMode;
use ph_policy::pins::{Hash, NotApproved as WhyNot};
use ph_relay::{Approval, ApproveError, PinKeep, Relay};
use ph_store::state::{State, Write};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

/// The rows of servers' books.
const ROOM: &str = "pins";
/// Pause before a write that failed is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// Takes books, and writes them. Dropping it writes what waits.
pub(crate) struct PinFile(Arc<Inner>);

struct Inner {
    path: PathBuf,
    state: OnceLock<Mutex<State>>,
    /// Serialises opening.
    opening: Mutex<()>,
    waiting: Mutex<Waiting>,
    news: Condvar,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
}

#[derive(Default)]
struct Waiting {
    /// The newest book of each server that is not in the file yet.
    books: BTreeMap<String, String>,
    over: bool,
}

impl PinFile {
    /// A file that nothing is asked of yet.
    pub(crate) fn new(path: PathBuf, complain: Arc<dyn Fn(&str) + Send + Sync>) -> Arc<Self> {
        Arc::new(Self(Arc::new(Inner {
            path,
            state: OnceLock::new(),
            opening: Mutex::new(()),
            waiting: Mutex::default(),
            news: Condvar::new(),
            complain,
        })))
    }
}

/// The tools of the relay's servers, as the API asks for them.
pub(crate) struct ToolDesk(pub(crate) Arc<Relay>);

impl ToolBooks for ToolDesk {
    fn all(&self) -> Vec<PinnedServer> {
        let pinned = self.0.pins().all().into_iter();
        let shown = pinned.map(|pinned| PinnedServer {
            server: pinned.server.to_string(),
            blocks: pinned.mode == PinMode::Block,
            artefact: pinned.artefact.into(),
            book: pinned.book,
        });
        shown.collect()
    }

    fn approve(
        &self,
        server: &str,
        tool: &str,
        hash: Option<Hash>,
        also: bool,
        by: &str,
    ) -> Result<(), NotApproved> {
        let approval = Approval {
            server,
            tool,
            hash,
            also,
            by,
        };
        self.0.pins().approve(&approval).map_err(|error| {
            let text = error.to_string();
            match error {
                ApproveError::NoServer | ApproveError::Not(WhyNot::Unknown) => {
                    NotApproved::Unknown(text)
                }
                ApproveError::Not(WhyNot::Nothing | WhyNot::Other(_)) => {
                    NotApproved::Conflict(text)
                }
                ApproveError::Keep(_) => NotApproved::Unavailable(text),
            }
        })
    }
}

impl PinKeep for PinFile {
    fn load(&self, server: &str) -> Result<Option<String>, String> {
        let state = lock(self.0.open()?);
        // While the file is held nothing is between the two.
        if let Some(text) = lock(&self.0.waiting).books.get(server) {
            return Ok(Some(text.clone()));
        }
        state.row(ROOM, server).map_err(|error| error.to_string())
    }

    fn save(&self, server: &str, text: String) {
        let mut waiting = lock(&self.0.waiting);
        waiting.books.insert(server.to_owned(), text);
        self.0.news.notify_one();
    }

    fn save_now(&self, server: &str, text: String) -> Result<(), String> {
        let state = lock(self.0.open()?);
        self.0.commit(state, &[(server.to_owned(), text)])?;
        // What waited was older.
        lock(&self.0.waiting).books.remove(server);
        Ok(())
    }
}

impl Inner {
    /// The file, opened by the first who asks, with its thread.
    fn open(self: &Arc<Self>) -> Result<&Mutex<State>, String> {
        if let Some(state) = self.state.get() {
            return Ok(state);
        }
        let _opening = lock(&self.opening);
        if let Some(state) = self.state.get() {
            return Ok(state);
        }
        let state = State::open(&self.path).map_err(|error| {
            let hint = if error.is_damage() {
                "; when it is moved away, whatever servers list next is accepted: look at `pilothouse tools check` then"
            } else {
                ""
            };
            format!("{error}{hint}")
        })?;
        let inner = Arc::clone(self);
        let spawned = std::thread::Builder::new()
            .name("pins".to_owned())
            .spawn(move || inner.write_for_ever());
        spawned.map_err(|error| error.to_string())?;
        Ok(self.state.get_or_init(|| Mutex::new(state)))
    }

    fn write_for_ever(&self) {
        loop {
            let mut waiting = lock(&self.waiting);
            while waiting.books.is_empty() && !waiting.over {
                let woken = self.news.wait(waiting);
                waiting = woken.unwrap_or_else(PoisonError::into_inner);
            }
            let is_over = waiting.over;
            drop(waiting);
            let written = self.write();
            if is_over {
                return;
            }
            if let Err(error) = written {
                (self.complain)(&format!("what is known of tools cannot be kept: {error}"));
                let waiting = lock(&self.waiting);
                let _ = self.news.wait_timeout(waiting, RETRY);
            }
        }
    }

    /// Writes what waits. Who holds the file decides the order, so that no older book comes last.
    fn write(&self) -> Result<(), String> {
        let Some(state) = self.state.get() else {
            return Ok(());
        };
        let state = lock(state);
        let books: Vec<_> = std::mem::take(&mut lock(&self.waiting).books)
            .into_iter()
            .collect();
        let written = self.commit(state, &books);
        if written.is_err() {
            let mut waiting = lock(&self.waiting);
            for (server, text) in books {
                waiting.books.entry(server).or_insert(text);
            }
        }
        written
    }

    fn commit(
        &self,
        mut state: MutexGuard<'_, State>,
        books: &[(String, String)],
    ) -> Result<(), String> {
        let writes: Vec<_> = books
            .iter()
            .map(|(server, text)| Write {
                room: ROOM,
                key: server.clone(),
                value: Some(text.clone()),
            })
            .collect();
        state.commit(&writes).map_err(|error| error.to_string())
    }
}

impl Drop for PinFile {
    fn drop(&mut self) {
        lock(&self.0.waiting).over = true;
        self.0.news.notify_one();
        // The thread may be waiting for its next try; this is the last one.
        let _ = self.0.write();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: PathBuf) -> Arc<PinFile> {
        PinFile::new(path, Arc::new(|_| {}))
    }

    #[test]
    fn what_was_saved_is_there_for_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pins.db");
        let first = file(path.clone());
        assert_eq!(first.load("a"), Ok(None));
        for n in 0..100 {
            first.save("a", n.to_string());
        }
        assert_eq!(first.load("a"), Ok(Some("99".to_owned())));
        first.save_now("b", "now".to_owned()).unwrap();
        assert_eq!(first.load("b"), Ok(Some("now".to_owned())));
        let inner = Arc::clone(&first.0);
        drop(first);
        // The thread holds the file until it has seen that it is over; then it is ours to close.
        while Arc::strong_count(&inner) > 1 {
            std::thread::yield_now();
        }
        drop(inner);
        let second = file(path);
        assert_eq!(second.load("a"), Ok(Some("99".to_owned())));
        assert_eq!(second.load("b"), Ok(Some("now".to_owned())));
    }

    #[test]
    fn a_damaged_file_is_not_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pins.db");
        std::fs::write(&path, b"SQLite format 3\0 and no more").unwrap();
        assert!(file(path).load("a").is_err());
    }
}

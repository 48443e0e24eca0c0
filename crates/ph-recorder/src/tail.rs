//! Log files that the tools of servers write, followed line by line into the store.
//!
//! A thread of its own looks at each file twice a second. A file that is renamed away is read to its
//! end before the new one is begun; one that is cut is read from its beginning. How far each was
//! read is remembered in the data directory. While the store has no room nothing is read: the file
//! itself is the buffer.

mod follow;
mod positions;
mod trace_id;

use crate::line::{FileLine, FileLines};
use crate::store::Keeper;
use follow::{Follow, Piece};
use ph_record::{KeyLines, Reading, Redactor, SampleSource, catalogue};
use positions::Positions;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A file to follow.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TailFile {
    /// The server whose tools write it.
    pub server: String,
    /// Where it is, whether or not it is there yet.
    pub path: PathBuf,
}

/// Follows files until it is dropped or stopped.
pub struct Tails {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What to follow from now on, until the thread has taken note.
    next: Option<Vec<TailFile>>,
    stopping: bool,
    /// Lines read, and of these the cut ones, by server.
    counts: BTreeMap<String, (u64, u64)>,
}

/// Time between two looks at the files.
const EVERY: Duration = Duration::from_millis(500);
/// The same while there are none.
const IDLE: Duration = Duration::from_secs(3600);
/// Time between two notes of how far the files were read.
const REMEMBER: Duration = Duration::from_secs(2);
/// Most files that are followed; further ones are left out, and said.
pub const TAIL_FILES_MAX: usize = 256;
/// Bytes of one file that are read before the next one has its turn.
const TURN_BYTES: usize = 1 << 20;

impl Tails {
    /// Starts the thread.
    ///
    /// - `positions`: the file that remembers how far each file was read.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(
        positions: PathBuf,
        keeper: Keeper,
        redactor: Redactor,
        files: Vec<TailFile>,
        complain: Arc<dyn Fn(&str) + Send + Sync>,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                next: Some(files),
                ..State::default()
            }),
            changed: Condvar::new(),
        });
        let worker = Worker {
            shared: Arc::clone(&shared),
            keeper,
            redactor,
            positions: Positions::read(positions),
            files: Vec::new(),
            lines: FileLines::default(),
            json: Vec::new(),
            complain,
        };
        let thread = thread::Builder::new()
            .name("tail".to_owned())
            .spawn(move || worker.run())?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Follows these files from now on; those it followed already go on where they are.
    pub fn replace(&self, files: Vec<TailFile>) {
        self.shared.lock().next = Some(files);
        self.shared.changed.notify_all();
    }

    /// The numbers of it, for `/metrics`.
    pub fn source(&self) -> Arc<dyn SampleSource> {
        Arc::clone(&self.shared) as Arc<dyn SampleSource>
    }

    /// Reads what is there, remembers how far, and ends the thread.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.lock().stopping = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // A thread that panicked has said so itself.
            let _panicked = thread.join();
        }
    }
}

impl Drop for Tails {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    /// A panic elsewhere leaves the counts in order.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the next look; the files to follow if they changed, and whether to stop.
    fn wait(&self, limit: Duration) -> (Option<Vec<TailFile>>, bool) {
        let state = self.lock();
        let idle = |state: &mut State| state.next.is_none() && !state.stopping;
        let (mut state, _timed_out) = self
            .changed
            .wait_timeout_while(state, limit, idle)
            .unwrap_or_else(PoisonError::into_inner);
        (state.next.take(), state.stopping)
    }
}

impl SampleSource for Shared {
    fn samples(&self, out: &mut dyn FnMut(&'static catalogue::Metric, &[&str], Reading<'_>)) {
        let counts = self.lock().counts.clone();
        #[expect(clippy::cast_precision_loss, reason = "a sample is a double")]
        let value = |count: u64| Reading::Value(count as f64);
        for (server, (lines, _)) in &counts {
            out(&catalogue::FILE_LINES, &[server], value(*lines));
        }
        for (server, (_, cut)) in &counts {
            out(&catalogue::FILE_LINES_CUT, &[server], value(*cut));
        }
    }
}

/// State of the thread.
struct Worker {
    shared: Arc<Shared>,
    keeper: Keeper,
    redactor: Redactor,
    positions: Positions,
    files: Vec<(TailFile, Follow, KeyLines)>,
    lines: FileLines,
    json: Vec<u8>,
    complain: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Worker {
    fn run(mut self) {
        let mut remembered = Instant::now();
        let mut wait = Duration::ZERO;
        loop {
            let (next, stopping) = self.shared.wait(wait);
            if let Some(files) = next {
                self.replace(files);
            }
            let more = self.turn();
            if stopping || remembered.elapsed() >= REMEMBER {
                self.remember();
                remembered = Instant::now();
            }
            if stopping {
                return;
            }
            wait = match (more, self.files.is_empty()) {
                (true, _) => Duration::ZERO,
                (false, false) => EVERY,
                (false, true) => IDLE,
            };
        }
    }

    fn replace(&mut self, mut files: Vec<TailFile>) {
        files.sort();
        files.dedup();
        if files.len() > TAIL_FILES_MAX {
            (self.complain)(&format!(
                "{} log files are configured, only the first {TAIL_FILES_MAX} are followed",
                files.len()
            ));
            files.truncate(TAIL_FILES_MAX);
        }
        self.remember();
        let mut before = std::mem::take(&mut self.files);
        for file in files {
            let at = before.iter().position(|(known, ..)| *known == file);
            self.files.push(match at {
                Some(at) => before.swap_remove(at),
                None => {
                    let follow = Follow::new(&file.path, self.positions.get(&file.path));
                    (file, follow, KeyLines::default())
                }
            });
        }
    }

    /// Reads a piece of each file; `true` when one has more.
    fn turn(&mut self) -> bool {
        let mut more = false;
        for at in 0..self.files.len() {
            let mut left = TURN_BYTES;
            while left > 0 && self.give(at) {
                let Some(read) = self.read(at) else {
                    break;
                };
                left = left.saturating_sub(read);
                more |= left == 0;
            }
        }
        more
    }

    /// Reads on in a file; `None` at its end, or when it cannot be read.
    fn read(&mut self, at: usize) -> Option<usize> {
        let (file, follow, _) = self.files.get_mut(at)?;
        match follow.read(&file.path) {
            Ok(read) => read,
            Err(error) => {
                if let Some(error) = follow.new_trouble(&error) {
                    (self.complain)(&format!(
                        "the log file `{}` cannot be read: {error}",
                        file.path.display()
                    ));
                }
                None
            }
        }
    }

    /// Gives the store the lines that were read; `false` when it has no room.
    fn give(&mut self, at: usize) -> bool {
        let Some((file, follow, key_lines)) = self.files.get_mut(at) else {
            return false;
        };
        let at_unix_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX));
        let path = file.path.to_string_lossy();
        let (mut lines, mut cut) = (0, 0);
        let all = follow.lines(&mut |Piece { text, is_cut }| {
            if !self.keeper.is_roomy() {
                return false;
            }
            let clean = key_lines.redact(text);
            let clean = if is_cut {
                self.redactor.cut(clean)
            } else {
                self.redactor.text(clean)
            };
            let line = FileLine {
                at_unix_ns,
                text: &clean,
                server: &file.server,
                path: &path,
                trace_id: trace_id::find(text),
            };
            self.json.clear();
            let entry = self.lines.entry(&mut self.json, &line);
            // Full in spite of the look before: counted by the queue.
            let _dropped = self.keeper.offer(&entry);
            lines += 1;
            cut += u64::from(is_cut);
            true
        });
        if lines > 0 {
            let mut state = self.shared.lock();
            let counts = state.counts.entry(file.server.clone()).or_default();
            *counts = (counts.0 + lines, counts.1 + cut);
        }
        all
    }

    fn remember(&mut self) {
        let now = self
            .files
            .iter()
            .filter_map(|(file, follow, _)| Some((file.path.clone(), follow.place()?)));
        if let Err(error) = self.positions.write(now.collect()) {
            (self.complain)(&format!(
                "how far log files were read cannot be remembered: {error}"
            ));
        }
    }
}

#[cfg(test)]
mod tests;

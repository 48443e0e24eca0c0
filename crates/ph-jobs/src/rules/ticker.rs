//! Jobs that are due again and again, on a bounded number of threads of their own.

use super::schedule::Schedule;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Something that is due at each multiple of its interval. Dropping it ends it.
pub(crate) trait Job: Send {
    /// The same text for the same job, for ever.
    fn key(&self) -> String;
    /// Time between two runs, milliseconds.
    fn interval_ms(&self) -> i64;
    /// Does what is due at `due_ms`, Unix milliseconds. May block.
    fn run(&mut self, due_ms: i64);
    /// So many times were left out.
    fn missed(&mut self, times: u64);
}

/// The wall clock is looked at this often while nothing is due, since it may be set.
const LOOK: Duration = Duration::from_secs(5);

/// Runs jobs when they are due.
pub(crate) struct Ticker<J: Job> {
    shared: Arc<Shared<J>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

struct Shared<J> {
    state: Mutex<State<J>>,
    /// Something is due sooner, a job was given back, or all is over.
    changed: Condvar,
}

struct State<J> {
    waiting: Vec<Waiting<J>>,
    running: usize,
    /// Nothing is begun.
    is_held: bool,
    is_over: bool,
}

struct Waiting<J> {
    due_ms: i64,
    schedule: Schedule,
    job: J,
}

impl<J: Job + 'static> Ticker<J> {
    /// With `threads` threads and without a job.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub(crate) fn start(threads: usize) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                waiting: Vec::new(),
                running: 0,
                is_held: false,
                is_over: false,
            }),
            changed: Condvar::new(),
        });
        // Dropped when a thread cannot be started, it ends the others.
        let ticker = Self {
            shared,
            threads: Mutex::default(),
        };
        for _ in 0..threads.max(1) {
            let shared = Arc::clone(&ticker.shared);
            let thread = thread::Builder::new().name("rules".to_owned());
            let thread = thread.spawn(move || shared.work())?;
            ticker.threads().push(thread);
        }
        Ok(ticker)
    }

    /// Begins nothing more, waits for what runs, and gives all jobs back.
    pub(crate) fn hold(&self) -> Vec<J> {
        let mut state = self.shared.lock();
        state.is_held = true;
        while state.running > 0 {
            state = self.shared.wait(state, LOOK);
        }
        state.waiting.drain(..).map(|one| one.job).collect()
    }

    /// Runs these from now on, each at its next time.
    pub(crate) fn go(&self, jobs: Vec<J>) {
        let now_ms = unix_ms();
        let mut state = self.shared.lock();
        state.is_held = false;
        for job in jobs {
            let schedule = Schedule::of(&job.key(), job.interval_ms());
            state.waiting.push(Waiting {
                due_ms: schedule.first(now_ms),
                schedule,
                job,
            });
        }
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Ends it, once what runs is over.
    pub(crate) fn stop(&self) {
        drop(self.hold());
        self.shared.end();
        let threads = std::mem::take(&mut *self.threads());
        for thread in threads {
            // A thread that panicked has nothing more to say.
            drop(thread.join());
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<J: Job> Drop for Ticker<J> {
    fn drop(&mut self) {
        self.shared.end();
    }
}

impl<J: Job> Shared<J> {
    fn end(&self) {
        self.lock().is_over = true;
        self.changed.notify_all();
    }

    fn work(&self) {
        while let Some(mut due) = self.take() {
            due.job.run(due.due_ms);
            let next = due.schedule.next(due.due_ms, unix_ms());
            if next.missed > 0 {
                due.job.missed(next.missed);
            }
            due.due_ms = next.due_ms;
            let mut state = self.lock();
            state.running -= 1;
            state.waiting.push(due);
            drop(state);
            self.changed.notify_all();
        }
    }

    /// The next job, when it is due; none when all is over.
    fn take(&self) -> Option<Waiting<J>> {
        let mut state = self.lock();
        loop {
            if state.is_over {
                return None;
            }
            let first = state.waiting.iter().enumerate();
            let first = first.min_by_key(|(_, one)| one.due_ms);
            let pause = match first.filter(|_| !state.is_held) {
                None => LOOK,
                Some((at, one)) => {
                    let left_ms = one.due_ms.saturating_sub(unix_ms());
                    if left_ms <= 0 {
                        state.running += 1;
                        return Some(state.waiting.swap_remove(at));
                    }
                    Duration::from_millis(left_ms.try_into().unwrap_or(0)).min(LOOK)
                }
            };
            state = self.wait(state, pause);
        }
    }

    fn wait<'a>(
        &self,
        state: MutexGuard<'a, State<J>>,
        pause: Duration,
    ) -> MutexGuard<'a, State<J>> {
        let waited = self.changed.wait_timeout(state, pause);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Lists and counts are changed whole: a panic elsewhere leaves them in order.
    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, in milliseconds of Unix time.
pub(crate) fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    struct Told {
        key: &'static str,
        interval_ms: i64,
        runs: SyncSender<(&'static str, i64)>,
        missed: SyncSender<u64>,
        gate: Option<Receiver<()>>,
    }

    impl Job for Told {
        fn key(&self) -> String {
            self.key.to_owned()
        }

        fn interval_ms(&self) -> i64 {
            self.interval_ms
        }

        fn run(&mut self, due_ms: i64) {
            let _ = self.runs.try_send((self.key, due_ms));
            if let Some(gate) = &self.gate {
                let _ = gate.recv();
            }
        }

        fn missed(&mut self, times: u64) {
            let _ = self.missed.try_send(times);
        }
    }

    #[test]
    fn each_job_runs_at_its_times_and_is_given_back() {
        let (runs, ran) = sync_channel(1_000);
        let (missed, _missed) = sync_channel(1_000);
        let job = |key, interval_ms| Told {
            key,
            interval_ms,
            runs: runs.clone(),
            missed: missed.clone(),
            gate: None,
        };
        let ticker = Ticker::start(2).unwrap();
        ticker.go(vec![job("a", 10), job("b", 25)]);
        let seen: Vec<_> = ran.iter().take(12).collect();
        for (key, interval_ms) in [("a", 10), ("b", 25)] {
            let times: Vec<i64> = seen.iter().filter(|s| s.0 == key).map(|s| s.1).collect();
            assert!(times.len() > 1, "{seen:?}");
            assert!(
                times
                    .windows(2)
                    .all(|two| two[1] > two[0] && (two[1] - two[0]) % interval_ms == 0),
                "{times:?}"
            );
        }
        let mut keys: Vec<_> = ticker.hold().iter().map(Job::key).collect();
        keys.sort();
        assert_eq!(keys, ["a", "b"]);
        ticker.stop();
    }

    #[test]
    fn a_slow_job_misses_its_times_and_holds_up_no_other() {
        let (runs, ran) = sync_channel(1_000);
        let (missed, told) = sync_channel(1_000);
        let (open, gate) = sync_channel(1_000);
        let ticker = Ticker::start(2).unwrap();
        let job = |key, gate| Told {
            key,
            interval_ms: 5,
            runs: runs.clone(),
            missed: missed.clone(),
            gate,
        };
        ticker.go(vec![job("slow", Some(gate)), job("quick", None)]);
        // The slow one stands still while the quick one runs many times.
        let seen: Vec<_> = ran.iter().take(15).collect();
        assert_eq!(seen.iter().filter(|s| s.0 == "slow").count(), 1, "{seen:?}");
        open.send(()).unwrap();
        assert!(told.recv().unwrap() > 0);
        drop(open);
        ticker.stop();
    }
}

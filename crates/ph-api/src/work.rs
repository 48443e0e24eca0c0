//! Work that reads much, off the threads that carry connections: so much at once, for so long.

use ph_promql::Interrupt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// Lets a bounded number of jobs run on blocking threads.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    permits: Arc<Semaphore>,
    /// Ends every job.
    end: CancellationToken,
}

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotDone {
    /// It waited for its turn until its time was over.
    Queue,
    /// The runtime ended, or the job panicked.
    Lost,
}

/// Tells a job when to stop.
#[derive(Clone, Debug)]
pub(crate) struct Stop {
    until: Instant,
    left: Arc<AtomicBool>,
    end: CancellationToken,
}

impl Stop {
    /// Whether somebody still waits and there is still time.
    pub(crate) fn check(&self) -> Result<(), Interrupt> {
        if self.left.load(Relaxed) || self.end.is_cancelled() {
            Err(Interrupt::Canceled)
        } else if Instant::now() >= self.until {
            Err(Interrupt::Timeout)
        } else {
            Ok(())
        }
    }

    /// How long it may still run.
    pub(crate) fn time_left(&self) -> Duration {
        self.until.saturating_duration_since(Instant::now())
    }
}

impl Gate {
    /// At most `jobs_max` at once, until `end`.
    pub(crate) fn new(jobs_max: usize, end: CancellationToken) -> Self {
        Self {
            end,
            permits: Arc::new(Semaphore::new(jobs_max)),
        }
    }

    /// Runs `job` when it is its turn; its client leaving is the drop of this future, which stops it.
    ///
    /// A job that does not look at its [`Stop`] keeps its permit until it is done: the bound holds.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        time: Duration,
        job: impl FnOnce(&Stop) -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let until = Instant::now() + time;
        let stop = Stop {
            until,
            left: Arc::default(),
            end: self.end.clone(),
        };
        let _leaver = Leaver(Arc::clone(&stop.left));
        let permit = Arc::clone(&self.permits).acquire_owned();
        let permit = tokio::time::timeout_at(until.into(), permit)
            .await
            .map_err(|_| NotDone::Queue)?
            .map_err(|_| NotDone::Lost)?;
        let job = move || {
            let _permit = permit;
            job(&stop)
        };
        tokio::task::spawn_blocking(job)
            .await
            .map_err(|_| NotDone::Lost)
    }

    /// Runs `job` if there is a free place now.
    pub(crate) async fn try_run<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NotDone> {
        let permit = Arc::clone(&self.permits).try_acquire_owned();
        let permit = permit.map_err(|_| NotDone::Queue)?;
        let job = move || {
            let _permit = permit;
            job()
        };
        tokio::task::spawn_blocking(job)
            .await
            .map_err(|_| NotDone::Lost)
    }
}

/// Says on drop that nobody waits any more.
struct Leaver(Arc<AtomicBool>);

impl Drop for Leaver {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[tokio::test]
    async fn a_client_that_leaves_stops_its_job() {
        let gate = Gate::new(1, CancellationToken::new());
        let (started, running) = mpsc::sync_channel(1);
        let (told, heard) = mpsc::sync_channel(1);
        let job = gate.run(Duration::from_secs(60), move |stop| {
            let _ = started.send(());
            let why = loop {
                if let Err(why) = stop.check() {
                    break why;
                }
                std::thread::yield_now();
            };
            let _ = told.send(why);
        });
        {
            let mut job = Box::pin(job);
            while running.try_recv().is_err() {
                assert!(futures_poll(&mut job).await.is_none());
            }
        }
        let why = tokio::task::spawn_blocking(move || heard.recv().unwrap());
        assert_eq!(why.await.unwrap(), Interrupt::Canceled);
    }

    /// One poll, then a turn for the others.
    async fn futures_poll<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
        tokio::select! {
            biased;
            out = future => Some(out),
            () = tokio::task::yield_now() => None,
        }
    }

    #[tokio::test]
    async fn a_job_waits_for_its_turn_until_its_time_is_over() {
        let gate = Gate::new(1, CancellationToken::new());
        let (release, held) = mpsc::sync_channel::<()>(1);
        let (started, running) = mpsc::sync_channel(1);
        let first = gate.clone();
        let first = tokio::spawn(async move {
            first
                .run(Duration::from_secs(60), move |_| {
                    let _ = started.send(());
                    let _ = held.recv();
                    1
                })
                .await
        });
        tokio::task::spawn_blocking(move || running.recv().unwrap())
            .await
            .unwrap();
        let late = gate.run(Duration::from_millis(1), |_| 2).await;
        assert_eq!(late, Err(NotDone::Queue));
        assert_eq!(gate.try_run(|| 3).await, Err(NotDone::Queue));
        release.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(1));
        assert_eq!(gate.run(Duration::from_secs(60), |_| 4).await, Ok(4));
    }

    #[tokio::test]
    async fn the_end_of_all_is_the_end_of_a_job() {
        let end = CancellationToken::new();
        let gate = Gate::new(1, end.clone());
        let why = gate.run(Duration::from_secs(60), move |stop| {
            let before = stop.check();
            end.cancel();
            (before, stop.check())
        });
        assert_eq!(why.await, Ok((Ok(()), Err(Interrupt::Canceled))));
    }

    #[tokio::test]
    async fn time_runs_out_in_the_job() {
        let why = Gate::new(1, CancellationToken::new())
            .run(Duration::ZERO, |stop| (stop.check(), stop.time_left()))
            .await;
        // Without time it may not even get its turn.
        assert!(
            matches!(why, Err(NotDone::Queue) | Ok((Err(Interrupt::Timeout), _))),
            "{why:?}"
        );
    }
}

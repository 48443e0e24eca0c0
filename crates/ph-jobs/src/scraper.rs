//! The targets, each with a task of its own.

use crate::fetch::Source;
use crate::scrape::{Frame, OwnedScrape, Scraping};
use crate::target::{Target, TargetError};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Targets that are scraped; more are refused.
const TARGETS_MAX: usize = 1000;

/// Takes what scrapes bring.
pub trait Scraped: Send + Sync {
    /// Takes a scrape; `false` when there is no room for it. Must not block.
    fn offer(&self, scrape: OwnedScrape) -> bool;
}

/// How a target is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetStatus {
    /// Its job.
    pub job: String,
    /// Its host and port.
    pub instance: String,
    /// Its URL.
    pub url: String,
    /// What the last scrape found; none before the first.
    pub up: Option<bool>,
    /// Why the last scrape failed.
    pub error: Option<String>,
    /// When the last scrape was, Unix milliseconds.
    pub scraped_ms: Option<i64>,
    /// How long it took.
    pub took: Duration,
    /// Samples that its page had.
    pub samples: usize,
    /// Scrapes so far.
    pub scrapes: u64,
    /// Scrapes that failed.
    pub failed: u64,
    /// Scrapes that whoever keeps them had no room for.
    pub dropped: u64,
}

/// Scrapes targets until it is stopped. Needs a tokio runtime.
pub struct Scraper {
    sink: Arc<dyn Scraped>,
    running: HashMap<String, Running>,
    /// Of targets that were taken away and are not over yet.
    ending: Vec<JoinHandle<()>>,
}

struct Running {
    target: Target,
    status: Arc<Mutex<TargetStatus>>,
    gone: CancellationToken,
    stopped: CancellationToken,
    task: JoinHandle<()>,
}

impl Scraper {
    /// Nothing yet: [`Scraper::replace`] says what is scraped.
    pub fn new(sink: Arc<dyn Scraped>) -> Self {
        Self {
            sink,
            running: HashMap::new(),
            ending: Vec::new(),
        }
    }

    /// Scrapes these targets from now on. One that is as before goes on as before; one that is not among
    /// them ends with its series. Gives back those that cannot be scraped, with the reason.
    pub fn replace(&mut self, targets: Vec<Target>) -> Vec<(Target, TargetError)> {
        let mut refused = Vec::new();
        let mut wanted: HashMap<String, Target> = HashMap::new();
        for target in targets.into_iter().take(TARGETS_MAX) {
            wanted.insert(target.key(), target);
        }
        let over: Vec<String> = self
            .running
            .keys()
            .filter(|key| !wanted.contains_key(*key))
            .cloned()
            .collect();
        for key in over {
            if let Some(running) = self.running.remove(&key) {
                running.gone.cancel();
                self.ending.push(running.task);
            }
        }
        self.ending.retain(|task| !task.is_finished());
        for (key, target) in wanted {
            if self
                .running
                .get(&key)
                .is_some_and(|old| old.target == target)
            {
                continue;
            }
            match self.start(&target) {
                Ok(running) => {
                    if let Some(old) = self.running.insert(key, running) {
                        // The same series go on.
                        old.stopped.cancel();
                        self.ending.push(old.task);
                    }
                }
                Err(error) => refused.push((target, error)),
            }
        }
        refused
    }

    fn start(&self, target: &Target) -> Result<Running, TargetError> {
        let source = Source::new(target)?;
        let instance = target.place()?.instance();
        let status = Arc::new(Mutex::new(TargetStatus {
            job: target.job.clone(),
            instance: instance.clone(),
            url: target.url.clone(),
            up: None,
            error: None,
            scraped_ms: None,
            took: Duration::ZERO,
            samples: 0,
            scrapes: 0,
            failed: 0,
            dropped: 0,
        }));
        let (gone, stopped) = (CancellationToken::new(), CancellationToken::new());
        let round = Round {
            frame: Frame::new(target, &instance),
            target: target.clone(),
            source,
            sink: self.sink.clone(),
            status: status.clone(),
        };
        let task = tokio::spawn(round.run(gone.clone(), stopped.clone()));
        Ok(Running {
            target: target.clone(),
            status,
            gone,
            stopped,
            task,
        })
    }

    /// How all targets are doing, by job and instance.
    pub fn targets(&self) -> Vec<TargetStatus> {
        let mut all: Vec<TargetStatus> = self
            .running
            .values()
            .map(|running| locked(&running.status).clone())
            .collect();
        all.sort_by(|one, other| (&one.job, &one.instance).cmp(&(&other.job, &other.instance)));
        all
    }

    /// Ends all scrapes. Series do not end by it: the next start goes on with them.
    pub async fn stop(mut self) {
        for (_, running) in self.running.drain() {
            running.stopped.cancel();
            self.ending.push(running.task);
        }
        for task in self.ending {
            // A task that panicked has nothing more to say.
            drop(task.await);
        }
    }
}

/// One target, again and again.
struct Round {
    target: Target,
    frame: Frame,
    source: Source,
    sink: Arc<dyn Scraped>,
    status: Arc<Mutex<TargetStatus>>,
}

impl Round {
    async fn run(self, gone: CancellationToken, stopped: CancellationToken) {
        let mut last_ms = i64::MIN;
        loop {
            let now_ms = unix_ms();
            let due_ms = next_ms(&self.target, now_ms, last_ms);
            let pause =
                Duration::from_millis(due_ms.saturating_sub(now_ms).try_into().unwrap_or(0));
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = gone.cancelled() => return self.end(last_ms),
                () = stopped.cancelled() => return,
            }
            last_ms = due_ms;
            tokio::select! {
                () = self.scrape(due_ms) => {}
                () = gone.cancelled() => return self.end(last_ms),
                () = stopped.cancelled() => return,
            }
        }
    }

    async fn scrape(&self, t_ms: i64) {
        let begun = Instant::now();
        let fetched = self.source.fetch(&self.target).await;
        let took = begun.elapsed();
        let Scraping {
            scrape,
            samples,
            error,
        } = self.frame.scrape(t_ms, took, fetched);
        let is_taken = self.sink.offer(scrape);
        let mut status = locked(&self.status);
        status.up = Some(error.is_none());
        status.error = error.map(|error| with_causes(&error));
        status.scraped_ms = Some(t_ms);
        status.took = took;
        status.samples = samples;
        status.scrapes += 1;
        status.failed += u64::from(status.error.is_some());
        status.dropped += u64::from(!is_taken);
    }

    /// All series of the target end.
    fn end(&self, last_ms: i64) {
        let now_ms = unix_ms().max(last_ms.saturating_add(1));
        if !self.sink.offer(self.frame.gone(now_ms)) {
            locked(&self.status).dropped += 1;
        }
    }
}

/// When a target is scraped next: the first multiple of its interval, shifted, after `last_ms` and not before
/// `now_ms`. When it is late, scrapes are left out.
fn next_ms(target: &Target, now_ms: i64, last_ms: i64) -> i64 {
    let (interval, shift) = (target.interval_ms(), target.shift_ms());
    let after = now_ms.max(last_ms.saturating_add(1)) - shift;
    let multiple = after.div_euclid(interval) + i64::from(after.rem_euclid(interval) != 0);
    // A clock that was set back far would make it wait as long.
    let due_ms = multiple.saturating_mul(interval).saturating_add(shift);
    if due_ms - now_ms > 2 * interval {
        now_ms + interval
    } else {
        due_ms
    }
}

fn unix_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

fn locked(status: &Mutex<TargetStatus>) -> MutexGuard<'_, TargetStatus> {
    status.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrapes_are_at_multiples_of_the_interval() {
        let target = Target {
            job: "a".to_owned(),
            url: "http://a/".to_owned(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            labels: Vec::new(),
            headers: Vec::new(),
            ca_file: None,
            samples_max: 1,
        };
        let shift = target.shift_ms();
        let next =
            |now: i64, last: i64| next_ms(&target, now + shift, last.saturating_add(shift)) - shift;
        assert_eq!(next(100_001, i64::MIN), 110_000);
        assert_eq!(next(110_000, i64::MIN), 110_000);
        // It woke a little early, or was quick.
        assert_eq!(next(109_999, 110_000), 120_000);
        // One scrape took very long.
        assert_eq!(next(145_000, 110_000), 150_000);
        // The clock was set back by an hour.
        assert_eq!(next(100_000, 3_700_000), 110_000);
    }
}

//! A sign of life: an address that is asked for again and again, while rules are evaluated.

use crate::counts::{Beat, Counts};
use crate::owner::now_ms;
use crate::post::{Outcome, Post};
use crate::settings::{Heartbeat, Settings};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// What the task needs.
pub(crate) struct Heart {
    pub(crate) settings: watch::Receiver<Arc<Settings>>,
    /// Unix milliseconds of the last evaluation of rules; 0 before the first.
    pub(crate) evaluated_ms: Arc<AtomicI64>,
    pub(crate) counts: Arc<Counts>,
    pub(crate) end: CancellationToken,
    pub(crate) complain: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Heart {
    /// Runs until the end has come.
    pub(crate) async fn run(mut self) {
        let mut was_failing = false;
        loop {
            let settings = Arc::clone(&self.settings.borrow_and_update());
            let Some(heartbeat) = &settings.heartbeat else {
                tokio::select! {
                    () = self.end.cancelled() => return,
                    changed = self.settings.changed() => if changed.is_err() { return },
                }
                continue;
            };
            tokio::select! {
                () = self.end.cancelled() => return,
                () = self.beat(heartbeat, &mut was_failing) => {}
            }
            tokio::select! {
                () = self.end.cancelled() => return,
                () = tokio::time::sleep(heartbeat.interval) => {}
                changed = self.settings.changed() => if changed.is_err() { return },
            }
        }
    }

    async fn beat(&self, heartbeat: &Heartbeat, was_failing: &mut bool) {
        let evaluated_ms = self.evaluated_ms.load(Relaxed);
        let age_ms = now_ms().saturating_sub(evaluated_ms);
        if u128::try_from(age_ms).unwrap_or(0) > heartbeat.fresh_for.as_millis() {
            // Before the first round there is nothing to hold back.
            if evaluated_ms > 0 {
                self.counts.beat(Beat::Withheld);
            }
            return;
        }
        let post = Post {
            place: &heartbeat.place,
            headers: &[],
            dedupe_key: None,
            body: None,
            timeout: heartbeat.timeout,
        };
        match post.send(&heartbeat.place.upstream()).await {
            Outcome::Taken => {
                *was_failing = false;
                self.counts.beat(Beat::Sent);
            }
            Outcome::Refused(why) | Outcome::Later(_, why) => {
                self.counts.beat(Beat::Failed);
                if !std::mem::replace(was_failing, true) {
                    (self.complain)(&format!("the heartbeat is not taken: {why}"));
                }
            }
        }
    }
}

//! The task of one lane: takes what waits, sends it, says what came of it.

use crate::body::{slack, webhook};
use crate::outbox::{Lane, Task};
use crate::owner::{Owner, now_ms};
use crate::post::{Outcome, Post};
use crate::saved::Saved;
use crate::settings::{Form, Hook, Settings};
use bytes::Bytes;
use ph_wire::upstream::Upstream;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// The longest sleep between two looks at the outbox.
const SLEEP_MAX: Duration = Duration::from_secs(30);

/// What a lane's task needs.
pub(crate) struct Sender {
    pub(crate) lane: Lane,
    pub(crate) owner: Owner,
    pub(crate) settings: watch::Receiver<Arc<Settings>>,
    /// There may be something to send.
    pub(crate) wake: Arc<Notify>,
    /// Nothing that is not due now is waited for.
    pub(crate) end: CancellationToken,
    /// The lane is not wanted any more.
    pub(crate) gone: CancellationToken,
    pub(crate) complain: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Sender {
    /// Runs until its lane is gone or the end has come.
    pub(crate) async fn run(self) {
        let mut open: Option<(Arc<Hook>, Upstream)> = None;
        let mut has_failed = false;
        loop {
            // Registered before the look, so that what comes after it is not missed.
            let woken = self.wake.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            if self.gone.is_cancelled() {
                return;
            }
            let settings = Arc::clone(&self.settings.borrow());
            let Some(hook) = settings.hooks.get(&self.lane).cloned() else {
                return;
            };
            let lane = self.lane.clone();
            let task = self
                .owner
                .ask_async(move |desk, now| desk.take(&lane, now))
                .await;
            let sleep = match task {
                Err(_) => return,
                Ok(Task::Send(id, saved)) => {
                    let outcome = self.send(&mut open, &hook, &settings, &saved).await;
                    self.tell(&outcome, &mut has_failed);
                    let lane = self.lane.clone();
                    let done = self
                        .owner
                        .ask_async(move |desk, now| desk.done(&lane, id, &outcome, now));
                    if done.await.is_err() {
                        return;
                    }
                    continue;
                }
                Ok(Task::WaitUntil(at_ms)) => Duration::from_millis(
                    u64::try_from(at_ms.saturating_sub(now_ms())).unwrap_or(0),
                ),
                Ok(Task::Idle) => SLEEP_MAX,
            };
            tokio::select! {
                () = self.end.cancelled() => return,
                () = self.gone.cancelled() => return,
                () = woken => {}
                () = tokio::time::sleep(sleep.clamp(Duration::from_millis(1), SLEEP_MAX)) => {}
            }
        }
    }

    async fn send(
        &self,
        open: &mut Option<(Arc<Hook>, Upstream)>,
        hook: &Arc<Hook>,
        settings: &Settings,
        saved: &Saved,
    ) -> Outcome {
        let upstream = match open {
            Some((known, upstream)) if Arc::ptr_eq(known, hook) => upstream,
            _ => &mut open.insert((Arc::clone(hook), hook.place.upstream())).1,
        };
        let url = settings.external_url.as_str();
        let body = match &hook.form {
            Form::Slack { channel, username } => {
                slack::body(saved, url, channel.as_deref(), username.as_deref())
            }
            Form::Webhook { alerts_max } => webhook::body(saved, url, *alerts_max),
            // An Alertmanager is no lane.
            Form::Alertmanager => return Outcome::Refused("no receiver".to_owned()),
        };
        let post = Post {
            place: &hook.place,
            headers: &hook.headers,
            dedupe_key: Some(&saved.dedupe_key),
            body: Some(Bytes::from(body)),
            timeout: hook.timeout,
        };
        post.send(upstream).await
    }

    /// The first failure in a row is worth a line.
    fn tell(&self, outcome: &Outcome, has_failed: &mut bool) {
        let failure = match outcome {
            Outcome::Taken => None,
            Outcome::Refused(why) => Some(("refused a notification for good", why)),
            Outcome::Later(_, why) => {
                Some(("did not take a notification, which is tried again", why))
            }
        };
        let was_failing = std::mem::replace(has_failed, failure.is_some());
        if let Some((what, why)) = failure
            && !was_failing
        {
            (self.complain)(&format!("receiver `{}` {what}: {why}", self.lane.receiver));
        }
    }
}

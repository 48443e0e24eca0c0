//! Where decisions, outbox and file come together: one step, one transaction. No clock, no sockets.

use crate::counts::Counts;
use crate::keep::{self, Keep, OUTBOX};
use crate::outbox::{Lane, Outbox, Task};
use crate::post::Outcome;
use crate::saved::Saved;
use crate::settings::Settings;
use ph_rules::dispatch::{Dispatcher, Incoming, Notification, Posted, SilenceDraft, SilenceError};
use ph_store::state::{StateError, Write};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The state, and the file that it is in.
pub(crate) struct Desk {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) outbox: Outbox,
    pub(crate) settings: Arc<Settings>,
    keep: Box<dyn Keep>,
    /// What is not in the file yet: the newest of each row.
    unsaved: BTreeMap<(&'static str, String), Option<String>>,
    is_failing: bool,
    /// Something was put into the outbox.
    has_news: bool,
    counts: Arc<Counts>,
}

/// A notification in the file.
#[derive(Serialize, Deserialize)]
struct OutboxRow {
    lane: Lane,
    notification: Saved,
}

impl Desk {
    /// Goes on where the file ends. Gives how many rows could not be read, too.
    pub(crate) fn open(
        settings: Arc<Settings>,
        keep: Box<dyn Keep>,
        counts: Arc<Counts>,
        now_ms: i64,
    ) -> Result<(Self, usize), StateError> {
        let (rows, mut unreadable) = keep::load(&*keep)?;
        let waiting = keep.rows(OUTBOX)?;
        let mut desk = Self {
            dispatcher: Dispatcher::restore(settings.dispatch.clone(), rows, now_ms),
            outbox: Outbox::default(),
            settings,
            keep,
            unsaved: BTreeMap::new(),
            is_failing: false,
            has_news: true,
            counts,
        };
        desk.outbox.set_lanes(&desk.settings.lanes());
        for (key, text) in waiting {
            let row = serde_json::from_str::<OutboxRow>(&text).ok();
            let Some((row, id)) = row.zip(u64::from_str_radix(&key, 16).ok()) else {
                unreadable += 1;
                desk.note(OUTBOX, key, None);
                continue;
            };
            if !desk.outbox.put_back(&row.lane, id, row.notification) {
                desk.counts.dropped(&row.lane.receiver);
                desk.note(OUTBOX, key, None);
            }
        }
        desk.save();
        Ok((desk, unreadable))
    }

    /// Takes alerts in.
    pub(crate) fn offer(&mut self, alerts: impl IntoIterator<Item = Incoming>, now_ms: i64) {
        self.dispatcher.offer(alerts, now_ms);
    }

    /// Takes alerts of others in. Gives what is wrong with those that are none.
    pub(crate) fn post(&mut self, posted: Vec<Posted>, now_ms: i64) -> Vec<String> {
        let timeout_ms = self.settings.dispatch.resolve_timeout_ms;
        let (mut good, mut wrong) = (Vec::new(), Vec::new());
        for posted in posted {
            match posted.checked(now_ms, timeout_ms) {
                Ok(incoming) => good.push(incoming),
                Err(why) => wrong.push(why),
            }
        }
        self.offer(good, now_ms);
        wrong
    }

    pub(crate) fn set_silence(
        &mut self,
        draft: SilenceDraft,
        new_id: &str,
        now_ms: i64,
    ) -> Result<String, SilenceError> {
        self.dispatcher.set_silence(draft, new_id, now_ms)
    }

    pub(crate) fn reload(&mut self, settings: Arc<Settings>, now_ms: i64) {
        self.dispatcher.reload(settings.dispatch.clone(), now_ms);
        for (lane, id) in self.outbox.set_lanes(&settings.lanes()) {
            self.counts.dropped(&lane.receiver);
            self.note(OUTBOX, key(id), None);
        }
        self.settings = settings;
    }

    /// Does what is due: decides, and puts what was decided into the outbox.
    pub(crate) fn tick(&mut self, now_ms: i64) {
        for notification in self.dispatcher.due(now_ms) {
            self.enqueue(&notification);
        }
    }

    fn enqueue(&mut self, notification: &Notification) {
        let saved = Arc::new(Saved::from(notification));
        let lanes = self.settings.lanes_of(&notification.receiver);
        for lane in lanes {
            // Word that nothing has changed is of no use while older word waits.
            if notification.is_repeat && self.outbox.waits(&lane, &saved.group_key) {
                continue;
            }
            let Some((id, displaced)) = self.outbox.push(&lane, Arc::clone(&saved)) else {
                continue;
            };
            self.has_news = true;
            let row = OutboxRow {
                notification: (*saved).clone(),
                lane,
            };
            // Rows of texts and numbers are always JSON.
            let text = serde_json::to_string(&row).unwrap_or_default();
            self.note(OUTBOX, key(id), Some(text));
            if let Some(displaced) = displaced {
                self.counts.dropped(&row.lane.receiver);
                self.note(OUTBOX, key(displaced), None);
            }
        }
    }

    /// Whether something was put into the outbox since this was last asked.
    pub(crate) fn take_news(&mut self) -> bool {
        std::mem::take(&mut self.has_news)
    }

    /// When [`Desk::tick`] has something to do next, in Unix milliseconds.
    pub(crate) fn next_due(&self) -> i64 {
        self.dispatcher.next_due()
    }

    /// What a lane has to do.
    pub(crate) fn take(&mut self, lane: &Lane, now_ms: i64) -> Task {
        self.outbox.take(lane, now_ms)
    }

    /// Notes what came of a notification.
    pub(crate) fn done(&mut self, lane: &Lane, id: u64, outcome: &Outcome, now_ms: i64) {
        let is_gone = match outcome {
            Outcome::Taken => {
                self.counts.delivered(&lane.receiver);
                self.outbox.remove(lane, id, true)
            }
            Outcome::Refused(_) => {
                self.counts.rejected(&lane.receiver);
                self.outbox.remove(lane, id, true)
            }
            Outcome::Later(asked, _) => {
                self.counts.retried(&lane.receiver);
                let is_given_up = !self.outbox.failed(lane, id, *asked, now_ms);
                if is_given_up {
                    self.counts.dropped(&lane.receiver);
                }
                is_given_up
            }
        };
        if is_gone {
            self.note(OUTBOX, key(id), None);
        }
    }

    /// Makes everything since the last time one transaction. While the disk fails, what is decided is sent
    /// all the same, and saved when it can be; gives the failure when it is the first.
    pub(crate) fn save(&mut self) -> Option<StateError> {
        for change in self.dispatcher.take_changes() {
            let Write { room, key, value } = keep::write(change);
            self.note(room, key, value);
        }
        self.publish();
        if self.unsaved.is_empty() {
            return None;
        }
        let writes: Vec<Write> = self
            .unsaved
            .iter()
            .map(|((room, key), value)| Write {
                room,
                key: key.clone(),
                value: value.clone(),
            })
            .collect();
        match self.keep.commit(&writes) {
            Ok(()) => {
                self.unsaved.clear();
                self.is_failing = false;
                None
            }
            Err(error) => {
                self.counts.state_failed();
                let is_first = !std::mem::replace(&mut self.is_failing, true);
                is_first.then_some(error)
            }
        }
    }

    fn note(&mut self, room: &'static str, key: String, value: Option<String>) {
        self.unsaved.insert((room, key), value);
    }

    fn publish(&self) {
        self.counts.set_queued(&self.outbox.queued());
        self.counts.set_dropped_alerts(self.dispatcher.dropped());
    }
}

/// Sorted as numbers are.
fn key(id: u64) -> String {
    format!("{id:016x}")
}

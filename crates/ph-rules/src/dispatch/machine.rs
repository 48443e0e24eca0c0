//! The machine: what comes in, and what falls due.

mod keep;
mod show;

use super::fingerprint::{self, fingerprint};
use super::group::{Group, group_id};
use super::held::Held;
use super::incoming::Incoming;
use super::inhibit::Inhibitors;
use super::log::{Logged, Reason, reason};
use super::notification::{Notification, Told};
use super::order;
use super::route::Tree;
use super::rows::{GroupRow, Room};
use super::settings::Settings;
use super::silence::{Silence, SilenceDraft, SilenceError, SilenceState};
use std::collections::{BTreeMap, BTreeSet};

/// How often what is over is forgotten, in milliseconds.
const SWEEP_MS: i64 = 60_000;

/// Alerts, groups, silences, and what each receiver was told.
pub struct Dispatcher {
    settings: Settings,
    tree: Tree,
    alerts: BTreeMap<u64, Held>,
    /// In how many groups an alert is; none without.
    memberships: BTreeMap<u64, usize>,
    groups: BTreeMap<String, Group>,
    log: BTreeMap<String, Logged>,
    silences: BTreeMap<String, Silence>,
    sweep_ms: i64,
    dropped: Dropped,
    dirty: BTreeSet<(Room, String)>,
}

/// What there was no room for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Alerts that are not held.
    pub alerts: u64,
    /// Alerts that a receiver does not hear of, since there are too many groups.
    pub groups: u64,
    /// Groups of which it was forgotten too early what was told, so that it may be told again.
    pub log: u64,
}

impl Dispatcher {
    /// Goes on with other settings. Groups that exist in both keep their times.
    pub fn reload(&mut self, settings: Settings, now_ms: i64) {
        self.tree = Tree::new(&settings.route);
        self.settings = settings;
        let rows = self.groups.iter();
        let timers = rows
            .map(|(id, group)| (id.clone(), GroupRow::from(group)))
            .collect();
        self.groups.clear();
        self.memberships.clear();
        self.regroup(timers, now_ms);
    }

    /// Puts every alert into its groups, which keep the times that they had.
    fn regroup(&mut self, timers: BTreeMap<String, GroupRow>, now_ms: i64) {
        let fingerprints: Vec<u64> = self.alerts.keys().copied().collect();
        for fingerprint in fingerprints {
            self.insert_in_groups(fingerprint, &timers, now_ms);
        }
        for id in timers.into_keys() {
            self.touch(Room::Group, &id);
        }
    }

    /// Takes alerts in; an alert that is known is changed.
    pub fn offer(&mut self, alerts: impl IntoIterator<Item = Incoming>, now_ms: i64) {
        let no_timers = BTreeMap::new();
        for incoming in alerts {
            let fingerprint = fingerprint(&incoming.alert.labels);
            let new = Held::new(fingerprint, incoming, now_ms);
            let new = match self.alerts.get(&fingerprint) {
                Some(old) => old.followed_by(new, now_ms),
                None if self.alerts.len() >= self.settings.bounds.alerts => {
                    self.dropped.alerts += 1;
                    continue;
                }
                None => new,
            };
            self.alerts.insert(fingerprint, new);
            self.touch(Room::Alert, &alert_key(fingerprint));
            self.insert_in_groups(fingerprint, &no_timers, now_ms);
        }
    }

    fn insert_in_groups(
        &mut self,
        fingerprint: u64,
        timers: &BTreeMap<String, GroupRow>,
        now_ms: i64,
    ) {
        let Some(held) = self.alerts.get(&fingerprint) else {
            return;
        };
        let (labels, starts_at_ms) = (held.labels.clone(), held.starts_at_ms);
        let left = held.left.clone();
        for at in self.tree.matching(&labels) {
            let node = self.tree.node(at);
            let group_labels = node.group_labels(&labels);
            let key = node.group_key(&group_labels);
            let id = group_id(&node.receiver, &key);
            if left.contains(&id) {
                continue;
            }
            if !self.groups.contains_key(&id) {
                if self.groups.len() >= self.settings.bounds.groups {
                    self.dropped.groups += 1;
                    continue;
                }
                let timer = timers.get(&id);
                let group = Group {
                    node: at,
                    receiver: node.receiver.clone(),
                    labels: group_labels,
                    key,
                    members: BTreeSet::new(),
                    next_ms: timer
                        .map_or(now_ms.saturating_add(node.group_wait_ms), |row| row.next_ms),
                    has_flushed: timer.is_some_and(|row| row.has_flushed),
                };
                self.groups.insert(id.clone(), group);
                self.dirty.insert((Room::Group, id.clone()));
            }
            let Some(group) = self.groups.get_mut(&id) else {
                continue;
            };
            if group.members.insert(fingerprint) {
                *self.memberships.entry(fingerprint).or_default() += 1;
            }
            // It has waited long enough elsewhere; a group that is taken up again has its time.
            let waited = !timers.contains_key(&id)
                && starts_at_ms.saturating_add(self.tree.node(at).group_wait_ms) < now_ms;
            if !group.has_flushed && waited && group.next_ms > now_ms {
                group.next_ms = now_ms;
                self.dirty.insert((Room::Group, id));
            }
        }
    }

    /// When [`Dispatcher::due`] has something to do next, in Unix milliseconds.
    pub fn next_due(&self) -> i64 {
        let groups = self.groups.values().map(|group| group.next_ms);
        groups
            .min()
            .map_or(self.sweep_ms, |next| next.min(self.sweep_ms))
    }

    /// Looks at the groups whose time has come: whom to tell what.
    pub fn due(&mut self, now_ms: i64) -> Vec<Notification> {
        let mut ids: Vec<(i64, String)> = self
            .groups
            .iter()
            .filter(|(_, group)| group.next_ms <= now_ms)
            .map(|(id, group)| (group.next_ms, id.clone()))
            .collect();
        ids.sort();
        // What keeps quiet is seen once, before groups let go of what is over.
        let muted = self.muted(ids.iter().map(|(_, id)| id), now_ms);
        let flushed = ids
            .into_iter()
            .filter_map(|(_, id)| self.flush(&id, &muted, now_ms));
        let notifications = flushed.collect();
        if self.sweep_ms <= now_ms {
            self.sweep(now_ms);
        }
        notifications
    }

    /// The members of these groups that are not told of.
    fn muted<'a>(&self, ids: impl Iterator<Item = &'a String>, now_ms: i64) -> BTreeSet<u64> {
        let members: BTreeSet<u64> = ids
            .filter_map(|id| self.groups.get(id))
            .flat_map(|group| group.members.iter().copied())
            .collect();
        if members.is_empty() {
            return members;
        }
        let inhibitors = self.inhibitors(now_ms);
        let silences = self.active_silences(now_ms);
        let is_muted = |fingerprint: &u64| {
            self.alerts.get(fingerprint).is_some_and(|held| {
                inhibitors.inhibitor(&held.labels).is_some()
                    || silences
                        .iter()
                        .any(|silence| silence.matchers.matches(&held.labels))
            })
        };
        members.into_iter().filter(is_muted).collect()
    }

    fn inhibitors(&self, now_ms: i64) -> Inhibitors<'_> {
        Inhibitors::new(&self.settings.inhibit, &self.alerts, now_ms)
    }

    fn active_silences(&self, now_ms: i64) -> Vec<&Silence> {
        let all = self.silences.values();
        all.filter(|silence| silence.state(now_ms) == SilenceState::Active)
            .collect()
    }

    fn flush(&mut self, id: &str, muted: &BTreeSet<u64>, now_ms: i64) -> Option<Notification> {
        let group = self.groups.get_mut(id)?;
        let node = self.tree.node(group.node);
        // A moment at least, so that an interval of nothing does not keep us busy.
        group.next_ms = now_ms.saturating_add(node.group_interval_ms.max(1));
        group.has_flushed = true;
        let repeat_ms = node.repeat_interval_ms;
        let members: Vec<&Held> = group
            .members
            .iter()
            .filter_map(|f| self.alerts.get(f))
            .collect();
        let over: Vec<u64> = members
            .iter()
            .filter(|held| held.is_resolved(now_ms))
            .map(|held| held.fingerprint)
            .collect();
        let mut alerts: Vec<Told> = members
            .iter()
            .filter(|held| !muted.contains(&held.fingerprint))
            .map(|held| told(held, now_ms))
            .collect();
        alerts.sort_by(|a, b| order::of_labels(&a.labels, &b.labels));
        let notification = Notification {
            receiver: group.receiver.clone(),
            group_key: group.key.clone(),
            group_labels: group.labels.clone(),
            alerts,
            at_ms: now_ms,
            dedupe_key: String::new(),
            is_repeat: false,
        };
        let notification = self.decide(id, notification, repeat_ms);
        self.let_go(id, &over);
        self.touch(Room::Group, id);
        notification
    }

    /// Whether the receiver is told, which is noted at once: what is decided is sent.
    fn decide(&mut self, id: &str, mut all: Notification, repeat_ms: i64) -> Option<Notification> {
        if all.alerts.is_empty() {
            return None;
        }
        let of = |is_over: bool| -> BTreeSet<u64> {
            let alerts = all.alerts.iter();
            let alerts = alerts.filter(|told| told.ends_at_ms.is_some() == is_over);
            alerts.map(|told| told.fingerprint).collect()
        };
        let (firing, resolved) = (of(false), of(true));
        let send_resolved = *self.settings.receivers.get(&all.receiver).unwrap_or(&true);
        let logged = self.log.get(id);
        let why = reason(
            logged,
            &firing,
            &resolved,
            send_resolved,
            repeat_ms,
            all.at_ms,
        )?;
        // A group that ends and begins anew in one millisecond, or a clock that was set back, makes no key
        // come twice.
        let at_ms = logged.map_or(all.at_ms, |logged| all.at_ms.max(logged.at_ms + 1));
        all.dedupe_key = format!("{:016x}{at_ms:016x}", fingerprint::of_texts([id]));
        let logged = Logged {
            at_ms,
            firing,
            resolved,
            expires_ms: at_ms.saturating_add(repeat_ms.saturating_mul(2)),
        };
        self.log.insert(id.to_owned(), logged);
        self.touch(Room::Log, id);
        self.bound_log(id);
        if !send_resolved {
            all.alerts.retain(|told| told.ends_at_ms.is_none());
        }
        all.is_repeat = why == Reason::Repeat;
        (!all.alerts.is_empty()).then_some(all)
    }

    /// Forgets what was told longest ago, when there is too much.
    fn bound_log(&mut self, newest: &str) {
        if self.log.len() <= self.settings.bounds.log {
            return;
        }
        let others = self.log.iter().filter(|(id, _)| *id != newest);
        let oldest = others.min_by_key(|(_, logged)| logged.at_ms);
        if let Some(id) = oldest.map(|(id, _)| id.clone()) {
            self.log.remove(&id);
            self.touch(Room::Log, &id);
            self.dropped.log += 1;
        }
    }

    /// Takes what is over out of its group, and forgets groups and alerts that nobody needs any more.
    fn let_go(&mut self, id: &str, over: &[u64]) {
        let Some(group) = self.groups.get_mut(id) else {
            return;
        };
        for fingerprint in over {
            if !group.members.remove(fingerprint) {
                continue;
            }
            let left = self.memberships.get_mut(fingerprint).map_or(0, |count| {
                *count = count.saturating_sub(1);
                *count
            });
            self.dirty.insert((Room::Alert, alert_key(*fingerprint)));
            if left == 0 {
                self.memberships.remove(fingerprint);
                self.alerts.remove(fingerprint);
            } else if let Some(held) = self.alerts.get_mut(fingerprint) {
                held.left.insert(id.to_owned());
            }
        }
        if group.members.is_empty() {
            self.groups.remove(id);
        }
    }

    /// Forgets what is over and in no group, what was told long ago, and silences of the past.
    fn sweep(&mut self, now_ms: i64) {
        self.sweep_ms = now_ms.saturating_add(SWEEP_MS);
        let memberships = &self.memberships;
        let dirty = &mut self.dirty;
        self.alerts.retain(|fingerprint, held| {
            let stays = !held.is_resolved(now_ms) || memberships.contains_key(fingerprint);
            if !stays {
                dirty.insert((Room::Alert, alert_key(*fingerprint)));
            }
            stays
        });
        self.log.retain(|id, logged| {
            let stays = logged.expires_ms > now_ms;
            if !stays {
                dirty.insert((Room::Log, id.clone()));
            }
            stays
        });
        let retention_ms = self.settings.silence_retention_ms;
        self.silences.retain(|id, silence| {
            let stays = silence.ends_at_ms.saturating_add(retention_ms) > now_ms;
            if !stays {
                dirty.insert((Room::Silence, id.clone()));
            }
            stays
        });
    }

    /// Sets a silence: a new one, the same one with other times, or a new one in the place of an old one,
    /// which ends then. Gives its id, which is `new_id` unless an old one could be kept.
    ///
    /// # Errors
    /// [`SilenceError`].
    pub fn set_silence(
        &mut self,
        draft: SilenceDraft,
        new_id: &str,
        now_ms: i64,
    ) -> Result<String, SilenceError> {
        let mut silence = draft.checked(now_ms)?;
        let known = self.silences.get(&silence.id);
        if !silence.id.is_empty() && known.is_none() {
            return Err(SilenceError::NotFound);
        }
        let keeps_id = known.is_some_and(|old| old.can_become(&silence, now_ms));
        if !keeps_id {
            if self.silences.len() >= self.settings.bounds.silences {
                return Err(SilenceError::TooMany(self.silences.len()));
            }
            if known.is_some_and(|old| old.state(now_ms) != SilenceState::Expired) {
                let replaced = silence.id.clone();
                self.expire_silence(&replaced, now_ms)?;
            }
            silence.id = new_id.to_owned();
            silence.starts_at_ms = silence.starts_at_ms.max(now_ms);
        }
        let id = silence.id.clone();
        self.silences.insert(id.clone(), silence);
        self.touch(Room::Silence, &id);
        Ok(id)
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// When there is none with this id, or it is over.
    pub fn expire_silence(&mut self, id: &str, now_ms: i64) -> Result<(), SilenceError> {
        let silence = self.silences.get_mut(id).ok_or(SilenceError::NotFound)?;
        if silence.state(now_ms) == SilenceState::Expired {
            return Err(SilenceError::Expired(id.to_owned()));
        }
        silence.expire(now_ms);
        self.touch(Room::Silence, id);
        Ok(())
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// What there was no room for.
    pub fn dropped(&self) -> Dropped {
        self.dropped
    }

    fn touch(&mut self, room: Room, key: &str) {
        self.dirty.insert((room, key.to_owned()));
    }
}

fn told(held: &Held, now_ms: i64) -> Told {
    Told {
        fingerprint: held.fingerprint,
        labels: held.labels.clone(),
        annotations: held.annotations.clone(),
        starts_at_ms: held.starts_at_ms,
        ends_at_ms: held.is_resolved(now_ms).then_some(held.ends_at_ms),
        generator_url: held.generator_url.clone(),
    }
}

fn alert_key(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

//! The machine's state as rows.

use super::{Dispatcher, Dropped, SWEEP_MS, alert_key};
use crate::dispatch::held::Held;
use crate::dispatch::route::Tree;
use crate::dispatch::rows::{AlertRow, Change, GroupRow, LogRow, Room, Row, SilenceRow};
use crate::dispatch::settings::Settings;
use std::collections::{BTreeMap, BTreeSet};

impl Dispatcher {
    /// A machine that goes on from `rows`.
    ///
    /// What fired when it was last heard of fires on as if that were now: nobody could say so while we
    /// were away.
    pub fn restore(settings: Settings, rows: impl IntoIterator<Item = Row>, now_ms: i64) -> Self {
        let mut new = Self {
            tree: Tree::new(&settings.route),
            settings,
            alerts: BTreeMap::new(),
            memberships: BTreeMap::new(),
            groups: BTreeMap::new(),
            log: BTreeMap::new(),
            silences: BTreeMap::new(),
            sweep_ms: now_ms.saturating_add(SWEEP_MS),
            dropped: Dropped::default(),
            dirty: BTreeSet::new(),
        };
        let mut timers = BTreeMap::new();
        for row in rows {
            match row {
                Row::Alert(row) => {
                    let held = Held::from(row);
                    new.alerts.insert(held.fingerprint, held);
                }
                Row::Group(row) => {
                    timers.insert(row.id(), row);
                }
                Row::Log(row) => {
                    let (id, logged) = row.read();
                    new.log.insert(id, logged);
                }
                Row::Silence(row) => {
                    if let Some(silence) = row.read() {
                        new.silences.insert(silence.id.clone(), silence);
                    }
                }
            }
        }
        new.wait_for_what_fired(now_ms);
        new.regroup(timers, now_ms);
        new
    }

    fn wait_for_what_fired(&mut self, now_ms: i64) {
        for held in self.alerts.values_mut() {
            let valid_ms = held.ends_at_ms.saturating_sub(held.updated_at_ms);
            let until_ms = now_ms.saturating_add(valid_ms);
            if held.ends_at_ms > held.updated_at_ms && held.ends_at_ms < until_ms {
                held.ends_at_ms = until_ms;
                let row = (Room::Alert, alert_key(held.fingerprint));
                self.dirty.insert(row);
            }
        }
    }

    /// The rows that have changed since this was last asked.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let dirty = std::mem::take(&mut self.dirty);
        let changes = dirty.into_iter();
        changes
            .map(|(room, key)| Change {
                row: self.row(room, &key),
                room,
                key,
            })
            .collect()
    }

    fn row(&self, room: Room, key: &str) -> Option<Row> {
        match room {
            Room::Alert => {
                let fingerprint = u64::from_str_radix(key, 16).ok()?;
                self.alerts
                    .get(&fingerprint)
                    .map(|held| Row::Alert(AlertRow::from(held)))
            }
            Room::Group => self
                .groups
                .get(key)
                .map(|group| Row::Group(GroupRow::from(group))),
            Room::Log => self
                .log
                .get(key)
                .map(|logged| Row::Log(LogRow::new(key, logged))),
            Room::Silence => self
                .silences
                .get(key)
                .map(|silence| Row::Silence(SilenceRow::from(silence))),
        }
    }
}

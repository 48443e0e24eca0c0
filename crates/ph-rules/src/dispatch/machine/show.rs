//! What is shown of the machine.

use super::Dispatcher;
use crate::dispatch::group::Group;
use crate::dispatch::held::Held;
use crate::dispatch::inhibit::Inhibitors;
use crate::dispatch::order;
use crate::dispatch::route::Tree;
use crate::dispatch::rows::SilenceRow;
use crate::dispatch::silence::{Silence, SilenceState};
use crate::dispatch::view::{AlertView, GroupView, SilenceView};

impl Dispatcher {
    /// Every alert that is not over, ascending by fingerprint.
    pub fn alerts(&self, now_ms: i64) -> Vec<AlertView> {
        let viewer = self.viewer(now_ms);
        let alerts = self.alerts.values();
        let alerts = alerts.filter(|held| !held.is_resolved(now_ms));
        alerts.map(|held| viewer.view(held)).collect()
    }

    /// Every group with an alert that is not over, ascending by labels and receiver.
    pub fn groups(&self, now_ms: i64) -> Vec<GroupView> {
        let viewer = self.viewer(now_ms);
        let view = |group: &Group| {
            let members = group.members.iter().filter_map(|f| self.alerts.get(f));
            let members = members.filter(|held| !held.is_resolved(now_ms));
            let mut alerts: Vec<AlertView> = members.map(|held| viewer.view(held)).collect();
            alerts.sort_by(|a, b| order::of_labels(&a.labels, &b.labels));
            GroupView {
                labels: group.labels.clone(),
                receiver: group.receiver.clone(),
                alerts,
            }
        };
        let groups = self.groups.values().map(view);
        let mut groups: Vec<GroupView> = groups.filter(|group| !group.alerts.is_empty()).collect();
        groups.sort_by(|a, b| {
            order::of_labels(&a.labels, &b.labels).then_with(|| a.receiver.cmp(&b.receiver))
        });
        groups
    }

    /// How many alerts are not over: those that nothing keeps quiet, and the others.
    pub fn count_alerts(&self, now_ms: i64) -> (usize, usize) {
        let inhibitors = self.inhibitors(now_ms);
        let silences = self.active_silences(now_ms);
        let mut count = (0, 0);
        for held in self
            .alerts
            .values()
            .filter(|held| !held.is_resolved(now_ms))
        {
            let is_quiet = inhibitors.inhibitor(&held.labels).is_some()
                || silences
                    .iter()
                    .any(|silence| silence.matchers.matches(&held.labels));
            if is_quiet {
                count.1 += 1;
            } else {
                count.0 += 1;
            }
        }
        count
    }

    /// Where each silence is in its life.
    pub fn silence_states(&self, now_ms: i64) -> impl Iterator<Item = SilenceState> {
        self.silences
            .values()
            .map(move |silence| silence.state(now_ms))
    }

    fn viewer(&self, now_ms: i64) -> Viewer<'_> {
        Viewer {
            tree: &self.tree,
            inhibitors: self.inhibitors(now_ms),
            silences: self.active_silences(now_ms),
        }
    }

    /// Every silence: active ones that end first, pending ones that begin first, then expired ones, the
    /// newest first.
    pub fn silences(&self, now_ms: i64) -> Vec<SilenceView> {
        let mut all: Vec<&Silence> = self.silences.values().collect();
        all.sort_by_key(|silence| match silence.state(now_ms) {
            SilenceState::Active => (0, silence.ends_at_ms),
            SilenceState::Pending => (1, silence.starts_at_ms),
            SilenceState::Expired => (2, -silence.ends_at_ms),
        });
        all.into_iter()
            .map(|silence| silence_view(silence, now_ms))
            .collect()
    }
}

/// Shows alerts as they are at one time.
struct Viewer<'a> {
    tree: &'a Tree,
    inhibitors: Inhibitors<'a>,
    silences: Vec<&'a Silence>,
}

impl Viewer<'_> {
    fn view(&self, held: &Held) -> AlertView {
        let matching = self.tree.matching(&held.labels).into_iter();
        let silences = self.silences.iter();
        let silences = silences.filter(|silence| silence.matchers.matches(&held.labels));
        AlertView {
            fingerprint: held.fingerprint,
            labels: held.labels.clone(),
            annotations: held.annotations.clone(),
            starts_at_ms: held.starts_at_ms,
            ends_at_ms: held.ends_at_ms,
            updated_at_ms: held.updated_at_ms,
            generator_url: held.generator_url.clone(),
            receivers: matching
                .map(|at| self.tree.node(at).receiver.clone())
                .collect(),
            silenced_by: silences.map(|silence| silence.id.clone()).collect(),
            inhibited_by: self
                .inhibitors
                .inhibitor(&held.labels)
                .into_iter()
                .collect(),
        }
    }
}

fn silence_view(silence: &Silence, now_ms: i64) -> SilenceView {
    let row = SilenceRow::from(silence);
    SilenceView {
        id: row.id,
        matchers: row.matchers,
        starts_at_ms: row.starts_at_ms,
        ends_at_ms: row.ends_at_ms,
        updated_at_ms: row.updated_at_ms,
        created_by: row.created_by,
        comment: row.comment,
        state: silence.state(now_ms),
    }
}

//! The machine of one alerting rule.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::time::Duration;

use ph_promql::{Labels, METRIC_NAME};

use super::status::{ActiveAlert, AlertState};
use super::{Context, Outcome, over};
use crate::duration::millis;
use crate::template::{Scope, link};
use crate::{Alert, Rule, RuleKind};

/// The label that holds the alert's name.
const ALERT_NAME: &str = "alertname";

/// The label of `ALERTS` that says pending or firing.
const ALERT_STATE: &str = "alertstate";

/// The alerts of one rule by their labels, resolved ones among them for a while.
#[derive(Debug, Default)]
pub(super) struct Alerting {
    alerts: BTreeMap<Labels, State>,
}

/// What is known of one alert.
#[derive(Debug)]
struct State {
    annotations: Labels,
    value: f64,
    state: AlertState,
    active_at_ms: i64,
    fired_at_ms: i64,
    resolved_at_ms: Option<i64>,
    keep_firing_since_ms: Option<i64>,
    sent_at_ms: Option<i64>,
    /// `ALERTS` in its present state, and `ALERTS_FOR_STATE`; made once.
    series: Series,
}

#[derive(Debug)]
struct Series {
    state: AlertState,
    alerts: Labels,
    for_state: Labels,
}

/// An element of the expression's value, as the alert that it is.
struct Element {
    annotations: Labels,
    value: f64,
}

/// What a rule's own text says.
struct Told<'a> {
    rule: &'a Rule,
    name: &'a str,
    hold_ms: i64,
    keep_ms: i64,
}

impl Alerting {
    pub(super) fn evaluate(
        &mut self,
        rule: &Rule,
        vector: Vec<(Labels, f64)>,
        context: &Context<'_>,
    ) -> Outcome {
        let RuleKind::Alert {
            name,
            hold,
            keep_firing_for,
            annotations,
        } = &rule.kind
        else {
            return Ok((Vec::new(), Vec::new()));
        };
        let told = Told {
            rule,
            name,
            hold_ms: millis(*hold),
            keep_ms: millis(*keep_firing_for),
        };
        let elements = told.elements(annotations, vector, context.settings)?;
        self.take(&told, &elements, context);
        let (samples, active) = self.advance(&told, &elements, context);
        if context.limit > 0 && active > context.limit {
            self.alerts.clear();
            let limit = context.limit;
            return Err(format!("exceeded limit of {limit} with {active} alerts"));
        }
        Ok((samples, self.due(rule, context)))
    }

    /// Puts what is there now beside what was there before.
    fn take(
        &mut self,
        told: &Told<'_>,
        elements: &BTreeMap<Labels, Element>,
        context: &Context<'_>,
    ) {
        for (labels, element) in elements {
            match self.alerts.entry(labels.clone()) {
                Entry::Occupied(known) if known.get().state != AlertState::Inactive => {
                    let known = known.into_mut();
                    known.value = element.value;
                    known.annotations = element.annotations.clone();
                }
                Entry::Occupied(mut resolved) => {
                    resolved.insert(told.begun(labels, element, context));
                }
                Entry::Vacant(new) => {
                    new.insert(told.begun(labels, element, context));
                }
            }
        }
    }

    /// Moves every alert to its next state. Gives the series of those that are active, and their number.
    fn advance(
        &mut self,
        told: &Told<'_>,
        elements: &BTreeMap<Labels, Element>,
        context: &Context<'_>,
    ) -> (Vec<(Labels, f64)>, usize) {
        let at_ms = context.at_ms;
        let retention_ms = millis(context.settings.resolved_retention);
        let (mut samples, mut active) = (Vec::new(), 0);
        self.alerts.retain(|labels, alert| {
            if elements.contains_key(labels) {
                alert.keep_firing_since_ms = None;
            } else if !alert.keeps_firing(at_ms, told.keep_ms) {
                let is_old = |resolved| at_ms - resolved > retention_ms;
                if alert.state == AlertState::Pending || alert.resolved_at_ms.is_some_and(is_old) {
                    return false;
                }
                if alert.state == AlertState::Firing {
                    alert.state = AlertState::Inactive;
                    alert.resolved_at_ms = Some(at_ms);
                }
                return true;
            }
            active += 1;
            alert.settle(at_ms, told.hold_ms);
            #[expect(clippy::cast_precision_loss, reason = "seconds are far below 2^53")]
            let since = alert.active_at_ms.div_euclid(1_000) as f64;
            let series = told.series(labels, alert);
            samples.push((series.alerts.clone(), 1.0));
            samples.push((series.for_state.clone(), since));
            true
        });
        (samples, active)
    }

    fn due(&mut self, rule: &Rule, context: &Context<'_>) -> Vec<Alert> {
        let settings = context.settings;
        let resend_ms = millis(settings.resend_delay);
        let valid_ms = 4 * millis(settings.resend_delay.max(context.interval));
        let mut alerts = Vec::new();
        for (labels, alert) in &mut self.alerts {
            if !alert.needs_sending(context.at_ms, resend_ms) {
                continue;
            }
            alert.sent_at_ms = Some(context.at_ms);
            let base = settings.external_url.trim_end_matches('/');
            alerts.push(Alert {
                labels: over(&settings.external_labels, labels.iter()),
                annotations: alert.annotations.clone(),
                starts_at_ms: alert.fired_at_ms,
                ends_at_ms: alert.resolved_at_ms.unwrap_or(context.at_ms + valid_ms),
                resolved: alert.resolved_at_ms.is_some(),
                generator_url: format!("{base}{}", link(rule.expr.text(), 1)),
            });
        }
        alerts
    }

    /// The worst state of all.
    pub(super) fn state(&self) -> AlertState {
        let states = self.alerts.values().map(|alert| alert.state);
        states.max().unwrap_or_default()
    }

    /// Those that are pending or fire.
    pub(super) fn active(&self) -> Vec<ActiveAlert> {
        let active = self
            .alerts
            .iter()
            .filter(|(_, alert)| alert.resolved_at_ms.is_none());
        active
            .map(|(labels, alert)| ActiveAlert {
                labels: labels.clone(),
                annotations: alert.annotations.clone(),
                state: alert.state,
                active_at_ms: alert.active_at_ms,
                keep_firing_since_ms: alert.keep_firing_since_ms,
                value: alert.value,
            })
            .collect()
    }
}

impl State {
    /// Whether it fires on although its element is gone.
    fn keeps_firing(&mut self, at_ms: i64, keep_ms: i64) -> bool {
        if self.state != AlertState::Firing || keep_ms == 0 {
            return false;
        }
        let since = *self.keep_firing_since_ms.get_or_insert(at_ms);
        at_ms - since < keep_ms
    }

    /// Fires when it has been active for long enough; is pending again when `for` has become longer.
    fn settle(&mut self, at_ms: i64, hold_ms: i64) {
        let is_held = at_ms - self.active_at_ms >= hold_ms;
        match self.state {
            AlertState::Pending if is_held => {
                self.state = AlertState::Firing;
                self.fired_at_ms = at_ms;
            }
            AlertState::Firing if !is_held => {
                self.state = AlertState::Pending;
                self.sent_at_ms = None;
                self.keep_firing_since_ms = None;
            }
            _ => {}
        }
    }

    fn needs_sending(&self, at_ms: i64, resend_ms: i64) -> bool {
        if self.state == AlertState::Pending {
            return false;
        }
        match (self.sent_at_ms, self.resolved_at_ms) {
            (None, _) => true,
            (Some(sent), Some(resolved)) if resolved > sent => true,
            (Some(sent), _) => sent + resend_ms < at_ms,
        }
    }
}

impl Told<'_> {
    /// The alerts that the elements are, by their labels.
    fn elements(
        &self,
        annotations: &[(String, crate::Template)],
        vector: Vec<(Labels, f64)>,
        settings: &super::Settings,
    ) -> Result<BTreeMap<Labels, Element>, String> {
        let mut elements = BTreeMap::new();
        for (labels, value) in vector {
            let scope = Scope {
                labels: &labels,
                value,
                external_labels: &settings.external_labels,
                external_url: &settings.external_url,
            };
            let expanded = |pairs: &[(String, crate::Template)]| -> Vec<(String, String)> {
                let one = |(name, template): &(String, crate::Template)| {
                    (name.clone(), template.expand_or_say(&scope))
                };
                pairs.iter().map(one).collect()
            };
            let own = expanded(&self.rule.labels);
            let set = own
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str()));
            let named = [(METRIC_NAME, ""), (ALERT_NAME, self.name)];
            let element = Element {
                annotations: Labels::from_pairs(expanded(annotations)),
                value,
            };
            let identity = over(&labels, set.chain(named));
            if elements.insert(identity, element).is_some() {
                let text =
                    "vector contains metrics with the same labelset after applying alert labels";
                return Err(text.to_owned());
            }
        }
        Ok(elements)
    }

    /// A new alert, pending, whose time goes on where it stood before a restart.
    fn begun(&self, labels: &Labels, element: &Element, context: &Context<'_>) -> State {
        let for_state = self.for_state(labels);
        let at_ms = context.at_ms;
        let hold = Duration::from_millis(self.hold_ms.unsigned_abs());
        let restored = context
            .restored
            .active_at(&for_state, at_ms, hold, context.settings);
        State {
            annotations: element.annotations.clone(),
            value: element.value,
            state: AlertState::Pending,
            active_at_ms: restored.unwrap_or(at_ms),
            fired_at_ms: at_ms,
            resolved_at_ms: None,
            keep_firing_since_ms: None,
            sent_at_ms: None,
            series: Series {
                state: AlertState::Pending,
                alerts: self.alerts(labels, AlertState::Pending),
                for_state,
            },
        }
    }

    fn series<'s>(&self, labels: &Labels, alert: &'s mut State) -> &'s Series {
        if alert.series.state != alert.state {
            alert.series.state = alert.state;
            alert.series.alerts = self.alerts(labels, alert.state);
        }
        &alert.series
    }

    fn alerts(&self, labels: &Labels, state: AlertState) -> Labels {
        let set = [(METRIC_NAME, "ALERTS"), (ALERT_STATE, state.as_str())];
        self.synthetic(labels, &set)
    }

    fn for_state(&self, labels: &Labels) -> Labels {
        self.synthetic(labels, &[(METRIC_NAME, "ALERTS_FOR_STATE")])
    }

    /// As Prometheus: a label of the rule that expanded to nothing is there as it is written.
    fn synthetic(&self, labels: &Labels, set: &[(&str, &str)]) -> Labels {
        let written = &self.rule.labels;
        let written = written
            .iter()
            .map(|(name, value)| (name.as_str(), value.text()));
        let below = Labels::from_pairs(written);
        over(&below, labels.iter().chain(set.iter().copied()))
    }
}

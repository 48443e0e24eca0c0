//! A group of rules as it runs: tick by tick, with what its rules know of the ticks before.

mod alerting;
mod restore;
mod settings;
mod status;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use ph_promql::{Labels, METRIC_NAME, STALE_NAN_BITS, is_stale};

pub use self::settings::Settings;
pub use self::status::{ActiveAlert, AlertState, AlertingStatus, GroupStatus, Health, RuleStatus};

use self::alerting::Alerting;
use self::restore::Restored;
use crate::duration::millis;
use crate::{Alert, Ask, Group, Rule, RuleKind};

/// A group with its state.
#[derive(Debug)]
pub struct GroupRun {
    name: String,
    file: String,
    interval: Duration,
    limit: usize,
    query_offset: Duration,
    settings: Arc<Settings>,
    rules: Vec<RuleRun>,
    /// Series of rules that are gone; they end at the next tick.
    ending: Vec<Labels>,
    restored: Restored,
    last_evaluation_ms: Option<i64>,
    took: Duration,
}

/// A rule with its state.
#[derive(Debug)]
struct RuleRun {
    rule: Arc<Rule>,
    alerting: Alerting,
    /// The series of its last evaluation that went well.
    written: BTreeSet<Labels>,
    health: Health,
    last_error: Option<String>,
    last_evaluation_ms: Option<i64>,
    took: Duration,
}

/// What came of one evaluation of a group.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tick {
    /// The time of the samples, Unix milliseconds: that of the tick, less the group's `query_offset`.
    pub samples_at_ms: i64,
    /// To be stored: `ALERTS`, `ALERTS_FOR_STATE`, recorded series, and markers for those that ended.
    /// Each series once.
    pub samples: Vec<(Labels, f64)>,
    /// To be sent.
    pub alerts: Vec<Alert>,
    /// Rules that could not be evaluated.
    pub failures: Vec<Failure>,
}

/// A rule that could not be evaluated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Its place in the group, counted from 0.
    pub nth: usize,
    /// Its name.
    pub rule: String,
    /// Why.
    pub error: String,
}

/// What one rule gives at one tick.
type Outcome = Result<(Vec<(Labels, f64)>, Vec<Alert>), String>;

impl GroupRun {
    /// A group that knows of nothing yet.
    ///
    /// - `file`: the name of its file, as it is shown.
    #[must_use]
    pub fn new(group: &Group, file: &str, settings: &Settings) -> Self {
        let rules = group.rules.iter().map(RuleRun::new).collect();
        Self {
            name: group.name.clone(),
            file: file.to_owned(),
            interval: group.interval.unwrap_or(settings.default_interval),
            limit: group.limit,
            query_offset: group.query_offset.unwrap_or_default(),
            settings: Arc::new(settings.clone()),
            rules,
            ending: Vec::new(),
            restored: Restored::default(),
            last_evaluation_ms: None,
            took: Duration::ZERO,
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The name of its file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// How often it wants to be evaluated.
    #[must_use]
    pub fn interval(&self) -> Duration {
        self.interval
    }

    /// Goes on where the group of the same name stood before a reload: rules that are the same (see
    /// [`Rule::continues`]) keep their alerts and series, series of the others end at the next tick. An
    /// alert that fires and whose `for` is longer now is pending again.
    pub fn adopt(&mut self, old: Self) {
        self.last_evaluation_ms = old.last_evaluation_ms;
        self.took = old.took;
        self.ending = old.ending;
        self.restored.adopt(old.restored);
        let mut left: Vec<Option<RuleRun>> = old.rules.into_iter().map(Some).collect();
        for new in &mut self.rules {
            let same = |old: &&mut Option<RuleRun>| {
                old.as_ref()
                    .is_some_and(|old| new.rule.continues(&old.rule))
            };
            if let Some(old) = left.iter_mut().find(same).and_then(Option::take) {
                new.written = old.written;
                new.alerting = old.alerting;
                new.health = old.health;
                new.last_error = old.last_error;
                new.last_evaluation_ms = old.last_evaluation_ms;
                new.took = old.took;
            }
        }
        let gone = left.into_iter().flatten().flat_map(|old| old.written);
        self.ending.extend(gone);
    }

    /// Learns from `ALERTS_FOR_STATE` since when alerts were active before a restart. To be asked once,
    /// before the first tick; the next two ticks use it.
    ///
    /// - `at_ms`: now, Unix milliseconds.
    /// - returns: rules of which it cannot be known. They begin anew.
    pub fn restore(&mut self, at_ms: i64, ask: &mut dyn Ask) -> Vec<Failure> {
        let mut failures = Vec::new();
        for (nth, run) in self.rules.iter().enumerate() {
            let RuleKind::Alert { name, hold, .. } = &run.rule.kind else {
                continue;
            };
            if *hold < self.settings.for_grace_period {
                continue;
            }
            let learnt = self.restored.learn(name, at_ms, &self.settings, ask);
            if let Err(error) = learnt {
                failures.push(run.failure(nth, error.to_string()));
            }
        }
        failures
    }

    /// Evaluates all rules, one after the other; later ones see what earlier ones wrote.
    ///
    /// - `at_ms`: the time of this tick, Unix milliseconds; later than that of the last one.
    pub fn tick(&mut self, at_ms: i64, ask: &mut dyn Ask) -> Tick {
        let samples_at_ms = at_ms - millis(self.query_offset);
        let mut tick = Tick {
            samples_at_ms,
            ..Tick::default()
        };
        let context = Context {
            at_ms,
            samples_at_ms,
            interval: self.interval,
            limit: self.limit,
            settings: &self.settings,
            restored: &self.restored,
        };
        for (nth, run) in self.rules.iter_mut().enumerate() {
            run.last_evaluation_ms = Some(at_ms);
            match run.evaluate(&context, ask) {
                Ok((samples, alerts)) => {
                    (run.health, run.last_error) = (Health::Ok, None);
                    ask.written(samples_at_ms, &samples);
                    tick.samples.extend(samples);
                    tick.alerts.extend(alerts);
                }
                Err(error) => {
                    tick.failures.push(run.failure(nth, error.clone()));
                    (run.health, run.last_error) = (Health::Err, Some(error));
                }
            }
        }
        self.restored.used();
        let ended = std::mem::take(&mut self.ending);
        let markers: Vec<_> = ended.into_iter().map(marker).collect();
        ask.written(samples_at_ms, &without_written(&markers, &tick.samples));
        tick.samples.extend(markers);
        tick.samples = each_once(std::mem::take(&mut tick.samples));
        self.last_evaluation_ms = Some(at_ms);
        tick
    }

    /// The end of a group that is no longer configured: markers for all its series, at `at_ms`.
    #[must_use]
    pub fn end(self, at_ms: i64) -> Tick {
        let of_rules = self.rules.into_iter().flat_map(|run| run.written);
        let all: BTreeSet<Labels> = self.ending.into_iter().chain(of_rules).collect();
        Tick {
            samples_at_ms: at_ms - millis(self.query_offset),
            samples: all.into_iter().map(marker).collect(),
            ..Tick::default()
        }
    }

    /// Takes down how long the last tick took, all in all and by rule; for the status only.
    pub fn took(&mut self, all: Duration, by_rule: &[Duration]) {
        self.took = all;
        for (run, took) in self.rules.iter_mut().zip(by_rule) {
            run.took = *took;
        }
    }
}

/// What every rule of a tick needs to know.
struct Context<'a> {
    at_ms: i64,
    samples_at_ms: i64,
    interval: Duration,
    limit: usize,
    settings: &'a Settings,
    restored: &'a Restored,
}

impl RuleRun {
    fn new(rule: &Rule) -> Self {
        Self {
            rule: Arc::new(rule.clone()),
            alerting: Alerting::default(),
            written: BTreeSet::new(),
            health: Health::Unknown,
            last_error: None,
            last_evaluation_ms: None,
            took: Duration::ZERO,
        }
    }

    fn evaluate(&mut self, context: &Context<'_>, ask: &mut dyn Ask) -> Outcome {
        let vector = ask
            .instant(&self.rule.expr, context.samples_at_ms)
            .map_err(|error| error.to_string())?;
        let (mut samples, alerts) = match &self.rule.kind {
            RuleKind::Record { metric } => (
                record(metric, &self.rule, vector, context.limit)?,
                Vec::new(),
            ),
            RuleKind::Alert { .. } => self.alerting.evaluate(&self.rule, vector, context)?,
        };
        let now: BTreeSet<Labels> = samples.iter().map(|(labels, _)| labels.clone()).collect();
        let ended = self.written.difference(&now).cloned();
        samples.extend(ended.map(marker));
        self.written = now;
        Ok((samples, alerts))
    }

    fn failure(&self, nth: usize, error: String) -> Failure {
        Failure {
            nth,
            rule: self.rule.name().to_owned(),
            error,
        }
    }
}

/// The samples of a recording rule.
fn record(
    metric: &str,
    rule: &Rule,
    vector: Vec<(Labels, f64)>,
    limit: usize,
) -> Result<Vec<(Labels, f64)>, String> {
    let mut samples = Vec::with_capacity(vector.len());
    for (labels, value) in vector {
        let own = rule
            .labels
            .iter()
            .map(|(name, value)| (name.as_str(), value.text()));
        let named = std::iter::once((METRIC_NAME, metric));
        samples.push((over(&labels, own.chain(named)), value));
    }
    if has_twice(&samples) {
        let text = "vector contains metrics with the same labelset after applying rule labels";
        return Err(text.to_owned());
    }
    if limit > 0 && samples.len() > limit {
        return Err(format!(
            "exceeded limit of {limit} with {} series",
            samples.len()
        ));
    }
    Ok(samples)
}

/// Labels with others set over them; an empty value takes a label away.
fn over<'a>(labels: &'a Labels, set: impl Iterator<Item = (&'a str, &'a str)>) -> Labels {
    let pairs: Vec<(&str, &str)> = labels.iter().chain(set).collect();
    Labels::from_pairs(pairs)
}

fn has_twice(samples: &[(Labels, f64)]) -> bool {
    let mut seen = BTreeSet::new();
    !samples.iter().all(|(labels, _)| seen.insert(labels))
}

fn marker(labels: Labels) -> (Labels, f64) {
    (labels, f64::from_bits(STALE_NAN_BITS))
}

/// The markers of series that nobody wrote at this tick.
fn without_written(markers: &[(Labels, f64)], samples: &[(Labels, f64)]) -> Vec<(Labels, f64)> {
    if markers.is_empty() {
        return Vec::new();
    }
    let written: BTreeSet<&Labels> = samples.iter().map(|(labels, _)| labels).collect();
    let ended = markers
        .iter()
        .filter(|(labels, _)| !written.contains(labels));
    ended.cloned().collect()
}

/// Each series once: a value is worth more than a marker, the first value more than a later one.
fn each_once(samples: Vec<(Labels, f64)>) -> Vec<(Labels, f64)> {
    let mut seen: std::collections::BTreeMap<Labels, usize> = std::collections::BTreeMap::new();
    let mut kept: Vec<(Labels, f64)> = Vec::with_capacity(samples.len());
    for (labels, value) in samples {
        match seen.get(&labels) {
            Some(at) if is_stale(kept[*at].1) => kept[*at].1 = value,
            Some(_) => {}
            None => {
                seen.insert(labels.clone(), kept.len());
                kept.push((labels, value));
            }
        }
    }
    kept
}

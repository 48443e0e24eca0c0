//! The operator's settings, made ready: routes compiled, addresses looked at, TLS set up.

use crate::config_text;
use crate::outbox::{Lane, Way};
use crate::place::{Place, PlaceError};
use http::{HeaderName, HeaderValue};
use ph_plan::{AlertMatcher, GroupLabel, Notify, Plan};
use ph_promql::{MatchOp, Matcher};
use ph_rules::dispatch::{self, Bounds, GroupBy, Inhibit, Matchers, Route};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// How long a posted alert without an end counts, as in Alertmanager.
const RESOLVE_TIMEOUT_MS: i64 = 5 * 60_000;
/// How long an expired silence is shown, as in Alertmanager.
const SILENCE_RETENTION_MS: i64 = 5 * 24 * 3_600_000;
/// Time for one request to an Alertmanager, as Prometheus has it.
const ALERTMANAGER_TIMEOUT: Duration = Duration::from_secs(10);
/// The receiver's name where there is none: alerts are shown, and nobody is told.
const NOBODY: &str = "none";

/// Whom to tell, and how.
#[derive(Clone, Debug)]
pub struct Settings {
    pub(crate) dispatch: dispatch::Settings,
    pub(crate) hooks: BTreeMap<Lane, Arc<Hook>>,
    /// By the name under which it is counted.
    pub(crate) alertmanagers: BTreeMap<String, Arc<Hook>>,
    pub(crate) heartbeat: Option<Heartbeat>,
    /// Without a slash at its end.
    pub(crate) external_url: String,
    /// As Alertmanager's configuration, without secrets.
    pub(crate) config: String,
}

/// One way out.
#[derive(Clone, Debug)]
pub(crate) struct Hook {
    pub(crate) place: Place,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) timeout: Duration,
    pub(crate) form: Form,
}

/// What is sent there.
#[derive(Clone, Debug)]
pub(crate) enum Form {
    Alertmanager,
    Webhook {
        alerts_max: usize,
    },
    Slack {
        channel: Option<String>,
        username: Option<String>,
    },
}

/// Where a sign of life goes.
#[derive(Clone, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) place: Place,
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
    /// For how long after an evaluation rules count as evaluated.
    pub(crate) fresh_for: Duration,
}

/// Settings that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("notify.{setting}: {source}")]
pub struct SettingsError {
    setting: String,
    source: PlaceError,
}

impl Settings {
    /// What a plan says.
    ///
    /// - `admin_url`: under which people reach us when the plan does not say.
    ///
    /// # Errors
    /// When certificates cannot be read. URLs were looked at when the plan was read.
    pub fn of(plan: &Plan, admin_url: &str) -> Result<Self, SettingsError> {
        let notify = &plan.notify;
        let external_url = notify
            .external_url
            .as_ref()
            .map_or(admin_url, |url| url.as_str());
        let (hooks, alertmanagers) = (hooks(notify)?, alertmanagers(notify)?);
        let dispatch = dispatch_settings(notify);
        Ok(Self {
            config: config_text::text(&dispatch, &hooks),
            dispatch,
            hooks,
            alertmanagers,
            heartbeat: heartbeat(plan)?,
            external_url: external_url.trim_end_matches('/').to_owned(),
        })
    }

    /// Every way out that has an outbox.
    pub(crate) fn lanes(&self) -> BTreeSet<Lane> {
        self.hooks.keys().cloned().collect()
    }

    /// The ways out of one receiver.
    pub(crate) fn lanes_of(&self, receiver: &str) -> Vec<Lane> {
        let lanes = self.hooks.keys();
        lanes
            .filter(|lane| lane.receiver == receiver)
            .cloned()
            .collect()
    }

    /// The names under which is counted.
    pub(crate) fn counted(&self) -> BTreeSet<String> {
        let receivers = self.hooks.keys().map(|lane| lane.receiver.clone());
        receivers
            .chain(self.alertmanagers.keys().cloned())
            .collect()
    }
}

fn hooks(notify: &Notify) -> Result<BTreeMap<Lane, Arc<Hook>>, SettingsError> {
    let mut hooks = BTreeMap::new();
    for (name, receiver) in &notify.receivers {
        let named = |way: &str| {
            let setting = format!("receivers.{}.{way}", name.as_str());
            |source| SettingsError { setting, source }
        };
        let lane = |way| Lane {
            receiver: name.as_str().to_owned(),
            way,
        };
        if let Some(hook) = &receiver.webhook
            && let Some(url) = &hook.url
        {
            let ca_file = hook.ca_file.as_ref().map(|path| path.as_path());
            let headers = hook.headers.iter().filter_map(|(name, secret)| {
                let value = HeaderValue::from_str(secret.expose()).ok()?;
                Some((name.header_name().clone(), value))
            });
            let new = Hook {
                place: Place::new(url.expose().as_str(), "", ca_file).map_err(named("webhook"))?,
                headers: headers.collect(),
                timeout: hook.timeout,
                form: Form::Webhook {
                    alerts_max: usize::try_from(hook.max_alerts).unwrap_or(usize::MAX),
                },
            };
            hooks.insert(lane(Way::Webhook), Arc::new(new));
        }
        if let Some(hook) = &receiver.slack
            && let Some(url) = &hook.url
        {
            let ca_file = hook.ca_file.as_ref().map(|path| path.as_path());
            let text = |text: &Option<ph_plan::Text>| text.as_ref().map(|t| t.as_str().to_owned());
            let new = Hook {
                place: Place::new(url.expose().as_str(), "", ca_file).map_err(named("slack"))?,
                headers: Vec::new(),
                timeout: hook.timeout,
                form: Form::Slack {
                    channel: text(&hook.channel),
                    username: text(&hook.username),
                },
            };
            hooks.insert(lane(Way::Slack), Arc::new(new));
        }
    }
    Ok(hooks)
}

fn alertmanagers(notify: &Notify) -> Result<BTreeMap<String, Arc<Hook>>, SettingsError> {
    let mut all = BTreeMap::new();
    for (at, url) in notify.alertmanagers.iter().enumerate() {
        let named = |source| SettingsError {
            setting: format!("alertmanagers[{at}]"),
            source,
        };
        let place = Place::new(url.as_str(), "/api/v2/alerts", None).map_err(named)?;
        let mut name = format!("alertmanager {}", place.origin());
        if all.contains_key(&name) {
            name = format!("{name} #{at}");
        }
        let new = Hook {
            place,
            headers: Vec::new(),
            timeout: ALERTMANAGER_TIMEOUT,
            form: Form::Alertmanager,
        };
        all.insert(name, Arc::new(new));
    }
    Ok(all)
}

fn heartbeat(plan: &Plan) -> Result<Option<Heartbeat>, SettingsError> {
    let heartbeat = &plan.notify.heartbeat;
    let Some(url) = &heartbeat.url else {
        return Ok(None);
    };
    let place = Place::new(url.expose().as_str(), "", None).map_err(|source| SettingsError {
        setting: "heartbeat".to_owned(),
        source,
    })?;
    Ok(Some(Heartbeat {
        place,
        interval: heartbeat.interval,
        timeout: heartbeat.timeout,
        // One round may be missed before we count as silent.
        fresh_for: heartbeat
            .interval
            .max(plan.rules.interval.saturating_mul(3)),
    }))
}

fn dispatch_settings(notify: &Notify) -> dispatch::Settings {
    let default = notify
        .default_receiver()
        .map_or(NOBODY, |name| name.as_str());
    let mut receivers: BTreeMap<String, bool> = notify
        .receivers
        .iter()
        .map(|(name, receiver)| (name.as_str().to_owned(), receiver.send_resolved))
        .collect();
    if receivers.is_empty() {
        receivers.insert(NOBODY.to_owned(), true);
    }
    let inhibit = notify.inhibit.iter().map(|rule| Inhibit {
        source: matchers(&rule.source_matchers),
        target: matchers(&rule.target_matchers),
        equal: rule
            .equal
            .iter()
            .map(|label| label.as_str().to_owned())
            .collect(),
    });
    dispatch::Settings {
        route: route(notify, default),
        receivers,
        inhibit: inhibit.collect(),
        resolve_timeout_ms: RESOLVE_TIMEOUT_MS,
        silence_retention_ms: SILENCE_RETENTION_MS,
        bounds: Bounds::default(),
    }
}

/// What a lower route does not say is as above.
fn route(notify: &Notify, default: &str) -> Route {
    let root = &notify.route;
    let below = root.routes.iter().map(|sub| Route {
        matchers: matchers(&sub.matchers),
        receiver: sub
            .receiver
            .as_ref()
            .map_or(default, |name| name.as_str())
            .to_owned(),
        group_by: group_by(sub.group_by.as_ref().unwrap_or(&root.group_by)),
        group_wait_ms: ms(sub.group_wait.unwrap_or(root.group_wait)),
        group_interval_ms: ms(sub.group_interval.unwrap_or(root.group_interval)),
        repeat_interval_ms: ms(sub.repeat_interval.unwrap_or(root.repeat_interval)),
        goes_on: sub.goes_on,
        routes: Vec::new(),
    });
    Route {
        matchers: Matchers::default(),
        receiver: default.to_owned(),
        group_by: group_by(&root.group_by),
        group_wait_ms: ms(root.group_wait),
        group_interval_ms: ms(root.group_interval),
        repeat_interval_ms: ms(root.repeat_interval),
        goes_on: false,
        routes: below.collect(),
    }
}

fn group_by(labels: &[GroupLabel]) -> GroupBy {
    if labels.iter().any(|label| label.as_str() == "...") {
        return GroupBy::All;
    }
    GroupBy::Names(
        labels
            .iter()
            .map(|label| label.as_str().to_owned())
            .collect(),
    )
}

/// They were compiled when the plan was read. Should one not compile here, nothing matches.
fn matchers(all: &[AlertMatcher]) -> Matchers {
    let one = |matcher: &AlertMatcher| {
        let op = match matcher.op {
            ph_plan::MatchOp::Equal => MatchOp::Eq,
            ph_plan::MatchOp::NotEqual => MatchOp::Ne,
            ph_plan::MatchOp::Matches => MatchOp::Re,
            ph_plan::MatchOp::NotMatches => MatchOp::Nre,
        };
        Matcher::new(matcher.label.as_str(), op, matcher.value.as_str())
    };
    let read = all.iter().map(one).collect::<Result<Vec<_>, _>>().ok();
    let read = read.and_then(|all| Matchers::new(all).ok());
    read.unwrap_or_else(nothing)
}

/// Matchers that no alert satisfies.
fn nothing() -> Matchers {
    Matchers::parse(["alertname=\"\"", "alertname!=\"\""]).unwrap_or_default()
}

fn ms(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 4)
}

//! Who is told of alerts: receivers, and the way from an alert to one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use ph_base::diagnostic::{Problem, nearest};

use crate::checked::{FilePath, GroupLabel, HeaderKey};
use crate::mapping::{MapItem, name};
use crate::matcher::AlertMatcher;
use crate::node::{Entry, Node};
use crate::plan::{Plan, hours, minutes, ms, secs};
use crate::reader::Reader;
use crate::section::section;
use crate::text::{Endpoint, Secret, SecretUrl, Text};

section! {
    /// Who is told of alerts.
    pub struct Notify {
        /// Address under which people reach the admin listener; it stands in what is sent and in
        /// the links to runbooks. Without it the address of the listener.
        external_url: Option<Endpoint> = None;
        /// Alertmanagers that get every alert, as from a Prometheus; they group and route it.
        alertmanagers: Vec<Endpoint> = Vec::new();
        /// Who is told by Pilothouse itself, by name.
        receivers: BTreeMap<ReceiverName, Receiver> = BTreeMap::new();
        /// Which receiver gets what, and when. Not needed for a single receiver.
        route: Route = Route::default();
        /// Alerts that are not sent while others fire.
        inhibit: Vec<Inhibit> = Vec::new();
        /// An address that is asked for again and again, while rules are really evaluated: whoever
        /// waits there notices when Pilothouse is gone.
        heartbeat: Heartbeat = Heartbeat::default();
    }
}

section! {
    /// Who is told: `webhook`, `slack`, or both.
    pub struct Receiver {
        /// A program that takes the JSON of Alertmanager's webhooks.
        webhook: Option<Webhook> = None;
        /// Slack, or what takes the same JSON.
        slack: Option<SlackHook> = None;
        /// Whether the end of an alert is told, too.
        send_resolved: bool = true;
    }
}

impl MapItem for Receiver {}

section! {
    /// A program that takes the JSON of Alertmanager's webhooks.
    pub struct Webhook {
        /// Its address; needed. May be `${NAME}` or `file:PATH`.
        url: Option<SecretUrl> = None;
        /// Headers of every request. Values may be `${NAME}` or `file:PATH`.
        headers: BTreeMap<HeaderKey, Secret> = BTreeMap::new();
        /// PEM file of the certificate authorities trusted instead of the system's.
        ca_file: Option<FilePath> = None;
        /// Alerts of one message; further ones are only counted in it. 0: all.
        max_alerts: u32 = 0, in 0..=1_000_000;
        /// Time for one request.
        timeout: Duration = secs(10), in ms(10)..=minutes(5);
    }
}

section! {
    /// Slack, or what takes the same JSON.
    pub struct SlackHook {
        /// Address of the incoming webhook; needed. May be `${NAME}` or `file:PATH`.
        url: Option<SecretUrl> = None;
        /// Channel, where the webhook lets one choose.
        channel: Option<Text> = None;
        /// Name of the sender, where the webhook lets one choose.
        username: Option<Text> = None;
        /// PEM file of the certificate authorities trusted instead of the system's.
        ca_file: Option<FilePath> = None;
        /// Time for one request.
        timeout: Duration = secs(10), in ms(10)..=minutes(5);
    }
}

section! {
    /// Which receiver gets what, and when.
    pub struct Route {
        /// The receiver of what no route below takes. A single receiver need not be named.
        receiver: Option<ReceiverName> = None;
        /// Alerts that agree in these labels are sent together; `...` for all labels.
        group_by: Vec<GroupLabel> = group_by();
        /// Time that the first alert of a group waits for others.
        group_wait: Duration = secs(30), in Duration::ZERO..=hours(1);
        /// Time between two messages about a group in which something changed.
        group_interval: Duration = minutes(5), in ms(100)..=hours(24);
        /// Time after which a group in which nothing changed is sent once more.
        repeat_interval: Duration = hours(4), in secs(1)..=hours(24 * 30);
        /// Routes of some alerts. The first that matches takes an alert.
        routes: Vec<SubRoute> = Vec::new();
    }
}

section! {
    /// The route of some alerts. What is not set is as above.
    pub struct SubRoute {
        /// What an alert has to be; all of them; at least one.
        matchers: Vec<AlertMatcher> = Vec::new();
        /// The receiver.
        receiver: Option<ReceiverName> = None;
        /// Whether the routes after this one may take the alert, too.
        goes_on as "continue": bool = false;
        /// Alerts that agree in these labels are sent together; `...` for all labels.
        group_by: Option<Vec<GroupLabel>> = None;
        /// Time that the first alert of a group waits for others.
        group_wait: Option<Duration> = None, in Duration::ZERO..=hours(1);
        /// Time between two messages about a group in which something changed.
        group_interval: Option<Duration> = None, in ms(100)..=hours(24);
        /// Time after which a group in which nothing changed is sent once more.
        repeat_interval: Option<Duration> = None, in secs(1)..=hours(24 * 30);
    }
}

section! {
    /// Alerts that are not sent while others fire.
    pub struct Inhibit {
        /// What has to fire; at least one matcher.
        source_matchers: Vec<AlertMatcher> = Vec::new();
        /// What is not sent meanwhile; at least one matcher.
        target_matchers: Vec<AlertMatcher> = Vec::new();
        /// Labels in which both have to agree.
        equal: Vec<GroupLabel> = Vec::new();
    }
}

section! {
    /// An address that is asked for again and again, while rules are really evaluated.
    pub struct Heartbeat {
        /// The address; without it there is no heartbeat. May be `${NAME}` or `file:PATH`.
        url: Option<SecretUrl> = None;
        /// Time between two requests.
        interval: Duration = minutes(1), in ms(100)..=hours(24);
        /// Time for one request.
        timeout: Duration = secs(10), in ms(10)..=minutes(5);
    }
}

name!(
    /// The name of a receiver.
    ReceiverName,
    "a mapping of receivers by name",
    "a receiver name: 1 to 64 letters, digits, `.`, `_` or `-`",
    r"[A-Za-z0-9._-]{1,64}",
    '.' | '_' | '-'
);

crate::mapping::key_as_value!(ReceiverName);

impl Notify {
    /// The receiver of what no route below takes: the one that is named, or the only one.
    #[must_use]
    pub fn default_receiver(&self) -> Option<&ReceiverName> {
        let mut names = self.receivers.keys();
        let only = names.next().filter(|_| names.next().is_none());
        self.route.receiver.as_ref().or(only)
    }
}

fn group_by() -> Vec<GroupLabel> {
    ["alertname", "server"]
        .into_iter()
        .filter_map(GroupLabel::parse)
        .collect()
}

/// Receivers, and routes of the second level, that are kept.
const COUNT_MAX: usize = 100;

/// What no single field can judge.
pub(crate) fn check(plan: &Plan, root: &Node, reader: &mut Reader<'_>) {
    let Some(block) = root.entry("notify").filter(|_| !reader.has_error()) else {
        return;
    };
    reader.within(block, |reader| {
        check_receivers(&plan.notify, block, reader);
        check_route(&plan.notify, block, reader);
        check_inhibit(&plan.notify, block, reader);
    });
}

fn check_receivers(notify: &Notify, block: &Entry, reader: &mut Reader<'_>) {
    let Some(receivers) = block.value.entry("receivers") else {
        return;
    };
    reader.within(receivers, |reader| {
        if notify.receivers.len() > COUNT_MAX {
            let (what, max) = ("receivers", COUNT_MAX);
            reader.report(&receivers.key_at, Problem::TooLarge { what, max });
        }
        for (name, receiver) in &notify.receivers {
            let Some(entry) = receivers.value.entry(name.as_str()) else {
                continue;
            };
            reader.within(entry, |reader| check_receiver(receiver, entry, reader));
        }
    });
}

fn check_receiver(receiver: &Receiver, entry: &Entry, reader: &mut Reader<'_>) {
    if receiver.webhook.is_none() && receiver.slack.is_none() {
        let fields = &["webhook", "slack"];
        reader.report(&entry.key_at, Problem::MissingField { fields });
    }
    let ways = [
        (
            "webhook",
            receiver.webhook.as_ref().map(|hook| hook.url.is_some()),
        ),
        (
            "slack",
            receiver.slack.as_ref().map(|hook| hook.url.is_some()),
        ),
    ];
    for (way, has_url) in ways {
        let missing = entry.value.entry(way).filter(|_| has_url == Some(false));
        if let Some(way) = missing {
            reader.within(way, |reader| {
                let fields = &["url"];
                reader.report(&way.key_at, Problem::MissingField { fields });
            });
        }
    }
}

fn check_route(notify: &Notify, block: &Entry, reader: &mut Reader<'_>) {
    let written = block.value.entry("route");
    if !notify.receivers.is_empty() && notify.default_receiver().is_none() {
        let at = written.map_or(&block.key_at, |route| &route.key_at);
        let hint = "name the receiver of what no other route takes: `route: {receiver: NAME}`";
        let fields = &["route.receiver"];
        reader.report_with(at, Problem::MissingField { fields }, Some(hint.to_owned()));
    }
    let Some(route) = written else { return };
    reader.within(route, |reader| {
        check_name(notify, &route.value, notify.route.receiver.as_ref(), reader);
        let Some(routes) = route.value.entry("routes") else {
            return;
        };
        reader.within(routes, |reader| {
            check_sub_routes(notify, routes, reader);
        });
    });
}

fn check_sub_routes(notify: &Notify, routes: &Entry, reader: &mut Reader<'_>) {
    if notify.route.routes.len() > COUNT_MAX {
        let (what, max) = ("routes", COUNT_MAX);
        reader.report(&routes.key_at, Problem::TooLarge { what, max });
    }
    for (nth, (sub, node)) in notify
        .route
        .routes
        .iter()
        .zip(routes.value.items())
        .enumerate()
    {
        reader.within_item(nth, |reader| {
            check_name(notify, node, sub.receiver.as_ref(), reader);
            need_matchers(sub.matchers.is_empty(), &["matchers"], node, reader);
        });
    }
}

fn check_inhibit(notify: &Notify, block: &Entry, reader: &mut Reader<'_>) {
    let Some(inhibit) = block.value.entry("inhibit") else {
        return;
    };
    reader.within(inhibit, |reader| {
        for (nth, (rule, node)) in notify.inhibit.iter().zip(inhibit.value.items()).enumerate() {
            reader.within_item(nth, |reader| {
                let (source, target) = (&rule.source_matchers, &rule.target_matchers);
                need_matchers(source.is_empty(), &["source_matchers"], node, reader);
                need_matchers(target.is_empty(), &["target_matchers"], node, reader);
            });
        }
    });
}

fn need_matchers(
    missing: bool,
    fields: &'static [&'static str],
    node: &Node,
    reader: &mut Reader<'_>,
) {
    if missing {
        reader.report(&node.at, Problem::MissingField { fields });
    }
}

/// A receiver that is named has to be there.
fn check_name(notify: &Notify, route: &Node, name: Option<&ReceiverName>, reader: &mut Reader<'_>) {
    let (Some(entry), Some(name)) = (route.entry("receiver"), name) else {
        return;
    };
    if notify.receivers.contains_key(name) {
        return;
    }
    let known: Vec<&str> = notify.receivers.keys().map(ReceiverName::as_str).collect();
    let hint = nearest(name.as_str(), &known).map(|near| format!("did you mean `{near}`?"));
    let (got, expected) = (
        name.as_str().to_owned(),
        "the name of a receiver in `notify.receivers`".to_owned(),
    );
    reader.within(entry, |reader| {
        reader.report_with(&entry.value.at, Problem::BadValue { got, expected }, hint);
    });
}

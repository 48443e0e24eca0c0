//! `alertmanager.yml`: the receivers, routes and inhibitions of the plan for a real Alertmanager.

use std::time::Duration;

use ph_plan::{
    AlertMatcher, FilePath, GroupLabel, Inhibit, Plan, Receiver, ReceiverName, SubRoute, Webhook,
    show_duration,
};

use crate::file::File;
use crate::headers::Headers;
use crate::yaml::{Map, Yaml};

/// `alertmanager.yml`. Addresses of receivers and their credentials are secrets and not in it: it names
/// files below `secrets/`, or has a placeholder where Alertmanager takes no file, and says so.
#[must_use]
pub fn alertmanager(plan: &Plan) -> File {
    let notify = &plan.notify;
    let nobody = || NOBODY.to_owned();
    let default = notify
        .default_receiver()
        .map_or_else(nobody, |name| name.as_str().to_owned());
    let mut route = Map::new()
        .with("receiver", default.as_str())
        .with("group_by", labels(&notify.route.group_by))
        .with("group_wait", time(notify.route.group_wait))
        .with("group_interval", time(notify.route.group_interval))
        .with("repeat_interval", time(notify.route.repeat_interval));
    if !notify.route.routes.is_empty() {
        route.put(
            "routes",
            notify.route.routes.iter().map(sub_route).collect::<Yaml>(),
        );
    }
    let mut root = Map::new().with("route", route);
    if !notify.inhibit.is_empty() {
        root.put(
            "inhibit_rules",
            notify.inhibit.iter().map(inhibit).collect::<Yaml>(),
        );
    }
    let mut receivers: Vec<Yaml> = notify
        .receivers
        .iter()
        .map(|(name, of)| receiver(name, of).into())
        .collect();
    if default == NOBODY {
        receivers.push(Map::new().with("name", NOBODY).into());
    }
    root.put("receivers", receivers);
    File::new("alertmanager.yml", root.document(HEAD))
}

/// Takes what no receiver of the plan takes. No receiver can be called so.
const NOBODY: &str = "(nobody)";

const HEAD: &str = "\
Alertmanager with the routes and receivers of Pilothouse, written by `pilothouse generate alertmanager`
from its configuration (`notify`). Secrets are not in it: the files below `secrets/`, and what is marked
REPLACE-ME, are for you to fill in.";

fn sub_route(route: &SubRoute) -> Yaml {
    let mut map = Map::new().with("matchers", matchers(&route.matchers));
    if let Some(receiver) = &route.receiver {
        map.put("receiver", receiver.as_str());
    }
    if route.goes_on {
        map.put("continue", true);
    }
    if let Some(group_by) = &route.group_by {
        map.put("group_by", labels(group_by));
    }
    let times = [
        ("group_wait", route.group_wait),
        ("group_interval", route.group_interval),
        ("repeat_interval", route.repeat_interval),
    ];
    for (name, value) in times {
        if let Some(value) = value {
            map.put(name, time(value));
        }
    }
    map.into()
}

fn inhibit(inhibit: &Inhibit) -> Yaml {
    Map::new()
        .with("source_matchers", matchers(&inhibit.source_matchers))
        .with("target_matchers", matchers(&inhibit.target_matchers))
        .with("equal", labels(&inhibit.equal))
        .into()
}

fn receiver(name: &ReceiverName, receiver: &Receiver) -> Map {
    let name = name.as_str();
    let mut map = Map::new().with("name", name);
    if let Some(hook) = &receiver.webhook {
        map.put(
            "webhook_configs",
            vec![webhook(name, hook, receiver.send_resolved).into()],
        );
    }
    if let Some(slack) = &receiver.slack {
        let mut one = Map::new();
        one.put_commented(
            vec![format!(
                "The address of `notify.receivers.{name}.slack.url` belongs into this file."
            )],
            "api_url_file",
            format!("secrets/{name}.slack-url"),
        );
        if let Some(channel) = &slack.channel {
            one.put("channel", channel.as_str());
        }
        if let Some(username) = &slack.username {
            one.put("username", username.as_str());
        }
        if let Some(ca_file) = &slack.ca_file {
            one.put("http_config", Map::new().with("tls_config", ca(ca_file)));
        }
        one.put("send_resolved", receiver.send_resolved);
        map.put("slack_configs", vec![one.into()]);
    }
    map
}

/// Alertmanager 0.25 takes the address of a webhook from no file; `url_file` came with 0.26.
fn webhook(name: &str, hook: &Webhook, send_resolved: bool) -> Map {
    let place = format!("notify.receivers.{name}.webhook");
    let headers = Headers::new(
        &hook.headers,
        &format!("{place}.headers"),
        name,
        "Alertmanager before 0.28 sends no such headers.",
    );
    let mut about = vec![
        format!(
            "REPLACE-ME by the address of `{place}.url`; since Alertmanager 0.26 it can be in a file:"
        ),
        format!("url_file: 'secrets/{name}.webhook-url'"),
    ];
    about.extend(headers.left_out);
    let mut one = Map::new();
    one.put_commented(about, "url", "http://replace-me.invalid/");
    one.put("send_resolved", send_resolved);
    if hook.max_alerts > 0 {
        one.put("max_alerts", hook.max_alerts);
    }
    let mut http = Map::new();
    if let Some(authorization) = headers.authorization {
        authorization.put_into(&mut http);
    }
    if let Some(ca_file) = &hook.ca_file {
        http.put("tls_config", ca(ca_file));
    }
    if !http.is_empty() {
        one.put("http_config", http);
    }
    one
}

fn ca(file: &FilePath) -> Map {
    Map::new().with("ca_file", file.to_string())
}

fn matchers(matchers: &[AlertMatcher]) -> Yaml {
    matchers
        .iter()
        .map(|matcher| Yaml::from(matcher.to_string()))
        .collect()
}

fn labels(labels: &[GroupLabel]) -> Yaml {
    labels
        .iter()
        .map(|label| Yaml::from(label.as_str()))
        .collect()
}

fn time(time: Duration) -> Yaml {
    Yaml::word(show_duration(time))
}

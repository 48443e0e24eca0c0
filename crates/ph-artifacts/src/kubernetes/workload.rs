//! The Deployment, and how many of its pods may be away at once.

use std::time::Duration;

use ph_plan::{Plan, Upstream};

use crate::kubernetes::container::{self, PRE_STOP_S};
use crate::kubernetes::object::{Object, labels, number, selector};
use crate::kubernetes::{Autoscaler, Configuration, Kubernetes, config};
use crate::yaml::{Map, Yaml};

const ABOUT: &str = "\
Requests and limits are a beginning, not a measurement. A pod that uses more memory than its request is among the first
to go when a node runs out of it: a service that was measured to peak at 300Mi is below that line with 256Mi. Measure,
and set the request above the peak.";

pub(crate) fn deployment(of: &Configuration<'_>, to: &Kubernetes) -> Object {
    let mut spec = Map::new();
    match to.autoscaler {
        Autoscaler::None => spec.put("replicas", number("replicas", "Pods.", 2)),
        // Who applies a file that says it takes back what the autoscaler has decided.
        Autoscaler::Hpa | Autoscaler::Keda => {}
    }
    spec.put("revisionHistoryLimit", 5);
    let rolling = Map::new().with("maxSurge", 1).with("maxUnavailable", 0);
    spec.put(
        "strategy",
        Map::new()
            .with("type", "RollingUpdate")
            .with("rollingUpdate", rolling),
    );
    spec.put("selector", Map::new().with("matchLabels", selector(to)));
    spec.put("template", template(of, to));
    Object::new("apps/v1", "Deployment", to, ABOUT).with("spec", spec)
}

fn template(of: &Configuration<'_>, to: &Kubernetes) -> Map {
    let mut annotations = Map::new();
    annotations.put_commented(
        vec!["Another configuration is another pod.".into()],
        "checksum/config",
        config::checksum(of),
    );
    if !to.has_operator {
        let port = of.plan.listen.port().to_string();
        annotations.put("prometheus.io/scrape", "true");
        annotations.put("prometheus.io/port", port);
    }
    let metadata = Map::new()
        .with("annotations", annotations)
        .with("labels", labels(to));
    Map::new()
        .with("metadata", metadata)
        .with("spec", pod(of, to))
}

fn pod(of: &Configuration<'_>, to: &Kubernetes) -> Map {
    let mut spec = Map::new()
        .with("automountServiceAccountToken", false)
        .with("enableServiceLinks", false);
    spec.put_commented(
        vec![format!(
            "{PRE_STOP_S} s of preStop, `stop.lame_duck`, `stop.drain`, the end of children, `stop.flush`, and 5 s."
        )],
        "terminationGracePeriodSeconds",
        Yaml::word(grace_s(of.plan).to_string()),
    );
    let seccomp = Map::new().with("type", "RuntimeDefault");
    let security = Map::new()
        .with("runAsNonRoot", true)
        .with("runAsUser", container::USER)
        .with("runAsGroup", container::USER)
        .with("fsGroup", container::USER)
        .with("fsGroupChangePolicy", "OnRootMismatch")
        .with("seccompProfile", seccomp);
    spec.put("securityContext", security);
    let spread = ["kubernetes.io/hostname", "topology.kubernetes.io/zone"];
    let spread = spread.map(|key| {
        Map::new()
            .with("maxSkew", 1)
            .with("topologyKey", key)
            .with("whenUnsatisfiable", "ScheduleAnyway")
            .with(
                "labelSelector",
                Map::new().with("matchLabels", selector(to)),
            )
            .into()
    });
    spec.put("topologySpreadConstraints", spread.to_vec());
    if let Some(server) = container::server(of.plan, to) {
        spec.put_commented(
            vec![
                "A container that starts before Pilothouse and is stopped after it: calls that are still there have".into(),
                "their server until they are over.".into(),
            ],
            "initContainers",
            vec![server.into()],
        );
    }
    spec.put("containers", vec![container::pilothouse(of, to).into()]);
    spec.put("volumes", container::volumes(of, to));
    spec
}

/// Longest time that a pod takes to stop, in seconds. Kubernetes counts the preStop hook in.
fn grace_s(plan: &Plan) -> u64 {
    let of_children = plan.servers.values().map(|server| match &server.upstream {
        Upstream::Stdio(stdio) => stdio.stop.stdin_grace + stdio.stop.term_grace,
        Upstream::Http(_) => Duration::ZERO,
    });
    let stop = &plan.stop;
    let all =
        stop.lame_duck + stop.drain + of_children.max().unwrap_or(Duration::ZERO) + stop.flush;
    u64::from(PRE_STOP_S) + all.as_secs() + u64::from(all.subsec_nanos() > 0) + 5
}

pub(crate) fn disruption_budget(to: &Kubernetes) -> Object {
    let spec = Map::new()
        .with("maxUnavailable", 1)
        .with("selector", Map::new().with("matchLabels", selector(to)));
    Object::new(
        "policy/v1",
        "PodDisruptionBudget",
        to,
        "Nodes that are emptied take one pod at a time.",
    )
    .with("spec", spec)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ph_plan::NoSecrets;

    #[test]
    fn the_time_to_stop_is_the_sum_of_its_parts() {
        let plan = |text: &str| Plan::from_yaml(text, &NoSecrets).expect("a plan").0;
        let of = "servers: {a: {url: 'https://a.example/mcp'}}\n";
        assert_eq!(grace_s(&plan(of)), 5 + 30 + 5 + 5);
        let of = "\
servers:
  a: {command: a, stop: {stdin_grace: 2s, term_grace: 3s}}
  b: {command: b, stop: {stdin_grace: 7s, term_grace: 500ms}}
stop: {lame_duck: 10s, drain: 60s, flush: 1s}
";
        assert_eq!(grace_s(&plan(of)), 5 + 10 + 60 + 8 + 1 + 5);
    }
}

//! The Service, and who may speak with whom.

use std::collections::BTreeSet;

use ph_plan::{Endpoint, Plan, Upstream};

use crate::kubernetes::object::{Object, selector, text};
use crate::kubernetes::{Kubernetes, Topology};
use crate::yaml::{Map, Yaml};

const OF_SERVICE: &str = "\
`ClientIP` keeps the sessions of revisions up to 2025-11-25 at the pod that opened them: a session is of one pod. It goes
by the address that the pod sees, so clients behind one proxy share one pod; and where a pod goes its sessions go (404),
and clients begin anew. Revision 2026-07-28 has no sessions and does not need it.";

/// A day: the longest that Kubernetes keeps a client at a pod.
const AFFINITY_MAX_S: u64 = 86_400;

pub(crate) fn service(plan: &Plan, to: &Kubernetes) -> Object {
    let port = Map::new()
        .with("name", "http")
        .with("port", u32::from(plan.listen.port()))
        .with("targetPort", "http")
        .with("protocol", "TCP");
    let idle_s = plan.sessions.idle.as_secs().clamp(1, AFFINITY_MAX_S);
    let mut client = Map::new();
    client.put_commented(
        vec!["As long as an idle session lives (`sessions.idle`).".into()],
        "timeoutSeconds",
        Yaml::word(idle_s.to_string()),
    );
    let spec = Map::new()
        .with("type", "ClusterIP")
        .with("selector", selector(to))
        .with("sessionAffinity", "ClientIP")
        .with("sessionAffinityConfig", Map::new().with("clientIP", client))
        .with("ports", vec![port.into()]);
    Object::new("v1", "Service", to, OF_SERVICE).with("spec", spec)
}

const OF_POLICY: &str = "\
Who may speak with Pilothouse: the pods of its namespace, and the namespace of Prometheus. With whom it may speak: the
ports that its configuration names, and DNS. An Ingress in another namespace needs an entry of its own.";

pub(crate) fn policy(plan: &Plan, to: &Kubernetes) -> Object {
    let port = |port: u16, protocol: &str| -> Yaml {
        Map::new()
            .with("protocol", protocol)
            .with("port", u32::from(port))
            .into()
    };
    let namespace = text(
        "prometheus.namespace",
        "Namespace of Prometheus, which may ask for /metrics.",
        "monitoring",
    );
    let named = Map::new().with("kubernetes.io/metadata.name", namespace);
    let monitoring = Map::new().with("namespaceSelector", Map::new().with("matchLabels", named));
    let beside = Map::new().with("podSelector", Map::new());
    let ingress = Map::new()
        .with("from", vec![beside.into(), monitoring.into()])
        .with("ports", vec![port(plan.listen.port(), "TCP")]);
    let cluster = Map::new().with("namespaceSelector", Map::new());
    let dns = Map::new()
        .with("to", vec![cluster.into()])
        .with("ports", vec![port(53, "UDP"), port(53, "TCP")]);
    let mut egress = vec![dns.into()];
    let ports = ports(plan, to);
    if !ports.is_empty() {
        let ports: Yaml = ports.iter().map(|number| port(*number, "TCP")).collect();
        egress.push(Map::new().with("ports", ports).into());
    }
    let spec = Map::new()
        .with("podSelector", Map::new().with("matchLabels", selector(to)))
        .with(
            "policyTypes",
            vec![Yaml::from("Ingress"), Yaml::from("Egress")],
        )
        .with("ingress", vec![ingress.into()])
        .with("egress", egress);
    Object::new("networking.k8s.io/v1", "NetworkPolicy", to, OF_POLICY).with("spec", spec)
}

/// Where Pilothouse goes. A child goes where it likes, which nobody can know: it gets HTTPS.
fn ports(plan: &Plan, to: &Kubernetes) -> BTreeSet<u16> {
    let mut ports = BTreeSet::new();
    let mut add = |endpoint: &Endpoint| {
        ports.insert(endpoint.port());
    };
    for server in plan.servers.values() {
        if let Upstream::Http(http) = &server.upstream {
            let is_own = matches!(to.topology, Topology::Sidecar { .. });
            let all = std::iter::once(&http.url).chain(&http.others);
            all.filter(|_| !is_own).for_each(&mut add);
        }
    }
    plan.otlp.endpoint.iter().for_each(&mut add);
    plan.metrics.query.iter().for_each(&mut add);
    plan.notify.alertmanagers.iter().for_each(&mut add);
    for scrape in plan.scrape.values() {
        scrape.urls.iter().for_each(&mut add);
    }
    for sink in plan.sinks.values() {
        let elasticsearch = sink.elasticsearch.as_ref().and_then(|to| to.url.as_ref());
        let otlp = sink.otlp.as_ref().and_then(|to| to.endpoint.as_ref());
        elasticsearch.into_iter().chain(otlp).for_each(&mut add);
    }
    if let Some(url) = plan.redis.as_ref().and_then(|redis| redis.url.as_ref()) {
        ports.insert(url.port());
    }
    let is_child = |upstream: &Upstream| matches!(upstream, Upstream::Stdio(_));
    let goes_out = plan
        .servers
        .values()
        .any(|server| is_child(&server.upstream))
        || !plan.notify.receivers.is_empty()
        || plan
            .auth
            .checks()
            .is_some_and(|checks| !checks.issuers.is_empty());
    if goes_out {
        ports.insert(443);
    }
    ports
}

//! The containers of a pod: what they run, what they may, and what they are given.

use std::collections::BTreeSet;

use ph_plan::{Plan, Upstream};

use crate::kubernetes::fit::mounted_secrets;
use crate::kubernetes::object::text;
use crate::kubernetes::{Configuration, Kubernetes, Topology, config};
use crate::yaml::{Map, Yaml};

/// The user and group of everything that runs: `nonroot` of the usual minimal images.
pub(crate) const USER: u32 = 65_532;

/// Time that a pod which is to go still takes calls, in seconds: until nobody sends it any.
pub(crate) const PRE_STOP_S: u32 = 5;

/// Where the state goes when the configuration does not say it: `/var/lib/pilothouse`.
const STATE: &str = "/var/lib";

pub(crate) const SECRETS: &str = "/run/secrets";

pub(crate) fn pilothouse(of: &Configuration<'_>, to: &Kubernetes) -> Map {
    let plan = of.plan;
    let port = Map::new()
        .with("name", "http")
        .with("containerPort", u32::from(plan.listen.port()))
        .with("protocol", "TCP");
    let args = ["run", "--config", config::PATH].map(Yaml::from);
    let sleep = Map::new().with("sleep", Map::new().with("seconds", PRE_STOP_S));
    let mut map = Map::new()
        .with("name", "pilothouse")
        .with(
            "image",
            text("image", "The image of Pilothouse, by digest.", &to.image),
        )
        .with("args", args.to_vec());
    map.put("env", env(of, to));
    map.put("ports", vec![port.into()]);
    map.put("resources", resources(&OF_PILOTHOUSE));
    map.put("startupProbe", probe(plan, "/livez", 2, 30));
    map.put_commented(
        vec!["Says no while all servers are down, and from the begin of stopping on.".into()],
        "readinessProbe",
        probe(plan, "/readyz", 5, 2),
    );
    map.put_commented(
        vec![
            "A server that is down is no reason to restart Pilothouse: `/livez` does not ask."
                .into(),
        ],
        "livenessProbe",
        probe(plan, "/livez", 10, 3),
    );
    map.put_commented(
        vec!["Calls go on arriving until all nodes know that this pod is going.".into()],
        "lifecycle",
        Map::new().with("preStop", sleep),
    );
    map.put("securityContext", confined());
    let mounts = mounts(of).into_iter().map(|(name, path, may_write)| {
        let mount = Map::new().with("name", name).with("mountPath", path);
        Yaml::from(if may_write {
            mount
        } else {
            mount.with("readOnly", true)
        })
    });
    map.with("volumeMounts", mounts.collect::<Yaml>())
}

/// The server in the pod, before which Pilothouse stands.
pub(crate) fn server(plan: &Plan, to: &Kubernetes) -> Option<Map> {
    let Topology::Sidecar { image } = &to.topology else {
        return None;
    };
    let port = plan
        .servers
        .values()
        .find_map(|server| match &server.upstream {
            Upstream::Http(http) => Some(http.url.port()),
            Upstream::Stdio(_) => None,
        })?;
    let probe = Map::new()
        .with("tcpSocket", Map::new().with("port", "mcp"))
        .with("periodSeconds", 2)
        .with("failureThreshold", 60);
    let port = Map::new()
        .with("name", "mcp")
        .with("containerPort", u32::from(port))
        .with("protocol", "TCP");
    let tmp = Map::new()
        .with("name", "server-tmp")
        .with("mountPath", "/tmp");
    Some(
        Map::new()
            .with("name", "server")
            .with(
                "image",
                text("server.image", "The image of the server, by digest.", image),
            )
            .with("restartPolicy", "Always")
            .with("ports", vec![port.into()])
            .with("resources", resources(&OF_SERVER))
            .with("startupProbe", probe)
            .with("securityContext", confined())
            .with("volumeMounts", vec![tmp.into()]),
    )
}

pub(crate) fn volumes(of: &Configuration<'_>, to: &Kubernetes) -> Yaml {
    let mut volumes = vec![
        Map::new()
            .with("name", "config")
            .with("configMap", config::volume(of, to)),
    ];
    let mut state = Map::new().with("name", "state");
    state.put_commented(
        vec!["Of this pod, and gone with it: what is to stay goes on by `sinks`.".into()],
        "emptyDir",
        Map::new(),
    );
    volumes.push(state);
    volumes.push(Map::new().with("name", "tmp").with("emptyDir", Map::new()));
    if matches!(to.topology, Topology::Sidecar { .. }) {
        volumes.push(
            Map::new()
                .with("name", "server-tmp")
                .with("emptyDir", Map::new()),
        );
    }
    for name in secrets(of) {
        let secret = Map::new()
            .with("secretName", name.as_str())
            .with("defaultMode", 0o440);
        volumes.push(
            Map::new()
                .with("name", format!("secret-{name}"))
                .with("secret", secret),
        );
    }
    volumes.into_iter().map(Yaml::from).collect()
}

/// Name of a volume, its place, and whether it may be written to.
fn mounts(of: &Configuration<'_>) -> Vec<(String, String, bool)> {
    let state = of.plan.data_dir.as_ref().map_or_else(
        || format!("{STATE}/pilothouse"),
        |path| path.as_path().display().to_string(),
    );
    let mut mounts = vec![
        ("config".to_owned(), config::FOLDER.to_owned(), false),
        ("state".to_owned(), state, true),
        ("tmp".to_owned(), "/tmp".to_owned(), true),
    ];
    for name in secrets(of) {
        mounts.push((format!("secret-{name}"), format!("{SECRETS}/{name}"), false));
    }
    mounts
}

fn secrets(of: &Configuration<'_>) -> BTreeSet<String> {
    mounted_secrets(of.text)
}

fn env(of: &Configuration<'_>, to: &Kubernetes) -> Yaml {
    let fixed = [("XDG_STATE_HOME", STATE), ("HOME", "/tmp")];
    let mut env: Vec<Yaml> = fixed
        .map(|(name, value)| Map::new().with("name", name).with("value", value).into())
        .to_vec();
    let needed = of.references.needed.iter().map(|name| (name, false));
    let optional = of.references.optional.iter().map(|name| (name, true));
    for (name, is_optional) in needed.chain(optional) {
        if fixed.iter().any(|(fixed, _)| fixed == name) {
            continue;
        }
        let mut reference = Map::new()
            .with("name", config::secret_name(to))
            .with("key", name.as_str());
        if is_optional {
            reference.put("optional", true);
        }
        let from = Map::new().with("secretKeyRef", reference);
        env.push(
            Map::new()
                .with("name", name.as_str())
                .with("valueFrom", from)
                .into(),
        );
    }
    env.into()
}

fn probe(plan: &Plan, path: &str, period_s: u32, failures: u32) -> Map {
    let scheme = if plan.tls.is_some() { "HTTPS" } else { "HTTP" };
    let get = Map::new()
        .with("path", path)
        .with("port", "http")
        .with("scheme", scheme);
    Map::new()
        .with("httpGet", get)
        .with("periodSeconds", period_s)
        .with("timeoutSeconds", 2)
        .with("failureThreshold", failures)
}

fn confined() -> Map {
    Map::new()
        .with("allowPrivilegeEscalation", false)
        .with("readOnlyRootFilesystem", true)
        .with("capabilities", Map::new().with("drop", vec!["ALL".into()]))
}

/// Names of the settings: requests of CPU and memory, limits of both.
type Names = [&'static str; 4];

const OF_PILOTHOUSE: Names = [
    "resources.requests.cpu",
    "resources.requests.memory",
    "resources.limits.cpu",
    "resources.limits.memory",
];

const OF_SERVER: Names = [
    "server.resources.requests.cpu",
    "server.resources.requests.memory",
    "server.resources.limits.cpu",
    "server.resources.limits.memory",
];

/// Every container says them: an autoscaler by CPU is mute where one does not.
fn resources([cpu, memory, cpu_max, memory_max]: &Names) -> Map {
    let requests = Map::new()
        .with(
            "cpu",
            text(
                cpu,
                "What the autoscaler's share of CPU is a share of.",
                "250m",
            ),
        )
        .with(
            "memory",
            text(memory, "Set it above the measured peak.", "256Mi"),
        );
    let limits = Map::new()
        .with("cpu", text(cpu_max, "Beyond it is waited.", "500m"))
        .with(
            "memory",
            text(memory_max, "Beyond it the container is killed.", "512Mi"),
        );
    Map::new().with("requests", requests).with("limits", limits)
}

//! How many pods there are: the autoscaler of Kubernetes, or KEDA, and where they get requests per second from.

use ph_record::catalogue;

use crate::file::{File, MARK};
use crate::kubernetes::Kubernetes;
use crate::kubernetes::object::{Object, number, text};
use crate::yaml::{Map, Yaml};

const CPU_PERCENT: u64 = 70;
const REQUESTS_PER_S: u64 = 50;

const OF_AUTOSCALER: &str = "\
The greater of two proposals counts: by CPU, and by requests per second. CPU is a share of the REQUEST of CPU: with half
of the request the same load reads as twice the share, and the autoscaler has twice the pods. Whoever changes
`resources.requests.cpu` changes the target with it. Requests per second come from prometheus-adapter
(for-others/prometheus-adapter.yaml); while they are missing, pods may be added by CPU, and none is taken away.";

pub(crate) fn autoscaler(to: &Kubernetes) -> Object {
    let target = Map::new()
        .with("apiVersion", "apps/v1")
        .with("kind", "Deployment")
        .with("name", to.name.as_str());
    let cpu = Map::new()
        .with("type", "Utilization")
        .with("averageUtilization", cpu_percent());
    let cpu = Map::new().with("name", "cpu").with("target", cpu);
    let requests = Map::new()
        .with(
            "metric",
            Map::new().with("name", catalogue::REQUESTS_PER_SECOND.name),
        )
        .with(
            "target",
            Map::new()
                .with("type", "AverageValue")
                .with("averageValue", requests_per_s()),
        );
    let metrics = vec![
        Map::new()
            .with("type", "Resource")
            .with("resource", cpu)
            .into(),
        Map::new()
            .with("type", "Pods")
            .with("pods", requests)
            .into(),
    ];
    let spec = Map::new()
        .with("scaleTargetRef", target)
        .with("minReplicas", least())
        .with("maxReplicas", most())
        .with("metrics", metrics)
        .with("behavior", behavior());
    let mut object = Object::new(
        "autoscaling/v2",
        "HorizontalPodAutoscaler",
        to,
        OF_AUTOSCALER,
    );
    object.file = "hpa.yaml".to_owned();
    object.with("spec", spec)
}

const OF_KEDA: &str = "\
KEDA makes a HorizontalPodAutoscaler of this. `ignoreNullValues: 'false'` makes an empty answer of Prometheus an error, at
which nothing changes; KEDA's default takes it for 0 and scales down when Prometheus has forgotten the series.";

pub(crate) fn scaled_object(to: &Kubernetes) -> Object {
    let namespace = to.namespace.as_deref().unwrap_or("default");
    let query = format!(
        "sum(rate(mcp_requests_total{{namespace=\"{namespace}\",pod=~\"{}-.*\"}}[2m]))",
        to.name
    );
    let mut prometheus = Map::new().with(
        "serverAddress",
        text(
            "prometheus.url",
            "The Prometheus that KEDA asks.",
            &to.prometheus,
        ),
    );
    let about = match to.namespace {
        Some(_) => Vec::new(),
        None => vec!["For another namespace than `default` say `--namespace`.".into()],
    };
    prometheus.put_commented(about, "query", query);
    prometheus.put("threshold", requests_per_s());
    prometheus.put("ignoreNullValues", "false");
    let cpu = Map::new().with("value", cpu_percent_text());
    let triggers = vec![
        Map::new()
            .with("type", "prometheus")
            .with("metricType", "AverageValue")
            .with("metadata", prometheus)
            .into(),
        Map::new()
            .with("type", "cpu")
            .with("metricType", "Utilization")
            .with("metadata", cpu)
            .into(),
    ];
    let config = Map::new().with("behavior", behavior());
    let advanced = Map::new().with("horizontalPodAutoscalerConfig", config);
    let spec = Map::new()
        .with("scaleTargetRef", Map::new().with("name", to.name.as_str()))
        .with("minReplicaCount", least())
        .with("maxReplicaCount", most())
        .with("advanced", advanced)
        .with("triggers", triggers);
    Object::new("keda.sh/v1alpha1", "ScaledObject", to, OF_KEDA).with("spec", spec)
}

/// Up at once, doubled or four more in 15 s; down after five minutes in which fewer would have done, one a minute: each
/// pod that goes takes its sessions along.
fn behavior() -> Map {
    let policy = |kind: &str, value: u32, period_s: u32| -> Yaml {
        Map::new()
            .with("type", kind)
            .with("value", value)
            .with("periodSeconds", period_s)
            .into()
    };
    let up = Map::new()
        .with("stabilizationWindowSeconds", 0)
        .with("selectPolicy", "Max")
        .with(
            "policies",
            vec![policy("Percent", 100, 15), policy("Pods", 4, 15)],
        );
    let down = Map::new()
        .with("stabilizationWindowSeconds", 300)
        .with("selectPolicy", "Max")
        .with("policies", vec![policy("Pods", 1, 60)]);
    Map::new().with("scaleUp", up).with("scaleDown", down)
}

fn least() -> Yaml {
    number("autoscaling.min", "Fewest pods.", 2)
}

fn most() -> Yaml {
    number("autoscaling.max", "Most pods.", 10)
}

fn cpu_percent() -> Yaml {
    number("autoscaling.cpuPercent", OF_CPU, CPU_PERCENT)
}

/// KEDA takes texts only.
fn cpu_percent_text() -> Yaml {
    text("autoscaling.cpuPercent", OF_CPU, &CPU_PERCENT.to_string())
}

const OF_CPU: &str = "Percent of the REQUEST of CPU.";

fn requests_per_s() -> Yaml {
    text(
        "autoscaling.requestsPerSecond",
        "Requests per second and pod.",
        &REQUESTS_PER_S.to_string(),
    )
}

/// What prometheus-adapter is to be told, as values of its chart.
pub(crate) fn adapter(to: &Kubernetes) -> File {
    let requests = catalogue::REQUESTS_PER_SECOND.name;
    let resource = |name: &str| Map::new().with("resource", name);
    let overrides = Map::new()
        .with("namespace", resource("namespace"))
        .with("pod", resource("pod"));
    let name = Map::new()
        .with("matches", "^mcp_requests_total$")
        .with("as", requests);
    let rule = Map::new()
        .with(
            "seriesQuery",
            "mcp_requests_total{namespace!=\"\",pod!=\"\"}",
        )
        .with("resources", Map::new().with("overrides", overrides))
        .with("name", name)
        .with(
            "metricsQuery",
            "sum(rate(<<.Series>>{<<.LabelMatchers>>}[2m])) by (<<.GroupBy>>)",
        );
    let rules = Map::new().with("custom", vec![rule.into()]);
    let root = Map::new().with("rules", rules);
    let head = format!(
        "Values for the chart of prometheus-adapter, from which the autoscaler of `{}` gets `{requests}`.\n\
         Written by `{MARK} kubernetes`. Join them with the values that you have.\n\
         Pilothouse shows a gauge of this name as well, of the last moments: with `rules.default: true` the adapter would offer\n\
         both, so leave its own rules off. See it with\n\
         kubectl get --raw '/apis/custom.metrics.k8s.io/v1beta1/namespaces/NAMESPACE/pods/*/{requests}'",
        to.name
    );
    File::new("for-others/prometheus-adapter.yaml", root.document(&head))
}

//! Files below Grafana's `provisioning` directory.

use ph_plan::Plan;

use crate::file::File;
use crate::yaml::Map;

/// The Prometheus that the plan asks, else our own API, which answers as Prometheus does. Exemplars
/// lead to our own view of the trace.
pub(super) fn data_source(plan: &Plan) -> File {
    let own = plan.external_url();
    let url = plan
        .metrics
        .query
        .as_ref()
        .map_or(own.as_str(), |url| url.as_str());
    let exemplars = Map::new()
        .with("name", "trace_id")
        // Grafana replaces `$` in provisioning files, unless it is doubled.
        .with(
            "url",
            format!("{own}/api/pilothouse/traces/$${{__value.raw}}"),
        )
        .with("urlDisplayLabel", "Trace in Pilothouse");
    let json = Map::new()
        .with("httpMethod", "POST")
        .with("timeInterval", "15s")
        .with("prometheusType", "Prometheus")
        .with("exemplarTraceIdDestinations", vec![exemplars.into()]);
    let source = Map::new()
        .with("name", "Pilothouse")
        .with("uid", "pilothouse")
        .with("type", "prometheus")
        .with("access", "proxy")
        .with("url", url)
        .with("jsonData", json);
    let root = Map::new()
        .with("apiVersion", 1)
        .with("datasources", vec![source.into()]);
    File::new(
        "provisioning/datasources/pilothouse.yml",
        root.document(
            "Written by `pilothouse generate grafana`: the data source of the dashboards.",
        ),
    )
}

pub(super) fn dashboards() -> File {
    let mut options = Map::new();
    options.put_commented(
        vec!["Where the directory `dashboards` beside this one was put.".into()],
        "path",
        "/var/lib/grafana/dashboards/pilothouse",
    );
    let provider = Map::new()
        .with("name", "pilothouse")
        .with("folder", "Pilothouse")
        .with("type", "file")
        .with("options", options);
    let root = Map::new()
        .with("apiVersion", 1)
        .with("providers", vec![provider.into()]);
    File::new(
        "provisioning/dashboards/pilothouse.yml",
        root.document(
            "Written by `pilothouse generate grafana`: where Grafana finds the dashboards.",
        ),
    )
}

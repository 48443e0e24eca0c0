//! `prometheus.yml`: what is scraped, with which rules, and who is told.

use std::collections::BTreeMap;

use http::Uri;
use ph_plan::{Endpoint, Plan, Scrape, Text, show_duration};

use crate::file::File;
use crate::headers::Headers;
use crate::yaml::{Map, Yaml};

/// Nothing can be scraped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoTarget {
    /// Neither listener serves `/metrics`.
    #[error("`/metrics` is served nowhere: `admin.enabled` and `metrics_on_data_listener` are off")]
    NotServed,
    /// The operating system chooses the port.
    #[error("the port of `/metrics` is chosen at the start of Pilothouse")]
    AnyPort,
}

/// `prometheus.yml` for the rule files of [`rules`](crate::rules()).
///
/// - `targets`: `host:port` of what is scraped; where none is given, what the plan says.
///
/// # Errors
/// [`NoTarget`], where the plan does not say it.
pub fn prometheus(plan: &Plan, targets: &[String], rules: &[File]) -> Result<File, NoTarget> {
    let targets = match targets {
        [] => vec![own_target(plan)?],
        given => given.to_vec(),
    };
    let mut root = Map::new().with("global", global(plan));
    root.put(
        "rule_files",
        rules
            .iter()
            .map(|file| Yaml::from(file.path.as_str()))
            .collect::<Yaml>(),
    );
    if !plan.notify.alertmanagers.is_empty() {
        root.put("alerting", alerting(&plan.notify.alertmanagers));
    }
    let mut jobs = vec![own_job(&targets)];
    jobs.extend(
        plan.scrape
            .iter()
            .map(|(name, scrape)| job(name.as_str(), scrape).into()),
    );
    root.put("scrape_configs", jobs);
    Ok(File::new("prometheus.yml", root.document(HEAD)))
}

const HEAD: &str = "\
Prometheus in front of Pilothouse, written by `pilothouse generate prometheus` from its configuration.
Start it with `--enable-feature=exemplar-storage` to keep the traces behind the numbers.";

fn own_target(plan: &Plan) -> Result<String, NoTarget> {
    let data = plan
        .serves_metrics_on_data_listener()
        .then_some(plan.listen);
    match plan.admin_address().or(data) {
        None => Err(NoTarget::NotServed),
        Some(address) if address.port() == 0 => Err(NoTarget::AnyPort),
        Some(address) => Ok(address.to_string()),
    }
}

fn global(plan: &Plan) -> Map {
    let mut global = Map::new().with("scrape_interval", Yaml::word("15s")).with(
        "evaluation_interval",
        Yaml::word(show_duration(plan.rules.interval)),
    );
    if !plan.rules.external_labels.is_empty() {
        global.put(
            "external_labels",
            texts(
                plan.rules
                    .external_labels
                    .iter()
                    .map(|(name, value)| (name.as_str(), value)),
            ),
        );
    }
    global
}

fn own_job(targets: &[String]) -> Yaml {
    let targets = targets.iter().map(|target| Yaml::from(target.as_str()));
    Map::new()
        .with("job_name", "mcp-server")
        .with(
            "static_configs",
            vec![Map::new().with("targets", targets.collect::<Yaml>()).into()],
        )
        .into()
}

fn alerting(alertmanagers: &[Endpoint]) -> Map {
    let one = |endpoint: &Endpoint| -> Yaml {
        let uri = endpoint.uri();
        let mut map = Map::new().with("scheme", scheme(uri));
        if uri.path() != "/" {
            map.put("path_prefix", uri.path().trim_end_matches('/'));
        }
        map.with(
            "static_configs",
            vec![group(&[host_and_port(endpoint)]).into()],
        )
        .into()
    };
    Map::new().with(
        "alertmanagers",
        alertmanagers.iter().map(one).collect::<Yaml>(),
    )
}

/// A job has one scheme and one path in Prometheus, so those of a target are labels of its own.
fn job(name: &str, scrape: &Scrape) -> Map {
    let mut job = Map::new()
        .with("job_name", name)
        .with(
            "scrape_interval",
            Yaml::word(show_duration(scrape.interval)),
        )
        .with(
            "scrape_timeout",
            Yaml::word(show_duration(scrape.timeout.min(scrape.interval))),
        )
        .with("sample_limit", scrape.samples_max);
    let place = format!("scrape.{name}.headers");
    let headers = Headers::new(
        &scrape.headers,
        &place,
        name,
        "Prometheus before 2.55 sends no such headers.",
    );
    if let Some(authorization) = headers.authorization {
        authorization.put_into(&mut job);
    }
    if let Some(ca_file) = &scrape.ca_file {
        job.put(
            "tls_config",
            Map::new().with("ca_file", ca_file.to_string()),
        );
    }
    let mut places: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for url in &scrape.urls {
        let uri = url.uri();
        let place = (
            scheme(uri).to_owned(),
            uri.path_and_query().map_or("/", |p| p.as_str()).to_owned(),
        );
        places.entry(place).or_default().push(host_and_port(url));
    }
    let groups = places.iter().map(|((scheme, path), targets)| {
        let mut labels = Map::new();
        if scheme != "http" {
            labels.put("__scheme__", scheme.as_str());
        }
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        if path != "/metrics" {
            labels.put("__metrics_path__", path);
        }
        // Of several values of one name Prometheus can be given the first.
        let mut seen = Vec::new();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            if !seen.contains(&name) {
                labels.put(&format!("__param_{name}"), value.into_owned());
                seen.push(name);
            }
        }
        for (name, value) in &scrape.labels {
            labels.put(name.as_str(), value.as_str());
        }
        let group = group(targets);
        Yaml::from(if labels.is_empty() {
            group
        } else {
            group.with("labels", labels)
        })
    });
    job.put_commented(headers.left_out, "static_configs", groups.collect::<Yaml>());
    job
}

fn group(targets: &[String]) -> Map {
    let targets = targets.iter().map(|target| Yaml::from(target.as_str()));
    Map::new().with("targets", targets.collect::<Yaml>())
}

fn scheme(uri: &Uri) -> &str {
    uri.scheme_str().unwrap_or("http")
}

fn host_and_port(endpoint: &Endpoint) -> String {
    format!("{}:{}", endpoint.host(), endpoint.port())
}

fn texts<'a>(pairs: impl Iterator<Item = (&'a str, &'a Text)>) -> Map {
    pairs.fold(Map::new(), |map, (name, value)| {
        map.with(name, value.as_str())
    })
}

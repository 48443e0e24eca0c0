//! What the Prometheus operator is told: what is scraped, and which rules there are.

use ph_plan::Plan;

use crate::file::File;
use crate::kubernetes::object::{Object, selector};
use crate::kubernetes::{Configuration, Kubernetes};
use crate::rules::{UserRules, rules as rule_files};
use crate::yaml::Map;

const OF_MONITOR: &str = "\
The job is called `mcp-server`, as the standard rules want it, by the label `app.kubernetes.io/component` of the Service.";

pub(crate) fn service_monitor(plan: &Plan, to: &Kubernetes) -> Object {
    let mut endpoint = Map::new()
        .with("port", "http")
        .with("path", "/metrics")
        .with("interval", "15s");
    if plan.tls.is_some() {
        endpoint.put("scheme", "https");
        endpoint.put_commented(
            vec!["The certificate is of a name, and pods are asked by their address.".into()],
            "tlsConfig",
            Map::new().with("insecureSkipVerify", true),
        );
    }
    let spec = Map::new()
        .with("jobLabel", "app.kubernetes.io/component")
        .with("selector", Map::new().with("matchLabels", selector(to)))
        .with("endpoints", vec![endpoint.into()]);
    Object::new("monitoring.coreos.com/v1", "ServiceMonitor", to, OF_MONITOR).with("spec", spec)
}

const OF_RULES: &str = "\
The rules that Pilothouse evaluates itself as well, unless `rules.enabled: never`: where both tell somebody of alerts, two
page.";

/// Each rule file as an object: those that are shipped, the service levels, and the user's.
pub(crate) fn rules(of: &Configuration<'_>, to: &Kubernetes) -> Vec<Object> {
    let user: Vec<_> = of
        .rules
        .iter()
        .map(|(path, text)| UserRules {
            name: path.rsplit('/').next().unwrap_or(path).to_owned(),
            text: text.clone(),
        })
        .collect();
    let files = rule_files(of.plan, &user);
    files.iter().map(|file| rule(file, to)).collect()
}

fn rule(file: &File, to: &Kubernetes) -> Object {
    let stem = file.path.rsplit('/').next().unwrap_or(&file.path);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
    let stem = stem.strip_prefix("pilothouse-").unwrap_or(stem);
    let name = format!("{}-{}", to.name, dns_label(stem));
    let mut object = Object::named(
        "monitoring.coreos.com/v1",
        "PrometheusRule",
        &name,
        to,
        OF_RULES,
    );
    object.file = format!("prometheusrule-{}.yaml", dns_label(stem));
    object.rest = below_spec(&file.text);
    object
}

/// A document of its own as the value of `spec`: what YAML means by lines, it means by lines that are indented alike.
fn below_spec(text: &str) -> String {
    let mut out = String::from("spec:\n");
    for line in text.lines().filter(|line| *line != "---") {
        if !line.is_empty() {
            out.push_str("  ");
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// What an object may be called.
fn dns_label(text: &str) -> String {
    let label: String = text
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    label.trim_matches('-').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::object::COMPONENT;

    #[test]
    fn the_job_is_the_one_of_the_standard_rules() {
        let text = rule_files(&Plan::default(), &[])
            .iter()
            .map(|file| file.text.as_str())
            .collect::<String>();
        let job = format!("job=\"{COMPONENT}\"");
        assert!(text.contains(&job), "no rule speaks of {job}");
        assert_eq!(text.matches("job=\"").count(), text.matches(&job).count());
    }

    #[test]
    fn names_are_labels() {
        assert_eq!(dns_label("My_own.Rules"), "my-own-rules");
    }
}

//! Objects of Kubernetes beside the configurations that they are made of, and what is refused.

use std::collections::BTreeMap;

use ph_artifacts::File;
use ph_artifacts::kubernetes::{
    Autoscaler, Configuration, Form, Kubernetes, References, Topology, kubernetes, unfit,
};
use ph_base::diagnostic::Diagnostic;
use ph_plan::{Plan, Secrets};

use crate::golden::{check, folder};

/// Every variable has a value that is to be found nowhere.
struct Planted;

const PLANTED: &str = "pl4nted";

impl Secrets for Planted {
    fn variable(&self, _name: &str) -> Option<std::ffi::OsString> {
        Some(PLANTED.into())
    }

    fn file(&self, _path: &std::path::Path) -> std::io::Result<String> {
        Ok(PLANTED.into())
    }
}

fn gateway() -> Kubernetes {
    Kubernetes {
        name: "mcp".into(),
        namespace: Some("tools".into()),
        image: "registry.example/pilothouse:1.2.3".into(),
        topology: Topology::Gateway,
        autoscaler: Autoscaler::Hpa,
        has_operator: true,
        prometheus: "http://prometheus.monitoring.svc:9090".into(),
    }
}

fn sidecar() -> Kubernetes {
    Kubernetes {
        name: "pilothouse".into(),
        namespace: None,
        topology: Topology::Sidecar {
            image: "registry.example/shop:7".into(),
        },
        autoscaler: Autoscaler::Keda,
        has_operator: false,
        ..gateway()
    }
}

fn references() -> References {
    References {
        needed: ["API_TOKEN", "REDIS_PASSWORD"].map(str::to_owned).into(),
        optional: ["LOG_LEVEL"].map(str::to_owned).into(),
    }
}

fn made(
    text: &str,
    rules: &[&str],
    to: &Kubernetes,
    form: Form,
) -> Result<Vec<File>, Vec<Diagnostic>> {
    let (plan, _) = Plan::from_yaml(text, &Planted).unwrap_or_else(|why| panic!("{why:?}"));
    let own = std::fs::read_to_string(folder("own.yml")).expect("a golden file");
    let rules: BTreeMap<_, _> = rules
        .iter()
        .map(|path| ((*path).to_owned(), own.clone()))
        .collect();
    let references = if text.contains("${") {
        references()
    } else {
        References::default()
    };
    let of = Configuration {
        plan: &plan,
        text,
        rules: &rules,
        references: &references,
    };
    match unfit(&of, to) {
        problems if problems.is_empty() => Ok(kubernetes(&of, to, form)),
        problems => Err(problems),
    }
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder(name)).expect("a golden file")
}

const FORMS: [(Form, &str); 3] = [
    (Form::Plain, "plain"),
    (Form::Kustomize, "kustomize"),
    (Form::Helm, "helm"),
];

#[test]
fn of_a_gateway_and_of_a_sidecar_in_every_form() {
    for (form, name) in FORMS {
        let files = made(&text("gateway.yaml"), &["rules/own.yml"], &gateway(), form).unwrap();
        check(&format!("kubernetes/gateway-{name}"), &files);
        for file in &files {
            assert!(!file.text.contains(PLANTED), "{}", file.path);
        }
        let files = made(&text("sidecar.yaml"), &[], &sidecar(), form).unwrap();
        check(&format!("kubernetes/sidecar-{name}"), &files);
    }
}

#[test]
fn another_configuration_is_another_pod_and_the_same_is_the_same() {
    let deployment = |text: &str| {
        let files = made(text, &[], &sidecar(), Form::Plain).unwrap();
        files
            .into_iter()
            .find(|file| file.path.ends_with("deployment.yaml"))
            .unwrap()
            .text
    };
    let text = text("sidecar.yaml");
    assert_eq!(deployment(&text), deployment(&text));
    assert_ne!(
        deployment(&text),
        deployment(&format!("{text}\n# said anew\n"))
    );
}

/// What stands at each place that is refused, with the field.
#[track_caller]
fn refused(add: &str, to: &Kubernetes, want: &[&str]) {
    let text = add.to_owned();
    let problems = match made(&text, &[], to, Form::Plain) {
        Ok(_) => Vec::new(),
        Err(problems) => problems,
    };
    let got: Vec<_> = problems
        .iter()
        .map(|problem| format!("{} at {}", problem.path, &text[problem.at.clone()]))
        .collect();
    assert_eq!(got, want, "{text}");
    for problem in problems {
        assert!(problem.hint.is_some(), "{problem:?}");
    }
}

const REACHED: &str = "listen: 0.0.0.0:3000\nauth: external\nallowed_hosts: [mcp]\nmetrics_on_data_listener: always\n";

#[test]
fn what_cannot_run_in_a_pod_is_refused_in_its_place() {
    let to = gateway();
    let with = |rest: &str| format!("{REACHED}{rest}");
    let server = "servers: {a: {url: 'https://a.example/mcp'}}\n";
    refused(&with(server), &to, &[]);
    refused(server, &to, &["listen at ", "allowed_hosts at "]);
    refused(
        &with("servers: {a: {url: 'http://127.0.0.1:8080/mcp'}}"),
        &to,
        &["servers.a.url at 'http://127.0.0.1:8080/mcp'"],
    );
    refused(
        &with("servers: {a: {command: docker, args: [run, -i, 'a:1']}}"),
        &to,
        &["servers.a.command at docker"],
    );
    refused(
        &with("servers: {a: {command: /home/me/server, args: [./data, /srv/x], cwd: /Users/me}}"),
        &to,
        &[
            "servers.a.command at /home/me/server",
            "servers.a.args[0] at ./data",
            "servers.a.cwd at /Users/me",
        ],
    );
    refused(
        &with(
            "servers: {a: {url: 'https://a.example/mcp', ca_file: /etc/ca.pem, headers: {X-Key: 'file:/etc/key'}, log_files: [/var/log/a.log, /tmp/a.log]}}",
        ),
        &to,
        &[
            "servers.a.ca_file at /etc/ca.pem",
            "servers.a.headers.X-Key at 'file:/etc/key'",
            "servers.a.log_files[0] at /var/log/a.log",
        ],
    );
    refused(
        &with(&format!(
            "{server}data_dir: /var/lib\nvuln: {{overrides: o.yaml}}\notlp: {{endpoint: 'http://localhost:4318'}}\n"
        )),
        &to,
        &[
            "data_dir at /var/lib",
            "vuln.overrides at o.yaml",
            "otlp.endpoint at 'http://localhost:4318'",
        ],
    );
    refused(
        &format!(
            "listen: 0.0.0.0:80\nauth: external\nallowed_hosts: [mcp]\ntls: {{cert: /run/secrets/t/c, key: /run/secrets/t/k, client_ca: /run/secrets/t/a}}\n{server}"
        ),
        &to,
        &[
            "metrics_on_data_listener at ",
            "listen at 0.0.0.0:80",
            "tls.client_ca at {cert: /run/secrets/t/c, key: /run/secrets/t/k, client_ca: /run/secrets/t/a}",
        ],
    );
    refused(&with(server), &sidecar(), &["servers at servers"]);
    refused(
        &with("servers: {a: {url: 'http://localhost:8080/mcp'}}"),
        &sidecar(),
        &[],
    );
}

#[test]
fn a_configuration_that_is_no_plain_block_is_the_same_text() {
    for odd in ["  {X}", "{X}\n\n\n", "{X}\t# tab\n", "{X}\r\n"] {
        let body = "listen: 0.0.0.0:3000, auth: external, allowed_hosts: [pilothouse], metrics_on_data_listener: always, servers: {a: {url: 'http://127.0.0.1:1/mcp'}}";
        let text = odd.replace('X', body);
        let files = made(&text, &[], &sidecar(), Form::Plain).unwrap();
        let map = files
            .iter()
            .find(|file| file.path.ends_with("configmap.yaml"))
            .unwrap();
        let root = ph_plan::document::read(&map.text).unwrap();
        let data = &root.entry("data").unwrap().value;
        let value = &data.entry("pilothouse.yaml").unwrap().value;
        let ph_plan::document::Data::Scalar(scalar) = &value.data else {
            panic!("no text: {}", map.text)
        };
        assert_eq!(scalar.text, text);
    }
}

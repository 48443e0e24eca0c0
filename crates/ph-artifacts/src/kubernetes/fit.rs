//! What cannot run in a pod, each with its place in the configuration.

use std::collections::BTreeSet;
use std::ops::Range;

use ph_base::diagnostic::{Diagnostic, Problem};
use ph_plan::Upstream;
use ph_plan::document::{self, Data, Node};

use crate::kubernetes::container::SECRETS;
use crate::kubernetes::{Autoscaler, Configuration, Kubernetes, Topology, config};

/// Everything that stands in the way, in the order of the text; none where the plan can run as [`Kubernetes`] says.
///
/// Literal secrets are not among these: they are warnings of every configuration, and whoever puts it into a ConfigMap
/// has to refuse them.
#[must_use]
pub fn unfit(of: &Configuration<'_>, to: &Kubernetes) -> Vec<Diagnostic> {
    let root = match document::read(of.text) {
        Ok(root) => root,
        Err(problems) => return problems,
    };
    let mut fit = Fit {
        of,
        to,
        found: Vec::new(),
    };
    fit.listeners(&root);
    fit.servers(&root);
    fit.values(&root, &mut Vec::new());
    fit.size();
    fit.found.sort_by_key(|found| found.at.start);
    fit.found
}

/// Secrets that are to be mounted: of `/run/secrets/NAME/KEY` the names.
pub(crate) fn mounted_secrets(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    if let Ok(root) = document::read(text) {
        each(&root, &mut Vec::new(), &mut |scalar, _, path| {
            let secret = file_at(path, scalar).and_then(secret_and_key);
            names.extend(secret.map(|(name, _)| name.to_owned()));
        });
    }
    names
}

struct Fit<'a> {
    of: &'a Configuration<'a>,
    to: &'a Kubernetes,
    found: Vec<Diagnostic>,
}

impl Fit<'_> {
    fn refuse(
        &mut self,
        at: &Range<usize>,
        path: &str,
        what: &'static str,
        hint: impl Into<String>,
    ) {
        self.found.push(Diagnostic {
            at: at.clone(),
            path: path.to_owned(),
            problem: Problem::Unsafe { what },
            hint: Some(hint.into()),
        });
    }

    fn listeners(&mut self, root: &Node) {
        let plan = self.of.plan;
        let start = root.at.start..root.at.start;
        let of = |key: &str| {
            root.entry(key)
                .map_or(start.clone(), |e| e.value.at.clone())
        };
        if plan.listen.ip().is_loopback() {
            self.refuse(
                &of("listen"),
                "listen",
                "nothing outside of the pod reaches a loopback address, and no probe does",
                "say `listen: 0.0.0.0:3000`, and who checks callers: `auth: {api_keys: true}`, or `auth: external` behind a mesh",
            );
        } else if plan.listen.port() == 0 {
            self.refuse(
                &of("listen"),
                "listen",
                "the port is chosen at the start, and the Service has to know it",
                "say a port, as in `listen: 0.0.0.0:3000`",
            );
        } else if plan.listen.port() < 1024 {
            self.refuse(
                &of("listen"),
                "listen",
                "a port below 1024 takes rights that the container does not have",
                "say another one, as in `listen: 0.0.0.0:3000`: the Service may have any port of its own",
            );
        }
        if plan.allowed_hosts.is_empty() {
            self.refuse(
                &of("allowed_hosts"),
                "allowed_hosts",
                "clients in the cluster reach the Service by its name, and no name is accepted",
                format!("say `allowed_hosts: [{}]`", self.names().join(", ")),
            );
        }
        if plan.tls.as_ref().is_some_and(|tls| tls.client_ca.is_some()) {
            self.refuse(
                &of("tls"),
                "tls.client_ca",
                "probes of Kubernetes show no certificate, so no pod would ever be ready",
                "leave `client_ca` out and have callers checked by `auth`, or by a mesh",
            );
        }
        let needs_metrics = self.to.has_operator || self.to.autoscaler != Autoscaler::None;
        if needs_metrics && !plan.serves_metrics_on_data_listener() {
            self.refuse(
                &of("metrics_on_data_listener"),
                "metrics_on_data_listener",
                "nobody could scrape the pods: /metrics is not served at their address",
                "say `metrics_on_data_listener: always`; the NetworkPolicy says who may come",
            );
        }
    }

    fn names(&self) -> Vec<String> {
        let name = &self.to.name;
        let namespace = self.to.namespace.as_deref().unwrap_or("default");
        vec![
            name.clone(),
            format!("{name}.{namespace}"),
            format!("{name}.{namespace}.svc"),
            format!("{name}.{namespace}.svc.cluster.local"),
        ]
    }

    fn servers(&mut self, root: &Node) {
        let Topology::Sidecar { .. } = self.to.topology else {
            return;
        };
        let plan = self.of.plan;
        let mut servers = plan.servers.values();
        let is_beside = match (
            servers.next().map(|server| &server.upstream),
            servers.next(),
        ) {
            (Some(Upstream::Http(http)), None) => {
                http.others.is_empty() && is_loopback(http.url.as_str())
            }
            _ => false,
        };
        if !is_beside {
            let at = root
                .entry("servers")
                .map_or(0..0, |entry| entry.key_at.clone());
            self.refuse(
                &at,
                "servers",
                "a pod with a sidecar has one server, at a loopback address",
                "say one server with a `url` such as `http://127.0.0.1:8080/mcp`, or leave `--server-image` out",
            );
        }
    }

    fn values(&mut self, root: &Node, path: &mut Vec<String>) {
        let mut scalars = Vec::new();
        each(root, path, &mut |text, at, path| {
            scalars.push((text.to_owned(), at.clone(), path.to_vec()));
        });
        for (text, at, path) in &scalars {
            self.value(text, at, path);
        }
    }

    fn value(&mut self, text: &str, at: &Range<usize>, path: &[String]) {
        let shown = path.join(".").replace(".[", "[");
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        if let Some(file) = file_at(path, text) {
            if secret_and_key(file).is_none() {
                self.refuse(
                    at,
                    &shown,
                    "this file is not in the pod",
                    format!("put it into a Secret, and write `{SECRETS}/NAME/KEY`: the Secret is mounted there"),
                );
            }
            return;
        }
        match keys[..] {
            ["listen"] | ["admin", "listen"] | ["allowed_hosts" | "allowed_origins", ..] => return,
            ["servers", _, "command"] if is_container_engine(text) => {
                self.refuse(
                    at,
                    &shown,
                    "a pod has no container engine to start this with",
                    "run the server's image as a container of the pod (`--server-image`) or as a Deployment, and say its `url`",
                );
            }
            ["servers", _, "command" | "cwd" | "source", ..] | ["servers", _, "args", ..]
                if is_of_this_machine(text) =>
            {
                self.refuse(
                    at,
                    &shown,
                    "this path is of the machine where it was written, not of the image",
                    "put it into the image, and write its absolute path there",
                );
            }
            ["servers", _, "log_files", ..] if !self.is_writable(text) => {
                self.refuse(
                    at,
                    &shown,
                    "nothing is written at this path in the pod: the file system of the container cannot be written to",
                    "let the server write below /tmp",
                );
            }
            ["data_dir"] if !text.contains("${") && (!text.starts_with('/') || is_taken(text)) => {
                self.refuse(
                    at,
                    &shown,
                    "a volume is mounted here, which takes a folder of its own",
                    "leave it out, or say `/var/lib/pilothouse`",
                );
            }
            ["vuln", "db" | "overrides" | "kev" | "epss"]
                if !text.contains("://") && !self.is_writable(text) =>
            {
                self.refuse(
                    at,
                    &shown,
                    "this file is not in the pod",
                    "leave it out; advisories are kept in the data directory",
                );
            }
            ["rules", "files", ..]
                if text.starts_with('/') || text.split('/').any(|part| part == "..") =>
            {
                self.refuse(
                    at,
                    &shown,
                    "rule files go into the ConfigMap, below the configuration",
                    "put the file beside the configuration, and write its relative path",
                );
            }
            _ => {}
        }
        let is_sidecar = matches!(self.to.topology, Topology::Sidecar { .. });
        let is_server = matches!(keys[..], ["servers", _, "url"]);
        if is_loopback(text) && !(is_sidecar && is_server) {
            let (what, hint) = if is_server {
                (
                    "nothing listens at a loopback address of this pod",
                    "say the name of the server's Service, or have the server in the pod: `--server-image`",
                )
            } else {
                (
                    "nothing listens at a loopback address of this pod",
                    "say the name of its Service",
                )
            };
            self.refuse(at, &shown, what, hint);
        }
    }

    fn is_writable(&self, path: &str) -> bool {
        let state = self.of.plan.data_dir.as_ref();
        let state = state.map_or("/var/lib/pilothouse".into(), |dir| dir.as_path().to_owned());
        let path = std::path::Path::new(path);
        path.starts_with("/tmp") || path.starts_with(state)
    }

    fn size(&mut self) {
        let all: usize = self.of.rules.values().map(String::len).sum();
        if self.of.text.len() + all > config::BYTES_MAX {
            self.refuse(
                &(0..0),
                "",
                "with its rule files the configuration is larger than a ConfigMap may be",
                "leave rule files out of `rules.files`, and give them to Prometheus as objects of their own",
            );
        }
    }
}

/// Who is told of a value: the value, its place, and the keys that lead to it.
type Tell<'a> = dyn FnMut(&str, &Range<usize>, &[String]) + 'a;

/// Each scalar with its place and the keys that lead to it; items of lists as `[n]`.
fn each(node: &Node, path: &mut Vec<String>, tell: &mut Tell<'_>) {
    match &node.data {
        Data::Scalar(scalar) => tell(&scalar.text, &node.at, path),
        Data::List(items) => {
            for (nth, item) in items.iter().enumerate() {
                path.push(format!("[{nth}]"));
                each(item, path, tell);
                path.pop();
            }
        }
        Data::Map(entries) => {
            for entry in entries {
                path.push(entry.key.clone());
                each(&entry.value, path, tell);
                path.pop();
            }
        }
    }
}

/// The path, where a value is one of a file that Pilothouse reads: `file:…`, certificates and keys.
fn file_at<'a>(path: &[String], text: &'a str) -> Option<&'a str> {
    if text.is_empty() || text == "~" || text == "null" {
        return None;
    }
    let keys: Vec<&str> = path.iter().map(String::as_str).collect();
    let is_file = matches!(
        keys[..],
        [.., "tls", "cert" | "key" | "client_ca"] | [.., "ca_file"]
    );
    if is_file {
        return Some(text);
    }
    text.strip_prefix("file:")
        .filter(|path| path.starts_with('/') && !path.starts_with("//") || path.starts_with("${"))
}

/// `/run/secrets/NAME/KEY`, with what Kubernetes takes for a name and a key.
fn secret_and_key(path: &str) -> Option<(&str, &str)> {
    let (name, key) = path
        .strip_prefix(SECRETS)?
        .strip_prefix('/')?
        .split_once('/')?;
    let is_name = is_dns_label(name) && name != "kubernetes.io";
    let is_key = !key.is_empty()
        && !key.starts_with("..")
        && key
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    (is_name && is_key).then_some((name, key))
}

/// What an object may be called: a label of RFC 1123, at most 63 characters.
#[must_use]
pub fn is_dns_label(text: &str) -> bool {
    let is_edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 63
        && text.starts_with(is_edge)
        && text.ends_with(is_edge)
        && text.chars().all(|c| is_edge(c) || c == '-')
}

/// An address of the machine itself.
fn is_loopback(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return false;
    };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    let host = match host.strip_prefix('[') {
        Some(v6) => v6.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    host.eq_ignore_ascii_case("localhost")
        || host.to_ascii_lowercase().ends_with(".localhost")
        || host
            .parse::<core::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

fn is_container_engine(command: &str) -> bool {
    let program = command.rsplit('/').next().unwrap_or_default();
    matches!(program, "docker" | "podman" | "nerdctl")
}

/// Homes, drives and what is relative to where somebody stood.
fn is_of_this_machine(text: &str) -> bool {
    let homes = ["/home", "/Users", "/root", "/mnt", "/media"];
    let is_below = |home: &&str| std::path::Path::new(text).starts_with(home);
    let relative = ["./", "../", "~/", "\\\\"];
    let mut chars = text.chars();
    let is_drive = chars.next().is_some_and(|c| c.is_ascii_alphabetic())
        && chars.next() == Some(':')
        && matches!(chars.next(), Some('\\' | '/'))
        && !text.contains("://");
    is_drive || homes.iter().any(is_below) || relative.iter().any(|begin| text.starts_with(begin))
}

/// Folders of the image and of other volumes, in place of which nothing may be mounted.
fn is_taken(path: &str) -> bool {
    let path = std::path::Path::new(path);
    let whole = [
        "/", "/var", "/var/lib", "/run", "/usr", "/tmp", "/home", "/opt", "/srv",
    ];
    whole
        .iter()
        .any(|taken| path == std::path::Path::new(taken))
        || [
            "/etc",
            "/run/secrets",
            "/usr",
            "/bin",
            "/lib",
            "/proc",
            "/sys",
            "/dev",
        ]
        .iter()
        .any(|taken| path.starts_with(taken))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_a_folder_and_a_key() {
        assert_eq!(
            secret_and_key("/run/secrets/tls/tls.crt"),
            Some(("tls", "tls.crt"))
        );
        for bad in [
            "/run/secrets/tls",
            "/run/secrets//k",
            "/run/secrets/a/b/c",
            "/run/secrets/kubernetes.io/token",
            "/run/secrets/a/..",
            "/run/secretsx/a/b",
            "/etc/tls.crt",
        ] {
            assert_eq!(secret_and_key(bad), None, "{bad}");
        }
    }

    #[test]
    fn loopback_in_any_spelling() {
        for yes in [
            "http://127.0.0.1:1/x",
            "redis://localhost",
            "https://[::1]:2/",
            "http://a.localhost/",
            "http://127.9.9.9",
        ] {
            assert!(is_loopback(yes), "{yes}");
        }
        for no in [
            "http://a.example/127.0.0.1",
            "http://127.0.0.1.example",
            "127.0.0.1",
            "localhost",
        ] {
            assert!(!is_loopback(no), "{no}");
        }
    }

    #[test]
    fn paths_of_a_machine() {
        for yes in ["/home/a/x", "./x", "C:\\x", "~/x", "/Users/a"] {
            assert!(is_of_this_machine(yes), "{yes}");
        }
        for no in ["/usr/bin/x", "/srv/files", "npx", "a:b", "c://x"] {
            assert!(!is_of_this_machine(no), "{no}");
        }
    }
}

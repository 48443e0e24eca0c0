//! One object of Kubernetes and the names that all of them share.

use crate::file::MARK;
use crate::kubernetes::Kubernetes;
use crate::yaml::{Map, Setting, Yaml};

/// One object, in a file of its own.
#[derive(Clone, Debug)]
pub(crate) struct Object {
    /// Name of its file.
    pub(crate) file: String,
    /// Lines at its head, besides the one that says who has written it.
    pub(crate) about: String,
    pub(crate) root: Map,
    /// Lines that follow, which are YAML already: `spec` of rules.
    pub(crate) rest: String,
}

impl Object {
    /// - `kind`: also what the file is called.
    pub(crate) fn new(api: &str, kind: &str, to: &Kubernetes, about: &str) -> Self {
        Self::named(api, kind, &to.name, to, about)
    }

    pub(crate) fn named(api: &str, kind: &str, name: &str, to: &Kubernetes, about: &str) -> Self {
        let mut metadata = Map::new().with("name", name);
        if let Some(namespace) = &to.namespace {
            metadata.put("namespace", namespace.as_str());
        }
        metadata.put("labels", labels(to));
        Self {
            file: format!("{}.yaml", kind.to_lowercase()),
            about: about.to_owned(),
            root: Map::new()
                .with("apiVersion", api)
                .with("kind", kind)
                .with("metadata", metadata),
            rest: String::new(),
        }
    }

    pub(crate) fn with(mut self, key: &str, value: impl Into<Yaml>) -> Self {
        self.root.put(key, value);
        self
    }

    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let head = format!("Written by `{MARK} kubernetes`.\n{}", self.about);
        self.root.document(head.trim_end()) + &self.rest
    }
}

/// What every object is marked with.
pub(crate) fn labels(to: &Kubernetes) -> Map {
    selector(to).with("app.kubernetes.io/component", COMPONENT)
}

/// The job of Pilothouse in Prometheus, by which the standard rules know it.
pub(crate) const COMPONENT: &str = "mcp-server";

/// By which the pods are found. What a Deployment selects can never be changed, so it is little.
pub(crate) fn selector(to: &Kubernetes) -> Map {
    Map::new()
        .with("app.kubernetes.io/name", "pilothouse")
        .with("app.kubernetes.io/instance", to.name.as_str())
}

/// A text that whoever installs the chart may set.
pub(crate) fn text(name: &'static str, about: &'static str, value: &str) -> Yaml {
    setting(name, about, Yaml::from(value))
}

/// A number that whoever installs the chart may set.
pub(crate) fn number(name: &'static str, about: &'static str, value: u64) -> Yaml {
    setting(name, about, Yaml::word(value.to_string()))
}

fn setting(name: &'static str, about: &'static str, value: Yaml) -> Yaml {
    let value = Box::new(value);
    Setting { name, about, value }.into()
}

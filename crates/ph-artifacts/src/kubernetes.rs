//! What a cluster of Kubernetes runs: the objects of one Pilothouse, as plain YAML, for Kustomize or as a chart.
//!
//! One tree of each object, written in three ways, so that what is installed does not depend on with what.
//! The configuration goes in as it was written: references stay references, and nothing is put in for them.

mod chart;
mod config;
mod container;
mod containerfile;
mod fit;
mod monitoring;
mod network;
mod object;
mod scaling;
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use ph_plan::Plan;

use crate::file::File;
use object::Object;

pub use fit::{is_dns_label, unfit};

/// What is to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubernetes {
    /// Name of every object: a DNS label.
    pub name: String,
    /// The namespace, where the files are to say it.
    pub namespace: Option<String>,
    /// The image of Pilothouse.
    pub image: String,
    /// Where the MCP servers are.
    pub topology: Topology,
    /// Who says how many pods there are.
    pub autoscaler: Autoscaler,
    /// Whether the Prometheus operator is there, whose objects say what is scraped and which rules there are.
    pub has_operator: bool,
    /// Address of the Prometheus that KEDA asks.
    pub prometheus: String,
}

/// Where the MCP servers are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    /// Elsewhere in the cluster, or programs in the image of Pilothouse.
    Gateway,
    /// In a container of each pod, before which Pilothouse stands.
    Sidecar {
        /// The image of the server.
        image: String,
    },
}

/// Who says how many pods there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Autoscaler {
    /// The HorizontalPodAutoscaler, with requests per second from prometheus-adapter.
    Hpa,
    /// KEDA, which makes a HorizontalPodAutoscaler itself: one of the two, never both.
    Keda,
    /// Nobody: two pods.
    None,
}

/// How files are laid out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Objects for `kubectl apply -f`.
    Plain,
    /// The same objects, listed in a `kustomization.yaml`.
    Kustomize,
    /// A chart for Helm, with look-ups of values and nothing else.
    Helm,
}

/// A configuration with all that belongs to it.
#[derive(Clone, Copy, Debug)]
pub struct Configuration<'a> {
    /// What it says.
    pub plan: &'a Plan,
    /// Its text, as it was written.
    pub text: &'a str,
    /// The rule files that it names, by the path in it.
    pub rules: &'a BTreeMap<String, String>,
    /// What it refers to.
    pub references: &'a References,
}

/// What a configuration takes from elsewhere: names, never values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Variables without which it is none.
    pub needed: BTreeSet<String>,
    /// Variables that have a default.
    pub optional: BTreeSet<String>,
}

/// The files. What does not fit ([`unfit`]) is to be refused before.
#[must_use]
pub fn kubernetes(of: &Configuration<'_>, to: &Kubernetes, form: Form) -> Vec<File> {
    let mut files = match form {
        Form::Plain => plain(objects(of, to)),
        Form::Kustomize => chart::kustomize(&objects(of, to), to),
        Form::Helm => chart::helm(objects(of, to), to),
    };
    if to.autoscaler == Autoscaler::Hpa {
        files.push(scaling::adapter(to));
    }
    files.push(containerfile::containerfile(of.plan));
    files
}

fn plain(objects: Vec<Object>) -> Vec<File> {
    let file = |object: Object| File::new(format!("objects/{}", object.file), object.text());
    objects.into_iter().map(file).collect()
}

fn objects(of: &Configuration<'_>, to: &Kubernetes) -> Vec<Object> {
    let mut objects = vec![
        config::config_map(of, to),
        workload::deployment(of, to),
        workload::disruption_budget(to),
        network::service(of.plan, to),
        network::policy(of.plan, to),
    ];
    match to.autoscaler {
        Autoscaler::Hpa => objects.push(scaling::autoscaler(to)),
        Autoscaler::Keda => objects.push(scaling::scaled_object(to)),
        Autoscaler::None => {}
    }
    if to.has_operator {
        objects.push(monitoring::service_monitor(of.plan, to));
        objects.extend(monitoring::rules(of, to));
    }
    objects
}

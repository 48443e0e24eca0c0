//! `pilothouse generate kubernetes`: what a cluster runs.

use super::Output;
use crate::exit;
use crate::printer::Printer;
use crate::secrets::Environment;
use crate::sources::rendered;
use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use ph_artifacts::File;
use ph_artifacts::kubernetes::{
    Autoscaler, Configuration, Form, Kubernetes, References, Topology, is_dns_label, kubernetes,
    unfit,
};
use ph_base::diagnostic::{Diagnostic, Problem, SecretProblem};
use ph_plan::{Plan, Secrets};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

#[derive(Args)]
pub(crate) struct KubernetesArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "pilothouse.yaml")]
    config: PathBuf,
    /// How the objects are laid out.
    #[arg(long, value_enum, default_value_t = FormArg::Plain)]
    format: FormArg,
    /// The image of Pilothouse, by digest: NAME@sha256:HEX, or by a tag that does not move.
    #[arg(long, value_name = "IMAGE")]
    image: String,
    /// The image of an MCP server that runs in the same pods, behind Pilothouse.
    #[arg(long, value_name = "IMAGE")]
    server_image: Option<String>,
    /// Name of the objects.
    #[arg(long, default_value = "pilothouse")]
    name: String,
    /// The namespace; without it the one that is current when the objects are applied.
    #[arg(long)]
    namespace: Option<String>,
    /// Who says how many pods there are.
    #[arg(long, value_enum, default_value_t = AutoscalerArg::Hpa)]
    autoscaler: AutoscalerArg,
    /// Leave out the objects of the Prometheus operator; pods are annotated instead.
    #[arg(long)]
    no_operator: bool,
    /// The Prometheus that KEDA asks.
    #[arg(
        long,
        value_name = "URL",
        default_value = "http://prometheus-operated.monitoring.svc:9090"
    )]
    prometheus: String,
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormArg {
    /// Objects for `kubectl apply -f`.
    Plain,
    /// A base of Kustomize.
    Kustomize,
    /// A chart.
    Helm,
}

#[derive(Clone, Copy, ValueEnum)]
enum AutoscalerArg {
    /// HorizontalPodAutoscaler by CPU and requests.
    Hpa,
    /// KEDA's ScaledObject.
    Keda,
    /// Two pods, always.
    None,
}

/// The files, or the exit code where there are none.
pub(super) fn files(args: &KubernetesArgs, printer: &Printer) -> Result<Result<Vec<File>, u8>> {
    let to = target(args)?;
    let name = args.config.display().to_string();
    let text = fs::read_to_string(&args.config).with_context(|| format!("cannot read `{name}`"))?;
    let (plan, warnings, references) = match read(&name, &text) {
        Ok(read) => read,
        Err(refused) => {
            printer.say(&refused);
            return Ok(Err(exit::FOUND));
        }
    };
    let (secrets, others): (Vec<_>, Vec<_>) = warnings
        .into_iter()
        .partition(|warning| matches!(warning.problem, Problem::Exposed { .. }));
    if !others.is_empty() {
        printer.say(&rendered(&others, &name, &text));
    }
    let rules = rules(&plan, &args.config)?;
    let of = Configuration {
        plan: &plan,
        text: &text,
        rules: &rules,
        references: &references,
    };
    let unfit = unfit(&of, &to);
    if !secrets.is_empty() {
        printer.say(&rendered(&secrets, &name, &text));
        printer.say("error: nothing is written: a secret of the configuration would stand in a ConfigMap for everybody to read\n");
    }
    if !unfit.is_empty() {
        printer.say(&rendered(&unfit, &name, &text));
    }
    if !secrets.is_empty() || !unfit.is_empty() {
        return Ok(Err(exit::FOUND));
    }
    if !references.needed.is_empty() {
        printer.say(&secret_to_make(&references, &to));
    }
    let form = match args.format {
        FormArg::Plain => Form::Plain,
        FormArg::Kustomize => Form::Kustomize,
        FormArg::Helm => Form::Helm,
    };
    Ok(Ok(kubernetes(&of, &to, form)))
}

fn target(args: &KubernetesArgs) -> Result<Kubernetes> {
    let labels = [
        ("--name", Some(&args.name)),
        ("--namespace", args.namespace.as_ref()),
    ];
    for (flag, value) in labels {
        if let Some(value) = value {
            // Names of objects are made of it: `NAME-config`, `NAME-standard`.
            ensure!(
                is_dns_label(value) && value.len() <= NAME_MAX,
                "`{flag} {value}` is no name of an object: at most {NAME_MAX} of a to z, 0 to 9 and -, with a letter or digit at both ends"
            );
        }
    }
    for (flag, image) in [
        ("--image", Some(&args.image)),
        ("--server-image", args.server_image.as_ref()),
    ] {
        if let Some(image) = image {
            check_image(flag, image)?;
        }
    }
    ensure!(
        ["http://", "https://"]
            .iter()
            .any(|scheme| args.prometheus.starts_with(scheme)),
        "`--prometheus {}` is no address such as http://prometheus.monitoring.svc:9090",
        args.prometheus
    );
    Ok(Kubernetes {
        name: args.name.clone(),
        namespace: args.namespace.clone(),
        image: args.image.clone(),
        topology: match &args.server_image {
            Some(image) => Topology::Sidecar {
                image: image.clone(),
            },
            None => Topology::Gateway,
        },
        autoscaler: match args.autoscaler {
            AutoscalerArg::Hpa => Autoscaler::Hpa,
            AutoscalerArg::Keda => Autoscaler::Keda,
            AutoscalerArg::None => Autoscaler::None,
        },
        has_operator: !args.no_operator,
        prometheus: args.prometheus.clone(),
    })
}

const NAME_MAX: usize = 40;

fn check_image(flag: &str, image: &str) -> Result<()> {
    let is_image = !image.is_empty()
        && image
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-/:@".contains(c));
    ensure!(is_image, "`{flag} {image}` is no name of an image");
    let last = image.rsplit('/').next().unwrap_or_default();
    let is_fixed =
        image.contains("@sha256:") || last.split_once(':').is_some_and(|(_, tag)| tag != "latest");
    ensure!(
        is_fixed,
        "`{flag} {image}` names no version, so that two pods could run two programs: NAME@sha256:HEX or NAME:1.2.3 is meant"
    );
    Ok(())
}

/// Reads the plan where its variables and files are not: those are the cluster's.
fn read(name: &str, text: &str) -> Result<(Plan, Vec<Diagnostic>, References), String> {
    // What is asked for without a default is needed: nothing is set the first time.
    let first = Elsewhere::default();
    let needed: BTreeSet<String> = match ph_plan::load(name, text, &first) {
        Ok(_) => BTreeSet::new(),
        Err(problems) => problems
            .into_iter()
            .filter_map(|problem| match problem.problem {
                Problem::Secret(SecretProblem::MissingVariable { name }) => Some(name),
                _ => None,
            })
            .collect(),
    };
    let second = Elsewhere {
        needed,
        ..Elsewhere::default()
    };
    let loaded = ph_plan::load(name, text, &second);
    let asked = second.asked.into_inner();
    let references = References {
        optional: asked.difference(&second.needed).cloned().collect(),
        needed: second.needed,
    };
    match loaded {
        Ok((plan, warnings)) => Ok((plan, warnings, references)),
        Err(problems) => {
            let mut said = rendered(&problems, name, text);
            let stood_in = second.stood_in.into_inner();
            if !stood_in.is_empty() {
                let names: Vec<_> = stood_in.into_iter().collect();
                said.push_str(&format!(
                    "hint: `{STAND_IN}` stood for {}, which {} not set here; where a problem is about that, set it to what it will be in the cluster\n",
                    names.join(", "),
                    if names.len() == 1 { "is" } else { "are" },
                ));
            }
            Err(said)
        }
    }
}

/// Variables and files of another place: a variable that is set here is taken to be set alike there, so that a port or
/// an address is one; of files nothing is read.
#[derive(Default)]
struct Elsewhere {
    needed: BTreeSet<String>,
    asked: RefCell<BTreeSet<String>>,
    stood_in: RefCell<BTreeSet<String>>,
}

const STAND_IN: &str = "stand-in";

impl Secrets for Elsewhere {
    fn variable(&self, name: &str) -> Option<OsString> {
        self.asked.borrow_mut().insert(name.to_owned());
        if !self.needed.contains(name) {
            return None;
        }
        Some(Environment.variable(name).unwrap_or_else(|| {
            self.stood_in.borrow_mut().insert(name.to_owned());
            STAND_IN.into()
        }))
    }

    fn file(&self, _path: &Path) -> io::Result<String> {
        Ok(STAND_IN.to_owned())
    }
}

/// The rule files by the path that the configuration says; those that cannot go along are refused by `unfit`.
fn rules(plan: &Plan, config: &Path) -> Result<BTreeMap<String, String>> {
    let beside = config.parent().unwrap_or(Path::new(""));
    let files = plan.rules.files.iter();
    files
        .map(|file| {
            let path = beside.join(file.as_path());
            let text = fs::read_to_string(&path)
                .with_context(|| format!("the rule file `{}` cannot be read", path.display()))?;
            Ok((file.as_path().display().to_string(), text))
        })
        .collect()
}

fn secret_to_make(references: &References, to: &Kubernetes) -> String {
    let namespace = to
        .namespace
        .as_ref()
        .map_or_else(String::new, |namespace| format!(" --namespace {namespace}"));
    let keys: Vec<_> = references
        .needed
        .iter()
        .map(|name| format!(" --from-literal={name}=\"${name}\""))
        .collect();
    format!(
        "note: the pods take these from a Secret that you make once:\n  kubectl create secret generic {}-env{namespace}{}\n",
        to.name,
        keys.concat()
    )
}

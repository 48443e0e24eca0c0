//! `pilothouse generate`: files for Prometheus, Alertmanager and Grafana, made from a configuration, and for the CI
//! of a server's own repository, and for a cluster of Kubernetes.

mod ci;
mod kubernetes;

use crate::exit;
use crate::printer::Printer;
use crate::sources::{Rejected, read_file};
use anyhow::{Context as _, Result, bail};
use clap::{Args, Subcommand};
use ph_artifacts::{File, MARK, UserRules};
use ph_plan::Plan;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

pub(crate) const EXAMPLES: &str = "\
Examples:
  pilothouse generate rules
  pilothouse generate prometheus --out /etc/prometheus
  pilothouse generate grafana --out deploy/grafana
  pilothouse generate prometheus --out deploy/prometheus --check   # in CI: exits 1 when files differ
  pilothouse generate kubernetes --image registry.example/pilothouse:1.2.3 --out deploy
  pilothouse generate kubernetes --format helm --image registry.example/pilothouse:1.2.3 --out deploy
  pilothouse generate renovate --out .
  pilothouse generate github-actions --out . --program https://files.example/pilothouse --sha256 HEX";

#[derive(Args)]
pub(crate) struct GenerateArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// `prometheus.yml`, which scrapes Pilothouse every 15 s, and the rule files.
    Prometheus(PrometheusArgs),
    /// The rule files: standard rules, service level objectives, and copies of your own.
    Rules(Common),
    /// `alertmanager.yml` with the receivers and routes of `notify`.
    Alertmanager(Common),
    /// Dashboards, and files that provision them.
    Grafana(Common),
    /// What a cluster of Kubernetes runs: plain objects, a base of Kustomize, or a chart for Helm.
    Kubernetes(kubernetes::KubernetesArgs),
    #[command(flatten)]
    Ci(ci::What),
}

#[derive(Args)]
struct PrometheusArgs {
    #[command(flatten)]
    common: Common,
    /// Scrape this instead of what the configuration says; can be given several times.
    #[arg(long, value_name = "HOST:PORT")]
    target: Vec<String>,
}

#[derive(Args)]
struct Common {
    /// The configuration.
    #[arg(long, value_name = "FILE", default_value = "pilothouse.yaml")]
    config: PathBuf,
    #[command(flatten)]
    output: Output,
}

/// Where files go.
#[derive(Args)]
struct Output {
    /// Write files here; without it a single file goes to standard output.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write nothing; exit 1 when a file in `--out` is missing or differs.
    #[arg(long, requires = "out", conflicts_with = "force")]
    check: bool,
    /// Also write over files that were not written by this command.
    #[arg(long, requires = "out")]
    force: bool,
}

pub(crate) fn generate(args: &GenerateArgs, printer: &Printer) -> Result<u8> {
    let common = match &args.what {
        What::Prometheus(args) => &args.common,
        What::Rules(common) | What::Alertmanager(common) | What::Grafana(common) => common,
        What::Kubernetes(args) => {
            return match kubernetes::files(args, printer)? {
                Ok(files) => put_out(&files, &args.output, printer),
                Err(code) => Ok(code),
            };
        }
        What::Ci(what) => return put_out(&ci::files(what)?, ci::output(what), printer),
    };
    let (plan, warnings) = match read_file(&common.config)? {
        Ok(read) => read,
        Err(Rejected(problems)) => {
            printer.say(&problems);
            return Ok(exit::FOUND);
        }
    };
    if !warnings.is_empty() {
        printer.say(&warnings);
    }
    let files = files(&args.what, &plan, &common.config)?;
    put_out(&files, &common.output, printer)
}

fn put_out(files: &[File], output: &Output, printer: &Printer) -> Result<u8> {
    match &output.out {
        None => print(files, printer),
        Some(out) if output.check => compare(files, out, printer),
        Some(out) => write(files, out, output.force, printer),
    }
}

fn files(what: &What, plan: &Plan, config: &Path) -> Result<Vec<File>> {
    let rules = || Ok::<_, anyhow::Error>(ph_artifacts::rules(plan, &user_rules(plan, config)?));
    Ok(match what {
        What::Prometheus(args) => {
            let mut files = rules()?;
            let main = ph_artifacts::prometheus(plan, &args.target, &files)
                .context("say what is to be scraped with `--target HOST:PORT`")?;
            files.insert(0, main);
            files
        }
        What::Rules(_) => rules()?,
        What::Alertmanager(_) => vec![ph_artifacts::alertmanager(plan)],
        What::Grafana(_) => ph_artifacts::grafana(plan),
        // Both were made before there was a plan.
        What::Ci(_) | What::Kubernetes(_) => Vec::new(),
    })
}

/// Relative paths are meant beside the configuration.
fn user_rules(plan: &Plan, config: &Path) -> Result<Vec<UserRules>> {
    let beside = config.parent().unwrap_or(Path::new(""));
    let read = |file: &ph_plan::FilePath| {
        let path = beside.join(file.as_path());
        let text = fs::read_to_string(&path)
            .with_context(|| format!("the rule file `{}` cannot be read", path.display()))?;
        let name = path.file_name().unwrap_or_default();
        Ok(UserRules {
            name: name.to_string_lossy().into_owned(),
            text,
        })
    };
    plan.rules.files.iter().map(read).collect()
}

fn print(files: &[File], printer: &Printer) -> Result<u8> {
    let [only] = files else {
        let names: Vec<_> = files.iter().map(|file| file.path.as_str()).collect();
        bail!(
            "these are {} files ({}): say where they go with `--out DIR`",
            files.len(),
            names.join(", ")
        );
    };
    printer.data(&only.text)?;
    Ok(exit::DONE)
}

/// What is in the directory under a file's name.
enum Found {
    Nothing,
    Same,
    /// An older one of ours.
    Ours,
    /// One that somebody else has written.
    Foreign,
}

fn found(file: &File, out: &Path) -> Result<Found> {
    let path = out.join(&file.path);
    match fs::read(&path) {
        Ok(bytes) if bytes == file.text.as_bytes() => Ok(Found::Same),
        Ok(bytes) if String::from_utf8_lossy(&bytes).contains(MARK) => Ok(Found::Ours),
        Ok(_) => Ok(Found::Foreign),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error).with_context(|| format!("`{}` cannot be read", path.display())),
    }
}

fn compare(files: &[File], out: &Path, printer: &Printer) -> Result<u8> {
    let mut code = exit::DONE;
    for file in files {
        let what = match found(file, out)? {
            Found::Same => continue,
            Found::Nothing => "is missing",
            Found::Ours | Found::Foreign => "differs",
        };
        code = exit::FOUND;
        printer.data(&format!("{} {what}\n", out.join(&file.path).display()))?;
    }
    Ok(code)
}

/// All or none: a file of somebody else is found before anything is written.
fn write(files: &[File], out: &Path, force: bool, printer: &Printer) -> Result<u8> {
    let found: Vec<Found> = files
        .iter()
        .map(|file| found(file, out))
        .collect::<Result<_>>()?;
    let foreign = files
        .iter()
        .zip(&found)
        .find(|(_, found)| matches!(found, Found::Foreign));
    if let Some((file, _)) = foreign.filter(|_| !force) {
        bail!(
            "`{}` was not written by `{MARK}`: nothing is written; `--force` writes over it",
            out.join(&file.path).display()
        );
    }
    for (file, found) in files.iter().zip(found) {
        let path = out.join(&file.path);
        let done = match found {
            Found::Same => "unchanged",
            Found::Nothing => "written",
            Found::Ours | Found::Foreign => "rewritten",
        };
        if !matches!(found, Found::Same) {
            put(&path, &file.text)
                .with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
        printer.data(&format!("{} {done}\n", path.display()))?;
    }
    Ok(exit::DONE)
}

/// Whoever reads the file meanwhile sees the old one or the new one, whole.
fn put(path: &Path, text: &str) -> std::io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = dir.join(name);
    fs::write(&new, text)?;
    fs::rename(&new, path)
}

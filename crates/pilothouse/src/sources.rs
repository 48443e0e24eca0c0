//! Where a plan comes from, and reading it again.

use crate::cli::RunArgs;
use crate::secrets::Environment;
use anyhow::{Context, Result, bail};
use ph_base::diagnostic::Diagnostic;
use ph_plan::Plan;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Looked for when nothing else is said.
const DEFAULT_FILE: &str = "pilothouse.yaml";

/// Where a plan comes from.
pub(crate) enum Source {
    /// A file; it is watched.
    File(PathBuf),
    /// A URL on the command line.
    Url(String),
    /// A command on the command line.
    Command(Vec<String>),
}

/// A text that is no plan: everything wrong with it, as a person reads it.
#[derive(Debug)]
pub(crate) struct Rejected(pub String);

impl Source {
    /// The source that the flags name.
    pub(crate) fn of(args: &RunArgs) -> Result<Self> {
        if let Some(file) = &args.config {
            return Ok(Self::File(file.clone()));
        }
        if let Some(url) = &args.url {
            return Ok(Self::Url(url.clone()));
        }
        if !args.server.is_empty() {
            return Ok(Self::Command(args.server.clone()));
        }
        if Path::new(DEFAULT_FILE).exists() {
            return Ok(Self::File(DEFAULT_FILE.into()));
        }
        bail!(
            "no server to run: give a command after `--`, `--url URL` or `--config FILE` (there is no `{DEFAULT_FILE}` here)"
        )
    }

    /// Reads the plan, with the flags laid over it, and its warnings.
    ///
    /// # Errors
    /// The outer one when it cannot be read, the inner one when it is no plan.
    pub(crate) fn read(&self, args: &RunArgs) -> Result<Result<(Plan, String), Rejected>> {
        let (mut plan, warnings) = match self {
            Self::Command(argv) => (Plan::for_command(argv)?, String::new()),
            Self::Url(url) => (Plan::for_url(url)?, String::new()),
            Self::File(path) => match read_file(path)? {
                Ok(read) => read,
                Err(rejected) => return Ok(Err(rejected)),
            },
        };
        if let Some(listen) = args.listen {
            plan.listen = listen;
        }
        if args.admin.is_some() {
            plan.admin.enabled = true;
            plan.admin.listen = args.admin;
        }
        if args.log_stdout {
            plan.log.stdout = true;
        }
        if plan.check_exposure().is_err() {
            return Ok(Err(Rejected(format!(
                "error: `{}` can be reached from other machines, and nobody checks who calls\nhint: listen on 127.0.0.1, or say `auth: external` in the configuration when a mesh or proxy in front checks\n",
                plan.listen
            ))));
        }
        if let (Err(problem), Some(address)) = (plan.check_admin(), plan.admin_address()) {
            return Ok(Err(Rejected(format!(
                "error: `--admin {address}`: {problem}\nhint: give it a loopback address such as `127.0.0.1:3001`\n"
            ))));
        }
        Ok(Ok((plan, warnings)))
    }

    /// When the file was changed last.
    pub(crate) fn changed(&self) -> Option<SystemTime> {
        match self {
            Self::File(path) => std::fs::metadata(path).and_then(|m| m.modified()).ok(),
            Self::Url(_) | Self::Command(_) => None,
        }
    }
}

/// Reads a configuration file.
pub(crate) fn read_file(path: &Path) -> Result<Result<(Plan, String), Rejected>> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("cannot read `{}`", path.display()))?;
    let name = path.display().to_string();
    Ok(match ph_plan::load(&name, &text, &Environment) {
        Ok((plan, warnings)) => Ok((plan, rendered(&warnings, &name, &text))),
        Err(problems) => Err(Rejected(rendered(&problems, &name, &text))),
    })
}

fn rendered(diagnostics: &[Diagnostic], name: &str, text: &str) -> String {
    diagnostics
        .iter()
        .map(|d| d.render(name, text))
        .collect::<Vec<_>>()
        .join("\n")
}

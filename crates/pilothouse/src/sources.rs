//! Where a plan comes from, and reading it again.

use crate::cli::RunArgs;
use crate::secrets::Environment;
use anyhow::{Context, Result, bail};
use ph_base::diagnostic::Diagnostic;
use ph_plan::Plan;
use ph_server::{Looked, RuleSet, Unusable};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Looked for when nothing else is said.
pub(crate) const DEFAULT_FILE: &str = "pilothouse.yaml";

/// Where a plan comes from.
pub(crate) enum Source {
    /// A file; it is watched.
    File(PathBuf),
    /// A URL on the command line.
    Url(String),
    /// A command on the command line.
    Command(Vec<String>),
}

/// A plan with all that it names.
pub(crate) struct Read {
    pub plan: Plan,
    pub rules: RuleSet,
    /// What is to be said of it, as a person reads it.
    pub warnings: String,
}

/// What a source was found to say.
pub(crate) struct Tried {
    /// The file's text, without what is secret by its place.
    pub text: Option<String>,
    pub outcome: Result<Read, Rejected>,
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
    /// When it cannot be read; [`Tried`] has what is wrong with what could be.
    pub(crate) fn read(&self, args: &RunArgs) -> Result<Tried> {
        let (text, read) = match self {
            Self::Command(argv) => (None, Ok((Plan::for_command(argv)?, String::new()))),
            Self::Url(url) => (None, Ok((Plan::for_url(url)?, String::new()))),
            Self::File(path) => {
                let (name, text) = text_of(path)?;
                (ph_plan::shown(&name, &text), plan_of(&name, &text))
            }
        };
        let outcome = read.and_then(|read| self.checked(args, read));
        Ok(Tried { text, outcome })
    }

    /// What stands in the file now, looked at as a reload would.
    pub(crate) fn look(&self, args: &RunArgs) -> Looked {
        let changed = match self {
            Self::File(path) => std::fs::metadata(path).and_then(|m| m.modified()).ok(),
            Self::Url(_) | Self::Command(_) => None,
        };
        match self.read(args) {
            Ok(Tried { text, outcome }) => Looked {
                text,
                changed,
                outcome: match outcome {
                    Ok(read) => Ok((read.plan, read.rules)),
                    Err(Rejected(problems)) => Err(Unusable::Refused(problems)),
                },
            },
            Err(error) => Looked {
                text: None,
                changed,
                outcome: Err(Unusable::Unreadable(format!("{error:#}"))),
            },
        }
    }

    /// The file, where it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Url(_) | Self::Command(_) => None,
        }
    }

    /// A plan with the flags laid over it, and its rules.
    fn checked(
        &self,
        args: &RunArgs,
        (mut plan, warnings): (Plan, String),
    ) -> Result<Read, Rejected> {
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
            return Err(Rejected(format!(
                "error: `{}` can be reached from other machines, and nobody checks who calls\nhint: listen on 127.0.0.1, or say `auth: external` in the configuration when a mesh or proxy in front checks\n",
                plan.listen
            )));
        }
        if let (Err(problem), Some(address)) = (plan.check_admin(), plan.admin_address()) {
            return Err(Rejected(format!(
                "error: `--admin {address}`: {problem}\nhint: give it a loopback address such as `127.0.0.1:3001`, or say `admin.auth: keys` in the configuration\n"
            )));
        }
        match self.rules(&plan) {
            Ok(rules) => Ok(Read {
                plan,
                rules,
                warnings,
            }),
            Err(problems) => Err(Rejected(problems.render())),
        }
    }

    /// The rules that `plan` asks for.
    fn rules(&self, plan: &Plan) -> Result<RuleSet, crate::rule_files::Unusable> {
        crate::rule_files::read(plan, self.folder())
    }

    /// Where relative paths begin.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::File(path) => path.parent(),
            Self::Url(_) | Self::Command(_) => None,
        }
    }

    /// When the file and the rule files that `plan` names were changed last; one that is not there counts as changed
    /// when it comes.
    pub(crate) fn changed(&self, plan: &Plan) -> Changed {
        let of = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        let file = match self {
            Self::File(path) => Some(path.as_path()),
            Self::Url(_) | Self::Command(_) => None,
        };
        let rules = crate::rule_files::paths(plan, self.folder());
        let all = file.map(Path::to_owned).into_iter().chain(rules);
        Changed(all.map(|path| (of(&path), path)).collect())
    }
}

/// When files were changed last.
#[derive(PartialEq, Eq)]
pub(crate) struct Changed(Vec<(Option<SystemTime>, PathBuf)>);

impl Changed {
    /// Also those of `later` that are not among these.
    pub(crate) fn with_others(mut self, later: Self) -> Self {
        for (at, path) in later.0 {
            if !self.0.iter().any(|(_, known)| *known == path) {
                self.0.push((at, path));
            }
        }
        self
    }

    /// Whether a file is other than `before`. One that is away, as it is for a moment when an editor writes it, is
    /// not.
    pub(crate) fn since(&self, before: &Self) -> bool {
        self.0.iter().any(|(at, path)| {
            at.is_some() && !before.0.iter().any(|old| *old == (*at, path.clone()))
        })
    }
}

/// Reads a configuration file.
pub(crate) fn read_file(path: &Path) -> Result<Result<(Plan, String), Rejected>> {
    let (name, text) = text_of(path)?;
    Ok(plan_of(&name, &text))
}

/// The name of a file as it is shown, and its text.
fn text_of(path: &Path) -> Result<(String, String)> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{name}`"))?;
    Ok((name, text))
}

fn plan_of(name: &str, text: &str) -> Result<(Plan, String), Rejected> {
    match ph_plan::load(name, text, &Environment) {
        Ok((plan, warnings)) => Ok((plan, rendered(&warnings, name, text))),
        Err(problems) => Err(Rejected(rendered(&problems, name, text))),
    }
}

/// Diagnostics with the lines that they are about. What stands beside them there may be a secret: a file of a desktop
/// client is often a single line.
pub(crate) fn rendered(diagnostics: &[Diagnostic], name: &str, text: &str) -> String {
    let text = ph_record::redact::hidden(text);
    diagnostics
        .iter()
        .map(|d| d.render(name, &text))
        .collect::<Vec<_>>()
        .join("\n")
}
